"""`rnnd completion`: what a shell needs to complete the command line."""

import argparse

from rnnd.daemon.shells import SHELLS

HELP = "bash, zsh or fish"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd completion` takes."""
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help=HELP)
    parser.epilog = (
        "pip and pipx install all three below share/. By hand: `source <(rnnd completion bash)` in "
        "~/.bashrc; `rnnd completion zsh >DIR/_rnnd` with a DIR of $fpath; `rnnd completion fish "
        ">~/.config/fish/completions/rnnd.fish`."
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the completion of a shell."""
    print(SHELLS[arguments.shell](), end="")
    return 0
