import numpy as np
import pytest

from rnnd.daemon.prediction.broken import LIMIT, BrokenOrder, gather

TICK = 10.0
SWAP, USUAL = 3.0, -0.12  # what 4 in 100 events exceed what was expected by, and all others


class Log:
    """The events of one component, ten a tick, of which a share comes in the wrong order."""

    def __init__(self, a_tick: int = 10) -> None:
        self.order = BrokenOrder(2, TICK)
        self._rng = np.random.default_rng(0)
        self._seen = np.zeros(2)
        self._a_tick = a_tick

    def tick(self, swapped: float) -> float:
        """What is told after a tick."""
        count = self._a_tick
        excess = np.where(self._rng.random(count) < swapped, SWAP, USUAL).astype(np.float32)
        self.order.wait()
        if count:
            self.order.read(excess, gather(np.zeros(count, np.int64)), self._seen)
        self._seen[0] += count
        self.order.settle()
        return self.order.sign

    def ticks(self, count: int, swapped: float = 0.04) -> list[float]:
        return [self.tick(swapped) for _ in range(count)]


@pytest.fixture
def grown() -> Log:
    """A log whose order is well known."""
    log = Log()
    log.ticks(2000)
    return log


def test_what_always_happens_now_and_then_breaks_no_order(grown: Log) -> None:
    assert max(grown.ticks(2000)) < 0.05


def test_an_order_that_is_broken_is_told_the_more_the_longer(grown: Log) -> None:
    told = grown.ticks(30, swapped=0.5)

    assert told[2] < 0.15
    assert told[10] > 0.25
    assert told[29] > 0.5
    assert (np.diff(told) >= 0).all()


def test_an_order_that_is_whole_again_is_told_no_more(grown: Log) -> None:
    grown.ticks(30, swapped=0.5)

    assert grown.ticks(30)[-1] < 0.05


def test_what_is_broken_is_forgotten_while_nothing_comes(grown: Log) -> None:
    grown.ticks(30, swapped=0.5)
    grown._a_tick = 0

    assert grown.ticks(60)[-1] < 0.2


def test_a_component_of_which_little_is_known_breaks_no_order() -> None:
    log = Log()

    assert max(log.ticks(5, swapped=1.0)) < 0.05


def test_no_excess_however_great_leaves_the_odds_infinite(grown: Log) -> None:
    for _ in range(1000):
        grown.order.wait()
        grown.order.read(
            np.full(500, LIMIT, np.float32), gather(np.zeros(500, np.int64)), np.full(2, 1e6)
        )
        grown.order.settle()

    assert 0 <= grown.order.sign <= 1
    assert np.isfinite(grown.order._odds).all()


def test_a_place_begun_anew_is_whole(grown: Log) -> None:
    grown.ticks(30, swapped=0.5)

    grown.order.forget(np.array([0]))
    grown.order.settle()

    assert grown.order.sign < 0.05


def test_a_saved_order_goes_on_identically(grown: Log) -> None:
    grown.ticks(10, swapped=0.5)
    other = Log()

    other.order.restore(grown.order.state())
    other._seen, other._rng = grown._seen.copy(), np.random.default_rng(1)
    grown._rng = np.random.default_rng(1)

    assert other.ticks(20, 0.3) == grown.ticks(20, 0.3)
