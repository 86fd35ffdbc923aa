"""A list of failures that grows while the daemon runs: rows late, torn, bad, or gone."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rnnd.codecs.health import Health
from rnnd.config.schema import AppSettings
from rnnd.daemon.app import BAD_ROW, App
from rnnd.daemon.prediction.incident_list import IncidentList
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.daemon.state import StateFile
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

START = datetime(2090, 1, 1, tzinfo=UTC).timestamp()


def row(seconds: float) -> str:
    return f"{datetime.fromtimestamp(START + seconds, UTC):%Y-%m-%dT%H:%M:%SZ}\n"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "incidents.csv"
    path.write_text("start\n")
    return path


# The file


def test_rows_are_given_when_the_file_has_grown_and_only_then(csv: Path) -> None:
    incidents = IncidentList(str(csv), merge=600.0)

    assert incidents.poll() == []
    assert incidents.poll() is None
    append(csv, row(3600))
    assert incidents.poll() == [START + 3600]
    assert incidents.poll() is None


def test_a_row_that_is_still_being_written_waits(csv: Path) -> None:
    incidents = IncidentList(str(csv), merge=600.0)
    append(csv, row(3600)[:10])

    assert incidents.poll() == []
    append(csv, row(3600)[10:])
    assert incidents.poll() == [START + 3600]


def test_a_last_row_without_a_newline_is_read_at_the_next_look(csv: Path) -> None:
    incidents = IncidentList(str(csv), merge=600.0)
    append(csv, row(3600).rstrip())

    assert incidents.poll() == []
    assert incidents.poll() == [START + 3600]
    assert incidents.poll() is None


def test_bad_rows_are_counted_once_and_the_others_heeded(csv: Path) -> None:
    incidents = IncidentList(str(csv), merge=600.0)
    endless = '"' + 150_000 * "x" + "\n"
    append(csv, "yesterday\n" + row(3600) + "\x00\x1b[31m\n-1e15\n" + endless)

    assert incidents.poll() == [START + 3600]
    assert incidents.bad == 4
    append(csv, row(7200))
    assert incidents.poll() == [START + 3600, START + 7200]
    assert incidents.bad == 4


@pytest.mark.parametrize("content", [b"", b"begin\n1\n", b"\xff\xfe", None])
def test_a_file_that_is_no_list_is_told_and_heeded_once_it_is_one(
    csv: Path, content: bytes | None
) -> None:
    incidents = IncidentList(str(csv), merge=600.0)
    if content is None:
        csv.unlink()
    else:
        csv.write_bytes(content)

    assert incidents.poll() is None
    assert incidents.complaint
    assert str(csv) not in incidents.complaint
    csv.write_text(f"start\n{row(60)}")
    assert incidents.poll() == [START + 60]
    assert incidents.complaint is None


# The pipeline

APP = AppSettings(name="shop", logs=(), tick=60.0, more_horizons=(3600.0,), failures="i.csv")


def log(begin: float, end: float) -> bytes:
    rng = np.random.default_rng(int(begin))
    return b"".join(
        row(second).strip().encode() + b" INFO request %d done\n" % rng.integers(100)
        for second in np.arange(begin, end, 30.0)
    )


def run(pipeline: AppPipeline, begin: float, end: float) -> list[float]:
    """Replay and return when failures began, in seconds since the start."""
    pipeline.feed("shop.log", log(begin, end), 0.0)
    closed = pipeline.close(pipeline.tick_of("shop.log") or 0)
    return [one.time - START for one in closed if one.onset]


def test_an_incident_that_is_told_in_time_is_a_failure_in_its_tick() -> None:
    pipeline = AppPipeline(APP, incidents=[])
    run(pipeline, 0, 3600)

    assert pipeline.take_incidents([START + 5000]) == []
    assert run(pipeline, 3600, 7200) == [5040.0]


def test_where_incidents_decide_a_line_is_orange_at_worst() -> None:
    pipeline = AppPipeline(APP, incidents=[START + 30])
    pipeline.feed("shop.log", row(0).strip().encode() + b" CRITICAL out of workers\n", 0.0)

    (closed,) = pipeline.finish()

    assert closed.observed is Health.RED
    assert [(one.health, one.line[-14:]) for one in closed.tick.examples] == [
        (Health.ORANGE, "out of workers")
    ]


def test_an_incident_that_is_told_late_counts_and_is_told_once() -> None:
    pipeline = AppPipeline(APP, incidents=[])
    run(pipeline, 0, 3600)

    (late,) = pipeline.take_incidents([START + 3000])

    assert late.time == START + 3000
    assert pipeline.scoreboard.alarm.failures == 1
    assert pipeline.take_incidents([START + 3000]) == []
    assert pipeline.take_incidents([START + 3000, START + 3100]) == [], "merged with the first"


def test_what_is_told_late_is_learnt_as_if_it_had_been_known() -> None:
    told_in_time = AppPipeline(APP, incidents=[START + 3000])
    told_late = AppPipeline(APP, incidents=[])
    run(told_in_time, 0, 3300)
    run(told_late, 0, 3300)
    told_late.take_incidents([START + 3000])

    labels = [pipeline.forecaster.state()["until"] for pipeline in (told_in_time, told_late)]

    assert np.array_equal(*(one[:, 0] for one in labels))


def test_a_restored_pipeline_learns_of_what_was_appended_meanwhile_and_of_nothing_twice() -> None:
    first = AppPipeline(APP, incidents=[START + 1200])
    run(first, 0, 3600)
    saved = unflatten(*unpack("test", pack("test", *flatten(first.state()))))
    grown = [START + 1200, START + 2400, START + 5000]

    second = AppPipeline(APP, incidents=grown)
    second.restore(saved)
    late = second.take_incidents(grown)

    assert [one.time - START for one in late] == [2400.0]
    assert second.scoreboard.alarm.failures == 2
    assert run(second, 3600, 7200) == [5040.0]


# The daemon's app


def test_the_app_heeds_rows_as_they_come_counts_bad_ones_and_goes_on(
    tmp_path: Path, csv: Path
) -> None:
    path = tmp_path / "shop.log"
    path.write_bytes(log(0, 3600))
    settings = AppSettings(name="shop", logs=(str(path),), tick=60.0, failures=str(csv))
    app = App(settings, AppPipeline(settings, incidents=[]), StateFile(tmp_path / "s"), grace=3.0)

    def turns(monotonic: float) -> None:
        while app.turn(START + 3600, monotonic):
            pass

    turns(1.0)
    append(csv, "soon\n" + row(1800))
    turns(2.0)
    status = app.status()

    assert status.tally.failures_missed == 1
    assert status.tally.read_errors[BAD_ROW] == 1
    assert [failure.time for failure in status.failures] == [START + 1800]
    csv.unlink()
    turns(3.0)
    assert str(csv) in app.status().complaints
    app.close()
