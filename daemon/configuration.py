"""The configuration file on disk."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import msgspec

from rnnd.codecs.described import described_stamp
from rnnd.codecs.pattern import Patterns
from rnnd.codecs.zone import parse_zone
from rnnd.config.loading import load_settings
from rnnd.config.schema import AppSettings, Rule, Settings, Timestamp
from rnnd.daemon.files import why
from rnnd.errors import ConfigError, UsageError

LIMIT = 1 << 22  # bytes that are read


def read_configuration(path: Path) -> Settings:
    """Return the settings in the file *path*.

    Raises `UsageError` where it cannot be read, `ConfigError` where it is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LIMIT).decode()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({why(error)})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (byte {error.start + 1})") from error
    return load_settings(text, str(path), faults)


def faults(settings: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Give key and fault of what the log codec makes no sense of."""
    for key, attempt in _attempts(settings):
        try:
            attempt()
        except ConfigError as error:
            yield key, str(error).partition(": ")[2]  # without the codec's own name for it


def _attempts(settings: msgspec.Struct) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give the keys that mean something to the codec, and what fails where they do not."""
    if isinstance(settings, Rule):
        yield "patterns", lambda: Patterns(settings.patterns)
    elif isinstance(settings, AppSettings):
        yield "timezone", lambda: parse_zone(settings.timezone)
    elif isinstance(settings, Timestamp):
        yield "layout", lambda: described_stamp("", settings.layout)
        yield "after", lambda: described_stamp(settings.after or "", "%s")


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
