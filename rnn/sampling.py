"""Choosing a symbol from logits, and letting a network continue a sequence."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from rnnd.rnn.heads import softmax
from rnnd.rnn.network import Network
from rnnd.rnn.parameters import Array, Parameters

NOISE = 1 << 12
"""Random numbers drawn at a time."""

HOTTEST = 1e30
"""A temperature at which no logit means anything any more, and that single precision can hold."""

Choice: TypeAlias = Callable[[Array], int]
"""Picks a symbol, given logits."""


def hard(logits: Array) -> int:
    """Return the most probable symbol."""
    return int(logits.argmax())


class Soft:
    """Draws a symbol from the distribution.

    *temperature* below 1 makes the probable more probable, above 1 evens all out. *top_p* below 1
    draws from the most probable symbols alone, as few as together have that probability (Holtzman
    et al., "The curious case of neural text degeneration", 2020).

    A draw is the largest of the logits after noise was added to them, which has just the wanted
    distribution and takes no sum of exponentials (Gumbel, "Statistical theory of extreme values and
    some practical applications", 1954; Maddison, Tarlow & Minka, "A* sampling", 2014).

    >>> choose = Soft(np.random.default_rng(0), temperature=0.01)
    >>> choose(np.array([0.0, 1.0, 0.5]))
    1
    """

    def __init__(
        self, rng: np.random.Generator, temperature: float = 1.0, top_p: float = 1.0
    ) -> None:
        self.rng = rng
        self.temperature = min(temperature, HOTTEST)
        self.top_p = top_p
        self._noise: Iterator[Array] = iter(())  # drawn in advance, a row a choice
        self._size = 0

    def __call__(self, logits: Array) -> int:
        """Return a symbol drawn from the distribution that *logits* stand for."""
        if self.top_p < 1:
            logits = self._probable(logits)
        if len(logits) != self._size:
            self._noise, self._size = iter(()), len(logits)
        noise = next(self._noise, None)
        if noise is None:
            noise = self._draw(logits)
        return int(np.add(logits, noise).argmax())

    def _draw(self, logits: Array) -> Array:
        """Return noise for *logits*, and keep more of it for later."""
        rows = max(1, NOISE // len(logits))
        drawn = self.rng.standard_exponential((rows, len(logits)))
        noise = np.log(np.maximum(drawn, 1e-30).astype(logits.dtype))
        noise *= -self.temperature
        self._noise = iter(noise)
        return next(self._noise)

    def _probable(self, logits: Array) -> Array:
        """Return *logits*, those outside the most probable ones at minus infinity."""
        with np.errstate(over="ignore"):  # minus infinity, where it is cold
            p = softmax((logits - logits.max()).astype(np.float64) / self.temperature)
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order], dtype=np.float64) - p[order]
        kept = order[before < self.top_p]
        probable = np.full_like(logits, -np.inf)
        probable[kept] = logits[kept]
        return probable


def read(
    network: Network, p: Parameters, symbols: Iterable[int], state: Array
) -> tuple[Array, Array]:
    """Return the logits of what follows *symbols*, and the state after them.

    Without any symbol the logits say that all are equally probable.
    """
    logits = np.zeros(network.shape.output_size, p.vector.dtype)
    for symbol in symbols:
        logits, state = network.step(p, symbol, state)
    return logits, state


def write(
    network: Network, p: Parameters, logits: Array, state: Array, choose: Choice
) -> Iterator[int]:
    """Give symbol after symbol, without end: each is chosen, and read before the next."""
    step = network.stepper(p)
    while True:
        symbol = choose(logits)
        yield symbol
        logits, state = step(symbol, state)
