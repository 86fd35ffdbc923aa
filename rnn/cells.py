"""The recurrent cells: the vanilla network, GRU and LSTM, over whole windows and step by step.

A cell describes a layer and holds no numbers: weights are an argument, and so is the state of the
stream, which is also a result. An input is an array of vectors or, for one-hot vectors, an array of
the symbols' indices: then rows of the input weights are gathered, and nothing is multiplied.

`forward` runs over a window of T times and a batch of B streams and leaves a trace; `backward`
follows the trace back and stops at the start of the window (truncated back-propagation through
time: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent
network trajectories", 1990). What makes them fast on a processor core:

- what needs no state is done for several times at once: the input's part of the gates, and on the
  way back the gates' derivatives; the gradients of all weights come from one product at the end;
- each gate is a block of contiguous memory, and all gates of a step come from one call;
- a trace's arrays are made once and used for every window of its size.

Shapes: T times, B streams, I inputs, H hidden units, G gates of H units each.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn.linear import sum_rows
from rnnd.rnn.parameters import Array, Indices, Parameters, glorot, is_indices, orthogonal

AHEAD = 1 << 14
"""Numbers of one gate that are prepared ahead of the loop: few enough to stay in the cache."""


class Trace:
    """What `forward` leaves of a window: the hidden states, and what `backward` needs.

    *h* holds the hidden states, of shape (T + 1, B, H), where h[0] is that before the window;
    *state* is the whole state after it, of shape (B, S).
    """

    def __init__(self, cell: "Cell", times: int, batch: int, dtype: DTypeLike) -> None:
        hidden = cell.hidden_size
        self.ahead = max(1, min(times, AHEAD // (batch * hidden)))
        self.x: Array | Indices = np.empty(0, np.intp)
        self.h: Array = np.zeros((times + 1, batch, hidden), dtype)
        self.c: Array = np.zeros_like(self.h)  # LSTM: the cells' states
        self.inner: Array = np.empty((times, batch, hidden), dtype)  # GRU: m; LSTM: tanh(c)
        self.state: Array = np.zeros((batch, cell.state_size), dtype)
        self.gates: Array = np.empty((cell.gates, times, batch, hidden), dtype)
        self.factors: Array = np.empty((cell.factors, self.ahead, batch, hidden), dtype)
        self.d: Array = np.empty((times, batch, cell.derivatives, hidden), dtype)

    @property
    def outputs(self) -> Array:
        """The hidden states after each time, of shape (T, B, H)."""
        return self.h[1:]


class Cell(ABC):
    """A recurrent layer; its parameters are *name*.w_x, *name*.w_h and *name*.b.

    Their shapes are (I, G, H), (H, G, H) and (G, H).
    """

    gates: ClassVar[int]
    """G, the blocks of the weights."""
    derivatives: ClassVar[int]
    """Gradients before a non-linearity: the first G belong to w_h, the last G to w_x."""
    factors: ClassVar[int]
    """What gradients are multiplied with on the way back: the derivatives come first."""
    signs: ClassVar[tuple[int, ...]]
    """-1 for a gate that is computed as 1 / (1 + exp(-a)): its weights are negated beforehand."""
    states: ClassVar[int] = 1
    """Blocks of H numbers in the state, of which the first is the hidden state."""

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_size = self.states * hidden_size
        self.w_x, self.w_h, self.b = f"{name}.w_x", f"{name}.w_h", f"{name}.b"
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
        with np.errstate(over="ignore"):  # exp of a gate shut tight; 1 / (1 + inf) is right
            self._forward(p, state, trace)
        return trace

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H).

        What *gradients* held under these names before is overwritten.
        """
        self._backward(p, trace, dh)
        columns = self.gates * self.hidden_size
        w_x, w_h, b = (gradients[name] for name in (self.w_x, self.w_h, self.b))
        d = trace.d.reshape(-1, self.derivatives * self.hidden_size)
        before = trace.h[:-1].reshape(len(d), -1)
        np.matmul(before.T, d[:, :columns], out=_matrix(w_h))
        d = d[:, -columns:]
        if is_indices(trace.x):
            _matrix(w_x)[...] = sum_rows(trace.x.ravel(), d, self.input_size)
            np.sum(w_x, axis=0, out=b)
        else:
            np.matmul(trace.x.reshape(len(d), -1).T, d, out=_matrix(w_x))
            np.matmul(np.ones(len(d), d.dtype), d, out=b.ravel())

    def input_gradient(self, p: Parameters, trace: Trace) -> Array:
        """Return the gradient of the input vectors, (T, B, I), after `backward`."""
        columns = self.gates * self.hidden_size
        d = trace.d.reshape(*trace.d.shape[:2], -1)[..., -columns:]
        dx: Array = np.matmul(d, _matrix(p[self.w_x]).T)
        return dx

    def step(self, p: Parameters, x: Array | int, state: Array) -> Array:
        """Return the state, of shape (S,), after one more vector or, if *x* is an int, symbol.

        The first H numbers of the state are the hidden state.
        """
        w_x, b = p[self.w_x], p[self.b]
        a = w_x[x] + b if isinstance(x, int) else x.dot(_matrix(w_x)).reshape(b.shape) + b
        return self._step(p, a, state)

    def _stretches(self, p: Parameters, trace: Trace) -> Iterator[slice]:
        """Give the stretches of the window, the gates holding the input's part: x w_x + b.

        It has the gates' signs. Few times are done at once, so that they are still in the cache
        when they are needed.
        """
        w_x = _by_gate(p[self.w_x], self.signs)
        (b,) = _by_gate(p[self.b][None], self.signs).transpose(1, 0, 2)
        x, gates = trace.x, trace.gates
        if is_indices(x):
            if x.size and not 0 <= x.min() <= x.max() < self.input_size:
                raise IndexError(f"symbol {x.max()} where 0 to {self.input_size - 1} was expected")
            x = x.astype(np.intp)
            w_x += b[:, None]
        for start in range(0, len(x), trace.ahead):
            times = slice(start, min(start + trace.ahead, len(x)))
            for w, a, bias in zip(w_x, gates, b, strict=True):
                if is_indices(x):
                    np.take(w, x[times], axis=0, out=a[times], mode="clip")
                else:
                    rows = a[times].reshape(-1, self.hidden_size)
                    np.matmul(x[times].reshape(len(rows), -1), w, out=rows)
                    rows += bias
            yield times

    @abstractmethod
    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        """Fill h, c, state and gates of *trace*, whose gates hold the input's part of them."""

    @abstractmethod
    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        """Write into *trace*.d the gradients before the non-linearities, last time first."""

    @abstractmethod
    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        """Return the next state, given the input's part of the gates, which may be overwritten."""


