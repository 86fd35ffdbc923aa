"""The recurrent cells: the vanilla network, GRU and LSTM."""

from collections.abc import Callable

import numpy as np

from rnnd.rnn import products
from rnnd.rnn.cell import Cell, Trace, Views, matrix
from rnnd.rnn.parameters import Array, Parameters, aligned


def sigmoid(a: Array, half: Array) -> None:
    """Turn a / 2 or, without AVX-512, -a into 1 / (1 + exp(-a)); *half* is 0.5, as precise as *a*.

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


def add_up(terms: Array, out: Array) -> None:
    """Add up *terms*, (N, B, H), into *out*, (B, H), which is the first where it is alone."""
    if len(terms) == 2:
        np.add(terms[0], terms[1], out)
    elif len(terms) > 2:
        np.add.reduce(terms, axis=0, out=out)


class Vanilla(Cell):
    """h = tanh(x w_x + h w_h + b): Elman, "Finding structure in time", 1990."""

    gates = 1
    derivatives = 1
    factors = 1

    def forth(self, trace: Trace) -> Views:
        """Return h before, h after as a product and as it is, and the input's part."""
        after = products.product(trace.outputs[:, None], self.hidden_size)
        before = products.factor(trace.h)
        return list(zip(before, after, trace.outputs, trace.gates[:, 0], strict=False))

    def back(self, trace: Trace) -> Views:
        """Return tanh', and the gradient before it, as it is and as a factor."""
        d = trace.d
        factors = (trace.factors[t % trace.ahead, 0] for t in range(len(d)))
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
        multiply = products.multiplication(trace.batch)
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        for times in reversed(trace.stretches):
            h = trace.outputs[times]
            f = trace.factors[: len(h), 0]
            np.multiply(h, h, f)
            np.subtract(1, f, f)  # tanh' = 1 - tanh²
            steps = zip(trace.back[times], dh[times], strict=True)
            for (f, d, factor), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, f, d)
                multiply(factor, w_h, product)

    def _advance(self, w_h: Array) -> Callable[[Array, Array], Array]:
        add, tanh = np.add, np.tanh

        def advance(a: Array, state: Array) -> Array:
            h: Array = state.dot(w_h)
            add(h, a, h)
            return tanh(h, h)

        return advance

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        h: Array = a[0]
        h += state.dot(matrix(p[self.w_h]))
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
        r, z, n, m = trace.gates.swapaxes(0, 1)
        before, rz = (products.factor(trace.h), trace.h), trace.gates[:, :2]
        return list(zip(*before, trace.outputs, m, rz, r, z, n, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, z, and the gradients: all, and those of w_h as a factor."""
        d = trace.d
        factors = (trace.factors[t % trace.ahead] for t in range(len(d)))
        loop = products.gates_factor(d, self.gates)
        return list(zip(factors, trace.gates[:, 1], d.swapaxes(1, 2), loop, strict=True))

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
                sigmoid(rz, half)
                np.multiply(r, m, after)
                np.add(n, after, n)
                np.tanh(n, n)
                np.subtract(before, n, after)
                np.multiply(after, z, after)
                np.add(after, n, after)
        trace.state[...] = trace.h[-1]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Find what the gradient of h is multiplied with to be that of m, r, z and n."""
        r, z, n, m = trace.gates[times].swapaxes(0, 1)
        f_m, f_r, f_z, f_n = trace.factors[: len(n)].swapaxes(0, 1)
        np.subtract(1, z, out=f_r)
        np.subtract(trace.outputs[times], n, out=f_z)
        f_z *= f_r  # (h - n) z (1 - z), with h from before
        np.multiply(n, n, out=f_n)
        np.subtract(1, f_n, out=f_n)
        f_n *= f_r  # (1 - z) (1 - n²)
        np.multiply(f_n, r, out=f_m)
        np.subtract(1, r, out=f_r)
        f_r *= f_m
        f_r *= m  # (1 - z) (1 - n²) m r (1 - r)

    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        multiply, terms = products.multiplication(trace.batch), trace.terms
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        past = terms[-1]
        for times in reversed(trace.stretches):
            self._derive(trace, times)
            steps = zip(trace.back[times], dh[times], strict=True)
            for (factors, z, d, loop), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, z, past)
                np.multiply(back, factors, d)
                multiply(loop, w_h, product)
                add_up(terms, back)

    def backward(self, p: Parameters, trace: Trace, dh: Array, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs, (T, B, H)."""
        super().backward(p, trace, dh, gradients)
        d_m = trace.d[:, :, 0].reshape(-1, self.hidden_size)
        np.matmul(np.ones(len(d_m), d_m.dtype), d_m, out=gradients[self.b_m])

    def _ready(self, p: Parameters, a: Array) -> tuple[Array, Array]:
        hidden = self.hidden_size
        return np.concatenate([p[self.b_m], a[: 2 * hidden]]), a[2 * hidden :].copy()

    def _advance(self, w_h: Array) -> Callable[[tuple[Array, Array], Array], Array]:
        add, subtract, divide, exp, tanh = np.add, np.subtract, np.divide, np.exp, np.tanh
        u, one = aligned(w_h.shape[1], w_h.dtype), np.ones((), w_h.dtype)
        (m, r, z), rz = u.reshape(3, -1), u[self.hidden_size :]

        def advance(a: tuple[Array, Array], state: Array) -> Array:
            loop, n = a
            state.dot(w_h, u)
            add(u, loop, u)
            exp(rz, rz)
            add(rz, one, rz)  # the reciprocals of r and z
            divide(m, r, m)
            add(m, n, m)
            tanh(m, m)  # the candidate
            h: Array = subtract(state, m)
            divide(h, z, h)
            return add(h, m, h)

        return advance

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        u = state.dot(matrix(p[self.w_h])).reshape(a.shape)
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
        gates = trace.gates
        apart = (gates[:, gate] for gate in range(4))
        return list(zip(*h, *c, trace.inner, gates, gates[:, :3], *apart, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, of o, of i, f and g, and of c, f, and the gradients alike."""
        d, f = trace.d.swapaxes(1, 2), trace.gates[:, 2]
        times = range(len(d))
        factors = [trace.factors[t % trace.ahead] for t in times]
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
                sigmoid(oif, half)
                np.tanh(g, g)
                np.multiply(f, c, c_after)
                np.multiply(i, g, tanh_c)
                np.add(c_after, tanh_c, c_after)
                np.tanh(c_after, tanh_c)
                np.multiply(o, tanh_c, h_after)
        trace.state[:, :hidden], trace.state[:, hidden:] = trace.h[-1], trace.c[-1]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Find what the gradient of h (for o, c) or c (for i, f, g) is multiplied with."""
        gates = trace.gates[times]
        factors = trace.factors[: len(gates)]
        o, i, f, g = gates.swapaxes(0, 1)
        f_o, f_i, f_f, f_g, f_c = factors.swapaxes(0, 1)
        np.multiply(i, g, out=f_c)
        np.subtract(1, gates[:, :3], out=factors[:, :3])
        np.multiply(f_c, g, out=f_g)
        np.subtract(i, f_g, out=f_g)  # i (1 - g²)
        f_i *= f_c  # g i (1 - i)
        f_f *= f
        f_f *= trace.c[:-1][times]  # c f (1 - f)
        h = trace.outputs[times]
        f_o *= h  # tanh(c) o (1 - o)
        np.multiply(h, trace.inner[times], out=f_c)
        np.subtract(o, f_c, out=f_c)  # o (1 - tanh²(c))

    def _backward(self, w_h: Array, trace: Trace, dh: Array) -> None:
        multiply, terms = products.multiplication(trace.batch), trace.terms
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        dc, work = trace.dc, trace.work
        dc[...] = 0
        for times in reversed(trace.stretches):
            self._derive(trace, times)
            steps = zip(trace.back[times], dh[times], strict=True)
            for (f_o, f_ifg, f_c, f, d_o, d_ifg, loop), above in reversed(list(steps)):
                np.add(back, above, back)
                np.multiply(back, f_c, work)
                np.add(dc, work, dc)
                np.multiply(dc, f, work)
                np.multiply(back, f_o, d_o)
                np.multiply(dc, f_ifg, d_ifg)
                dc, work = work, dc
                multiply(loop, w_h, product)
                add_up(terms, back)

    def _advance(self, w_h: Array) -> Callable[[Array, Array], Array]:
        add, divide, exp, tanh, like = np.add, np.divide, np.exp, np.tanh, np.empty_like
        u, one = aligned(w_h.shape[1], w_h.dtype), np.ones((), w_h.dtype)
        hidden = self.hidden_size
        (o, i, f, g), oif = u.reshape(4, -1), u[: 3 * hidden]

        def advance(a: Array, state: Array) -> Array:
            state[:hidden].dot(w_h, u)
            add(u, a, u)
            exp(oif, oif)
            add(oif, one, oif)  # the reciprocals of o, i and f
            tanh(g, g)
            divide(g, i, g)
            after = like(state)
            c = after[hidden:]
            divide(state[hidden:], f, c)
            add(c, g, c)
            tanh(c, g)
            divide(g, o, after[:hidden])
            return after

        return advance

    def _step(self, p: Parameters, a: Array, state: Array) -> Array:
        hidden = self.hidden_size
        a += state[:hidden].dot(matrix(p[self.w_h])).reshape(a.shape)
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


def _sigmoid_of_few(a: Array) -> None:
    """Turn a into 1 / (1 + exp(-a)), by way of tanh, as it cannot overflow."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5


CELLS: dict[str, type[Cell]] = {"rnn": Vanilla, "gru": GRU, "lstm": LSTM}
"""The cells by the names that users know them under."""
