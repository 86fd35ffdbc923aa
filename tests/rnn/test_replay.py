import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnnd.rnn.replay import Replay


def fill(replay: Replay, steps: int, rng: np.random.Generator, every: int = 10) -> None:
    for lot in np.array_split(np.arange(steps), steps // 16 + 1):
        rare = lot % every == 0
        rows = rare.astype(np.int8)[:, None]
        replay.add(np.where(rare, 0, 1), rows, lot[:, None], rng)


def test_rows_of_a_stratum_with_room_are_all_kept_with_weight_1() -> None:
    rng = np.random.default_rng(0)
    replay = Replay(1, 1, room=(100, 100))

    fill(replay, 100, rng)

    assert len(replay) == 100
    assert replay.steps == 100
    batch = replay.sample(500, rng)
    assert set(batch.weights.tolist()) == {1.0}
    assert (batch.rows[:, 0] == (batch.labels[:, 0] % 10 == 0)).all()


def test_a_full_memory_still_stands_for_all_steps() -> None:
    rng = np.random.default_rng(1)
    replay = Replay(1, 1, room=(200, 300))

    fill(replay, 20_000, rng)

    assert len(replay) <= 500
    assert abs(replay.steps / 20_000 - 1) < 0.2


def test_weights_undo_that_rare_rows_are_kept_more_densely() -> None:
    rng = np.random.default_rng(2)
    replay = Replay(1, 1, room=(400, 400))
    fill(replay, 30_000, rng)

    batch = replay.sample(20_000, rng)

    drawn = batch.rows[:, 0].mean()
    weighted = np.average(batch.rows[:, 0], weights=batch.weights)
    assert drawn > 0.25
    assert abs(weighted - 0.1) < 0.03


def test_all_of_the_past_is_remembered_alike() -> None:
    rng = np.random.default_rng(3)
    replay = Replay(1, 1, room=(100, 1000))
    fill(replay, 50_000, rng)

    batch = replay.sample(20_000, rng)

    mean_age = np.average(batch.labels[:, 0], weights=batch.weights)
    assert abs(mean_age / 25_000 - 1) < 0.1


@given(st.integers(1, 300), st.integers(2, 20))
def test_a_memory_never_grows_beyond_its_room(steps: int, room: int) -> None:
    rng = np.random.default_rng(4)
    replay = Replay(1, 1, room=(room, room))

    fill(replay, steps, rng)

    assert len(replay) <= 2 * room


def test_a_restored_memory_gives_the_same_rows() -> None:
    rng = np.random.default_rng(5)
    replay, other = Replay(1, 1, room=(50, 50)), Replay(1, 1, room=(50, 50))
    fill(replay, 500, rng)

    other.restore(replay.state())

    one = replay.sample(20, np.random.default_rng(6))
    two = other.sample(20, np.random.default_rng(6))
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.weights, two.weights)
