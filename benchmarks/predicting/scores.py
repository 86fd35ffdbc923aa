"""How good probabilities were: the same rules for everybody, the daemon's."""

from dataclasses import dataclass

import numpy as np

from predicting.stream import DAY, Bools, Floats, Stream
from rnnd.daemon.prediction.policy import AlarmPolicy
from rnnd.daemon.prediction.scoring import AlarmRecord, average_precision, calibration_error

WARM_FAILURES = 3  # before which the daemon does not speak


@dataclass(frozen=True)
class Score:
    """What a predictor reached on a stretch of ticks."""

    predicted: float  # share of the failures, at the false alarms allowed
    precision: float  # average
    skill: float  # Brier, against the stretch's own base rate
    calibration: float
    lead: float  # s, median


def score(stream: Stream, probability: Floats, begin: int, end: int | None = None) -> Score:
    """Return how good *probability* was in the ticks from *begin* to *end*."""
    ticks = slice(begin, end)
    p, onset, outcome = probability[ticks], stream.failures[ticks], stream.outcome[ticks]
    allowed = stream.allowed * len(p) * stream.tick / DAY
    record = best_within(p, onset, stream.horizon, allowed)
    rate = outcome.mean()
    return Score(
        record.predicted / max(1, record.failures),
        average_precision(p, outcome),
        float(1 - np.mean((p - outcome) ** 2) / max(rate * (1 - rate), 1e-12)),
        calibration_error(p, outcome),
        float(np.median(record.leads)) * stream.tick if record.leads else 0.0,
    )


def alarms_at(probability: Floats, threshold: float, onset: Bools, horizon: int) -> AlarmRecord:
    """Return what the rule of alarms makes of a fixed *threshold*."""
    return follow(probability, threshold, onset, horizon)[0]


def follow(
    probability: Floats, threshold: float, onset: Bools, horizon: int
) -> tuple[AlarmRecord, list[bool]]:
    """Return the same, and which failures are predicted."""
    record = AlarmRecord(horizon)
    predicted = []
    last = hold = -(2**62)
    was_red = False
    above = (probability >= threshold).tolist()
    for tick, began in enumerate(onset.tolist()):
        if began:
            hold = tick
        red = above[tick] or tick < hold
        alarm = red and (not was_red or tick >= last + horizon)
        if alarm:
            last, hold = tick, tick + horizon
        outcomes = record.note(tick, began, alarm)
        if began:
            predicted.append(outcomes.lead is not None)
        was_red = red
    return record, predicted


def best_within(probability: Floats, onset: Bools, horizon: int, allowed: float) -> AlarmRecord:
    """Return the alarms at the lowest threshold with at most *allowed* false ones, by bisection."""
    candidates = np.unique(np.quantile(probability, 1 - np.geomspace(1e-5, 0.5, 300)))
    low, high = 0, len(candidates) - 1
    best = alarms_at(probability, np.inf, onset, horizon)
    while low <= high:
        middle = (low + high) // 2
        record = alarms_at(probability, float(candidates[middle]), onset, horizon)
        if record.false <= allowed:
            best, high = record, middle - 1
        else:
            low = middle + 1
    return best


def spent(stream: Stream, probability: Floats, a_day: float) -> tuple[float, float]:
    """Return what the daemon's policy made of a budget: false alarms a day, failures predicted.

    It does not see the future. The first quarter does not count.
    """
    policy = AlarmPolicy([stream.horizon], a_day / DAY * stream.tick)
    record = AlarmRecord(stream.horizon)
    seen = 0
    false = predicted = failures = 0
    quarter = len(probability) // 4
    for tick, (p, began) in enumerate(zip(probability, stream.failures.tolist(), strict=True)):
        seen += began
        decision = policy.step(np.array([p]), began, speak=seen >= WARM_FAILURES)
        record.note(tick, began, bool(decision.alarm[0]))
        if tick == quarter:
            false, predicted, failures = record.false, record.predicted, record.failures
    days = (len(probability) - quarter) * stream.tick / DAY
    later = max(1, record.failures - failures)
    return (record.false - false) / days, (record.predicted - predicted) / later
