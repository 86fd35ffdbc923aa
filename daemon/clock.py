"""What time it is, as a collaborator: a test stands still and the demo runs faster."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

STEP = 3600.0  # s; a clock that is set forward by more is not believed at once
DOUBT = 60.0  # s that it must stay there


class Clock(Protocol):
    """Tells the time in which logs are written, and waits in that of the machine."""

    def now(self) -> float:
        """Return the time in seconds since the epoch, as the logs' writers see it."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, as the machine counts them."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until *event* is set, at most for machine *seconds*; return whether it is."""
        ...


def since_boot() -> float:
    """Return the seconds since the machine was started, those while it was suspended too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock:
    """The clock of the machine, which may be set wrong for a moment.

    Time that has passed for an app does not come back: its ticks are closed. So where *wall* leaps
    ahead of *machine*, the count of seconds since boot, it goes on as before for a minute, and is
    believed if it is still there then. Steps back, and small ones, count at once.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, machine: Callable[[], float] = since_boot
    ) -> None:
        self._wall = wall
        self._machine = machine
        self._offset = wall() - machine()  # of the wall clock, as it is believed
        self._doubted: tuple[float, float] | None = None  # an offset, and since when it is seen

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        wall, machine = self._wall(), self._machine()
        offset = wall - machine
        if offset > self._offset + STEP:
            if self._doubted is None or abs(offset - self._doubted[0]) > STEP:
                self._doubted = offset, machine
            if machine - self._doubted[1] < DOUBT:
                return machine + self._offset
        self._offset, self._doubted = offset, None
        return wall

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until *event* is set, at most for *seconds*; return whether it is."""
        return event.wait(seconds)
