from collections.abc import Iterable

import numpy as np
import pytest

from rnnd.daemon.prediction.oddity import Oddity

DAY = 8640  # ticks
HORIZON = 60


def step_all(
    oddity: Oddity, quantiles: Iterable[Iterable[float]]
) -> tuple[list[float], list[bool], list[bool]]:
    told = [oddity.step(tuple(values), speak=True) for values in quantiles]
    ranks, alarms, unusual = zip(*told, strict=True)
    return list(ranks), list(alarms), list(unusual)


@pytest.mark.parametrize("measures", [1, 2, 5])
def test_one_tick_in_a_hundred_ranks_above_99_percent_however_many_measures(
    measures: int,
) -> None:
    quantiles = np.random.default_rng(0).random((60_000, measures))

    ranks, _, _ = step_all(Oddity(1 / DAY, HORIZON), quantiles)

    assert np.mean(np.array(ranks[10_000:]) > 0.99) == pytest.approx(0.01, abs=0.003)


def test_logs_of_quite_different_surprise_have_ranks_of_the_same_distribution() -> None:
    rng = np.random.default_rng(0)
    quiet = 0.9 * rng.random((30_000, 1)) ** 8
    noisy = rng.random((30_000, 1)) ** 0.1

    shares = [
        np.mean(np.array(step_all(Oddity(1 / DAY, HORIZON), log)[0][5000:]) > 0.95)
        for log in (quiet, noisy)
    ]

    assert shares == pytest.approx([0.05, 0.05], abs=0.01)


@pytest.mark.parametrize("a_day", [0.5, 2.0])
def test_unusual_alarms_keep_to_their_budget(a_day: float) -> None:
    days = 40
    quantiles = np.random.default_rng(1).random((days * DAY, 2))

    _, alarms, _ = step_all(Oddity(a_day / DAY, HORIZON), quantiles)

    assert 0.3 * a_day < sum(alarms[10 * DAY :]) / (days - 10) < 1.5 * a_day


def test_what_is_more_unusual_than_ever_is_orange_for_one_horizon() -> None:
    oddity = Oddity(1 / DAY, HORIZON)
    step_all(oddity, 0.99 * np.random.default_rng(2).random((2000, 1)))

    _, alarms, unusual = step_all(oddity, [[0.9999], *[[0.5]] * 100])

    assert sum(alarms) == 1
    assert alarms[0]
    assert unusual == [True] * HORIZON + [False] * (101 - HORIZON)


def test_nothing_is_raised_while_nothing_may_be_said() -> None:
    oddity = Oddity(1 / DAY, HORIZON)

    told = [oddity.step((quantile,), speak=False) for quantile in (0.5, 0.99, 0.9999)]

    assert [(alarm, unusual) for _, alarm, unusual in told] == [(False, False)] * 3


def test_a_restored_oddity_goes_on_identically() -> None:
    before, after = Oddity(5 / DAY, HORIZON), Oddity(5 / DAY, HORIZON)
    quantiles = np.random.default_rng(3).random((4000, 2)) ** 0.5
    step_all(before, quantiles[:2000])

    after.restore(before.state())

    assert step_all(after, quantiles[2000:]) == step_all(before, quantiles[2000:])
