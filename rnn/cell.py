"""What all recurrent cells share: over whole windows, backward through time, and step by step.

A cell describes a layer and holds no numbers: weights are an argument, and so is the state of the
stream, which is also a result. An input is an array of vectors or, for one-hot vectors, an array of
the symbols' indices: then rows of the input weights are gathered, and nothing is multiplied.

`forward` runs over a window of T times and a batch of B streams and leaves a trace; `backward`
follows the trace back and stops at the start of the window (truncated back-propagation through
time: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent
network trajectories", 1990). What makes them fast on a processor core:

- what needs no state is done for several times at once: the input's part of the gates, and their
  derivatives, while the gates are still in the cache; the gradients of all weights come from one
  product at the end or, where that is faster, from one for several times;
- the weights are laid out once a window for the products of its steps (`rnnd.rnn.products`);
- each gate is a block of contiguous memory, and all gates of a step come from one call;
- a trace's arrays, and the views of them that each step needs, are made once and used for every
  window of its size.

Shapes: T times, B streams, I inputs, H hidden units, G gates of H units each.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn import products
from rnnd.rnn.linear import sum_rows
from rnnd.rnn.parameters import (
    Array,
    Indices,
    Parameters,
    aligned,
    glorot,
    is_indices,
    orthogonal,
)
from rnnd.rnn.steppers import Step

AHEAD = 1 << 15
"""Numbers of one gate that are prepared ahead of the loop: few enough to stay in the cache."""

WAY, GAP = 1024, 16
"""Bytes after which addresses fall into the same few places of the first cache, and the numbers
left free after each row of a matrix whose rows would begin so far apart: a product that takes a
tenth less time."""

Views: TypeAlias = list[tuple[Array, ...]]
"""What the loop over a window needs at each time: parts of a trace's arrays."""

Above: TypeAlias = Callable[[slice], Array]
"""Gives the gradient of the outputs at some times, (…, B, H), from the layer above.

It is asked for one stretch after the other, the last one first, so that it may find each when it is
needed, while the cache holds it; of an array of all times it is `__getitem__`.
"""


