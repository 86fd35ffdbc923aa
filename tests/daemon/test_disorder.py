import numpy as np
import pytest

from rnnd.daemon.disorder import UsualExcess


def excess_of(usual: UsualExcess, mean: float, variance: float, ticks: int) -> list[float]:
    """The corrected excess of a tick of ten events, in deviations, tick after tick."""
    rng = np.random.default_rng(0)
    places, allowed = np.zeros(10, np.int64), np.ones(10, np.float32)
    result = []
    for _ in range(ticks):
        excess = rng.normal(mean, variance**0.5, 10).astype(np.float32)
        off, square = usual.correct(excess, allowed, places)[:, 0]
        result.append(float(off / np.sqrt(square)))
    return result


def test_what_a_young_network_always_errs_is_no_disorder() -> None:
    told = excess_of(UsualExcess(3), mean=1.0, variance=4.0, ticks=500)

    assert max(map(abs, told[:5])) < 1  # little is known, and little is said
    assert np.mean(told[200:]) == pytest.approx(0.0, abs=0.2)
    assert np.std(told[200:]) == pytest.approx(1.0, abs=0.3)


def test_disorder_that_is_news_is_told_in_full() -> None:
    usual = UsualExcess(3)
    excess_of(usual, mean=0.0, variance=1.0, ticks=500)

    told = excess_of(usual, mean=1.0, variance=1.0, ticks=5)

    assert np.mean(told) == pytest.approx(10**0.5, rel=0.3)
