"""The command line: finds the command, runs it, and turns its errors into one line and a status.

Exit status: 0 done, 1 the work failed, 2 bad usage or configuration. A command is a module of
`rnnd.daemon.commands` with `add_arguments(parser)` and `run(arguments) -> int`; only the module of
the command that was asked for is imported, so that help and mistakes cost no start-up time.
"""

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from rnnd import __version__
from rnnd.errors import RnndError

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

COMMANDS = {
    "run": "tail logs, learn, predict and serve metrics: the daemon",
    "backtest": "replay logs and score the predictions that would have been made",
    "status": "show the running daemon's apps, the worst first",
    "explain": "say why an app is orange or red",
    "templates": "show what the log codec sees: templates, counts, numbers",
    "config": "check, show or begin a configuration",
    "systemd": "show or install the service",
    "monitoring": "show or install what Prometheus and Grafana need",
    "completion": "print what a shell needs to complete the command line",
    "train": "train a character model on a text",
    "generate": "let a trained model write",
    "demo": "watch rnnd predict the failures of a simulated application",
}


class Parser(argparse.ArgumentParser):
    """Tells of a mistake in one line, and not in the many of the usage."""

    def error(self, message: str) -> NoReturn:
        """Print *message* and end with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for *argv*, with the arguments of the one command that it names."""
    parser = Parser(
        prog="rnnd",
        description="Predicts an application's health from its logs, before it fails.",
        epilog="`rnnd COMMAND --help` tells more.",
    )
    parser.add_argument("--version", action="version", version=f"rnnd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if name == wanted:
            importlib.import_module(f"rnnd.daemon.commands.{name}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* names (by default the program's own) and return its status."""
    # Before NumPy is imported: one thread does our small products faster, with less CPU, and with
    # the same bits on every machine.
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    argv = sys.argv[1:] if argv is None else argv
    arguments = build_parser(argv).parse_args(argv)
    command = importlib.import_module(f"rnnd.daemon.commands.{arguments.command}")
    try:
        status = int(command.run(arguments))
        sys.stdout.flush()
    except RnndError as error:
        print(f"rnnd: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status
