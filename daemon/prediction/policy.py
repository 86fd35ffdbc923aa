"""The colour: which probability is red, so that false alarms stay within the user's budget.

The rule of an alarm is this. Predicted health is red while the probability reaches the threshold,
and from an alarm on for one horizon or until the failure begins, so that it does not flap. An alarm
is health turning red, or red still one horizon after the alarm before: a red claims a failure
within one horizon, and a red that stays is a new claim. An alarm is true if a failure begins within
the horizon, else false.

The threshold is not a setting. Every candidate of a grid is followed as if it had been the
threshold all along: its alarms, and how many of them were false, older ones being forgotten. What
is not known of it yet is taken from what the probability says of itself: alarms at 90 % are false
once in ten times, and there are no more true ones than failures. The lowest candidate whose false
alarms, and those of all above it, stay within the allowance is the threshold of the next tick.

The allowance is the budget, corrected by a ledger of what was published: credit that was not spent
lowers the threshold, until it is spent, and debt raises it. So the false alarms that come out keep
closer to the budget than chance would: a small budget is neither wasted nor gone in one bad night.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEVER = -(2**62)
CREDIT = 3.0  # false alarms; more of credit or debt than that is no longer counted
SETTLED_IN = 2.0  # false alarms, at the rate of the budget, in which credit or debt is settled
LEAST, MOST = 0.1, 4.0  # times the budget that may be spent meanwhile
DOUBT = 1.0  # false alarms that what candidates claim of themselves counts for
DECAY_EVERY = 64  # ticks; forgetting in steps costs nothing a tick


def log_odds(p: float) -> float:
    """Return the log-odds of a probability, those of 0 and 1 kept finite."""
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _next_multiple(number: int, of: int) -> int:
    return (number // of + 1) * of


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says at the end of a tick; arrays have a place for each horizon."""

    red: NDArray[np.bool_]  # (H,) predicted health is red
    alarm: NDArray[np.bool_]  # (H,) and this is a new claim
    threshold: NDArray[np.float64]  # (H,) the probability from which on it turns red


