"""What stays of a line when its variables are taken out, computed for whole chunks of bytes.

A log repeats itself: most lines differ from an earlier one by their numbers alone. So a line is
known by three forms of it, each a function of the one before:

- its *shape* is the line with every digit as ``0``. `bytes.split` and a few passes over the bytes
  make the shapes of a whole chunk, and one dictionary look-up a line does the rest.
- the *exact signature* has its timestamp replaced by ``STAMP`` and every run of digits by one
  ``0``.
- the *coarse signature* has every word that contains a digit replaced by ``0`` (hexadecimal
  numbers, identifiers, host names such as ``web7``), every name in a path, every host before a
  port, and every UUID. Lines whose shape is new are mostly known by this one.

Severity and template are functions of the coarse signature. Therefore all look-ups are pure
caches: they may be emptied at any time, and a restart or another cut of the stream changes no
result.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STAMP = b"\x01"
"""Stands for the timestamp; where a line itself has this byte, its reader puts another."""

NOTHING = b"\xff"
"""Stands for what is left out of signatures; in UTF-8 no text holds this byte."""

ZERO = 48

_DIGITS = bytes(ZERO if 48 <= byte < 58 else byte for byte in range(256))
SLASH, BACKSLASH, COLON, DOT = b"/\\:."

FULL = np.uint64(2**64 - 1)
LAST = 16  # bytes at the end of a host's name, behind its last dot, at most

_HOST = b"0.0.0"  # stands for the name of a host, which has at least as many bytes

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]

WORD, BEFORE_PATH, ENDS_PATH, NAME, HOST = 1, 2, 4, 8, 16  # what a byte may be

_SPACES = b" \t\r\n\v\f"


def _class_of(byte: int) -> int:
    word = byte < 128 and chr(byte).isalnum()
    return (
        WORD * word
        | BEFORE_PATH * (byte in _SPACES + b"\"'=([")
        | ENDS_PATH * (byte in _SPACES + b"\"':,;)]")
        | NAME * (byte not in _SPACES + b"/\\=:,;()[]{}<>\"'|\x01")
        | HOST * (word or byte in b".-_$")
    )


_CLASSES = bytes(map(_class_of, range(256)))
_UUID = re.compile(rb"0-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{4})-(?:0|[a-fA-F]{12})\b")


class Shapes:
    """Makes the shapes of chunks of lines.

    It works in arrays that it keeps, of the size of the largest chunk: fresh memory for every step
    of every chunk took longer than the work.
    """

    def __init__(self) -> None:
        self._scratch = np.empty((2, 0), np.uint8)

    def __call__(self, lines: Bytes, begins: Places, ends: Places) -> list[bytes]:
        """Return the shape of every one of *lines*, the last of which ends in a newline too.

        The bytes from each of *begins* up to its end, timestamps, are told by as many of `STAMP`.

        >>> none = np.zeros(0, np.intp)
        >>> Shapes()(np.frombuffer(b"disk 95 % full\\nok\\n", np.uint8), none, none)
        [b'disk 00 % full', b'ok']
        """
        if len(lines) > self._scratch.shape[1]:
            self._scratch = np.empty((2, len(lines)), np.uint8)
        digit, text = self._scratch[:, : len(lines)]
        np.subtract(lines, ZERO, out=digit)
        digit *= np.less(digit, 10, out=text.view(np.bool_)).view(np.uint8)
        np.subtract(lines, digit, out=text)  # the digits are the bytes from 0x30 to 0x39
        if len(begins):
            text[_inside(begins, ends)] = STAMP[0]
        shapes: list[bytes] = text.tobytes().split(b"\n")
        shapes.pop()
        return shapes


def exact_signatures(data: bytes, begins: Places, ends: Places) -> list[bytes]:
    """Return the exact signature of every line of *data*, which ends in a newline.

    The bytes from *begins* up to *ends* are the timestamps; of a line without one, both are equal.

    >>> none = np.zeros(0, np.intp)
    >>> exact_signatures(b"disk 95 % full\\nok\\n", none, none)
    [b'disk 0 % full', b'ok']
    """
    text = np.frombuffer(bytearray(data), np.uint8)
    digit = (text - np.uint8(ZERO)) < 10
    # All digits of a run but the first become NOTHING: 255, or minus one.
    text[1:] |= np.negative((digit[1:] & digit[:-1]).view(np.uint8))
    stamped = begins < ends
    if not stamped.all():
        begins, ends = begins[stamped], ends[stamped]
    if len(begins):
        text[_inside(begins, ends)] = NOTHING[0]
        text[begins] = STAMP[0]
    signatures: list[bytes] = text.tobytes().translate(_DIGITS, NOTHING).split(b"\n")
    signatures.pop()
    return signatures


def _inside(begins: Places, ends: Places) -> Places:
    """Return the places from every begin up to its end."""
    lengths = ends - begins
    width = int(lengths[0])
    if (lengths == width).all():  # the usual case: all timestamps are equally long
        return (begins + np.arange(width)[:, None]).ravel()
    before = np.cumsum(lengths) - lengths
    offsets = np.arange(int(lengths.sum())) - np.repeat(before, lengths)
    return np.asarray(np.repeat(begins, lengths) + offsets)


def coarse_signatures(exact: Sequence[bytes]) -> list[bytes]:
    """Return the coarse signatures of lines with the signatures *exact*.

    >>> coarse_signatures([b"GET /cart0/img?size=big from web0b in 0.0 ms"])
    [b'GET /0/0=0 from 0 in 0.0 ms']
    """
    data = b"\n" + b"\n".join(exact) + b"\n\n\n"  # so that every byte has those around it
    text = np.frombuffer(bytearray(data), np.uint8)
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    word = (classes & WORD).view(np.bool_)
    masked = text == ZERO
    if b":0" in data:
        hosts = _hosts_before_ports(text, classes)
        if len(hosts):
            _mask_hosts(text, *hosts.T)
            whole = _inside(*hosts.T)
            word[whole] = masked[whole] = False
    if b"/" in data or b":\\" in data:
        names = _names_in_paths(text, classes)
        word |= names
        masked |= names
    numbered = _runs_with(word, masked).view(np.uint8)
    first = numbered[1:] & ~numbered[:-1]
    text |= np.negative(numbered)  # NOTHING, but for the first of each stretch
    text[1:] ^= first * np.uint8(NOTHING[0] ^ ZERO)
    coarse = text.tobytes().translate(None, NOTHING)
    if b"-" in coarse:
        coarse = _UUID.sub(b"0", coarse)
    signatures: list[bytes] = coarse.split(b"\n")[1:-3]
    return signatures


def _runs_with(runs: Bools, seeds: Bools) -> Bools:
    """Return those stretches of *runs* that hold one of *seeds*, which all lie in some."""
    return _onwards(runs, seeds) | _onwards(runs, seeds, backwards=True)


def _onwards(runs: Bools, seeds: Bools, *, backwards: bool = False) -> Bools:
    """Return each of *seeds* with the rest of its stretch of *runs* behind it, or before it.

    In words of 64 bits: a bit that is added to the stretch it stands in carries on to its end. The
    carry between words is added until there is none, for as many as the longest stretch has.
    """
    whole, first = (_packed(bits, backwards) for bits in (runs, seeds))
    reached = whole + first
    carry = reached < whole
    while carry[:-1].any():
        into = carry[:-1]
        carry = np.append(False, into & (reached[1:] == FULL))
        reached[1:] += into
    packed = ((whole & ~reached) | first).view(np.uint8)[: -(-len(runs) // 8)]
    if backwards:
        bits = np.unpackbits(packed[::-1], count=len(runs))
    else:
        bits = np.unpackbits(packed, count=len(runs), bitorder="little")
    return bits.view(np.bool_)


def _packed(bits: Bools, backwards: bool) -> NDArray[np.uint64]:
    """Return *bits* in words of 64: from the lowest up, or *backwards* with the last one lowest."""
    words = np.zeros(-(-len(bits) // 64), "<u8")
    packed = np.packbits(bits)[::-1] if backwards else np.packbits(bits, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return words


def _names_in_paths(text: Bytes, classes: Bytes) -> Bools:
    """Return which bytes of *text* belong to the names of which paths are made.

    A path begins with a slash, behind a space, a quote, a bracket or ``=``; with the two slashes of
    an URL; or with a backslash behind a colon. It goes on to the next space, quote, comma, colon,
    semicolon or closing bracket. An address with a slash before it is none.
    """
    slash = text[1:-2] == SLASH
    begins = slash & ((classes[:-3] & BEFORE_PATH) != 0)
    begins &= ~((text[2:-1] == ZERO) & (text[3:] == DOT))  # Java writes addresses so
    behind_colon = text[:-3] == COLON
    behind_colon &= (slash & (text[2:-1] == SLASH)) | (text[1:-2] == BACKSLASH)
    inside = np.zeros(len(text), np.bool_)
    inside[1:-2] = begins | behind_colon
    inside = _onwards((classes & ENDS_PATH) == 0, inside)
    inside &= (classes & NAME) != 0
    return inside


def _hosts_before_ports(text: Bytes, classes: Bytes) -> Places:
    """Return the begin and end of every name with two dots and a port behind it: shape (n, 2).

    The last part of a name has letters, unlike that of an address.
    """
    candidates = (text[1:-1] == COLON) & (text[2:] == ZERO)
    candidates &= ((classes[:-2] & WORD) != 0) & (text[:-2] != ZERO)
    colons = np.flatnonzero(candidates) + 1
    near = np.zeros(len(colons), np.bool_)
    for back in range(2, LAST + 2):
        near |= text[np.maximum(colons - back, 0)] == DOT
    colons = colons[near]
    if not len(colons):
        return np.zeros((0, 2), np.intp)
    others = np.flatnonzero((classes & HOST) == 0)
    begins = others[np.searchsorted(others, colons) - 1] + 1
    dots = np.flatnonzero(text == DOT)
    before = np.searchsorted(dots, colons)
    fit = (before - np.searchsorted(dots, begins) >= 2) & (colons - dots[before - 1] <= LAST + 1)
    fit &= colons - begins >= len(_HOST)
    return np.stack((begins[fit], colons[fit]), axis=1)


def _mask_hosts(text: Bytes, begins: Places, ends: Places) -> None:
    """Put `_HOST` for the names in *text* from *begins* to *ends*."""
    text[_inside(begins, ends)] = NOTHING[0]
    text[begins[:, None] + np.arange(len(_HOST))] = np.frombuffer(_HOST, np.uint8)
