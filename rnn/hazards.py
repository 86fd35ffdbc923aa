"""The time to an event, told in discrete bins by hazards.

A bin's hazard is the chance that the event comes in it, having not come before (Cox, "Regression
models and life-tables", 1972, section 6). So one set of outputs gives the probability of an event
within every horizon, never decreasing in the horizon. A bin counts only while the event is possible
in it: not once it has come, and not while it is *immune*.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Steps = NDArray[np.int64]
Bools = NDArray[np.bool_]


def bin_edges(horizons: Sequence[int], ratio: float = 4.0) -> Steps:
    """Return the last step of each bin: all *horizons*, and between them ratios of *ratio* at most.

    >>> bin_edges([60, 6, 360])
    array([  2,   6,  19,  60, 147, 360])
    """
    edges = set(horizons)
    begin = 1
    for end in sorted(edges):
        pieces = int(np.ceil(np.log(end / begin) / np.log(ratio)))
        edges |= {round(begin * (end / begin) ** (k / pieces)) for k in range(1, pieces)}
        begin = end
    return np.array(sorted(edges), np.int64)


def chance_by(logits: Floats, edges: Steps, immune: Steps) -> NDArray[np.float64]:
    """Return the probability that the event comes by each edge, (…, K), from *logits* of hazards.

    No event comes in the next *immune* steps, (…): of a bin that is partly immune, whose hazard is
    taken to be even, what is left counts.
    """
    begun = np.concatenate([np.zeros(1, np.int64), edges[:-1]])
    left = np.maximum(edges - np.maximum(begun, immune[..., None]), 0) / (edges - begun)
    survival = -np.logaddexp(0, logits.astype(np.float64)) * left
    chance: NDArray[np.float64] = 0.0 - np.expm1(survival.cumsum(axis=-1))  # 0 rather than -0
    return chance


def bins(until: Steps, immune: Steps, edges: Steps) -> tuple[Bools, Bools]:
    """Return in which bins the event was possible, and in which of them it came: (…, K).

    It comes *until* steps ahead, (…), and not in the next *immune* ones.
    """
    before = np.concatenate([np.zeros(1, np.int64), edges[:-1]])
    until, immune = until[..., None], immune[..., None]
    possible = (until > before) & (edges > immune)
    return possible, possible & (until <= edges)


def hazard_loss(logits: Floats, until: Steps, immune: Steps, edges: Steps) -> NDArray[np.float64]:
    """Return the negative log-likelihood of the *logits* of each bin, (…, K).

    The event comes *until* steps ahead, (…), or not up to the last edge if that is larger. A bin
    that is partly immune counts as possible: its hazard is what remains of it.
    """
    possible, came = bins(until, immune, edges)
    losses = np.logaddexp(0, logits) * possible - logits * came
    return losses.astype(np.float64, copy=False)


def hazard_error(logits: Floats, until: Steps, immune: Steps, edges: Steps) -> Floats:
    """Return the gradient of `hazard_loss` by *logits*, (…, K)."""
    possible, came = bins(until, immune, edges)
    hazard = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    error: Floats = np.where(possible, hazard - came, np.zeros_like(hazard))
    return error


class BaseRates:
    """How often each bin of *events* kinds, (E, K), was possible, and how often it was hit."""

    def __init__(self, events: int, edges: Steps) -> None:
        self._edges = edges
        self._seen = np.ones((2, events, len(edges)))  # possible, hit; begins with a guess
        self._seen[0] = 1000.0 / np.diff(edges, prepend=0)
        self._judge()

    def count(self, until: Steps, immune: Steps) -> None:
        """Take N more steps into account; *until*, *immune*: (N, E)."""
        possible, came = bins(until, immune, self._edges)  # (N, E, K)
        self._seen[0] += possible.sum(axis=0)
        self._seen[1] += came.sum(axis=0)
        self._judge()

    def _judge(self) -> None:
        possible, came = self._seen
        self.logits = np.log(came / possible).astype(np.float32)
        """The log-odds of each bin's hazard with nothing known, (E, K)."""

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"seen": self._seen.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._seen = np.array(state["seen"], np.float64)
        self._judge()
