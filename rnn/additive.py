"""Hazards as sums of bent lines: a generalised additive model, learnt by the gradient.

A straight line per feature finds weak evidence that adds up, but not that a disk at 80 % means
nothing and one at 95 % everything; a tree finds the threshold, but needs many failures for each.
Here every feature enters as itself and as hinges (how far it is beyond a few knots, on either
side), each with a weight of its own for each bin of each event. The loss is convex in the weights,
so that it has one optimum, and the pull of the weights towards zero keeps the sum smooth (Hastie &
Tibshirani, "Generalized additive models", 1986; Friedman, "Multivariate adaptive regression
splines", 1991).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, hazard_error
from rnnd.rnn.linear import Linear
from rnnd.rnn.optimisers import Adam, Average
from rnnd.rnn.parameters import Parameters

Floats = NDArray[np.float32]

KNOTS = (1.0, 2.0)  # standard deviations


def expand(x: Floats) -> Floats:
    """Return each feature, (…, F), followed by its hinges: an array of shape (…, 5 F).

    The hinges of a knot stand together, that below the mean first.

    >>> expand(np.array([-2.0], np.float32)).round(1)
    array([-2.,  1.,  0.,  0.,  0.], dtype=float32)
    """
    size = x.shape[-1]
    out = np.empty((*x.shape[:-1], (1 + 2 * len(KNOTS)) * size), np.float32)
    out[..., :size] = x
    np.negative(x, out=out[..., size : 2 * size])
    for place, knot in enumerate(KNOTS[::-1]):  # the last is written where -x still stands
        begin = (1 + 2 * (len(KNOTS) - 1 - place)) * size
        np.subtract(x, knot, out=out[..., begin + size : begin + 2 * size])
        np.subtract(out[..., size : 2 * size], knot, out=out[..., begin : begin + size])
    np.maximum(out[..., size:], 0, out=out[..., size:])
    return out


class AdditiveHazards:
    """Logits of hazards, (E, K), from features, (F,): what is usual and what the features add.

    *edges* are those of the bins.

    *pull* is the strength of the prior on the weights, in steps: the weight of a feature that was
    seen for fewer is mostly zero. The weights that answer are an average over the last *span*
    updates.
    """

    def __init__(self, size: int, events: int, edges: Steps, pull: float, span: float) -> None:
        self.edges, self.events = edges, events
        self._begun = np.concatenate([np.zeros(1, np.int64), edges[:-1]])  # before each bin
        self._pull = pull
        self._map = Linear((1 + 2 * len(KNOTS)) * size, events * len(edges), "hazards")
        self._p = Parameters(self._map.shapes)
        self._gradients = self._p.zeros()
        self._adam = Adam(len(self._p.vector), betas=(0.9, 0.99))
        self._average = Average(self._p.vector, span)
        self._answering = Parameters(self._map.shapes, vector=self._average.mean)
        self._seen = np.zeros((2, events, len(edges)))  # how often each bin was possible, and hit
        self._seen[0] = 1000.0 / np.diff(edges, prepend=0)
        self._seen[1] = 1.0
        self.usual = self._usual()
        """The log-odds of each bin's hazard with nothing known: the base rate, (E, K)."""

    def count(self, until: Steps, immune: Steps) -> None:
        """Take N more steps into the base rates; *until*, *immune*: (N, E)."""
        until, immune = until[..., None], immune[..., None]
        possible = (until > self._begun) & (self.edges > immune)  # (N, E, K)
        self._seen[0] += possible.sum(axis=0)
        self._seen[1] += (possible & (until <= self.edges)).sum(axis=0)
        self.usual = self._usual()

    def _usual(self) -> Floats:
        possible, came = self._seen
        return np.log(came / possible).astype(np.float32)

    def claim(self, x: Floats) -> Floats:
        """Return what the features *x*, (…, F), add to the base rate's log-odds: (…, E, K)."""
        claims = self._map.forward(self._answering, expand(x))
        return claims.reshape(*x.shape[:-1], self.events, -1)

    def learn(
        self, x: Floats, until: Steps, immune: Steps, weights: Floats, steps: float, rate: float
    ) -> None:
        """Take a step of gradient descent on rows that stand for *steps* steps.

        *x*: (B, F); *until* and *immune*: (B, E); *weights*: (B,).
        """
        rows = expand(x)
        logits = self._map.forward(self._p, rows).reshape(len(x), self.events, -1) + self.usual
        error = hazard_error(logits, until, immune, self.edges) * weights[:, None, None]
        flat = (error / len(x)).reshape(len(x), -1).astype(np.float32)
        self._map.backward(rows, flat, self._gradients)
        self._gradients.vector += np.float32(self._pull / steps) * self._p.vector
        self._adam.update(self._p.vector, self._gradients.vector, rate)
        self._average.update(self._p.vector)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "weights": self._p.vector.copy(),
            "adam": self._adam.state(),
            "average": self._average.state(),
            "seen": self._seen.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._p.vector[:] = state["weights"]
        self._adam.restore(state["adam"])
        self._average.restore(state["average"])
        self._seen = np.array(state["seen"], np.float64)
        self.usual = self._usual()
