import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnd.codecs.health import Health
from rnnd.config.schema import AppSettings, Rule
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction, share_out
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
APP = AppSettings(name="shop", logs=(), tick=60.0, horizon=600.0, more_horizons=(180.0,))
SLOW = AppSettings(name="shop", logs=(), tick=600.0, horizon=3600.0, more_horizons=())


def line(seconds: float, text: str) -> bytes:
    moment = datetime.fromtimestamp(START + seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ} {text}\n".encode()


def story(hours: float, seed: int = 0) -> bytes:
    """Return a log in which retries pile up for ten minutes before each failure."""
    rng = np.random.default_rng(seed)
    lines = []
    failing = 3600.0
    for second in np.arange(0.0, hours * 3600, 20.0):
        lines.append(line(second, f"INFO request {rng.integers(1000)} took {rng.integers(90)} ms"))
        if failing - 600 < second < failing and rng.random() < 0.8:
            lines.append(line(second, f"INFO retrying order {rng.integers(1000)}"))
        if second >= failing:
            lines.append(line(second, "CRITICAL out of workers"))
            failing += rng.uniform(2000, 4000)
    return b"".join(lines)


def replay(pipeline: AppPipeline, pieces: Iterator[bytes] | list[bytes]) -> list[Prediction]:
    predictions = []
    for piece in pieces:
        pipeline.feed("app.log", piece, 0.0)
        tick = pipeline.tick_of("app.log")
        if tick is not None:
            predictions += pipeline.close(tick)
    return predictions + list(pipeline.finish())


def told(predictions: list[Prediction]) -> list[Any]:
    return [(p.time, p.probabilities, p.healths, p.surprise, p.outcomes) for p in predictions]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    lines = data.splitlines(keepends=True)
    edges = [0, *sorted(place % len(lines) for place in places), len(lines)]
    return [b"".join(lines[begin:end]) for begin, end in pairwise(edges) if begin < end]


def test_there_is_one_prediction_a_tick_made_at_its_end() -> None:
    predictions = replay(AppPipeline(APP), [story(2)])

    times = [prediction.time for prediction in predictions]
    assert times == [START + 60.0 * (tick + 1) for tick in range(120)]


def test_probabilities_of_the_three_healths_sum_to_1_and_red_grows_with_the_horizon() -> None:
    for prediction in replay(AppPipeline(APP), [story(4)]):
        for triple in prediction.probabilities.values():
            assert sum(triple) == pytest.approx(1)
            assert min(triple) >= 0
        assert prediction.probabilities[180.0][2] <= prediction.probabilities[600.0][2]


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_predictions_do_not_depend_on_how_the_lines_came_in(places: list[int]) -> None:
    data = story(8)

    assert told(replay(AppPipeline(APP), cut(data, places))) == told(
        replay(AppPipeline(APP), [data])
    )


def test_a_pipeline_restored_in_the_middle_goes_on_to_the_last_bit() -> None:
    pieces = cut(story(8), list(range(150, 6000, 150)))
    whole = told(replay(AppPipeline(APP), pieces))
    first, second = AppPipeline(APP), AppPipeline(APP)
    before = []
    for piece in pieces[:20]:
        first.feed("app.log", piece, 0.0)
        before += first.close(first.tick_of("app.log") or 0)

    data = pack("test", *flatten(first.state()))
    second.restore(unflatten(*unpack("test", data)))

    assert told(before) + told(replay(second, pieces[20:])) == whole
    json.dumps(flatten(second.state())[1])


def test_it_learns_to_foretell_what_announces_itself() -> None:
    app = AppSettings(name="shop", logs=(), tick=60.0, more_horizons=(), alarm_budget=4 / 86400)
    pipeline = AppPipeline(app)

    replay(pipeline, [story(48)])

    record = pipeline.scoreboard.alarm
    assert record.failures > 40
    assert record.predicted > 0.4 * record.failures
    assert pipeline.scoreboard.brier[0].skill > 0.2


def test_a_failure_is_the_first_of_the_reds_that_are_closer_than_merge() -> None:
    data = b"".join(
        [line(s, "INFO alive") + (line(s, "CRITICAL bang") if s in (600, 900, 3000) else b"")
         for s in range(0, 4000, 60)]
    )  # fmt: skip
    onsets = [p.time - START for p in replay(AppPipeline(APP), [data]) if p.onset]

    assert onsets == [660.0, 3060.0]


def test_incidents_replace_the_failures_found_in_the_lines() -> None:
    pipeline = AppPipeline(APP, incidents=[START + 1800.0])

    predictions = replay(pipeline, [story(2)])

    assert [p.time - START for p in predictions if p.onset] == [1800.0]
    assert [p.time - START for p in predictions if p.observed == Health.RED] == [1800.0]


def test_health_is_unknown_while_warming_up() -> None:
    predictions = replay(AppPipeline(APP), [story(6)])

    healths = [prediction.health for prediction in predictions]
    known = next(i for i, health in enumerate(healths) if health != Health.UNKNOWN)
    assert sum(prediction.onset for prediction in predictions[: known + 1]) == 3
    assert Health.UNKNOWN not in healths[known:]


def test_health_is_unknown_when_the_log_has_fallen_silent_and_known_when_it_speaks_again() -> None:
    data = story(6) + line(8.5 * 3600, "INFO back")

    healths = [prediction.health for prediction in replay(AppPipeline(APP), [data])]

    assert healths[6 * 60 + 20] != Health.UNKNOWN
    assert healths[7 * 60 : 8 * 60] == [Health.UNKNOWN] * 60
    assert healths[-1] != Health.UNKNOWN


def test_ticks_of_a_silence_longer_than_a_week_are_skipped() -> None:
    month = 30 * 86400
    data = line(0, "INFO one") + b"".join(line(month + s, "INFO two") for s in range(0, 3000, 100))

    times = [prediction.time - START for prediction in replay(AppPipeline(SLOW), [data])]

    week = 7 * 144
    assert times[: week + 1] == [600.0 * (tick + 1) for tick in range(week + 1)]
    assert times[week + 1 :] == [month + 600.0 * (tick + 1) for tick in range(5)]


def test_lines_of_another_source_that_come_after_their_tick_was_closed_are_not_lost() -> None:
    pipeline = AppPipeline(APP)
    pipeline.feed("a.log", line(0, "INFO one") + line(300, "INFO two"), 0.0)
    pipeline.close(int(START // 60) + 5)

    pipeline.feed("b.log", line(100, "CRITICAL late"), 0.0)
    predictions = list(pipeline.finish())

    assert [p.observed for p in predictions] == [Health.RED]
    assert predictions[0].tick.lines == 2


def test_red_may_be_a_pattern() -> None:
    app = AppSettings(name="shop", logs=(), tick=60.0, red=Rule(patterns=("disk full",)))

    predictions = replay(AppPipeline(app), [line(0, "INFO disk full") + line(60, "FATAL other")])

    assert [p.observed for p in predictions] == [Health.RED, Health.ORANGE]


def test_what_is_not_red_is_shared_between_orange_and_green() -> None:
    triples = share_out(np.array([[0.3, 0.2], [0.1, 0.9]]))

    assert triples == [(0.7, 0.0, 0.3), (pytest.approx(0.1), pytest.approx(0.7), 0.2)]
