"""Reads symbols with weights that do not change: a GRU without what learning needs.

A step of a few streams is a dozen small array operations; what a trace for back-propagation costs
beside them, in memory and in time, would be more than the reading itself. So the weights are laid
out once after each change, the gates' biases added, and reading only keeps the hidden states.
"""

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.cells import GRU
from rnnd.rnn.network import Network
from rnnd.rnn.parameters import Array, Parameters


class SymbolReader:
    """Reads for a network with one GRU layer; it forecasts as `Network.forward` does."""

    def __init__(self, network: Network) -> None:
        (cell,) = network.cells
        assert isinstance(cell, GRU)
        self._cell, self._output = cell, network.output
        self._hidden = network.shape.hidden_size

    def take(self, p: Parameters) -> None:
        """Read with the weights *p* from now on, as they are now."""
        cell, hidden = self._cell, self._hidden
        # Reset and update gates are computed as 1 / (1 + exp(-a)).
        signs = np.array([-1, -1, 1], np.float32)[:, None]
        self._w_x = ((p[cell.w_x] + p[cell.b]) * signs).reshape(-1, 3 * hidden)
        rotated = p[cell.w_h][:, [1, 2, 0]]  # its blocks are candidate, reset, update
        self._w_h = (rotated * signs).reshape(hidden, 3 * hidden)
        self._b_m = p[cell.b_m].copy()
        self._w, self._b = p[self._output.w].copy(), p[self._output.b].copy()

    def states(self, x: NDArray[np.int64], h: Array) -> Array:
        """Return the hidden states after each of the symbols *x*, (T, B), beginning with *h*.

        Their shape is (T + 1, B, H), the first being *h* itself.
        """
        hidden = self._hidden
        gates = self._w_x.take(x, axis=0)  # (T, B, 3 H)
        states = np.empty((len(x) + 1, *h.shape), h.dtype)
        states[0] = h
        for before, after, a in zip(states[:-1], states[1:], gates, strict=True):
            u = before.dot(self._w_h)
            opened, n = a[:, : 2 * hidden], a[:, 2 * hidden :]
            opened += u[:, : 2 * hidden]
            np.exp(opened, out=opened)
            opened += 1
            np.reciprocal(opened, out=opened)
            m = u[:, 2 * hidden :]
            m += self._b_m
            m *= opened[:, :hidden]
            n += m
            np.tanh(n, out=n)
            np.subtract(before, n, out=after)
            after *= opened[:, hidden:]
            after += n
        return states

    def log_probabilities(self, h: Array) -> Array:
        """Return the logarithms of the forecasts, (N, K), made from hidden states *h*, (N, H)."""
        logits: Array = h.dot(self._w)
        logits += self._b
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits
