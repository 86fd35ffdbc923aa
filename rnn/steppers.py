"""Steps of the cells one at a time, for weights that stay as they are: for live use and writing.

At a batch of one a step is a product of a vector with the weights, which takes as long as to read
them, and a handful of calls, each of which takes longer than its arithmetic. So there are few:

- the input's part of the gates, found once for each symbol, is one more row above the weights, and
  a 1 before the hidden state meets it: their sum needs no call;
- with t = tanh(a / 2), σ(a) = (1 + t) / 2: one tanh serves several gates, and a sum of some terms,
  with the halves as their weights, is a product with a small vector;
- all that is worked with lies side by side, so that one call does for several gates.

Weights have the shapes of `rnnd.rnn.cell`: (I, G, H), (H, G, H) and (G, H). What is returned takes
a vector or a symbol's number, and the state, and gives the next state. One thread at a time: it has
a work space.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from rnnd.rnn.parameters import Array, aligned, aligned_zeros

Step: TypeAlias = "Callable[[Array | int, Array], Array]"
"""Gives the next state, (S,), from one more vector or symbol and the state before."""


def vanilla(w_x: Array, w_h: Array, b: Array) -> Step:
    """Return what takes the steps of the tanh cell."""
    add, tanh = np.add, np.tanh
    w_x, b = w_x[:, 0].copy(), b[0].copy()
    rows, w = list(w_x + b), aligned((len(w_h), len(w_h)), w_h.dtype)
    w[...] = w_h[:, 0]

    def step(x: Array | int, state: Array) -> Array:
        h: Array = state.dot(w)
        add(h, rows[x] if isinstance(x, int) else x.dot(w_x) + b, h)
        return tanh(h, h)

    return step


def gru(w_x: Array, w_h: Array, b: Array, b_m: Array) -> Step:
    """Return what takes the steps of the GRU."""
    # Blocks of H numbers: 0 n, 1 z n, 2 ends with the 1, 3 h, 4 m, 5 z, 6 r, 7 z h, 8 r m, 9 the
    # input's part of n. From block 10 on the weights of m, z and r, and their first row, of H + 1,
    # is the input's part of these. Here m is half of it, and z and r are the tanh of the half.
    hidden, dtype, half = len(w_h), w_h.dtype, np.asarray(0.5, w_h.dtype)
    space = aligned_zeros((10 + 3 * (hidden + 1)) * hidden, dtype)
    space[3 * hidden - 1] = 1
    np.multiply(w_h[:, [0, 2, 1]], half, out=space[13 * hidden :].reshape(hidden, 3, hidden))
    w_x, b = _inputs_of_gru(w_x, np.zeros(hidden)), _inputs_of_gru(b[None], b_m)[0]
    rows = list(w_x + b)

    def blocks(first: int, last: int) -> Array:
        return space[first * hidden : (last + 1) * hidden]

    part, h, one_h = blocks(9, 12), blocks(3, 3), space[3 * hidden - 1 : 4 * hidden]
    weights, mzr = space[10 * hidden :].reshape(hidden + 1, -1), blocks(4, 6)
    hm, zr, zh_rm, z, n, zn = (blocks(*k) for k in ((3, 4), (5, 6), (7, 8), (5, 5), (0, 0), (1, 1)))
    before_n, n_terms = blocks(4, 9).reshape(6, -1), np.array([1, 0, 0, 0, 1, 1], dtype)
    before_h = blocks(0, 7).reshape(8, -1)
    h_terms = np.array([0.5, -0.5, 0, 0.5, 0, 0, 0, 0.5], dtype)
    multiply, tanh = np.multiply, np.tanh

    def step(x: Array | int, state: Array) -> Array:
        part[...] = rows[x] if isinstance(x, int) else x.dot(w_x) + b
        h[...] = state
        one_h.dot(weights, mzr)
        tanh(zr, zr)
        multiply(hm, zr, zh_rm)
        n_terms.dot(before_n, n)  # m + r m + the input's part
        tanh(n, n)
        multiply(z, n, zn)
        after: Array = h_terms.dot(before_h)  # (n - z n + h + z h) / 2
        return after

    return step


def _inputs_of_gru(w: Array, m: Array) -> Array:
    """Return *w*, (N, 3, H), in the order and at the scale that `gru` works with, (N, 4 H)."""
    r, z, n = w.swapaxes(0, 1)
    parts = [n, np.broadcast_to(m / 2, n.shape), z / 2, r / 2]
    return np.concatenate(parts, axis=-1, dtype=w.dtype)


def lstm(w_x: Array, w_h: Array, b: Array) -> Step:
    """Return what takes the steps of the LSTM."""
    # Blocks of H numbers: 0 ends with the 1, 1 h, 2 c, 3 g, 4 f, 5 i, 6 o, 7 ones, and for what
    # comes out 8 tanh(c), 9 c, 10 o, 11 ones: 8 and 9 times 10 and 11 are the state. Here f, i and
    # o are the tanh of half of what goes in, and then f and i their products with c and g; only the
    # o that comes out is the gate itself.
    hidden, dtype = len(w_h), w_h.dtype
    order, scale = [3, 2, 1, 0], np.array([[1], [0.5], [0.5], [0.5]], dtype)
    weights = aligned((hidden + 1, 4 * hidden), dtype)
    np.multiply(w_h[:, order], scale, out=weights[1:].reshape(-1, 4, hidden))
    part = weights[0]  # the input's
    w_x, b = (w_x[:, order] * scale).reshape(len(w_x), -1), (b[order] * scale).ravel()
    rows, space = list(w_x + b), aligned_zeros(12 * hidden, dtype)
    space[hidden - 1], space[7 * hidden : 8 * hidden], space[11 * hidden :] = 1, 1, 1

    def blocks(first: int, last: int) -> Array:
        return space[first * hidden : (last + 1) * hidden]

    one_h, before, gfio = space[hidden - 1 : 2 * hidden], blocks(1, 2), blocks(3, 6)
    cg, fi, tanh_c, c = (blocks(*k) for k in ((2, 3), (4, 5), (8, 8), (9, 9)))
    tanh_c_c, o_one = blocks(8, 9), blocks(10, 11)
    terms, c_o = blocks(2, 7).reshape(6, -1), blocks(9, 10).reshape(2, -1)
    of_c, of_o = [0.5, 0.5, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 0.5]
    sums = np.array([of_c, of_o], dtype)  # (c + g + f c + i g) / 2 and (o + 1) / 2
    multiply, tanh = np.multiply, np.tanh

    def step(x: Array | int, state: Array) -> Array:
        part[...] = rows[x] if isinstance(x, int) else x.dot(w_x) + b
        before[...] = state
        one_h.dot(weights, gfio)
        tanh(gfio, gfio)
        multiply(cg, fi, fi)
        sums.dot(terms, c_o)
        tanh(c, tanh_c)
        after: Array = multiply(tanh_c_c, o_one)
        return after

    return step
