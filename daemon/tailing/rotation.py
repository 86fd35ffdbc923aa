"""Finds what became of a log that was rotated: its other names, its copies, its archives."""

import os
import re
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rnnd.daemon.files import PACKED
from rnnd.daemon.tailing.follower import FileKey, is_racy, key_of, open_plain, unpack
from rnnd.daemon.tailing.signature import Signature, signature_of

# What rotation adds to a name: a number, a date, a word for old. Nothing else will do, for
# `app.log.errors` and `app-worker.log` may be logs of their own beside `app.log`. logrotate moves
# a log that appeared while it was rotating to `app.log-2026010112.backup`. daemontools, runit and
# s6 call the live log `current`, and rotate it to `@` and a time in hexadecimal.
_MARK = r"[-._](?:\d[\dTZ.:_-]*(?:\.backup)?|old|bak|backup|prev|orig|save|last)"
_PACKING = r"(?:\.(?:gz|bz2|xz))?"
AT_ONCE = 1_000_000_000  # ns; files changed within so little are told apart by their names
_DIRECTORIES = 20  # subdirectories that are searched (logrotate's `olddir`)
_READINGS = 5  # of a directory that changes while it is read
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
_TAI64N = re.compile(r"@[0-9a-f]{24}\.[stu]")


def unrotated_names(name: str) -> set[str]:
    """Return the names that the log *name* may have had before it was rotated.

    >>> sorted(unrotated_names("app.log.1")), sorted(unrotated_names("app-2026-01-02.log.gz"))
    (['app.log'], ['app-2026-01-02.log', 'app.log'])
    >>> unrotated_names("app.log"), unrotated_names("app-worker.log")
    (set(), set())
    """
    if _TAI64N.fullmatch(name):
        return {"current"}
    matches = (pattern.fullmatch(name) for pattern in _ROTATED)
    return {"".join(group or "" for group in match.groups()) for match in matches if match}


def _generation(path: str) -> tuple[int, str]:
    """Return what sorts rotated logs by their names, the oldest first: high numbers, early dates.

    >>> sorted(["a.log.1", "a.log-20260102", "a.log.10.gz", "a.log-20260101"], key=_generation)
    ['a.log.10.gz', 'a.log.1', 'a.log-20260101', 'a.log-20260102']
    """
    marks = re.findall(r"\d+", Path(path).name)
    if len(marks) == 1 and len(marks[0]) < 6:
        return -int(marks[0]), path
    return 0, path


class Surroundings:
    """The rotated logs beside logs, each directory looked at once.

    While logrotate moves many files by one number, a file may be seen under neither its old nor
    its new name. So a directory is read until two readings in a row agree.
    """

    def __init__(self) -> None:
        self._directories: dict[str, dict[str, list[Candidate]]] = {}  # by unrotated name
        self._modified: dict[str, int] = {}
        self._unsteady: set[str] = set()

    def candidates(self, path: str) -> list[Candidate]:
        """Return the files that may be rotated versions of the log at the real *path*."""
        directory, name = os.path.split(path)
        if directory not in self._directories:
            self._directories[directory] = self._read(directory)
        return self._directories[directory].get(name, [])[-_CANDIDATES:]

    def are_steady(self, path: str) -> bool:
        """Return whether the `candidates` of *path* are surely all."""
        return os.path.dirname(path) not in self._unsteady  # noqa: PTH120

    def _read(self, directory: str) -> dict[str, list[Candidate]]:
        """Return the rotated logs in *directory*, by their logs' names, each oldest first."""
        found = _rotated(directory)
        candidates: list[tuple[set[str], Candidate | None]] = []
        for _ in range(_READINGS):
            candidates = [(names, _candidate(path)) for path, (_, names) in found.items()]
            before, found = found, _rotated(directory)
            if found == before:
                break
        else:
            self._unsteady.add(directory)
        by_name: dict[str, list[Candidate]] = {}
        for names, candidate in candidates:
            if candidate is not None:
                for name in names:
                    by_name.setdefault(name, []).append(candidate)
        for some in by_name.values():
            some.sort(key=lambda candidate: (candidate.modified, candidate.path))
            if some[-1].modified - some[0].modified < AT_ONCE:  # copied, not rotated
                some.sort(key=lambda candidate: _generation(candidate.path))
        return by_name

    def modified(self, directory: str) -> int:
        """Return when names in *directory* changed, in ns; -1 where that may not be all."""
        if directory not in self._modified:
            try:
                modified = os.stat(directory).st_mtime_ns  # noqa: PTH116
            except OSError:
                modified = 0
            self._modified[directory] = -1 if is_racy(modified) else modified
        return self._modified[directory]


