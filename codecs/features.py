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
SLOT_MEMORY = 2000  # values over which the long-run mean of a slot reaches
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
        self.ticks[templates] += 1
        settled = templates[(self.ticks[templates] >= SETTLED) & (self.of[templates] >= self.owned)]
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

    def update(self, number: int, came: NDArray[np.int64]) -> Floats:
        """Return how overdue each bucket is in the tick *number*, in which the buckets *came*."""
        last = self._last[came]
        known = came[last >= 0]
        if len(known):
            self._learn(known, (number - last[last >= 0]).astype(np.float64))
        self._last[came] = number
        count, mean, variance = self._gaps
        deviation = np.sqrt(variance)
        age = number - self._last
        late = (age - mean) / np.maximum(deviation, np.maximum(0.5, 0.1 * mean))
        regular = np.clip(2.0 - 4.0 * deviation / np.maximum(mean, 1.0), 0.0, 1.0)
        trust = count / (count + GAP_SAMPLES) * (count >= GAP_SAMPLES)
        return np.log1p(np.clip(late, 0.0, 20.0)) * regular * trust

    def _learn(self, buckets: NDArray[np.int64], gaps: Floats) -> None:
        count, mean, variance = self._gaps[:, buckets]
        count += 1
        # One outage must not make a heartbeat irregular: what is far outside counts as less far.
        bound = mean + 4 * np.sqrt(variance) + 1
        gaps = np.where(count > GAP_SAMPLES, np.minimum(gaps, bound), gaps)
        rate = np.maximum(1 / count, 1 / GAP_MEMORY)
        off = gaps - mean
        self._gaps[:, buckets] = (
            count,
            mean + rate * off,
            (1 - rate) * (variance + rate * off * off),
        )

    def forget(self, buckets: Sequence[int]) -> None:
        """Begin anew for *buckets*, which have a new owner."""
        self._last[list(buckets)] = -1
        self._gaps[:, list(buckets)] = 0

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        return {"last": self._last, "gaps": self._gaps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._last[:], self._gaps[:] = state["last"], state["gaps"]


class Slots:
    """The numbers in messages, each as its deviation from its own long-run mean.

    All numbers at the first `PLACES` numeric words of a template are watched. One that has come
    often enough and is no identifier takes the next free slot of the vector, for ever.
    """

    def __init__(self, slots: int, limit: int) -> None:
        size = limit * PLACES
        self._watched = np.zeros((5, size))  # number, mean, variance, last value, rises
        self._slot = np.full(size, -1, np.int64)
        self.owners = np.full(slots, -1, np.int64)  # template * PLACES + place
        self._taken = 0
        self._value = np.zeros(slots)
        self._fast = np.zeros(slots)

    def update(self, keys: NDArray[np.int64], values: Floats) -> None:
        """Take the newest *values* of the numbers *keys* (template × PLACES + place)."""
        count, mean, variance, last, rises = self._watched[:, keys]
        count += 1
        rises += values > last
        off = values - mean
        bound = np.where(
            count > SLOT_SAMPLES, 6 * np.sqrt(variance) + 1e-3 * np.abs(mean) + 1e-9, np.inf
        )
        near = np.clip(off, -bound, bound)
        rate = np.maximum(1 / count, 1 / SLOT_MEMORY)
        mean += rate * near
        variance = (1 - rate) * (variance + rate * near * near)
        self._watched[:, keys] = count, mean, variance, values, rises
        identifier = (rises > 0.95 * count) | (np.abs(mean) > 1e9)
        slots = self._slot[keys]
        wanted = (slots < 0) & (count >= SLOT_SAMPLES) & ~identifier & (variance > 0)
        if self._taken < len(self.owners) and wanted.any():
            for place in np.flatnonzero(wanted)[: len(self.owners) - self._taken]:
                slots[place] = self._slot[keys[place]] = self._taken
                self.owners[self._taken] = keys[place]
                self._taken += 1
        shown = slots >= 0
        if shown.any():
            deviation = np.maximum(np.sqrt(variance), 0.01 * np.abs(mean) + 1e-9)
            value = np.clip(np.arcsinh((values - mean) / deviation), -4.0, 4.0)
            value = np.where(identifier, 0.0, value * count / (count + SLOT_SAMPLES))[shown]
            at = slots[shown]
            self._value[at] = value
            self._fast[at] += 0.2 * (value - self._fast[at])

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
            "watched": self._watched[:, :size],
            "slot": self._slot[:size],
            "owners": self.owners,
            "value": self._value,
            "fast": self._fast,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        size = len(state["slot"])
        self._watched[:, :size], self._slot[:size] = state["watched"], state["slot"]
        self.owners[:], self._value[:] = state["owners"], state["value"]
        self._fast[:] = state["fast"]
        self._taken = int((self.owners >= 0).sum())


class TickFeatures:
    """Turns what was counted in a tick into its vector, tick after tick."""

    def __init__(self, tick: float, buckets: int, slots: int, limit: int) -> None:
        self._seconds = tick
        self._count = buckets
        self._now = buckets + len(Severity) + 2
        self.names = feature_names(buckets, slots)
        self.buckets = Buckets(buckets, limit)
        self.overdue = Overdue(buckets)
        self.slots = Slots(slots, limit)
        self._rates = np.array([[-np.expm1(-tick / mean)] for mean in MEANS.values()])
        self._means = np.zeros((len(MEANS), self._now))
        self._since = np.full(2, np.inf)  # s since orange and red

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
        if moved := self.buckets.count(templates):
            self.overdue.forget(moved)
        places = self.buckets.of[templates]
        now = np.empty(self._now)
        now[: self._count] = np.bincount(places, counts, self._count)
        now[self._count : -2] = severities
        now[-2:] = severities.sum(), new
        came = np.flatnonzero(now[: self.buckets.owned])
        np.log1p(now, out=now)
        self._means += self._rates * (now - self._means)
        overdue = self.overdue.update(number, came)
        end = (number + 1) * self._seconds
        angle = 2 * np.pi * (end % DAY) / DAY
        self._since += self._seconds
        self._since[: max(0, int(observed))] = 0.0
        since = 1.0 - np.log1p(np.minimum(self._since, DAY) / 60) / np.log1p(DAY / 60)
        return np.concatenate(
            (
                now,
                self._means.ravel(),
                overdue,
                self.slots.values,
                self.slots.trends,
                (np.sin(angle), np.cos(angle)),
                since,
            ),
            dtype=np.float32,
            casting="same_kind",
        )

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved, with *known* templates."""
        return {
            "buckets": self.buckets.state(known),
            "overdue": self.overdue.state(),
            "slots": self.slots.state(known),
            "means": self._means,
            "since": [float(since) if np.isfinite(since) else -1.0 for since in self._since],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.buckets.restore(state["buckets"])
        self.overdue.restore(state["overdue"])
        self.slots.restore(state["slots"])
        self._means[:] = state["means"]
        self._since[:] = [since if since >= 0 else np.inf for since in state["since"]]
