from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from rnnd.rnn.dropconnect import DropConnect
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.parameters import Array
from rnnd.rnn.training import Trainer

TIMES, BATCH, SYMBOLS = 4, 3, 5


def trainer(
    cell: Literal["rnn", "gru", "lstm"], layers: int = 1, hidden: int = 6, dtype: type = np.float64
) -> Trainer:
    network = Network(NetworkShape(cell, SYMBOLS, hidden, SYMBOLS, layers))
    return Trainer.alone(network, network.initial(np.random.default_rng(3), dtype), BATCH)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_gradients_of_thinned_weights_equal_finite_differences(
    cell: Literal["rnn", "gru", "lstm"], layers: int, slopes: Callable[..., Array]
) -> None:
    learner = trainer(cell, layers)
    rng = np.random.default_rng(4)
    x, targets = rng.integers(0, SYMBOLS, (2, TIMES, BATCH))
    start = rng.normal(size=learner.memory.shape)

    def loss() -> float:
        learner.memory[...] = start
        return learner.differentiate(x, targets, 0.3, np.random.default_rng(5), dropconnect=0.4)

    loss()
    found = learner.gradients.vector.copy()

    np.testing.assert_allclose(found, slopes(loss, learner.weights.vector), atol=1e-8, rtol=1e-5)


def test_recurrent_weights_alone_are_left_out_in_their_share_and_the_mean_stays() -> None:
    learner = trainer("gru", hidden=100, dtype=np.float32)
    weights = learner.weights
    before = weights.vector.copy()

    thinned = DropConnect(learner.network, weights).draw(0.25, np.random.default_rng(0))

    kept = thinned["layer0.w_h"] / weights["layer0.w_h"]
    assert np.mean(kept == 0) == pytest.approx(0.25, abs=0.01)
    assert kept.mean() == pytest.approx(1, abs=0.02)
    for name in weights.keys() - {"layer0.w_h"}:
        np.testing.assert_array_equal(thinned[name], weights[name])
    np.testing.assert_array_equal(weights.vector, before)


def test_a_weight_left_out_learns_nothing() -> None:
    learner = trainer("lstm")
    x = np.arange(TIMES * BATCH).reshape(TIMES, BATCH) % SYMBOLS
    learner.memory[...] = 0.5

    learner.differentiate(x, (x + 1) % SYMBOLS, rng=np.random.default_rng(1), dropconnect=0.5)

    thinned = DropConnect(learner.network, learner.weights).draw(0.5, np.random.default_rng(1))
    left_out = thinned["layer0.w_h"] == 0
    np.testing.assert_array_equal(learner.gradients["layer0.w_h"] == 0, left_out)


def test_other_weights_are_left_out_at_the_next_draw() -> None:
    learner = trainer("rnn", hidden=50)
    rng = np.random.default_rng(0)
    dropconnect = DropConnect(learner.network, learner.weights)

    first = dropconnect.draw(0.5, rng)["layer0.w_h"].copy()
    second = dropconnect.draw(0.5, rng)["layer0.w_h"]

    assert np.mean((first == 0) == (second == 0)) == pytest.approx(0.5, abs=0.05)


def test_the_largest_share_leaves_something() -> None:
    learner = trainer("rnn", hidden=50)

    thinned = DropConnect(learner.network, learner.weights).draw(1.0, np.random.default_rng(0))

    assert np.any(thinned["layer0.w_h"])
    assert np.all(np.isfinite(thinned.vector))
