"""What a backtest keeps for its report: ticks in a few bytes each, alarms and failures whole."""

from array import array
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.health import Health
from rnnd.codecs.severity import Severity
from rnnd.config.schema import AppSettings
from rnnd.daemon.backtesting.hindsight import Part, followed
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.reasons import Reason

KEPT = 500  # alarms and failures that are told one by one, the newest
PARTS = 8
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Claim:
    """An alarm and what became of it."""

    time: float  # s since the epoch: the end of its tick
    probability: float
    reasons: tuple[Reason, ...]
    true: bool | None = None  # None while its horizon had not passed at the end


@dataclass(frozen=True, slots=True)
class Seen:
    """A failure, and the alarm that foretold it."""

    time: float  # s since the epoch: the end of its tick
    lead: float | None  # s; None where it was not foretold
    alarm: Claim | None
    lines: tuple[str, ...]  # that made it one
    highest: float  # probability in the horizon before it


class Account:
    """Takes note of every prediction; begins anew when the rule of failures changes."""

    def __init__(self, app: AppSettings) -> None:
        self.app = app
        self.horizon = max(1, round(app.horizon / app.tick))  # ticks
        self._begin()

    def _begin(self) -> None:
        self._times, self._red = array("d"), array("d")
        self._healths, self._onsets = array("b"), array("b")
        self._errors = array("d")
        self.claims: deque[Claim] = deque(maxlen=KEPT)
        self.failures: deque[Seen] = deque(maxlen=KEPT)
        self._outcomes: list[tuple[float, int, int]] = []  # time, failures foretold, false alarms

    def note(self, prediction: Prediction) -> None:
        """Take note of one prediction."""
        self._settle(prediction)
        _, _, red = next(iter(prediction.probabilities.values()))
        if prediction.outcomes.alarms:
            self.claims.append(Claim(prediction.time, red, prediction.reasons))
        self._times.append(prediction.time)
        self._red.append(red)
        self._healths.append(prediction.health)
        self._onsets.append(prediction.onset)
        self._errors.append(sum(prediction.tick.severities[Severity.ERROR :]))
        if prediction.new_rule is not None:
            self._begin()

    def _settle(self, prediction: Prediction) -> None:
        outcomes = prediction.outcomes
        false, first = outcomes.false, None
        for place, claim in enumerate(self.claims):
            if claim.true is not None:
                continue
            if false:
                self.claims[place] = replace(claim, true=False)
                false -= 1
            elif prediction.onset:
                self.claims[place] = replace(claim, true=True)
                first = first or self.claims[place]
        foretold = prediction.onset and outcomes.lead is not None
        if prediction.onset:
            lead = None if outcomes.lead is None else outcomes.lead * self.app.tick
            examples = prediction.tick.examples
            worst = max((e.health for e in examples), default=Health.RED)
            lines = tuple(e.line for e in examples if e.health is worst)
            highest = max(self._red[-self.horizon :], default=0.0)
            self.failures.append(Seen(prediction.time, lead, first, lines, highest))
        if foretold or outcomes.false:
            self._outcomes.append((prediction.time, int(foretold), outcomes.false))

    @property
    def times(self) -> NDArray[np.float64]:
        """The end of every tick, in s since the epoch."""
        return np.array(self._times)

    @property
    def red(self) -> NDArray[np.float64]:
        """The probability of a failure within the alarm's horizon, by tick."""
        return np.array(self._red)

    @property
    def healths(self) -> NDArray[np.int8]:
        """The predicted health, by tick."""
        return np.array(self._healths, np.int8)

    @property
    def onsets(self) -> NDArray[np.bool_]:
        """Whether a failure began, by tick."""
        return np.array(self._onsets, bool)

    def errors_within(self, seconds: float) -> NDArray[np.float64]:
        """Return how many lines of severity error or worse came in the last *seconds*, by tick."""
        width = max(1, round(seconds / self.app.tick))
        total = np.concatenate([np.zeros(1), np.cumsum(np.array(self._errors))])
        begin = np.maximum(np.arange(len(total) - 1) + 1 - width, 0)
        within: NDArray[np.float64] = total[1:] - total[begin]
        return within

    def known_days(self) -> float:
        """Return for how many days a health was told."""
        return float((self.healths != Health.UNKNOWN).sum() * self.app.tick / DAY)

    def parts(self) -> list[Part]:
        """Return the time that was scored in a few parts, in order."""
        times, red, onsets = self.times, self.red, self.onsets
        settled = len(times) - self.horizon
        if settled < PARTS:
            return []
        outcome = followed(onsets, self.horizon)
        base = outcome[:settled].mean()
        edges = np.linspace(0, settled, PARTS + 1).astype(int).tolist()
        parts = []
        for begin, end in pairwise(edges):
            here = slice(begin, end)
            start, stop = times[begin] - self.app.tick, times[end - 1]
            what = [(f, n) for time, f, n in self._outcomes if start < time <= stop]
            false = sum(n for _, n in what)
            told = (self.healths[here] != Health.UNKNOWN).mean()
            days = (stop - start) / DAY * told
            error = ((red[here] - outcome[here]) ** 2).mean()
            usual = ((base - outcome[here]) ** 2).mean()
            parts.append(
                Part(
                    float(start), float(stop), int(onsets[here].sum()), sum(f for f, _ in what),
                    false, float(false / days) if told > 0.5 else None,
                    float(1 - error / usual) if usual else 0.0,
                )
            )  # fmt: skip
        return parts
