import numpy as np
import pytest

from rnnd.rnn.trust import Trust

EDGES = np.array([1])
LOT = 16
USUAL = np.array([[-3.0]], np.float32)
NONE = np.zeros((LOT, 1), np.int64)


def share(trust: Trust, experts: int = 1, expert: int = 0) -> float:
    """Return how much of what the *expert* claims counts."""
    claims = np.zeros((experts, 1, 1), np.float32)
    nothing = float(trust.weigh(claims)[0, 0])
    claims[expert] = 1
    return float(trust.weigh(claims)[0, 0]) - nothing


def shift_after(rate: float, steps: int, trust: Trust | None = None) -> tuple[float, Trust]:
    """Return what is added where nothing is claimed, after onsets at *rate*, and who learnt it."""
    rng = np.random.default_rng(4)
    trust = trust or make()
    nothing = np.zeros((LOT, 1, 1, 1), np.float32)
    for _ in range(steps // LOT):
        trust.note(nothing, np.where(rng.random((LOT, 1)) < rate, 1, 2), NONE, USUAL)
    return float(trust.weigh(nothing[0])[0, 0]), trust


def make(experts: int = 1) -> Trust:
    return Trust(experts, 1, EDGES, horizon=1)


def share_after(exaggeration: float, steps: int = 6000) -> float:
    """Return the share that claims *exaggeration* times as large as the truth come to."""
    rng = np.random.default_rng(0)
    trust = make()
    for _ in range(steps // LOT):
        truth = rng.normal(size=(LOT, 1))
        came = rng.random((LOT, 1)) < 1 / (1 + np.exp(3 - truth))
        claims = (exaggeration * truth)[:, None, :, None].astype(np.float32)  # (LOT, X, E, K)
        trust.note(claims, np.where(came, 1, 2), NONE, USUAL)
    return share(trust)


def test_claims_that_come_out_as_said_are_believed() -> None:
    assert share_after(1.0) == pytest.approx(1.0, abs=0.11)


def test_exaggerated_claims_are_believed_by_half() -> None:
    assert share_after(2.0) == pytest.approx(0.5, abs=0.11)


def test_claims_that_mean_nothing_are_not_believed() -> None:
    rng = np.random.default_rng(1)
    trust = make()

    for _ in range(6000 // LOT):
        claims = rng.normal(0, 2, (LOT, 1, 1, 1)).astype(np.float32)
        trust.note(claims, np.where(rng.random((LOT, 1)) < 0.05, 1, 2), NONE, USUAL)

    assert share(trust) < 0.25


def test_a_forecaster_is_believed_until_it_is_found_wrong() -> None:
    assert share_after(3.0, steps=16) >= 0.6


def test_of_two_experts_the_one_that_knows_something_is_believed() -> None:
    rng = np.random.default_rng(3)
    trust = make(2)

    for _ in range(12_000 // LOT):
        claims = rng.normal(size=(LOT, 2, 1, 1)).astype(np.float32)
        came = rng.random(LOT) < 1 / (1 + np.exp(3 - claims[:, 1, 0, 0]))
        trust.note(claims, np.where(came, 1, 2)[:, None], NONE, USUAL)

    assert share(trust, 2, 0) < 0.3
    assert share(trust, 2, 1) > 0.7


def test_what_became_more_frequent_than_the_base_rate_says_is_shifted_there() -> None:
    rare, trust = shift_after(0.047, 6000)
    frequent, _ = shift_after(0.15, 1000, trust)

    assert rare == pytest.approx(0.0, abs=0.2)
    assert frequent == pytest.approx(np.log(0.15 / 0.85) + 3, abs=0.3)


def test_when_nothing_changes_the_longest_memory_is_believed_most() -> None:
    _, trust = shift_after(0.047, 20_000)

    assert trust.state()["belief"].argmax(axis=0).tolist() == [1]


def test_the_steps_before_one_onset_count_as_one() -> None:
    claims = np.ones((LOT, 1, 1, 1), np.float32)
    shares = []
    for horizon in (1, 100):
        trust = Trust(1, 1, np.array([horizon]), horizon)
        for _ in range(50):
            trust.note(claims, np.full((LOT, 1), horizon + 1), NONE, USUAL)
        shares.append(share(trust))

    assert shares[0] < 0.7
    assert shares[1] > 0.85


def test_when_there_is_little_to_learn_shares_from_the_plain_average_is_believed() -> None:
    rng = np.random.default_rng(6)
    trust = make(3)
    before = [share(trust, 3, expert) for expert in range(3)]

    for _ in range(8000 // LOT):
        claims = rng.normal(0, 0.3, (LOT, 3, 1, 1)).astype(np.float32)
        odds = 0.4 * claims.sum(axis=1)[:, :, 0] - 3
        came = rng.random((LOT, 1)) < 1 / (1 + np.exp(-odds))
        trust.note(claims, np.where(came, 1, 2), NONE, USUAL)

    after = [share(trust, 3, expert) for expert in range(3)]
    assert after == pytest.approx(before, abs=0.1)
    assert trust.state()["belief"][2:].sum() > 0.7


def test_steps_that_are_settled_together_or_apart_spread_belief_alike() -> None:
    nothing = np.zeros((LOT, 1, 1, 1), np.float32)
    never = np.full((LOT, 1), 2)
    together, apart = make(), make()
    for trust in (together, apart):
        trust.restore(trust.state() | {"belief": np.array([[1.0], [0.0], [0.0], [0.0]])})

    together.note(nothing, never, NONE, USUAL)
    for step in range(LOT):
        one = slice(step, step + 1)
        apart.note(nothing[one], never[one], NONE[one], USUAL)

    spread = together.state()["belief"][1, 0]
    assert spread > 0
    assert apart.state()["belief"][1, 0] == pytest.approx(spread, rel=0.1)


def test_no_share_is_negative() -> None:
    rng = np.random.default_rng(5)
    trust = make()
    for _ in range(100):
        claims = rng.normal(0, 2, (LOT, 1, 1, 1)).astype(np.float32)
        came = rng.random(LOT) < 1 / (1 + np.exp(3 + claims[:, 0, 0, 0]))
        trust.note(claims, np.where(came, 1, 2)[:, None], NONE, USUAL)

    assert 0 <= share(trust) < 0.05


def test_a_restored_trust_goes_on_identically() -> None:
    rng = np.random.default_rng(2)
    steps = [
        (rng.normal(0, 3, (LOT, 1, 1, 1)).astype(np.float32), rng.integers(1, 3, (LOT, 1)))
        for _ in range(60)
    ]
    one, other = make(), make()
    for claim, until in steps[:30]:
        one.note(claim, until, NONE, USUAL)

    other.restore(one.state())

    for claim, until in steps[30:]:
        one.note(claim, until, NONE, USUAL)
        other.note(claim, until, NONE, USUAL)
        assert share(one) == share(other)
    assert share(one) < 1


def test_what_was_saved_at_other_speeds_is_refused() -> None:
    state = make().state()

    with pytest.raises(ValueError, match=r"\(4, 1, 1, 2\)"):
        make().restore(state | {"weights": state["weights"][:2]})
