"""Features on one scale, learnt as they come: mean 0, deviation 1, clipped, new ones faded in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

LOT = 16  # vectors that are learnt from at once: most of the cost is in the number of operations


class Standardiser:
    """Standardises a stream of vectors by the mean and variance seen so far.

    What rests on few observations is shrunk: a feature that has changed *n* times is scaled by
    n / (n + *doubt*), so that a new one begins without influence. Values are clipped at *limit*
    deviations. Older observations are forgotten over *memory* steps.

    What is learnt of `LOT` vectors is added at once (Chan, Golub & LeVeque, "Algorithms for
    computing the sample variance", 1983).
    """

    def __init__(
        self, size: int, limit: float = 4.0, doubt: float = 50.0, memory: float = 100_000.0
    ) -> None:
        self.limit, self.doubt, self.memory = limit, doubt, memory
        self.mean = np.zeros(size, np.float32)
        self.variance = np.zeros(size, np.float32)
        self.changes = np.zeros(size, np.float32)
        self._factor = np.zeros(size, np.float32)  # what a deviation from the mean is worth
        self._lot = np.zeros((LOT + 1, size), np.float32)  # the last of the lot before, and this
        self.count = 0

    def step(self, x: Vector) -> Vector:
        """Return *x* standardised by the lots before it, then learn from it."""
        out: Vector = np.subtract(x, self.mean)
        out *= self._factor
        np.minimum(out, self.limit, out=out)
        np.maximum(out, -self.limit, out=out)
        self.count += 1
        place = self.count % LOT or LOT
        self._lot[place] = x
        if place == LOT:
            self._learn()
        return out

    def _learn(self) -> None:
        """Add the lot to what is known."""
        lot = self._lot[1:]
        share = np.float32(LOT / min(self.count, self.memory))
        mean = lot.mean(axis=0)
        off = mean - self.mean
        self.mean += share * off
        self.variance *= 1 - share
        self.variance += share * (lot.var(axis=0) + (1 - share) * off * off)
        self.changes += (lot != self._lot[:-1]).sum(axis=0, dtype=np.float32)
        self._lot[0] = self._lot[-1]
        self._weigh()

    def _weigh(self) -> None:
        deviation = np.sqrt(self.variance + np.float32(1e-6))
        self._factor = self.changes / ((self.changes + np.float32(self.doubt)) * deviation)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "mean": self.mean.copy(),
            "variance": self.variance.copy(),
            "changes": self.changes.copy(),
            "lot": self._lot.copy(),
            "count": self.count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another standardiser's `state` gave."""
        self.mean = np.array(state["mean"], np.float32)
        self.variance = np.array(state["variance"], np.float32)
        self.changes = np.array(state["changes"], np.float32)
        self._lot = np.array(state["lot"], np.float32)
        self.count = int(state["count"])
        self._weigh()
