"""The command line: finds the command, runs it, and turns its errors into one line and a status.

Exit status: 0 done, 1 the work failed, 2 bad usage or configuration. A command is a module of
`rnnd.daemon.commands` with `add_arguments(parser)` and `run(arguments) -> int`; only the module of
the command that was asked for is imported, so that help and mistakes cost no start-up time.
"""

import argparse
import contextlib
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rnnd import __version__
from rnnd.config.nodes import nearest
from rnnd.daemon.files import why
from rnnd.errors import RnndError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

RAISING = ("strict", "surrogateescape")
"""What is done with characters that an encoding lacks, by default: the latter in the C locale."""

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


EXAMPLES = """\
begin with:
  rnnd demo                 see it predict a simulated application's failures
  rnnd backtest app.log*    ask what it would have said about logs you have
  rnnd run app.log          let it watch a log

`rnnd COMMAND --help` tells more, `man rnnd` all.
"""


class Formatter(argparse.HelpFormatter):
    """Puts names and what they mean on one line, and keeps the lines of `EXAMPLES`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
        self._action_max_length = 16  # the shortest column of names: commands are indented twice

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text == EXAMPLES else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """Tells of a mistake in one line, with what may have been meant, and not in many of usage."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, "allow_abbrev": False, **more})

    def error(self, message: str) -> NoReturn:
        """Print *message* and end with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write *message*; a standard output that takes no more is no secret, as to argparse."""
        if file is sys.stdout:
            sys.stdout.write(message)
            sys.stdout.flush()
        else:
            super()._print_message(message, file)

    def parse_known_args(self, args: Any = None, namespace: Any = None, **more: Any) -> Any:
        """Return the arguments, and none that are unknown: this very parser tells of those."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.unknown(unknown[0])
        return known, unknown

    @property
    def options(self) -> list[str]:
        """All options that it has."""
        return [option for one in self._actions for option in one.option_strings]

    def unknown(self, word: str) -> NoReturn:
        """Say that *word* means nothing here."""
        hint = f", {nearest(word.partition('=')[0], self.options)}" if word[0] == "-" else ""
        self.error(f"{word!r} is unknown{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            name = action.option_strings[-1] if action.option_strings else action.metavar
            hint = nearest(str(value), map(str, action.choices))
            raise argparse.ArgumentError(
                None, f"{name or action.dest}: {value!r} is unknown, {hint}"
            )


def build_parser(argv: Sequence[str]) -> Parser:
    """Return the parser for *argv*, with the arguments of the one command that it names."""
    parser = Parser(
        prog="rnnd",
        description="Predicts an application's health from its logs, before it fails.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"rnnd {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
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
    print_anything()
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except RnndError as error:
        print(f"rnnd: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        drop_output()
        return 128 + signal.SIGPIPE
    except MemoryError:
        return _no_memory()
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return _no_memory()
        if error.filename is not None or error.errno not in NO_ROOM:
            raise
        drop_output()
        print(f"rnnd: standard output: cannot be written ({why(error)})", file=sys.stderr)
        return 1
    return status


def _run(argv: list[str]) -> int:
    """Run the command that *argv* names and return its status, or leave where help is wanted."""
    if not argv:
        build_parser(argv).print_help(sys.stderr)
        return 2
    if argv[0] == "help":
        argv = [*argv[1:2], "--help"]
    parser = build_parser(argv)
    if argv[0].startswith("-") and argv[0] not in parser.options:
        parser.unknown(argv[0])
    arguments = parser.parse_args(argv)
    command = importlib.import_module(f"rnnd.daemon.commands.{arguments.command}")
    return int(command.run(arguments))


def _no_memory() -> int:
    print("rnnd: there is not enough memory for what was asked", file=sys.stderr)
    return 1


def print_anything() -> None:
    """Let the standard streams escape what their encoding cannot say, rather than end with it.

    What is written to one that was closed is lost, and nowhere else.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stays_open = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stays_open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in RAISING:
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Let what is still to be written to standard output be lost without a word."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
