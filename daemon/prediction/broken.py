"""Whether the order of a component's events is broken, and for how long.

Disorder in deviations grows with the number of events, and says little where they are few. A test
says more: how much more probable is what came if the order is broken than if it is not? What comes
of a broken order nobody knows, but it surprises; so every event is taken to be exp(`TILT` × excess)
times as probable as the forecast says, and all together are scaled so that this is 1 on average in
the long run. Such a quotient cannot be large by chance: its mean is 1 as long as nothing changes
(Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023), however skewed
surprises are. The quotients of one tick after the other give the odds that the order of a component
is broken by now, where it may break at any time, rarely, and be whole again after minutes (after
Shiryaev, "On optimum methods in quickest detection problems", 1963).

One tick means little, for what breaks may heal. Told is for how long, as a share of the last
minutes, the order of the worst component has been broken with some certainty, and still is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIMIT = 6.0  # nats of excess that one event can have
SETTLED = 2000.0  # events of a component after which what it says counts half
TILT = 0.8  # of the surprises of a broken order: 0 leaves the forecast as it is
DOUBT = 20.0  # events, of the greatest excess, with which a component begins
LONG_RUN = 20_000.0  # events over which the mean quotient reaches
BREAKS = 1e5  # s until an order breaks, as far as one knows
HEALS = 300.0  # s until it is whole again, and over which it is told
MOST = 8.0  # nats that a tick can say


@dataclass(frozen=True, slots=True)
class Gathered:
    """The events of a tick by their places."""

    here: NDArray[np.int64]  # (P,) places that have events, in rising order
    at: NDArray[np.int64]  # (N,) which of these each event is at
    came: NDArray[np.int64]  # (P,) how many events came there

    def sum(self, of_each: Floats | NDArray[np.float32]) -> Floats:
        """Return what *of_each* event comes to at each of the places that have some."""
        sums: Floats = np.bincount(self.at, of_each).astype(np.float64, copy=False)
        return sums


def gather(places: NDArray[np.int64]) -> Gathered:
    """Return the events at *places*, (N,), one at least, by their places."""
    here, at = np.unique(places, return_inverse=True)
    return Gathered(here, at, np.bincount(at))


class BrokenOrder:
    """Follows the odds that the order is broken at each of so many *places*, by the tick."""

    def __init__(self, places: int, tick: float) -> None:
        self._breaks = min(0.5, tick / BREAKS)
        self._heals = -float(np.expm1(-tick / HEALS))
        self._odds = np.full(places, self._breaks / self._heals)
        self._quotient = np.full(places, np.exp(TILT * LIMIT))  # its mean, an event
        self._share = 0.0  # of the last minutes, in which it was broken
        self.sign = 0.0
        """Whether the order is broken at any place, and for how long, from 0 to 1."""

    def wait(self) -> None:
        """Let a tick pass: what is whole may have broken, and the other way round."""
        whole = 1 + self._heals * self._odds
        self._odds = (self._odds * (1 - self._heals) + self._breaks) / whole

    def read(self, excess: NDArray[np.float32], events: Gathered, seen: Floats) -> None:
        """Read the *excess* of each of a tick's *events*, no more than `LIMIT`.

        *seen*: how many events came at each place before them.
        """
        here, came = events.here, events.came
        before, quotient = seen[here], self._quotient[here]
        evidence = TILT * events.sum(excess) - came * np.log(quotient)
        evidence *= before / (before + SETTLED)
        self._odds[here] *= np.exp(np.minimum(np.maximum(evidence, -MOST), MOST))
        mean = events.sum(np.exp(TILT * excess)) / came
        rate = np.minimum(came / np.minimum(before + DOUBT, LONG_RUN), 1.0)
        self._quotient[here] += rate * (mean - quotient)

    def settle(self) -> None:
        """Bring what is told up to date at the end of a tick."""
        odds = float(self._odds.max())
        chance = odds / (1 + odds)
        self._share += self._heals * (chance - self._share)
        self.sign = min(chance, self._share)

    def forget(self, places: NDArray[np.int64]) -> None:
        """Begin anew at *places*."""
        self._odds[places] = self._breaks / self._heals
        self._quotient[places] = np.exp(TILT * LIMIT)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "odds": self._odds.copy(),
            "quotient": self._quotient.copy(),
            "share": self._share,
            "sign": self.sign,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._odds = np.array(state["odds"], np.float64)
        self._quotient = np.array(state["quotient"], np.float64)
        self._share, self.sign = float(state["share"]), float(state["sign"])
