import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.rnn.sequences import (
    EDGE,
    SequenceModel,
    SequenceSettings,
    arrive_late,
    pad,
    tolerate,
)

WHOLE = [1, 2, 2, 3, 4]
SETTINGS = SequenceSettings(symbols=7, hidden=16, batch=16, rate=1e-2, tolerance=3)

sequences = st.lists(st.lists(st.integers(1, 6), max_size=12), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def taught() -> SequenceModel:
    model = SequenceModel(SETTINGS)
    model.fit([WHOLE, [5, *WHOLE]] * 100, epochs=25)
    return model


def test_a_sequence_like_the_others_is_no_surprise(taught: SequenceModel) -> None:
    (surprises,) = taught.read([WHOLE])

    assert len(surprises) == len(WHOLE) + 1
    assert surprises.max() < 1.5


@pytest.mark.parametrize("cut", [[1], [1, 2, 2], [1, 2, 2, 3], [5, 1, 2]])
def test_a_sequence_that_ends_too_early_surprises_at_its_end(
    taught: SequenceModel, cut: list[int]
) -> None:
    (surprises,) = taught.read([cut])

    assert surprises[-1] > 2.5


def test_a_symbol_that_never_came_surprises(taught: SequenceModel) -> None:
    (surprises,) = taught.read([[1, 2, 6, 2, 3, 4]])

    assert surprises.argmax() == 2
    assert surprises[2] > 4


def test_what_comes_a_little_late_surprises_less_than_without_tolerance() -> None:
    late = [2, 2, 1, 3, 4]
    strict = SequenceModel(
        SequenceSettings(symbols=7, hidden=16, batch=16, rate=1e-2, tolerance=0, late=0.0)
    )
    lenient = SequenceModel(SETTINGS)
    for model in (strict, lenient):
        model.fit([WHOLE] * 100, epochs=25)

    assert lenient.read([late])[0].max() < strict.read([late])[0].max() / 2


def test_training_is_the_same_for_the_same_seed() -> None:
    models = [SequenceModel(SETTINGS, seed=5) for _ in range(2)]

    losses = [model.fit([WHOLE] * 40, epochs=2) for model in models]

    assert losses[0] == losses[1]
    assert np.array_equal(models[0].weights.vector, models[1].weights.vector)


@given(sequences)
def test_padding_keeps_every_symbol_and_ends_each_sequence(rows: list[list[int]]) -> None:
    x, y = pad(rows, 100)

    for column, row in enumerate(rows):
        assert y[: len(row) + 1, column].tolist() == [*row, EDGE]
        assert x[: len(row) + 1, column].tolist() == [EDGE, *row]
        assert (y[len(row) + 1 :, column] == -1).all()


@given(sequences)
def test_a_sequence_longer_than_is_read_has_no_end_to_forecast(rows: list[list[int]]) -> None:
    _, y = pad(rows, 3)

    for column, row in enumerate(rows):
        assert y[:, column].max() == max(row[:3], default=EDGE)
        assert (EDGE in y[:, column]) == (len(row) <= 3)


@given(sequences, st.integers(0, 2**32))
def test_late_symbols_are_moved_and_none_is_lost(rows: list[list[int]], seed: int) -> None:
    x, y = pad(rows, 100)

    late_x, late_y = arrive_late(x, y, 0.5, 0.5, np.random.default_rng(seed))

    for column, row in enumerate(rows):
        moved = late_y[: len(row), column].tolist()
        assert sorted(moved) == sorted(row)
        assert late_x[: len(row) + 1, column].tolist() == [EDGE, *moved]
        assert late_y[len(row) :, column].tolist() == y[len(row) :, column].tolist()


def test_all_symbols_of_one_kind_come_last_and_before_the_end() -> None:
    x, y = pad([[3, 1, 2, 1, 2]], 100)
    rng = np.random.default_rng(0)

    orders = {tuple(arrive_late(x, y, 0.0, 1.0, rng)[1][:, 0].tolist()) for _ in range(50)}

    assert orders == {(1, 2, 1, 2, 3, EDGE), (3, 2, 2, 1, 1, EDGE), (3, 1, 1, 2, 2, EDGE)}


def test_a_whole_kind_of_symbols_that_is_missing_surprises_at_the_end(
    taught: SequenceModel,
) -> None:
    (surprises,) = taught.read([[1, 3, 4]])

    assert surprises[-1] > 2.5


def test_a_forecast_that_was_met_forgives_no_second_coming() -> None:
    forecasts = np.array([[9, 1], [9, 5], [1, 9]], np.float32)

    assert tolerate(forecasts, np.array([1, 1, EDGE]), 2).tolist() == [1, 5, 1]


@given(st.integers(1, 12), st.integers(0, 2**32))
def test_more_tolerance_never_adds_surprise_and_the_end_gets_none(times: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    forecasts = rng.exponential(size=(times, 5)).astype(np.float32)
    symbols = np.append(rng.integers(1, 5, times - 1), EDGE)

    strict, some, much = (tolerate(forecasts, symbols, t) for t in (0, 2, 50))

    assert (much <= some).all()
    assert (some <= strict).all()
    assert much[-1] == forecasts[-1, EDGE]
