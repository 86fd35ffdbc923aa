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


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows drawn from a memory."""

    rows: NDArray[np.int8]  # (B, size)
    labels: NDArray[np.int64]  # (B, labels)
    weights: NDArray[np.float32]  # (B,) with mean 1 over the whole memory


class Replay:
    """Keeps rows of *size* bytes with *labels* whole numbers each, *room* of them a stratum."""

    def __init__(self, size: int, labels: int, room: Sequence[int]) -> None:
        self._start = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        self._used = np.zeros(len(room), np.int64)
        self._thinned = np.ones(len(room))  # the weight of a row that enters
        total = int(self._start[-1])
        self._rows = np.zeros((total, size), np.int8)
        self._labels = np.zeros((total, labels), np.int64)
        self._weights = np.zeros(total, np.float32)

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
        room = self._start[stratum + 1] - self._start[stratum]
        while self._used[stratum] == room:
            self._thin(stratum, rng)
        index = self._start[stratum] + self._used[stratum]
        self._rows[index] = row
        self._labels[index] = labels
        self._weights[index] = self._thinned[stratum]
        self._used[stratum] += 1

    def _thin(self, stratum: int, rng: np.random.Generator) -> None:
        start, used = self._start[stratum], self._used[stratum]
        kept = start + np.flatnonzero(rng.random(used) < 0.5)
        stop = start + len(kept)
        self._rows[start:stop] = self._rows[kept]
        self._labels[start:stop] = self._labels[kept]
        self._weights[start:stop] = 2 * self._weights[kept]
        self._used[stratum] = len(kept)
        self._thinned[stratum] *= 2

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        """Draw *count* rows evenly from all that are kept."""
        ends = np.cumsum(self._used)
        drawn = rng.integers(ends[-1], size=count)
        stratum = np.searchsorted(ends, drawn, side="right")
        index = drawn - (ends - self._used)[stratum] + self._start[stratum]
        mean = np.float32(self.steps / ends[-1])
        return Batch(self._rows[index], self._labels[index], self._weights[index] / mean)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        kept = self._kept()
        return {
            "used": self._used.copy(),
            "thinned": self._thinned.copy(),
            "rows": self._rows[kept],
            "labels": self._labels[kept],
            "weights": self._weights[kept],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another memory's `state` gave."""
        self._used = np.array(state["used"], np.int64)
        self._thinned = np.array(state["thinned"], np.float64)
        kept = self._kept()
        self._rows[kept] = state["rows"]
        self._labels[kept] = state["labels"]
        self._weights[kept] = state["weights"]

    def _kept(self) -> NDArray[np.int64]:
        pairs = zip(self._start, self._used, strict=False)
        return np.concatenate([np.arange(start, start + used) for start, used in pairs])
