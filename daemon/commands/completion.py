"""`rnnd completion`: what a shell needs to complete the command line."""

import argparse

from rnnd.daemon.shells import SHELLS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd completion` takes."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    """Print the completion of a shell."""
    print(SHELLS[arguments.shell](), end="")
    return 0
