"""A recurrent network that learns, from the stream alone, to forecast its next vector.

That needs no failures, which are few: every step teaches. How far a vector is from its forecast is
the surprise of that step. The network's memory of the past serves that alone: hazards that read its
hidden state besides the vector forecast failures no better, for the vector holds means over the
past already.

Windows of the recent past are learnt by truncated back-propagation through time. Each begins with
the hidden state that the network really had there: a state carried over days then is nothing new to
weights that were trained on short windows.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.cells import GRU
from rnnd.rnn.linear import Linear
from rnnd.rnn.optimisers import Adam, clip_by_norm
from rnnd.rnn.parameters import Parameters

Vector = NDArray[np.float32]

RANKS = 200  # places of the histogram that tells how unusual an error is
RANK_MEMORY = 100_000  # steps
BLOCK = 4096  # weights that are changed at a time
LOT = 16  # steps after which the usual errors are brought up to date
ERROR_MEMORY = 5_000  # steps over which a feature's usual error reaches


class Foresight:
    """A GRU of *hidden* units that reads standardised vectors of *size* and forecasts the next.

    It remembers the last *recent* vectors, in bytes of 1 / *scale* each, to learn from, and at
    least *kept* of them for others.
    """

    def __init__(
        self,
        size: int,
        hidden: int,
        recent: int,
        kept: int,
        scale: float,
        rng: np.random.Generator,
    ) -> None:
        self._recent = recent
        self._scale = np.float32(1 / scale)
        self._cell = GRU(size, hidden, "memory")
        self._output = Linear(hidden, size, "next")
        self._p = Parameters(self._cell.shapes | self._output.shapes)
        self._cell.initialise(self._p, rng)
        self._p[self._output.w] = 0
        self._adam = Adam(len(self._p.vector), block=BLOCK)
        self._h = np.zeros(hidden, np.float32)
        self._forecast = np.zeros(size, np.float32)
        self._usual = np.ones(size, np.float32)  # mean square of each feature's error
        self._squares = np.zeros(size, np.float32)  # of the errors of this lot
        self._weigh()
        self._ranks = np.zeros(RANKS)
        self._rows = np.zeros((max(recent, kept), size), np.int8)  # rings
        self._states = np.zeros((recent, hidden), np.float32)  # before each row
        self._count = 0
        self.loss = 0.0  # of the newest window

    def step(self, row: NDArray[np.int8]) -> float:
        """Return how surprising the vector in *row* is, 0 to 1, and forecast the next."""
        self._rows[self._count % len(self._rows)] = row
        self._states[self._count % self._recent] = self._h
        x = row * self._scale
        surprise = self._rank(x - self._forecast)
        self._h = self._cell.step(self._p, x, self._h).astype(np.float32)
        self._forecast = self._output.forward(self._p, self._h)
        self._count += 1
        return surprise

    def _rank(self, error: Vector) -> float:
        """Return the share of past steps that erred less, each feature by its own measure."""
        squares = error * error
        unusual = float(squares @ self._doubt)
        self._squares += squares
        if (self._count + 1) % LOT == 0:
            self._usual += np.float32(1 / ERROR_MEMORY) * (self._squares - LOT * self._usual)
            self._squares[:] = 0
            self._weigh()
        place = int((math.log(unusual + 1e-9) + 6) * (RANKS / 14))
        place = min(max(place, 0), RANKS - 1)
        if self._count % 64 == 0:
            self._ranks *= 1 - 64 / RANK_MEMORY
        below = np.add.reduce(self._ranks[:place])
        total = below + np.add.reduce(self._ranks[place:])
        self._ranks[place] += 1
        return float(below / total) if total >= 100 else 0.0

    def _weigh(self) -> None:
        self._doubt = 1 / ((self._usual + np.float32(1e-3)) * np.float32(len(self._usual)))

    def past(self, steps: int) -> Vector:
        """Return the newest *steps* vectors, (T, D)."""
        kept = min(self._count, len(self._rows), steps)
        slots = (self._count - kept + np.arange(kept)) % len(self._rows)
        past: Vector = self._rows[slots] * self._scale
        return past

    def rows(self, ago: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return the vectors as they were read *ago* steps ago, 1 for the newest, in bytes."""
        return self._rows[(self._count - ago) % len(self._rows)]

    def learn(self, times: int, batch: int, rate: float, rng: np.random.Generator) -> None:
        """Learn *batch* windows of *times* steps from the recent past, if there are so many."""
        kept = min(self._count, self._recent)
        if kept <= times + 1:
            return
        begin = rng.integers(kept - times, size=batch) + self._count - kept
        steps = begin + np.arange(times + 1)[:, None]  # (T + 1, B)
        x = self._rows[steps % len(self._rows)] * self._scale  # (T + 1, B, D)
        trace = self._cell.forward(self._p, x[:-1], self._states[begin % self._recent])
        error = self._output.forward(self._p, trace.outputs) - x[1:]
        self.loss = float(np.mean(error * error))
        error *= np.float32(1 / (times * batch))
        gradients = self._p.zeros()
        self._output.backward(trace.outputs, error, gradients)
        dh = np.empty_like(trace.outputs)
        self._output.way_back(self._p, times * batch)(error, dh)
        self._cell.backward(self._p, trace, dh.__getitem__, gradients)
        clip_by_norm(gradients.vector, 1.0)
        self._adam.update(self._p.vector, gradients.vector, rate)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "weights": self._p.vector.copy(),
            "adam": self._adam.state(),
            "h": self._h.copy(),
            "forecast": self._forecast.copy(),
            "usual": self._usual.copy(),
            "squares": self._squares.copy(),
            "ranks": self._ranks.copy(),
            "rows": self._rows[: self._count],
            "states": self._states[: self._count],
            "count": self._count,
            "loss": self.loss,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._p.vector[:] = state["weights"]
        self._adam.restore(state["adam"])
        self._h = np.array(state["h"], np.float32)
        self._forecast = np.array(state["forecast"], np.float32)
        self._usual = np.array(state["usual"], np.float32)
        self._squares = np.array(state["squares"], np.float32)
        self._weigh()
        self._ranks = np.array(state["ranks"], np.float64)
        self._count = int(state["count"])
        self._rows[: len(state["rows"])] = state["rows"]
        self._states[: len(state["states"])] = state["states"]
        self.loss = float(state["loss"])
