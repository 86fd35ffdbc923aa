from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.daemon.prediction.scoring import (
    BrierScore,
    Scoreboard,
    average_precision,
    calibration_error,
)


def play(scoreboard: Scoreboard, alarms: set[int], onsets: set[int], ticks: int) -> None:
    for tick in range(ticks):
        scoreboard.note(tick in onsets, np.array([0.1]), np.array([tick in alarms]))


def test_an_alarm_is_true_when_a_failure_begins_within_its_horizon_else_false() -> None:
    scoreboard = Scoreboard([10])

    play(scoreboard, alarms={5, 30, 50}, onsets={15, 41}, ticks=100)

    record = scoreboard.alarm
    assert (record.alarms, record.true, record.false) == (3, 1, 2)
    assert (record.failures, record.predicted) == (2, 1)


def test_an_alarm_in_the_tick_of_the_failure_comes_too_late() -> None:
    scoreboard = Scoreboard([10])

    play(scoreboard, alarms={15}, onsets={15}, ticks=100)

    assert (scoreboard.alarm.true, scoreboard.alarm.false) == (0, 1)


def test_lead_time_counts_from_the_first_true_alarm() -> None:
    scoreboard = Scoreboard([10])

    play(scoreboard, alarms={5, 12}, onsets={15}, ticks=30)

    assert list(scoreboard.alarm.leads) == [9]
    assert scoreboard.alarm.true == 2


def test_outcomes_are_told_in_the_tick_in_which_they_become_known() -> None:
    scoreboard = Scoreboard([10])
    play(scoreboard, alarms={5}, onsets=set(), ticks=15)

    at_the_end = scoreboard.note(False, np.array([0.1]), np.array([False]))
    one_later = scoreboard.note(False, np.array([0.1]), np.array([False]))

    assert (at_the_end.false, one_later.false) == (0, 1)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60),
    st.integers(1, 12),
)
def test_the_brier_score_is_the_one_computed_at_leisure(
    steps: list[tuple[float, bool]], horizon: int
) -> None:
    brier = BrierScore(horizon)

    for probability, onset in steps:
        brier.note(onset, probability)

    settled = range(max(0, len(steps) - horizon))
    outcomes = [any(onset for _, onset in steps[t + 1 : t + horizon + 1]) for t in settled]
    error = sum((steps[t][0] - outcomes[t]) ** 2 for t in settled)
    assert brier.error == pytest.approx(error)
    assert brier.positives == sum(outcomes)


def test_where_no_failure_ever_came_there_is_no_skill_good_or_bad() -> None:
    score = BrierScore(6)
    for _ in range(1000):
        score.note(False, 0.01)

    assert score.base_rate < 0.001
    assert score.skill == 0.0


def test_knowing_the_future_has_skill_1_and_knowing_nothing_has_about_none() -> None:
    onsets = (np.random.default_rng(0).random(5000) < 0.01).tolist()
    coming = [any(onsets[t + 1 : t + 11]) for t in range(5000)]
    knows, ignorant = BrierScore(10), BrierScore(10)

    for onset, soon in zip(onsets, coming, strict=True):
        knows.note(onset, float(soon))
        ignorant.note(onset, ignorant.base_rate)

    assert knows.skill == 1.0
    assert ignorant.skill == pytest.approx(0, abs=0.01)


def test_a_restored_scoreboard_goes_on_identically() -> None:
    one, other = Scoreboard([10, 3]), Scoreboard([10, 3])
    rng = np.random.default_rng(1)

    def step(board: Scoreboard, draws: Any) -> Any:
        return board.note(draws[0] < 0.1, draws[1:3], draws[3:5] < 0.1)

    for _ in range(100):
        step(one, rng.random(5))
    other.restore(one.state())
    for _ in range(100):
        draws = rng.random(5)
        assert step(one, draws) == step(other, draws)
    assert [score.skill for score in one.brier] == [score.skill for score in other.brier]
    assert one.alarm == other.alarm


def test_average_precision_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    outcomes = rng.random(1000) < 0.1
    scores = np.round(rng.random(1000) + 0.3 * outcomes, 1)  # with ties

    expected = metrics.average_precision_score(outcomes, scores)

    assert average_precision(scores, outcomes) == pytest.approx(expected)


def test_calibration_error_is_the_mean_distance_of_what_was_said_and_what_came() -> None:
    probabilities = np.array([0.05] * 10 + [0.95] * 10)
    outcomes = np.array([False] * 10 + [True] * 8 + [False] * 2)

    assert calibration_error(probabilities, outcomes) == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)
