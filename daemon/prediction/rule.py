"""What counts as a failure where nobody has said it: the most severe level that is rare in the log.

Nothing but the log itself decides, tick by tick, from what came so far; so a backtest and the
daemon choose alike, and a restart changes nothing. The rule has a *level*, a severity (worse ones
are always included), and a *rate*: any line of the level makes a tick red, or, where such lines
come all the time, so many of them within a minute do.

Followed are, for each level and each rate, how often it began (reds closer together than the merge
time being one), and which share of the time it lasted: two weeks of memory. From that:

- In the first hour (six merge times) the rule is any critical line: nothing is known yet.
- Then error takes the place of critical if it came three times, and critical never did; for the
  first quarter of a day it must be twice as rare as later. If critical did come, it is waited for:
  a hundred horizons, then three times are asked of it too. A log whose worst is a warning gets that
  level after a hundred horizons. Three failures are the least to learn anything from.
- A level that lasts longer than its share (critical half of the time, error a third, warning a
  tenth) is not rare: then the lowest rate is taken that was reached in at most a twentieth of the
  time. Whether errors never pause takes a quarter of a day to be seen (36 merge times).
- A more severe level takes over when it has come three times. Once twenty failures have been seen
  under a rule, it stays: what is more severe has always been part of it. Then it changes only when
  it has ceased to be rare, or when what is more severe has come ten times and is no fewer than a
  twentieth of the failures: then that is what the others lead to, or hide.

Between choosing and giving up there is room (half as much again, for rates twice as much), so that
a rule does not flutter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.health import Health
from rnnd.codecs.severity import Severity
from rnnd.daemon.prediction.onsets import NEVER

LEVELS = (Severity.CRITICAL, Severity.ERROR, Severity.WARNING)
RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # lines a minute; 1: any
RARE = (1 / 2, 1 / 3, 1 / 10)  # of the time, by level
RARE_RATE = 1 / 20
ENOUGH = 3  # failures, to learn from
SETTLED = 20  # failures, after which a rule stays
MANY, SHARE = 10, 1 / 20  # more severe failures, and their share, that unsettle it
YOUNG = 6  # merge times
RESTLESS = 36  # merge times, before lines that never pause are taken for the level
PATIENCE = 100  # horizons
MEMORY = 14 * 86400.0  # s
MINUTE = 60.0  # s

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FailureRule:
    """Which ticks are red: those with lines of a severity or worse, any or so many a minute."""

    level: Severity
    rate: int = 1

    def __str__(self) -> str:
        if self.rate == 1:
            return f"a line of severity {self.level} or worse"
        return f"{self.rate:,} lines within a minute of severity {self.level} or worse"


class AutomaticRule:
    """Follows what a log's severities do and chooses which of them is a failure.

    *tick*, *merge* and *horizon* are in seconds.
    """

    def __init__(self, tick: float, merge: float, horizon: float) -> None:
        self._merge = math.ceil(merge / tick)
        self._young = YOUNG * self._merge
        self._restless = RESTLESS * self._merge
        self._patience = PATIENCE * max(1, round(horizon / tick))
        self._memory = MEMORY / tick
        width = max(1, round(MINUTE / tick))  # ticks that a rate looks at
        self._needed = np.ceil(np.array(RATES[1:]) * (width * tick / MINUTE))
        self._window = np.zeros((width, len(LEVELS)))  # lines of each level or worse
        shape = (len(LEVELS), len(RATES))
        self._last: Ints = np.full(shape, NEVER, np.int64)  # newest red tick of each candidate
        self._times: Ints = np.zeros(shape, np.int64)  # how often it began
        self._lasted = np.zeros(shape)  # ticks, forgetting
        self._exposure = 0.0  # ticks, forgetting
        self._age = 0  # ticks
        self._place = (0, 0)  # the chosen candidate
        self._since = 0  # its failures before it was chosen
        self._seen = 0.0  # lines in the window

    @property
    def rule(self) -> FailureRule:
        """What counts as a failure now."""
        level, rate = self._place
        return FailureRule(LEVELS[level], RATES[rate])

    @property
    def reason(self) -> str:
        """Why, in words."""
        level, _ = self._place
        if self._times[level, 0] == 0:
            return "automatic: none came so far, nor enough of anything else"
        if self._times[level, 0] < ENOUGH and self.rule.rate == 1:
            return "automatic: the most severe that came so far"
        if self.rule.rate > 1:
            return "automatic: such lines come all the time, so many at once are rare"
        return "automatic: the most severe level that is rare in this log"

    @property
    def last(self) -> tuple[int, int]:
        """The newest tick that was red, and the newest that was orange, by the rule of now."""
        return int(self._last[self._place]), int(self._last[self._milder()])

    def note(self, number: int, severities: NDArray[np.floating[Any]]) -> Health:
        """Return what the tick *number*, with so many lines of each severity, is by the rule."""
        *_, warnings, errors, criticals = severities.tolist()
        if warnings or errors or criticals or self._seen:
            here = criticals, criticals + errors, criticals + errors + warnings
            self._window[number % len(self._window)] = here
            lines = self._window.sum(axis=0)
            self._seen = float(lines[-1])
            bad = np.empty(self._last.shape, bool)
            bad[:, 0] = np.array(here) > 0
            bad[:, 1:] = lines[:, None] >= self._needed
            self._follow(number, bad)
        self._age += 1
        self._exposure += 1
        if self._last[self._place] == number:
            return Health.RED
        return Health.ORANGE if self._last[self._milder()] == number else Health.GREEN

    def _follow(self, number: int, bad: NDArray[np.bool_]) -> None:
        since = number - self._last
        # A red lasts until the next one, at most the merge time: that of the newest is still open.
        self._lasted += np.where(bad & (self._times > 0), np.minimum(since, self._merge), 0)
        self._times += bad & (since >= self._merge)
        self._last[bad] = number

    def health_of(self, severity: Severity, observed: Health) -> Health:
        """Return what a line of *severity* has to do with a tick that is *observed* so."""
        level, rate = self._place
        if severity >= LEVELS[level]:
            return Health.RED if rate == 0 else observed
        mildest, _ = self._milder()
        return min(observed, Health.ORANGE) if severity >= LEVELS[mildest] else Health.GREEN

    def _milder(self) -> tuple[int, int]:
        """Return the candidate that stands for orange: the next level, or the next lower rate."""
        level, rate = self._place
        return (level, rate - 1) if rate else (min(level + 1, len(LEVELS) - 1), 0)

    def choose(self, number: int) -> bool:
        """Choose anew at the end of tick *number*, if it is time to; return whether it changed."""
        if self._age % self._merge:
            return False
        keep = math.exp(-self._merge / self._memory)
        shares = self._shares(number)
        self._exposure *= keep
        self._lasted *= keep
        before = self._place
        if self._age < self._young or self._stays(shares):
            return False
        level = self._choose_level(shares)
        self._place = level, self._choose_rate(level, shares)
        changed = self._place != before
        if changed:
            self._since = int(self._times[self._place])
        return changed

    def _shares(self, number: int) -> NDArray[np.float64]:
        """Return the share of the time that each candidate lasted."""
        lasting = np.clip(number + 1 - self._last, 0, self._merge) * (self._times > 0)
        share: NDArray[np.float64] = (self._lasted + lasting) / (self._exposure + self._merge)
        return share

    def _stays(self, shares: NDArray[np.float64]) -> bool:
        """Return whether many failures were seen under the rule, and it still says what matters."""
        level, rate = self._place
        bound = 2 * RARE_RATE if rate else 1.5 * RARE[level]
        seen = self._times[self._place] - self._since
        worse = self._times[:level, 0].max(initial=0)
        outdone = worse >= max(MANY, SHARE * self._times[self._place])
        return bool(seen >= SETTLED and shares[self._place] <= bound and not outdone)

    def _choose_level(self, shares: NDArray[np.float64]) -> int:
        critical, error, warning = self._times[:, 0].tolist()
        now, _ = self._place
        restless = (shares[:, 0] > RARE) & (self._age >= self._restless)
        if critical >= ENOUGH or restless[0]:
            return 0
        if now == 0 and critical and self._age < self._patience:
            return 0
        if error > critical and (error >= ENOUGH or restless[1]):
            early = self._age < self._restless
            rare = shares[1, 0] <= RARE[1] * (0.5 if early else 1.0)
            return 1 if rare or restless[1] else now
        if self._age >= self._patience and warning > error:
            return 2 if warning >= ENOUGH or restless[2] else now
        return now

    def _choose_rate(self, level: int, shares: NDArray[np.float64]) -> int:
        limits = np.full(len(RATES), RARE_RATE)
        limits[0] = RARE[level]
        if self._age < self._restless:
            return 0
        if level == self._place[0]:
            rate = self._place[1]
            limits[rate] *= 2.0 if rate else 1.5
            useful = self._times[self._place] - self._since >= ENOUGH
            limits[:rate] *= 0.0 if useful else 0.75  # milder only where it never comes to anything
        rare = shares[level] <= limits
        return int(rare.argmax()) if rare.any() else len(RATES) - 1

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "window": self._window.copy(),
            "last": self._last.copy(),
            "times": self._times.copy(),
            "lasted": self._lasted.copy(),
            "exposure": self._exposure,
            "age": self._age,
            "place": list(self._place),
            "since": self._since,
            "seen": self._seen,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another rule's `state` gave."""
        self._window = np.array(state["window"], np.float64)
        self._last = np.array(state["last"], np.int64)
        self._times = np.array(state["times"], np.int64)
        self._lasted = np.array(state["lasted"], np.float64)
        self._exposure = float(state["exposure"])
        self._age = int(state["age"])
        level, rate = state["place"]
        self._place = int(level), int(rate)
        self._since = int(state["since"])
        self._seen = float(state["seen"])
