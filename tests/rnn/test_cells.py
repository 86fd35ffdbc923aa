from collections.abc import Callable

import numpy as np
import pytest

from rnnd.rnn.cell import Cell
from rnnd.rnn.cells import CELLS
from rnnd.rnn.parameters import Array, Parameters

TIMES, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6


@pytest.fixture(params=sorted(CELLS))
def cell(request: pytest.FixtureRequest) -> Cell:
    return CELLS[request.param](INPUTS, HIDDEN, "cell")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def weights(cell: Cell, rng: np.random.Generator, dtype: type = np.float64) -> Parameters:
    p = Parameters(cell.shapes, dtype)
    p.vector[...] = rng.normal(0, 0.5, len(p.vector))
    return p


def windows(rng: np.random.Generator) -> tuple[Array, Array]:
    return rng.normal(size=(TIMES, BATCH, INPUTS)), rng.normal(size=(TIMES, BATCH, HIDDEN))


def test_the_weights_gradients_equal_finite_differences(
    cell: Cell, rng: np.random.Generator, slopes: Callable[..., Array]
) -> None:
    p, (x, dh) = weights(cell, rng), windows(rng)
    state = rng.normal(size=(BATCH, cell.state_size))
    gradients = p.zeros()

    cell.backward(p, cell.forward(p, x, state), dh.__getitem__, gradients)

    for name, values in p.items():
        expected = slopes(lambda: float(np.vdot(cell.forward(p, x, state).outputs, dh)), values)
        np.testing.assert_allclose(gradients[name], expected, atol=1e-8, rtol=1e-6, err_msg=name)


def test_the_inputs_gradient_equals_finite_differences(
    cell: Cell, rng: np.random.Generator, slopes: Callable[..., Array]
) -> None:
    p, (x, dh) = weights(cell, rng), windows(rng)
    state = rng.normal(size=(BATCH, cell.state_size))

    trace = cell.forward(p, x, state)
    cell.backward(p, trace, dh.__getitem__, p.zeros())
    dx = cell.input_gradient(p, trace)

    expected = slopes(lambda: float(np.vdot(cell.forward(p, x, state).outputs, dh)), x)
    np.testing.assert_allclose(dx, expected, atol=1e-8, rtol=1e-6)


def test_symbols_do_what_their_one_hot_vectors_would(cell: Cell, rng: np.random.Generator) -> None:
    p, (_, dh) = weights(cell, rng), windows(rng)
    symbols = rng.integers(0, INPUTS - 1, (TIMES, BATCH))  # the last symbol never comes
    state = np.zeros((BATCH, cell.state_size))
    by_symbol, by_vector = p.zeros(), p.zeros()
    by_symbol.vector[...] = by_vector.vector[...] = np.nan  # every gradient must be written

    gathered = cell.forward(p, symbols, state)
    multiplied = cell.forward(p, np.eye(INPUTS)[symbols], state)
    cell.backward(p, gathered, dh.__getitem__, by_symbol)
    cell.backward(p, multiplied, dh.__getitem__, by_vector)

    np.testing.assert_allclose(gathered.outputs, multiplied.outputs, atol=1e-12)
    np.testing.assert_allclose(by_symbol.vector, by_vector.vector, atol=1e-12)


