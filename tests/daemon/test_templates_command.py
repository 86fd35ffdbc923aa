import csv
import json
from pathlib import Path

import pytest

from rnnd.daemon.cli import main

NAMES = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "shop.log"
    lines = [
        f"2024-03-09 08:07:{second:02d} INFO cart: user {name} waited for {10 * second} ms\n"
        for second, name in enumerate(NAMES)
    ]
    lines.append("2024-03-09 08:08:00 ERROR disk: full\n\tat shop.Disk\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def rows(log: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["templates", "--json", str(log)]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_templates_are_told_with_counts_times_and_numbers(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user, disk = rows(log, capsys)

    assert user["text"] == "cart user <*> waited for <*>"
    assert (user["lines"], user["severity"], user["numbers"]) == (8, "info", [[0.0, 70.0]])
    assert (user["first"], user["last"]) == ("2024-03-09T08:07:00Z", "2024-03-09T08:07:07Z")
    assert (disk["text"], disk["lines"], disk["share"]) == ("disk full", 1, pytest.approx(1 / 9))
    assert disk["severity"] == "error"
    assert disk["example"] == "2024-03-09 08:08:00 ERROR disk: full"


def test_numbers_are_told_with_the_range_of_all_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "shop.log"
    waits = [40, 10, 970, 30, 20]  # within one tick, the extremes neither first nor last
    log.write_text(
        "".join(f"2024-03-09 08:07:00 INFO waited for {wait} ms\n" for wait in waits),
        encoding="utf-8",
    )

    [row] = rows(log, capsys)

    assert row["numbers"] == [[10.0, 970.0]]


def test_numbers_in_fields_are_told_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "shop.log"
    line = '{{"time":"2024-03-09T08:07:00Z","msg":"paid {}","ms":{}}}\n'
    log.write_text("".join(line.format(n, 10 * n) for n in range(9)), encoding="utf-8")

    [row] = rows(log, capsys)
    main(["templates", str(log)])

    assert (row["numbers"], row["fields"]) == ([[0.0, 8.0]], {"ms": [0.0, 80.0]})
    assert "0…8, ms 0…80" in capsys.readouterr().out


def test_the_template_of_every_line_is_written_as_csv(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.csv"

    main(["templates", str(log), "--csv", str(path)])

    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["line"]) for line in lines] == list(range(1, 11))
    assert len({line["template"] for line in lines[:8]}) == 1
    assert lines[9]["template"] == "-1"
    assert lines[0]["log"] == str(log)


def test_the_table_is_for_people(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["templates", str(log)])

    table = capsys.readouterr().out
    assert "cart user <*> waited for <*>" in table
    assert "88.89%" in table
    assert "\x1b" not in table


def test_a_log_that_is_not_there_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["templates", "/nowhere/shop.log"]) == 2

    assert capsys.readouterr().err == "rnnd: /nowhere/shop.log: no such file\n"


def test_a_csv_that_cannot_be_written_is_told(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["templates", str(log), "--csv", "/nowhere/lines.csv"]) == 1

    assert "cannot be written" in capsys.readouterr().err


def test_the_zone_of_timestamps_that_name_none_can_be_said(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["templates", "--json", "--timezone", "Europe/Paris", str(log)])

    assert json.loads(capsys.readouterr().out)[0]["first"] == "2024-03-09T07:07:00Z"


def test_logs_are_read_as_the_configured_app_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, configuration = tmp_path / "odd.log", tmp_path / "rnnd.yaml"
    log.write_text("app~09;03;2024;08.07 up\n", encoding="utf-8")
    configuration.write_text(
        "apps:\n"
        "  - {name: web, logs: [/var/log/web.log]}\n"
        "  - name: odd\n"
        "    logs: [/var/log/odd.log]\n"
        "    timezone: '-01:00'\n"
        "    timestamp: {layout: '%d;%m;%Y;%H.%M', after: '^app~'}\n",
        encoding="utf-8",
    )

    main(["templates", "--json", "--config", str(configuration), "--name", "odd", str(log)])

    assert json.loads(capsys.readouterr().out)[0]["first"] == "2024-03-09T09:07:00Z"
