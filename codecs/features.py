"""The tick vector: what the network is told of a tick, as numbers with names.

Templates are mapped to a fixed number of *buckets*, so that the size of the vector never changes.
Three quarters of the buckets have one owner each: a template moves in when it comes in its third
tick, first come, first served, and stays for ever. So the recurring messages of an application,
which are few, are never mixed up, and the thousand messages that come once (start-up, one-off
errors) do not use the places up: they share the last quarter, by a hash of their text.

What experience taught (see docs/how-it-works.md) is in the details: *overdue* is told of regular
messages alone, and *slots* (numbers in messages) only when they are no identifiers; both begin at
zero, grow with what is known of them, and are bounded, so that no feature starts its life with an
outburst.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.health import Health
from rnnd.codecs.severity import Severity

MEANS = {"1m": 60.0, "5m": 300.0, "15m": 900.0}  # s; the time constants of the smoothed features
SETTLED = 3  # ticks in which a template must come to own a bucket
PLACES = 6  # numbers that are watched in a template
SLOT_SAMPLES = 30  # values to be seen before a number becomes a feature
SLOT_MEMORY = 20_000  # values over which the long-run mean of a slot reaches
STRAIGHT = 3.0  # deviations up to which a slot's value is told as it is
FARTHEST = 25.0  # deviations; whatever is farther counts as this
GAP_SAMPLES = 8  # gaps to be seen before a template can be overdue
GAP_MEMORY = 50  # gaps over which the usual gap reaches
DAY = 86400

Floats = NDArray[np.float64]


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


class Buckets:
    """Which bucket each template counts in."""

    def __init__(self, buckets: int, limit: int) -> None:
        self.owned = buckets - max(1, buckets // 4)  # the others are shared
        self._shared = buckets - self.owned
        self.of = np.full(limit, self.owned, np.int64)  # the bucket of each template
        self.ticks = np.zeros(limit, np.int64)  # in how many ticks each template came
        self.owners = np.full(self.owned, -1, np.int64)

    def place(self, template: int, text: bytes) -> None:
        """Give a new *template* its shared bucket."""
        self.of[template] = self.owned + zlib.crc32(text) % self._shared

    def count(self, templates: NDArray[np.int64]) -> list[int]:
        """Note that *templates* came in a tick; return the buckets that settled ones moved into."""
        ticks = self.ticks[templates] + 1
        self.ticks[templates] = ticks
        settled = templates[(ticks >= SETTLED) & (self.of[templates] >= self.owned)]
        if not len(settled):
            return []
        free = np.flatnonzero(self.owners < 0)[: len(settled)]
        self.owners[free] = settled[: len(free)]
        self.of[settled[: len(free)]] = free
        return [int(bucket) for bucket in free]

    def join(self, template: int, older: int) -> None:
        """Let *template*, which has become one with an *older* one, leave its bucket to it."""
        self.ticks[older] += self.ticks[template]
        bucket = int(self.of[template])
        if bucket >= self.owned:
            return
        self.owners[bucket] = -1
        if self.of[older] >= self.owned:
            self.of[older] = bucket
            self.owners[bucket] = older

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        return {"of": self.of[:known], "ticks": self.ticks[:known], "owners": self.owners}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        known = len(state["of"])
        self.of[:known], self.ticks[:known] = state["of"], state["ticks"]
        self.owners[:] = state["owners"]


class Overdue:
    """How late each bucket's message is, for messages that come regularly."""

    def __init__(self, buckets: int) -> None:
        self._last = np.full(buckets, -1, np.int64)  # tick
        self._gaps = np.zeros((3, buckets))  # number, mean and variance of the gaps, in ticks
        self._judge()

    def update(self, number: int, came: NDArray[np.int64]) -> Floats:
        """Return how overdue each bucket is in the tick *number*, in which the buckets *came*."""
        last = self._last[came]
        known = came[last >= 0]
        if len(known):
            self._learn(known, (number - last[last >= 0]).astype(np.float64))
            self._judge()
        self._last[came] = number
        late: Floats = (number - self._last) - self._gaps[1]
        late /= self._usual
        np.maximum(late, 0.0, out=late)
        np.minimum(late, 20.0, out=late)
        np.log1p(late, out=late)
        late *= self._regular
        late *= self._trust
        return late

    def _judge(self) -> None:
        """Note what of the gaps matters in every tick; it changes only when they do."""
        count, mean, variance = self._gaps
        deviation = np.sqrt(variance)
        self._usual = np.maximum(deviation, np.maximum(0.5, 0.1 * mean))  # ticks off the mean
        regular = 2.0 - 4.0 * deviation / np.maximum(mean, 1.0)
        self._regular = np.minimum(np.maximum(regular, 0.0), 1.0)
        self._trust = count / (count + GAP_SAMPLES) * (count >= GAP_SAMPLES)

    def _learn(self, buckets: NDArray[np.int64], gaps: Floats) -> None:
        known = self._gaps.take(buckets, axis=1)
        count, mean, variance = known
        count += 1
        # One outage must not make a heartbeat irregular: what is far outside counts as less far.
        bound = np.sqrt(variance)
        bound *= 4
        bound += mean
        bound += 1
        np.copyto(gaps, bound, where=(count > GAP_SAMPLES) & (gaps > bound))
        rate = np.maximum(1 / count, 1 / GAP_MEMORY)
        off = gaps - mean
        step = rate * off
        mean += step
        step *= off
        variance += step
        variance *= 1 - rate
        self._gaps[:, buckets] = known

    def gap(self, bucket: int, number: int) -> tuple[int, float]:
        """Return for how many ticks *bucket* has not come in tick *number*, and its usual gap."""
        return number - int(self._last[bucket]), float(self._gaps[1, bucket])

    def forget(self, buckets: Sequence[int]) -> None:
        """Begin anew for *buckets*, which have a new owner."""
        self._last[list(buckets)] = -1
        self._gaps[:, list(buckets)] = 0
        self._judge()

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        return {"last": self._last, "gaps": self._gaps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._last[:], self._gaps[:] = state["last"], state["gaps"]
        self._judge()


class Slots:
    """The numbers in messages, each as its deviation from its own long-run mean.

    All numbers at the first `PLACES` numeric words of a template are watched. One that has come
    often enough and is no identifier takes the next free slot of the vector, for ever.
    """

    def __init__(self, slots: int, limit: int) -> None:
        size = limit * PLACES
        self._watched = np.zeros((size, 5))  # number, mean, variance, last value, rises
        self._slot = np.full(size, -1, np.int64)
        self.owners = np.full(slots, -1, np.int64)  # template * PLACES + place
        self._taken = 0
        self._value = np.zeros(slots)
        self._fast = np.zeros(slots)

    @property
    def full(self) -> bool:
        """Whether no further number can become a feature: others need not be told of any more."""
        return self._taken == len(self.owners)

    def update(self, keys: NDArray[np.int64], values: Floats) -> None:
        """Take the newest *values* of the numbers *keys* (template × PLACES + place)."""
        watched = self._watched.take(keys, axis=0)
        count, mean, variance, last, rises = watched.T
        count += 1
        rises += values > last
        last[:] = values
        bound = 6 * np.sqrt(variance) + 1e-3 * np.abs(mean) + 1e-9
        bound[count <= SLOT_SAMPLES] = np.inf
        near = np.minimum(np.maximum(values - mean, -bound), bound)
        rate = np.maximum(1 / count, 1 / SLOT_MEMORY)
        step = rate * near
        mean += step
        variance += step * near
        variance *= 1 - rate
        self._watched[keys] = watched
        size = np.abs(mean)
        identifier = (rises > 0.95 * count) | (size > 1e9)
        slots = self._slot[keys]
        if not self.full:
            fit = (count >= SLOT_SAMPLES) & ~identifier & (variance > 0)
            self._take(keys, slots, fit & (slots < 0))
        shown = slots >= 0
        if shown.any():
            deviation = np.maximum(np.sqrt(variance), 0.01 * size + 1e-9)
            value = _bounded((values - mean) / deviation)
            value *= count
            value /= count + SLOT_SAMPLES
            value[identifier] = 0.0
            value, at = value[shown], slots[shown]
            self._value[at] = value
            fast = self._fast[at]
            self._fast[at] = fast + 0.2 * (value - fast)

    def _take(
        self, keys: NDArray[np.int64], slots: NDArray[np.int64], wanted: NDArray[np.bool_]
    ) -> None:
        """Give free slots to the *keys* that are *wanted*, and note them in their *slots*."""
        for place in wanted.nonzero()[0][: len(self.owners) - self._taken]:
            slots[place] = self._slot[keys[place]] = self._taken
            self.owners[self._taken] = keys[place]
            self._taken += 1

    def number(self, slot: int) -> tuple[int, float, float]:
        """Return the template of the number in *slot*, its newest value and its long-run mean."""
        key = int(self.owners[slot])
        _, mean, _, last, _ = self._watched[key].tolist()
        return key // PLACES, last, mean

    @property
    def values(self) -> Floats:
        """The newest value of each slot."""
        return self._value

    @property
    def trends(self) -> Floats:
        """The mean of the last few values of each slot: noise averaged out."""
        return self._fast

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        size = known * PLACES
        return {
            "watched": self._watched[:size].T,
            "slot": self._slot[:size],
            "owners": self.owners,
            "value": self._value,
            "fast": self._fast,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        size = len(state["slot"])
        self._watched[:size] = np.asarray(state["watched"]).T
        self._slot[:size] = state["slot"]
        self.owners[:], self._value[:] = state["owners"], state["value"]
        self._fast[:] = state["fast"]
        self._taken = int((self.owners >= 0).sum())


def _bounded(deviations: Floats) -> Floats:
    """Return *deviations* as they are up to `STRAIGHT`, and beyond it ever more bent.

    What leads to a failure is told from what does not by how far it is, at three to six deviations
    mostly; of what is a hundred off, the logarithm is enough.

    >>> _bounded(np.array([-2.0, 3.0, 6.0, 1e9])).round(2)
    array([-2.  ,  3.  ,  5.08,  9.36])
    """
    size = np.minimum(np.abs(deviations), FARTHEST)
    bent = STRAIGHT * (1 + np.log(np.maximum(size, STRAIGHT) / STRAIGHT))
    return np.copysign(np.where(size < STRAIGHT, size, bent), deviations)


class TickFeatures:
    """Turns what was counted in a tick into its vector, tick after tick."""

    def __init__(self, tick: float, buckets: int, slots: int, limit: int) -> None:
        self._seconds = tick
        self._count = buckets
        self._now = buckets + len(Severity) + 2
        self.names = feature_names(buckets, slots)
        self.groups = feature_groups(buckets, slots)
        self.buckets = Buckets(buckets, limit)
        self.overdue = Overdue(buckets)
        self.slots = Slots(slots, limit)
        self._rates = np.array([[-np.expm1(-tick / mean)] for mean in MEANS.values()])
        self._vector = np.zeros(len(self.names))
        self._means = self._vector[self._now :][: self._rates.size * self._now]
        self._means = self._means.reshape(len(MEANS), self._now)  # where they are in the vector
        self._since = [math.inf, math.inf]  # s since orange and red

    def encode(
        self,
        number: int,
        templates: NDArray[np.int64],
        counts: Floats,
        severities: Floats,
        new: int,
        observed: Health,
    ) -> NDArray[np.float32]:
        """Return the vector of the tick *number*: shape (D,).

        *counts* lines came of each of the distinct *templates*, *severities* of each severity.
        """
        vector = self._vector
        now = vector[: self._now]
        now[:] = 0.0
        if len(templates):
            if moved := self.buckets.count(templates):
                self.overdue.forget(moved)
            places = self.buckets.of[templates]
            now[: self._count] = np.bincount(places, counts, self._count)
            now[self._count : -2] = severities
            now[-2] = severities.sum()
        now[-1] = new
        came = now[: self.buckets.owned].nonzero()[0]
        np.log1p(now, out=now)
        self._means += self._rates * (now - self._means)
        slots = len(self.slots.values)
        rest = vector[self._now + self._means.size :]
        rest[: self._count] = self.overdue.update(number, came)
        rest[self._count : self._count + slots] = self.slots.values
        rest[self._count + slots : -4] = self.slots.trends
        rest[-4:] = *self._time_of_day(number), *self._times_since(observed)
        return vector.astype(np.float32)

    def _time_of_day(self, number: int) -> tuple[float, float]:
        angle = 2 * math.pi * ((number + 1) * self._seconds % DAY) / DAY
        return math.sin(angle), math.cos(angle)

    def _times_since(self, observed: Health) -> list[float]:
        self._since = [
            0.0 if observed >= health else since + self._seconds
            for health, since in zip((Health.ORANGE, Health.RED), self._since, strict=True)
        ]
        whole = math.log1p(DAY / 60)
        return [1.0 - math.log1p(min(since, DAY) / 60) / whole for since in self._since]

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
