"""Failures that are known from a list: the daemon and backtests heed it alike."""

from pathlib import Path

import pytest

from rnnd.config.schema import AppSettings
from rnnd.daemon.cli import main
from rnnd.daemon.service import pipeline_of
from rnnd.errors import UsageError


def test_the_daemon_takes_failures_from_the_list_that_is_configured(tmp_path: Path) -> None:
    incidents = tmp_path / "incidents.csv"
    incidents.write_text("start\n2026-03-01T00:01:05Z\n")
    app = AppSettings(name="shop", logs=(), failures=str(incidents))
    lines = b"2026-03-01T00:00:00Z CRITICAL no failure\n2026-03-01T00:02:00Z INFO fine\n"

    pipeline = pipeline_of(app)
    pipeline.feed("shop.log", lines, 0.0)
    predictions = list(pipeline.finish())

    assert [index for index, prediction in enumerate(predictions) if prediction.onset] == [6]


def test_a_list_that_is_missing_is_told_before_anything_begins(tmp_path: Path) -> None:
    app = AppSettings(name="shop", logs=(), failures=str(tmp_path / "none.csv"))

    with pytest.raises(UsageError, match="cannot be read"):
        pipeline_of(app)


CONFIGURATION = """
apps:
  - {name: shop, logs: ["%s/shop*.log"], tick: 1m, horizon: 5m, failures: %s/incidents.csv}
  - {name: other, logs: [/nowhere/*.log]}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "incidents.csv").write_text("start\n2026-03-01T00:10:00Z\n")
    (tmp_path / "shop1.log").write_text(
        "2026-03-01T00:00:00Z INFO a\n2026-03-01T00:20:00Z INFO b\n"
    )
    path = tmp_path / "rnnd.yaml"
    path.write_text(CONFIGURATION % (tmp_path, tmp_path))
    return path


def test_a_backtest_replays_an_app_as_it_is_configured(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", "--config", str(configuration), "--name", "shop"]) == 0

    table = capsys.readouterr().out
    assert "an incident of the list" in table
    assert "Brier skill, 5m" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "FILE"], "--name: None is no app of it, one of shop, other"),
        (["--config", "FILE", "--name", "shpo"], "--name: 'shpo' is no app of it"),
        (["--config", "FILE", "--name", "other"], "/nowhere/*.log: no such file"),
        (["--config", "FILE", "some.log"], "expected either logs or --config FILE"),
        ([], "expected either logs or --config FILE"),
    ],
)
def test_a_backtest_that_cannot_be_is_told_in_one_line(
    configuration: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    words = [str(configuration) if word == "FILE" else word for word in arguments]

    assert main(["backtest", *words]) == 2

    assert message in capsys.readouterr().err
