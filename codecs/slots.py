"""The numbers in messages that become features: a latency, a percentage, a size.

Which words of which lines they are is for `readings` to know; here each is a key, and is told as
its deviation from its own long-run mean. It begins at zero, grows with what is known of it, and is
bounded. The arithmetic is that of plain numbers, one at a time: in most ticks few numbers come,
and a call of NumPy's costs as much as a third of all that is done for one.
"""

from collections.abc import Iterable, Mapping, MutableSequence
from math import copysign, inf, log, sqrt
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

PLACES = 6  # numbers that are watched in a template
SLOT_SAMPLES = 30  # values to be seen before a number becomes a feature
SLOT_MEMORY = 20_000  # values over which the long-run mean of a slot reaches
SURE = 60  # values after which what looks like a counter is looked at now and then only
COUNTS = 0.95  # of the values of a counter, and more, are greater than the one before
RETURNS = 2  # falls, by a deviation or more, after which what rises otherwise is no counter
LARGE = 1e9  # what is larger is a name, unless it moves as a measure does
STRAIGHT = 3.0  # deviations up to which a slot's value is told as it is
FARTHEST = 25.0  # deviations; whatever is farther counts as this
LATELY = 0.2  # weight of the newest value in a trend

Floats = NDArray[np.float64]

Watched: TypeAlias = tuple[int, float, float, float, float, float, float, float, float]
"""What is known of a number: its slot or -1, how often it came, its mean and variance, the mean
square of its steps, its last value, its greatest since it returned, how often it rose, and how
often it returned, a deviation or more below that."""

_NEW: Watched = (-1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Slots:
    """The numbers in messages, each as its deviation from its own long-run mean.

    All numbers at the first `PLACES` numeric words of a template are watched. One that has come
    often enough and is no identifier takes the next free slot of the vector, for ever. A counter
    rises nearly always; so does a heap that fills, but it is emptied again and again.
    *values* and *trends* are where in the vector the newest value of each slot and the mean of its
    last few stand.
    """

    def __init__(self, values: Floats, trends: Floats, limit: int) -> None:
        self._size = limit * PLACES
        self._watched: dict[int, Watched] = {}
        self.owners = np.full(len(values), -1, np.int64)  # template * PLACES + place
        self._taken = 0
        self.values, self.trends = values, trends
        self._told = cast("MutableSequence[float]", values.data)
        self._trends = cast("MutableSequence[float]", trends.data)

    @property
    def full(self) -> bool:
        """Whether no further number can become a feature."""
        return self._taken == len(self.owners)

    def wants(self, key: int, *, counters: bool = False) -> bool:
        """Return whether the number *key* is a feature or may become one.

        What is sure to be a counter is not wanted, unless *counters* are.
        """
        slot, count, *_, rises, returns = self._watched.get(key, _NEW)
        if slot >= 0 or self.full:
            return slot >= 0
        return counters or count < SURE or returns >= RETURNS or rises <= COUNTS * count

    def update(self, keys: Iterable[int], values: Iterable[float], *, look: bool) -> list[int]:
        """Take the newest of the *values* of the numbers *keys*.

        Returns those keys that are `wants` no more or anew; without a *look* at counters, all have
        been.
        """
        watched, told, trends = self._watched, self._told, self._trends
        changed: list[int] = []
        for key, value in zip(keys, values, strict=True):
            wanted = not look or self.wants(key)
            slot, count, mean, variance, steps, last, peak, rises, returns = watched.get(key, _NEW)
            count += 1
            if slot < 0 and value == mean == last and not variance:  # it has always been the same
                watched[key] = slot, count, mean, variance, steps, last, peak, rises, returns
                if not wanted:
                    changed.append(key)
                continue
            deviation = sqrt(variance)
            if value > last:
                rises += 1
            if value > peak or count == 1:
                peak = value
            elif value < peak - deviation:
                peak = value
                returns += 1
            near = value - mean
            bound = inf
            if count > SLOT_SAMPLES:
                bound = 6 * deviation + 1e-3 * abs(mean) + 1e-9
                if not -bound <= near <= bound:
                    near = bound if near > 0 else -bound
            rate = 1 / count if count < SLOT_MEMORY else 1 / SLOT_MEMORY
            step = rate * near
            mean += step
            variance = (variance + step * near) * (1 - rate)
            size = abs(mean)
            if size > LARGE and count > 1:
                steps += rate * (min((value - last) ** 2, bound * bound) - steps)
            counter = returns < RETURNS and rises > COUNTS * count
            identifier = counter or (size > LARGE and _is_name(variance, steps, returns))
            wants = True
            if slot < 0:
                if identifier or count < SLOT_SAMPLES or not variance > 0 or self.full:
                    wants = not counter or count < SURE
                else:
                    slot = self._take(key)
            watched[key] = slot, count, mean, variance, steps, value, peak, rises, returns
            if wants != wanted:
                changed.append(key)
            if slot >= 0:
                now = 0.0
                if not identifier:
                    deviation = max(sqrt(variance), 0.01 * size + 1e-9)
                    now = _bounded((value - mean) / deviation) * count / (count + SLOT_SAMPLES)
                told[slot] = now
                lately = trends[slot]
                trends[slot] = lately + LATELY * (now - lately)
        return changed

    def _take(self, key: int) -> int:
        """Give the number *key* the next free slot."""
        slot = self._taken
        self.owners[slot] = key
        self._taken += 1
        return slot

    def number(self, slot: int) -> tuple[int, float, float]:
        """Return the template of the number in *slot*, its newest value and its long-run mean."""
        key = int(self.owners[slot])
        _, _, mean, _, _, last, *_ = self._watched[key]
        return key // PLACES, last, mean

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        size = known * PLACES
        watched, slot = np.zeros((8, size)), np.full(size, -1, np.int64)
        if self._watched:
            keys = list(self._watched)
            slots, *table = np.array(list(self._watched.values())).T
            watched[:, keys], slot[keys] = table, slots
        return {
            "watched": watched,
            "slot": slot,
            "owners": self.owners,
            "value": self.values,
            "fast": self.trends,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        table = np.vstack((state["slot"], state["watched"]))
        keys = np.flatnonzero(table[1])  # those that have come
        records = zip(*table[:, keys].tolist(), strict=True)
        self._watched = {
            key: (int(slot), *record)
            for key, (slot, *record) in zip(keys.tolist(), records, strict=True)
        }
        self.owners[:], self.values[:] = state["owners"], state["value"]
        self.trends[:] = state["fast"]
        self._taken = int((self.owners >= 0).sum())


def _is_name(variance: float, steps: float, returns: float) -> bool:
    """Return whether a large number jumps at random or only ever grows, and so measures nothing.

    The mean square of the *steps* is twice the *variance* where values follow each other at random
    (von Neumann, "Distribution of the ratio of the mean square successive difference to the
    variance", 1941); bytes in use go up and down in smaller steps.
    """
    return steps > 0.5 * variance or returns < RETURNS


def _bounded(deviations: float) -> float:
    """Return *deviations* as they are up to `STRAIGHT`, and beyond it ever more bent.

    What leads to a failure is told from what does not by how far it is, at three to six deviations
    mostly; of what is a hundred off, the logarithm is enough.

    >>> [round(_bounded(deviations), 2) for deviations in (-2.0, 3.0, 6.0, 1e9)]
    [-2.0, 3.0, 5.08, 9.36]
    """
    size = min(abs(deviations), FARTHEST)
    if size < STRAIGHT:
        return deviations
    return copysign(STRAIGHT * (1 + log(size / STRAIGHT)), deviations)
