"""The record: what became of the predictions; the same code scores the daemon and a backtest.

All of it is prequential: a prediction is written down before its outcome is known, and the base
rate that it is compared with is the one known at that time.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEADS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What has become known in one tick about the alarms of the alarm horizon, times in ticks."""

    alarms: int = 0  # raised in this tick
    true: int = 0
    false: int = 0
    failure: bool = False  # one began in this tick
    lead: int | None = None  # how many whole ticks ahead it was foretold


@dataclass(slots=True)
class AlarmRecord:
    """Alarms of one horizon and what became of them."""

    horizon: int  # ticks
    alarms: int = 0
    true: int = 0
    false: int = 0
    failures: int = 0
    predicted: int = 0
    leads: deque[int] = field(default_factory=lambda: deque(maxlen=LEADS_KEPT))  # ticks
    open: deque[int] = field(default_factory=deque)  # ticks of alarms without an outcome

    def note(self, now: int, onset: bool, alarm: bool) -> Outcomes:
        """Settle earlier alarms by what tick *now* brought, then write down its own."""
        true = false = 0
        lead = None
        while self.open and now > self.open[0] + self.horizon:
            self.open.popleft()
            false += 1
        if onset:
            true = len(self.open)
            if true:
                lead = now - self.open[0] - 1
                self.leads.append(lead)
                self.predicted += 1
            self.open.clear()
            self.failures += 1
        if alarm:
            self.open.append(now)
            self.alarms += 1
        self.true += true
        self.false += false
        return Outcomes(int(alarm), true, false, onset, lead)

    def note_late(self, tick: int) -> int | None:
        """Note that a failure began in an earlier *tick*; return how far ahead it was foretold.

        An alarm that has already turned out false stays so: its horizon has passed.
        """
        self.failures += 1
        foretold = [alarm for alarm in self.open if alarm < tick <= alarm + self.horizon]
        if not foretold:
            return None
        self.open = deque(alarm for alarm in self.open if alarm not in foretold)
        self.true += len(foretold)
        self.predicted += 1
        lead = tick - foretold[0] - 1
        self.leads.append(lead)
        return lead


class BrierScore:
    """Squared error of probabilities of one horizon, beside that of the base rate known so far."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon  # ticks
        self.positives = 0  # settled ticks that a failure followed within the horizon
        self.settled = 0
        self.error = 0.0
        self.base_error = 0.0
        # Forecast and base rate of each tick that is not settled, in a ring.
        self._waiting = np.zeros((horizon, 2))
        self._last_onset = -(2**62)
        self._now = 0

    @property
    def base_rate(self) -> float:
        """The share of settled ticks that a failure followed within the horizon."""
        return (self.positives + 0.5) / (self.settled + 100)  # begins at 1 in 200

    @property
    def skill(self) -> float:
        """1 − error / error of the base rate; 0 until a failure followed a prediction.

        Where none ever came, the base rate falls towards 0 and the ratio says nothing.
        """
        return 1 - self.error / self.base_error if self.positives else 0.0

    def note(self, onset: bool, probability: float) -> None:
        """Settle the tick whose horizon ends now, then write down this one's *probability*."""
        if onset:
            self._last_onset = self._now
        slot = self._now % self.horizon
        if self._now >= self.horizon:
            outcome = self._last_onset > self._now - self.horizon
            forecast, base = self._waiting[slot].tolist()
            self.error += (forecast - outcome) ** 2
            self.base_error += (base - outcome) ** 2
            self.positives += outcome
            self.settled += 1
        self._waiting[slot] = probability, self.base_rate
        self._now += 1

    def note_late(self, ago: int) -> None:
        """Note that a failure began *ago* ticks before the newest one."""
        self._last_onset = max(self._last_onset, self._now - 1 - ago)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "counts": [self.positives, self.settled, self._last_onset, self._now],
            "errors": [self.error, self.base_error],
            "waiting": self._waiting.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another score's `state` gave."""
        self.positives, self.settled, self._last_onset, self._now = map(int, state["counts"])
        self.error, self.base_error = map(float, state["errors"])
        self._waiting[:] = state["waiting"]


class Scoreboard:
    """The record of one app: alarms of each horizon, and the Brier skill of its probabilities."""

    def __init__(self, horizons: Sequence[int]) -> None:
        self.records = [AlarmRecord(horizon) for horizon in horizons]
        self.brier = [BrierScore(horizon) for horizon in horizons]
        self.ticks = 0

    @property
    def alarm(self) -> AlarmRecord:
        """The record of the alarm's horizon, the first."""
        return self.records[0]

    def note(
        self, onset: bool, probabilities: NDArray[np.float64], alarms: NDArray[np.bool_]
    ) -> Outcomes:
        """Note one tick: did a failure begin, what was predicted at its end, (H,), (H,)."""
        for score, probability in zip(self.brier, probabilities.tolist(), strict=True):
            score.note(onset, probability)
        outcomes = [
            record.note(self.ticks, onset, alarm)
            for record, alarm in zip(self.records, alarms.tolist(), strict=True)
        ]
        self.ticks += 1
        return outcomes[0]

    def note_late(self, ago: int) -> Outcomes:
        """Note that a failure began *ago* ticks before the newest one, of which nobody knew."""
        for score in self.brier:
            score.note_late(ago)
        tick = self.ticks - 1 - ago
        true = self.alarm.true
        leads = [record.note_late(tick) for record in self.records]
        return Outcomes(0, self.alarm.true - true, 0, failure=True, lead=leads[0])

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        counters = [[r.alarms, r.true, r.false, r.failures, r.predicted] for r in self.records]
        return {
            "counters": np.array(counters, np.int64),
            "leads": [np.array(record.leads, np.int64) for record in self.records],
            "open": [np.array(record.open, np.int64) for record in self.records],
            "brier": [score.state() for score in self.brier],
            "ticks": self.ticks,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another scoreboard's `state` gave."""
        for index, record in enumerate(self.records):
            counters = [int(value) for value in state["counters"][index]]
            record.alarms, record.true, record.false, record.failures, record.predicted = counters
            record.leads = deque((int(lead) for lead in state["leads"][index]), maxlen=LEADS_KEPT)
            record.open = deque(int(tick) for tick in state["open"][index])
        for score, saved in zip(self.brier, state["brier"], strict=True):
            score.restore(saved)
        self.ticks = int(state["ticks"])


def average_precision(scores: NDArray[np.floating[Any]], outcomes: NDArray[np.bool_]) -> float:
    """Return the area under precision over recall; ties count as one step.

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
    0.8333333333333333
    """
    positives = int(outcomes.sum())
    if not positives:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(outcomes[order])
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # last of each tie
    hits = hits[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / positives)


def calibration_error(
    probabilities: NDArray[np.floating[Any]], outcomes: NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the mean distance of probability and share of outcomes over *bins* equal widths.

    >>> calibration_error(np.array([0.25, 0.25, 0.25, 0.25]), np.array([True, False, False, False]))
    0.0
    """
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    stated = np.bincount(place, probabilities, bins)
    happened = np.bincount(place, outcomes, bins)
    return float(np.abs(stated - happened).sum() / len(outcomes))
