"""The simulated application's files: a log and its failures at once, or a log that grows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import numpy as np

from rnnd.daemon.simulator.simulator import Simulator
from rnnd.daemon.simulator.world import Failure


def write_log(
    simulator: Simulator, path: Path, hours: range, progress: Callable[[int], object]
) -> int:
    """Write the given *hours* of log to *path*, telling *progress*; return how many events."""
    events = 0
    with path.open("wb") as log:
        for hour in hours:
            stretch = simulator.stretch(hour)
            log.write(stretch.data)
            events += len(stretch.events)
            progress(hour)
    return events


def write_failures(failures: tuple[Failure, ...], path: Path) -> None:
    """Write the true *failures* to *path*, as `rnnd backtest --failures` reads them."""
    rows = [f"{_iso(failure.start)},{_iso(failure.end)},{failure.kind}\n" for failure in failures]
    path.write_text("start,end,kind\n" + "".join(rows), encoding="utf-8")


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class GrowingLog(AbstractContextManager["GrowingLog"]):
    """Appends the simulator's events to *path* as time goes by, and rotates it by renaming.

    Time is told by whoever calls; nothing here waits. As applications do, it keeps writing to the
    one open file, and every *rotate_every* seconds of log renames it to PATH.1 (and that to
    PATH.2) and begins a new one.
    """

    def __init__(
        self, simulator: Simulator, path: Path, start: float, rotate_every: float = 21600.0
    ) -> None:
        self._simulator = simulator
        self._path = path
        self._rotate_every = rotate_every
        self._next_rotation = start + rotate_every
        self._hour = int((start - simulator.start) // 3600)
        self._stretch = simulator.stretch(self._hour)
        self._position = int(np.searchsorted(self._stretch.times, start))
        self._log = path.open("ab")

    def write_until(self, time: float) -> int:
        """Append what the application logs up to *time* (epoch seconds); return how many events."""
        events = 0
        while True:
            end = int(np.searchsorted(self._stretch.times, time, side="right"))
            fresh = self._stretch.events[self._position : end]
            self._log.write(b"".join(fresh))
            events += len(fresh)
            self._position = max(end, self._position)
            if self._simulator.start + (self._hour + 1) * 3600 > time:
                break
            if self._hour + 1 >= self._simulator.hours:
                break
            self._hour += 1
            self._stretch = self._simulator.stretch(self._hour)
            self._position = 0
        self._log.flush()
        if time >= self._next_rotation:
            self._rotate()
            self._next_rotation = time + self._rotate_every
        return events

    def _rotate(self) -> None:
        first, second = (self._path.with_name(f"{self._path.name}.{n}") for n in (1, 2))
        if first.exists():
            first.replace(second)
        self._path.replace(first)
        self._log.close()
        self._log = self._path.open("ab")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._log.close()
