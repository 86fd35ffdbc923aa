"""Reads the timestamps of whole chunks of lines, as arrays.

A log writes its timestamps at one place and in one shape. So the first line of a shape is read by
the regular expression of its `Stamp`, and its `Layout` remembered. All lines of the chunk that have
the same layout are then read together; whatever does not fit is read alone. Both give the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.clock import Kind
from rnnd.codecs.layout import Heads, Layout, end_of_head
from rnnd.codecs.timestamp import FORMATS, GLOG, Stamp, detect, stamp_of

MAX_STAMPS = 4  # formats a log may mix
MAX_LAYOUTS = 8  # shapes that are read together
TRIES = 64  # lines without a known timestamp that are all searched for another; then one in TRIES
PREFIX = 12  # bytes between where a head begins and its timestamp

Ints = NDArray[np.int64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Read:
    """The timestamps of a chunk's lines; a line without one has kind 0, and begin equal to end."""

    seconds: Ints
    kinds: NDArray[np.uint8]
    begins: Places
    ends: Places


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
        heads, count = Heads(data, starts, ends), len(starts)
        if self._layouts and (whole := self._read_all(self._layouts[0], heads)):
            return whole
        read = Read(
            np.zeros(count, np.int64), np.zeros(count, np.uint8), starts.copy(), starts.copy()
        )
        rows = np.arange(count)
        for layout in self._layouts:
            rows = self._read_together(layout, heads, rows, read)
            if not len(rows):
                return read
        while len(rows):
            rows = self._read_alone(data, starts, ends, rows, read, arrival)
            if not len(rows):
                break
            rows = self._read_together(self._layouts[-1], heads, rows, read)
        return read

    def _read_all(self, layout: Layout, heads: Heads) -> Read | None:
        """Return the timestamps of all lines, if all have *layout*, as they usually do."""
        begins = heads.begins(layout.stamp)
        if begins.min() < 0 or (begins + layout.width > heads.limits(layout.stamp)).any():
            return None
        fits, seconds = layout.read(heads.text, begins)
        if len(seconds) < len(fits):
            return None
        kinds = np.full(len(fits), layout.kind, np.uint8)
        return Read(seconds, kinds, begins + layout.begin, begins + layout.end)

    def _read_together(self, layout: Layout, heads: Heads, rows: Places, read: Read) -> Places:
        """Read those of the lines *rows* that have *layout*; return the others."""
        begins = heads.begins(layout.stamp, rows)
        room = begins + layout.width <= heads.limits(layout.stamp, rows)
        if layout.stamp.words:  # which a line may not have
            room &= begins >= 0
        fits, seconds = layout.read(heads.text, begins if room.all() else begins[room])
        hits, begins = rows[room][fits], begins[room][fits]
        read.seconds[hits] = seconds
        read.kinds[hits] = layout.kind
        read.begins[hits] = begins + layout.begin
        read.ends[hits] = begins + layout.end
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
            if self._learn(stamp, data[start:end] + b"\n"):
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
        tells = stamp.format.kind not in (Kind.DATELESS, Kind.MONOTONIC)
        return tells and stamp.words <= max(self.stamps[0].words, 0)

    def _learn(self, stamp: Stamp, line: bytes) -> bool:
        """Remember the layout of *line*; return whether there is a new one."""
        if len(self._layouts) >= MAX_LAYOUTS or stamp is not self.stamps[0]:
            return False
        found = stamp.find(line)
        if found is None or stamp is self._setting or "x" in found.re.groupindex:
            return False  # of others, and of hexadecimal digits, there is no layout
        begin = Heads(line, np.zeros(1, np.intp), np.array([len(line) - 1])).begins(stamp)
        if not 0 <= found.start("stamp") - begin[0] <= PREFIX or begin[0] < 0:
            return False
        if line[end_of_head(line, found) - 1 :][:1].isdigit():  # nearly a fraction
            return False
        self._layouts.append(Layout(stamp, line, int(begin[0]), found))
        return True

    def state(self) -> dict[str, Any]:
        """Return what must be saved: the formats found, and how long to look for more."""
        own = [s for s in self.stamps if s is not self._setting]
        return {
            "misses": self._misses,
            "stamps": [[s.format.name, s.words, s.key.decode("latin-1")] for s in own],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another reader's `state` gave."""
        formats = {format_.name: format_ for format_ in (*FORMATS, GLOG)}
        own = [
            stamp_of(formats[name], words, key.encode("latin-1"))
            for name, words, key in state["stamps"]
        ]
        self.stamps = [self._setting, *own] if self._setting else own
        self._misses = state["misses"]
        self._layouts.clear()
