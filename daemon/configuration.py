"""The configuration file on disk."""

from importlib.resources import files
from pathlib import Path

from rnnd.config.loading import load_settings
from rnnd.config.schema import Settings
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
    return load_settings(text, str(path))


def default_text() -> str:
    """Return a commented configuration to begin with."""
    return files("rnnd.config").joinpath("default.yaml").read_text(encoding="utf-8")
