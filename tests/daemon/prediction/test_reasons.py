"""Why a failure is probable: causes, lines and times, found through the real pipeline."""

import re
import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest
from msgspec.structs import replace

from rnnd.config.schema import AppSettings, Rule
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.prediction.reasons import causes
from rnnd.rnn.checkpoint import flatten, pack

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
APP = AppSettings(
    name="shop", logs=(), tick=60.0, more_horizons=(), alarm_budget=4 / 86400,
    red=Rule(severity="critical"),
)  # fmt: skip


def line(seconds: float, text: str) -> bytes:
    moment = datetime.fromtimestamp(START + seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ} {text}\n".encode()


def story(hours: float, sign: str) -> bytes:
    """Return a log in which *sign* goes on for ten minutes before every failure."""
    rng = np.random.default_rng(0)
    lines = []
    failing = 3600.0
    for second in np.arange(0.0, hours * 3600, 20.0):
        near = failing - 600 < second < failing
        lines.append(line(second, f"INFO request {rng.integers(1000)} took {rng.integers(90)} ms"))
        if sign == "retries" and near and rng.random() < 0.8:
            lines.append(line(second, f"INFO retrying order {rng.integers(1000)}"))
        if sign == "warnings" and near:
            word = "".join(rng.choice(list("abcdefgh"), 5))
            lines.append(line(second, f"WARNING {word} is slow"))
        if sign == "heartbeat" and not near:
            lines.append(line(second, "INFO heartbeat of the replica"))
        if sign == "heap":
            heap = 90 + rng.integers(9) if near else 40 + rng.integers(9)
            lines.append(line(second, f"INFO heap at {heap} percent"))
        if sign == "order":
            wrong = near and rng.random() < 0.8
            steps = ("begin", *(("users", "stock") if wrong else ("stock", "users")), "commit")
            lines += [line(second, f"INFO shop.Transaction: {step}") for step in steps]
        if second >= failing:
            lines.append(line(second, "CRITICAL out of workers"))
            failing += rng.uniform(2000, 4000)
    return b"".join(lines)


def alarms(sign: str) -> list[Prediction]:
    """Return the predictions of the alarms of the last third of a log, by its *sign*."""
    pipeline = AppPipeline(replace(APP, order=sign == "order"))
    pipeline.feed("app.log", story(48, sign), 0.0)
    found = [one for one in pipeline.finish() if one.outcomes.alarms]
    return found[len(found) * 2 // 3 :]


@pytest.fixture(scope="module")
def retries() -> list[Prediction]:
    return alarms("retries")


def test_the_lines_that_announce_a_failure_are_among_the_first_reasons(
    retries: list[Prediction],
) -> None:
    named = [
        one for alarm in retries for one in alarm.reasons[:2] if "retrying order" in one.template
    ]

    assert len(named) > 0.8 * len(retries)
    assert all(one.kind == "more" and one.factor > 1.3 for one in named)
    assert all("INFO retrying order" in one.line for one in named)


def test_where_a_severity_is_the_reason_a_line_of_it_is_shown_and_no_template() -> None:
    named = [
        reason
        for one in alarms("warnings")
        for reason in one.reasons
        if (reason.kind, reason.template) == ("severity", "warning")
    ]

    assert named
    assert not any(one.pattern for one in named)
    assert all(re.fullmatch("WARNING [a-h]{5} is slow|[a-h]{5} is slow", one.line) for one in named)


def test_how_many_lines_come_in_all_is_told_after_what_lines_they_are(
    retries: list[Prediction],
) -> None:
    told = [[one.kind for one in alarm.reasons] for alarm in retries]

    assert any("lines" in kinds for kinds in told)
    assert all("lines" not in kinds[:-1] for kinds in told)


def test_lines_that_hold_no_numbers_are_shown_as_they_are(retries: list[Prediction]) -> None:
    lines = {
        one.line for alarm in retries for one in alarm.reasons if "out of workers" in one.template
    }

    assert lines <= {"out of workers"}


def test_a_reason_has_lasted_for_as_long_as_the_sign_has(retries: list[Prediction]) -> None:
    lasted = [
        one.time - reason.since
        for one in retries
        for reason in one.reasons[:2]
        if reason.since is not None and "retrying" in reason.template
    ]

    assert lasted
    assert all(60 <= seconds <= 900 for seconds in lasted)


def test_a_heartbeat_that_is_missing_is_named() -> None:
    named = [
        reason
        for one in alarms("heartbeat")
        for reason in one.reasons
        if "heartbeat of the replica" in reason.template and reason.kind in ("fewer", "overdue")
    ]

    assert named


def test_a_number_out_of_its_range_is_named_with_what_it_usually_is() -> None:
    named = [
        reason
        for one in alarms("heap")
        for reason in one.reasons
        if reason.kind == "number" and "heap at" in reason.template
    ]

    assert named
    for reason in named:
        assert reason.value is not None
        assert reason.value >= 90
        assert reason.usual is not None
        assert 40 < reason.usual < 75


def test_explaining_changes_nothing() -> None:
    asked, left = AppPipeline(APP), AppPipeline(APP)
    for pipeline in (asked, left):
        pipeline.feed("app.log", story(8, "retries"), 0.0)
        pipeline.close(pipeline.tick_of("app.log") or 0)

    asked.reasons()

    saved = [pack("test", *flatten(pipeline.state())) for pipeline in (asked, left)]
    assert saved[0] == saved[1]


def test_a_pipeline_that_need_not_explain_predicts_the_same_without_reasons() -> None:
    explaining, silent = AppPipeline(APP), AppPipeline(APP, explain=False)
    for pipeline in (explaining, silent):
        pipeline.feed("app.log", story(24, "retries"), 0.0)

    told, plain = list(explaining.finish()), list(silent.finish())

    assert any(one.reasons for one in told)
    assert not any(one.reasons for one in plain)
    assert [one.probabilities for one in plain] == [one.probabilities for one in told]
    assert [one.healths for one in plain] == [one.healths for one in told]


def test_where_the_order_tells_a_line_that_was_not_expected_is_named() -> None:
    found = [one for alarm in alarms("order") for one in alarm.reasons if one.kind == "order"]

    assert found
    assert all(one.line.endswith(("Transaction: users", "Transaction: stock")) for one in found)


def test_lines_for_explanations_take_no_more_memory_the_longer_the_daemon_runs() -> None:
    pipeline = AppPipeline(APP)
    tail = "x" * 4000
    tracemalloc.start()

    sizes = []
    for begin in (0, 50, 100):
        for minute in range(begin, begin + 50):
            lines = [
                line(60 * minute, f"INFO part{chr(97 + i)} {minute} {tail}") for i in range(26)
            ]
            pipeline.feed("app.log", b"".join(lines), 0.0)
            pipeline.close(pipeline.tick_of("app.log") or 0)
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert sizes[2] - sizes[1] < 1 << 20  # the lines of 50 ticks have 5 MB


def test_before_anything_was_seen_there_is_no_reason() -> None:
    assert AppPipeline(APP).reasons() == ()


def test_every_feature_belongs_to_one_cause() -> None:
    names = AppPipeline(APP).codec.feature_names

    found = causes(names)

    features = sorted(feature for cause in found for feature in cause.features)
    assert features == list(range(len(names) + 1))
    assert {cause.kind for cause in found} == {
        "more", "overdue", "number", "severity", "lines", "new", "time", "past"
    }  # fmt: skip
