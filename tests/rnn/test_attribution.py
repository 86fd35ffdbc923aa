import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.rnn.attribution import shapley

WEIGHTS = np.array([3.0, -1.0, 0.5, 0.0, 2.0])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def additive(usual: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(~usual @ WEIGHTS + 10)


def test_each_cause_of_a_sum_gets_what_it_adds() -> None:
    values = shapley(additive, np.eye(5, dtype=bool), told=5, rng=rng())

    assert values == pytest.approx(WEIGHTS)


def test_the_causes_of_a_group_count_together() -> None:
    groups = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0]], bool)

    values = shapley(additive, groups, told=2, rng=rng())

    assert values == pytest.approx([2.0, 0.5])


def test_two_causes_that_only_work_together_share_what_they_do() -> None:
    def both(usual: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray((~usual[:, 0] & ~usual[:, 1]) * 4.0 + ~usual[:, 2])

    values = shapley(both, np.eye(3, dtype=bool), told=3, rng=rng())

    assert values == pytest.approx([2.0, 2.0, 1.0])


def test_the_values_add_up_to_the_whole_difference_whatever_the_model() -> None:
    draw = np.random.default_rng(3)
    table = draw.normal(size=64)

    def anything(usual: NDArray[np.bool_]) -> NDArray[np.float64]:
        return table[usual @ (1 << np.arange(6))]

    values = shapley(anything, np.eye(6, dtype=bool), told=6, rng=rng())

    assert values.sum() == pytest.approx(table[0] - table[-1])


def test_only_the_causes_that_matter_most_are_told() -> None:
    values = shapley(additive, np.eye(5, dtype=bool), told=2, rng=rng())

    assert values == pytest.approx([3.0, 0.0, 0.0, 0.0, 2.0])
