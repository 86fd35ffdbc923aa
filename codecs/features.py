"""The tick vector: what the network is told of a tick, as numbers with names.

Templates are mapped to a fixed number of buckets, so that the size of the vector never changes.

What experience taught (see docs/how-it-works.md) is in the details: *overdue* is told of regular
messages alone, and *slots* (numbers in messages) only when they are no identifiers; both begin at
zero, grow with what is known of them, and are bounded, so that no feature starts its life with an
outburst.
"""

import math
from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.buckets import Buckets
from rnnd.codecs.health import Health
from rnnd.codecs.overdue import Overdue
from rnnd.codecs.severity import Severity
from rnnd.codecs.slots import Slots

MEANS = {"1m": 60.0, "5m": 300.0, "15m": 900.0}  # s; the time constants of the smoothed features
DAY = 86400
WHOLE = math.log1p(DAY / 60)


def feature_names(buckets: int, slots: int) -> tuple[str, ...]:
    """Return the name of every feature, in order."""
    now = [
        *(f"bucket {b} count" for b in range(buckets)),
        *(f"severity {severity}" for severity in Severity),
        "lines",
        "new templates",
    ]
    return (
        *now,
        *(f"{name}, mean of {mean}" for mean in MEANS for name in now),
        *(f"bucket {b} overdue" for b in range(buckets)),
        *(f"slot {s} value" for s in range(slots)),
        *(f"slot {s} trend" for s in range(slots)),
        "time of day, sine",
        "time of day, cosine",
        "time since orange",
        "time since red",
    )


def feature_groups(buckets: int, slots: int) -> NDArray[np.int64]:
    """Return which sort each feature is of, numbered from 0: those of a sort are comparable."""
    now = buckets + len(Severity) + 2
    sizes = [now, *(now for _ in MEANS), buckets, slots, slots, 4]
    return np.repeat(np.arange(len(sizes)), sizes)


class TickFeatures:
    """Turns what was counted in a tick into its vector, tick after tick."""

    def __init__(self, tick: float, buckets: int, slots: int, limit: int) -> None:
        self._seconds = tick
        self.names = feature_names(buckets, slots)
        self.groups = feature_groups(buckets, slots)
        self._vector = np.zeros(len(self.names))
        now = buckets + len(Severity) + 2
        sizes = [now, now * len(MEANS), buckets, slots, slots]
        parts = np.split(self._vector, np.cumsum(sizes))  # views of the vector
        self._now, means, self._overdue, values, trends, self._last = parts
        self._means = means.reshape(len(MEANS), now)
        self._change = np.empty_like(self._means)
        rates = [-np.expm1(-tick / mean) for mean in MEANS.values()]
        self._rates = np.repeat(np.array(rates)[:, None], now, axis=1)
        self._counts = cast("MutableSequence[float]", self._now.data)
        self._clock = cast("MutableSequence[float]", self._last.data)
        self.buckets = Buckets(buckets, limit)
        self.overdue = Overdue(buckets)
        self.slots = Slots(values, trends, limit)
        self._since = [math.inf, math.inf]  # s since orange and red

    def encode(
        self,
        number: int,
        lines: Mapping[int, int],
        severities: Sequence[float],
        new: int,
        observed: Health,
    ) -> NDArray[np.float32]:
        """Return the vector of the tick *number*: shape (D,).

        *lines* tells how many lines came of each template, in ascending order, and *severities*
        how many of each severity.
        """
        now = self._now
        now.fill(0.0)
        came: set[int] = set()  # buckets that have an owner
        if lines:
            self.overdue.forget(self.buckets.count(lines))
            came = self._count(lines)
            for place, told in enumerate(severities, -2 - len(severities)):
                self._counts[place] = told
            self._counts[-2] = sum(severities)
        self._counts[-1] = new
        np.log1p(now, out=now)
        change = np.subtract(now, self._means, out=self._change)
        change *= self._rates
        self._means += change
        self.overdue.update(number, came, self._overdue)
        for place, told in enumerate((*self._time_of_day(number), *self._times_since(observed))):
            self._clock[place] = told
        return self._vector.astype(np.float32)

    def _count(self, lines: Mapping[int, int]) -> set[int]:
        """Add up the *lines* of each bucket; return those with an owner that some came of."""
        counts, buckets, owned = self._counts, self.buckets.of_view, self.buckets.owned
        came = set()
        for template, count in lines.items():
            bucket = buckets[template]
            counts[bucket] += count
            if bucket < owned:
                came.add(bucket)
        return came

    def _time_of_day(self, number: int) -> tuple[float, float]:
        angle = 2 * math.pi * ((number + 1) * self._seconds % DAY) / DAY
        return math.sin(angle), math.cos(angle)

    def _times_since(self, observed: Health) -> list[float]:
        orange, red = self._since
        orange = 0.0 if observed >= Health.ORANGE else orange + self._seconds
        red = 0.0 if observed >= Health.RED else red + self._seconds
        self._since = [orange, red]
        return [1.0 - math.log1p(min(since, DAY) / 60) / WHOLE for since in self._since]

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved, with *known* templates."""
        return {
            "buckets": self.buckets.state(known),
            "overdue": self.overdue.state(),
            "slots": self.slots.state(known),
            "means": self._means,
            "since": [since if math.isfinite(since) else -1.0 for since in self._since],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.buckets.restore(state["buckets"])
        self.overdue.restore(state["overdue"])
        self.slots.restore(state["slots"])
        self._means[:] = state["means"]
        self._since = [float(since) if since >= 0 else math.inf for since in state["since"]]
