"""Hazards as sums of bent lines: a generalised additive model, learnt by the gradient.

A straight line per feature finds weak evidence that adds up, but not that a disk at 80 % means
nothing and one at 95 % everything; a tree finds the threshold, but needs many failures for each.
Here every feature enters as itself and as hinges (how far it is beyond a few knots, on either
side), each with a weight of its own for each bin of each event. The loss is convex in the weights,
so that it has one optimum, and the pull of the weights towards zero keeps the sum smooth (Hastie &
Tibshirani, "Generalized additive models", 1986; Friedman, "Multivariate adaptive regression
splines", 1991).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, hazard_error
from rnnd.rnn.linear import Linear
from rnnd.rnn.optimisers import Adam, Average
from rnnd.rnn.parameters import Parameters

Floats = NDArray[np.float32]

KNOTS = (1.0, 2.0)  # standard deviations
SMALL = 0.02  # a weight that is as good as zero
BLOCK = 4096  # weights that are changed at a time


def expand(x: Floats, knots: Sequence[float] = KNOTS) -> Floats:
    """Return each feature, (…, F), followed by its hinges: (…, F + 2 F × knots).

    The hinges of a knot stand together, that below the mean first.

    >>> expand(np.array([-2.0], np.float32)).round(1)
    array([-2.,  1.,  0.,  0.,  0.], dtype=float32)
    """
    if not knots:
        return x
    size = x.shape[-1]
    out = np.empty((*x.shape[:-1], (1 + 2 * len(knots)) * size), np.float32)
    out[..., :size] = x
    np.negative(x, out=out[..., size : 2 * size])
    for place, knot in enumerate(knots[::-1]):  # the last is written where -x still stands
        begin = (1 + 2 * (len(knots) - 1 - place)) * size
        np.subtract(x, knot, out=out[..., begin + size : begin + 2 * size])
        np.subtract(out[..., size : 2 * size], knot, out=out[..., begin : begin + size])
    np.maximum(out[..., size:], 0, out=out[..., size:])
    return out


class AdditiveHazards:
    """What features, (F,), add to the usual logits of hazards, (E, K).

    *edges* are those of the bins; *knots* those of the hinges, none for straight lines.

    *pull* is the strength of the prior on the weights, in steps: the weight of a feature that was
    seen for fewer is mostly zero. *thrift* pulls likewise, but at small weights as much as at large
    ones, so that hundreds of features that mean nothing are nearly silent (both together: Zou &
    Hastie, "Regularization and variable selection via the elastic net", 2005). The weights that
    answer are an average over the last *span* updates.
    """

    def __init__(
        self,
        size: int,
        events: int,
        edges: Steps,
        pull: float,
        span: float,
        knots: Sequence[float] = KNOTS,
        thrift: float = 0.0,
    ) -> None:
        self.edges, self.events = edges, events
        self._pull, self._thrift = pull, thrift
        self._knots = tuple(knots)
        self._map = Linear((1 + 2 * len(knots)) * size, events * len(edges), "hazards")
        self._p = Parameters(self._map.shapes)
        self._adam = Adam(len(self._p.vector), betas=(0.9, 0.99), block=BLOCK)
        self._average = Average(self._p.vector, span)
        self._answering = Parameters(self._map.shapes, vector=self._average.mean)

    def claim(self, x: Floats) -> Floats:
        """Return what the features *x*, (…, F), add to the base rate's log-odds: (…, E, K)."""
        claim = self._map.forward(self._answering, expand(x, self._knots))
        return claim.reshape(*x.shape[:-1], self.events, -1)

    def learn(
        self,
        x: Floats,
        until: Steps,
        immune: Steps,
        usual: Floats,
        weights: Floats,
        steps: float,
        rate: float,
    ) -> None:
        """Take a step of gradient descent on rows that stand for *steps* steps.

        *x*: (B, F); *until* and *immune*: (B, E); *usual*: (E, K); *weights*: (B,).
        """
        rows = expand(x, self._knots)
        logits = self._map.forward(self._p, rows).reshape(len(x), self.events, -1) + usual
        error = hazard_error(logits, until, immune, self.edges) * weights[:, None, None]
        flat = (error / len(x)).reshape(len(x), -1).astype(np.float32)
        gradients = self._p.zeros()
        self._map.backward(rows, flat, gradients)
        gradients.vector += np.float32(self._pull / steps) * self._p.vector
        if self._thrift:
            sign = np.tanh(self._p.vector * np.float32(1 / SMALL))  # smooth about zero
            gradients.vector += np.float32(self._thrift / steps) * sign
        self._adam.update(self._p.vector, gradients.vector, rate)
        self._average.update(self._p.vector)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "weights": self._p.vector.copy(),
            "adam": self._adam.state(),
            "average": self._average.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._p.vector[:] = state["weights"]
        self._adam.restore(state["adam"])
        self._average.restore(state["average"])
