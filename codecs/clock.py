"""The time line of one log: from what its timestamps say to ticks that never go back.

Timestamps are incomplete and disorderly. A year may be missing, a zone usually is, clocks are set,
summer ends, threads write out of order, and a broken line may claim the year 9999. The clock takes
the stamps of one file in order and gives every line its tick:

- a stamp is completed by what is nearest to the time before it (New Year and midnight included);
- stamps that count from the start of the machine go on from when the first of them came, and from
  the newest one when they begin anew;
- a line that is earlier than a line before it is *late*: it goes into the current tick;
- a jump of more than a day ahead is believed when `CONFIRM` further stamps agree with it, and until
  then its lines stay in the current tick. So one broken line cannot make a million silent ticks.

The usual chunk (no jump, no ambiguous hour) is decided by a few array operations; everything else
by one step a run of equal stamps. Both give the same.
"""

import math
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.zone import Offsets

HOUR = 3600
DAY = 86400
CONFIRM = 2
REBOOT = 60  # s that stamps since the start of the machine go back when it starts anew
FEW = 8  # lines that are taken one by one, where they cannot be taken together
Ints = NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(IntEnum):
    """What the seconds of a stamp count from."""

    NONE = 0  # no stamp
    ABSOLUTE = 1  # the epoch
    LOCAL = 2  # the epoch, by the local clock
    YEARLESS = 3  # 2000-01-01, by the local clock
    DATELESS = 4  # midnight, by the local clock
    MONOTONIC = 5  # the start of the machine