class AlarmPolicy:
    """Turns probabilities into red, keeping false alarms to *budget* a tick for every horizon.

    *horizons* are in ticks. The candidates begin at *floor*: below it no alarm is worth anybody's
    attention, whatever the budget.
    """

    def __init__(
        self,
        horizons: Sequence[int],
        budget: float,
        floor: float = 0.01,
        candidates: int = 120,
        memory: float = 10.0,
    ) -> None:
        self.horizons = np.asarray(horizons, np.int64)[:, None]  # (H, 1)
        self.budget = budget
        # Forgetting: far enough back to expect `memory` false alarms.
        self.window = memory / budget  # ticks
        grid = np.append(np.linspace(log_odds(floor), 6.0, candidates), np.inf)  # the last: never
        self._grid = grid.tolist()
        shape = (len(horizons), len(grid) + 1)  # the last column is what is published
        shares = 1 / (1 + np.exp(-grid))
        self._claimed = 1 / shares - 1  # false alarms for a true one, as candidates claim
        self._thresholds = np.broadcast_to(np.append(grid, np.inf), shape).copy()  # (H, G)
        self._red = np.zeros(shape, bool)
        self._last = np.full(shape, NEVER, np.int64)  # tick of the newest alarm
        self._hold = np.full(shape, NEVER, np.int64)  # red is held before this tick
        self._pending = np.zeros(shape, bool)  # the newest alarm has no outcome yet
        self._false = np.zeros(shape)  # false alarms, forgetting
        self._exposure = 0.0  # ticks, forgetting
        self._failures = 0
        self._now = 0
        self._levels: list[int] = []  # what the newest decision rests on, for `_same`
        self._due = 0
        self._spoke = False
        self._decision = Decision(*(np.zeros(len(horizons), kind) for kind in (bool, bool, float)))

    def step(
        self, probabilities: NDArray[np.float64], onset: bool, *, speak: bool = True
    ) -> Decision:
        """Note whether a failure began in this tick, then decide on its *probabilities*, (H,).

        Without *speak* nothing is published: still warming up, or blind.
        """
        odds = [log_odds(p) for p in probabilities.tolist()]
        if not onset and self._same(odds, speak):
            self._now += 1
            return self._decision
        self._settle(onset)
        self._thresholds[:, -1] = self._choose() if speak else np.inf
        if not speak:
            self._hold[:, -1] = NEVER
        now = self._now
        red = (np.array(odds)[:, None] >= self._thresholds) | (now < self._hold)  # (H, G)
        alarm = red & (~self._red | (now >= self._last + self.horizons))
        self._red = red
        self._last[alarm] = now
        self._hold = np.where(alarm, now + self.horizons, self._hold)
        self._pending |= alarm
        self._levels, self._spoke = self._place(odds), speak
        ends = self._last + self.horizons
        self._due = min(int(ends[ends > now].min(initial=2**62)), _next_multiple(now, DECAY_EVERY))
        self._now += 1
        threshold = 1 / (1 + np.exp(-self._thresholds[:, -1]))
        nothing = np.zeros(len(red), bool)
        self._decision = Decision(red[:, -1].copy(), nothing, threshold)
        return Decision(self._decision.red, alarm[:, -1].copy(), threshold)

    def note_late(self, ago: int) -> None:
        """Take back that alarms were false: a failure began *ago* ticks before the newest one."""
        began = self._now - 1 - ago
        true = (self._last < began) & (began <= self._last + self.horizons)
        self._false[true & ~self._pending] -= 1
        np.maximum(self._false, 0, out=self._false)
        self._pending &= ~true
        self._due = 0

    def _same(self, odds: Sequence[float], speak: bool) -> bool:
        """Return whether nothing has happened since the newest decision: most ticks are like that.

        No odds have crossed a threshold, no alarm's horizon ends, nothing is forgotten.
        """
        return self._now < self._due and speak == self._spoke and self._place(odds) == self._levels

    def _place(self, odds: Sequence[float]) -> list[int]:
        """Return how many of the thresholds each of *odds* has reached."""
        published = self._thresholds[:, -1].tolist()
        return [
            2 * bisect_right(self._grid, value) + (value >= threshold)
            for value, threshold in zip(odds, published, strict=True)
        ]

    def _settle(self, onset: bool) -> None:
        """Give alarms their outcome: true at an onset, false once their horizon has passed."""
        if onset:
            self._failures += 1
            self._pending[:] = False
            self._hold[:] = NEVER
        expired = self._pending & (self._now >= self._last + self.horizons)
        if expired.any():
            self._false += expired
            self._pending &= ~expired
        if self._now % DECAY_EVERY == 0:
            keep = np.exp(-DECAY_EVERY / self.window)
            self._false *= keep
            self._exposure = self._exposure * keep + DECAY_EVERY

    def _choose(self) -> NDArray[np.float64]:
        """Return the lowest thresholds, (H,), that keep within what may be spent."""
        failures = (self._failures + 0.5) / (self._now + 1000)  # a tick
        doubt = DOUBT / np.maximum(failures * self._claimed, 1e-12)  # (G,) ticks
        rate = (self._false[:, :-1] + DOUBT) / (self._exposure + doubt)  # (H, G) false a tick
        spent = self._false[:, -1:] + self._pending[:, -1:]
        credit = np.clip(self.budget * self._exposure - spent, -CREDIT, CREDIT)
        within = rate <= self.budget * np.clip(1 + credit / SETTLED_IN, LEAST, MOST)
        within[:, -1] = True
        above = np.logical_and.accumulate(within[:, ::-1], axis=1)[:, ::-1]  # and all above it
        chosen: NDArray[np.float64] = self._thresholds[np.arange(len(within)), above.argmax(axis=1)]
        return chosen

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "thresholds": self._thresholds[:, -1].copy(),
            "red": self._red.copy(),
            "last": self._last.copy(),
            "hold": self._hold.copy(),
            "pending": self._pending.copy(),
            "false": self._false.copy(),
            "exposure": self._exposure,
            "failures": self._failures,
            "now": self._now,
            "levels": list(self._levels),
            "due": self._due,
            "spoke": self._spoke,
            "decision": [self._decision.red.copy(), self._decision.threshold.copy()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another policy's `state` gave."""
        self._thresholds[:, -1] = state["thresholds"]
        self._red = np.array(state["red"], bool)
        self._last = np.array(state["last"], np.int64)
        self._hold = np.array(state["hold"], np.int64)
        self._pending = np.array(state["pending"], bool)
        self._false = np.array(state["false"], np.float64)
        self._exposure = float(state["exposure"])
        self._failures = int(state["failures"])
        self._now = int(state["now"])
        self._levels = [int(level) for level in state["levels"]]
        self._due = int(state["due"])
        self._spoke = bool(state["spoke"])
        red, threshold = (np.array(value) for value in state["decision"])
        self._decision = Decision(red, np.zeros(len(red), bool), threshold)
