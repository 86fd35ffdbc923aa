"""The machine's clock: what it says while it is set wrong, and once it is set right."""

import pytest

from rnnd.daemon.clock import DOUBT, STEP, SystemClock

YEAR = 365 * 86400.0


class Hands:
    """A wall clock and a count of seconds since boot, set by hand."""

    def __init__(self) -> None:
        self.wall, self.machine = 1_700_000_000.0, 5000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.machine += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> SystemClock:
    return SystemClock(lambda: hands.wall, lambda: hands.machine)


def test_a_clock_that_is_a_year_ahead_for_a_moment_is_not_believed(
    hands: Hands, clock: SystemClock
) -> None:
    right = hands.wall
    hands.wall += YEAR

    assert clock.now() == right
    hands.pass_by(DOUBT - 1)
    assert clock.now() == right + DOUBT - 1
    hands.wall -= YEAR
    hands.pass_by(2 * DOUBT)
    assert clock.now() == right + 3 * DOUBT - 1


def test_a_clock_that_stays_set_forward_is_believed_after_a_minute(
    hands: Hands, clock: SystemClock
) -> None:
    hands.wall += YEAR
    clock.now()
    hands.pass_by(DOUBT)

    assert clock.now() == hands.wall
    hands.pass_by(1.0)
    assert clock.now() == hands.wall


def test_a_second_leap_is_doubted_anew(hands: Hands, clock: SystemClock) -> None:
    right = hands.wall
    hands.wall += YEAR
    clock.now()
    hands.pass_by(DOUBT)
    hands.wall += YEAR

    assert clock.now() == right + DOUBT


@pytest.mark.parametrize("step", [STEP, 1.0, -1.0, -YEAR])
def test_steps_back_and_small_ones_count_at_once(
    hands: Hands, clock: SystemClock, step: float
) -> None:
    hands.wall += step

    assert clock.now() == hands.wall


def test_time_passes_while_the_machine_is_suspended(hands: Hands, clock: SystemClock) -> None:
    hands.pass_by(10 * 3600.0)

    assert clock.now() == hands.wall