class Trace:
    """What `forward` leaves of a window: the hidden states, and what `backward` needs.

    *h* holds the hidden states, of shape (T + 1, B, H), where h[0] is that before the window;
    *state* is the whole state after it, of shape (B, S).

    *stretches* are the times in turns, so few in each that the cache holds what they need.

    *gates* is of shape (T + 1, D, B, H), and its row t is filled with the gates; while they are
    still in the cache, with what the gradients are multiplied with on the way back; there with the
    gradients before the non-linearities, which at last are copied, as (B, D, H), into row t + 1,
    which by then has been read: *d*, of shape (T, B, D, H). To copy them takes less time than to
    find them in small pieces. Those of a single stream stay where they are.
    *rows* are all of them as a matrix, of shape (T B, D H) and perhaps a gap.
    """

    def __init__(self, cell: "Cell", times: int, batch: int, dtype: DTypeLike) -> None:
        hidden = cell.hidden_size
        self.batch = batch
        self.ahead = max(1, min(times, AHEAD // (batch * hidden)))
        self.stretches = [
            slice(start, min(start + self.ahead, times)) for start in range(0, times, self.ahead)
        ]
        self.x: Array | Indices = np.empty(0, np.intp)
        self.h = aligned((times + 1, batch, hidden), dtype)
        self.state = aligned((batch, cell.state_size), dtype)
        row = cell.derivatives * hidden
        gap = (
            GAP if cell.gates > 1 and batch > 1 and row * np.dtype(dtype).itemsize % WAY == 0 else 0
        )
        memory = aligned((times + 1, batch * (row + gap)), dtype)
        gates = memory[:, : batch * row]
        self.gates = gates.reshape(times + 1, cell.derivatives, batch, hidden)
        stay = memory[:-1] if batch == 1 else memory[1:]
        self.rows = stay.reshape(times * batch, row + gap)
        self.rows[:, row:] = 0
        self.d = self.rows[:, :row].reshape(times, batch, cell.derivatives, hidden)
        self.more = aligned((times, cell.more, batch, hidden), dtype)
        self.brief = aligned((self.ahead, cell.brief, batch, hidden), dtype)  # of a stretch
        self.c = aligned((2, batch, hidden), dtype)  # LSTM: the cell's state, before and after
        self.u = aligned((cell.gates, batch, hidden), dtype)  # of one time: h w_h
        terms = products.terms(batch, cell.gates, hidden)
        self.terms = aligned((terms + cell.past, batch, hidden), dtype)  # of dh at the time before
        self.dh_before = products.product(self.terms[:terms], cell.gates // terms * hidden)
        self.dh = self.terms[0] if len(self.terms) == 1 else aligned((batch, hidden), dtype)
        self.sum_up = products.sum_up(self.terms, self.dh)
        self.dc, self.work = aligned((2, batch, hidden), dtype)  # LSTM: the gradient of c
        self.turned = products.Turned(
            times * batch, self.ahead * batch, hidden, cell.gates * hidden, dtype
        )
        self.inputs = [
            self.brief[: s.stop - s.start] if cell.passing else self.gates[s, -cell.gates :]
            for s in self.stretches
        ]
        self.forth: Views = cell.forth(self)
        self.back: Views = cell.back(self)

    @property
    def outputs(self) -> Array:
        """The hidden states after each time, of shape (T, B, H)."""
        return self.h[1:]

    def of_stretch(self, time: int) -> Array:
        """Return the row of *brief* for a *time*, (cell.brief, B, H)."""
        row: Array = self.brief[time % self.ahead]
        return row


class Cell(ABC):
    """A recurrent layer; its parameters are *name*.w_x, *name*.w_h and *name*.b.

    Their shapes are (I, G, H), (H, G, H) and (G, H).
    """

    gates: ClassVar[int]
    """G, the blocks of the weights."""
    derivatives: ClassVar[int]
    """D, gradients before a non-linearity: the first G belong to w_h, the last G to w_x."""
    more: ClassVar[int] = 0
    """Further numbers a unit and time that the way back needs, in blocks of H."""
    brief: ClassVar[int] = 0
    """Numbers a unit and time that a stretch needs and not the way back, in blocks of H."""
    sigmoids: ClassVar[tuple[slice, slice]] = (slice(0), slice(0))
    """The gates with a sigmoid, among the blocks of w_h and of w_x."""
    passing: ClassVar[bool] = False
    """Whether the input's part of the gates is needed in its stretch only, and lies in *brief*."""
    past: ClassVar[int] = 0
    """Ways back to the hidden state before that do not lead through w_h."""
    states: ClassVar[int] = 1
    """Blocks of H numbers in the state, of which the first is the hidden state."""

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_size = self.states * hidden_size
        self.w_x, self.w_h, self.b = f"{name}.w_x", f"{name}.w_h", f"{name}.b"
        first = (self.derivatives - self.gates) * hidden_size
        self._last = slice(first, self.derivatives * hidden_size)  # columns of w_x's gradients
        self.shapes: dict[str, tuple[int, ...]] = {
            self.w_x: (input_size, self.gates, hidden_size),
            self.w_h: (hidden_size, self.gates, hidden_size),
            self.b: (self.gates, hidden_size),
        }

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew: Glorot's for the input, a rotation for each gate's own loop."""
        hidden = self.hidden_size
        gates = range(self.gates)
        p[self.w_x] = np.stack([glorot(rng, self.input_size, hidden) for _ in gates], axis=1)
        p[self.w_h] = np.stack([orthogonal(rng, hidden) for _ in gates], axis=1)
        p[self.b] = 0

    def trace(self, times: int, batch: int, dtype: DTypeLike = np.float32) -> Trace:
        """Return work space for windows of *times* steps of *batch* streams."""
        return Trace(self, times, batch, dtype)

    def forward(
        self, p: Parameters, x: Array | Indices, state: Array, trace: Trace | None = None
    ) -> Trace:
        """Run over *x*, of shape (T, B, I) or as indices (T, B), from *state*, of shape (B, S).

        What is returned is *trace*, filled, or a new one. It keeps *x* itself, no copy.
        """
        if trace is None:
            trace = self.trace(x.shape[0], x.shape[1], p.vector.dtype)
        trace.x = x
        scale = self._scale(self.sigmoids[0], p.vector.dtype)
        # The exp of a gate shut tight overflows, and 1 / (1 + inf) is right. A tanh cannot.
        with nullcontext() if products.AVX512 else np.errstate(over="ignore"):
            self._forward(p, products.weights(p[self.w_h], scale, trace.batch), state, trace)
        return trace

    def backward(self, p: Parameters, trace: Trace, dh: Above, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs.

        What *gradients* held under these names before is overwritten, and so are the trace's gates.
        """
        w_x, w_h, b = (gradients[name] for name in (self.w_x, self.w_h, self.b))
        columns = self.gates * self.hidden_size
        before = trace.h[:-1].reshape(len(trace.rows), -1)
        trace.turned.begin(before, trace.rows[:, :columns])
        for times in self._backward(products.transposed(p[self.w_h], trace.batch), trace, dh):
            trace.turned.add(times.start * trace.batch)
        trace.turned.end(matrix(w_h))
        if is_indices(trace.x):
            sum_rows(trace.x.ravel(), trace.rows, self._last, out=matrix(w_x))
            np.ones(self.input_size, w_x.dtype).dot(matrix(w_x), b.ravel())
        else:
            d = trace.rows[:, self._last]
            np.matmul(trace.x.reshape(len(d), -1).T, d, out=matrix(w_x))
            np.matmul(np.ones(len(d), d.dtype), d, out=b.ravel())

    def input_gradient(self, p: Parameters, trace: Trace) -> Array:
        """Return the gradient of the input vectors, (T, B, I), after `backward`."""
        dx: Array = np.matmul(trace.rows[:, self._last], matrix(p[self.w_x]).T)
        return dx.reshape(*trace.d.shape[:2], -1)

    def step(self, p: Parameters, x: Array | int, state: Array) -> Array:
        """Return the state, of shape (S,), after one more vector or, if *x* is an int, symbol.

        The first H numbers of the state are the hidden state.
        """
        w_x, b = p[self.w_x], p[self.b]
        a = w_x[x] + b if isinstance(x, int) else x.dot(matrix(w_x)).reshape(b.shape) + b
        return self._step(p, a, state)

    @abstractmethod
    def stepper(self, p: Parameters) -> Step:
        """Return `step` for weights that stay as they are: it takes half the time.

        Its arguments are x and the state. One thread at a time: it has a work space.
        """

    def _scale(self, sigmoids: slice, dtype: DTypeLike) -> Array | None:
        """Return what each gate's weights are multiplied with: what `sigmoid` wants, or 1.

        Where there is no sigmoid, they are not multiplied.
        """
        if sigmoids == slice(0):
            return None
        scale: Array = np.ones(self.gates, dtype)
        scale[sigmoids] = 0.5 if products.AVX512 else -1
        return scale

    def _stretches(self, p: Parameters, trace: Trace) -> Iterator[slice]:
        """Give the stretches of the window, the gates holding the input's part: x w_x + b.

        It is scaled as the sigmoids want it. Few times are done at once, so that they are still in
        the cache when they are needed.
        """
        x, batch, hidden = trace.x, trace.batch, self.hidden_size
        stretches = list(zip(trace.stretches, trace.inputs, strict=True))
        scale = self._scale(self.sigmoids[1], p.vector.dtype)
        w_x, b = p[self.w_x], p[self.b]
        if scale is not None:
            b = b * scale[:, None]
        if is_indices(x):
            if x.size and not x.astype(np.uintp).max() < self.input_size:
                raise IndexError(f"symbol {x.max()} where 0 to {self.input_size - 1} was expected")
            x = x.astype(np.intp, copy=False)
            if batch == 1:
                for times, gates in stretches:
                    rows = w_x.take(x[times, 0], axis=0)
                    if scale is not None:
                        rows *= scale[:, None]
                    np.add(rows, b, out=gates[:, :, 0])
                    yield times
                return
            table = aligned((self.gates, self.input_size, hidden), p.vector.dtype)
            if scale is not None:
                np.multiply(w_x.swapaxes(0, 1), scale[:, None, None], out=table)
                table += b[:, None]
            else:
                np.add(w_x.swapaxes(0, 1), b[:, None], out=table)
            for times, gates in stretches:
                if self.gates == 1:
                    table[0].take(x[times], axis=0, out=gates[:, 0], mode="clip")
                else:
                    for symbols, out in zip(x[times], gates, strict=True):
                        table.take(symbols, axis=1, out=out, mode="clip")
                yield times
            return
        factor = matrix(w_x if scale is None else w_x * scale[:, None])
        for times, gates in stretches:
            rows = x[times].reshape(-1, self.input_size).dot(factor)
            rows = rows.reshape(-1, batch, self.gates, hidden).swapaxes(1, 2)
            np.add(rows, b[:, None], out=gates)
            yield times

    @abstractmethod
    def forth(self, trace: Trace) -> Views:
        """Return the views of *trace* that a step forth needs, time by time."""

    @abstractmethod
    def back(self, trace: Trace) -> Views:
        """Return the views of *trace* that a step back needs, time by time."""

    @abstractmethod
    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        """Fill *trace*, stretch by stretch, with states and with what the way back needs."""

    @abstractmethod
    def _backward(self, w_h: Array, trace: Trace, dh: Above) -> Iterator[slice]:
        """Write into *trace*.d the gradients before the non-linearities.

        The stretches are given, last one first, as soon as they are written.
        """

    @abstractmethod
    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        """Return the next state, given the input's part of the gates, which may be overwritten."""


def matrix(w: Array) -> Array:
    """Return *w*, of shape (I, G, H), as a matrix: a view of shape (I, G H)."""
    return w.reshape(len(w), -1)
