"""What each feature, by itself, tells of an onset to come: weights of evidence, pooled.

Failures are few, and features are many: a model that needs a weight for each feature needs many
failures to find them. But what a single value means can be counted. The range of a feature is cut
into bins; how often a tick with a value in that bin was followed by an onset, beside how often any
tick was, is a weight of evidence, a difference of log-odds (Good, "Probability and the weighing of
evidence", 1950). One that rests on little is small: it is counted with a share of the base rate
added.

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
Bins = NDArray[np.int8]
Bools = NDArray[np.bool_]

EDGES = np.array([-4, -2.5, -1.5, -0.75, 0.75, 1.5, 2.25, 3, 4, 5.5, 7.5], np.float32)
"""Between the bins, in standard deviations."""
_MIDDLE = int(np.searchsorted(EDGES, 0.0))
OUTWARDS = (
    (_MIDDLE, None),
    *((place, place - 1) for place in range(_MIDDLE + 1, len(EDGES) + 1)),
    *((place, place + 1) for place in range(_MIDDLE - 1, -1, -1)),
)
"""Every bin, from the middle outwards, and the one before it."""
LEAST, MOST = -2.0, 6.0  # weights of evidence are clipped
DOUBT = 0.7  # observations that are added to those of every bin, at the rate of the one before it
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
        bins = len(EDGES) + 1
        self._counts = np.zeros((2, events, self.size, bins), np.float32)  # in all, before onsets
        self._totals = np.tile(np.array([[10.0], [0.1]]), (1, events))  # of all steps, likewise
        self._weights = np.zeros((events, self.size + 1, bins), np.float32)  # the last for none
        self._fresh = 0  # steps counted and not weighed

    def place(self, deviations: Floats) -> Bins:
        """Return the bin of each of the *deviations*."""
        return np.searchsorted(EDGES, deviations, side="right").astype(np.int8)

    def weights(self, bins: Bins) -> Floats:
        """Return the weight of evidence of each feature's bin, of (…, F): (E, …, F)."""
        return self._weights[:, self._columns, bins]

    def pool(self, bins: Bins) -> Floats:
        """Return what the weights of the *bins*, (…, F), come to: (…, E × pools).

        No pool is larger than `LARGEST`.
        """
        weights = np.zeros((self.events, *bins.shape[:-1], self.size + 1), np.float32)
        weights[..., :-1] = self.weights(bins)
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
        return np.moveaxis(pools, 0, -2).reshape(*bins.shape[:-1], -1)

    def note(self, bins: Bins, came: Bools, possible: Bools) -> None:
        """Count N steps whose outcome is known.

        *bins*: (N, F); *came*: (N, E) whether an onset followed within the horizon; *possible*:
        (N, E) whether one could.
        """
        places = self._columns * self._weights.shape[-1] + bins  # (N, F)
        length = self._weights.shape[-1] * self.size
        for event in range(self.events):
            for count, chosen in zip(
                self._counts[:, event],
                (possible[:, event], possible[:, event] & came[:, event]),
                strict=True,
            ):
                if chosen.any():
                    more = np.bincount(places[chosen].ravel(), minlength=length)
                    count += np.float32(self._share) * more.reshape(count.shape)
        self._totals[0] += self._share * possible.sum(axis=0)
        self._totals[1] += self._share * (possible & came).sum(axis=0)
        self._fresh += len(bins)
        if self._fresh >= self._every:
            self._weigh()

    def _weigh(self) -> None:
        """Bring the weights up to date with what was counted."""
        self._fresh = 0
        counts = self._counts.copy()
        counts[..., 1:-1] *= 1 - 2 * SPILL
        counts[..., 1:-1] += SPILL * (self._counts[..., :-2] + self._counts[..., 2:])
        base = (self._totals[1] / self._totals[0])[:, None, None]
        rate = np.empty_like(counts[0])
        for place, inner in OUTWARDS:
            usual = base[..., 0] if inner is None else rate[..., inner]
            rate[..., place] = (counts[1, ..., place] + DOUBT * usual) / (
                counts[0, ..., place] + DOUBT
            )
        rate = np.minimum(np.maximum(rate, 1e-5), 1 - 1e-5)
        evidence = np.log(rate / (1 - rate)) - np.log(base / (1 - base))
        self._weights[:, :-1] = np.minimum(np.maximum(evidence, LEAST), MOST)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "counts": self._counts.copy(),
            "totals": self._totals.copy(),
            "weights": self._weights.copy(),
            "fresh": self._fresh,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._counts = np.array(state["counts"], np.float32)
        self._totals = np.array(state["totals"], np.float64)
        self._weights = np.array(state["weights"], np.float32)
        self._fresh = int(state["fresh"])


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
