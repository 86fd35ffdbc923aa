import argparse
import csv
import gzip
import json
import os
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from rnnd.codecs.health import Health
from rnnd.config.schema import AppSettings
from rnnd.daemon.backtesting import replay
from rnnd.daemon.backtesting.backtest import Evaluation
from rnnd.daemon.backtesting.replay import Replay
from rnnd.daemon.cli import main
from rnnd.daemon.commands.backtest import add_arguments, settings
from rnnd.daemon.prediction.pipeline import AppPipeline

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def line(seconds: float, text: str) -> str:
    return f"{datetime.fromtimestamp(START + seconds, UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n"


def write_log(path: Path, hours: float = 6, every: int = 30, crash: int = 3000) -> Path:
    rng = np.random.default_rng(0)
    seconds = range(0, int(hours * 3600), every)
    lines = [line(s, f"INFO request {rng.integers(100)} done") for s in seconds]
    lines += [line(s, "CRITICAL crashed") for s in range(crash, int(hours * 3600), crash)]
    path.write_text("".join(sorted(lines)))
    return path


def run(*arguments: object) -> int:
    return main(["backtest", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_table_tells_failures_alarms_and_skill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_log(tmp_path / "shop.log"), "--tick", "1m") == 0

    out = capsys.readouterr().out
    assert "a line of severity critical or worse, merged at 10m" in out
    for word in ("shop", "failures", "predicted", "lead time", "false alarms a day", "Brier"):
        assert word in out


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_an_output_that_cannot_be_written_is_told_before_the_replay(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    def predictions(*_: object) -> None:
        raise AssertionError("replayed")

    monkeypatch.setattr(Replay, "predictions", predictions)

    assert run(write_log(tmp_path / "shop.log", hours=1), option, tmp_path) == 1

    assert capsys.readouterr().err == f"rnnd: {tmp_path}: cannot be written (is a directory)\n"


@pytest.mark.parametrize(
    ("option", "begins"),
    [("--html", "<!DOCTYPE html>"), ("--json", "{"), ("--predictions", "time,app,")],
)
def test_one_output_may_be_standard_output_beside_files_and_nothing_else_is_there_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, begins: str
) -> None:
    others = {"--html", "--json", "--predictions"} - {option}
    files = {other: tmp_path / other for other in others}
    log = write_log(tmp_path / "shop.log", hours=1)

    assert run(log, option, "-", *(x for pair in files.items() for x in pair)) == 0

    out = capsys.readouterr().out
    assert out.startswith(begins)
    assert "median lead time  " not in out
    assert all(path.stat().st_size for path in files.values())


@pytest.mark.parametrize("option", ["--html", "--json", "--predictions"])
def test_a_full_disk_under_standard_output_is_told_by_its_name(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    log = write_log(tmp_path / "shop.log", hours=1)

    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(log, option, "-") == 1

    said = capsys.readouterr().err
    assert said == "rnnd: standard output: cannot be written (no space left on device)\n"


def test_two_outputs_cannot_be_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "shop.log", hours=1)

    assert run(log, "--json", "-", "--html", "-") == 2

    said = capsys.readouterr().err
    assert said == "rnnd: --json, --html: only one of them can be standard output\n"


@pytest.mark.parametrize(("pattern", "told"), [("crashed", False), ("request", True)])
def test_a_rule_that_holds_nearly_always_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pattern: str, told: bool
) -> None:
    log, config, page = (tmp_path / name for name in ("shop.log", "c.yaml", "page.html"))
    write_log(log, hours=3)
    config.write_text(
        f"apps: [{{name: shop, logs: [{log}], tick: 1m, red: {{patterns: [{pattern}]}}}}]"
    )

    assert run("--config", config, "--html", page) == 0

    assert ("such failures hardly end" in capsys.readouterr().out.replace("\n", " ")) == told
    assert ("such failures hardly end" in page.read_text()) == told


def test_how_much_of_the_time_was_red_is_told_of_the_rule_that_is_in_force(tmp_path: Path) -> None:
    app = AppSettings(name="shop", logs=(str(write_log(tmp_path / "shop.log", hours=1)),))
    pipeline = AppPipeline(app, 0)
    predictions = list(Replay(pipeline, app.logs).predictions(lambda _: None))
    half = len(predictions) // 2
    evaluation = Evaluation(pipeline)

    for number, one in enumerate(predictions):
        evaluation.note(
            replace(
                one,
                observed=Health.RED if number > half else Health.GREEN,
                new_rule="another" if number == half else None,
            )
        )

    assert evaluation.result().red_share == 1


