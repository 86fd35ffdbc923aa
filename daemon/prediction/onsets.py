"""Failures as onsets: reds closer together than the merge time are one failure."""

from collections.abc import Mapping
from typing import Any

NEVER = -(2**62)


class OnsetDetector:
    """Says in which tick a failure begins, and for how long after it no other one can.

    >>> detector = OnsetDetector(merge=3)
    >>> [detector.note(tick, bad) for tick, bad in enumerate([1, 0, 1, 0, 0, 1])]
    [True, False, False, False, False, True]
    """

    def __init__(self, merge: int) -> None:
        self.merge = merge  # ticks
        self._last = NEVER  # the newest bad tick

    def note(self, tick: int, bad: bool) -> bool:
        """Return whether a failure begins in *tick*, which is *bad* or not."""
        if not bad:
            return False
        onset = tick - self._last >= self.merge
        self._last = tick
        return onset

    def immune(self, tick: int) -> int:
        """Return how many of the ticks after *tick* cannot hold an onset: they would be merged."""
        return max(0, self._last + self.merge - 1 - tick)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"last": self._last}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another detector's `state` gave."""
        self._last = int(state["last"])
