"""Lines as the programs write them that operators run: when, how bad, and what they say."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.severity import Severity

ARRIVAL = datetime(2024, 3, 9, 12, tzinfo=UTC).timestamp()
MOMENT = datetime(2024, 3, 9, 8, 7, 5, tzinfo=UTC).timestamp()


def formats() -> dict[str, tuple[str, Severity, str]]:
    """Return lines by the programs that write them, with their severity and template."""
    text = Path(__file__).with_name("formats.txt").read_text(encoding="utf-8")
    blocks = (block.split("\n") for block in text.removesuffix("\n").split("\n\n"))
    found = {}
    for program, line, expected in blocks:
        severity, template = expected.split(":", 1)
        found[program] = line, Severity[severity.upper()], template.removeprefix(" ")
    return found


LINES = formats()


def read(data: bytes) -> tuple[list[int], list[Severity], list[str]]:
    """Return the second, severity and template of each kind of line in *data*."""
    codec = LogCodec(LogSettings(tick=1.0))
    reader = codec.reader("app.log")
    parts = [*reader.feed(data, ARRIVAL), *reader.flush()]
    codec.resolve(parts)
    severities = [Severity(int(s)) for part in parts for s in part.table.severities[part.kinds]]
    templates = [codec.templates.text(int(t)) for p in parts for t in p.table.templates[p.kinds]]
    return [part.tick for part in parts], severities, templates


@pytest.mark.parametrize("program", LINES)
def test_a_line_is_understood_without_configuration(program: str) -> None:
    line, severity, template = LINES[program]

    assert read(line.encode() + b"\n") == ([MOMENT], [severity], [template])


@pytest.mark.parametrize("program", LINES)
def test_lines_are_understood_together_as_one_by_one(program: str) -> None:
    line, severity, template = LINES[program]

    assert read(3 * (line.encode() + b"\r\n")) == ([MOMENT], [severity], [template])


SINCE_BOOT = {
    "dmesg": "[12345.678901] usb 1-1: new device\n[12347.000001] usb 1-1: gone",
    "dmesg, early": "[    5.678901] usb 1-1: new device\n[    7.000001] usb 1-1: gone",
    "dmesg -r": "<6>[12345.678901] usb 1-1: new device\n<6>[12347.000001] usb 1-1: gone",
    "dmesg -x": "kern  :info  : [12345.678901] usb: new\nkern  :info  : [12347.000001] usb: gone",
    "journalctl -o short-monotonic": "[  17.678901] web1 kernel: up\n[  19.000001] web1 su[1]: up",
    "X.org": "[    12.345] (II) Loading\n[    14.000] (II) Loaded",
}


@pytest.mark.parametrize("program", SINCE_BOOT)
def test_times_since_boot_go_on_from_the_arrival_of_the_first(program: str) -> None:
    ticks, _, _ = read(SINCE_BOOT[program].encode() + b"\n")

    assert ticks == [ARRIVAL, ARRIVAL + 2]


def test_after_a_reboot_times_since_boot_go_on_from_the_last() -> None:
    data = b"[12345.000001] down\n[    0.000001] up\n[    3.000001] ready\n"

    assert read(data)[0] == [ARRIVAL, ARRIVAL + 3]


def test_a_time_with_am_or_pm_is_of_the_day_of_arrival() -> None:
    ticks, severities, _ = read(b"8:07AM ERR no stock item=12\n8:08AM INF up\n")

    assert ticks == [MOMENT - 5, MOMENT + 55]
    assert severities == [Severity.ERROR, Severity.INFO]


def test_severities_are_not_seen_where_there_are_none() -> None:
    lines = [
        "copied /var/log/error: done",
        "GET /ERROR/x",
        "read/write ERROR/x",
        "Errors are none",
        "100%-7-SURE: it is",
        "exit status=1 after 7 0 0 0",
    ]
    _, severities, _ = read("".join(f"2024-03-09 08:07:05 {x}\n" for x in lines).encode())

    assert set(severities) == {Severity.INFO}


def test_a_status_at_the_end_of_a_line_is_read_from_each_of_many_lines() -> None:
    request = "2024-03-09 08:07:05 10.0.0.1 GET /cart - 80 - 10.0.0.9 curl/8.0 - {} 0 0 15\r\n"
    codec = LogCodec(LogSettings(tick=1.0))
    parts = codec.reader("").feed("".join(map(request.format, (200, 503, 404))).encode(), ARRIVAL)

    counted = np.bincount(parts[0].table.severities[parts[0].kinds], parts[0].counts, 6)

    assert counted.tolist() == [0, 1, 1, 0, 1, 0]