@pytest.mark.parametrize("symbol", [-1, INPUTS])
def test_an_unknown_symbol_is_an_error(cell: Cell, rng: np.random.Generator, symbol: int) -> None:
    p, state = weights(cell, rng), np.zeros((1, cell.state_size))

    with pytest.raises(IndexError, match="symbol"):
        cell.forward(p, np.array([[symbol]]), state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_step_by_step_gives_the_states_of_the_whole_window(
    cell: Cell, rng: np.random.Generator, dtype: type
) -> None:
    p, x = weights(cell, rng, dtype), windows(rng)[0][:, :1].astype(dtype)
    state = rng.normal(size=(1, cell.state_size)).astype(dtype)

    trace = cell.forward(p, x, state)
    steps = []
    live = state[0]
    for vector in x[:, 0]:
        live = cell.step(p, vector, live)
        steps.append(live[:HIDDEN])

    precision = 20 * np.finfo(dtype).eps
    assert live.dtype == trace.outputs.dtype == dtype
    np.testing.assert_allclose(steps, trace.outputs[:, 0], atol=precision)
    np.testing.assert_allclose(live, trace.state[0], atol=precision)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strength", [1, 1000])
def test_a_stepper_takes_the_steps_of_its_cell(
    cell: Cell, rng: np.random.Generator, dtype: type, strength: int
) -> None:
    p, state = weights(cell, rng, dtype), np.zeros(cell.state_size, dtype)
    p.vector[...] *= strength
    step = cell.stepper(p)
    x = rng.normal(size=INPUTS).astype(dtype)

    by_symbol, by_vector = step(2, state), step(x, state)
    again = step(1, by_symbol)

    precision = 20 * np.finfo(dtype).eps
    assert by_symbol.dtype == by_vector.dtype == dtype
    np.testing.assert_allclose(by_symbol, cell.step(p, 2, state), atol=precision)
    np.testing.assert_allclose(by_vector, cell.step(p, x, state), atol=precision)
    np.testing.assert_allclose(again, cell.step(p, 1, by_symbol), atol=precision)
    assert not state.any()  # left as it was


def test_a_step_leaves_the_state_it_was_given_as_it_was(
    cell: Cell, rng: np.random.Generator
) -> None:
    p, state = weights(cell, rng), rng.normal(size=cell.state_size)
    before = state.copy()

    cell.step(p, 2, state)

    np.testing.assert_array_equal(state, before)


def test_a_window_cut_in_two_gives_the_same_states(cell: Cell, rng: np.random.Generator) -> None:
    p, (x, _) = weights(cell, rng), windows(rng)
    state = rng.normal(size=(BATCH, cell.state_size))

    whole = cell.forward(p, x, state)
    first = cell.forward(p, x[:2], state)
    second = cell.forward(p, x[2:], first.state)

    np.testing.assert_allclose(second.state, whole.state, atol=1e-12)
    np.testing.assert_allclose(second.outputs, whole.outputs[2:], atol=1e-12)


def test_a_trace_used_again_gives_what_a_new_one_gives(
    cell: Cell, rng: np.random.Generator
) -> None:
    p, (x, dh) = weights(cell, rng), windows(rng)
    state = rng.normal(size=(BATCH, cell.state_size))
    fresh, again = p.zeros(), p.zeros()
    cell.backward(p, cell.forward(p, x, state), dh.__getitem__, fresh)

    trace = cell.forward(p, 2 * x, -state)
    cell.backward(p, trace, (3 * dh).__getitem__, again)
    cell.backward(p, cell.forward(p, x, state, trace), dh.__getitem__, again)

    np.testing.assert_array_equal(again.vector, fresh.vector)


@pytest.mark.parametrize("batch", [1, BATCH])
@pytest.mark.parametrize("inputs", ["symbols", "vectors"])
def test_long_windows_are_done_in_stretches_that_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
    cell: Cell,
    rng: np.random.Generator,
    batch: int,
    inputs: str,
) -> None:
    p, (vectors, dh) = weights(cell, rng), windows(rng)
    symbols = rng.integers(0, INPUTS, (TIMES, batch))
    x = symbols if inputs == "symbols" else vectors[:, :batch]
    state = rng.normal(size=(batch, cell.state_size))
    whole, parts = p.zeros(), p.zeros()
    at_once = cell.forward(p, x, state)
    cell.backward(p, at_once, dh[:, :batch].__getitem__, whole)

    monkeypatch.setattr("rnnd.rnn.cell.AHEAD", 2 * batch * HIDDEN)  # two times in a stretch
    trace = cell.forward(p, x, state)
    cell.backward(p, trace, dh[:, :batch].__getitem__, parts)

    assert len(trace.stretches) == 3
    np.testing.assert_allclose(trace.outputs, at_once.outputs, atol=1e-12)
    np.testing.assert_allclose(trace.state, at_once.state, atol=1e-12)
    np.testing.assert_allclose(parts.vector, whole.vector, atol=1e-12)


def test_gates_shut_tight_do_not_overflow(cell: Cell, rng: np.random.Generator) -> None:
    p = weights(cell, rng, np.float32)
    p.vector[...] *= 1000
    x = np.full((2, 1, INPUTS), -1000, np.float32)
    state = np.zeros((1, cell.state_size), np.float32)

    trace = cell.forward(p, x, state)
    live = cell.step(p, x[0, 0], state[0])

    assert np.isfinite(trace.outputs).all()
    assert np.isfinite(live).all()


def test_fresh_weights_are_drawn_alike_from_the_same_seed(cell: Cell) -> None:
    first, second = Parameters(cell.shapes), Parameters(cell.shapes)

    cell.initialise(first, np.random.default_rng(7))
    cell.initialise(second, np.random.default_rng(7))

    np.testing.assert_array_equal(first.vector, second.vector)
    loop = first[cell.w_h][:, -1]
    np.testing.assert_allclose(loop.T @ loop, np.eye(HIDDEN), atol=1e-6)
