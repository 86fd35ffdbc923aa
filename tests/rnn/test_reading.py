import numpy as np

from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.reading import SymbolReader


def test_reading_forecasts_as_the_network_does() -> None:
    rng = np.random.default_rng(0)
    network = Network(NetworkShape("gru", 11, 8, 11))
    weights = network.initial(rng)
    weights.vector[...] = rng.normal(0, 0.5, weights.vector.shape)
    x, h = rng.integers(11, size=(6, 3)), rng.normal(size=(3, 8)).astype(np.float32)
    reader = SymbolReader(network)

    reader.take(weights)
    states = reader.states(x, h)
    log_p = reader.log_probabilities(states[1:].reshape(-1, 8)).reshape(6, 3, 11)

    tape = network.forward(weights, x, h)
    np.testing.assert_allclose(states, tape.traces[0].h, atol=1e-5)
    logits = tape.logits - tape.logits.max(axis=2, keepdims=True)
    expected = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(log_p, expected, atol=1e-5)


def test_weights_that_change_are_read_only_when_they_are_taken() -> None:
    network = Network(NetworkShape("gru", 5, 4, 5))
    weights = network.initial(np.random.default_rng(0))
    reader = SymbolReader(network)
    reader.take(weights)
    x, h = np.array([[1], [2]]), np.zeros((1, 4), np.float32)
    before = reader.states(x, h)

    weights.vector[...] = 0

    assert np.array_equal(reader.states(x, h), before)
    reader.take(weights)
    assert not reader.states(x, h).any()
