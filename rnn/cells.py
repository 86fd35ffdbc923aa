"""The recurrent cells: the vanilla network, GRU and LSTM, over whole windows and step by step.

A cell describes a layer and holds no numbers: weights are an argument, and so is the state of the
stream, which is also a result. An input is an array of vectors or, for one-hot vectors, an array of
the symbols' indices: then rows of the input weights are gathered, and nothing is multiplied.

`forward` runs over a window of T times and a batch of B streams and leaves a trace; `backward`
follows the trace back and stops at the start of the window (truncated back-propagation through
time: Williams & Peng, "An efficient gradient-based algorithm for on-line training of recurrent
network trajectories", 1990). Three ideas make both fast on a processor core:

- what needs no state is done for all times at once: the input's part of the gates before the loop,
  the derivatives of all gates after it, the gradients of all weights after the way back;
- all gates of a step come from one product;
- a trace's arrays are made once and used for every window of its size.

Shapes: T times, B streams, I inputs, H hidden units, G gates of H units each.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn.linear import sum_rows
from rnnd.rnn.parameters import Array, Indices, Parameters, glorot, is_indices, orthogonal


class Trace:
    """What `forward` leaves of a window: the hidden states, and what `backward` needs.

    *h* holds the hidden states, of shape (T + 1, B, H), where h[0] is that before the window;
    *state* is the whole state after it, of shape (B, S).
    """

    def __init__(self, cell: "Cell", times: int, batch: int, dtype: DTypeLike) -> None:
        hidden = cell.hidden_size

        def array(*blocks: int) -> Array:
            return np.empty((times, batch, *blocks), dtype)

        self.x: Array | Indices = np.empty(0, np.intp)
        self.h: Array = np.zeros((times + 1, batch, hidden), dtype)
        self.c: Array = np.zeros(
            (times + 1, batch, hidden if cell.state_size > hidden else 0), dtype
        )
        self.state: Array = np.zeros((batch, cell.state_size), dtype)
        self.gates = array(cell.gates * hidden)  # before the loop the input's part of them
        self.recurrent = array(cell.gates * hidden)  # GRU: the hidden state's part of the gates
        self.extra = array(hidden)  # LSTM: tanh(c)
        self.factors = array(cell.factors * hidden)
        self.d = array(cell.factors * hidden)  # the gradients before each gate's non-linearity

    @property
    def outputs(self) -> Array:
        """The hidden states after each time, of shape (T, B, H)."""
        return self.h[1:]


class Cell(ABC):
    """A recurrent layer; its parameters are *name*.w_x, *name*.w_h and *name*.b."""

    gates: ClassVar[int]
    """The hidden units of a step times this are the columns of w_x and w_h."""
    factors: ClassVar[int]
    """Blocks of derivatives kept for the way back."""
    states: ClassVar[int] = 1
    """Blocks of H numbers in the state, of which the first is the hidden state."""

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_size = self.states * hidden_size
        self.w_x, self.w_h, self.b = f"{name}.w_x", f"{name}.w_h", f"{name}.b"
        columns = self.gates * hidden_size
        self.shapes: dict[str, tuple[int, ...]] = {
            self.w_x: (input_size, columns),
            self.w_h: (hidden_size, columns),
            self.b: (columns,),
        }

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew: Glorot's for the input, a rotation for each gate's own loop."""
        hidden = self.hidden_size
        p[self.w_x] = np.hstack([glorot(rng, self.input_size, hidden) for _ in range(self.gates)])
        p[self.w_h] = np.hstack([orthogonal(rng, hidden) for _ in range(self.gates)])
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
        self._project(p, x, trace.gates)
        with np.errstate(over="ignore"):  # exp of a gate shut tight; 1 / (1 + inf) is right
            self._forward(p, state, trace)
        return trace

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H).

        What *gradients* held under these names before is overwritten.
        """
        self._derive(trace)
        self._backward(p, trace, dh)
        hidden, columns = self.hidden_size, self.gates * self.hidden_size
        d = trace.d.reshape(-1, self.factors * hidden)
        rows = trace.h[:-1].reshape(-1, hidden)
        np.matmul(rows.T, d[:, :columns], out=gradients[self.w_h])
        d = d[:, -columns:]
        if is_indices(trace.x):
            sum_rows(trace.x.ravel(), d, gradients[self.w_x])
            np.sum(gradients[self.w_x], axis=0, out=gradients[self.b])
        else:
            np.matmul(trace.x.reshape(len(d), -1).T, d, out=gradients[self.w_x])
            np.matmul(np.ones(len(d), d.dtype), d, out=gradients[self.b])

    def input_gradient(self, p: Parameters, trace: Trace) -> Array:
        """Return the gradient of the input vectors, (T, B, I), after `backward`."""
        d = trace.d[..., -self.gates * self.hidden_size :]
        dx: Array = np.matmul(d, p[self.w_x].T)
        return dx

    def step(self, p: Parameters, x: Array | int, state: Array) -> Array:
        """Return the state, of shape (S,), after one more vector or, if *x* is an int, symbol.

        The first H numbers of the state are the hidden state.
        """
        w_x = p[self.w_x]
        a = w_x[x] + p[self.b] if isinstance(x, int) else np.matmul(x, w_x) + p[self.b]
        with np.errstate(over="ignore"):
            return self._step(p, a, state)

    def _project(self, p: Parameters, x: Array | Indices, out: Array) -> None:
        """Write the input's part of all gates at all times: x w_x + b."""
        w_x, b = p[self.w_x], p[self.b]
        if is_indices(x):
            if x.size and not 0 <= x.min() <= x.max() < self.input_size:
                raise IndexError(f"symbol {x.max()} where 0 to {self.input_size - 1} was expected")
            np.take(w_x + b, x, axis=0, out=out, mode="clip")
        else:
            np.matmul(x, w_x, out=out)
            out += b

    @abstractmethod
    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        """Fill h, c, state and gates of *trace*, whose gates hold the input's part of them."""

    @abstractmethod
    def _derive(self, trace: Trace) -> None:
        """Write into *trace*.factors what the gradients are multiplied with, for all times."""

    @abstractmethod
    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        """Write into *trace*.d the gradients before the non-linearities, last time first."""

    @abstractmethod
    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        """Return the next state, given the input's part of the gates, which may be overwritten."""


