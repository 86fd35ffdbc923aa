import numpy as np
import pytest

from rnnd.daemon.prediction.policy import AlarmPolicy, Decision

HORIZON = 20
DAY = 800  # ticks


def decide(policy: AlarmPolicy, probability: float, onset: bool = False) -> Decision:
    return policy.step(np.array([probability]), onset)


def stream(
    seed: int, ticks: int, failures: float = 0.005
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], list[bool]]:
    """Return probabilities that know something of the onsets returned beside them."""
    rng = np.random.default_rng(seed)
    onsets = rng.random(ticks) < failures
    coming = np.convolve(onsets[::-1], np.ones(HORIZON), "full")[: ticks + 1][::-1][1:] > 0
    score = rng.normal(size=ticks).cumsum() * 0.02
    score -= np.convolve(score, np.ones(200) / 200, "same")
    noise = 0.4 * rng.normal(size=ticks)
    return 1 / (1 + np.exp(-(6 * score + 2.5 * coming + noise - 4))), onsets.tolist()


def test_red_is_held_for_one_horizon_and_still_red_then_is_a_new_alarm() -> None:
    policy = AlarmPolicy([HORIZON], budget=1.0)  # a budget that allows everything
    policy.step(np.array([0.001]), False)

    alarms, reds = [], []
    for tick in range(200):
        decision = decide(policy, 0.9 if tick in (10, 15, 130, 150) else 0.001)
        alarms += [tick] * bool(decision.alarm[0])
        reds += [tick] * bool(decision.red[0])

    assert alarms == [10, 130, 150]
    assert reds == [*range(10, 30), *range(130, 170)]


def test_the_beginning_of_the_failure_ends_the_red_that_foretold_it() -> None:
    policy = AlarmPolicy([HORIZON], budget=1.0)
    decide(policy, 0.001)

    assert decide(policy, 0.9).alarm[0]
    assert decide(policy, 0.001).red[0]
    assert not decide(policy, 0.001, onset=True).red[0]


@pytest.mark.parametrize("per_day", [0.5, 2.0, 8.0])
def test_false_alarms_stay_within_the_budget(per_day: float) -> None:
    ticks = 60 * DAY
    budget = per_day / DAY
    policy = AlarmPolicy([HORIZON], budget)
    probabilities, onsets = stream(seed=1, ticks=ticks)

    alarms = [t for t in range(ticks) if decide(policy, probabilities[t], onsets[t]).alarm[0]]
    began = np.flatnonzero(onsets)
    following = np.append(began, 10 * ticks)[np.searchsorted(began, alarms, side="right")]
    false = np.array(alarms)[following > np.array(alarms) + HORIZON]

    rate = (false > ticks // 4).sum() / (ticks * 3 // 4)
    assert budget / 1.5 <= rate <= budget * 1.5


def test_a_larger_budget_predicts_more_failures() -> None:
    probabilities, onsets = stream(seed=2, ticks=10 * DAY)

    def count(per_day: float) -> int:
        policy = AlarmPolicy([HORIZON], per_day / DAY)
        return sum(
            bool(decide(policy, p, o).alarm[0]) for p, o in zip(probabilities, onsets, strict=True)
        )

    assert count(1) < count(10)


def test_nothing_below_the_floor_is_ever_red_whatever_the_budget() -> None:
    policy = AlarmPolicy([HORIZON], budget=1.0, floor=0.01)

    assert not any(decide(policy, 0.009).red[0] for _ in range(500))


def test_a_silenced_policy_is_not_red_but_goes_on_learning() -> None:
    policy = AlarmPolicy([HORIZON], budget=1.0)

    silent = [policy.step(np.array([0.9]), False, speak=False) for _ in range(300)]

    assert not any(decision.red[0] or decision.alarm[0] for decision in silent)
    assert decide(policy, 0.9).alarm[0]


def test_each_horizon_has_a_threshold_of_its_own() -> None:
    policy = AlarmPolicy([10, 100], budget=1 / 500)
    rng = np.random.default_rng(0)

    for _ in range(5000):
        decision = policy.step(np.array([0.1 * rng.random(), 0.5 + 0.4 * rng.random()]), False)

    assert 0.01 < decision.threshold[0] < 0.15
    assert decision.threshold[1] > 0.5


def test_a_restored_policy_decides_identically() -> None:
    probabilities, onsets = stream(seed=3, ticks=4000)
    one = AlarmPolicy([HORIZON], budget=0.001)
    for p, o in zip(probabilities[:2000], onsets[:2000], strict=True):
        decide(one, p, o)
    other = AlarmPolicy([HORIZON], budget=0.001)

    other.restore(one.state())

    for p, o in zip(probabilities[2000:], onsets[2000:], strict=True):
        here, there = decide(one, p, o), decide(other, p, o)
        assert here.red == there.red
        assert here.threshold == there.threshold


def test_before_anything_is_known_a_threshold_is_judged_by_what_it_claims() -> None:
    small, large = AlarmPolicy([HORIZON], budget=0.0001), AlarmPolicy([HORIZON], budget=0.01)

    sparing, generous = (decide(policy, 0.001).threshold[0] for policy in (small, large))

    assert sparing > 0.7
    assert generous < 0.2


def test_what_was_not_spent_lowers_the_threshold_and_what_was_raises_it() -> None:
    quiet, noisy = (AlarmPolicy([HORIZON], budget=0.002) for _ in range(2))
    thresholds = []
    for policy, every in ((quiet, 10_000), (noisy, 150)):
        for tick in range(4000):
            decision = decide(policy, 0.6 if tick % every == every - 1 else 0.001, tick == 2000)
        thresholds.append(decision.threshold[0])

    assert thresholds[0] < 0.3
    assert thresholds[1] > thresholds[0] + 0.2
