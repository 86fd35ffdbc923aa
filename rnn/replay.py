"""A bounded memory of the past to learn from again: dense before onsets, thin elsewhere, unbiased.

Every row stands for as many steps as its weight says. Rows belong to strata (say, shortly before an
onset, or far from any), each with room of its own. When a stratum is full, about every other of its
rows is dropped at random and the weights of the rest double; from then on a row enters with half
the chance. So a memory of any size covers all of the past, more coarsely as it grows longer, and a
weighted sum over its rows estimates the sum over all steps without bias (Horvitz & Thompson, 1952).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = np.iinfo(np.int32).max  # label that is kept; larger ones are kept as this


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows drawn from a memory."""

    rows: NDArray[np.int8]  # (B, size)
    labels: NDArray[np.int64]  # (B, labels)
    weights: NDArray[np.float32]  # (B,) with mean 1 over the whole memory


class Replay:
    """Keeps rows of *size* bytes with *labels* whole numbers each, *room* of them a stratum.

    Its memory is taken as it fills.
    """

    def __init__(self, size: int, labels: int, room: Sequence[int]) -> None:
        # All rows of a stratum weigh the same: when it is thinned, the weights of all double.
        self._thinned = np.ones(len(room))  # the weight of its rows
        self._used = np.zeros(len(room), np.int64)
        self._rows = [np.zeros((rows, size), np.int8) for rows in room]
        self._labels = [np.zeros((rows, labels), np.int32) for rows in room]

    def __len__(self) -> int:
        return int(self._used.sum())

    @property
    def steps(self) -> float:
        """How many steps all rows stand for."""
        return float(self._used @ self._thinned)

    def add(
        self,
        strata: NDArray[np.int64],
        rows: NDArray[np.int8],
        labels: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Offer N rows; each enters with the chance that its stratum, of *strata*, has come to."""
        for row, (stratum, chance) in enumerate(
            zip(strata.tolist(), rng.random(len(rows)).tolist(), strict=True)
        ):
            if chance * self._thinned[stratum] < 1:
                self._enter(stratum, rows[row], labels[row], rng)

    def _enter(
        self,
        stratum: int,
        row: NDArray[np.int8],
        labels: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        while self._used[stratum] == len(self._rows[stratum]):
            self._thin(stratum, rng)
        index = self._used[stratum]
        self._rows[stratum][index] = row
        self._labels[stratum][index] = np.minimum(labels, LARGEST)
        self._used[stratum] += 1

    def _thin(self, stratum: int, rng: np.random.Generator) -> None:
        kept = np.flatnonzero(rng.random(self._used[stratum]) < 0.5)
        for values in (self._rows[stratum], self._labels[stratum]):
            values[: len(kept)] = values[kept]
        self._used[stratum] = len(kept)
        self._thinned[stratum] *= 2

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """Draw *count* rows evenly from all that are kept."""
        ends = np.cumsum(self._used)
        drawn = rng.integers(ends[-1], size=count)
        strata = np.searchsorted(ends, drawn, side="right")
        index = drawn - (ends - self._used)[strata]
        rows = np.empty((count, self._rows[0].shape[1]), np.int8)
        labels = np.empty((count, self._labels[0].shape[1]), np.int64)
        for stratum, (all_rows, all_labels) in enumerate(
            zip(self._rows, self._labels, strict=True)
        ):
            here = strata == stratum
            rows[here], labels[here] = all_rows[index[here]], all_labels[index[here]]
        mean = np.float32(self.steps / ends[-1])
        return Batch(rows, labels, self._thinned[strata].astype(np.float32) / mean)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically, until the memory changes."""
        return {
            "used": self._used.copy(),
            "thinned": self._thinned.copy(),
            "rows": [rows[:used] for rows, used in zip(self._rows, self._used, strict=True)],
            "labels": [rows[:used] for rows, used in zip(self._labels, self._used, strict=True)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another memory's `state` gave."""
        self._used = np.array(state["used"], np.int64)
        self._thinned = np.array(state["thinned"], np.float64)
        for rows, saved in zip(self._rows, state["rows"], strict=True):
            rows[: len(saved)] = saved
        for labels, saved in zip(self._labels, state["labels"], strict=True):
            labels[: len(saved)] = saved
