"""`rnnd config`: check a configuration, show it in full, begin one, describe it to an editor."""

import argparse
import json
import sys
from pathlib import Path

import yaml

from rnnd.config.reference import as_written, json_schema
from rnnd.daemon.configuration import default_text, read_configuration
from rnnd.daemon.files import why, write_atomically
from rnnd.daemon.words import counted
from rnnd.errors import RnndError, UsageError

DEFAULT = "/etc/rnnd/rnnd.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd config` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("check", "name every mistake with file, line and column"),
        ("show", "print the whole configuration, defaults included"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("file", nargs="?", default=DEFAULT, metavar="FILE", help=DEFAULT)
    init = actions.add_parser(
        "init",
        help="print a commented configuration to begin with, or write it to FILE",
        description="Print a commented configuration to begin with, or write it to a new FILE.",
    )
    init.add_argument("file", nargs="?", metavar="FILE", help="must not be there yet")
    actions.add_parser(
        "schema",
        help="print the JSON schema, for editors",
        description="Print the JSON schema, for editors.",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    if arguments.action == "schema":
        print(json.dumps(json_schema(), indent=2))
    elif arguments.action == "init":
        _init(arguments.file)
    else:
        settings = read_configuration(Path(arguments.file))
        if arguments.action == "check":
            logs = sum(len(app.logs) for app in settings.apps)
            apps = counted(len(settings.apps), "app")
            print(f"{arguments.file}: in order ({apps}, {counted(logs, 'pattern')} of logs)")
        else:
            yaml.safe_dump(as_written(settings), sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def _init(path: str | None) -> None:
    text = default_text()
    if path is None:
        print(text, end="")
        return
    if Path(path).exists():
        raise UsageError(f"{path}: is there already, and is not written over")
    try:
        write_atomically(Path(path), text.encode())
    except OSError as error:
        raise RnndError(f"{path}: could not be written ({why(error)})") from error
    print(f"wrote {path}; name your logs in it, then: rnnd config check {path}")
