from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnd.rnn.heads import cross_entropy, event_probability, hazard_loss, softmax, squared_error
from rnnd.rnn.linear import Linear, sum_rows
from rnnd.rnn.parameters import Array, Parameters

logits = arrays(np.float64, (7,), elements=st.floats(-500, 500))


def test_cross_entropy_is_the_mean_surprise_at_the_targets() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])

    loss = cross_entropy(np.log(probabilities) + 3, np.array([0, 2]))

    assert loss == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)


def test_the_gradient_of_cross_entropy_equals_finite_differences(
    slopes: Callable[..., Array],
) -> None:
    rng = np.random.default_rng(0)
    values, targets = rng.normal(0, 2, (6, 4)), rng.integers(0, 4, 6)
    expected = slopes(lambda: cross_entropy(values.copy(), targets), values)

    cross_entropy(values, targets)

    np.testing.assert_allclose(values, expected, atol=1e-8)


@given(logits)
def test_a_softmax_is_a_distribution(values: Array) -> None:
    p = softmax(values)

    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1)
    assert p[values.argmax()] == p.max()


def test_the_hazard_loss_is_the_survival_likelihood() -> None:
    hazards = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    survived = np.array([1, 2, 3])  # the first: an event in bin 1; the second: censored after two
    happened = np.array([True, False, False])

    loss, _ = hazard_loss(np.log(hazards / (1 - hazards)), survived, happened)

    likelihoods = [0.9 * 0.2, 0.9 * 0.8, 0.9 * 0.8 * 0.7]
    assert loss == pytest.approx(-np.log(likelihoods).mean())


def test_the_gradient_of_the_hazard_loss_equals_finite_differences(
    slopes: Callable[..., Array],
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2, (8, 2, 5))  # examples, events, bins
    survived, happened = rng.integers(0, 6, (8, 2)), rng.random((8, 2)) < 0.5
    weight = rng.random((8, 2))

    _, gradient = hazard_loss(values, survived, happened, weight)

    expected = slopes(lambda: hazard_loss(values, survived, happened, weight)[0], values)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_what_comes_after_the_event_or_the_censoring_teaches_nothing() -> None:
    _, gradient = hazard_loss(np.zeros((2, 4)), np.array([1, 1]), np.array([True, False]))

    assert (gradient[0] != 0).tolist() == [True, True, False, False]
    assert (gradient[1] != 0).tolist() == [True, False, False, False]


def test_the_hazard_loss_leads_to_the_true_hazards() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([0.1, 0.3, 0.05])
    bins = rng.random((20000, 3)) < truth
    happened = bins.any(axis=1)
    survived = np.where(happened, bins.argmax(axis=1), 3)
    censored = rng.integers(0, 4, len(bins))  # some are watched for a while alone
    happened &= survived < censored
    survived = np.minimum(survived, censored)

    fitted = np.zeros((1, 3))
    for _ in range(400):
        rows = np.broadcast_to(fitted, (len(bins), 3))
        fitted -= 20 * hazard_loss(rows, survived, happened)[1].sum(axis=0) / 2

    np.testing.assert_allclose(1 / (1 + np.exp(-fitted[0])), truth, atol=0.02)


@given(logits)
def test_the_probability_of_an_event_never_decreases_with_the_horizon(values: Array) -> None:
    p = event_probability(values)

    assert (np.diff(p) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()


def test_the_probability_of_an_event_is_that_of_not_surviving() -> None:
    hazards = np.array([0.1, 0.2, 0.3])

    p = event_probability(np.log(hazards / (1 - hazards)))

    np.testing.assert_allclose(p, 1 - np.cumprod(1 - hazards))


def test_the_gradient_of_the_squared_error_equals_finite_differences(
    slopes: Callable[..., Array],
) -> None:
    rng = np.random.default_rng(0)
    values, target, weight = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.random(3)

    loss, gradient = squared_error(values, target, weight)

    assert loss == pytest.approx(0.5 * np.mean(weight * (values - target) ** 2))
    expected = slopes(lambda: squared_error(values, target, weight)[0], values)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_the_gradients_of_a_linear_map_equal_finite_differences(
    slopes: Callable[..., Array],
) -> None:
    rng = np.random.default_rng(0)
    linear = Linear(4, 3, "map")
    p, gradients = Parameters(linear.shapes, np.float64), Parameters(linear.shapes, np.float64)
    p.vector[...] = rng.normal(size=p.vector.shape)
    x, dy = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 3))

    linear.backward(x, dy, gradients)
    dx = np.empty_like(x)
    linear.way_back(p, 1)(dy, dx)

    def loss() -> float:
        return float(np.vdot(linear.forward(p, x), dy))

    np.testing.assert_allclose(gradients.vector, slopes(loss, p.vector), atol=1e-8)
    np.testing.assert_allclose(dx, slopes(loss, x), atol=1e-8)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_summed_rows_are_the_product_with_one_hot_vectors(symbols: list[int]) -> None:
    rows = np.random.default_rng(0).normal(size=(len(symbols), 3))
    sums = np.full((7, 3), np.nan)

    sum_rows(np.array(symbols), rows, slice(rows.shape[1]), out=sums)

    np.testing.assert_allclose(sums, np.eye(7)[symbols].T @ rows, atol=1e-12)
