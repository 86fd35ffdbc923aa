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
- the weights are laid out once a window for the products of its steps (`rnnd.rnn.products`);
- each gate is a block of contiguous memory, and all gates of a step come from one call;
- a trace's arrays, and the views of them that each step needs, are made once and used for every
  window of its size.

Shapes: T times, B streams, I inputs, H hidden units, G gates of H units each.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn import products
from rnnd.rnn.linear import sum_rows
from rnnd.rnn.parameters import (
    Array,
    Indices,
    Parameters,
    aligned,
    aligned_zeros,
    glorot,
    is_indices,
    orthogonal,
)

AHEAD = 1 << 14
"""Numbers of one gate that are prepared ahead of the loop: few enough to stay in the cache."""

Views = list[tuple[Array, ...]]
"""What the loop over a window needs at each time: parts of a trace's arrays."""


class Trace:
    """What `forward` leaves of a window: the hidden states, and what `backward` needs.

    *h* holds the hidden states, of shape (T + 1, B, H), where h[0] is that before the window;
    *state* is the whole state after it, of shape (B, S).
    """

    def __init__(self, cell: "Cell", times: int, batch: int, dtype: DTypeLike) -> None:
        hidden = cell.hidden_size
        self.batch = batch
        self.ahead = max(1, min(times, AHEAD // (batch * hidden)))
        self.x: Array | Indices = np.empty(0, np.intp)
        self.h = aligned((times + 1, batch, hidden), dtype)
        self.c = aligned((times + 1, batch, hidden), dtype)  # LSTM: the cells' states
        self.inner = aligned((times, batch, hidden), dtype)  # GRU: m; LSTM: tanh(c)
        self.state = aligned((batch, cell.state_size), dtype)
        self.gates = aligned((cell.gates, times, batch, hidden), dtype)
        self.factors = aligned((cell.factors, self.ahead, batch, hidden), dtype)
        self.d = aligned((times, batch, cell.derivatives, hidden), dtype)
        self.u = aligned((cell.gates, batch, hidden), dtype)  # of one time: h w_h
        terms = products.terms(batch, cell.gates, hidden)
        self.terms = aligned((terms + cell.past, batch, hidden), dtype)  # of dh before
        self.dh = products.product(self.terms[:terms], cell.gates // terms * hidden)
        self.forth: Views = cell.forth(self)
        self.back: Views = cell.back(self)

    @property
    def outputs(self) -> Array:
        """The hidden states after each time, of shape (T, B, H)."""
        return self.h[1:]

    @property
    def stretches(self) -> list[slice]:
        """The times of the window in turns, so few in each that the cache holds what they need."""
        times, ahead = len(self.d), self.ahead
        return [slice(start, min(start + ahead, times)) for start in range(0, times, ahead)]


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
    sigmoids: ClassVar[tuple[slice, slice]] = (slice(0), slice(0))
    """The gates with a sigmoid, among the blocks of w_h and of w_x."""
    past: ClassVar[int] = 0
    """Ways back to the hidden state before that do not lead through w_h."""
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
        w_h = p[self.w_h]
        scales = _scales(self.gates, self.sigmoids[0], w_h.dtype)
        with np.errstate(over="ignore"):  # exp of a gate shut tight; 1 / (1 + inf) is right
            self._forward(p, products.weights(w_h, scales, trace.batch), state, trace)
        return trace

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H).

        What *gradients* held under these names before is overwritten.
        """
        self._backward(products.transposed(p[self.w_h], trace.batch), trace, dh)
        w_x, w_h, b = (gradients[name] for name in (self.w_x, self.w_h, self.b))
        columns = self.gates * self.hidden_size
        d = trace.d.reshape(-1, self.derivatives * self.hidden_size)
        before = trace.h[:-1].reshape(len(d), -1)
        np.matmul(before.T, d[:, :columns], out=_matrix(w_h))
        d = d[:, -columns:]
        if is_indices(trace.x):
            sum_rows(trace.x.ravel(), d, out=_matrix(w_x))
            np.sum(w_x, axis=0, out=b)
        else:
            np.matmul(trace.x.reshape(len(d), -1).T, d, out=_matrix(w_x))
            np.matmul(np.ones(len(d), d.dtype), d, out=b.ravel())

    def input_gradient(self, p: Parameters, trace: Trace) -> Array:
        """Return the gradient of the input vectors, (T, B, I), after `backward`."""
        columns = self.gates * self.hidden_size
        d = trace.d.reshape(-1, self.derivatives * self.hidden_size)[:, -columns:]
        dx: Array = np.matmul(d, _matrix(p[self.w_x]).T)
        return dx.reshape(*trace.d.shape[:2], -1)

    def step(self, p: Parameters, x: Array | int, state: Array) -> Array:
        """Return the state, of shape (S,), after one more vector or, if *x* is an int, symbol.

        The first H numbers of the state are the hidden state.
        """
        w_x, b = p[self.w_x], p[self.b]
        a = w_x[x] + b if isinstance(x, int) else x.dot(_matrix(w_x)).reshape(b.shape) + b
        return self._step(p, a, state)

    def _stretches(self, p: Parameters, trace: Trace) -> Iterator[slice]:
        """Give the stretches of the window, the gates holding the input's part: x w_x + b.

        It is scaled as the sigmoids want it. Few times are done at once, so that they are still in
        the cache when they are needed.
        """
        scales = _scales(self.gates, self.sigmoids[1], p.vector.dtype)[:, None]
        w_x = aligned((self.gates, self.input_size, self.hidden_size), p.vector.dtype)
        np.multiply(p[self.w_x].swapaxes(0, 1), scales[..., None], out=w_x)
        b = p[self.b] * scales
        x, gates = trace.x, trace.gates
        if is_indices(x):
            if x.size and not 0 <= x.min() <= x.max() < self.input_size:
                raise IndexError(f"symbol {x.max()} where 0 to {self.input_size - 1} was expected")
            x = x.astype(np.intp)
            w_x += b[:, None]
        for times in trace.stretches:
            for w, a, bias in zip(w_x, gates, b, strict=True):
                if is_indices(x):
                    w.take(x[times], axis=0, out=a[times], mode="clip")
                else:
                    rows = a[times].reshape(-1, self.hidden_size)
                    np.matmul(x[times].reshape(len(rows), -1), w, out=rows)
                    rows += bias
            yield times

    @abstractmethod
    def forth(self, trace: Trace) -> Views:
        """Return the views of *trace* that a step forth needs, time by time."""

    @abstractmethod
    def back(self, trace: Trace) -> Views:
        """Return the views of *trace* that a step back needs, time by time."""

    @abstractmethod
    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        """Fill h, c, state and gates of *trace*, whose gates hold the input's part of them."""

    @abstractmethod
    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        """Write into *trace*.d the gradients before the non-linearities, last time first."""

    @abstractmethod
    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        """Return the next state, given the input's part of the gates, which may be overwritten."""


def _matrix(w: Array) -> Array:
    """Return *w*, of shape (I, G, H), as a matrix: a view of shape (I, G H)."""
    return w.reshape(len(w), -1)


def _scales(gates: int, sigmoids: slice, dtype: DTypeLike) -> Array:
    """Return what each gate's weights are multiplied with: a / 2 or -a is what `_sigmoid` wants."""
    scales: Array = np.ones(gates, dtype)
    scales[sigmoids] = 0.5 if products.AVX512 else -1
    return scales


def _sigmoid(a: Array, half: Array) -> None:
    """Turn what `_scales` made of a into 1 / (1 + exp(-a)); *half* is 0.5 in the same precision.

    With AVX-512 NumPy's tanh takes less time than its exp, without it the double.
    """
    if products.AVX512:
        np.tanh(a, a)
        np.multiply(a, half, a)
        np.add(a, half, a)
    else:
        np.exp(a, a)
        a += 1
        np.reciprocal(a, a)


class Vanilla(Cell):
    """h = tanh(x w_x + h w_h + b): Elman, "Finding structure in time", 1990."""

    gates = 1
    derivatives = 1
    factors = 1

    def forth(self, trace: Trace) -> Views:
        """Return h before, h after as a product and as it is, and the input's part."""
        after = products.product(trace.outputs[:, None], self.hidden_size)
        before = products.factor(trace.h)
        return list(zip(before, after, trace.outputs, trace.gates[0], strict=False))

    def back(self, trace: Trace) -> Views:
        """Return tanh', and the gradient before it, as it is and as a factor."""
        d = trace.d
        factors = (trace.factors[0, t % trace.ahead] for t in range(len(d)))
        return list(zip(factors, d[:, :, 0], products.gates_factor(d, 1), strict=True))

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        multiply = products.multiplication(trace.batch)
        trace.h[0] = state
        for times in self._stretches(p, trace):
            for before, product, after, a in trace.forth[times]:
                multiply(before, w_h, product)
                np.add(after, a, after)
                np.tanh(after, after)
        trace.state[...] = trace.h[-1]

    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        multiply, terms = products.multiplication(trace.batch), trace.terms
        product, back = trace.dh, _back(terms)
        for times in reversed(trace.stretches):
            h = trace.outputs[times]
            f = trace.factors[0, : len(h)]
            np.multiply(h, h, f)
            np.subtract(1, f, f)  # tanh' = 1 - tanh²
            steps = zip(trace.back[times], dh[times], strict=True)
            for (f, d, factor), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, f, d)
                multiply(factor, w_h, product)

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
    past = 1
    sigmoids = (slice(1, 3), slice(0, 2))

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        super().__init__(input_size, hidden_size, name)
        self.b_m = f"{name}.b_m"
        self.shapes[self.b_m] = (hidden_size,)

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; both biases begin at zero."""
        super().initialise(p, rng)
        p[self.b_m] = 0

    def forth(self, trace: Trace) -> Views:
        """Return h before as a factor and as it is, h after, m, r and z together and apart, n."""
        r, z, n = trace.gates
        rz = trace.gates[:2].swapaxes(0, 1)
        before = (products.factor(trace.h), trace.h)
        return list(zip(*before, trace.outputs, trace.inner, rz, r, z, n, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, z, and the gradients: all, and those of w_h as a factor."""
        d = trace.d
        factors = (trace.factors[:, t % trace.ahead] for t in range(len(d)))
        loop = products.gates_factor(d, self.gates)
        return list(zip(factors, trace.gates[1], d.swapaxes(1, 2), loop, strict=True))

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        multiply, u, b_m = products.multiplication(trace.batch), trace.u, p[self.b_m]
        product = products.product(u, self.hidden_size)
        u_m, u_rz = u[0], u[1:]
        half = np.asarray(0.5, u.dtype)
        trace.h[0] = state
        for times in self._stretches(p, trace):
            for factor, before, after, m, rz, r, z, n in trace.forth[times]:
                multiply(factor, w_h, product)
                np.add(u_m, b_m, m)
                np.add(rz, u_rz, rz)
                _sigmoid(rz, half)
                np.multiply(r, m, after)
                np.add(n, after, n)
                np.tanh(n, n)
                np.subtract(before, n, after)
                np.multiply(after, z, after)
                np.add(after, n, after)
        trace.state[...] = trace.h[-1]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Find what the gradient of h is multiplied with to be that of m, r, z and n."""
        r, z, n = trace.gates[:, times]
        f_m, f_r, f_z, f_n = trace.factors[:, : len(n)]
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

    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        multiply, terms = products.multiplication(trace.batch), trace.terms
        product, back = trace.dh, _back(terms)
        past = terms[-1]
        for times in reversed(trace.stretches):
            self._derive(trace, times)
            steps = zip(trace.back[times], dh[times], strict=True)
            for (factors, z, d, loop), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, factors, d)
                np.multiply(back, z, past)
                multiply(loop, w_h, product)
                _sum(terms, back)

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H)."""
        super().backward(p, trace, dh, gradients)
        d_m = trace.d[:, :, 0].reshape(-1, self.hidden_size)
        np.matmul(np.ones(len(d_m), d_m.dtype), d_m, out=gradients[self.b_m])

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        u = state.dot(_matrix(p[self.w_h])).reshape(a.shape)
        rz, m, n = a[:2], u[0], a[2]
        rz += u[1:]
        _sigmoid_of_few(rz)
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
    sigmoids = (slice(0, 3), slice(0, 3))
    states = 2

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; a new cell remembers rather than forgets."""
        super().initialise(p, rng)
        p[self.b][2] = 1

    def forth(self, trace: Trace) -> Views:
        """Return h before and after, c before and after, tanh(c), the gates together and apart."""
        h, c = (products.factor(trace.h), trace.outputs), (trace.c, trace.c[1:])
        together = (trace.gates.swapaxes(0, 1), trace.gates[:3].swapaxes(0, 1))
        return list(zip(*h, *c, trace.inner, *together, *trace.gates, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, of o, of i, f and g, and of c, f, and the gradients alike."""
        d, f = trace.d.swapaxes(1, 2), trace.gates[2]
        times = range(len(d))
        factors = [trace.factors[:, t % trace.ahead] for t in times]
        apart = [(factor[0], factor[1:4], factor[4]) for factor in factors]
        loop = products.gates_factor(trace.d, self.gates)
        return [(*apart[t], f[t], d[t, 0], d[t, 1:], loop[t]) for t in times]

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        multiply, u = products.multiplication(trace.batch), trace.u
        product = products.product(u, self.hidden_size)
        half = np.asarray(0.5, u.dtype)
        hidden = self.hidden_size
        trace.h[0], trace.c[0] = state[:, :hidden], state[:, hidden:]
        for times in self._stretches(p, trace):
            for h, h_after, c, c_after, tanh_c, a, oif, o, i, f, g in trace.forth[times]:
                multiply(h, w_h, product)
                np.add(a, u, a)
                _sigmoid(oif, half)
                np.tanh(g, g)
                np.multiply(f, c, c_after)
                np.multiply(i, g, tanh_c)
                np.add(c_after, tanh_c, c_after)
                np.tanh(c_after, tanh_c)
                np.multiply(o, tanh_c, h_after)
        trace.state[:, :hidden], trace.state[:, hidden:] = trace.h[-1], trace.c[-1]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Find what the gradient of h (for o, c) or c (for i, f, g) is multiplied with."""
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

    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        multiply, terms = products.multiplication(trace.batch), trace.terms
        product, back = trace.dh, _back(terms)
        dc, work = aligned_zeros(back.shape, back.dtype), aligned(back.shape, back.dtype)
        for times in reversed(trace.stretches):
            self._derive(trace, times)
            steps = zip(trace.back[times], dh[times], strict=True)
            for (f_o, f_ifg, f_c, f, d_o, d_ifg, loop), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, f_c, work)
                np.add(dc, work, dc)
                np.multiply(back, f_o, d_o)
                np.multiply(dc, f_ifg, d_ifg)
                np.multiply(dc, f, dc)
                multiply(loop, w_h, product)
                _sum(terms, back)

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        hidden = self.hidden_size
        a += state[:hidden].dot(_matrix(p[self.w_h])).reshape(a.shape)
        _sigmoid_of_few(a[:3])
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


def _back(terms: Array) -> Array:
    """Return zeros for the sum of *terms*, (N, B, H): the first of them where it is alone."""
    back = terms[0] if len(terms) == 1 else aligned(terms[0].shape, terms.dtype)
    back[...] = 0
    return back


def _sum(terms: Array, out: Array) -> None:
    """Add up *terms*, (N, B, H), into *out*, (B, H), which is the first where it is alone."""
    if len(terms) == 2:
        np.add(terms[0], terms[1], out)
    elif len(terms) > 2:
        np.add.reduce(terms, axis=0, out=out)


def _sigmoid_of_few(a: Array) -> None:
    """Turn a into 1 / (1 + exp(-a)), by way of tanh, as it cannot overflow."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5


CELLS: dict[str, type[Cell]] = {"rnn": Vanilla, "gru": GRU, "lstm": LSTM}
"""The cells by the names that users know them under."""
