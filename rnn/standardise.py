"""Features on one scale, learnt as they come: mean 0, deviation 1, clipped, new ones faded in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class Standardiser:
    """Standardises a stream of vectors by the mean and variance seen so far (Welford, 1962).

    What rests on few observations is shrunk: a feature that has changed *n* times is scaled by
    n / (n + *doubt*), so that a new one begins without influence. Values are clipped at *limit*
    deviations. Older observations are forgotten over *memory* steps.
    """

    def __init__(
        self, size: int, limit: float = 4.0, doubt: float = 50.0, memory: float = 100_000.0
    ) -> None:
        self.limit, self.doubt, self.memory = limit, doubt, memory
        self.mean = np.zeros(size, np.float32)
        self.variance = np.zeros(size, np.float32)
        self.changes = np.zeros(size, np.float32)
        self._last = np.zeros(size, np.float32)
        self.count = 0

    def step(self, x: Vector) -> Vector:
        """Return *x* standardised by what came before it, then learn from it."""
        z = x - self.mean
        scale = self.changes / ((self.changes + self.doubt) * np.sqrt(self.variance + 1e-6))
        z_clipped = np.clip(z * scale, -self.limit, self.limit)
        out: Vector = z_clipped.astype(np.float32, copy=False)
        self.count += 1
        rate = np.float32(max(1 / self.count, 1 / self.memory))
        self.mean += rate * z
        self.variance += rate * (z * (x - self.mean) - self.variance)
        self.changes += x != self._last
        self._last = x.copy()
        return out

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "mean": self.mean.copy(),
            "variance": self.variance.copy(),
            "changes": self.changes.copy(),
            "last": self._last.copy(),
            "count": self.count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another standardiser's `state` gave."""
        self.mean = np.array(state["mean"], np.float32)
        self.variance = np.array(state["variance"], np.float32)
        self.changes = np.array(state["changes"], np.float32)
        self._last = np.array(state["last"], np.float32)
        self.count = int(state["count"])