def sigmoid(a: Array, out: Array) -> Array:
    """Write 1 / (1 + exp(-a)) into *out*: faster than the way through tanh."""
    np.negative(a, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


class Vanilla(Cell):
    """h = tanh(x w_x + h w_h + b): Elman, "Finding structure in time", 1990."""

    gates = 1
    factors = 1

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        w_h = p[self.w_h]
        h = trace.h
        h[0] = state
        for t, a in enumerate(trace.gates):
            np.matmul(h[t], w_h, out=h[t + 1])
            h[t + 1] += a
            np.tanh(h[t + 1], out=h[t + 1])
        trace.state[...] = h[-1]

    def _derive(self, trace: Trace) -> None:
        h = trace.outputs
        np.multiply(h, h, out=trace.factors)
        np.subtract(1, trace.factors, out=trace.factors)  # tanh' = 1 - tanh²

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        w_h = p[self.w_h].T
        d, factors = trace.d, trace.factors
        np.multiply(dh[-1], factors[-1], out=d[-1])
        for t in range(len(d) - 2, -1, -1):
            np.matmul(d[t + 1], w_h, out=d[t])
            d[t] += dh[t]
            d[t] *= factors[t]

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        a += np.matmul(state, p[self.w_h])
        return np.tanh(a, out=a)


class GRU(Cell):
    """The gated recurrent unit: Cho et al., "Learning phrase representations using RNN…", 2014.

    In the form that needs one product a step (the one of cuDNN and PyTorch), gates r, z, n:

        r = σ(x w_xr + b_r + h w_hr)        reset
        z = σ(x w_xz + b_z + h w_hz)        update
        n = tanh(x w_xn + b_n + r m),  m = h w_hn + b_m
        h = (1 - z) n + z h

    The columns of w_x and b are r, z, n; those of w_h are n, r, z. So the gradients before the
    non-linearities, laid out as m, r, z, n, serve both without a copy: the first three blocks are
    those of w_h, the last three those of w_x.
    """

    gates = 3
    factors = 4

    def __init__(self, input_size: int, hidden_size: int, name: str) -> None:
        super().__init__(input_size, hidden_size, name)
        self.b_m = f"{name}.b_m"
        self.shapes[self.b_m] = (hidden_size,)

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; both biases begin at zero."""
        super().initialise(p, rng)
        p[self.b_m] = 0

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        hidden = self.hidden_size
        w_h, b_m = p[self.w_h], p[self.b_m]
        h = trace.h
        h[0] = state
        for t, (a, u) in enumerate(zip(trace.gates, trace.recurrent, strict=True)):
            np.matmul(h[t], w_h, out=u)
            m, rz = u[:, :hidden], u[:, hidden:]
            m += b_m
            gates, n = a[:, : 2 * hidden], a[:, 2 * hidden :]
            gates += rz
            sigmoid(gates, out=gates)
            r, z = gates[:, :hidden], gates[:, hidden:]
            n += np.multiply(r, m, out=h[t + 1])
            np.tanh(n, out=n)
            np.subtract(h[t], n, out=h[t + 1])
            h[t + 1] *= z
            h[t + 1] += n
        trace.state[...] = h[-1]

    def _derive(self, trace: Trace) -> None:
        hidden = self.hidden_size
        r, z, n = (trace.gates[..., i * hidden : (i + 1) * hidden] for i in range(3))
        f_m, f_r, f_z, f_n = (trace.factors[..., i * hidden : (i + 1) * hidden] for i in range(4))
        m, one_less, product = (
            trace.recurrent[..., i * hidden : (i + 1) * hidden] for i in range(3)
        )
        np.subtract(1, z, out=one_less)  # n's: (1 - z)(1 - n²)
        np.multiply(n, n, out=product)
        np.subtract(1, product, out=product)
        np.multiply(one_less, product, out=f_n)
        np.multiply(f_n, r, out=f_m)
        np.subtract(trace.h[:-1], n, out=product)  # z's: (h - n) z (1 - z)
        product *= z
        np.multiply(product, one_less, out=f_z)
        np.subtract(1, r, out=one_less)  # r's: n's, times m r (1 - r)
        np.multiply(f_m, one_less, out=f_r)
        f_r *= m

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        hidden, batch = self.hidden_size, dh.shape[1]
        w_h = p[self.w_h].T
        z = trace.gates[..., hidden : 2 * hidden]
        shape = (len(dh), batch, 4, hidden)
        blocks, factors = trace.d.reshape(shape), trace.factors.reshape(shape)
        back = np.zeros_like(dh[0])  # from the step after, and so the whole gradient of h
        through = np.zeros_like(back)
        for t in range(len(dh) - 1, -1, -1):
            back += dh[t]
            np.multiply(back[:, None], factors[t], out=blocks[t])
            np.multiply(back, z[t], out=through)
            np.matmul(trace.d[t, :, : 3 * hidden], w_h, out=back)
            back += through

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H)."""
        super().backward(p, trace, dh, gradients)
        np.sum(trace.d[..., : self.hidden_size], axis=(0, 1), out=gradients[self.b_m])

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        hidden = self.hidden_size
        u = np.matmul(state, p[self.w_h])
        gates = a[: 2 * hidden]
        gates += u[hidden:]
        sigmoid(gates, out=gates)
        m = u[:hidden]
        m += p[self.b_m]
        m *= gates[:hidden]
        n = a[2 * hidden :]
        n += m
        np.tanh(n, out=n)
        h = np.subtract(state, n)
        h *= gates[hidden:]
        h += n
        return h


class LSTM(Cell):
    """Long short-term memory: Hochreiter & Schmidhuber, 1997, with forget gates (Gers et al. 2000).

        i, f, o = σ(x w_x + h w_h + b)      input, forget, output
        g = tanh(x w_xg + h w_hg + b_g)
        c = f c + i g
        h = o tanh(c)

    The columns of the weights are i, f, g, o. The state is h and c side by side. The forget gate's
    bias begins at 1 (Jozefowicz, Zaremba & Sutskever, "An empirical exploration of recurrent
    network architectures", 2015).
    """

    gates = 4
    factors = 4
    states = 2

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; a new cell remembers rather than forgets."""
        super().initialise(p, rng)
        p[self.b][self.hidden_size : 2 * self.hidden_size] = 1

    def _forward(self, p: Parameters, state: Array, trace: Trace) -> None:
        hidden = self.hidden_size
        w_h = p[self.w_h]
        h, c, tanh_c = trace.h, trace.c, trace.extra
        h[0], c[0] = state[:, :hidden], state[:, hidden:]
        u = np.empty_like(trace.gates[0])
        for t, a in enumerate(trace.gates):
            a += np.matmul(h[t], w_h, out=u)
            i, f, g, o = (a[:, k * hidden : (k + 1) * hidden] for k in range(4))
            sigmoid(a[:, : 2 * hidden], out=a[:, : 2 * hidden])
            np.tanh(g, out=g)
            sigmoid(o, out=o)
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += np.multiply(i, g, out=h[t + 1])
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=h[t + 1])
        trace.state[:, :hidden], trace.state[:, hidden:] = h[-1], c[-1]

    def _derive(self, trace: Trace) -> None:
        hidden = self.hidden_size
        i, f, g, o = (trace.gates[..., k * hidden : (k + 1) * hidden] for k in range(4))
        f_i, f_f, f_g, f_o = (trace.factors[..., k * hidden : (k + 1) * hidden] for k in range(4))
        np.subtract(1, trace.gates, out=trace.factors)
        f_i *= i
        f_i *= g
        f_f *= f
        f_f *= trace.c[:-1]
        np.multiply(g, g, out=f_g)
        np.subtract(1, f_g, out=f_g)
        f_g *= i
        f_o *= o
        f_o *= trace.extra
        tanh_c = trace.extra  # becomes what a gradient of h is multiplied with to reach c
        np.multiply(tanh_c, tanh_c, out=tanh_c)
        np.subtract(1, tanh_c, out=tanh_c)
        tanh_c *= o

    def _backward(self, p: Parameters, trace: Trace, dh: Array) -> None:
        hidden, batch = self.hidden_size, dh.shape[1]
        w_h = p[self.w_h].T
        f = trace.gates[..., hidden : 2 * hidden]
        shape = (len(dh), batch, 4, hidden)
        blocks, factors = trace.d.reshape(shape), trace.factors.reshape(shape)
        back, dc = np.zeros_like(dh[0]), np.zeros_like(dh[0])
        through = np.zeros_like(back)
        for t in range(len(dh) - 1, -1, -1):
            back += dh[t]
            dc += np.multiply(back, trace.extra[t], out=through)
            np.multiply(dc[:, None], factors[t, :, :3], out=blocks[t, :, :3])
            np.multiply(back, factors[t, :, 3], out=blocks[t, :, 3])
            dc *= f[t]
            np.matmul(trace.d[t], w_h, out=back)

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        hidden = self.hidden_size
        a += np.matmul(state[:hidden], p[self.w_h])
        g = np.tanh(a[2 * hidden : 3 * hidden])
        sigmoid(a, out=a)
        after = np.empty_like(state)
        h, c = after[:hidden], after[hidden:]
        np.multiply(a[hidden : 2 * hidden], state[hidden:], out=c)
        g *= a[:hidden]
        c += g
        np.tanh(c, out=h)
        h *= a[3 * hidden :]
        return after


CELLS: dict[str, type[Cell]] = {"rnn": Vanilla, "gru": GRU, "lstm": LSTM}
"""The cells by the names that users know them under."""
