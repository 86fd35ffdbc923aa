"""What time it is, as a collaborator: a test stands still and the demo runs faster."""

import threading
import time
from typing import Protocol


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


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until *event* is set, at most for *seconds*; return whether it is."""
        return event.wait(seconds)
