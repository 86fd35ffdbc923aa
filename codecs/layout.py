"""The shape of a line's head, up to the byte behind its timestamp, for reading many at once.

A layout knows which bytes are digits of which field, which are letters of a month, and which are
always the same. It covers the line from where the head begins (the start of the line, the start of
a word, or behind a JSON key) to the byte behind the timestamp, and one more where a fraction could
follow, so it matches only where the expression of the `Stamp` does.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnd.codecs.timestamp import (
    HEAD,
    HEAD_JSON,
    LIMITS,
    MONTHS,
    Stamp,
    century,
    field_value,
    seconds_of,
)

Ints = NDArray[np.int64]
Places = NDArray[np.intp]

# Eight bytes are looked at as one number. A byte's top bit tells that it is no digit: without its
# zero (0x30) it is above 9, and 0x76 more reach that bit, or it has it already.
_ZEROS, _SIXES, _TOPS = (np.uint64(byte * 0x0101010101010101) for byte in (0x30, 0x76, 0x80))

_LIMITS = {"Y": (1900, 2099), "e": (1_000_000_000, 2_099_999_999)}
_DATE = {"Y", "y", "m", "d"}

_IS_SPACE = bytes(bytes([byte]).isspace() for byte in range(256))


class Heads:
    """Where the heads of a chunk's lines begin; found out when it is asked."""

    def __init__(self, data: bytes, starts: Places, ends: Places) -> None:
        self._data = data
        self._starts = starts
        self._ends = ends
        self._words: Places | None = None  # where words begin
        self._keys: dict[bytes, Places] = {}  # where the values of keys begin
        self.text = np.frombuffer(data, np.uint8)

    def begins(self, stamp: Stamp, rows: Places | None = None) -> Places:
        """Return where the head begins that *stamp* is in, or -1, for the lines *rows* or all."""
        starts = self._starts if rows is None else self._starts[rows]
        if stamp.words == 0:
            return starts
        if stamp.words > 0:
            words = self._all_words()
            number = np.searchsorted(words, starts) + stamp.words
        else:
            words = self._all_values(stamp.key)
            number = np.searchsorted(words, starts)
        begins = np.append(words, len(self._data))[np.minimum(number, len(words))]
        begins[begins >= (self._ends if rows is None else self._ends[rows])] = -1
        if stamp.words < 0:
            begins[self.text[starts] != ord("{")] = -1
        return begins

    def limits(self, stamp: Stamp, rows: Places | None = None) -> Places:
        """Return where the head must have ended, for the lines *rows* or all."""
        head = HEAD if stamp.words >= 0 else HEAD_JSON
        starts, ends = self._starts, self._ends
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        return np.minimum(ends + 1, starts + head)

    def _all_words(self) -> Places:
        if self._words is None:
            space = np.frombuffer(self._data.translate(_IS_SPACE), np.bool_)
            begins = ~space
            begins[1:] &= space[:-1]
            self._words = np.flatnonzero(begins)
        return self._words

    def _all_values(self, key: bytes) -> Places:
        if key not in self._keys:
            found = re.finditer(re.escape(key), self._data)
            self._keys[key] = np.fromiter((match.end() for match in found), np.intp)
        return self._keys[key]


def end_of_head(line: bytes, found: re.Match[bytes]) -> int:
    """Return where the head of *line* ends, in which a timestamp was *found*."""
    end = found.end("stamp")
    return end + (2 if line[end : end + 1] in (b".", b",", b":") else 1)


