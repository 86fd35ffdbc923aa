"""Finds what became of a log that was rotated: its other names, its copies, its archives."""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass

from rnnd.daemon.files import PACKED
from rnnd.daemon.follower import FileKey, Signature, open_plain, unpack, whole_signature

# What rotation adds to a name: a number, a date, a word for old. Nothing else will do, for
# `app.log.errors` and `app-worker.log` may be logs of their own beside `app.log`. logrotate moves
# a log that appeared while it was rotating to `app.log-2026010112.backup`.
_MARK = r"[-._](?:\d[\dTZ.:_-]*(?:\.backup)?|old|bak|backup|prev|orig|save|last)"
_PACKING = r"(?:\.(?:gz|bz2|xz))?"
_DIRECTORIES = 20  # subdirectories that are searched (logrotate's `olddir`)
_CANDIDATES = 200  # files that are looked into, the newest first


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file whose name says that it may be a rotated log."""

    path: str
    key: FileKey
    size: int
    modified: int  # ns since the epoch

    @property
    def packed(self) -> bool:
        """Whether it is an archive."""
        return is_packed(self.path)


def is_packed(path: str) -> bool:
    """Return whether the name *path* is an archive's.

    >>> is_packed("/var/log/app.log.2.gz")
    True
    """
    return path.endswith(tuple(PACKED))


_ROTATED = (
    re.compile(rf"(.+?){_MARK}{_PACKING}"),
    re.compile(rf"(.+?){_MARK}(\.[^.]+){_PACKING}"),
    re.compile(r"(.+)\.(?:gz|bz2|xz)"),
)


def unrotated_names(name: str) -> set[str]:
    """Return the names that the log *name* may have had before it was rotated.

    >>> sorted(unrotated_names("app.log.1")), sorted(unrotated_names("app-2026-01-02.log.gz"))
    (['app.log'], ['app-2026-01-02.log', 'app.log'])
    >>> unrotated_names("app.log"), unrotated_names("app-worker.log")
    (set(), set())
    """
    matches = (pattern.fullmatch(name) for pattern in _ROTATED)
    return {"".join(group or "" for group in match.groups()) for match in matches if match}


class Surroundings:
    """The rotated logs beside logs, each directory looked at once."""

    def __init__(self) -> None:
        self._directories: dict[str, dict[str, list[str]]] = {}  # paths by unrotated name

    def candidates(self, path: str) -> list[Candidate]:
        """Return the files that may be rotated versions of the log *path*, oldest first."""
        directory, name = os.path.split(os.path.realpath(path))
        if directory not in self._directories:
            self._directories[directory] = _rotated_by_name(directory)
        found = []
        for rotated in self._directories[directory].get(name, ()):
            try:
                status = os.stat(rotated, follow_symlinks=False)  # noqa: PTH116
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                key = FileKey(status.st_dev, status.st_ino)
                found.append(Candidate(rotated, key, status.st_size, status.st_mtime_ns))
        found.sort(key=lambda candidate: (candidate.modified, candidate.path))
        return found[-_CANDIDATES:]


def _rotated_by_name(directory: str) -> dict[str, list[str]]:
    """Return the paths of rotated logs in *directory*, and just below, by their logs' names."""
    found: dict[str, list[str]] = {}
    subdirectories: list[str] = []
    for entry in _entries(directory):
        for name in unrotated_names(entry.name):
            found.setdefault(name, []).append(entry.path)
        if entry.is_dir(follow_symlinks=False):
            subdirectories.append(entry.path)
    for place in subdirectories[:_DIRECTORIES]:
        for entry in _entries(place):
            for name in unrotated_names(entry.name):
                found.setdefault(name, []).append(entry.path)
    return found


def _entries(directory: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # gone or not ours to read: then nothing is found there
        return []


def fits(candidate: Candidate, signature: Signature) -> bool:
    """Return whether *candidate* has all that *signature* remembers."""
    if not signature.offset or (not candidate.packed and candidate.size < signature.offset):
        return False
    return _try(candidate, signature.fits)


def begins(candidate: Candidate, signature: Signature) -> bool:
    """Return whether *candidate* is, as far as it goes, what *signature* remembers."""
    return candidate.size > 0 and signature.offset > 0 and _try(candidate, signature.begins)


def content(candidate: Candidate) -> Signature | None:
    """Return the signature of all that *candidate* holds now; None when it cannot be read."""
    try:
        descriptor, _ = open_plain(candidate.path)
    except OSError:
        return None
    try:
        return whole_signature(descriptor)
    finally:
        os.close(descriptor)


def _try(candidate: Candidate, test: Callable[[int, int], bool]) -> bool:
    try:
        descriptor, _ = open_plain(candidate.path)
        if candidate.packed:
            descriptor = unpack(descriptor, candidate.path)
    except OSError:
        return False
    try:
        return test(descriptor, os.fstat(descriptor).st_size)
    except OSError:
        return False
    finally:
        os.close(descriptor)