def candidate_of(path: str, status: os.stat_result) -> Candidate:
    """Return the file *path* as a candidate."""
    return Candidate(path, key_of(status), status.st_size, status.st_mtime_ns)


def _candidate(path: str) -> Candidate | None:
    try:
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    except OSError:
        return None
    return candidate_of(path, status) if stat.S_ISREG(status.st_mode) else None


def _rotated(directory: str) -> dict[str, tuple[int, set[str]]]:
    """Return inodes and logs' names of the rotated logs in *directory* and just below, by path."""
    found: dict[str, tuple[int, set[str]]] = {}
    subdirectories: list[str] = []
    for entry in _entries(directory):
        if names := unrotated_names(entry.name):
            found[entry.path] = entry.inode(), names
        if entry.is_dir(follow_symlinks=False):
            subdirectories.append(entry.path)
    for place in subdirectories[:_DIRECTORIES]:
        entries = _entries(place)
        own = {entry.name for entry in entries}  # logs there, whose rotated files are theirs
        for entry in entries:
            if names := unrotated_names(entry.name) - own:
                found[entry.path] = entry.inode(), names
    return found


def _entries(directory: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # gone or not ours to read: then nothing is found there
        return []


class Reading(ExitStack):
    """Looks into candidates, each opened and unpacked at most once."""

    def __init__(self) -> None:
        super().__init__()
        self._descriptors: dict[str, int] = {}

    def descriptor(self, candidate: Candidate) -> int:
        """Return an open descriptor of what *candidate* holds; raises `OSError`."""
        if candidate.path not in self._descriptors:
            descriptor, status = open_plain(candidate.path)
            now = candidate_of(candidate.path, status)
            if now.key != candidate.key or (candidate.packed and now != candidate):
                os.close(descriptor)
                raise FileNotFoundError(2, "Another file has this name, or more", candidate.path)
            if candidate.packed:
                descriptor = unpack(descriptor, candidate.path)
            self.callback(os.close, descriptor)
            self._descriptors[candidate.path] = descriptor
        return self._descriptors[candidate.path]

    def size(self, candidate: Candidate) -> int:
        """Return how many bytes *candidate* holds; raises `OSError`."""
        if not candidate.packed:
            return candidate.size
        return os.fstat(self.descriptor(candidate)).st_size

    def holds(self, candidate: Candidate, signature: Signature) -> bool:
        """Return whether *candidate* has all that *signature* remembers; raises `OSError`."""
        if not signature.offset or (not candidate.packed and candidate.size < signature.offset):
            return False
        return signature.holds(self.descriptor(candidate), self.size(candidate))

    def begins(self, candidate: Candidate, signature: Signature) -> bool:
        """Return whether *candidate* is a piece of what *signature* remembers; raises `OSError`."""
        if not candidate.packed and candidate.size >= signature.offset:
            return False
        return signature.begins(self.descriptor(candidate), self.size(candidate))

    def signature(self, candidate: Candidate) -> Signature:
        """Return the signature of all that *candidate* holds now; raises `OSError`."""
        return signature_of(self.descriptor(candidate))

    def __enter__(self) -> Self:
        super().__enter__()
        return self
