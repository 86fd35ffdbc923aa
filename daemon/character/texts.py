"""Texts to learn from: files and standard input, read whole, UTF-8 or refused."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rnnd.daemon.files import why
from rnnd.errors import UsageError


def read_texts(names: Sequence[str]) -> str:
    """Return the texts in the files *names* one after the other; ``-`` is standard input.

    Raises `UsageError` for a file that cannot be read or is not UTF-8, and where there is nothing
    to learn: no text, or one whose characters are all the same.
    """
    text = "".join(decode(name, _read(name)) for name in names)
    where = ", ".join("standard input" if name == "-" else name for name in names)
    if not text:
        raise UsageError(f"{where}: the text is empty")
    if len(set(text)) < 2:
        raise UsageError(
            f"{where}: the text is {text[0]!r} alone; at least two different characters are needed"
        )
    return text


def decode(name: str, data: bytes) -> str:
    """Return *data* as text, without a byte order mark; *name* is for the error.

    >>> decode("poem.txt", "na\\u00efve".encode())
    'naïve'
    """
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{'standard input' if name == '-' else name}: byte 0x{data[error.start]:02x} at "
            f"offset {error.start}, line {line}, is not UTF-8"
        ) from error


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: the text cannot be read: {why(error)}") from error
