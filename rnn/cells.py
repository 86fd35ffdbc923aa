"""The recurrent cells: the vanilla network, GRU and LSTM."""

from collections.abc import Iterator

import numpy as np

from rnnd.rnn import products, steppers
from rnnd.rnn.cell import Above, Cell, Trace, Views, matrix
from rnnd.rnn.parameters import Array, Parameters
from rnnd.rnn.steppers import Step


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


def sigmoids(a: Array, some: Array, rest: Array, half: Array) -> None:
    """Turn *some* of *a* as `sigmoid` does, and the *rest* into its tanh."""
    if products.AVX512:  # one call less
        np.tanh(a, a)
        np.multiply(some, half, some)
        np.add(some, half, some)
    else:
        sigmoid(some, half)
        np.tanh(rest, rest)


class Vanilla(Cell):
    """h = tanh(x w_x + h w_h + b): Elman, "Finding structure in time", 1990."""

    gates = 1
    derivatives = 1
    brief = 1
    passing = True

    def forth(self, trace: Trace) -> Views:
        """Return h before and after, and the input's part."""
        before = products.factor(trace.h)
        a = [trace.of_stretch(t)[0] for t in range(len(trace.outputs))]
        return list(zip(before, trace.outputs, a, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return tanh', and the gradient before it, as it is and as a factor."""
        loop = products.gates_factor(trace.gates[:-1], trace.d, 1)
        f = [trace.of_stretch(t)[0] for t in range(len(loop))]
        return list(zip(f, trace.d[:, :, 0], loop, strict=True))

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        multiply, add, tanh = products.multiplication(trace.batch), np.add, np.tanh
        u = trace.u[0]  # in the cache at each time, which h after is not
        product = products.product(trace.u, self.hidden_size)
        trace.h[0] = state
        for times in self._stretches(p, trace):
            for before, after, a in trace.forth[times]:
                multiply(before, w_h, product)
                add(u, a, u)
                tanh(u, after)
        trace.state[...] = trace.h[-1]

    def _backward(self, w_h: Array, trace: Trace, dh: Above) -> Iterator[slice]:
        matmul, add, multiply = products.multiplication(trace.batch), np.add, np.multiply
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        for times in reversed(trace.stretches):
            h, f = trace.outputs[times], trace.brief[: times.stop - times.start, 0]
            multiply(h, h, f)
            np.subtract(1, f, f)  # tanh' = 1 - tanh²
            steps = zip(reversed(trace.back[times]), dh(times)[::-1], strict=True)
            for (f, d, loop), above in steps:
                add(back, above, back)
                multiply(back, f, d)
                matmul(loop, w_h, product)  # what reaches the step before
            yield times

    def stepper(self, p: Parameters) -> Step:
        """Return `step` for weights that stay as they are."""
        return steppers.vanilla(p[self.w_x], p[self.w_h], p[self.b])

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
    more = 1
    brief = 1
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
        """Return h before as a factor and as it is, h after, z (h - n), and m, r, z, n apart.

        Before these come m, r and z together, and r and z.
        """
        gates = trace.gates
        before = products.factor(trace.h), trace.h
        part = (trace.of_stretch(t)[0] for t in range(len(trace.d)))
        together = gates[:, :3], gates[:, 1:3]
        apart = gates.swapaxes(0, 1)
        return list(zip(*before, trace.outputs, part, *together, *apart, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, which become gradients, z, a copy, and those of w_h as a factor."""
        gates, copy = trace.gates[:-1], trace.d.swapaxes(1, 2)
        loop = products.gates_factor(gates, trace.d, self.gates)
        return list(zip(gates, trace.more[:, 0], copy, loop, strict=True))

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        matmul, u = products.multiplication(trace.batch), trace.u
        add, multiply, subtract, tanh = np.add, np.multiply, np.subtract, np.tanh
        product = products.product(u, self.hidden_size)
        half = np.asarray(0.5, u.dtype)
        trace.h[0] = state
        for times in self._stretches(p, trace):
            trace.gates[times, 0] = p[self.b_m]
            for factor, before, after, part, mrz, rz, m, r, z, n in trace.forth[times]:
                matmul(factor, w_h, product)
                add(mrz, u, mrz)
                sigmoid(rz, half)
                multiply(r, m, after)
                add(n, after, n)
                tanh(n, n)  # n = tanh(… + r m)
                subtract(before, n, part)
                multiply(part, z, part)
                add(part, n, after)  # h = n + z (h - n)
            self._derive(trace, times)
        trace.state[...] = trace.h[-1]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Turn m, r, z and n into what the gradient of h is multiplied with to be theirs."""
        m, r, z, n = trace.gates[times].swapaxes(0, 1)
        part = trace.brief[: len(m), 0]  # z (h - n), with h from before
        trace.more[times, 0] = z
        np.subtract(1, z, out=z)
        np.multiply(n, n, out=n)
        np.subtract(1, n, out=n)
        n *= z  # (1 - z) (1 - n²)
        z *= part  # (h - n) z (1 - z)
        np.subtract(1, r, out=part)
        part *= m
        np.multiply(n, r, out=m)  # (1 - z) (1 - n²) r
        np.multiply(m, part, out=r)  # (1 - z) (1 - n²) r m (1 - r)

    def _backward(self, w_h: Array, trace: Trace, dh: Above) -> Iterator[slice]:
        matmul, sum_up = products.multiplication(trace.batch), trace.sum_up
        add, multiply = np.add, np.multiply
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        past, several = trace.terms[-1], trace.batch > 1
        for times in reversed(trace.stretches):
            steps = zip(reversed(trace.back[times]), dh(times)[::-1], strict=True)
            for (d, z, copy, loop), above in steps:
                add(back, above, back)
                multiply(back, z, past)
                multiply(back, d, d)
                if several:
                    copy[...] = d
                matmul(loop, w_h, product)
                sum_up()  # what reaches the step before, by way of the gates and past them
            yield times

    def backward(self, p: Parameters, trace: Trace, dh: Above, gradients: Parameters) -> None:
        """Write the gradients of the weights, given *dh*, that of the outputs."""
        super().backward(p, trace, dh, gradients)
        d_m = trace.d[:, :, 0].reshape(-1, self.hidden_size)
        np.matmul(np.ones(len(d_m), d_m.dtype), d_m, out=gradients[self.b_m])

    def stepper(self, p: Parameters) -> Step:
        """Return `step` for weights that stay as they are."""
        return steppers.gru(p[self.w_x], p[self.w_h], p[self.b], p[self.b_m])

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
    more = 2
    brief = 3
    sigmoids = (slice(0, 3), slice(0, 3))
    states = 2

    def initialise(self, p: Parameters, rng: np.random.Generator) -> None:
        """Draw the weights anew; a new cell remembers rather than forgets."""
        super().initialise(p, rng)
        p[self.b][2] = 1

    def forth(self, trace: Trace) -> Views:
        """Return h and c before and after, i g, f c, tanh(c), and the gates together and apart."""
        times = range(len(trace.d))
        h, c = (products.factor(trace.h), trace.outputs), trace.c
        cs = [c[t % 2] for t in times], [c[(t + 1) % 2] for t in times]
        brief = zip(*(trace.of_stretch(t) for t in times), strict=True)
        gates = trace.gates
        apart = (gates[:, gate] for gate in range(4))
        return list(zip(*h, *cs, *brief, gates, gates[:, :3], *apart, strict=False))

    def back(self, trace: Trace) -> Views:
        """Return the factors, of all, of o, and of i, f and g, which become gradients.

        Then that of c, f, the copy of the gradients, and these as a factor.
        """
        gates, more, copy = trace.gates[:-1], trace.more.swapaxes(0, 1), trace.d.swapaxes(1, 2)
        loop = products.gates_factor(gates, trace.d, self.gates)
        return list(zip(gates, gates[:, 0], gates[:, 1:], *more, copy, loop, strict=True))

    def _forward(self, p: Parameters, w_h: Array, state: Array, trace: Trace) -> None:
        matmul, u = products.multiplication(trace.batch), trace.u
        add, multiply, tanh = np.add, np.multiply, np.tanh
        product = products.product(u, self.hidden_size)
        half = np.asarray(0.5, u.dtype)
        hidden = self.hidden_size
        trace.h[0], trace.c[0] = state[:, :hidden], state[:, hidden:]
        for times in self._stretches(p, trace):
            for h, h_after, c, c_after, ig, fc, tanh_c, a, oif, o, i, f, g in trace.forth[times]:
                matmul(h, w_h, product)
                add(a, u, a)
                sigmoids(a, oif, g, half)
                multiply(i, g, ig)
                multiply(f, c, fc)
                add(fc, ig, c_after)  # c = f c + i g
                tanh(c_after, tanh_c)
                multiply(o, tanh_c, h_after)  # h = o tanh(c)
            self._derive(trace, times)
        trace.state[:, :hidden], trace.state[:, hidden:] = trace.h[-1], trace.c[len(trace.d) % 2]

    def _derive(self, trace: Trace, times: slice) -> None:
        """Turn the gates into what the gradient of h (for o) or c (for i, f, g) is multiplied with.

        Beside them comes what those of h and c are multiplied with to be c's, and c's before.
        """
        gates, h = trace.gates[times], trace.outputs[times]
        o, i, f, g = gates.swapaxes(0, 1)
        f_c, kept = trace.more[times].swapaxes(0, 1)
        ig, fc, tanh_c = trace.brief[: len(gates)].swapaxes(0, 1)
        np.multiply(h, tanh_c, out=f_c)
        np.subtract(o, f_c, out=f_c)  # o (1 - tanh²(c))
        kept[...] = f
        g *= ig
        np.subtract(i, g, out=g)  # i (1 - g²)
        sigmas = gates[:, :3].reshape(len(gates), -1)  # in two dimensions it takes half the time
        np.subtract(1, sigmas, out=sigmas)
        o *= h  # tanh(c) o (1 - o)
        i *= ig  # g i (1 - i)
        f *= fc  # c f (1 - f), with c from before

    def _backward(self, w_h: Array, trace: Trace, dh: Above) -> Iterator[slice]:
        matmul, sum_up = products.multiplication(trace.batch), trace.sum_up
        add, multiply = np.add, np.multiply
        product, back = trace.dh_before, trace.dh
        back[...] = 0  # from the step after, and so the whole gradient of h
        dc, work, several = trace.dc, trace.work, trace.batch > 1
        dc[...] = 0
        for times in reversed(trace.stretches):
            steps = zip(reversed(trace.back[times]), dh(times)[::-1], strict=True)
            for (d, d_o, d_ifg, f_c, f, copy, loop), above in steps:
                add(back, above, back)
                multiply(back, f_c, work)
                add(dc, work, dc)  # by way of h and from the step after
                multiply(back, d_o, d_o)
                multiply(dc, d_ifg, d_ifg)
                multiply(dc, f, dc)
                if several:
                    copy[...] = d
                matmul(loop, w_h, product)
                sum_up()
            yield times

    def stepper(self, p: Parameters) -> Step:
        """Return `step` for weights that stay as they are."""
        return steppers.lstm(p[self.w_x], p[self.w_h], p[self.b])

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
