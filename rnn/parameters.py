"""The weights of a network: named arrays that are views of one vector.

The cells see arrays with names and shapes. The optimiser, gradient clipping, checkpoints and memory
shared between processes see one contiguous vector, which costs one call where a dozen arrays would
cost a dozen.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Numbers of one precision, float32 or float64."""

Indices: TypeAlias = NDArray[np.integer[Any]]
"""Symbols by number: what a one-hot vector would say with a single 1."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The shape of each parameter, by name."""


CACHE_LINE = 64
"""Bytes that a processor fetches at once, and the width of its widest vectors."""


def aligned(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Return an array of any content that begins with a cache line.

    NumPy's own begin at a multiple of 16 bytes. Then every wide vector lies in two lines, and
    arithmetic on what the cache holds takes up to twice as long.
    """
    size = (prod(shape) if isinstance(shape, tuple) else shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    numbers: Array = memory[start : start + size].view(dtype).reshape(shape)
    return numbers


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Return zeros that begin with a cache line."""
    zeros = aligned(shape, dtype)
    zeros[...] = 0
    return zeros


def aligned_rows(rows: int, size: int, dtype: DTypeLike = np.float32) -> Array:
    """Return zeros of shape (*rows*, *size*) of which every row begins with a cache line."""
    line = CACHE_LINE // np.dtype(dtype).itemsize
    return aligned_zeros((rows, -(-size // line) * line), dtype)[:, :size]


def is_indices(x: Array | Indices) -> TypeGuard[Indices]:
    """Tell whether *x* holds symbols' numbers and not vectors."""
    return x.dtype.kind in "iu"


class Parameters(dict[str, Array]):
    """Arrays by name, of the given *shapes*, laid out one after the other in `vector`.

    Assigning to a name copies into its array, so that the vector and the arrays never part.

    >>> weights = Parameters({"w": (2, 3), "b": (3,)})
    >>> weights["b"] = np.ones(3)
    >>> weights.vector
    array([0., 0., 0., 0., 0., 0., 1., 1., 1.], dtype=float32)
    """

    def __init__(
        self, shapes: Shapes, dtype: DTypeLike = np.float32, vector: Array | None = None
    ) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        size = sum(prod(shape) for shape in self.shapes.values())
        self.vector: Array = aligned_zeros(size, dtype) if vector is None else vector
        if self.vector.shape != (size,):
            raise ValueError(f"vector: shape {self.vector.shape} where {(size,)} was expected")
        start = 0
        for name, shape in self.shapes.items():
            stop = start + prod(shape)
            super().__setitem__(name, self.vector[start:stop].reshape(shape))
            start = stop

    def __setitem__(self, name: str, value: Any) -> None:
        self[name][...] = value

    def zeros(self) -> "Parameters":
        """Return parameters of the same names, shapes and precision, all zero: for gradients."""
        return Parameters(self.shapes, self.vector.dtype)

    def matrices(self) -> NDArray[np.bool_]:
        """Return which elements of the vector belong to matrices: what weight decay is for."""
        kinds = [np.full(prod(s), len(s) > 1) for s in self.shapes.values()]
        return np.concatenate(kinds) if kinds else np.zeros(0, np.bool_)


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float) -> Array:
    """Return numbers drawn evenly from -*bound* to *bound*."""
    return rng.uniform(-bound, bound, shape)


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a matrix that keeps the variance of what passes, forward and backward.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010.
    """
    return uniform(rng, (rows, columns), float(np.sqrt(6 / (rows + columns))))


def orthogonal(rng: np.random.Generator, size: int) -> Array:
    """Return a random rotation: repeated, it neither swells nor shrinks the hidden state.

    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", 2014.
    """
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    rotation: Array = q * np.sign(np.diag(r))
    return rotation
