"""Reads the timestamps of whole chunks of lines, as arrays.

A log writes its timestamps at one place and in one shape. So the first line of a shape is read by
the regular expression of its `Stamp`, and its `Layout` remembered: which bytes are digits of which
field, which are letters, which are punctuation. All lines of the chunk that have the same layout
are then read together; whatever does not fit is read alone. A layout covers the line from its start
to the byte behind the timestamp, so it matches only where the expression does: the result is the
same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.clock import Kind
from rnnd.codecs.timestamp import (
    FORMATS,
    GLOG,
    LIMITS,
    MONTHS,
    Stamp,
    century,
    detect,
    field_value,
    seconds_of,
    stamp_of,
)

MAX_STAMPS = 4  # formats a log may mix
MAX_LAYOUTS = 8  # shapes that are read together
TRIES = 64  # lines without a known timestamp that are all searched for another; then one in TRIES
PREFIX = 12  # bytes before a timestamp whose shape a layout may fix

Ints = NDArray[np.int64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Read:
    """The timestamps of a chunk's lines; a line without one has kind 0, and begin equal to end."""

    seconds: Ints
    kinds: NDArray[np.uint8]
    begins: Places
    ends: Places


class Layout:
    """The shape of a line's head up to the byte behind its timestamp."""

    def __init__(self, stamp: Stamp, head: bytes, found: re.Match[bytes]) -> None:
        self.kind = stamp.format.kind
        self.begin, self.end = found.span("stamp")
        shape = np.frombuffer(head, np.uint8)
        digit = (shape >= 48) & (shape < 58)
        if "z" in found.re.groupindex and found["z"] is not None:
            digit[slice(*found.span("z"))] = False  # another offset is another layout
        self._digits = np.flatnonzero(digit)
        month = found.span("b") if "b" in found.re.groupindex else (0, 0)
        alike = ~digit
        alike[month[0] : month[0] + 3 if month[1] else 0] = False
        weekday = re.search(rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", head[: self.end])
        self._weekday = weekday.start() if weekday else -1
        if weekday:
            alike[weekday.start() : weekday.start() + 3] = False
        self._alike = np.flatnonzero(alike)
        self._wanted = shape[self._alike]
        self._month = month[0] if month[1] else -1
        names = (name for name in found.re.groupindex if name not in ("stamp", "b", "z", "p"))
        self._fields = {name: found.span(name) for name in names if found[name] is not None}
        self._constants = {
            name: field_value(name, found[name])
            for name in ("z", "p")
            if name in found.re.groupindex and found[name] is not None
        }
        self._vague = "Y" not in self._fields and "y" not in self._fields and "d" in self._fields
        self.width = len(head)

    def read(self, text: NDArray[np.uint8], starts: Places) -> tuple[NDArray[np.bool_], Ints]:
        """Return which lines of *text* at *starts* have this layout, and the seconds of those."""
        heads = text[starts + np.arange(self.width)[:, None]]  # (width, lines)
        fits = (heads[self._alike] == self._wanted[:, None]).all(axis=0)
        fits &= (heads[self._digits] - np.uint8(48) < 10).all(axis=0)
        if not fits.all():
            heads = heads[:, fits]
        # Many lines a second have one timestamp, which is read once.
        change = np.ones(heads.shape[1], np.bool_)
        np.any(heads[:, 1:] != heads[:, :-1], axis=0, out=change[1:])
        run = np.cumsum(change) - 1
        valid, seconds = self._read_heads(heads[:, change])
        valid, seconds = valid[run], seconds[run]
        if not valid.all():
            fits[np.flatnonzero(fits)[~valid]] = False
            seconds = seconds[valid]
        return fits, seconds

    def _read_heads(self, heads: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], Ints]:
        """Return which of *heads*, one a column, have possible timestamps, and their seconds."""
        fields: dict[str, Any] = {
            name: self._number(heads, *span) for name, span in self._fields.items()
        }
        valid = np.ones(heads.shape[1], np.bool_)
        if self._month >= 0:
            fields["m"] = _lookup(heads[self._month : self._month + 3], _MONTHS)
            valid &= fields["m"] > 0
        if self._weekday >= 0:
            valid &= _lookup(heads[self._weekday : self._weekday + 3], _WEEKDAYS) > 0
        if "Y" in fields:
            valid &= (fields["Y"] >= 1900) & (fields["Y"] < 2100)
        if "y" in fields:
            fields["Y"] = century(fields.pop("y"))
        if "e" in fields:
            valid &= (fields["e"] >= 1_000_000_000) & (fields["e"] < 2_100_000_000)
        if "p" in self._constants:
            fields["H"] = fields["H"] % 12 + self._constants["p"]
        if "z" in self._constants:
            fields["z"] = self._constants["z"]
        for name, (low, high) in LIMITS.items():
            if name in fields:
                valid &= (fields[name] >= low) & (fields[name] <= high)
        seconds: Ints = np.asarray(seconds_of(fields), np.int64)
        if self._vague:
            seconds = seconds - 946684800
        return valid, seconds

    def _number(self, heads: NDArray[np.uint8], begin: int, end: int) -> Ints:
        value: Ints = (heads[begin] - np.uint8(48)).astype(np.int64)
        for digit in heads[begin + 1 : end]:
            value *= 10
            value += digit - np.uint8(48)
        return value


def _codes(names: tuple[bytes, ...]) -> Ints:
    return np.array([int.from_bytes(name.title(), "big") for name in names], np.int64)


