"""What a line is taken apart into: severity, component, and message; and its packed form.

The packed form of two lines is the same if they say the same: it is what a kind of line is known
by, and what is saved of it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.severity import MEANINGS, Severity

MAX_TOKENS = 64  # words of a message that distinguish templates
MAX_MESSAGE = 2048  # bytes of a message that are looked at

METHODS = b"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|PROPFIND"  # of web requests
DELIMITERS = bytes.maketrans(b"=:,;()[]{}<>\"'|\t\r\x01", b" " * 18)
_TEXTS = {
    "priority": rb"(\d{1,3})>",
    "status": rb"(\d{3})(?!\d)",
    "verbosity": rb"(\d{1,3})(?=[\],])",
    "level": rb"(D?\d{1,5})",  # MongoDB's D1 to D5
    "letter": rb"([VDIWEFA])\d{4} \d",  # glog's
}


def split_tokens(message: bytes, limit: int = MAX_TOKENS) -> tuple[bytes, ...]:
    """Return the first *limit* words of *message*, split at spaces and most punctuation.

    >>> split_tokens(b"took=0 ms (user bob)")
    (b'took', b'0', b'ms', b'user', b'bob')
    """
    return tuple(message.translate(DELIMITERS).split(None, limit)[:limit])


@dataclass(frozen=True, slots=True)
class Number:
    """A severity told by a number, or a letter, behind the text *before*, and what it means.

    A priority stands at the start of the line; a ``0`` before it is any number. The last status is
    that before as many numbers at the end of the line as *before* says, and that of a column stands
    as many columns behind the method of a request. Lines that say *least* in words are at least as
    severe.
    """

    meaning: Literal[
        "priority", "status", "last status", "column status", "level", "verbosity", "letter"
    ]
    before: bytes
    least: Severity = Severity.DEBUG

    def read_all(
        self, data: bytes, starts: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> NDArray[np.int8]:
        """Return the severities of the lines of *data* from *starts* to *ends*."""
        meaning = MEANINGS[self.meaning]
        places, texts = [], []
        for found in _pattern(self.meaning, self.before).finditer(data):
            places.append(found.start())
            texts.append(found[1])
        known = {text: meaning(text) for text in set(texts)}
        severities = np.array([*map(known.__getitem__, texts), Severity.INFO], np.int8)
        limits = np.array([*places, len(data) + 1])
        first = np.searchsorted(limits, starts)
        first = np.where(limits[first] < ends, first, len(places))
        return np.maximum(severities[first], np.int8(self.least))


@lru_cache(maxsize=256)
def _pattern(meaning: str, before: bytes) -> re.Pattern[bytes]:
    if meaning == "last status":
        return re.compile(rb" (\d{3})(?: \d++){%d}\r?$" % int(before), re.MULTILINE)
    if meaning == "column status":
        columns = rb"(?:\t[^\t\n]*+){%d}\t(\d{3})(?=\t)" % int(before)
        return re.compile(rb"\t(?:" + METHODS + rb")" + columns)
    start = rb"^" if meaning == "priority" else rb""
    literal = re.escape(before).replace(b"0", rb"\d{1,9}")
    return re.compile(start + literal + _TEXTS[meaning], re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A kind of line: its severity or the number that tells it, its component and message."""

    severity: Severity
    number: Number | None
    component: bytes
    message: bytes
    words: int = 0  # in the line before the message
    fields: tuple[tuple[int, bytes], ...] = ()  # numbers beside the message: word, and name

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The words of the message."""
        return split_tokens(self.message)

    def pack(self) -> bytes:
        """Return all of it as bytes; no part of a line holds a newline."""
        number = b""
        if self.number is not None:
            meaning = self.number.meaning.replace(" ", "-").encode()
            number = b"%s %d %s" % (meaning, self.number.least, self.number.before)
        head = b"%d %d" % (self.severity, self.words)
        if self.fields:
            head += b"".join([b" %d=%s" % field for field in self.fields])
        return b"\n".join((head, number, self.component, self.message))


def unpack(text: bytes) -> Parsed:
    """Return what was packed to *text*.

    >>> number = Number("level", b'"level":')
    >>> parsed = Parsed(Severity.INFO, number, b"cart", b"added 0", 3, ((7, b"ms"),))
    >>> unpack(parsed.pack()) == parsed
    True
    """
    head, number, component, message = text.split(b"\n", 3)
    severity, words, *pairs = head.split()
    fields = tuple([(int(place), name) for place, name in (pair.split(b"=") for pair in pairs)])
    told: Number | None = None
    if number:
        meaning, least, before = number.split(b" ", 2)
        name = meaning.decode().replace("-", " ")
        told = Number(name, before, Severity(int(least)))  # type: ignore[arg-type]  # as packed
    return Parsed(Severity(int(severity)), told, component, message, int(words), fields)
