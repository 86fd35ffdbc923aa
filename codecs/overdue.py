"""How late the messages are that come regularly: the dog that did not bark.

Only regular messages are told of; how late one is begins at zero, grows with what is known of its
gaps, and is bounded. What is learnt of a gap is worked out in plain numbers, bucket by bucket: in
most ticks few messages come, and a call of NumPy's costs as much as all that is done for one.
"""

from collections.abc import Iterable, Mapping, MutableSequence
from math import sqrt
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

GAP_SAMPLES = 8  # gaps to be seen before a template can be overdue
GAP_MEMORY = 50  # gaps over which the usual gap reaches

Floats = NDArray[np.float64]


class Overdue:
    """How late each bucket's message is, for messages that come regularly."""

    def __init__(self, buckets: int) -> None:
        self._last = np.full(buckets, -1.0)  # tick
        self._gaps = np.zeros((3, buckets))  # number, mean and variance of the gaps, in ticks
        # What of the gaps matters in every tick; it changes only when they do.
        self._judged = np.zeros((3, buckets))
        rows = (self._last, *self._gaps, *self._judged)
        self._views = [cast("MutableSequence[float]", row.data) for row in rows]
        self._judge_all()

    def update(self, number: int, came: Iterable[int], late: Floats) -> None:
        """Write into *late* how overdue each bucket is in tick *number*, in which some *came*."""
        last = self._views[0]
        for bucket in came:
            before = last[bucket]
            last[bucket] = number
            if before >= 0:
                self._learn(bucket, number - before)
        usual, regular, trust = self._judged
        np.subtract(number, self._last, out=late)
        late -= self._gaps[1]
        late /= usual
        np.maximum(late, 0.0, out=late)
        np.minimum(late, 20.0, out=late)
        np.log1p(late, out=late)
        late *= regular
        late *= trust

    def _learn(self, bucket: int, gap: float) -> None:
        _, counts, means, variances, usual, regular, trust = self._views
        count, mean, variance = counts[bucket] + 1, means[bucket], variances[bucket]
        # One outage must not make a heartbeat irregular: what is far outside counts as less far.
        if count > GAP_SAMPLES and gap > mean:
            gap = min(gap, 4 * sqrt(variance) + mean + 1)
        rate = 1 / count if count < GAP_MEMORY else 1 / GAP_MEMORY
        off = gap - mean
        step = rate * off
        counts[bucket] = count
        means[bucket] = mean = mean + step
        variances[bucket] = variance = (variance + step * off) * (1 - rate)
        judged = _judge(count, mean, sqrt(variance))
        usual[bucket], regular[bucket], trust[bucket] = judged

    def _judge_all(self) -> None:
        counts, means, variances = self._gaps.tolist()
        for bucket, count in enumerate(counts):
            self._judged[:, bucket] = _judge(count, means[bucket], sqrt(variances[bucket]))

    def gap(self, bucket: int, number: int) -> tuple[int, float]:
        """Return for how many ticks *bucket* has not come in tick *number*, and its usual gap."""
        return number - int(self._last[bucket]), float(self._gaps[1, bucket])

    def forget(self, buckets: Iterable[int]) -> None:
        """Begin anew for *buckets*, which have a new owner."""
        for bucket in buckets:
            self._last[bucket] = -1
            self._gaps[:, bucket] = 0
            self._judged[:, bucket] = _judge(0.0, 0.0, 0.0)

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        return {"last": self._last.astype(np.int64), "gaps": self._gaps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._last[:], self._gaps[:] = state["last"], state["gaps"]
        self._judge_all()


def _judge(count: float, mean: float, deviation: float) -> tuple[float, float, float]:
    """Return how far off the mean a gap usually is, how regular gaps are, and how well known."""
    usual = deviation if deviation > 0.5 else 0.5  # ticks
    if usual < 0.1 * mean:
        usual = 0.1 * mean
    regular = 2.0 - 4.0 * deviation / (mean if mean > 1.0 else 1.0)
    regular = 0.0 if regular < 0.0 else 1.0 if regular > 1.0 else regular
    return usual, regular, count / (count + GAP_SAMPLES) if count >= GAP_SAMPLES else 0.0