def test_predictions_hold_a_row_a_tick_and_horizon_whose_probabilities_sum_to_1(
    tmp_path: Path,
) -> None:
    log, out = write_log(tmp_path / "shop.log"), tmp_path / "predictions.csv"

    run(log, "--tick", "1m", "--horizon", "10m", "--horizon", "30m", "--predictions", out)

    table = rows(out)
    assert list(table[0]) == [
        "time", "app", "horizon_seconds", "p_green", "p_orange", "p_red", "health"
    ]  # fmt: skip
    assert len(table) == 2 * 360
    assert table[0]["time"] == "2026-03-01T00:01:00Z"
    for row in table:
        parts = [Decimal(row[name]) for name in ("p_green", "p_orange", "p_red")]
        assert sum(parts) == 1
        assert min(parts) >= 0
        assert row["health"] in ("green", "orange", "red", "unknown")
    red = defaultdict(list)
    for row in table:
        red[row["time"]].append(float(row["p_red"]))
    assert all(near <= far for near, far in red.values())


def test_json_holds_the_scores(tmp_path: Path) -> None:
    log, out = write_log(tmp_path / "shop.log"), tmp_path / "scores.json"

    run(log, "--tick", "1m", "--json", out)

    scores = json.loads(out.read_text())
    assert scores["failures"] == 7
    assert scores["ticks"] == 360
    assert scores["lines"] == 720 + 7
    assert [score["horizon_seconds"] for score in scores["horizons"]] == [600, 60, 3600]


def test_a_csv_of_incidents_replaces_the_failures_in_the_lines(tmp_path: Path) -> None:
    log, out = write_log(tmp_path / "shop.log"), tmp_path / "scores.json"
    incidents = tmp_path / "incidents.csv"
    incidents.write_text(f"type,start_epoch\na,{START + 5000}\nb,{START + 9000}\n")

    run(log, "--tick", "1m", "--failures", incidents, "--json", out)

    assert json.loads(out.read_text())["failures"] == 2


def test_packed_logs_and_several_logs_are_merged_by_time(tmp_path: Path) -> None:
    text = write_log(tmp_path / "whole.log").read_text().splitlines(keepends=True)
    (tmp_path / "a.log").write_text("".join(text[::2]))
    with gzip.open(tmp_path / "b.log.gz", "wt") as file:
        file.writelines(text[1::2])
    out, merged = tmp_path / "whole.csv", tmp_path / "merged.csv"

    run(tmp_path / "whole.log", "--name", "x", "--tick", "1m", "--predictions", out)
    run(
        tmp_path / "a.log", tmp_path / "b.log.gz", "--name", "x", "--tick", "1m",
        "--predictions", merged,
    )  # fmt: skip

    assert merged.read_text() == out.read_text()


def test_how_much_is_read_at_a_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_log(tmp_path / "shop.log", hours=3)
    app = AppSettings(name="shop", logs=(str(log),), tick=60.0)

    def predictions(chunk: int) -> list[object]:
        monkeypatch.setattr(replay, "CHUNK", chunk)
        given = Replay(AppPipeline(app), app.logs).predictions()
        return [(p.time, p.probabilities, p.healths) for p in given]

    assert predictions(100) == predictions(1 << 20)