class Layout:
    """The shape of the head of a *line*, from *begin* on, in which *stamp* was *found*."""

    def __init__(self, stamp: Stamp, line: bytes, begin: int, found: re.Match[bytes]) -> None:
        self.stamp = stamp
        self.kind = stamp.format.kind
        self.begin, self.end = (place - begin for place in found.span("stamp"))
        head = line[begin : end_of_head(line, found)]
        shape = np.frombuffer(head, np.uint8)

        def span(name: str) -> tuple[int, int]:
            return found.start(name) - begin, found.end(name) - begin

        digit = (shape >= 48) & (shape < 58)
        if "z" in found.re.groupindex and found["z"] is not None:
            digit[slice(*span("z"))] = False  # another offset is another layout
        month = span("b") if "b" in found.re.groupindex else (0, 0)
        alike = ~digit
        alike[month[0] : month[0] + 3 if month[1] else 0] = False
        weekday = re.search(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", head[: self.end])
        self._weekday = weekday.start() if weekday else -1
        if weekday:
            alike[weekday.start() : weekday.start() + 3] = False
        self.width = len(head)
        self._last = _in_words(np.full(self.width, 255))[-1, 0]  # what of the last word counts
        self._digit = _in_words(digit * 255)
        self._alike = _in_words(alike * 255)
        self._wanted = _in_words(alike * shape)
        self._month = month[0] if month[1] else -1
        names = (name for name in found.re.groupindex if name not in ("stamp", "b", "z", "p"))
        self._fields = [name for name in names if found[name] is not None]
        place = np.arange(len(head))
        worth = np.zeros((len(self._digit) * 8, len(self._fields)))
        for index, name in enumerate(self._fields):
            worth[: self.width, index] = digit * _place_values(place, *span(name))
        words = enumerate(worth.reshape(-1, 8, len(self._fields)))
        self._worth = {word: digits for word, digits in words if digits.any()}  # of its digits
        self._constants = {
            name: field_value(name, found[name])
            for name in ("z", "p")
            if name in found.re.groupindex and found[name] is not None
        }
        limits = {**LIMITS, **_LIMITS}
        if "p" in self._constants:
            del limits["H"]
        bounds = [limits.get(name, (0, 2**53)) for name in self._fields]
        self._least, self._greatest = np.array(bounds, np.int64).reshape(-1, 2).T[:, :, None]
        self._vague = "Y" not in self._fields and "y" not in self._fields and "d" in self._fields

    def read(self, text: NDArray[np.uint8], begins: Places) -> tuple[NDArray[np.bool_], Ints]:
        """Return which heads in *text* at *begins* have this layout, and the seconds of those."""
        words = self._words(text, begins)
        # Many lines a second have one timestamp, which is read once.
        change = np.ones(len(begins), np.bool_)
        (words[:, 1:] != words[:, :-1]).any(axis=0, out=change[1:])
        firsts = change.nonzero()[0]
        heads = words.take(firsts, axis=1)
        digits = (heads ^ _ZEROS) & self._digit
        wrong = (digits + _SIXES) | digits
        wrong &= _TOPS
        wrong |= (heads & self._alike) ^ self._wanted
        fits = np.asarray(~wrong.any(axis=0))
        lines = np.empty_like(firsts)
        lines[:-1] = firsts[1:] - firsts[:-1]
        lines[-1:] = len(begins) - firsts[-1:]
        if fits.all():  # the usual case
            fits, seconds = self._read_heads(heads, digits)
            if fits.all():
                return np.ones(len(begins), np.bool_), np.repeat(seconds, lines)
        else:
            seconds = np.zeros(len(fits), np.int64)
            read = np.flatnonzero(fits)
            fits[read], seconds[read] = self._read_heads(heads.take(read, 1), digits.take(read, 1))
        every = np.repeat(fits, lines)
        return every, np.repeat(seconds, lines)[every]

    def _words(self, text: NDArray[np.uint8], begins: Places) -> NDArray[np.uint64]:
        """Return the heads in *text* at *begins*, in words of eight bytes: shape (words, heads)."""
        size = 8 * len(self._digit)
        if begins.max(initial=0) + size > len(text):
            text = np.append(text, np.zeros(size, np.uint8))
        anywhere = np.ndarray((len(text) - size + 1,), f"V{size}", text.data, strides=(1,))
        heads = anywhere[begins].view(np.uint64).reshape(-1, len(self._digit))
        words: NDArray[np.uint64] = np.ascontiguousarray(heads.T)
        words[-1] &= self._last
        return words

    def _read_heads(
        self, heads: NDArray[np.uint64], digits: NDArray[np.uint64]
    ) -> tuple[NDArray[np.bool_], Ints]:
        """Return which of *heads*, in words, have possible timestamps, and their seconds.

        The *digits* are the same with the values of the digits, and nothing else.
        """
        told = np.zeros((heads.shape[1], len(self._fields)))
        for word, worth in self._worth.items():
            told += digits[word].view(np.uint8).astype(np.float64).reshape(len(told), 8) @ worth
        numbers = told.T.astype(np.int64)  # exact up to 2**53
        valid = ((numbers >= self._least) & (numbers <= self._greatest)).all(axis=0)
        fields: dict[str, Any] = dict(zip(self._fields, numbers, strict=True)) | self._constants
        if self._month >= 0:
            fields["m"] = _lookup(_letters(heads, self._month), _MONTHS)
            valid &= fields["m"] > 0
        if self._weekday >= 0:
            valid &= _lookup(_letters(heads, self._weekday), _WEEKDAYS) > 0
        for name in _DATE & fields.keys():  # it is mostly the same day
            values = fields[name]
            if len(values) and (values == values[0]).all():
                fields[name] = int(values[0])
        if "y" in fields:
            fields["Y"] = century(fields.pop("y"))
        if "p" in fields:
            fields["H"] = fields["H"] % 12 + fields["p"]
        seconds: Ints = np.asarray(seconds_of(fields), np.int64)
        if self._vague:
            seconds = seconds - 946684800
        return valid, seconds


def _in_words(values: ArrayLike) -> NDArray[np.uint64]:
    """Return *values*, one for each byte of a head, as words of eight: shape (words, 1)."""
    told = np.asarray(values, np.uint8)
    padded = np.zeros(-(-len(told) // 8) * 8, np.uint8)
    padded[: len(told)] = told
    return padded.view(np.uint64)[:, None]


def _place_values(places: Places, begin: int, end: int) -> NDArray[np.float64]:
    """Return what a digit at each of *places* is worth in a number from *begin* to *end*.

    >>> _place_values(np.arange(5), 1, 4)
    array([  0., 100.,  10.,   1.,   0.])
    """
    return np.where((places >= begin) & (places < end), 10.0 ** (end - 1 - places), 0.0)


def _codes(names: tuple[bytes, ...]) -> Ints:
    return np.array([int.from_bytes(name.title(), "big") for name in names], np.int64)


_MONTHS = _codes(MONTHS)
_WEEKDAYS = _codes((b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"))


def _letters(heads: NDArray[np.uint64], begin: int) -> Ints:
    """Return the three letters at *begin* in each of *heads*, in words, as one number."""
    letters = (heads[at // 8].view(np.uint8)[at % 8 :: 8] for at in range(begin, begin + 3))
    first, second, third = (letter.astype(np.int64) for letter in letters)
    return np.asarray(first << 16 | second << 8 | third)


def _lookup(letters: Ints, codes: Ints) -> Ints:
    """Return the place, from 1, of each of *letters* in *codes*, or 0."""
    return np.asarray((letters[:, None] == codes) @ np.arange(1, len(codes) + 1), np.int64)
