import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.rnn.hazards import bin_edges, chance_by, hazard_error


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=4))
def test_every_horizon_is_an_edge_and_no_bin_is_much_wider_than_the_ones_before(
    horizons: list[int],
) -> None:
    edges = bin_edges(horizons)

    assert set(horizons) <= set(edges.tolist())
    assert (np.diff(edges) > 0).all()
    assert (edges[1:] <= 4 * edges[:-1] + 4).all()


def test_the_chance_by_an_edge_is_that_of_not_surviving_all_bins_up_to_it() -> None:
    edges = np.array([1, 2, 3])
    logits = np.log(np.array([0.1, 0.2, 0.5]) / np.array([0.9, 0.8, 0.5]))

    chance = chance_by(logits, edges, np.array(0))

    assert chance == pytest.approx([0.1, 1 - 0.9 * 0.8, 1 - 0.9 * 0.8 * 0.5])


def test_bins_that_are_wholly_immune_add_no_chance() -> None:
    edges = np.array([2, 6, 20])

    chance = chance_by(np.zeros(3), edges, np.array(6))

    assert chance == pytest.approx([0, 0, 0.5])


def test_of_a_bin_that_is_partly_immune_what_is_left_counts() -> None:
    edges = np.array([2, 6])

    one_of_four_steps = chance_by(np.zeros(2), edges, np.array(5))

    assert one_of_four_steps == pytest.approx([0, 1 - 0.5**0.25])


@pytest.mark.parametrize(
    ("until", "immune"),
    [
        (until, immune)
        for until in (1, 2, 3, 6, 7, 20, 21)
        for immune in (0, 2, 5)
        if until > immune
    ],
)
def test_the_gradient_agrees_with_finite_differences(until: int, immune: int) -> None:
    edges = np.array([2, 6, 20])
    logits = np.array([-1.0, 0.5, 0.2])

    def loss(a: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        hazard = 1 / (1 + np.exp(-a))
        total, before = 0.0, 0
        for h, edge in zip(hazard, edges, strict=True):
            if edge > immune and until > before:
                total -= np.log(h) if until <= edge else np.log(1 - h)
            before = edge
        return total

    gradient = hazard_error(logits, np.array(until), np.array(immune), edges)

    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-6
        slope = (loss(logits + step) - loss(logits - step)) / 2e-6
        assert gradient[place] == pytest.approx(slope, abs=1e-6)
