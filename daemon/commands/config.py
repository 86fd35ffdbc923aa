"""`rnnd config`: check a configuration, show it in full, begin one, describe it to an editor."""

import argparse
import getpass
import glob
import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rnnd.config.loading import USER, USER_EXPECTED, parse_address
from rnnd.config.passwords import CONTROL, hash_password
from rnnd.config.reference import as_written, json_schema
from rnnd.config.schema import Settings, TlsSettings
from rnnd.daemon.configuration import (
    CONFIGURATION,
    check_meaning,
    default_text,
    read_configuration,
)
from rnnd.daemon.files import why, write_atomically
from rnnd.daemon.plural import counted
from rnnd.daemon.prediction.incidents import ignore, load_incidents
from rnnd.daemon.serving.guard import exposures
from rnnd.daemon.serving.tls import load_certificate
from rnnd.daemon.words import plain
from rnnd.errors import RnndError, UsageError

MOST_ROWS = 10  # of a list of failures that are told of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd config` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("check", "name every mistake with file, line and column"),
        ("show", "print the whole configuration, defaults included"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument(
            "file", nargs="?", default=CONFIGURATION, metavar="FILE", help=CONFIGURATION
        )
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
    password = actions.add_parser(
        "password",
        help="print what the configuration keeps of a user's password",
        description="Ask for a password, or read a line, and print what http.users keeps of it.",
    )
    password.add_argument("name", metavar="NAME", help="what the user is to be called")
    password.add_argument(
        "--generate", action="store_true", help="make up a password and print it to standard error"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    if arguments.action == "schema":
        print(json.dumps(json_schema(), indent=2))
    elif arguments.action == "init":
        _init(arguments.file)
    elif arguments.action == "password":
        _password(arguments.name, generate=arguments.generate)
    elif arguments.action == "check":
        _check(arguments.file)
    else:
        settings = read_configuration(Path(arguments.file))
        yaml.safe_dump(as_written(settings), sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def _check(path: str) -> None:
    """Say that *path* is in order, and what may yet be amiss; raises `ConfigError`."""
    settings = read_configuration(Path(path), _check_value)
    for note in _notes(settings):
        print(f"{path}: {note}")
    logs = sum(len(app.logs) for app in settings.apps)
    apps = counted(len(settings.apps), "app")
    print(f"{path}: in order ({apps}, {counted(logs, 'pattern')} of logs)")


def _check_value(key: str, value: Any) -> None:
    """Raise `RnndError` for a value that the daemon would refuse when it starts."""
    check_meaning(key, value)
    if key == "apps[].failures" and value is not None:
        load_incidents(value, merge=1.0, on_bad=ignore)
    elif isinstance(value, TlsSettings) and _is_readable(value):
        try:
            load_certificate(value)
        except UsageError as error:
            raise UsageError(str(error).removeprefix("http.tls: ")) from error


def _is_readable(tls: TlsSettings) -> bool:
    return os.access(tls.certificate, os.R_OK) and os.access(tls.key, os.R_OK)


def _notes(settings: Settings) -> Iterator[str]:
    """Give what is no mistake in the file, but may be none the less."""
    for app in settings.apps:
        for pattern in app.logs:
            if next(glob.iglob(pattern, recursive=True), None) is None:  # noqa: PTH207
                yield f"note: {app.name}: {pattern}: no such file now"
        bad: list[str] = []
        if app.failures is not None:
            load_incidents(app.failures, merge=1.0, on_bad=bad.append)
        for said in bad[:MOST_ROWS]:
            yield f"note: {app.name}: {said}; the row will be left out"
        if len(bad) > MOST_ROWS:
            yield f"note: {app.name}: {app.failures}: {len(bad)} bad rows in all"
    tls = settings.http.tls
    if tls is not None and not _is_readable(tls):
        yield f"note: http.tls: {tls.certificate}, {tls.key}: not for you to read"
    for text in exposures(settings.http, parse_address(settings.http.listen)[0]):
        yield f"note: {text}"


def _password(name: str, *, generate: bool) -> None:
    if not USER.fullmatch(name):
        raise UsageError(f"NAME: {plain(name)!r} is not {USER_EXPECTED}")
    if generate:
        password = secrets.token_urlsafe(24)
        print(f"the password of {name}: {password}", file=sys.stderr)
    elif sys.stdin.isatty():
        password = getpass.getpass(f"a password for {name}: ")
        if getpass.getpass("once more: ") != password:
            raise UsageError("the two passwords differ")
    else:
        password = sys.stdin.readline().removesuffix("\n")
    if not password or CONTROL.search(password):
        raise UsageError("the password is empty or holds a control character")
    print(f'    - name: {json.dumps(name)}\n      password_hash: "{hash_password(password)}"')


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
