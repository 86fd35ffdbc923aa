"""What each feature, by itself, tells of an onset to come: weights of evidence, pooled.

Failures are few, and features are many: a model that needs a weight for each feature needs many
failures to find them. But what a single value means can be counted. The range of a feature is cut
into bins, by deviations from its mean and by quantiles of its own past: the highest hundredth of a
number that goes up and down evenly is not two deviations off. How often a tick with a value in that
bin was followed by an onset, beside how often any tick was, is a weight of evidence, a difference
of log-odds (Good, "Probability and the weighing of evidence", 1950). One that rests on little is
small: it is counted with a share of what the next bin towards the mean says added.

Steps that lie together tell the same story. So a step counts as 1 / *horizon*: the steps before an
onset are one observation in all, and not as many as there are.

The weights are not added up, as a naive Bayes classifier would, since features depend on each
other. They are *pooled* within groups of features of one sort: the greatest, the second, the sum of
those for and of those against. The pools are few, and what a pool means is learnt from all
failures, whatever feature foretold them: one that was foretold once by a feature is a good deal
more suspicious the second time. A step's weights come from outcomes before it, so that who learns
from the pools is not deceived by weights that have seen the answer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Levels = NDArray[np.uint8]
Bools = NDArray[np.bool_]

EDGES = np.array([-4, -2.5, -1.5, -0.75, 0.75, 1.5, 2.25, 3, 4, 5.5, 7.5], np.float32)
"""Between the bins, in standard deviations."""
QUANTILES = np.array([0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995])
"""Between the bins, as shares of a feature's own past; a bin ends at either kind of edge."""
MOST_BINS = len(EDGES) + len(QUANTILES) + 1
FINE = 16  # levels a deviation, in which values are counted
LEVELS = 256
ZERO = LEVELS // 2  # the level of the mean
REGIONS = np.searchsorted(EDGES, (np.arange(LEVELS) - ZERO) / FINE, side="right")
LEAST, MOST = -2.0, 6.0  # weights of evidence are clipped
DOUBT = 0.7  # observations added to those of a bin, at the rate of the next towards the mean
SPILL = 0.15  # of a bin's observations that count in each of its neighbours
TOPS = (1, 2, 3, 6)  # places of the greatest of all weights that are told
LARGEST = 6.0  # no pool is larger


