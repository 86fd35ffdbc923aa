"""What was learnt, on disk: one file an app, replaced atomically, its predecessor kept."""

import fcntl
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rnnd.daemon.files import UNFINISHED, replacing, why
from rnnd.errors import CheckpointError, RnndError
from rnnd.rnn.checkpoint import Arrays, flatten, pack, unflatten, unpack, write

log = logging.getLogger(__name__)

KIND = "rnnd app"
SUFFIX = ".rnnd"
PREVIOUS = ".previous"
ASIDE = (".before", ".before.2", ".before.3")
"""What states set aside are called: there are no more of them."""


class StateDirectory:
    """The directory of all state files, held by one daemon alone.

    Raises `RnndError` when it cannot be had.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RnndError(
                f"state: {path} cannot be used ({why(error)}); "
                "expected a directory that this user may write, see --state"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise RnndError(
                f"state: {path} is in use by another rnnd; give one of them another --state"
            ) from error
        for rubbish in path.glob(f".*{UNFINISHED}"):  # from a daemon that was killed
            rubbish.unlink(missing_ok=True)

    def file(self, app: str) -> "StateFile":
        """Return the state file of *app*."""
        return StateFile(self.path / f"{app}{SUFFIX}")

    def close(self) -> None:
        """Let another daemon have the directory."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StateFile:
    """One app's state at *path*, and the one before beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.previous = path.with_name(path.name + PREVIOUS)
        self.refused = 0  # files that were found and could not be used
        self._read = path  # which of the two gave the state

    def load(self) -> dict[str, Any] | None:
        """Return the newest state that is whole; None when there never was one.

        Raises `CheckpointError` when there are files but none is whole: going on would write over
        what may yet be rescued.
        """
        refusals = []
        for path in (self.path, self.previous):
            try:
                state = decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CheckpointError(f"{path}: cannot be read ({why(error)})") from error
            except CheckpointError as error:
                self.refused += 1
                refusals.append(f"{path}: {error}")
                log.warning("%s was refused: %s", path, error)
                continue
            if refusals:
                log.warning("went on from %s, the state before", path)
            self._read = path
            return state
        if refusals:
            raise CheckpointError(
                f"{refusals[0]}; move it away to begin anew, or use the rnnd that wrote it"
            )
        return None

    def set_aside(self) -> Path:
        """Move the state read out of the way, for there is to be another; return where it is now.

        Where there is no place left, it takes that of the state which has learnt the least: the one
        that learnt for months is not lost to settings that were tried for an hour.

        Raises `CheckpointError` where that cannot be done.
        """
        places = [self.path.with_name(self.path.name + name) for name in ASIDE]
        try:
            aside = min(places, key=_lines_learnt)
            self._read.replace(aside)
            for other in (self.path, self.previous):
                other.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be moved ({why(error)})") from error
        return aside

    def save(self, snapshot: "Snapshot") -> int:
        """Replace the state by *snapshot*, keeping what was there as the previous one.

        Returns how many bytes it has.

        Raises `OSError` when the disk is full or may not be written; then all is as before.
        """
        link = self.previous.with_name(f".{self.previous.name}{UNFINISHED}")
        link.unlink(missing_ok=True)
        try:
            link.hardlink_to(self.path)
        except FileNotFoundError:
            pass
        else:
            link.replace(self.previous)
        with replacing(self.path) as file:
            write(file, KIND, snapshot.arrays, snapshot.meta)
            return file.tell()


def _lines_learnt(path: Path) -> int:
    """Return from how many lines the state at *path* has learnt: -1 where there is none."""
    try:
        return int(decode(path.read_bytes())["tally"]["lines"])
    except FileNotFoundError:
        return -1
    except (CheckpointError, KeyError, TypeError, ValueError):
        return 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state as of one moment: whoever it was taken of may change meanwhile."""

    arrays: Arrays
    meta: dict[str, Any]

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Return a copy of *state*."""
        arrays, meta = flatten(state)
        return cls({name: array.copy() for name, array in arrays.items()}, meta)


def encode(state: Mapping[str, Any]) -> bytes:
    """Return *state* as the bytes of a state file."""
    return pack(KIND, *flatten(state))


def decode(data: bytes) -> dict[str, Any]:
    """Return the state that `encode` was given; raises `CheckpointError`."""
    return unflatten(*unpack(KIND, data))