def test_scores_are_those_of_the_predictions_written(tmp_path: Path) -> None:
    app = AppSettings(
        name="shop", logs=(str(write_log(tmp_path / "shop.log", hours=12)),), tick=60.0
    )
    pipeline = AppPipeline(app)
    evaluation = Evaluation(pipeline)
    red, onsets = [], []
    for prediction in Replay(pipeline, app.logs).predictions():
        evaluation.note(prediction)
        red.append(prediction.probabilities[600.0][2])
        onsets.append(prediction.onset)

    outcome = [any(onsets[t + 1 : t + 11]) for t in range(len(onsets) - 10)]
    score = evaluation.result().horizons[0]
    assert score.base_rate == pytest.approx(np.mean(outcome))
    base = [(sum(outcome[: max(0, t - 9)]) + 0.5) / (max(0, t - 9) + 100) for t in range(len(red))]
    error = sum((p - y) ** 2 for p, y in zip(red, outcome, strict=False))
    base_error = sum((b - y) ** 2 for b, y in zip(base, outcome, strict=False))
    assert score.brier_skill == pytest.approx(1 - error / base_error)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["missing.log"], 2, "missing.log: no such file"),
        (["empty.log"], 1, "empty.log: empty, nothing to replay"),
        (["plain.log"], 1, "no line of the logs has a timestamp"),
        (["shop.log", "--failures", "missing.csv"], 2, "missing.csv: cannot be read"),
        (["shop.log", "--failures", "shop.log"], 2, "no column 'start'"),
        (["shop.log", "--horizon", "5s"], 2, "--horizon: 5s is shorter than the tick of 10s"),
        (["shop.log", "--predictions", "nowhere/p.csv"], 1, "nowhere/p.csv: cannot be written"),
    ],
)
def test_a_mistake_gets_one_line_and_its_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(Path("shop.log"), hours=1)
    Path("empty.log").touch()
    Path("plain.log").write_text("hello\nworld\n" * 200)

    assert run(*arguments) == status

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["--horizon", "--tick", "--merge", "--budget"])
def test_a_bad_duration_or_rate_is_told_with_what_was_expected(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("shop.log", option, "soon")

    assert stopped.value.code == 2
    assert "'soon' is not a" in capsys.readouterr().err


def test_the_zone_of_timestamps_that_name_none_can_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "app.log"
    log.write_text("2026-07-01 08:15:02 INFO up\n2026-07-01 08:16:02 INFO up\n", encoding="utf-8")

    run(log, "--timezone", "Europe/Paris", "--json", "-")

    start = json.loads(capsys.readouterr().out)["start_timestamp_seconds"]
    assert start == datetime(2026, 7, 1, 6, 15, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("options", "is_read"), [(["--order"], True), (["--no-order"], False), ([], True)]
)
def test_the_order_of_lines_is_read_or_not_as_is_said_there_or_else_configured(
    options: list[str], is_read: bool, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "shop.log", hours=1)
    config = tmp_path / "rnnd.yaml"
    config.write_text(f"apps: [{{name: shop, logs: ['{log}'], order: true}}]\n")
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    app = settings(parser.parse_args(["--config", str(config), *options]))

    assert app.order is is_read


def test_predictions_of_a_long_silence_are_given_one_by_one() -> None:
    settings = AppSettings(name="app", logs=("-",))
    pipeline = AppPipeline(settings)
    pipeline.feed("app", b"2024-05-06 07:08:09 INFO a\n2024-05-09 07:08:09 INFO b\n", 0.0)

    first = next(iter(pipeline.closing(2**60)))

    assert pipeline.next_tick == round(first.time / settings.tick)


def test_years_that_timestamps_leave_out_are_told_by_the_age_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "syslog"
    log.write_text("Dec 31 23:59:02 web app: up\nJan  1 00:01:02 web app: up\n", encoding="utf-8")
    written = datetime(2024, 1, 9, tzinfo=UTC).timestamp()
    os.utime(log, (written, written))

    run(log, "--json", "-")

    told = json.loads(capsys.readouterr().out)
    assert told["start_timestamp_seconds"] == datetime(2023, 12, 31, 23, 59, tzinfo=UTC).timestamp()
    assert told["end_timestamp_seconds"] == datetime(2024, 1, 1, 0, 1, 10, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("every", "advice"), [(600, "--tick 1m"), (5, "")])
def test_a_longer_tick_is_advised_where_lines_are_few(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    every: int,
    advice: str,
) -> None:
    monkeypatch.setattr("rnnd.daemon.commands.backtest.TICKS_BEFORE_ADVICE", 500)

    run(write_log(tmp_path / "shop.log", hours=2, every=every))

    error = capsys.readouterr().err
    assert advice in error
    assert bool(error) == bool(advice)


@pytest.mark.parametrize(("history", "files"), [("1GiB", 3), ("0B", 1)])
def test_with_a_configuration_rotated_logs_are_replayed_as_at_a_first_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], history: str, files: int
) -> None:
    lines = write_log(tmp_path / "app.log").read_text().splitlines(keepends=True)
    third = len(lines) // 3
    packed, rotated, log = (tmp_path / name for name in ("app.log.2.gz", "app.log.1", "app.log"))
    packed.write_bytes(gzip.compress("".join(lines[:third]).encode()))
    rotated.write_text("".join(lines[third : 2 * third]))
    log.write_text("".join(lines[2 * third :]))
    for age, path in enumerate((log, rotated, packed)):
        os.utime(path, (START - age, START - age))
    settings = tmp_path / "rnnd.yaml"
    settings.write_text(f"apps: [{{name: app, logs: [{log}], tick: 1m, history: {history}}}]\n")
    read = (packed, rotated, log)[-files:]

    run("--config", settings, "--predictions", tmp_path / "first.csv")
    run(*read, "--name", "app", "--tick", "1m", "--predictions", tmp_path / "plain.csv")

    assert not capsys.readouterr().err
    assert (tmp_path / "first.csv").read_text() == (tmp_path / "plain.csv").read_text()


def test_with_a_configuration_a_torn_archive_is_told_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "app.log")
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(b"2026-02-01T00:00:00Z a\n" * 999)[:-9])
    settings = tmp_path / "rnnd.yaml"
    settings.write_text(f"apps: [{{name: app, logs: [{log}], tick: 1m}}]\n")

    assert run("--config", settings) == 0

    error = capsys.readouterr().err
    assert "app.log.1.gz: left out (" in error