class Clock:
    """Gives the lines of one log their ticks of *tick* seconds, in the time zone *zone*."""

    def __init__(self, tick: float, zone: tzinfo) -> None:
        self._seconds = tick
        self._offsets = Offsets(zone)
        self.now: int | None = None  # s since the epoch: the newest stamp believed
        self._boot: int | None = None  # s since the epoch, as far as is known: stamps count from it
        self._jump: int | None = None  # s since the epoch: the earliest of an unconfirmed jump
        self._agreed = 0  # stamps that claim the jump

    @property
    def tick(self) -> int | None:
        """The newest tick."""
        return None if self.now is None else self._tick_of(self.now)

    def start(self, arrival: float) -> None:
        """Let the time line begin at *arrival*, for a log without timestamps."""
        if self.now is None or arrival > self.now:
            self.now = int(arrival)

    def advance(
        self, stamps: Ints, kinds: NDArray[np.uint8], arrival: float
    ) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the tick of each line and whether the line is late.

        *stamps* are seconds as the *kinds* say, in the order of the lines. The first stamp of a log
        is completed by *arrival*, the seconds since the epoch when the line came. Lines without a
        stamp belong to the line before, those before the first stamp to its tick.
        """
        stamped = int(np.count_nonzero(kinds))
        if not stamped:
            assert self.tick is not None, "start() the clock of a log without timestamps"
            return np.full(len(stamps), self.tick), np.zeros(len(stamps), np.bool_)
        if self.now is None:
            first = int((kinds > 0).argmax())
            self.now = self._begin(int(stamps[first]), int(kinds[first]), arrival)
        if stamped == len(stamps):
            return self._assign(stamps, kinds)
        before, rows = self._tick_of(self.now), kinds.nonzero()[0]
        ticks, late = self._assign(stamps[rows], kinds[rows])
        all_late = np.zeros(len(stamps), np.bool_)
        all_late[rows] = late
        return np.concatenate(([before], ticks))[np.cumsum(kinds > 0)], all_late

    def state(self) -> dict[str, Any]:
        """Return what must be saved for the time line to continue identically."""
        return {"now": self.now, "jump": self._jump, "agreed": self._agreed, "boot": self._boot}

    def restore(self, state: Any) -> None:
        """Take over what another clock's `state` gave."""
        self.now, self._jump, self._agreed = state["now"], state["jump"], state["agreed"]
        self._boot = state.get("boot")

    def _tick_of(self, seconds: int) -> int:
        return math.floor(seconds / self._seconds)

    def _assign(self, stamps: Ints, kinds: NDArray[np.uint8]) -> tuple[Ints, NDArray[np.bool_]]:
        """Return ticks and lateness of stamped lines.

        As many lines as possible are taken together. Where a few cannot be (a jump, an ambiguous
        hour), they are taken in steps, and then ever more are tried again: so the time is linear in
        their number, whatever they say.
        """
        pieces = []
        begin, width = 0, len(stamps)
        while begin < len(stamps):
            here = slice(begin, begin + width)
            assigned = self._assign_together(stamps[here], kinds[here])
            if isinstance(assigned, int):
                if assigned:
                    width = assigned
                    continue
                here, width = slice(begin, begin + FEW), FEW
                assigned = self._assign_in_steps(stamps[here], kinds[here])
            pieces.append(assigned)
            begin += width
            width *= 4
        if len(pieces) == 1:
            return pieces[0]
        ticks, late = zip(*pieces, strict=True)
        return np.concatenate(ticks), np.concatenate(late)

    def _assign_together(
        self, stamps: Ints, kinds: NDArray[np.uint8]
    ) -> tuple[Ints, NDArray[np.bool_]] | int:
        """Return ticks and lateness of stamped lines, or how many of them may be easier to take."""
        times = self._easy_times(stamps, kinds)
        if times is None:
            return max(len(stamps) // 8, FEW) if len(stamps) > FEW else 0
        assert self.now is not None
        gaps = np.empty_like(times)
        gaps[0] = times[0] - self.now
        np.subtract(times[1:], times[:-1], out=gaps[1:])
        if gaps.min() >= 0:  # the usual case: in order
            if gaps.max() > DAY:
                return int((gaps > DAY).argmax())
            self._jump, self._agreed = None, 0
            self.now = int(times[-1])
            ticks = np.floor(times / self._seconds).astype(np.int64)
            return ticks, np.zeros(len(ticks), np.bool_)
        reached = np.maximum.accumulate(np.concatenate(([self.now], times)))
        if (ahead := times > reached[:-1] + DAY).any():
            return int(ahead.argmax())
        self._jump, self._agreed = None, 0
        self.now = int(reached[-1])
        ticks = np.floor(reached[1:] / self._seconds).astype(np.int64)
        return ticks, np.floor(times / self._seconds) < ticks

    def _easy_times(self, stamps: Ints, kinds: NDArray[np.uint8]) -> Ints | None:
        """Return the stamps as seconds since the epoch if they are all completed in one way."""
        kind = int(kinds[0])
        if kinds[0] != kinds[-1] or (kinds != kind).any():
            return None
        if kind == Kind.ABSOLUTE:
            return stamps
        if kind == Kind.LOCAL:
            offsets = self._offsets.all_at(stamps)
            return None if offsets is None else stamps - offsets
        assert self.now is not None
        if kind == Kind.MONOTONIC:
            return None if self._boot is None else self._since_boot(self._boot, stamps, self.now)
        first = self._complete_locally(int(stamps[0]), kind, self.now)
        local = stamps + (first - int(stamps[0]))
        offsets = self._offsets.all_at(local)
        if offsets is None:
            return None
        times = local - offsets
        # Within one period, and well within the reach of every time at which one of these stamps
        # may be completed (now, or later by what they say), all are completed as the first one is.
        ahead, back = (10 * HOUR, 10 * HOUR) if kind == Kind.DATELESS else (260 * DAY, 90 * DAY)
        same = _period(kind, local) == _period(kind, local[:1])
        latest = max(int(times.max()), self.now)
        near = (times > latest - back) & (times < self.now + ahead)
        return times if bool((same & near).all()) else None

    def _since_boot(self, boot: int, stamps: Ints, now: int) -> Ints | None:
        """Return the *stamps* as seconds since the epoch, or None if the machine started anew."""
        times = stamps + boot
        reached = np.maximum.accumulate(np.append(now, times[:-1]))
        return None if (times < reached - REBOOT).any() else times

    def _assign_in_steps(
        self, stamps: Ints, kinds: NDArray[np.uint8]
    ) -> tuple[Ints, NDArray[np.bool_]]:
        """Do what `_assign_together` does, one run of equal stamps at a time."""
        ticks = np.empty(len(stamps), np.int64)
        late = np.zeros(len(stamps), np.bool_)
        change = (stamps[1:] != stamps[:-1]) | (kinds[1:] != kinds[:-1])
        edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(stamps)]
        for start, stop in pairwise(edges):
            assert self.now is not None
            time = self._complete(int(stamps[start]), int(kinds[start]), self.now)
            waiting = self._step(time, stop - start)
            ticks[start : start + waiting] = self._tick_of(self.now)
            late[start : start + waiting] = True
            if time > self.now and waiting < stop - start:
                self.now = time
            ticks[start + waiting : stop] = self._tick_of(self.now)
            late[start + waiting : stop] = self._tick_of(time) < self._tick_of(self.now)
        return ticks, late

    def _step(self, time: int, lines: int) -> int:
        """Return how many of *lines* lines that claim *time* must wait for it to be believed."""
        assert self.now is not None
        if time <= self.now + DAY:
            self._jump, self._agreed = None, 0
            return 0
        if self._jump is None or time < self._jump - DAY:
            self._jump, self._agreed = time, 0
        self._jump = min(self._jump, time)
        self._agreed += lines
        if self._agreed <= CONFIRM:
            return lines
        waiting = lines - (self._agreed - CONFIRM)
        self._jump, self._agreed = None, 0
        return waiting

    def _begin(self, stamp: int, kind: int, arrival: float) -> int:
        """Return the time of a log's first stamp: the latest one not after *arrival*."""
        if kind == Kind.YEARLESS:
            return self._complete(stamp, kind, int(arrival), ahead=DAY)
        return self._complete(stamp, kind, int(arrival), ahead=HOUR)

    def _complete(self, stamp: int, kind: int, now: int, ahead: int | None = None) -> int:
        """Return the seconds since the epoch that *stamp* most probably means, near *now*.

        Of the years or days that a stamp leaves open it is the last one that is not more than
        *ahead* seconds ahead: by default most of a year, or half a day.
        """
        if kind == Kind.ABSOLUTE:
            return stamp
        if kind == Kind.MONOTONIC:
            if self._boot is None or stamp + self._boot < now - REBOOT:
                self._boot = now - stamp
            return stamp + self._boot
        return self._to_utc(self._complete_locally(stamp, kind, now, ahead), now)

    def _complete_locally(self, stamp: int, kind: int, now: int, ahead: int | None = None) -> int:
        """Return what the local clock showed, its date and year included."""
        if kind == Kind.LOCAL:
            return stamp
        if kind == Kind.DATELESS:
            limit = now + (DAY // 2 if ahead is None else ahead)
            times = [day * DAY + stamp for day in range(now // DAY - 2, now // DAY + 3)]
        else:
            limit = now + (270 * DAY if ahead is None else ahead)
            year = (_EPOCH + timedelta(seconds=now)).year
            times = [_in_year(stamp, year + more) for more in (-2, -1, 0, 1)]
        return max((t for t in times if self._to_utc(t, now) <= limit), default=times[0])

    def _to_utc(self, local: int, now: int) -> int:
        """Return the time at which the local clock shows *local*.

        In the hour that a local clock shows twice, the first unless *now* is long past it.
        """
        first, second = self._offsets.at(local)
        if first == second or local - first >= now - HOUR // 2:
            return local - first
        return local - second


def _period(kind: int, local: Ints) -> NDArray[Any]:
    """Return the year or day of each time: within one, all stamps are completed alike."""
    if kind == Kind.DATELESS:
        return local // DAY
    months = local.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return (months + 10) // 12  # years that begin in March, whose days count alike


def _in_year(stamp: int, year: int) -> int:
    """Return the time, in *year*, of *stamp*: seconds since the start of the leap year 2000.

    >>> _in_year(60 * DAY, 2023) == int(datetime(2023, 3, 1, tzinfo=UTC).timestamp())
    True
    """
    year = min(max(year, 1970), 2200)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    return start + stamp - (0 if leap or stamp < 60 * DAY else DAY)