def _matrix(w: Array) -> Array:
    """Return *w*, of shape (I, G, H), as a matrix: a view of shape (I, G H)."""
    return w.reshape(len(w), -1)


def _by_gate(w: Array, signs: tuple[int, ...]) -> Array:
    """Return a copy of *w*, of shape (I, G, H), as a matrix for each gate, with its sign."""
    gates = np.array(signs, w.dtype)[:, None, None]
    return np.multiply(w.transpose(1, 0, 2), gates, order="C")


def _from_behind(trace: Trace) -> Iterator[slice]:
    """Give the stretches of the window, last first."""
    for stop in range(len(trace.d), 0, -trace.ahead):
        yield slice(max(0, stop - trace.ahead), stop)


def _sigmoid_of_negated(a: Array) -> None:
    """Turn -a into 1 / (1 + exp(-a)): faster than the way through tanh."""
    np.exp(a, out=a)
    a += 1
    np.reciprocal(a, out=a)


class Vanilla(Cell):
    """h = tanh(x w_x + h w_h + b): Elman, "Finding structure in time", 1990."""

    gates = 1
    derivatives = 1
    factors = 1
    signs = (1,)

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        w_h = _matrix(p[self.w_h])
        h = trace.h
        h[0] = state
        for times in self._stretches(p, trace):
            for t in range(times.start, times.stop):
                after = h[t + 1]
                np.dot(h[t], w_h, out=after)
                after += trace.gates[0, t]
                np.tanh(after, out=after)
        trace.state[...] = h[-1]

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        w_h = _matrix(p[self.w_h]).T
        d = trace.d[:, :, 0]
        back = np.zeros_like(dh[0])  # from the step after, and so the whole gradient of h
        for times in _from_behind(trace):
            h = trace.outputs[times]
            f = trace.factors[0, : len(h)]
            np.multiply(h, h, out=f)
            np.subtract(1, f, out=f)  # tanh' = 1 - tanh²
            for t in range(times.stop - 1, times.start - 1, -1):
                back += dh[t]
                np.multiply(back, f[t - times.start], out=d[t])
                np.dot(d[t], w_h, out=back)

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        h: Array = a[0]
        h += state.dot(_matrix(p[self.w_h]))
        return np.tanh(h, out=h)


