"""Optimisers: how a gradient changes the weights, which are one vector, in place."""

from collections.abc import Mapping
from math import cos, pi, sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rnnd.rnn.parameters import Array, aligned, aligned_rows

BLOCK = 1 << 16
"""Elements updated at a time: all that one block needs stays in the processor's cache."""


NOTHING, EVERY = 1e-30, 64
"""What is too small to move a weight is forgotten, every so many steps."""


class Optimiser(Protocol):
    """Moves weights against their gradient and remembers what it needs for the next time.

    What it remembers is an array a quantity and a number a weight: *memory*, of shape (M, N), which
    may be given, filled with zeros, when it is to lie in memory that others share.
    """

    def update(self, weights: Array, gradient: Array, rate: float) -> None:
        """Change *weights*, (N,), by a step of the learning *rate* against *gradient*, (N,)."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the memory: arrays and numbers."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the memory that `state` gave."""
        ...


class AdaGrad:
    """Divides a step by the root of all squared gradients so far: Duchi, Hazan & Singer, 2011."""

    slots = 1
    """M, the quantities remembered of each weight."""

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        memory: Array | None = None,
        epsilon: float = 1e-8,
    ) -> None:
        self.memory: Array = np.zeros((self.slots, size), dtype) if memory is None else memory
        self.epsilon = epsilon

    def update(self, weights: Array, gradient: Array, rate: float) -> None:
        """Change *weights* by a step of the learning *rate* against *gradient*."""
        for start in range(0, len(weights), BLOCK):
            block = slice(start, start + BLOCK)
            w, g, squares = weights[block], gradient[block], self.memory[0, block]
            work = g * g
            squares += work
            np.sqrt(squares, out=work)
            work += self.epsilon
            np.divide(g, work, out=work)
            work *= rate
            w -= work

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"memory": self.memory}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the memory that `state` gave."""
        self.memory[...] = state["memory"]


class Adam:
    """Adam (Kingma & Ba 2015); with *decay*, AdamW (Loshchilov & Hutter 2019).

    *decay* is the share of a weight that is lost, times the learning rate, at each step; it falls
    only on those weights that *decayed*, of shape (N,), marks: by custom the matrices. So many
    weights as a *block* has are changed at a time: small ones need less memory besides.
    """

    slots = 2
    """M, the quantities remembered of each weight: its gradient's mean and mean square."""

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        memory: Array | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        decay: float = 0.0,
        decayed: NDArray[np.bool_] | None = None,
        block: int = BLOCK,
    ) -> None:
        self.memory: Array = aligned_rows(self.slots, size, dtype) if memory is None else memory
        self.steps = 0
        self.betas = betas
        self.epsilon = epsilon
        self.decay = decay
        self._decayed = [slice(None)] if decayed is None else _runs(decayed)
        self._work = aligned(min(size, block), dtype)

    def update(self, weights: Array, gradient: Array, rate: float) -> None:
        """Change *weights* by a step of the learning *rate* against *gradient*."""
        # Remembered are sums, m / (1 - β1) and v / (1 - β2). Those factors and the corrections of
        # the start's bias, which the paper applies to each weight's m and v, are folded into the
        # step's size and into epsilon: two passes over the weights less.
        # What is remembered of a weight without gradients, such as that of a symbol that does not
        # come any more, shrinks to numbers with which a processor is twenty times as slow.
        self.steps += 1
        forget = self.steps % EVERY == 0
        beta1, beta2 = self.betas
        root = sqrt((1 - beta2) / (1 - beta2**self.steps))
        size = rate * (1 - beta1) / (1 - beta1**self.steps) / root
        if self.decay:
            for run in self._decayed:
                weights[run] *= 1 - rate * self.decay
        step = max(1, len(self._work))
        for start in range(0, len(weights), step):
            block = slice(start, start + step)
            w, g, m, v = weights[block], gradient[block], *self.memory[:, block]
            work = self._work[: len(w)]
            if forget:
                for moment in (m, v):
                    moment[np.abs(moment, out=work) < NOTHING] = 0
            m *= beta1
            m += g
            np.multiply(g, g, out=work)
            v *= beta2
            v += work
            np.sqrt(v, out=work)
            work += self.epsilon / root
            np.divide(m, work, out=work)
            work *= size
            w -= work

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"memory": self.memory, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the memory that `state` gave."""
        self.memory[...] = state["memory"]
        self.steps = int(state["steps"])


def _runs(marked: NDArray[np.bool_]) -> list[slice]:
    """Return where *marked* is true, in runs.

    >>> _runs(np.array([False, True, True, False, True]))
    [slice(1, 3, None), slice(4, 5, None)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]])))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


class Average:
    """A running mean of the weights, which predicts better than the weights of any one moment.

    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992; here with an
    exponential window of *span* steps, shorter at the start, when there is less to average.
    """

    def __init__(self, weights: Array, span: float) -> None:
        self.mean: Array = weights.copy()
        self.span = span
        self.steps = 0

    def update(self, weights: Array) -> None:
        """Let the mean move towards *weights*."""
        self.steps += 1
        share = 1 / min(self.span, 1 + self.steps / 10)
        for start in range(0, len(weights), BLOCK):
            mean = self.mean[start : start + BLOCK]
            work = weights[start : start + BLOCK] - mean
            work *= share
            mean += work

    def state(self) -> dict[str, Any]:
        """Return the memory."""
        return {"mean": self.mean, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the memory that `state` gave."""
        self.mean[...] = state["mean"]
        self.steps = int(state["steps"])


def clip_by_norm(gradient: Array, limit: float) -> float:
    """Scale *gradient* down, in place, to the norm *limit*, and return the norm that it had.

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013. A
    gradient that is not finite is left alone.

    >>> gradient = np.array([3.0, 4.0])
    >>> clip_by_norm(gradient, 1.0), gradient
    (5.0, array([0.6, 0.8]))
    """
    norm = sqrt(float(np.dot(gradient, gradient)))
    if limit < norm < float("inf"):
        gradient *= limit / norm
    return norm


def warmup_cosine(progress: float, warmup: float, floor: float) -> float:
    """Return the factor of the learning rate after the share *progress* of the training.

    It rises to 1 during the share *warmup* and then falls along half a cosine to *floor*
    (Loshchilov & Hutter, "SGDR", 2017).

    >>> [round(warmup_cosine(p, 0.1, 0.1), 2) for p in (0, 0.05, 0.1, 0.55, 1)]
    [0.0, 0.5, 1.0, 0.55, 0.1]
    """
    if progress < warmup:
        return progress / warmup
    done = min(1.0, (progress - warmup) / (1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + cos(pi * done))
