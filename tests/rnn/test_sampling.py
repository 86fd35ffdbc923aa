from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.parameters import Array
from rnnd.rnn.sampling import Soft, hard, read, write

PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])


def frequencies(choose: Soft, draws: int = 6_000) -> Array:
    logits = np.log(PROBABILITIES)
    return np.bincount([choose(logits) for _ in range(draws)], minlength=4) / draws


def test_hard_choice_is_the_most_probable() -> None:
    assert hard(np.array([0.1, 0.7, 0.2])) == 1


def test_soft_choice_follows_the_distribution() -> None:
    drawn = frequencies(Soft(np.random.default_rng(0)))

    np.testing.assert_allclose(drawn, PROBABILITIES, atol=0.025)


def test_a_temperature_is_a_power_of_the_distribution() -> None:
    drawn = frequencies(Soft(np.random.default_rng(0), temperature=0.5))

    expected = PROBABILITIES**2 / np.sum(PROBABILITIES**2)
    np.testing.assert_allclose(drawn, expected, atol=0.025)


@pytest.mark.parametrize(("top_p", "kept"), [(0.4, 1), (0.5, 1), (0.6, 2), (0.81, 3), (1.0, 4)])
def test_top_p_draws_from_as_few_symbols_as_have_that_probability(top_p: float, kept: int) -> None:
    drawn = frequencies(Soft(np.random.default_rng(0), top_p=top_p))

    expected = np.where(np.arange(4) < kept, PROBABILITIES, 0)
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.025)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("top_p", [0.99, 1.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_coldest_draws_the_most_probable_and_the_hottest_all_alike(
    top_p: float, kind: type
) -> None:
    logits = np.log(PROBABILITIES[::-1]).astype(kind)
    for temperature in (1e-40, 1e-300):
        choose = Soft(np.random.default_rng(0), temperature, top_p)
        assert {choose(logits) for _ in range(9)} == {3}

    choose = Soft(np.random.default_rng(0), 1e300, top_p)
    drawn = np.bincount([choose(logits) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, 0.25, atol=0.03)


@given(
    arrays(np.float32, (6,), elements=st.floats(-100, 100, width=32)),
    st.floats(0.01, 10),
    st.floats(0.01, 1),
)
def test_any_logits_give_a_symbol(logits: Array, temperature: float, top_p: float) -> None:
    choose = Soft(np.random.default_rng(0), temperature, top_p)

    assert 0 <= choose(logits) < 6


def test_what_is_written_is_read_before_the_next_choice() -> None:
    network = Network(NetworkShape("gru", 5, 8, 5))
    p = network.initial(np.random.default_rng(3))
    logits, state = read(network, p, [1, 2], network.zero_state())

    written = list(islice(write(network, p, logits, state, hard), 4))

    for length in range(4):
        after, _ = read(network, p, [1, 2, *written[:length]], network.zero_state())
        assert hard(after) == written[length]


def test_the_same_seed_writes_the_same() -> None:
    network = Network(NetworkShape("lstm", 5, 8, 5))
    p = network.initial(np.random.default_rng(3))
    logits, state = read(network, p, [1], network.zero_state())

    first, second = (
        list(islice(write(network, p, logits, state, Soft(np.random.default_rng(9))), 50))
        for _ in range(2)
    )

    assert first == second
