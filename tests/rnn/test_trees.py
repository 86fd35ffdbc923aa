import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.rnn.trees import TREES, Trees, choose

EDGES = np.array([2, 8])
USUAL = np.full((1, 2), -4.0, np.float32)
HORIZON = 8
COLUMNS = np.arange(6)


def examples(count: int, seed: int = 0) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return rows, and steps until an onset, which comes only where both 1 and 4 are high."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-60, 60, (count, 6)).astype(np.int8)
    soon = (rows[:, 1] > 10) & (rows[:, 4] > 10)
    return rows, np.where(soon & (rng.random(count) < 0.5), 5, 9)[:, None]


def grown(trees: Trees, turns: int, first: int = 0) -> Trees:
    rng = np.random.default_rng(first)
    for turn in range(first, first + turns):
        rows, until = examples(512, turn)
        both = np.repeat(until, 2, axis=1)
        usual, ones = np.repeat(USUAL, 2, axis=0), np.ones(512, np.float32)
        trees.learn(rows, both, np.zeros_like(both), usual, ones, 16_000.0, rng)
    return trees


def make(events: int = 1) -> Trees:
    return Trees(COLUMNS, events, EDGES, HORIZON)


def test_before_anything_is_learnt_they_add_nothing() -> None:
    claim = make().claim(np.full((3, 6), 127, np.int8))

    assert claim.shape == (3, 1, 2)
    assert (claim == 0).all()


def test_they_learn_that_two_signs_mean_something_only_together() -> None:
    trees = grown(make(), 2 * TREES)

    both, one, other = (
        float(trees.claim(np.array([0, a, 0, 0, b, 0], np.int8))[0, 1])
        for a, b in ((40, 40), (40, -40), (-40, 40))
    )

    assert both == pytest.approx(4.0, abs=0.6)  # log-odds of a half, beside those of -4
    assert max(one, other) < 0


def test_a_bin_that_nothing_comes_in_gets_less_than_the_one_it_comes_in() -> None:
    trees = grown(make(), 2 * TREES)

    early, late = trees.claim(np.array([0, 40, 0, 0, 40, 0], np.int8))[0]

    assert early < late - 2


def test_a_single_onset_is_not_taken_for_a_rule() -> None:
    trees, rng = make(), np.random.default_rng(1)
    rows = rng.integers(-60, 60, (512, 6)).astype(np.int8)
    rows[:HORIZON] = 100  # the steps before the only onset ever
    until = np.full((512, 1), HORIZON + 1)
    until[:HORIZON, 0] = np.arange(HORIZON, 0, -1)

    for _ in range(2 * TREES):
        trees.learn(rows, until, np.zeros_like(until), USUAL, np.ones(512, np.float32), 512.0, rng)

    claim = trees.claim(rows[0])[0, 1]
    assert 0.5 < claim < 3.8


def test_steps_in_which_no_onset_was_possible_teach_nothing() -> None:
    trees, rng = make(), np.random.default_rng(1)
    rows, until = examples(512)
    immune = np.full_like(until, HORIZON)

    trees.learn(rows, until, immune, USUAL, np.ones(512, np.float32), 16_000.0, rng)

    assert (trees.claim(rows) == 0).all()


def test_columns_that_are_not_theirs_are_never_asked_about() -> None:
    trees = grown(Trees(np.array([0, 4]), 1, EDGES, HORIZON), TREES)
    row = np.array([0, 40, 0, 0, 40, 0], np.int8)
    changed = np.array([0, -40, 90, 90, 40, 90], np.int8)

    assert (trees.claim(row) == trees.claim(changed)).all()


def test_hundreds_of_features_that_never_vary_do_not_hide_those_that_do() -> None:
    trees, rng = Trees(np.arange(800), 1, EDGES, HORIZON), np.random.default_rng(0)

    for turn in range(2 * TREES):
        some, until = examples(512, turn)
        rows = np.full((512, 800), 7, np.int8)
        rows[:, 700:706] = some
        ones = np.ones(512, np.float32)
        trees.learn(rows, until, np.zeros_like(until), USUAL, ones, 16_000.0, rng)

    sign = np.full(800, 7, np.int8)
    sign[700:706] = 0, 40, 0, 0, 40, 0
    assert float(trees.claim(sign)[0, 1]) == pytest.approx(4.0, abs=0.6)


def test_where_nothing_varies_they_learn_how_often_onsets_come() -> None:
    trees, rng = make(), np.random.default_rng(0)
    rows, until = np.zeros((512, 6), np.int8), np.full((512, 1), HORIZON + 1)

    for _ in range(TREES):
        trees.learn(
            rows, until, np.zeros_like(until), USUAL, np.ones(512, np.float32), 16_000.0, rng
        )

    assert (trees.claim(rows[0]) < -1).all()  # none came, and some were expected


def test_what_changes_is_followed_after_one_round() -> None:
    trees, rng = grown(make(), TREES), np.random.default_rng(2)
    sign = np.array([0, 40, 0, 0, 40, 0], np.int8)
    before = trees.claim(sign)[0, 1]

    for turn in range(TREES):
        rows, _ = examples(512, turn)
        never = np.full((512, 1), HORIZON + 1)
        ones = np.ones(512, np.float32)
        trees.learn(rows, never, np.zeros_like(never), USUAL, ones, 16_000.0, rng)

    assert before > 3
    assert trees.claim(sign)[0, 1] < 0


def test_the_first_question_is_the_one_that_tells_most() -> None:
    rng = np.random.default_rng(0)
    above = rng.random((5, 400)) < 0.5
    came = (above[3] & (rng.random(400) < 0.5)).astype(np.float32)

    chosen = choose(above, came, np.full(400, came.mean(), np.float32))

    assert chosen[0] == 3


def test_restored_trees_go_on_identically() -> None:
    one, other = grown(make(2), 20), make(2)
    other.restore(one.state())

    for trees in (one, other):
        grown(trees, 5, first=20)

    rows, _ = examples(100)
    assert (one.claim(rows) == other.claim(rows)).all()
