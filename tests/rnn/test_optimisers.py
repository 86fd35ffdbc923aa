import numpy as np
import pytest

from rnnd.rnn.optimisers import (
    BLOCK,
    AdaGrad,
    Adam,
    Average,
    Optimiser,
    clip_by_norm,
    warmup_cosine,
)
from rnnd.rnn.parameters import Array, Parameters

SIZE = 2 * BLOCK + 5
OPTIMISERS = [AdaGrad, Adam]


def gradients(count: int) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=SIZE) * 10 ** rng.uniform(-3, 3) for _ in range(count)]


def test_adam_takes_the_steps_of_the_paper() -> None:
    adam, w = Adam(SIZE, np.float64), np.ones(SIZE)
    expected, m, v = np.ones(SIZE), np.zeros(SIZE), np.zeros(SIZE)

    for t, g in enumerate(gradients(5), start=1):
        adam.update(w, g, 0.01)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    np.testing.assert_allclose(w, expected, rtol=1e-12)


def test_adam_forgets_a_gradient_of_long_ago_before_its_rest_is_slow_to_reckon_with() -> None:
    adam, w = Adam(9, block=4), np.ones(9, np.float32)
    denormal = 0

    for step in range(1100):  # 0.9 ** 1000 is 1e-46
        adam.update(w, np.full(9, 1e-3 if step == 0 else 0, np.float32), 0.01)
        denormal += int(((adam.memory != 0) & (np.abs(adam.memory) < 1.2e-38)).sum())

    assert denormal == 0
    assert not adam.memory[0].any()
    assert adam.memory[1].all()  # which shrinks a hundred times as slowly


def test_weight_decay_is_apart_from_the_gradient_and_falls_on_matrices_alone() -> None:
    p = Parameters({"w": (2, 2), "b": (2,)}, np.float64)
    p.vector[...] = 1
    adam = Adam(6, np.float64, decay=0.1, decayed=p.matrices())

    adam.update(p.vector, np.zeros(6), 0.5)

    assert p["w"].tolist() == [[0.95, 0.95], [0.95, 0.95]]
    assert p["b"].tolist() == [1, 1]


def test_adagrad_takes_the_steps_of_the_paper() -> None:
    adagrad, w = AdaGrad(SIZE, np.float64), np.ones(SIZE)
    expected, squares = np.ones(SIZE), np.zeros(SIZE)

    for g in gradients(5):
        adagrad.update(w, g, 0.1)
        squares += g**2
        expected -= 0.1 * g / (np.sqrt(squares) + 1e-8)

    np.testing.assert_allclose(w, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_an_optimiser_finds_the_bottom_of_a_valley(kind: type[Adam] | type[AdaGrad]) -> None:
    bottom, w = np.array([3.0, -2.0]), np.zeros(2)
    optimiser = kind(2, np.float64)

    for _ in range(2000):
        optimiser.update(w, (w - bottom) * [1, 30], 0.05 if kind is Adam else 0.5)

    np.testing.assert_allclose(w, bottom, atol=1e-3)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_a_restored_optimiser_goes_on_bit_for_bit(kind: type[Adam] | type[AdaGrad]) -> None:
    steps = gradients(6)
    straight, resumed = np.ones(SIZE), np.ones(SIZE)
    first: Optimiser = kind(SIZE, np.float64)
    second: Optimiser = kind(SIZE, np.float64)

    for g in steps:
        first.update(straight, g, 0.1)
    before: Optimiser = kind(SIZE, np.float64)
    for g in steps[:3]:
        before.update(resumed, g, 0.1)
    second.restore(before.state())
    for g in steps[3:]:
        second.update(resumed, g, 0.1)

    np.testing.assert_array_equal(resumed, straight)


def test_a_restored_average_goes_on_bit_for_bit() -> None:
    first, second = Average(np.zeros(SIZE), 3), Average(np.zeros(SIZE), 3)
    values = gradients(6)

    for value in values[:3]:
        first.update(value)
    second.restore({name: np.copy(item) for name, item in first.state().items()})
    for value in values[3:]:
        first.update(value)
        second.update(value)

    np.testing.assert_array_equal(second.mean, first.mean)


def test_the_average_of_noise_is_nearer_the_truth_than_the_noise() -> None:
    rng = np.random.default_rng(0)
    average = Average(np.zeros(100), 200)

    for _ in range(2000):
        value = 1 + rng.normal(size=100)
        average.update(value)

    assert np.abs(average.mean - 1).mean() < np.abs(value - 1).mean() / 5


def test_clipping_leaves_a_short_gradient_and_one_that_is_not_finite() -> None:
    short, broken = np.array([0.3, 0.4]), np.array([np.inf, 1.0])

    assert clip_by_norm(short, 1.0) == pytest.approx(0.5)
    assert clip_by_norm(broken, 1.0) == np.inf
    assert short.tolist() == [0.3, 0.4]
    assert broken.tolist() == [np.inf, 1.0]


def test_the_learning_rate_rises_and_then_falls_to_its_floor() -> None:
    rates = [warmup_cosine(progress / 100, 0.05, 0.1) for progress in range(101)]

    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.1)


def test_parameters_and_their_vector_never_part() -> None:
    p = Parameters({"w": (2, 2), "b": (2,)})

    p["b"] = np.array([5, 6])
    p.vector[0] = 9

    assert p.vector.tolist() == [9, 0, 0, 0, 5, 6]
    assert p["w"][0, 0] == 9
    with pytest.raises(ValueError, match="shape"):
        Parameters({"w": (2, 2)}, vector=np.zeros(3))
