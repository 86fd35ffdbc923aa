"""A linear map, over any number of leading axes at once."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn.parameters import Array, Indices, Parameters, aligned, glorot
from rnnd.rnn.products import Turned, by_rows

TOGETHER = 32
"""Rows that a bias is added to at once: to walk along a short row takes longer than to add."""


class Linear:
    """``y = x @ w + b``; its parameters are *name*.w of shape (input, output) and *name*.b."""

    def __init__(self, input_size: int, output_size: int, name: str) -> None:
        self.input_size = input_size
        self.output_size = output_size
        self.w, self.b = f"{name}.w", f"{name}.b"
        self.shapes = {self.w: (input_size, output_size), self.b: (output_size,)}

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew (Glorot & Bengio 2010); the bias begins at zero."""
        p[self.w] = glorot(rng, self.input_size, self.output_size)
        p[self.b] = 0

    def forward(self, p: Parameters, x: Array, out: Array | None = None) -> Array:
        """Return the map of *x*, of shape (…, input): an array of shape (…, output)."""
        if out is None:
            out = np.empty((*x.shape[:-1], self.output_size), p.vector.dtype)
        by_rows(p[self.w], out.size // self.output_size)(x, out)
        b, some = p[self.b], out
        if out.size % (TOGETHER * self.output_size) == 0:
            b = np.concatenate([b] * TOGETHER)
            some = out.reshape(-1, TOGETHER * self.output_size)
        np.add(some, b, out=some)
        return out

    def backward(self, x: Array, dy: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given what came in and the gradient of what went out.

        What *gradients* held under these names before is overwritten.
        """
        rows = dy.reshape(-1, self.output_size)
        np.matmul(x.reshape(-1, self.input_size).T, rows, out=gradients[self.w])
        self.bias_backward(dy, gradients)

    def bias_backward(self, dy: Array, gradients: Parameters) -> None:
        """Write the gradient of the bias, given that of what went out."""
        rows = dy.reshape(-1, self.output_size)
        np.ones(len(rows), rows.dtype).dot(rows, gradients[self.b])

    def turned(self, rows: int, part: int, dtype: DTypeLike) -> Turned:
        """Return what writes the gradient of w, for so many *rows*, a *part* at a time."""
        return Turned(rows, part, self.input_size, self.output_size, dtype)

    def way_back(self, p: Parameters, count: int) -> Callable[[Array, Array], None]:
        """Return what writes the gradient of what came in, given that of what went out.

        So many rows as *count* are expected at a time.
        """
        return by_rows(p[self.w].T, count)


def sum_rows(symbols: Indices, rows: Array, columns: slice, out: Array) -> None:
    """Write into row s of *out*, (S, C), the sum of those *rows*, (N, …), whose symbol is s.

    Of the rows, which are contiguous, so many *columns* count as *out* has.

    This is the product of a one-hot matrix, transposed, with *rows*. Where rows are many, to gather
    those of each symbol and add them takes a quarter of that product's time.

    >>> sums = np.zeros((3, 1))
    >>> sum_rows(np.array([2, 0, 2]), np.array([[1.0], [5.0], [3.0]]), slice(1), sums)
    >>> sums.ravel()
    array([5., 0., 4.])
    """
    count = len(out)
    if len(symbols) <= count:
        one_hot = np.zeros((count, len(symbols)), rows.dtype)
        one_hot[symbols, np.arange(len(symbols))] = 1
        np.matmul(one_hot, rows[:, columns], out=out)
        return
    small = symbols.astype(np.uint16) if count <= 1 << 16 else symbols  # sorted by its digits
    order = np.argsort(small, kind="stable")
    ends = np.cumsum(np.bincount(symbols, minlength=count)).tolist()
    ones, gather = np.ones(len(symbols), rows.dtype), rows.take
    totals = out if rows.shape[1] == out.shape[1] else aligned((count, rows.shape[1]), rows.dtype)
    totals[...] = 0
    start = 0
    for total, end in zip(totals, ends, strict=True):
        if end > start:
            ones[: end - start].dot(gather(order[start:end], 0), total)
        start = end
    if totals is not out:
        out[...] = totals[:, columns]
