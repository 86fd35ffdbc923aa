"""Follows one file, whatever it is called, and knows whether it is still the file it was."""

import gzip
import lzma
import os
import shutil
import stat
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple, Self

from rnnd.daemon.files import CHUNK, PACKED, UnfinishedError
from rnnd.daemon.tailing.lines import LineBuffer
from rnnd.daemon.tailing.signature import FIRST_SUM, HEAD, MARKER, Signature, is_piece, signature_of

RACY = 50_000_000  # ns; the kernel may give one time to all that is written within some of them


class FileKey(NamedTuple):
    """What the kernel calls a file; it may call another one so once this one is gone."""

    device: int
    inode: int


class RewrittenError(Exception):
    """The file no longer has what was read from it: it was truncated, and perhaps written anew."""


class LostError(Exception):
    """The file is not open, and no longer where it was."""


def key_of(status: os.stat_result) -> FileKey:
    """Return what the kernel calls the file of *status*."""
    return FileKey(status.st_dev, status.st_ino)


def is_racy(modified: int) -> bool:
    """Return whether a change now might leave the time of modification as it is.

    *modified* is in ns since the epoch, by the file system's clock. So git asks of its index.
    """
    return modified > time.time_ns() - RACY


def open_plain(path: str) -> tuple[int, os.stat_result]:
    """Open the regular file *path* to read and return its descriptor and status.

    Raises `OSError`, also where *path* is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise IsADirectoryError(21, "Is not a regular file", path)
    return descriptor, status


def unpack(descriptor: int, path: str) -> int:
    """Return a descriptor of the content of the open archive *path*, in an unnamed file.

    Takes over *descriptor*. Raises `OSError`, also where the archive is not whole (yet).
    """
    raw = os.fdopen(descriptor, "rb")
    with raw, tempfile.TemporaryFile() as content:
        try:
            with PACKED[Path(path).suffix](raw) as unpacked:
                shutil.copyfileobj(unpacked, content, CHUNK)
        except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
            raise UnfinishedError("the archive is not whole") from error
        content.flush()
        return os.dup(content.fileno())


class Follower:
    """One file that is read to its end, again and again, from where it was left.

    It sticks to the file, not to the name: a rename does not disturb it, and an unlinked file is
    read to its end as long as it is open. Every read fetches the marker before the offset along
    with the new bytes, in one system call, and gives nothing when the marker has changed.
    """

    def __init__(self, path: str, key: FileKey, signature: Signature | None = None) -> None:
        self.path = path  # where it was seen last
        self.key = key
        self.signature = signature or Signature()
        self.buffer = LineBuffer()
        self.size = self.signature.offset  # as far as was seen
        self.modified = 0  # ns since the epoch
        self.attached = True  # a name that is asked for leads to it
        self.packed = 0  # bytes of the archive, if the file is one; what is read is its content
        self.final = False  # nobody writes to it any more
        self.gone = False  # it was not found any more; what is left is what was begun
        self.ending = False  # to be flushed and let go
        self.rewritten = False  # as a read has found
        self.active: float | None = None  # when it was seen to grow, on the caller's clock
        self.pending = b""  # lines that come before what is read next
        self._descriptor: int | None = None
        self._racy = True
        self._glimpse = b""  # how a file begins of which nothing was read
        self._hole = not self.signature.offset  # skipping the zeros that a truncation left

    @property
    def is_open(self) -> bool:
        """Whether a descriptor is held."""
        return self._descriptor is not None

    @property
    def lag(self) -> int:
        """How many bytes are there to be read, as far as was seen."""
        return max(self.size - self.signature.offset, 0)

    @property
    def unread(self) -> bool:
        """Whether `read` has something to do."""
        return self.lag > 0 or self.ending or bool(self.pending)

    @property
    def begun(self) -> bool:
        """Whether anything was read that must be found again should the file be lost."""
        return bool(self.signature.offset or self.buffer.held or self.pending)

    @property
    def known(self) -> bool:
        """Whether enough was read to know the file by: a line."""
        return b"\n" in self.signature.head or self.signature.offset >= HEAD

    def open(self) -> None:
        """Hold the file open.

        Raises `LostError` where it is gone or another file has its name, `RewrittenError`, and
        `OSError`.
        """
        if self._descriptor is not None:
            return
        try:
            descriptor, status = open_plain(self.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LostError from error
        if key_of(status) != self.key:
            os.close(descriptor)
            raise LostError
        self._descriptor = unpack(descriptor, self.path) if self.packed else descriptor
        size = os.fstat(self._descriptor).st_size
        if not self.signature.fits(self._descriptor, size):
            raise RewrittenError
        self.size = size
        if self.packed:
            self.modified = status.st_mtime_ns

    def close(self) -> None:
        """Let the descriptor go, not what is known."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def can_reopen(self) -> bool:
        """Return whether its path still leads to it."""
        try:
            self._status_by_path()
        except (LostError, OSError):
            return False
        return True

    def linked(self) -> bool:
        """Return whether the open file still has a name."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink > 0

    def look(self, now: float, status: os.stat_result | None = None) -> None:
        """See how far the file reaches; *status* is that of a name that leads to it.

        Raises `RewrittenError` when it is not what it was, `LostError`, and `OSError`.
        """
        if self.active is None:
            self.active = now
        if self.rewritten:
            raise RewrittenError
        if self._descriptor is not None:
            status = None if self.packed else os.fstat(self._descriptor)
        elif status is None:
            status = self._status_by_path()
        if status is None or self.packed:  # an archive does not grow
            if self.packed and not self.modified:
                self.size = self.signature.offset + 1
            return
        known = (status.st_size, status.st_mtime_ns) == (self.size, self.modified)
        if known and not self._racy:
            return
        if self._descriptor is None and self.signature.offset:
            self.open()
        elif self._descriptor is not None and not self._fits(self._descriptor, status.st_size):
            raise RewrittenError
        self.size, self.modified = status.st_size, status.st_mtime_ns
        self._racy = is_racy(self.modified)
        if not known:
            self.active = now

    def _fits(self, descriptor: int, size: int) -> bool:
        if self.signature.offset:
            return self.signature.fits(descriptor, size)
        begins = os.pread(descriptor, MARKER, 0)
        fits = begins.startswith(self._glimpse)
        if fits:
            self._glimpse = begins
        return fits

    def _status_by_path(self) -> os.stat_result:
        try:
            status = os.stat(self.path)  # noqa: PTH116  cheaper than a Path
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LostError from error
        if key_of(status) != self.key or self.packed not in (0, status.st_size):
            raise LostError
        return status

    def read(self, chunk: int) -> bytes:
        """Return the next whole lines, at most *chunk* bytes and a line; empty at the end.

        Raises `RewrittenError` when the file is not what it was, `LostError`, and `OSError`.
        """
        if self.pending:
            pending, self.pending = self.pending, b""
            return pending
        self.open()
        assert self._descriptor is not None
        signature = self.signature
        marker = signature.marker
        data = os.pread(self._descriptor, len(marker) + chunk, signature.offset - len(marker))
        if not data.startswith(marker or self._glimpse[:chunk]):
            raise RewrittenError
        data = data[len(marker) :]
        if not data:
            self.size = signature.offset
            return b""
        self._glimpse = b""
        signature.note(data)
        self.size = max(self.size, signature.offset)
        if self._hole:
            data = data.lstrip(b"\0")
            self._hole = not data
        return self.buffer.feed(data)

    def give_up(self) -> None:
        """Take what was read for all there is, until the next look."""
        self.size = self.signature.offset
        self.modified = 0

    def start_again(self) -> None:
        """Begin at the beginning: the file was rewritten.

        A writer that does not append goes on at its old place, and the file begins with zeros.
        """
        self.pending += self.buffer.flush()
        self.signature = Signature()
        self.rewritten, self._hole, self._racy = False, True, True
        self.size = self.modified = 0
        self._glimpse = b""
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
            self.size, self.modified = status.st_size, status.st_mtime_ns
            self._glimpse = os.pread(self._descriptor, MARKER, 0)

    def is_shortened(self, copy: int | None) -> bool:
        """Return whether the file is now a long piece of what was read, as after `truncate -s`.

        *copy* is a descriptor of what it was, where there is one.
        """
        if self._descriptor is None:
            return False
        size = os.fstat(self._descriptor).st_size
        if not FIRST_SUM <= size < self.signature.offset:
            return False
        if copy is not None:
            return is_piece(self._descriptor, copy)
        return self.signature.begins(self._descriptor, size)

    def shorten(self) -> None:
        """Move the offset back to the end of the file, which has nothing new."""
        assert self._descriptor is not None
        self.rewritten = False
        self.signature = signature_of(self._descriptor)
        self.size = self.signature.offset
        self.modified = os.fstat(self._descriptor).st_mtime_ns

    def has(self, piece: int) -> bool:
        """Return whether the open file *piece* is a copy of this file, or of its beginning."""
        if self._descriptor is not None:
            return is_piece(piece, self._descriptor)
        try:
            descriptor, status = open_plain(self.path)
        except OSError:
            return False
        try:
            return key_of(status) == self.key and is_piece(piece, descriptor)
        finally:
            os.close(descriptor)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on exactly here, as JSON."""
        return {
            "path": self.path,
            "key": list(self.key),
            "signature": self.signature.state(),
            "buffer": self.buffer.state(),
            "modified": self.modified,
            "pending": self.pending.decode("latin-1"),
            "packed": self.packed,
            "final": self.final,
            "gone": self.gone,
            "hole": self._hole,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Return the follower, not yet open, that `state` gave."""
        follower = cls(state["path"], FileKey(*state["key"]), Signature.of(state["signature"]))
        follower.buffer.restore(state["buffer"])
        follower.modified = state["modified"]
        follower.pending = state["pending"].encode("latin-1")
        follower.packed, follower.final = state["packed"], state["final"]
        follower.gone, follower._hole = state["gone"], state["hole"]
        if follower.packed and not follower.gone:  # how much it holds, opening it will tell
            follower.size += 1
        return follower
