"""The configuration file on disk."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from rnnd.codecs.described import described_stamp
from rnnd.codecs.pattern import Patterns
from rnnd.codecs.zone import parse_zone
from rnnd.config.loading import Check, load_settings
from rnnd.config.schema import AppSettings, Settings
from rnnd.daemon.files import why
from rnnd.errors import ConfigError, UsageError

CONFIGURATION = "/etc/rnnd/rnnd.yaml"
LIMIT = 1 << 22  # bytes that are read

MEANING: dict[str, Callable[[str], object]] = {
    "apps[].red.patterns[]": lambda text: Patterns((text,)),
    "apps[].orange.patterns[]": lambda text: Patterns((text,)),
    "apps[].timezone": parse_zone,
    "apps[].timestamp.layout": lambda text: described_stamp("", text),
    "apps[].timestamp.after": lambda text: described_stamp(text, "%s"),
}
"""What fails where the value of a key means nothing."""


def read_configuration(path: Path, check: Check | None = None) -> Settings:
    """Return the settings in the file *path*; `load_settings` tells what *check* is.

    Raises `UsageError` where it cannot be read, `ConfigError` where it is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LIMIT).decode()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({why(error)})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start + 1})") from error
    return load_settings(text, str(path), check or check_meaning)


def check_meaning(key: str, value: Any) -> None:
    """Raise `ConfigError` for a *value* of *key* that the log codec makes no sense of."""
    if key in MEANING and value is not None:
        try:
            MEANING[key](value)
        except ConfigError as error:  # which begins with the codec's own name for it
            raise ConfigError(str(error).partition(": ")[2]) from error


def configured_app(path: Path, name: str | None) -> AppSettings:
    """Return the app *name*, or the only one, of the configuration at *path*.

    Raises `UsageError` where there is none, and `ConfigError` where the file is wrong.
    """
    apps = {app.name: app for app in read_configuration(path).apps}
    if name is None and len(apps) == 1:
        return next(iter(apps.values()))
    if name is None or name not in apps:
        raise UsageError(f"--name: {name!r} is no app of it, one of {', '.join(apps)}")
    return apps[name]


def default_text() -> str:
    """Return a commented configuration to begin with."""
    return files("rnnd.config").joinpath("default.yaml").read_text(encoding="utf-8")
