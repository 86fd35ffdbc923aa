"""Tells which templates come back after an unusually long absence.

A message that comes back after weeks may be worth as much attention as a new one; the nightly
job's may not. So an absence is long by two measures at once: the clock's, more than `AWAY`, and the
template's own, more than `LONGER` times its longest absence so far. A template that stays away ever
longer is told of a few times, not every time.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

AWAY = 86400.0  # s
LONGER = 2


class Absences:
    """Follows when each of at most *limit* templates came last; a tick has *tick* seconds."""

    def __init__(self, tick: float, limit: int) -> None:
        self._away = max(1, round(AWAY / tick))  # ticks
        self._short = self._away // LONGER  # ticks; shorter absences make no difference
        self._last = np.full(limit, -1, np.int64)  # tick
        self._longest = np.zeros(limit, np.int64)  # ticks
        self._views = self._last.data, self._longest.data  # for one at a time

    def note(self, number: int, came: Iterable[int]) -> dict[int, int]:
        """Note that templates *came* in tick *number*; return which are back, and after how long.

        >>> absences = Absences(tick=3600.0, limit=3)
        >>> [absences.note(tick, [1]) for tick in (0, 30, 60)]
        [{}, {1: 30}, {}]
        """
        (before, longest), back = self._views, {}
        for template in came:
            last = before[template]
            before[template] = number
            away = number - last
            if away > self._short and last >= 0:
                usual = longest[template]
                if away > usual:
                    longest[template] = away
                    if away > self._away and away > LONGER * usual:
                        back[template] = away
        return back

    def join(self, template: int, older: int) -> None:
        """Let *template*, which has become one with an *older* one, leave its past to it."""
        self._last[older] = max(self._last[older], self._last[template])
        self._longest[older] = max(self._longest[older], self._longest[template])

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        return {"last": self._last[:known].copy(), "longest": self._longest[:known].copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        known = len(state["last"])
        self._last[:known], self._longest[:known] = state["last"], state["longest"]
