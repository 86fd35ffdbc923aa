"""How late the messages are that come regularly: the dog that did not bark.

Only regular messages are told of; how late one is begins at zero, grows with what is known of its
gaps, and is bounded. What is learnt of a gap is worked out in plain numbers, bucket by bucket: in
most ticks few messages come, and a call of NumPy's costs as much as all that is done for one. What
its gaps mean is found out only when a bucket is silent again: one that has just come is not late.
"""

from collections.abc import Iterable, Mapping, MutableSequence, Set
from math import sqrt
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

GAP_SAMPLES = 8  # gaps to be seen before a template can be overdue
GAP_MEMORY = 50  # gaps over which the usual gap reaches

Floats = NDArray[np.float64]

Gaps: TypeAlias = tuple[float, float, float, float]
"""The tick in which a bucket came last, and number, mean and variance of its gaps, in ticks."""

_NEW: Gaps = (-1.0, 0.0, 0.0, 0.0)


class Overdue:
    """How late each bucket's message is, for messages that come regularly."""

    def __init__(self, buckets: int) -> None:
        self._gaps = [_NEW] * buckets
        self._last = np.full(buckets, -1.0)
        # The mean of the gaps, and what they mean otherwise; as of when a bucket was silent last.
        self._judged = np.zeros((4, buckets))
        self._unjudged: set[int] = set()  # buckets that have come since
        self._last_of = cast("MutableSequence[float]", self._last.data)
        self._judged_of = [cast("MutableSequence[float]", row.data) for row in self._judged]
        self._judge(range(buckets))

    def update(self, number: int, came: Set[int], late: Floats) -> None:
        """Write into *late* how overdue each bucket is in tick *number*, in which some *came*."""
        self._learn(number, came)
        self._judge(self._unjudged - came)
        self._unjudged = set(came)
        mean, usual, regular, trust = self._judged
        np.subtract(number, self._last, out=late)
        late -= mean
        late /= usual
        np.maximum(late, 0.0, out=late)
        np.minimum(late, 20.0, out=late)
        np.log1p(late, out=late)
        late *= regular
        late *= trust

    def _learn(self, number: int, came: Iterable[int]) -> None:
        """Learn from the gaps that end in tick *number* for the buckets that *came*."""
        gaps, last_of = self._gaps, self._last_of
        for bucket in came:
            last_of[bucket] = number
            last, count, mean, variance = gaps[bucket]
            if last >= 0:
                gap = number - last
                count += 1
                # One outage must not make a heartbeat irregular: what is far outside counts as
                # less far.
                if count > GAP_SAMPLES and gap > mean:
                    gap = min(gap, 4 * sqrt(variance) + mean + 1)
                rate = 1 / count if count < GAP_MEMORY else 1 / GAP_MEMORY
                off = gap - mean
                step = rate * off
                mean += step
                variance = (variance + step * off) * (1 - rate)
            gaps[bucket] = number, count, mean, variance

    def _judge(self, buckets: Iterable[int]) -> None:
        """Find out what the gaps of *buckets* mean: how far off their mean they usually are, how
        regular they are, and how well known."""
        means, usuals, regulars, trusts = self._judged_of
        for bucket in buckets:
            _, count, mean, variance = self._gaps[bucket]
            deviation = sqrt(variance)
            usual = deviation if deviation > 0.5 else 0.5  # ticks
            if usual < 0.1 * mean:
                usual = 0.1 * mean
            regular = 2.0 - 4.0 * deviation / (mean if mean > 1.0 else 1.0)
            means[bucket] = mean
            usuals[bucket] = usual
            regulars[bucket] = 0.0 if regular < 0.0 else 1.0 if regular > 1.0 else regular
            trusts[bucket] = count / (count + GAP_SAMPLES) if count >= GAP_SAMPLES else 0.0

    def gap(self, bucket: int, number: int) -> tuple[int, float]:
        """Return for how many ticks *bucket* has not come in tick *number*, and its usual gap."""
        last, _, mean, _ = self._gaps[bucket]
        return number - int(last), mean

    def forget(self, buckets: Iterable[int]) -> None:
        """Begin anew for *buckets*, which have a new owner."""
        for bucket in buckets:
            self._gaps[bucket] = _NEW
            self._last[bucket] = -1
            self._judge([bucket])

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        last, *gaps = np.array(self._gaps).T
        return {"last": last.astype(np.int64), "gaps": np.array(gaps)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        table = np.vstack((state["last"], state["gaps"])).T
        self._gaps = [(last, count, mean, of) for last, count, mean, of in table.tolist()]
        self._last[:] = state["last"]
        self._unjudged.clear()
        self._judge(range(len(self._gaps)))
