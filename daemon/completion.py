"""What may follow on the command line, for shells to complete and manuals to list."""

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from rnnd.daemon.cli import COMMANDS, Parser


@dataclass(frozen=True, slots=True)
class Command:
    """A command or one of its actions, with its parser."""

    words: tuple[str, ...]  # such as `config check`
    summary: str
    parser: argparse.ArgumentParser


def commands() -> Iterator[Command]:
    """Give every command, and after it its actions."""
    for name, summary in COMMANDS.items():
        parser = Parser(prog=f"rnnd {name}", description=summary)
        importlib.import_module(f"rnnd.daemon.commands.{name}").add_arguments(parser)
        yield Command((name,), summary, parser)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for choice in action._choices_actions:
                    inner = action.choices[choice.dest]
                    yield Command((name, choice.dest), choice.help or "", inner)
