"""What stays of a line when its variables are taken out, computed for whole chunks of bytes.

A log repeats itself: most lines differ from an earlier one by their numbers alone. So a line is
known by two signatures, each a function of the one before:

- the *exact signature* is the line with its timestamp replaced by ``STAMP`` and every run of digits
  by one ``0``. NumPy and `bytes.split` make those of a whole chunk at once, and one dictionary
  look-up a line does the rest.
- the *coarse signature* has every word that contains a digit replaced by ``0`` (hexadecimal
  numbers, identifiers, host names such as ``web7``), every name in a path, and every UUID. Lines
  whose exact signature is new are mostly known by this one.

Severity and template are functions of the coarse signature. Therefore both look-ups are pure
caches: they may be emptied at any time, and a restart or another cut of the stream changes no
result.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STAMP = b"\x01"
"""Stands for the timestamp in signatures."""

NOTHING = b"\xff"
"""Stands for what is left out of signatures; in UTF-8 no text holds this byte."""

ZERO = 48

_DIGITS = bytes(ZERO if 48 <= byte < 58 else byte for byte in range(256))
SLASH, BACKSLASH, COLON, DOT = b"/\\:."


WORD, BEFORE_PATH, ENDS_PATH, NAME = 1, 2, 4, 8  # what a byte may be

_SPACES = b" \t\r\n\v\f"


def _class_of(byte: int) -> int:
    word = byte < 128 and chr(byte).isalnum()
    return (
        WORD * word
        | BEFORE_PATH * (byte in _SPACES + b"\"'=([")
        | ENDS_PATH * (byte in _SPACES + b"\"':,;)]")
        | NAME * (byte not in _SPACES + b"/\\=:,;()[]{}<>\"'|\x01")
    )


_CLASSES = bytes(map(_class_of, range(256)))
_UUID = re.compile(rb"0-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{12})\b")


class ExactSignatures:
    """Makes the exact signatures of chunks of lines.

    It works in arrays that it keeps, of the size of the largest chunk: fresh memory for every step
    of every chunk took longer than the work.
    """

    def __init__(self) -> None:
        self._scratch = np.empty((2, 0), np.uint8)

    def __call__(
        self, data: bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]
    ) -> list[bytes]:
        """Return the exact signature of every line of *data*, which ends in a newline.

        The bytes from *begins* up to *ends* are the timestamps; of a line without one, both are
        equal.

        >>> none = np.zeros(0, np.intp)
        >>> ExactSignatures()(b"disk 95 % full\\nok\\n", none, none)
        [b'disk 0 % full', b'ok']
        """
        if len(data) > self._scratch.shape[1]:
            self._scratch = np.empty((2, len(data)), np.uint8)
        text, digit = self._scratch[:, : len(data)]
        text[:] = np.frombuffer(data, np.uint8)
        np.subtract(text, ZERO, out=digit)
        np.less(digit, 10, out=digit.view(np.bool_))
        # All digits of a run but the first become NOTHING: 255, or minus one.
        repeated = np.logical_and(digit[1:], digit[:-1], out=digit[:-1].view(np.bool_))
        text[1:] |= np.negative(repeated.view(np.uint8), out=digit[:-1])
        stamped = begins < ends
        if stamped.all():
            _cut_out(text, begins, ends)
        else:
            _cut_out(text, begins[stamped], ends[stamped])
        signatures: list[bytes] = text.tobytes().translate(_DIGITS, NOTHING).split(b"\n")
        signatures.pop()
        return signatures


def _cut_out(text: NDArray[np.uint8], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> None:
    """Put `STAMP` for the bytes of *text* from every begin up to its end."""
    if not len(begins):
        return
    lengths = ends - begins
    width = int(lengths[0])
    if (lengths == width).all():  # the usual case: all timestamps are equally long
        text[begins + np.arange(1, width)[:, None]] = NOTHING[0]
    else:
        before = np.cumsum(lengths) - lengths
        offsets = np.arange(int(lengths.sum())) - np.repeat(before, lengths)
        text[np.repeat(begins, lengths) + offsets] = NOTHING[0]
    text[begins] = STAMP[0]


def coarse_signatures(exact: Sequence[bytes]) -> list[bytes]:
    """Return the coarse signatures of lines with the signatures *exact*.

    >>> coarse_signatures([b"GET /cart0/img?size=big from web0b in 0.0 ms"])
    [b'GET /0/0=0 from 0 in 0.0 ms']
    """
    data = b"\n".join(exact) + b"\n"
    text = np.frombuffer(bytearray(data), np.uint8)
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    word = (classes & WORD).view(np.bool_)
    masked = text == ZERO
    if b"/" in data or b":\\" in data:
        names = _names_in_paths(text, classes)
        word |= names
        masked |= names
    edges = np.concatenate(([0], np.flatnonzero(word[1:] != word[:-1]) + 1))
    numbered = np.logical_or.reduceat(masked, edges)  # stretches, of words or not, that are masked
    keep = np.repeat(~numbered, np.diff(edges, append=len(text)))
    first = edges[numbered]
    text[first] = ZERO
    keep[first] = True
    coarse = text[keep].tobytes()
    if b"-" in coarse:
        coarse = _UUID.sub(b"0", coarse)
    signatures: list[bytes] = coarse.split(b"\n")[:-1]
    return signatures


def _names_in_paths(text: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which bytes of *text* belong to the names of which paths are made.

    A path begins with a slash, behind a space, a quote, a bracket or ``=``; with the two slashes of
    an URL; or with a backslash behind a colon. It goes on to the next space, quote, comma, colon,
    semicolon or closing bracket. An address with a slash before it is none.
    """
    slashes = np.flatnonzero((text == SLASH) | (text == BACKSLASH))
    slash = text[slashes]
    before = np.where(slashes > 0, slashes - 1, len(text) - 1)  # the last byte is a newline
    begins = (slash == SLASH) & ((classes[before] & BEFORE_PATH) != 0)
    behind = text[np.minimum(slashes + 2, len(text) - 1)]
    begins &= ~((text[slashes + 1] == ZERO) & (behind == DOT))  # Java writes addresses so
    begins |= (text[before] == COLON) & ((slash == BACKSLASH) | (text[slashes + 1] == SLASH))
    starts = slashes[begins]
    if not len(starts):
        return np.zeros(len(text), np.bool_)
    ends = np.flatnonzero((classes & ENDS_PATH) != 0)
    stops = ends[np.searchsorted(ends, starts)]
    first = np.append(True, stops[1:] != stops[:-1])  # of several in one stretch
    borders = np.stack((starts[first], stops[first]), axis=1).ravel()
    lengths = np.diff(borders, prepend=0, append=len(text))
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    inside &= (classes & NAME) != 0
    return inside
