"""The well-known program that `benchmarks/shakespeare.py` measures beside, written anew in NumPy.

Andrej Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015: one tanh layer
of 100 units, windows of 25 characters, one stream, AdaGrad at 0.1, gradients clipped to ±5, double
precision, a Python loop over characters with one-hot columns. Run by itself it prints its speed.
"""

import time
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class MinCharRNN:
    """A character model in its simplest form."""

    def __init__(self, symbols: int, hidden: int = 100, length: int = 25, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.hidden, self.length, self.symbols = hidden, length, symbols
        self.w_xh = rng.standard_normal((hidden, symbols)) * 0.01
        self.w_hh = rng.standard_normal((hidden, hidden)) * 0.01
        self.w_hy = rng.standard_normal((symbols, hidden)) * 0.01
        self.b_h, self.b_y = np.zeros((hidden, 1)), np.zeros((symbols, 1))
        self.weights = [self.w_xh, self.w_hh, self.w_hy, self.b_h, self.b_y]
        self.squares = [np.zeros_like(w) for w in self.weights]
        self.h = np.zeros((hidden, 1))
        self.place = 0

    def forward(self, x: int, h: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Return the one-hot column of *x*, the next state and the probabilities."""
        column = np.zeros((self.symbols, 1))
        column[x] = 1
        h = np.tanh(self.w_xh @ column + self.w_hh @ h + self.b_h)
        y = self.w_hy @ h + self.b_y
        p = np.exp(y - y.max())
        return column, h, p / p.sum()

    def step(self, text: NDArray[np.intp]) -> float:
        """Learn from the next window of *text* and return its loss, in nats a character."""
        if self.place + self.length + 1 >= len(text):
            self.place, self.h = 0, np.zeros((self.hidden, 1))
        inputs = text[self.place : self.place + self.length]
        targets = text[self.place + 1 : self.place + self.length + 1]
        xs, hs, ps = [], [self.h], []
        for x in inputs:
            column, h, p = self.forward(int(x), hs[-1])
            xs.append(column)
            hs.append(h)
            ps.append(p)
        loss = -sum(float(np.log(p[t, 0])) for p, t in zip(ps, targets, strict=True))
        gradients = [np.zeros_like(w) for w in self.weights]
        dh_next = np.zeros_like(self.h)
        for t in reversed(range(self.length)):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            dh = self.w_hy.T @ dy + dh_next
            raw = (1 - hs[t + 1] ** 2) * dh
            parts = [raw @ xs[t].T, raw @ hs[t].T, dy @ hs[t + 1].T, raw, dy]
            for gradient, part in zip(gradients, parts, strict=True):
                gradient += part
            dh_next = self.w_hh.T @ raw
        for w, g, s in zip(self.weights, gradients, self.squares, strict=True):
            np.clip(g, -5, 5, out=g)
            s += g * g
            w -= 0.1 * g / np.sqrt(s + 1e-8)
        self.h = hs[-1]
        self.place += self.length
        return loss / self.length

    def mean_loss(self, text: NDArray[np.intp]) -> float:
        """Return the loss on *text*, in nats a character."""
        h, total = np.zeros((self.hidden, 1)), 0.0
        for x, target in pairwise(text):
            _, h, p = self.forward(int(x), h)
            total -= float(np.log(p[target, 0]))
        return total / (len(text) - 1)


if __name__ == "__main__":
    symbols = np.random.default_rng(0).integers(0, 65, 100_000)
    model, steps = MinCharRNN(65), 500
    start = time.process_time()
    for _ in range(steps):
        model.step(symbols)
    print(f"{steps * model.length / (time.process_time() - start):,.0f} characters a second")
