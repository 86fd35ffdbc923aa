"""How unusual a tick is, as one number, and when that is worth an orange.

Several measures say how much a tick surprised: the error of the forecast vector, and the greatest
surprise of its events. Each is known as a quantile of its own past; the most unusual of them is the
tick's (as Tippett combined tests, 1931), and that is ranked once more. So `rank` is again a
quantile of its own past, whatever the log and however many measures: of all ticks, one in a hundred
is above 0.99.

An *unusual alarm* is a tick more unusual than this log has ever been, or nearly: the threshold is
the lowest that would have kept to the user's budget of such alarms, all of the past counted (the
old fading), where an alarm is followed by no other for one horizon. It begins at what was never
exceeded.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FINEST = 1e-6  # the smallest tail that is told apart
BINS, BINS_A_NAT = 225, 16  # of −log of the tail, up to that of the finest
MEMORY = 200_000  # ticks over which the ranks reach
ENOUGH = 360  # ticks without which there is no rank
ALARMS = 10.0  # alarms within the budget, over which the threshold looks back
FORGET_EVERY = 64  # ticks
FIRST = round(BINS_A_NAT * 3.0)  # bins; less than that, one tick in twenty, is never unusual


class Oddity:
    """Ranks the ticks of one app, and raises unusual alarms within *budget* (a tick)."""

    def __init__(self, budget: float, horizon: int) -> None:
        self._budget = budget
        self._horizon = horizon  # ticks
        self._window = ALARMS / budget  # ticks
        self._ranks = np.zeros(BINS)
        # Every bin from `FIRST` on is followed as if it had been the threshold all along.
        self._alarms = np.zeros(BINS - FIRST)  # forgetting
        self._hold = np.zeros(BINS - FIRST, np.int64)  # the tick before which no other alarm comes
        self._exposure = 0.0  # ticks, forgetting
        self._now = 0
        self._until = 0  # the tick before which health is orange

    def step(self, quantiles: Sequence[float], *, speak: bool) -> tuple[float, bool, bool]:
        """Return how unusual a tick is, whether it raises an alarm, and whether one still holds.

        *quantiles* are those of the measures, each of its own past. Without *speak* nothing is
        raised: still warming up, or blind.
        """
        place = _bin(max(quantiles, default=0.0))
        rank = self._rank(place)
        self._now += 1
        if self._now % FORGET_EVERY == 0:
            self._forget()
        alarm = False
        if place >= FIRST:
            threshold = self._threshold()
            self._follow(place)
            alarm = speak and place >= threshold and self._now >= self._until
            if alarm:
                self._until = self._now + self._horizon
        return rank, alarm, speak and self._now < self._until

    def _rank(self, place: int) -> float:
        """Return the share of past ticks that were less unusual, and note this one."""
        below = float(np.add.reduce(self._ranks[:place]))
        total = below + float(np.add.reduce(self._ranks[place:]))
        self._ranks[place] += 1
        return below / total if total >= ENOUGH else 0.0

    def _forget(self) -> None:
        self._ranks *= 1 - FORGET_EVERY / MEMORY
        keep = math.exp(-FORGET_EVERY / self._window)
        self._alarms *= keep
        self._exposure = self._exposure * keep + FORGET_EVERY

    def _threshold(self) -> int:
        """Return the lowest bin that would have kept within the budget; past all, if none did."""
        spent = np.flatnonzero(self._alarms > self._budget * self._exposure)
        return FIRST + (int(spent[-1]) + 1 if len(spent) else 0)

    def _follow(self, place: int) -> None:
        """Note a tick as unusual as *place* for all thresholds that it reaches."""
        reached = slice(0, place - FIRST + 1)
        fresh = self._now >= self._hold[reached]
        self._alarms[reached] += fresh
        self._hold[reached][fresh] = self._now + self._horizon

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "ranks": self._ranks.copy(),
            "alarms": self._alarms.copy(),
            "hold": self._hold.copy(),
            "exposure": self._exposure,
            "now": self._now,
            "until": self._until,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._ranks = np.array(state["ranks"], np.float64)
        self._alarms = np.array(state["alarms"], np.float64)
        self._hold = np.array(state["hold"], np.int64)
        self._exposure = float(state["exposure"])
        self._now = int(state["now"])
        self._until = int(state["until"])


def _bin(quantile: float) -> int:
    """Return the bin of a tail: the smaller it is, the higher."""
    return min(int(-math.log(max(1.0 - quantile, FINEST)) * BINS_A_NAT), BINS - 1)