class GRU(Cell):
    """The gated recurrent unit: Cho et al., "Learning phrase representations using RNN…", 2014.

    In the form that needs one product a step (the one of cuDNN and PyTorch):

        r = σ(x w_xr + b_r + h w_hr)        reset
        z = σ(x w_xz + b_z + h w_hz)        update
        n = tanh(x w_xn + b_n + r m)        candidate, with m = h w_hm + b_m
        h = (1 - z) n + z h

    The blocks of w_x and b are r, z, n; those of w_h are m, r, z. So the gradients m, r, z, n serve
    both: the first three are those of w_h, the last three those of w_x.
    """

    gates = 3
    derivatives = 4
    factors = 4
    signs = (-1, -1, 1)

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        super().__init__(input_size, hidden_size, name)
        self.b_m = f"{name}.b_m"
        self.shapes[self.b_m] = (hidden_size,)

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; both biases begin at zero."""
        super().initialise(p, rng)
        p[self.b_m] = 0

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        w_h, b_m = _by_gate(p[self.w_h], (1, -1, -1)), p[self.b_m]
        h, gates = trace.h, trace.gates
        h[0] = state
        u = np.empty_like(gates[:, 0])
        for times in self._stretches(p, trace):
            for t in range(times.start, times.stop):
                before, after, m = h[t], h[t + 1], trace.inner[t]
                rz, n = gates[:2, t], gates[2, t]
                np.matmul(before, w_h, out=u)
                np.add(u[0], b_m, out=m)
                rz += u[1:]
                _sigmoid_of_negated(rz)
                n += np.multiply(rz[0], m, out=after)
                np.tanh(n, out=n)
                np.subtract(before, n, out=after)
                after *= rz[1]
                after += n
        trace.state[...] = h[-1]

    def _derive(self, trace: Trace, times: slice) -> Array:
        """Return what the gradient of h is multiplied with to be that of m, r, z and n."""
        r, z, n = trace.gates[:, times]
        factors = trace.factors[:, : len(n)]
        f_m, f_r, f_z, f_n = factors
        np.subtract(1, z, out=f_r)
        np.subtract(trace.h[:-1][times], n, out=f_z)
        f_z *= z
        f_z *= f_r  # (h - n) z (1 - z)
        np.multiply(n, n, out=f_n)
        np.subtract(1, f_n, out=f_n)
        f_n *= f_r  # (1 - z) (1 - n²)
        np.multiply(f_n, r, out=f_m)
        np.subtract(1, r, out=f_r)
        f_r *= f_m
        f_r *= trace.inner[times]  # (1 - z) (1 - n²) m r (1 - r)
        return factors

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        w_h = np.ascontiguousarray(_matrix(p[self.w_h]).T)
        d = trace.d
        flat = d.reshape(*d.shape[:2], -1)[:, :, : len(w_h)]
        back = np.zeros_like(dh[0])  # from the step after, and so the whole gradient of h
        through = np.empty_like(back)
        for times in _from_behind(trace):
            factors = self._derive(trace, times)
            for t in range(times.stop - 1, times.start - 1, -1):
                back += dh[t]
                np.multiply(back, factors[:, t - times.start], out=d[t].transpose(1, 0, 2))
                np.multiply(back, trace.gates[1, t], out=through)
                np.matmul(flat[t], w_h, out=back)
                back += through

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H)."""
        super().backward(p, trace, dh, gradients)
        d_m = trace.d[:, :, 0].reshape(-1, self.hidden_size)
        np.matmul(np.ones(len(d_m), d_m.dtype), d_m, out=gradients[self.b_m])

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        u = state.dot(_matrix(p[self.w_h])).reshape(a.shape)
        rz, m, n = a[:2], u[0], a[2]
        rz += u[1:]
        _sigmoid(rz)
        m += p[self.b_m]
        m *= rz[0]
        n += m
        np.tanh(n, out=n)
        h: Array = np.subtract(state, n)
        h *= rz[1]
        h += n
        return h


