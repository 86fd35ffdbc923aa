import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.daemon.backtesting.hindsight import alarms_at, best_within, calibration, followed, sweep
from rnnd.daemon.prediction.scoring import AlarmRecord


def told(record: AlarmRecord) -> tuple[int, ...]:
    return record.alarms, record.true, record.false, record.failures, record.predicted


def tick_by_tick(above: list[bool], onsets: list[bool], horizon: int) -> AlarmRecord:
    """Return what the rule of alarms makes of it, as the policy applies it."""
    record = AlarmRecord(horizon)
    last = hold = -(2**62)
    was_red = False
    for tick, began in enumerate(onsets):
        if began:
            hold = tick
        red = above[tick] or tick < hold
        alarm = red and (not was_red or tick >= last + horizon)
        if alarm:
            last, hold = tick, tick + horizon
        record.note(tick, began, alarm)
        was_red = red
    record.note(len(onsets) + horizon, onset=False, alarm=False)
    return record


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([False] * 5 + [True])), max_size=80),
    st.integers(1, 9),
)
def test_a_fixed_threshold_raises_the_alarms_that_the_policy_would(
    ticks: list[tuple[bool, bool]], horizon: int
) -> None:
    above = [high for high, _ in ticks]
    onsets = [onset for _, onset in ticks]

    record = alarms_at(np.array(above, float), 0.5, np.array(onsets, bool), horizon)

    assert told(record) == told(tick_by_tick(above, onsets, horizon))


def test_lower_thresholds_cost_more_false_alarms_and_foretell_more() -> None:
    rng = np.random.default_rng(0)
    onsets = rng.random(20_000) < 0.002
    scores = rng.random(20_000) + followed(onsets, 10) * 0.5

    points = sweep(scores, onsets, 10, days=10.0)

    assert points[0].threshold > points[-1].threshold
    assert points[0].predicted < points[-1].predicted
    assert points[0].precision > 0.9 > points[-1].precision
    best = best_within(points, 5.0)
    assert best is not None
    assert best.false_a_day <= 5.0
    assert best_within(points[-1:], 0.001) is None


def test_calibration_sets_what_was_said_beside_what_happened() -> None:
    said = np.array([0.004, 0.004, 0.75, 0.75, 0.75, 0.75])
    came = np.array([False, False, True, True, True, False])

    low, high = calibration(said, came)

    assert (low.stated, low.happened, low.ticks) == (pytest.approx(0.004), 0.0, 2)
    assert (high.stated, high.happened, high.ticks) == (pytest.approx(0.75), 0.75, 4)
