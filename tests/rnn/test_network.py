from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.parameters import Array, Parameters

TIMES, BATCH = 4, 3
CellName = Literal["rnn", "gru", "lstm"]


@pytest.fixture(params=["rnn", "gru", "lstm"])
def cell(request: pytest.FixtureRequest) -> CellName:
    name: CellName = request.param
    return name


def network(cell: CellName, layers: int) -> tuple[Network, Parameters, np.random.Generator]:
    rng = np.random.default_rng(3)
    net = Network(NetworkShape(cell, input_size=5, hidden_size=6, output_size=5, layers=layers))
    return net, net.initial(rng, np.float64), rng


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_gradients_of_all_layers_equal_finite_differences(
    cell: CellName, layers: int, slopes: Callable[..., Array]
) -> None:
    net, p, rng = network(cell, layers)
    x, targets = rng.integers(0, 5, (TIMES, BATCH)), rng.integers(0, 5, TIMES * BATCH)
    state = rng.normal(size=(BATCH, net.state_size))
    gradients = p.zeros()

    def loss() -> float:
        return cross_entropy(net.forward(p, x, state).logits.reshape(-1, 5), targets)

    tape = net.forward(p, x, state)
    cross_entropy(tape.logits.reshape(-1, 5), targets)
    net.backward(p, tape, tape.logits, gradients)

    np.testing.assert_allclose(gradients.vector, slopes(loss, p.vector), atol=1e-8, rtol=1e-5)


def test_the_gradients_under_dropout_equal_finite_differences(
    cell: CellName, slopes: Callable[..., Array]
) -> None:
    net, p, rng = network(cell, 2)
    x, targets = rng.integers(0, 5, (TIMES, BATCH)), rng.integers(0, 5, TIMES * BATCH)
    state, gradients = net.zero_state(BATCH, dtype=np.float64), p.zeros()
    tape = net.tape(TIMES, BATCH, np.float64)

    def loss() -> float:
        net.forward_dropout(p, x, state, tape, 0.4, np.random.default_rng(5))
        return cross_entropy(tape.logits.reshape(-1, 5), targets)

    loss()
    net.backward(p, tape, tape.logits, gradients)

    np.testing.assert_allclose(gradients.vector, slopes(loss, p.vector), atol=1e-8, rtol=1e-5)


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    net = Network(NetworkShape("rnn", 5, 400, 5))
    tape = net.tape(1, 50)
    p = net.initial(np.random.default_rng(0))

    net.forward_dropout(
        p, np.zeros((1, 50), int), net.zero_state(50), tape, 0.25, np.random.default_rng(0)
    )

    (mask,) = tape.masks
    assert np.mean(mask == 0) == pytest.approx(0.25, abs=0.01)
    assert mask.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("layers", [1, 2])
def test_step_by_step_gives_the_logits_of_the_whole_window(cell: CellName, layers: int) -> None:
    net, p, rng = network(cell, layers)
    x = rng.integers(0, 5, (TIMES, 1))
    state = rng.normal(size=(1, net.state_size))

    tape = net.forward(p, x, state)
    for step in (lambda x, state: net.step(p, x, state), net.stepper(p)):
        live, logits = state[0], []
        for symbol in x[:, 0]:
            answer, live = step(int(symbol), live)
            logits.append(answer)

        np.testing.assert_allclose(logits, tape.logits[:, 0], atol=1e-12)
        np.testing.assert_allclose(live, tape.state[0], atol=1e-12)


def test_streams_of_a_batch_do_not_see_each_other(cell: CellName) -> None:
    net, p, rng = network(cell, 2)
    x = rng.integers(0, 5, (TIMES, BATCH))
    changed = x.copy()
    changed[:, 0] = (changed[:, 0] + 1) % 5
    state = net.zero_state(BATCH, dtype=np.float64)

    before = net.forward(p, x, state).logits
    after = net.forward(p, changed, state).logits

    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])
    assert not np.array_equal(after[:, 0], before[:, 0])
