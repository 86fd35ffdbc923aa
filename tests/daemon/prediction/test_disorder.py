import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.codecs.sessions import Events
from rnnd.daemon.prediction.broken import gather
from rnnd.daemon.prediction.disorder import Disorder, UsualExcess

COMPONENTS = 4
LINES = 10  # a tick


def excess_of(usual: UsualExcess, mean: float, variance: float, ticks: int) -> list[float]:
    """The corrected excess of a tick of ten events, in deviations, tick after tick."""
    rng = np.random.default_rng(0)
    places, allowed = np.zeros(LINES, np.int64), np.ones(LINES, np.float32)
    result = []
    for _ in range(ticks):
        excess = rng.normal(mean, variance**0.5, LINES).astype(np.float32)
        off, square = usual.correct(excess, allowed, gather(places))[:, 0]
        result.append(float(off / np.sqrt(square)))
    return result


def read(
    disorder: Disorder, excess: float, ticks: int, stream: int = 0
) -> list[NDArray[np.float64]]:
    """What is told of ticks whose events, all of one component, exceed what was expected."""
    none = np.zeros(LINES, np.int64)
    events = Events(none, none + stream, none, none)
    of_each, allowed = np.full(LINES, excess, np.float32), np.ones(LINES, np.float32)
    return [disorder.step(of_each, allowed, events) for _ in range(ticks)]


def test_what_a_young_network_always_errs_is_no_disorder() -> None:
    told = excess_of(UsualExcess(3), mean=1.0, variance=4.0, ticks=500)

    assert np.mean(told[200:]) == pytest.approx(0.0, abs=0.2)
    assert np.std(told[200:]) == pytest.approx(1.0, abs=0.3)


def test_disorder_that_is_news_is_told_in_full() -> None:
    usual = UsualExcess(3)
    excess_of(usual, mean=0.0, variance=1.0, ticks=500)

    told = excess_of(usual, mean=1.0, variance=1.0, ticks=5)

    assert np.mean(told) == pytest.approx(10**0.5, rel=0.3)


def test_a_component_of_which_little_is_known_has_no_outbursts() -> None:
    disorder = Disorder(COMPONENTS, tick=10.0)
    young = max(told[0].max() for told in read(disorder, 3.0, ticks=5))
    read(disorder, 0.0, ticks=1000)

    grown = max(told[0].max() for told in read(disorder, 3.0, ticks=5))

    assert young < 1.5
    assert grown > 6


def test_lines_that_are_read_as_sessions_from_now_on_are_not_known_yet() -> None:
    disorder = Disorder(COMPONENTS, tick=10.0)
    read(disorder, 0.0, ticks=1000)

    told = read(disorder, 3.0, ticks=5, stream=COMPONENTS)
    rest = read(disorder, 3.0, ticks=5)

    assert max(one[0].max() for one in told + rest) < 1.5
