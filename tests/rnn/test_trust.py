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
    claims[expert] = 1
    return float(trust.weigh(claims)[0, 0])


def share_after(exaggeration: float, steps: int = 6000) -> float:
    """Return the share that claims *exaggeration* times as large as the truth come to."""
    rng = np.random.default_rng(0)
    trust = Trust(1, 1, EDGES, memory=100_000.0)
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
    trust = Trust(1, 1, EDGES, memory=100_000.0)

    for _ in range(6000 // LOT):
        claims = rng.normal(0, 2, (LOT, 1, 1, 1)).astype(np.float32)
        trust.note(claims, np.where(rng.random((LOT, 1)) < 0.05, 1, 2), NONE, USUAL)

    assert share(trust) < 0.25


def test_a_forecaster_is_believed_until_it_is_found_wrong() -> None:
    assert share_after(3.0, steps=16) >= 0.8


def test_of_two_experts_the_one_that_knows_something_is_believed() -> None:
    rng = np.random.default_rng(3)
    trust = Trust(2, 1, EDGES, memory=100_000.0)

    for _ in range(12_000 // LOT):
        claims = rng.normal(size=(LOT, 2, 1, 1)).astype(np.float32)
        came = rng.random(LOT) < 1 / (1 + np.exp(3 - claims[:, 1, 0, 0]))
        trust.note(claims, np.where(came, 1, 2)[:, None], NONE, USUAL)

    assert share(trust, 2, 0) < 0.3
    assert share(trust, 2, 1) > 0.7


def test_a_restored_trust_goes_on_identically() -> None:
    rng = np.random.default_rng(2)
    steps = [
        (rng.normal(0, 3, (LOT, 1, 1, 1)).astype(np.float32), rng.integers(1, 3, (LOT, 1)))
        for _ in range(60)
    ]
    one, other = (Trust(1, 1, EDGES, memory=1000.0) for _ in range(2))
    for claim, until in steps[:30]:
        one.note(claim, until, NONE, USUAL)

    other.restore(one.state())

    for claim, until in steps[30:]:
        one.note(claim, until, NONE, USUAL)
        other.note(claim, until, NONE, USUAL)
        assert share(one) == share(other)
    assert share(one) < 1
