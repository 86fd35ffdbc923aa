"""Products with the weights, as a BLAS computes them fastest.

A library like OpenBLAS copies the weights into an order of its own at every product, which costs as
much as the product itself where few rows profit. With AVX-512 it has kernels that do without, as
long as a product is small. So there the weights are cut into blocks of columns, once a window, and
a product is done block by block: twice as fast at 256 units and 32 rows. Elsewhere a gate is one
block. A single row is multiplied by all gates at once.

Most functions here are for the loop over time, which multiplies few rows by the same weights again
and again. `by_rows` is for many rows at once: it cuts those too.

Shapes: B rows, G gates of H columns, cut into P blocks of n columns; K rows of the weights.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn.parameters import Array, aligned

SMALL = 10**6
"""Multiplications in a product that OpenBLAS takes for small, at most."""

WIDE, NARROW = 64, 32
"""Columns of a block: those that the kernels do at once, and the fewest worth a product."""

FEW, LARGE = 128, 1 << 24
"""The fewest rows of a part of a large product, and what is large."""

TALL, BROAD = 128, 256
"""The most columns of which a few are read quickly, of either matrix."""

NEAR = 10_000
"""Weights that the first cache holds while rows are multiplied by them."""


def _found(prefixes: tuple[str, ...]) -> bool:
    """Tell whether the processor has, and NumPy uses, an extension with one of these names."""
    features: Any = np.show_config(mode="dicts")
    return any(name.startswith(prefixes) for name in features["SIMD Extensions"]["found"])


AVX512 = _found(("AVX512", "X86_V4"))


def width(batch: int, rows: int, columns: int) -> int:
    """Return n, the columns of a block, for weights of so many *rows* and *columns*.

    >>> [width(32, 100, 100), width(512, 256, 256)]
    [100, 256]
    """
    if AVX512:
        for n in (WIDE, NARROW):
            if columns % n == 0 and batch * rows * n <= SMALL:
                return n
    return columns


def terms(batch: int, gates: int, hidden: int) -> int:
    """Return how many terms the product on the way back has: one, or one a gate."""
    if batch == 1 or not AVX512 or batch * gates * hidden * WIDE <= SMALL:
        return 1
    return gates


def multiplication(batch: int) -> Callable[..., Any]:
    """Return what multiplies: arguments are `factor`, `weights` or `transposed`, and `product`."""
    return np.ndarray.dot if batch == 1 else np.matmul


def weights(w: Array, scale: Array | None, batch: int) -> Array:
    """Return *w*, (K, G, H), to multiply by; each gate is multiplied by its *scale*, if any.

    It may be *w* itself.
    """
    rows, gates, columns = w.shape
    if batch == 1:
        flat = w.reshape(rows, -1)
        return flat if scale is None else np.multiply(flat, scale.repeat(columns))
    n = width(batch, rows, columns)
    blocks = w.reshape(rows, gates, -1, n).transpose(1, 2, 0, 3)
    copy = aligned(blocks.shape, w.dtype)
    if scale is None:
        copy[...] = blocks
    else:
        np.multiply(blocks, scale[:, None, None, None], out=copy)
    return copy


def transposed(w: Array, batch: int) -> Array:
    """Return *w*, (H, G, H), to multiply by on the way back: (B, G, H) becomes (terms, B, H)."""
    hidden, gates, _ = w.shape
    if batch == 1:
        return w.reshape(hidden, -1).T
    parts = terms(batch, gates, hidden)
    rows = gates // parts * hidden
    n = width(batch, rows, hidden)
    blocks = w.reshape(-1, n, parts, rows).transpose(2, 0, 3, 1)
    copy = aligned(blocks.shape, w.dtype)
    copy[...] = blocks
    return copy


def factor(a: Array) -> Array:
    """Return *a*, (…, B, K), as what is multiplied; the same numbers, not a copy."""
    return a[..., 0, :] if a.shape[-2] == 1 else a


def gates_factor(d: Array, copy: Array, gates: int) -> Array:
    """Return the first *gates*, time by time, as what `transposed` weights multiply; not a copy.

    They are in *d*, (T, D, B, H), and in its *copy*, (T, B, D, H).
    """
    times, batch, _, hidden = copy.shape
    if terms(batch, gates, hidden) > 1:
        return d[:, :gates, None]
    side_by_side = copy.reshape(times, batch, -1)[..., : gates * hidden]
    return side_by_side[:, 0] if batch == 1 else side_by_side


def product(a: Array, rows: int) -> Array:
    """Return *a*, (…, G, B, H), as what is written by a product of vectors of so many *rows*.

    The same numbers, not a copy.
    """
    *leading, gates, batch, columns = a.shape
    if batch == 1:
        return a.reshape(*leading, gates * columns)
    n = width(batch, rows, columns)
    return a.reshape(*leading, gates, batch, -1, n).swapaxes(-3, -2)


def sum_up(terms: Array, total: Array) -> Callable[[], object]:
    """Return what adds up *terms*, (N, …), into *total*, which is the first where it is alone.

    A product with ones takes half the time of a sum.
    """
    if len(terms) == 1:
        return lambda: None
    return partial(
        np.ones(len(terms), terms.dtype).dot, terms.reshape(len(terms), -1), total.ravel()
    )


def by_rows(w: Array, count: int) -> Callable[[Array, Array], None]:
    """Return what writes the product of *count* rows, (…, K), with *w*, (K, N), into (…, N)."""
    if count % 16 or not AVX512:
        return partial(_flat, w)
    rows, columns = w.shape
    parts = -(-columns // WIDE) if columns % WIDE == 0 or rows * columns > NEAR else 1
    n = -(-columns // parts)
    fits = (b for b in (128, 64, 32, 16) if count % b == 0 and b * rows * n <= SMALL)
    batch = next(fits, 0)
    alike = parts > 1 and columns == parts * n
    blocks: list[Array] = []
    if batch and alike:
        blocks = [aligned((parts, rows, n), w.dtype)]
        blocks[0][...] = w.reshape(rows, parts, n).swapaxes(0, 1)
    elif batch:
        blocks = [np.ascontiguousarray(w[:, start : start + n]) for start in range(0, columns, n)]

    def multiply(x: Array, out: Array) -> None:
        assert out.flags.c_contiguous
        if not batch or x.size % (batch * rows):
            _flat(w, x, out)
            return
        if alike:
            product = out.reshape(-1, batch, parts, n).swapaxes(1, 2)
            np.matmul(x.reshape(-1, 1, batch, rows), blocks[0], product)
            return
        x, out = x.reshape(-1, batch, rows), out.reshape(-1, batch, columns)
        for start, block in zip(range(0, columns, n), blocks, strict=True):
            np.matmul(x, block, out=out[..., start : start + n])

    return multiply


def _flat(w: Array, x: Array, out: Array) -> None:
    """Write the product of *x*, (…, K), with *w* into *out*.

    In two dimensions: of more, NumPy makes many products, wanted only if they are small.
    """
    assert out.flags.c_contiguous
    np.matmul(x.reshape(-1, len(w)), w, out=out.reshape(-1, w.shape[1]))


class Turned:
    """Multiplies a matrix, turned over, with another of as many rows: gradients of weights.

    The matrices, of shape (*rows*, *height*) and (*rows*, *width*), may be filled after `begin` was
    given them, a *part* of the rows at a time. Where small products are the faster ones, `add`
    multiplies a part while the cache holds it, and `end` tells the sum; elsewhere `end` multiplies
    all. If the *width* is not one of the kernels', the *height* is what they do at once, and the
    result is turned over.
    """

    def __init__(self, rows: int, part: int, height: int, width: int, dtype: DTypeLike) -> None:
        self._part = part
        self._across = width % WIDE != 0
        small = part * NARROW * (width if self._across else WIDE) <= SMALL
        narrow = self._across or (height <= TALL and width <= BROAD)
        fits = rows % part == 0 and height % NARROW == 0 and narrow
        self._by_parts = bool(
            AVX512 and fits and small and part >= FEW and rows * height * width >= LARGE
        )
        if self._by_parts:
            shape = (width, height) if self._across else (height, width)
            sums = aligned((2, *shape), dtype)
            self._total, self._more = sums
            if self._across:
                self._products = sums.reshape(2, width, -1, NARROW).swapaxes(1, 2)
            else:
                blocks = sums.reshape(2, -1, NARROW, width // WIDE, WIDE)
                self._products = blocks.swapaxes(2, 3)

    def begin(self, x: Array, d: Array) -> None:
        """Take the matrices: *x*, to be turned over, and *d*."""
        self._whole = x, d
        self._some = 0
        if not self._by_parts:
            return
        x = x.reshape(-1, self._part, x.shape[1] // NARROW, NARROW)
        if self._across:
            self._left = d.reshape(len(x), self._part, -1).swapaxes(1, 2)[:, None]
            self._right = x.swapaxes(1, 2)
        else:
            self._left = x.transpose(0, 2, 3, 1)[:, :, None]
            self._right = d.reshape(len(x), self._part, -1, WIDE).swapaxes(1, 2)[:, None]

    def add(self, start: int) -> None:
        """Multiply the part whose first row is *start*, once it is filled."""
        if not self._by_parts:
            return
        part = start // self._part
        np.matmul(self._left[part], self._right[part], self._products[self._some])
        if self._some:
            np.add(self._total, self._more, self._total)
        self._some = 1

    def end(self, out: Array) -> None:
        """Write the product into *out*, once all parts are added."""
        if self._by_parts:
            out[...] = self._total.T if self._across else self._total
        else:
            x, d = self._whole
            np.matmul(x.T, d, out=out)
