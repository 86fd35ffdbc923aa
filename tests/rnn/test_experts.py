from collections import deque

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.rnn.evidence import Evidence
from rnnd.rnn.experts import Experts
from rnnd.rnn.hazards import BaseRates, bin_edges
from rnnd.rnn.replay import Batch

EDGES = bin_edges([8, 30])
GROUPS = np.array([0, 0, 1], np.int64)
NONE = np.zeros(1, np.int64)


def make() -> Experts:
    evidence = Evidence(GROUPS, events=1, horizon=8, every=1)
    return Experts(GROUPS, 8.0, 4, evidence, EDGES, (30.0, 10.0), 0.0, 10.0)


def row(experts: Experts, *vector: float) -> NDArray[np.int8]:
    return experts.row(np.array(vector, np.float32), np.array([9.0, 1, 0, 0]))


def test_a_row_holds_vector_echoes_and_evidence_in_bytes() -> None:
    experts = make()

    bytes_ = row(experts, 8.0, -8.0, 1.0)

    assert len(bytes_) == experts.size
    assert bytes_[:3].tolist() == [127, -127, 16]
    assert bytes_[3:7].tolist() == [127, 32, 0, 0]


def test_before_anything_is_learnt_all_claim_nothing_and_the_usual_is_said() -> None:
    experts = make()

    claims = experts.claims(row(experts, 3, 0, 0))

    assert claims.shape == (3, 1, len(EDGES))
    assert (claims == 0).all()
    assert (experts.logits(claims) < -3).all()


def test_all_learn_that_a_sign_comes_before_an_onset() -> None:
    experts, rng = make(), np.random.default_rng(0)
    seen: deque[NDArray[np.int8]] = deque(maxlen=20)
    known: deque[NDArray[np.int64]] = deque(maxlen=20)
    for lot in range(100):
        soon = lot % 10 == 9
        rows = np.array([row(experts, 5.0 if soon else 0.0, 0, 0)] * 16)
        until = np.full((16, 1), 4 if soon else 31)
        immune = np.zeros((16, 1), np.int64)
        experts.settle(rows, experts.claims(rows), until, immune)
        seen.append(rows)
        known.append(np.concatenate([until, immune], axis=1))
        ones = np.ones(16 * len(seen), np.float32)
        batch = Batch(np.concatenate(seen), np.concatenate(known), ones)
        experts.learn(batch, 1600.0, (0.02, 0.02))
        experts.grow(batch, 1600.0, rng)

    sign, nothing = (experts.claims(row(experts, x, 0, 0)).sum(axis=(1, 2)) for x in (5.0, 0.0))

    assert (sign > nothing + 1).all()


def test_sums_tell_what_is_far_off_from_what_is_twice_as_far() -> None:
    experts, rng = make(), np.random.default_rng(0)
    for _ in range(300):
        far = rng.random(64) < 0.5
        rows = np.array([row(experts, 8.0 if one else 4.0, 0, 0) for one in far])
        until = np.where(far, 2, 31)[:, None]
        batch = Batch(rows, np.concatenate([until, 0 * until], axis=1), np.ones(64, np.float32))
        experts.learn(batch, 1e6, (0.02, 0.02))

    twice, once = (experts.claims(row(experts, x, 0, 0))[0, 0, 0] for x in (8.0, 4.0))

    assert twice > once + 1


def test_a_bin_that_cannot_hold_an_onset_is_not_counted_in_the_base_rates() -> None:
    rates = BaseRates(1, EDGES)
    before = rates.logits.copy()

    rates.count(np.full((100, 1), 31), np.full((100, 1), 30))

    assert rates.logits == pytest.approx(before)


def test_the_base_rate_comes_to_the_share_of_bins_that_were_hit() -> None:
    rates = BaseRates(1, np.array([1]))

    for step in range(1000):
        rates.count(np.array([[1 if step % 4 == 0 else 2]]), np.zeros((1, 1), np.int64))

    assert np.exp(rates.logits[0, 0]) == pytest.approx(251 / 2000)


def test_what_lingers_after_an_onset_does_not_speak_against_a_sign() -> None:
    weights = []
    for lingers in (False, True):
        evidence = Evidence(GROUPS, events=1, horizon=8, every=1)
        experts = Experts(GROUPS, 8.0, 4, evidence, EDGES, (30.0, 10.0), 0.0, 10.0)
        quiet, sign = (np.array([row(experts, x, 0, 0)] * 8) for x in (0.0, 5.0))
        after = sign if lingers else quiet
        for _ in range(5):
            for rows, until, immune in ((sign, 4, 0), (after, 31, 6), (quiet, 31, 0)):
                times = np.full((8, 1), until), np.full((8, 1), immune)
                experts.settle(rows, experts.claims(rows), *times)
        bins = evidence.place(np.array([5.0, 0, 0], np.float32))
        weights.append(evidence.weights(bins)[0, 0])

    assert weights[0] == weights[1] > 1