class Evidence:
    """The pooled evidence of features, for each of *events* kinds of onset within *horizon* steps.

    *groups*, (F,), numbers the sort of each feature, from 0.
    """

    def __init__(self, groups: NDArray[np.int64], events: int, horizon: int, every: int) -> None:
        self.size = len(groups)
        self.events = events
        self.horizon = horizon
        self._share = 1.0 / horizon
        self._every = every  # steps after which what was counted is weighed
        self._columns = np.arange(self.size)
        self._members = _members(groups)  # (G, M) columns; those beyond the last are filled up
        self._tops = [min(place, self.size + 1) for place in TOPS]
        self.pools = 4 * len(self._members) + len(TOPS) + 1
        shape = (2, events, self.size, LEVELS)  # of all steps, of those before onsets
        self._steps = np.zeros(shape, np.uint32)  # whole numbers: exact, and enough for centuries
        self._totals = np.tile(np.array([[10.0], [0.1]]), (1, events))  # of all steps, likewise
        self._bins = np.zeros((self.size, LEVELS), np.uint8)  # the bin of each level
        self._weights = np.zeros((events, self.size, MOST_BINS), np.float32)
        self._fresh = 0  # steps counted and not weighed

    def place(self, deviations: Floats) -> Levels:
        """Return the level of each of the *deviations*."""
        levels = np.rint(deviations * np.float32(FINE)) + np.float32(ZERO)
        bounded: Levels = np.minimum(np.maximum(levels, 0), LEVELS - 1).astype(np.uint8)
        return bounded

    def weights(self, levels: Levels) -> Floats:
        """Return the weight of evidence of each feature's level, of (…, F): (E, …, F)."""
        return self._weights[:, self._columns, self._bins[self._columns, levels]]

    def pool(self, levels: Levels) -> Floats:
        """Return what the weights of the *levels*, (…, F), come to: (…, E × pools).

        No pool is larger than `LARGEST`.
        """
        weights = np.zeros((self.events, *levels.shape[:-1], self.size + 1), np.float32)
        weights[..., :-1] = self.weights(levels)
        grouped = weights[..., self._members]  # (E, …, G, M)
        top = np.partition(grouped, -2, axis=-1)[..., -2:]
        above = np.maximum(grouped - np.float32(0.5), 0).sum(axis=-1)
        below = np.minimum(grouped + np.float32(0.2), 0).sum(axis=-1)
        most = self._tops[-1]
        greatest = np.partition(weights, -most, axis=-1)[..., -most:]
        greatest.sort(axis=-1)
        total = weights.sum(axis=-1, keepdims=True)
        total = np.sign(total) * np.log1p(np.abs(total))
        parts = (
            top[..., 1], top[..., 0], np.log1p(above), -np.log1p(-below),
            greatest[..., [-place for place in self._tops]], total,
        )  # fmt: skip
        pools = np.concatenate(parts, axis=-1)
        np.minimum(np.maximum(pools, -LARGEST, out=pools), LARGEST, out=pools)
        return np.moveaxis(pools, 0, -2).reshape(*levels.shape[:-1], -1)

    def note(self, levels: Levels, came: Bools, possible: Bools) -> None:
        """Count N steps whose outcome is known.

        *levels*: (N, F); *came*: (N, E) whether an onset followed within the horizon; *possible*:
        (N, E) whether one could.
        """
        places = self._columns * LEVELS + levels  # (N, F)
        for event in range(self.events):
            chances = possible[:, event]
            for count, chosen in zip(
                self._steps[:, event], (chances, chances & came[:, event]), strict=True
            ):
                np.add.at(count.reshape(-1), places[chosen].ravel(), np.uint32(1))
        self._totals[0] += self._share * possible.sum(axis=0)
        self._totals[1] += self._share * (possible & came).sum(axis=0)
        self._fresh += len(levels)
        if self._fresh >= self._every:
            self._weigh()

    def _weigh(self) -> None:
        """Bring the weights up to date with what was counted."""
        self._fresh = 0
        bins = _cut(self._steps[0, 0])  # (F, LEVELS)
        seen, before = self._collect(bins)
        base = self._totals[1] / self._totals[0]
        rate = _rates(seen, before, base[:, None], bins[:, ZERO], bins[:, -1])
        rate = np.minimum(np.maximum(rate, 1e-5), 1 - 1e-5)
        evidence = np.log(rate / (1 - rate)) - np.log(base / (1 - base))[:, None, None]
        self._bins[:] = bins
        self._weights[:] = np.minimum(np.maximum(evidence, LEAST), MOST)

    def _collect(self, bins: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what was counted in each of the *bins*, some of it spilt: (2, E, F, bins)."""
        places = (self._columns[:, None] * MOST_BINS + bins).ravel()
        length = self.size * MOST_BINS
        sums = [
            np.bincount(places, counted.ravel(), length)
            for counted in self._steps.reshape(-1, self.size, LEVELS)
        ]
        counts = self._share * np.array(sums).reshape(2, self.events, self.size, MOST_BINS)
        above = np.minimum(np.arange(MOST_BINS) + 1, bins[:, -1:])  # the last spills into itself
        below = np.maximum(np.arange(MOST_BINS) - 1, 0)
        spilt = np.take_along_axis(counts, above[None, None], axis=-1) + counts[..., below]
        return (1 - 2 * SPILL) * counts + SPILL * spilt

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "steps": self._steps,
            "totals": self._totals.copy(),
            "bins": self._bins,
            "weights": self._weights,
            "fresh": self._fresh,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._steps = np.array(state["steps"], np.uint32)
        self._totals = np.array(state["totals"], np.float64)
        self._bins = np.array(state["bins"], np.uint8)
        self._weights = np.array(state["weights"], np.float32)
        self._fresh = int(state["fresh"])


def _cut(seen: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return in which bin each level is, of features *seen* so often at each of them, (F, levels).

    Bins are numbered from 0 without a gap, and there are at most `MOST_BINS`.
    """
    up_to = seen.cumsum(axis=1, dtype=np.float64)
    rank = (up_to - seen / 2) / np.maximum(up_to[:, -1:], 1e-9)
    region = REGIONS + np.searchsorted(QUANTILES, rank)
    begins = np.diff(region, axis=1, prepend=region[:, :1]) > 0
    bins: NDArray[np.int64] = begins.cumsum(axis=1)
    return bins


def _rates(
    seen: NDArray[np.float64],
    before: NDArray[np.float64],
    base: NDArray[np.float64],
    middle: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the share of the observations *seen*, (E, F, bins), that were *before* an onset.

    From the *middle* bin, (F,), outwards to the *last*, (F,), each bin is drawn to the one before
    it, and that to the *base* rate, (E, 1): so a value beyond all that were seen means what the
    most extreme of them meant.
    """
    rate = np.zeros_like(seen)
    columns = np.arange(len(middle))
    usual = np.broadcast_to(base, seen.shape[:2])
    for direction, length in ((1, last - middle), (-1, middle)):
        inner = usual
        for away in range(int(length.max()) + 1):
            inside = columns[away <= length]
            place = middle[inside] + direction * away
            inner = np.array(inner)
            inner[:, inside] = (before[:, inside, place] + DOUBT * inner[:, inside]) / (
                seen[:, inside, place] + DOUBT
            )
            rate[:, inside, place] = inner[:, inside]
    return rate


def _members(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns of each group, a row a group, filled up with the number of all columns.

    >>> _members(np.array([0, 1, 1]))
    array([[0, 3],
           [1, 2]])
    """
    sizes = np.bincount(groups)
    members = np.full((len(sizes), max(2, int(sizes.max()))), len(groups))
    for group, size in enumerate(sizes.tolist()):
        members[group, :size] = np.flatnonzero(groups == group)
    return members
