"""What stays of a line when its variables are taken out, computed for whole chunks of bytes.

A log repeats itself: most lines differ from an earlier one by their numbers alone. So a line is
known by two signatures, each a function of the one before:

- the *exact signature* is the line with its timestamp replaced by ``STAMP`` and every run of digits
  by one ``0``. NumPy and `bytes.split` make those of a whole chunk at once, and one dictionary
  look-up a line does the rest.
- the *coarse signature* has every word that contains a digit replaced by ``0`` (hexadecimal
  numbers, identifiers, host names such as ``web7``) and every UUID. Lines whose exact signature is
  new are mostly known by this one.

Severity and template are functions of the coarse signature. Therefore both look-ups are pure
caches: they may be emptied at any time, and a restart or another cut of the stream changes no
result.
"""

import re

import numpy as np
from numpy.typing import NDArray

STAMP = b"\x01"
"""Stands for the timestamp in signatures."""

NEWLINE = 10
ZERO = 48

_DIGITS = bytes(ZERO if 48 <= byte < 58 else byte for byte in range(256))
_WORD_WITH_DIGIT = re.compile(rb"[A-Za-z]*0[0-9A-Za-z]*")
_UUID = re.compile(rb"\b(?:0|[a-fA-F]{8})(?:-(?:0|[a-fA-F]{4})){3}-(?:0|[a-fA-F]{12})\b")


def exact_signatures(data: bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> list[bytes]:
    """Return the exact signature of every line of *data*, which ends in a newline.

    The bytes from *begins* up to *ends* are the timestamps; of a line without one, both are equal.

    >>> none = np.zeros(0, np.intp)
    >>> exact_signatures(b"disk 95 % full\\nok\\n", none, none)
    [b'disk 0 % full', b'ok']
    """
    text = np.frombuffer(bytearray(data.translate(_DIGITS)), np.uint8)
    keep = np.empty(len(text), np.bool_)
    digit = text == ZERO
    keep[0] = True
    np.logical_and(digit[1:], digit[:-1], out=keep[1:])
    np.logical_not(keep[1:], out=keep[1:])
    stamped = begins < ends
    if stamped.any():
        _cut_out(keep, begins[stamped] + 1, ends[stamped])
        text[begins[stamped]] = STAMP[0]
        keep[begins[stamped]] = True
    signatures = text[keep].tobytes().split(b"\n")
    signatures.pop()
    return signatures


def _cut_out(keep: NDArray[np.bool_], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> None:
    """Clear *keep* from every begin up to its end."""
    lengths = ends - begins
    width = int(lengths[0])
    if (lengths == width).all():  # the usual case: all timestamps are equally long
        for offset in range(width):
            keep[begins + offset] = False
        return
    offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    keep[np.repeat(begins, lengths) + offsets] = False


def coarse_signature(exact: bytes) -> bytes:
    """Return the coarse signature of the line with the signature *exact*.

    >>> coarse_signature(b"GET /cart0 from web0b in 0.0 ms")
    b'GET /0 from 0 in 0.0 ms'
    """
    text = _WORD_WITH_DIGIT.sub(b"0", exact)
    return _UUID.sub(b"0", text) if b"-" in text else text
