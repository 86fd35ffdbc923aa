"""The numbers in messages that become features: a latency, a percentage, a size.

Which words of which lines they are is for `readings` to know; here each is a key, and is told as
its deviation from its own long-run mean. It begins at zero, grows with what is known of it, and is
bounded. The arithmetic is that of plain numbers, one at a time: in most ticks few numbers come,
and a call of NumPy's costs as much as a third of all that is done for one.
"""

from collections.abc import Mapping
from math import copysign, inf, log, sqrt
from struct import Struct
from typing import Any

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

_RECORD = Struct("8d")
_COUNT = Struct("d")

Floats = NDArray[np.float64]


class Slots:
    """The numbers in messages, each as its deviation from its own long-run mean.

    All numbers at the first `PLACES` numeric words of a template are watched. One that has come
    often enough and is no identifier takes the next free slot of the vector, for ever. A counter
    rises nearly always; so does a heap that fills, but it is emptied again and again.
    *values* and *trends* are where in the vector the newest value of each slot and the mean of its
    last few stand.
    """

    def __init__(self, values: Floats, trends: Floats, limit: int) -> None:
        size = limit * PLACES
        # Of each: number, mean, variance, mean square of the steps, last value, greatest since it
        # returned, how often it rose, and how often it returned, a deviation or more below that.
        self._watched = np.zeros((size, 8))
        self._slot = np.full(size, -1, np.int64)
        self.owners = np.full(len(values), -1, np.int64)  # template * PLACES + place
        self._taken = 0
        self.values, self.trends = values, trends
        self._records = self._watched.data.cast("B")

    @property
    def full(self) -> bool:
        """Whether no further number can become a feature."""
        return self._taken == len(self.owners)

    def wants(self, key: int, *, counters: bool = False) -> bool:
        """Return whether the number *key* is a feature or may become one.

        What is sure to be a counter is not wanted, unless *counters* are.
        """
        if self._slot[key] >= 0 or self.full:
            return bool(self._slot[key] >= 0)
        count, *_, rises, returns = _RECORD.unpack_from(self._records, key * _RECORD.size)
        return counters or count < SURE or returns >= RETURNS or rises <= COUNTS * count

    def update(self, key: int, value: float) -> bool:
        """Take the newest *value* of the number *key*; return whether it `wants` another."""
        place = key * _RECORD.size
        slots = self._slot.data
        (count, mean, variance, steps, last, peak, rises, returns) = _RECORD.unpack_from(
            self._records, place
        )
        slot = slots[key]
        count += 1
        if slot < 0 and value == mean == last and not variance:  # it has always been the same
            _COUNT.pack_into(self._records, place, count)
            return True
        rises += value > last
        deviation = sqrt(variance)
        if value > peak or count == 1:
            peak = value
        elif value < peak - deviation:
            peak = value
            returns += 1
        bound = 6 * deviation + 1e-3 * abs(mean) + 1e-9 if count > SLOT_SAMPLES else inf
        near = value - mean
        if not -bound <= near <= bound:
            near = bound if near > 0 else -bound
        rate = 1 / count if count < SLOT_MEMORY else 1 / SLOT_MEMORY
        step = rate * near
        mean += step
        variance = (variance + step * near) * (1 - rate)
        size = abs(mean)
        if size > LARGE and count > 1:
            steps += rate * (min((value - last) ** 2, bound * bound) - steps)
        _RECORD.pack_into(
            self._records, place, count, mean, variance, steps, value, peak, rises, returns
        )
        counter = returns < RETURNS and rises > COUNTS * count
        identifier = counter or (size > LARGE and _is_name(variance, steps, returns))
        if slot < 0:
            if identifier or count < SLOT_SAMPLES or not variance > 0 or self.full:
                return not counter or count < SURE
            slot = slots[key] = self._take(key)
        told = 0.0
        if not identifier:
            deviation = max(sqrt(variance), 0.01 * size + 1e-9)
            told = _bounded((value - mean) / deviation) * count / (count + SLOT_SAMPLES)
        lately = self.trends[slot]
        self.values[slot], self.trends[slot] = told, lately + LATELY * (told - lately)
        return True

    def _take(self, key: int) -> int:
        """Give the number *key* the next free slot."""
        slot = self._taken
        self.owners[slot] = key
        self._taken += 1
        return slot

    def number(self, slot: int) -> tuple[int, float, float]:
        """Return the template of the number in *slot*, its newest value and its long-run mean."""
        key = int(self.owners[slot])
        _, mean, _, _, last, *_ = self._watched[key].tolist()
        return key // PLACES, last, mean

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        size = known * PLACES
        return {
            "watched": self._watched[:size].T,
            "slot": self._slot[:size],
            "owners": self.owners,
            "value": self.values,
            "fast": self.trends,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        size = len(state["slot"])
        self._watched[:size] = np.asarray(state["watched"]).T
        self._slot[:size] = state["slot"]
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
