"""Follows one file, whatever it is called, and knows whether it is still the file it was."""

import lzma
import os
import shutil
import stat
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from rnnd.daemon.files import CHUNK, PACKED
from rnnd.daemon.lines import LineBuffer

HEAD = 256  # bytes of a file's beginning that are remembered
MARKER = 64  # bytes before the offset that are remembered


class FileKey(NamedTuple):
    """What the kernel calls a file; it may call another one so once this one is gone."""

    device: int
    inode: int


@dataclass(slots=True)
class Signature:
    """What is remembered of a file's content: its beginning and what stood before the offset."""

    head: bytes = b""
    marker: bytes = b""
    offset: int = 0

    def note(self, data: bytes) -> None:
        """Move on over *data*, which stands at the offset."""
        if self.offset < HEAD:
            self.head += data[: HEAD - self.offset]
        self.marker = (self.marker + data)[-MARKER:] if len(data) < MARKER else data[-MARKER:]
        self.offset += len(data)

    def fits(self, descriptor: int, size: int) -> bool:
        """Return whether the open file has everything that is remembered, where it was."""
        return (
            size >= self.offset
            and os.pread(descriptor, len(self.head), 0) == self.head
            and self._marker_fits(descriptor)
        )

    def begins(self, descriptor: int, size: int) -> bool:
        """Return whether the open file is as much of the remembered one as it is long."""
        length = min(len(self.head), size)
        return os.pread(descriptor, length, 0) == self.head[:length] and (
            size < self.offset or self._marker_fits(descriptor)
        )

    def _marker_fits(self, descriptor: int) -> bool:
        place = self.offset - len(self.marker)
        return os.pread(descriptor, len(self.marker), place) == self.marker

    def state(self) -> dict[str, Any]:
        """Return the signature as JSON."""
        return {
            "head": self.head.decode("latin-1"),
            "marker": self.marker.decode("latin-1"),
            "offset": self.offset,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Return the signature that `state` gave."""
        head, marker = state["head"].encode("latin-1"), state["marker"].encode("latin-1")
        return cls(head, marker, state["offset"])


class RewrittenError(Exception):
    """The file no longer has what was read from it: it was truncated, and perhaps written anew."""


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


def whole_signature(descriptor: int) -> Signature:
    """Return the signature of all that the open file holds."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, min(HEAD, size), 0)
    return Signature(head, os.pread(descriptor, min(MARKER, size), max(size - MARKER, 0)), size)


def unpack(descriptor: int, path: str) -> int:
    """Return a descriptor of the content of the open archive *path*, in an unnamed file.

    Takes over *descriptor*. Raises `OSError`, also where the archive is not whole (yet).
    """
    raw = os.fdopen(descriptor, "rb")
    with raw, tempfile.TemporaryFile() as content:
        try:
            with PACKED[Path(path).suffix](raw) as unpacked:
                shutil.copyfileobj(unpacked, content, CHUNK)
        except (EOFError, lzma.LZMAError, zlib.error) as error:
            raise OSError(f"{path}: the archive is not whole") from error
        content.flush()
        return os.dup(content.fileno())


class Follower:
    """One file that is read to its end, again and again, from where it was left.

    It sticks to the file, not to the name: a rename does not disturb it, and an unlinked file is
    read to its end as long as it is open. Every read fetches the marker before the offset along
    with the new bytes, in one system call, and gives nothing when the marker has changed.
    """

    def __init__(self, source: str, path: str, key: FileKey, signature: Signature) -> None:
        self.source = source  # the name under which its lines are known
        self.path = path  # where it was seen last
        self.key = key
        self.signature = signature
        self.buffer = LineBuffer()
        self.size = 0
        self.modified = 0  # ns since the epoch
        self.attached = True  # a name that is asked for leads to it
        self.packed = False  # the file is an archive; what is read is its content
        self.final = False  # nobody writes to it any more
        self.ending = False  # to be flushed and let go
        self.active = 0.0  # when it was last seen to grow, on the caller's clock
        self.rank = 0  # of several files of one source the lowest is read first
        self.pending = b""  # lines that come before what is read next
        self._descriptor: int | None = None
        self._hole = False  # skipping the zeros that a truncation left

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

    def open(self) -> None:
        """Hold the file open.

        Raises `OSError`, also where another file has the name now, and `RewrittenError`.
        """
        if self._descriptor is not None:
            return
        descriptor, status = open_plain(self.path)
        if FileKey(status.st_dev, status.st_ino) != self.key:
            os.close(descriptor)
            raise FileNotFoundError(2, "Another file has this name", self.path)
        self._descriptor = unpack(descriptor, self.path) if self.packed else descriptor
        self.size = os.fstat(self._descriptor).st_size
        if not self.signature.fits(self._descriptor, self.size):
            raise RewrittenError

    def close(self) -> None:
        """Let the descriptor go, not what is known."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def linked(self) -> bool:
        """Return whether the open file still has a name."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink > 0

    def look(self, now: float, status: os.stat_result | None = None) -> None:
        """See how far the file reaches, by *status* where it is not open.

        Raises `RewrittenError` when it is not what it was, and `OSError`.
        """
        if self.packed:  # an archive does not grow
            return
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
        if status is None or (status.st_size, status.st_mtime_ns) == (self.size, self.modified):
            return
        self.size, self.modified, self.active = status.st_size, status.st_mtime_ns, now
        if self._descriptor is None and self.signature.offset:
            self.open()
        elif self._descriptor is not None and not self.signature.fits(self._descriptor, self.size):
            raise RewrittenError

    def read(self, chunk: int) -> bytes:
        """Return the next whole lines, at most *chunk* bytes and a line; empty at the end.

        Raises `RewrittenError` when the file is not what it was, and `OSError`.
        """
        if self.pending:
            pending, self.pending = self.pending, b""
            return pending
        self.open()
        assert self._descriptor is not None
        signature = self.signature
        marker = signature.marker
        data = os.pread(self._descriptor, len(marker) + chunk, signature.offset - len(marker))
        if not data.startswith(marker):
            raise RewrittenError
        data = data[len(marker) :]
        if not data:
            self.size = signature.offset
            return b""
        signature.note(data)
        self.size = max(self.size, signature.offset)
        if self._hole:
            data = data.lstrip(b"\0")
            self._hole = not data
        return self.buffer.feed(data)

    def start_again(self) -> None:
        """Begin at the beginning: the file was rewritten.

        A writer that does not append goes on at its old place, and the file begins with zeros.
        """
        self.pending += self.buffer.flush()
        self.signature = Signature()
        self._hole = True
        if self._descriptor is not None:
            self.size = os.fstat(self._descriptor).st_size

    def content(self) -> Signature:
        """Return the signature of all that the open file holds now."""
        assert self._descriptor is not None
        return whole_signature(self._descriptor)

    def shortened(self) -> bool:
        """Return whether the file is a long piece of what was read, as after `truncate -s`.

        Then it has nothing new, and the offset has moved back to its end.
        """
        assert self._descriptor is not None
        if not HEAD <= self.size < self.signature.offset:
            return False
        if not self.signature.begins(self._descriptor, self.size):
            return False
        marker = os.pread(self._descriptor, MARKER, self.size - MARKER)
        self.signature = Signature(self.signature.head, marker, self.size)
        return True

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on exactly here, as JSON."""
        return {
            "source": self.source,
            "path": self.path,
            "key": list(self.key),
            "signature": self.signature.state(),
            "buffer": self.buffer.state(),
            "modified": self.modified,
            "attached": self.attached,
            "rank": self.rank,
            "pending": self.pending.decode("latin-1"),
            "packed": self.packed,
            "final": self.final,
            "hole": self._hole,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Return the follower, not yet open, that `state` gave."""
        signature = Signature.of(state["signature"])
        follower = cls(state["source"], state["path"], FileKey(*state["key"]), signature)
        follower.buffer.restore(state["buffer"])
        follower.modified = state["modified"]
        follower.attached = state["attached"]
        follower.rank = state["rank"]
        follower.pending = state["pending"].encode("latin-1")
        follower.packed, follower.final = state["packed"], state["final"]
        follower._hole = state["hole"]
        follower.size = signature.offset
        return follower
