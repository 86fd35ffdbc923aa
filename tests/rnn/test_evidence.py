import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.rnn.evidence import LARGEST, Evidence

HORIZON = 10


def evidence(features: int = 3, every: int = 1) -> Evidence:
    return Evidence(np.zeros(features, np.int64), 1, HORIZON, every)


def row(*deviations: float) -> NDArray[np.float32]:
    return np.array(deviations, np.float32)


def note(judge: Evidence, deviations: NDArray[np.float32], came: bool, times: int) -> None:
    bins = np.repeat(judge.place(deviations)[None], times, axis=0)
    judge.note(bins, np.full((times, 1), came), np.full((times, 1), True))


def test_nothing_speaks_for_or_against_before_anything_was_seen() -> None:
    judge = evidence()

    assert (judge.weights(judge.place(row(9, 0, -9))) == 0).all()


def test_a_value_that_was_seen_before_an_onset_speaks_for_one() -> None:
    judge = evidence()
    note(judge, row(0, 0, 0), came=False, times=1000)

    note(judge, row(0, 5, 0), came=True, times=HORIZON)

    usual, high, _ = judge.weights(judge.place(row(0, 5, 0)))[0]
    assert high > 2
    assert abs(usual) < 0.5


def test_a_value_that_often_comes_to_nothing_speaks_against_an_onset() -> None:
    judge = evidence()
    note(judge, row(0, 0, 0), came=True, times=20 * HORIZON)

    note(judge, row(3.5, 0, 0), came=False, times=200 * HORIZON)

    assert judge.weights(judge.place(row(3.5, 0, 0)))[0, 0] < -1


def test_a_value_beyond_all_that_were_seen_means_what_the_most_extreme_of_them_meant() -> None:
    judge = evidence()
    note(judge, row(0, 0, 0), came=False, times=1000)
    note(judge, row(3.5, -3.5, 0), came=True, times=2 * HORIZON)

    seen, beyond = (judge.weights(judge.place(row(x, -x, 0)))[0, :2] for x in (3.5, 9.0))

    assert beyond == pytest.approx(seen, rel=0.2)
    assert (beyond > 2).all()


def test_the_highest_values_of_a_number_that_goes_up_and_down_evenly_are_told_from_the_rest() -> (
    None
):
    judge = evidence(features=1)
    for value in np.linspace(-1.7, 1.7, 100):
        note(judge, row(value), came=value > 1.63, times=5 * HORIZON)

    high, highest = (judge.weights(judge.place(row(x)))[0, 0] for x in (1.53, 1.68))

    assert highest > high + 1.5


def test_what_was_counted_for_decades_goes_on_growing() -> None:
    judge = evidence(features=1)
    note(judge, row(0), came=False, times=1)
    state = judge.state()
    decades = 100_000_000  # steps of 10 s: 32 years
    state["steps"] = state["steps"] * np.uint32(decades)
    judge.restore(state)

    note(judge, row(0), came=False, times=5)

    assert judge.state()["steps"].sum() == decades + 5


def test_levels_beyond_all_bins_are_the_outermost() -> None:
    judge = evidence()

    assert judge.place(row(-100, 0, 100)).tolist() == [0, 128, 255]


def test_the_same_share_of_onsets_is_more_evidence_if_seen_more_often() -> None:
    judge = evidence()
    note(judge, row(0, 0, 0), came=False, times=1000)
    for value, times in ((3.5, 1), (-3.5, 3)):
        note(judge, row(value, 0, 0), came=True, times=times * HORIZON)
        note(judge, row(value, 0, 0), came=False, times=times * HORIZON)

    once, thrice = (judge.weights(judge.place(row(value, 0, 0)))[0, 0] for value in (3.5, -3.5))

    assert 0 < once < thrice


def test_what_could_not_come_is_not_counted() -> None:
    judge = evidence()
    bins = np.repeat(judge.place(row(5, 0, 0))[None], 100, axis=0)

    judge.note(bins, np.full((100, 1), False), np.full((100, 1), False))

    assert judge.weights(judge.place(row(5, 0, 0))) == pytest.approx(0, abs=1e-6)


def test_a_sign_is_told_by_its_group_whichever_feature_it_comes_from() -> None:
    judge = Evidence(np.array([0, 0, 1]), 1, HORIZON, 1)
    note(judge, row(0, 0, 0), came=False, times=1000)
    note(judge, row(5, 0, 0), came=True, times=HORIZON)
    note(judge, row(0, 5, 0), came=True, times=HORIZON)

    first, second, neither = (
        judge.pool(judge.place(row(*deviations)))
        for deviations in ((5, 0, 0), (0, 5, 0), (0, 0, 0))
    )

    assert first == pytest.approx(second, abs=0.05)
    assert first[0] > neither[0] + 1  # the greatest of the first group
    assert first[1] == pytest.approx(neither[1], abs=0.05)  # and of the second


def test_pools_are_bounded_and_the_same_for_one_step_and_for_many() -> None:
    rng = np.random.default_rng(0)
    judge = Evidence(np.arange(40) % 3, 2, HORIZON, 1)
    vectors = rng.normal(0, 4, (300, 40)).astype(np.float32)
    bins = judge.place(vectors)
    judge.note(bins, rng.random((300, 2)) < 0.3, rng.random((300, 2)) < 0.8)

    pools = judge.pool(bins)

    assert pools.shape == (300, 2 * judge.pools)
    assert np.abs(pools).max() <= LARGEST
    assert (pools[7] == judge.pool(bins[7])).all()


def test_restored_evidence_goes_on_identically() -> None:
    rng = np.random.default_rng(1)
    one, other = evidence(every=50), evidence(every=50)
    lots = [
        (one.place(rng.normal(0, 3, (16, 3)).astype(np.float32)), rng.random((16, 1)) < 0.2)
        for _ in range(20)
    ]
    for bins, came in lots[:10]:
        one.note(bins, came, np.full((16, 1), True))

    other.restore(one.state())

    for bins, came in lots[10:]:
        one.note(bins, came, np.full((16, 1), True))
        other.note(bins, came, np.full((16, 1), True))
        assert (one.pool(bins) == other.pool(bins)).all()
