"""A backtest looked back upon: which thresholds would have done what, and when it was right.

Pure functions of what was said at every tick and of the ticks in which failures began. Thresholds
are fixed here and known in hindsight; the daemon's own follows the budget and knows only the past.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.daemon.prediction.scoring import AlarmRecord

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

THRESHOLDS = 60
BIN_EDGES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Point:
    """What a fixed threshold would have come to."""

    threshold: float
    false_a_day: float
    predicted: float  # share of the failures
    precision: float  # share of the alarms that came true


@dataclass(frozen=True, slots=True)
class Bin:
    """Probabilities that were about the same, and how often a failure followed."""

    stated: float  # their mean
    happened: float  # share of the ticks that a failure followed within the horizon
    ticks: int


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the time scored."""

    begin: float  # s since the epoch
    end: float
    failures: int
    predicted: int
    false: int
    false_a_day: float | None  # None where a colour was hardly told
    skill: float  # Brier skill against the base rate of the whole time


def followed(onsets: Bools, horizon: int) -> Bools:
    """Return for each tick whether a failure begins in the *horizon* ticks after it.

    >>> followed(np.array([0, 0, 1, 0], bool), 1)
    array([False,  True, False, False])
    """
    total = np.concatenate([[0], np.cumsum(onsets)])
    later = np.minimum(np.arange(len(onsets)) + 1 + horizon, len(onsets))
    return np.asarray(total[later] > total[1:])


def alarms_at(scores: Floats, threshold: float, onsets: Bools, horizon: int) -> AlarmRecord:
    """Return what the rule of alarms makes of a fixed *threshold*, jumping from one to the next.

    An alarm is turning red, or red still one horizon after the alarm before; red is held for one
    horizon, or until the failure begins (see daemon/prediction/policy.py).
    """
    above = np.asarray(scores >= threshold)
    reds = np.flatnonzero(above).tolist()
    begins = np.flatnonzero(onsets).tolist()
    record = AlarmRecord(horizon)
    alarms = list(_alarm_ticks(above, reds, begins, horizon))
    events = sorted({*begins, *alarms})
    known, raised = set(begins), set(alarms)
    for tick in events:
        record.note(tick, tick in known, tick in raised)
    record.note(len(scores) + horizon, onset=False, alarm=False)
    return record


def _alarm_ticks(above: Bools, reds: list[int], begins: list[int], horizon: int) -> Iterator[int]:
    place, size = 0, len(above)
    while place < len(reds):
        alarm = reds[place]
        while True:
            yield alarm
            due = alarm + horizon
            onset = bisect_left(begins, alarm + 1)
            held = min(begins[onset], due) if onset < len(begins) else due
            if held >= size:
                return
            below = np.flatnonzero(~above[held : due + 1])
            if len(below):  # it turned green, and may turn red again at any time
                place = bisect_left(reds, held + int(below[0]))
                break
            if due >= size:
                return
            alarm = due


def sweep(scores: Floats, onsets: Bools, horizon: int, days: float) -> list[Point]:
    """Return what thresholds between never and always would have come to, the highest first."""
    failures = max(int(onsets.sum()), 1)
    shares = 1 - np.geomspace(1 / max(len(scores), 10), 0.5, THRESHOLDS)
    points = []
    for threshold in np.unique(np.quantile(scores, shares))[::-1].tolist():
        if threshold <= 0:
            continue
        record = alarms_at(scores, threshold, onsets, horizon)
        told = record.true + record.false
        points.append(
            Point(
                threshold,
                record.false / max(days, 1e-9),
                record.predicted / failures,
                record.true / told if told else 0.0,
            )
        )
    return points


def best_within(points: list[Point], false_a_day: float) -> Point | None:
    """Return the point that predicted most without more false alarms a day than *false_a_day*."""
    within = [point for point in points if point.false_a_day <= false_a_day]
    return max(within, key=lambda point: point.predicted, default=None)


def calibration(probabilities: Floats, outcomes: Bools) -> list[Bin]:
    """Return the bins of *probabilities* that hold any, in ascending order."""
    edges = np.array(BIN_EDGES[1:-1])
    place = np.searchsorted(edges, probabilities, side="right")
    count = np.bincount(place, minlength=len(edges) + 1)
    stated = np.bincount(place, probabilities, len(edges) + 1)
    happened = np.bincount(place, outcomes, len(edges) + 1)
    return [
        Bin(float(stated[b] / count[b]), float(happened[b] / count[b]), int(count[b]))
        for b in np.flatnonzero(count).tolist()
    ]
