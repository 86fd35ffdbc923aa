"""Files on disk: replaced atomically, and logs opened whatever they are packed with."""

import bz2
import errno
import gzip
import io
import lzma
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self, cast

from rnnd.daemon.tailing.lines import LineBuffer
from rnnd.errors import RnndError, UsageError

CHUNK = 1 << 20  # bytes
UNFINISHED = ".tmp"  # the suffix of what `replacing` has not finished
PACKED: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw)),
    ".bz2": lambda raw: cast(IO[bytes], bz2.BZ2File(raw)),
    ".xz": lambda raw: cast(IO[bytes], lzma.LZMAFile(raw)),  # noqa: SIM115  LogStream closes it
}


class UnfinishedError(OSError):
    """An archive that is not whole, or not yet."""


def write_atomically(path: Path, data: bytes) -> None:
    """Replace *path* by *data*, or leave it as it was: never torn, not even by a power cut.

    A link is followed, and stays one. What is no regular file (a device, a pipe) is written to as
    it is: to replace it would be to take `/dev/null` from the whole machine.

    Raises `OSError` when the disk is full or may not be written.
    """
    with path.open("wb") if is_special(path) else replacing(resolved(path)) as file:
        file.write(data)


def try_to_write(path: Path) -> None:
    """Raise `OSError` where `write_atomically` would be in vain: long before there is anything."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if is_special(path):  # not opened to try it: a pipe would wait, or take it for the end
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    with tempfile.TemporaryFile(dir=resolved(path).parent):
        pass


def is_special(path: Path) -> bool:
    """Return whether *path* is there and is neither a regular file nor a directory."""
    return path.exists() and not path.is_file() and not path.is_dir()


def resolved(path: Path) -> Path:
    """Return where the links lead that *path* is made of."""
    return Path(os.path.realpath(path))


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of *path* once it is whole, as `write_atomically` does."""
    new = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in the directory *path* survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def why(error: OSError) -> str:
    """Return the reason of *error* as a clause.

    >>> why(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    text = error.strerror or str(error) or type(error).__name__
    return text[0].lower() + text[1:]


class LogStream:
    """The bytes of one log from its beginning, unpacked; errors name the log."""

    def __init__(self, name: str, raw: IO[bytes], unpacked: IO[bytes]) -> None:
        self.name = name
        self._raw = raw
        self._unpacked = unpacked

    def read(self, size: int = CHUNK) -> bytes:
        """Return up to *size* further bytes; none at the end.

        Raises `RnndError` where an archive is torn or the disk fails.
        """
        try:
            return self._unpacked.read(size)
        except EOFError as error:
            raise RnndError(f"{self.name}: the archive ends too early, it is truncated") from error
        except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
            raise RnndError(f"{self.name}: the archive is damaged ({error})") from error
        except OSError as error:
            raise RnndError(f"{self.name}: cannot be read ({why(error)})") from error

    def whole_lines(self, size: int = CHUNK) -> Iterator[bytes]:
        """Give all lines in chunks of about *size* bytes, each chunk ending in a newline."""
        buffer = LineBuffer()
        while data := self.read(size):
            if lines := buffer.feed(data):
                yield lines
        if last := buffer.flush():
            yield last

    @property
    def size(self) -> int | None:
        """How many bytes there are on disk, packed; None for a pipe."""
        try:
            return os.fstat(self._raw.fileno()).st_size if self._raw.seekable() else None
        except (OSError, io.UnsupportedOperation):
            return None

    @property
    def written(self) -> float:
        """When its last line was written, in seconds since the epoch: now, for a pipe."""
        try:
            return os.fstat(self._raw.fileno()).st_mtime if self._raw.seekable() else time.time()
        except (OSError, io.UnsupportedOperation):
            return time.time()

    @property
    def position(self) -> int:
        """How many of the bytes on disk have been read, for a progress bar."""
        return self._raw.tell() if self._raw.seekable() else 0

    def close(self) -> None:
        """Close the log; standard input stays open."""
        if self._unpacked is not self._raw:
            self._unpacked.close()
        if self._raw is not sys.stdin.buffer:
            self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_log(path: str | Path) -> LogStream:
    """Open the log at *path*, which may be packed (.gz, .bz2, .xz), or standard input (``-``).

    Raises `UsageError` where there is no such log, and `RnndError` where it may not be read.
    """
    if str(path) == "-":
        return LogStream("standard input", sys.stdin.buffer, sys.stdin.buffer)
    path = Path(path)
    try:
        raw = path.open("rb")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UsageError(
            f"{path}: is a directory, expected a log file such as {path / '*.log'}"
        ) from error
    except OSError as error:
        raise RnndError(f"{path}: cannot be opened ({why(error)})") from error
    unpack = PACKED.get(path.suffix.lower())
    return LogStream(str(path), raw, unpack(raw) if unpack else raw)