_MONTHS = _codes(MONTHS)
_WEEKDAYS = _codes((b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"))


def _lookup(letters: NDArray[np.uint8], codes: Ints) -> Ints:
    """Return the place, from 1, of each column of three *letters* in *codes*, or 0."""
    wide = letters.astype(np.int64)
    code = wide[0] << 16 | wide[1] << 8 | wide[2]
    return np.asarray((code[:, None] == codes) @ np.arange(1, len(codes) + 1), np.int64)


class StampReader:
    """Finds and reads the timestamps of one log; *setting* is the user's own, if there is one."""

    def __init__(self, setting: Stamp | None) -> None:
        self._setting = setting
        self._misses = 0  # lines without a known timestamp
        self._layouts: list[Layout] = []
        self.stamps: list[Stamp] = [setting] if setting else []

    @property
    def searching(self) -> bool:
        """Whether no timestamp was found yet, and may still be."""
        return not self.stamps and self._misses < TRIES

    def sees_any(self, data: bytes, lines: int, arrival: float) -> bool:
        """Return whether one of the first *lines* lines of *data* has a timestamp."""
        for line in data.split(b"\n", lines)[:lines]:
            if any(stamp.find(line) for stamp in self.stamps) or detect(line, arrival):
                return True
        return False

    def read(self, data: bytes, starts: Places, ends: Places, arrival: float) -> Read:
        """Return the timestamps of the lines of *data* from *starts* to *ends*."""
        count = len(starts)
        read = Read(
            np.zeros(count, np.int64), np.zeros(count, np.uint8), starts.copy(), starts.copy()
        )
        text = np.frombuffer(data, np.uint8)
        rows = np.arange(count)
        for layout in self._layouts:
            rows = self._read_together(layout, text, starts, ends, rows, read)
            if not len(rows):
                return read
        while len(rows):
            rows = self._read_alone(data, starts, ends, rows, read, arrival)
            if not len(rows):
                break
            rows = self._read_together(self._layouts[-1], text, starts, ends, rows, read)
        return read

    def _read_together(
        self, layout: Layout, text: Any, starts: Places, ends: Places, rows: Places, read: Read
    ) -> Places:
        """Read those of the lines *rows* that have *layout*; return the others."""
        room = starts[rows] + layout.width <= ends[rows] + 1
        fits, seconds = layout.read(text, starts[rows[room]])
        if len(rows) == len(starts) == np.count_nonzero(fits):  # the usual case
            read.seconds[:], read.kinds[:] = seconds, layout.kind
            read.begins[:], read.ends[:] = starts + layout.begin, starts + layout.end
            return rows[:0]
        hits = rows[room][fits]
        read.seconds[hits] = seconds
        read.kinds[hits] = layout.kind
        read.begins[hits] = starts[hits] + layout.begin
        read.ends[hits] = starts[hits] + layout.end
        missed = np.ones(len(rows), np.bool_)
        missed[np.flatnonzero(room)[fits]] = False
        return rows[missed]

    def _read_alone(
        self, data: bytes, starts: Places, ends: Places, rows: Places, read: Read, arrival: float
    ) -> Places:
        """Read the lines *rows* one by one up to one that gives a new layout; return the rest."""
        for done, row in enumerate(rows.tolist(), start=1):
            start, end = int(starts[row]), int(ends[row])
            stamp, found = self._find(data, start, end, arrival)
            if stamp is None or found is None:
                continue
            begin, stop = found.span("stamp")
            read.seconds[row] = stamp.seconds(found) or 0
            read.kinds[row] = stamp.format.kind
            read.begins[row], read.ends[row] = begin, stop
            if begin - start <= PREFIX and self._learn(stamp, data[start:end] + b"\n"):
                return rows[done:]
        return rows[:0]

    def _find(
        self, data: bytes, start: int, end: int, arrival: float
    ) -> tuple[Stamp | None, re.Match[bytes] | None]:
        """Return the timestamp of one line, in a format known or newly detected."""
        for stamp in self.stamps:
            if (found := stamp.find(data, start, end)) is not None:
                return stamp, found
        if self._setting or len(self.stamps) >= MAX_STAMPS or data[start : start + 1] in b" \t\n":
            return None, None
        self._misses += 1
        if self._misses > TRIES and self._misses % TRIES:
            return None, None
        detected = detect(data[start:end], arrival)
        found = detected.find(data, start, end) if detected else None
        if detected is None or found is None or not self._admits(detected):
            return None, None
        self.stamps.append(detected)
        return detected, found

    def _admits(self, stamp: Stamp) -> bool:
        """Return whether *stamp* may join those known: a date in a message should not."""
        if not self.stamps:
            return True
        return stamp.words <= max(self.stamps[0].words, 0) and stamp.format.kind != Kind.DATELESS

    def _learn(self, stamp: Stamp, line: bytes) -> bool:
        """Remember the layout of *line*; return whether there is a new one."""
        if len(self._layouts) >= MAX_LAYOUTS or stamp is not self.stamps[0]:
            return False
        found = stamp.find(line)
        if found is None or stamp is self._setting:
            return False
        self._layouts.append(Layout(stamp, line[: found.end("stamp") + 1], found))
        return True

    def state(self) -> dict[str, Any]:
        """Return what must be saved: the formats found, and how long to look for more."""
        own = [s for s in self.stamps if s is not self._setting]
        return {"misses": self._misses, "stamps": [[s.format.name, s.words] for s in own]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another reader's `state` gave."""
        formats = {format_.name: format_ for format_ in (*FORMATS, GLOG)}
        own = [stamp_of(formats[name], words) for name, words in state["stamps"]]
        self.stamps = [self._setting, *own] if self._setting else own
        self._misses = state["misses"]
        self._layouts.clear()
