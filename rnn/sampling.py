"""Choosing a symbol from logits, and letting a network continue a sequence."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnd.rnn.heads import softmax
from rnnd.rnn.network import Network
from rnnd.rnn.parameters import Array, Parameters

Choice: TypeAlias = Callable[[Array], int]
"""Picks a symbol, given logits."""


def hard(logits: Array) -> int:
    """Return the most probable symbol."""
    return int(logits.argmax())


@dataclass(frozen=True, slots=True)
class Soft:
    """Draws a symbol from the distribution.

    *temperature* below 1 makes the probable more probable, above 1 evens all out. *top_p* below 1
    draws from the most probable symbols alone, as few as together have that probability (Holtzman
    et al., "The curious case of neural text degeneration", 2020).

    >>> choose = Soft(np.random.default_rng(0), temperature=0.01)
    >>> choose(np.array([0.0, 1.0, 0.5]))
    1
    """

    rng: np.random.Generator
    temperature: float = 1.0
    top_p: float = 1.0

    def __call__(self, logits: Array) -> int:
        """Return a symbol drawn from the distribution that *logits* stand for."""
        p = softmax(logits / self.temperature if self.temperature != 1 else logits)
        if self.top_p >= 1:
            return _draw(p, self.rng)
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order], dtype=np.float64) - p[order]
        kept = order[before < self.top_p]
        return int(kept[_draw(p[kept], self.rng)])


def _draw(weights: Array, rng: np.random.Generator) -> int:
    """Return an index drawn in proportion to *weights*."""
    edges = weights.cumsum(dtype=np.float64)
    index = int(edges.searchsorted(rng.random() * edges[-1], side="right"))
    return min(index, len(edges) - 1)


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
    while True:
        symbol = choose(logits)
        yield symbol
        logits, state = network.step(p, symbol, state)