class LSTM(Cell):
    """Long short-term memory: Hochreiter & Schmidhuber, 1997, with forget gates (Gers et al. 2000).

        o, i, f = σ(x w_x + h w_h + b)      output, input, forget
        g = tanh(x w_xg + h w_hg + b_g)
        c = f c + i g
        h = o tanh(c)

    The blocks of the weights are o, i, f, g. The state is h and c side by side. The forget gate's
    bias begins at 1 (Jozefowicz, Zaremba & Sutskever, "An empirical exploration of recurrent
    network architectures", 2015).
    """

    gates = 4
    derivatives = 4
    factors = 5
    signs = (-1, -1, -1, 1)
    states = 2

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; a new cell remembers rather than forgets."""
        super().initialise(p, rng)
        p[self.b][2] = 1

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        hidden = self.hidden_size
        w_h = _by_gate(p[self.w_h], self.signs)
        h, c, gates = trace.h, trace.c, trace.gates
        h[0], c[0] = state[:, :hidden], state[:, hidden:]
        u = np.empty_like(gates[:, 0])
        for times in self._stretches(p, trace):
            for t in range(times.start, times.stop):
                a, after, tanh_c = gates[:, t], c[t + 1], trace.inner[t]
                a += np.matmul(h[t], w_h, out=u)
                _sigmoid_of_negated(a[:3])
                o, i, f, g = a
                np.tanh(g, out=g)
                np.multiply(f, c[t], out=after)
                after += np.multiply(i, g, out=tanh_c)
                np.tanh(after, out=tanh_c)
                np.multiply(o, tanh_c, out=h[t + 1])
        trace.state[:, :hidden], trace.state[:, hidden:] = h[-1], c[-1]

    def _derive(self, trace: Trace, times: slice) -> Array:
        """Return what the gradient of h (for o, c) or c (for i, f, g) is multiplied with."""
        gates = trace.gates[:, times]
        o, i, _, g = gates
        tanh_c = trace.inner[times]
        factors = trace.factors[:, : len(g)]
        f_o, f_i, f_f, f_g, f_c = factors
        np.subtract(1, gates[:3], out=factors[:3])
        factors[:3] *= gates[:3]  # σ' = σ (1 - σ)
        f_o *= tanh_c
        f_i *= g
        f_f *= trace.c[:-1][times]
        np.multiply(g, g, out=f_g)
        np.subtract(1, f_g, out=f_g)
        f_g *= i
        np.multiply(tanh_c, tanh_c, out=f_c)
        np.subtract(1, f_c, out=f_c)
        f_c *= o
        return factors

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        w_h = np.ascontiguousarray(_matrix(p[self.w_h]).T)
        d = trace.d
        flat = d.reshape(*d.shape[:2], -1)
        back = np.zeros_like(dh[0])  # from the step after, and so the whole gradient of h
        dc, work = np.zeros_like(back), np.empty_like(back)
        for times in _from_behind(trace):
            factors = self._derive(trace, times)
            for t in range(times.stop - 1, times.start - 1, -1):
                f, blocks = factors[:, t - times.start], d[t].transpose(1, 0, 2)
                back += dh[t]
                dc += np.multiply(back, f[4], out=work)
                np.multiply(back, f[0], out=blocks[0])
                np.multiply(dc, f[1:4], out=blocks[1:])
                dc *= trace.gates[2, t]
                np.matmul(flat[t], w_h, out=back)

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        hidden = self.hidden_size
        a += state[:hidden].dot(_matrix(p[self.w_h])).reshape(a.shape)
        _sigmoid(a[:3])
        o, i, f, g = a
        np.tanh(g, out=g)
        after = np.empty_like(state)
        h, c = after[:hidden], after[hidden:]
        np.multiply(f, state[hidden:], out=c)
        g *= i
        c += g
        np.tanh(c, out=h)
        h *= o
        return after


def _sigmoid(a: Array) -> None:
    """Turn a into 1 / (1 + exp(-a)), by way of tanh: for few numbers, as it cannot overflow."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5


CELLS: dict[str, type[Cell]] = {"rnn": Vanilla, "gru": GRU, "lstm": LSTM}
"""The cells by the names that users know them under."""
