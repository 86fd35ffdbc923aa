from datetime import UTC, datetime

import pytest

from rnnd.codecs.described import described_stamp
from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.errors import ConfigError

MOMENT = int(datetime(2024, 3, 9, 8, 7, 5, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("after", "layout", "line"),
    [
        (r"^\w+~", "%d;%m;%Y;%H;%M;%S", "app~09;03;2024;08;07;05~up"),
        ("", "%d/%m/%y %H.%M.%S", "09/03/24 08.07.05 up"),
        ("at ", "%A %d. %B %Y, %I:%M:%S %p", "up at Saturday 9. March 2024,  8:07:05 AM"),
        ("t=", "%s", "level=info t=1709971625 up"),
        (r"\]\s", "%H%M%S %d %b %Y %z", "[9] up [x] 090705 09 Mar 2024 +01:00"),
        ("^(up|down): ", "100%% %Y%m%d %H%M%S.%f", "up: 100% 20240309 080705.123"),
    ],
)
def test_a_described_timestamp_is_read(after: str, layout: str, line: str) -> None:
    codec = LogCodec(LogSettings(tick=1.0, timestamp=(after, layout)))

    [part] = codec.reader("app.log").feed(line.encode() + b"\n", 0.0)

    assert part.tick == MOMENT


def test_the_first_place_that_holds_a_time_is_taken() -> None:
    stamp = described_stamp("at ", "%H:%M")

    found = stamp.find(b"at noon, at 99:99, at 08:07, at 09:08")

    assert found is not None
    assert found["stamp"] == b"08:07"


def test_no_line_makes_an_expression_slow() -> None:
    stamp = described_stamp("(a+)+b", "%H:%M")

    assert stamp.find(b"a" * 1_000_000) is None


@pytest.mark.parametrize(
    ("after", "layout", "message"),
    [
        ("", "%Y-%Q", "unknown directive %Q"),
        ("", "%H:%M %", "unknown directive %"),
        ("", "%Y-%m-%d", "neither the hour"),
        ("", "%H:%M %d", "not the whole date"),
        ("", "%Y %H:%M", "not the whole date"),
        ("", "%H:%M %z", "not the whole date"),
        ("", "%H:%M %I", "a part of the time twice"),
        ("(", "%H:%M", r"an unclosed \("),
        (r"(.)\1", "%H:%M", "an unknown escape"),
    ],
)
def test_a_wrong_description_is_told_in_one_line(after: str, layout: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        described_stamp(after, layout)
