import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.cause import LEVELS, Cause

HORIZONS = (10, 2, 30)
NEVER = 31
TOP = len(LEVELS)


def visit(
    cause: Cause,
    level: int,
    steps: int,
    *,
    came: bool,
    said: float | list[float] = 0.0,
    immune: int = 0,
) -> None:
    """A visit of *level* by so many steps, after which an onset came or not; then all is usual."""
    rest = HORIZONS[0]
    levels = np.array([level] * steps + [0] * rest)
    until = np.full((steps + rest, 1), NEVER)
    if came:
        until[:steps, 0] = np.arange(steps, 0, -1)
    cause.settle(
        levels,
        np.broadcast_to(said, (steps + rest, 1, len(HORIZONS))),
        until,
        np.full((steps + rest, 1), immune),
    )


def chance(cause: Cause, level: int = TOP) -> NDArray[np.float64]:
    """Within each horizon, where the experts say that nothing will come."""
    silence = np.zeros((1, len(HORIZONS)))
    return cause.join(silence, np.array(level), np.zeros(1, np.int64))[0]


def test_where_nothing_is_amiss_the_experts_are_right() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 5, came=True)

    assert (chance(cause, 0) == 0).all()


def test_a_state_that_was_never_visited_says_next_to_nothing() -> None:
    told = chance(Cause(HORIZONS, 1))

    assert 0 < max(told) < 0.07


def test_what_an_onset_followed_four_times_out_of_four_is_believed() -> None:
    cause = Cause(HORIZONS, 1)
    for _ in range(4):
        visit(cause, TOP, 5, came=True)

    assert 0.85 < chance(cause)[0] < 0.95


def test_a_coincidence_is_believed_less_the_more_probable_an_onset_was_anyway() -> None:
    rare, frequent = Cause(HORIZONS, 1), Cause(HORIZONS, 1)
    visit(rare, TOP, 5, came=True, said=0.01)
    visit(frequent, TOP, 5, came=True, said=0.15)

    assert chance(rare)[0] > 0.4
    assert chance(frequent)[0] < 0.3


def test_what_nothing_comes_of_is_soon_believed_no_more() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 5, came=True, said=0.1)
    for _ in range(4):
        visit(cause, TOP, 5, came=False, said=0.1)

    assert chance(cause)[0] < 0.02


def test_a_cause_that_is_proven_outlasts_a_visit_without_an_onset() -> None:
    cause = Cause(HORIZONS, 1)
    for _ in range(4):
        visit(cause, TOP, 5, came=True)
    visit(cause, TOP, 5, came=False)

    assert chance(cause)[0] > 0.6


def test_a_long_visit_counts_no_more_than_a_short_one() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 8, came=True)
    visit(cause, TOP, 1, came=False)
    visit(cause, TOP, 9, came=False)

    assert 0.25 < chance(cause)[0] < 0.4


def test_a_level_that_is_new_is_believed_as_the_one_below_it_is() -> None:
    cause = Cause(HORIZONS, 1)
    for _ in range(3):
        visit(cause, 1, 5, came=True)

    assert (chance(cause, TOP) == chance(cause, 1)).all()


def test_onsets_that_the_experts_foretell_need_no_other_cause() -> None:
    cause = Cause(HORIZONS, 1)
    for came in (True, False):
        for _ in range(5):
            visit(cause, TOP, 5, came=came, said=0.5)

    assert chance(cause)[0] < 0.05


def test_the_chance_never_falls_with_the_horizon() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 10, came=True)
    visit(cause, TOP, 2, came=True, said=[0.5, 0.0, 0.9])  # late onsets need no other cause

    told = chance(cause)

    assert told[1] <= told[0] <= told[2]


def test_what_cannot_come_is_neither_told_nor_counted() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 5, came=True)
    before = chance(cause)
    visit(cause, TOP, 5, came=False, immune=3)

    assert (chance(cause) == before).all()
    assert (cause.join(np.zeros((1, 3)), np.array(TOP), np.array([3])) == 0).all()


def test_a_state_that_lingers_after_the_onset_proves_as_much() -> None:
    short, long = Cause(HORIZONS, 1), Cause(HORIZONS, 1)
    rest = np.zeros((30, 1), np.int64)
    silence = np.zeros((30, 1, len(HORIZONS)))
    for _ in range(2):
        visit(short, TOP, 5, came=True)
        until = np.where(np.arange(30) < 5, 5 - np.arange(30), NEVER)[:, None]
        immune = rest + 9 * (np.arange(30) >= 5)[:, None]
        long.settle(np.array([TOP] * 20 + [0] * 10), silence, until, immune)

    assert chance(long)[0] == chance(short)[0]


def test_it_only_raises_what_the_experts_say() -> None:
    cause = Cause(HORIZONS, 1)
    visit(cause, TOP, 5, came=True)
    said = np.array([[0.3, 0.1, 0.9]])

    assert (cause.join(said, np.array(TOP), np.zeros(1, np.int64)) >= said).all()


def test_a_saved_cause_goes_on_identically() -> None:
    one, other = Cause(HORIZONS, 1), Cause(HORIZONS, 1)
    visit(one, TOP, 5, came=True)
    one.settle(np.array([2]), np.zeros((1, 1, 3)), np.array([[4]]), np.zeros((1, 1), np.int64))

    other.restore(one.state())
    for cause in (one, other):
        visit(cause, 3, 4, came=False)

    assert all((chance(one, level) == chance(other, level)).all() for level in range(TOP + 1))
