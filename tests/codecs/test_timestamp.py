from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.clock import Clock
from rnnd.codecs.stamps import StampReader
from rnnd.codecs.timestamp import detect, stamp_seconds

ARRIVAL = datetime(2024, 6, 1, tzinfo=UTC).timestamp()

LINES = {
    # every moment is 2024-03-09 08:07:05 UTC
    "2024-03-09T08:07:05Z up": "ISO 8601 with Z",
    "2024-03-09T08:07:05.123456789Z stdout F up": "Kubernetes CRI",
    "2024-03-09T09:07:05.123+01:00 up": "ISO 8601 with an offset",
    "2024-03-09 08:07:05,123 INFO up": "log4j, Python logging",
    "2024-03-09 08:07:05.123 UTC [17] LOG:  up": "PostgreSQL",
    "[2024-03-09T08:07:05,123][INFO ][o.e.n.Node] up": "Elasticsearch",
    "[2024-03-09 08:07:05] production.INFO: up": "Monolog",
    "I, [2024-03-09T08:07:05.123456 #17]  INFO -- : up": "Ruby",
    "2024/03/09 08:07:05 up": "Go",
    "2024/03/09 08:07:05 [error] 17#0: *1 up": "nginx, error log",
    "20240309T080705,123 up": "ISO 8601, basic",
    "20240309-8:7:5:123|app|up": "one digit where one is enough",
    "240309 08:07:05 [Note] up": "old MySQL",
    "240309 080705 17 INFO up": "six digits and six digits",
    '10.0.0.7 - bob [09/Mar/2024:08:07:05 +0000] "GET / HTTP/1.1" 200 17': "web server",
    "[Sat Mar 09 08:07:05.123456 2024] [core:error] up": "Apache, error log",
    "Sat Mar  9 08:07:05 UTC 2024 up": "date",
    "Mar  9 08:07:05 host app[17]: up": "syslog, RFC 3164",
    "<34>Mar  9 08:07:05 host app[17]: up": "syslog with a priority",
    "<34>1 2024-03-09T08:07:05.003Z host app - ID47 - up": "syslog, RFC 5424",
    "Sat, 09 Mar 2024 08:07:05 +0000 up": "RFC 1123",
    "09-Mar-2024 08:07:05.123 INFO [main] up": "Tomcat",
    "17:M 09 Mar 2024 08:07:05.123 * up": "Redis",
    "Mar 09, 2024 8:07:05 AM com.shop.Cart add": "java.util.logging",
    "3/9/2024 8:07:05 AM up": "month before day",
    "09.03.2024 08:07:05 up": "day before month",
    "24/03/09 08:07:05 INFO up": "Spark",
    "I0309 08:07:05.123456    17 cart.go:7] up": "glog, klog",
    "03-09 08:07:05.123  17  18 I Cart: up": "Android",
    "[03.09 08:07:05] up": "month and day with a dot",
    "1709971625 up": "epoch seconds",
    "1709971625.123    17 10.0.0.7 TCP_MISS/200": "Squid",
    "1709971625123 up": "epoch milliseconds",
    "type=SYSCALL msg=audit(1709971625.123:17): up": "auditd",
    "node-7 unix.hw state 1709971625 1 up": "epoch behind other words",
    "app.log.2024-03-01_00:00:00 2024-03-09 08:07:05.123 17 INFO up": "a date in a file name",
    'time="2024-03-09T08:07:05Z" level=info msg="up"': "logfmt",
    "level=info ts=2024-03-09T08:07:05.123Z caller=main.go:7 msg=up": "logfmt, Prometheus",
    '{"time":"2024-03-09T08:07:05.123Z","level":"INFO","msg":"up"}': "JSON, slog",
    '{"level":30,"time":1709971625123,"pid":17,"msg":"up"}': "JSON, pino",
    '{"level":"info","ts":1709971625.123,"msg":"up"}': "JSON, zap",
    '{"t":{"$date":"2024-03-09T08:07:05.123+00:00"},"s":"I","msg":"up"}': "JSON, MongoDB",
    '{"log":"up\\n","stream":"stdout","time":"2024-03-09T08:07:05.1Z"}': "JSON, Docker",
    '{"__REALTIME_TIMESTAMP":"1709971625123456","PRIORITY":"6","MESSAGE":"up"}': "JSON, journald",
    '{"instant":{"epochSecond":1709971625,"nanoOfSecond":7},"message":"up"}': "JSON, log4j 2",
    "\ufeff2024-03-09T08:07:05Z up": "a byte order mark",
}
MOMENT = datetime(2024, 3, 9, 8, 7, 5, tzinfo=UTC).timestamp()


def times_of(data: bytes, arrival: float = ARRIVAL, reader: StampReader | None = None) -> list[int]:
    """Return the time of each line of *data*, or 0."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    read = (reader or StampReader(None)).read(data, starts, ends, arrival)
    clock = Clock(1.0, UTC)
    if not read.kinds.any():
        return [0] * len(ends)
    ticks, _ = clock.advance(read.seconds, read.kinds, arrival)
    return [int(tick) if kind else 0 for tick, kind in zip(ticks, read.kinds, strict=True)]


@pytest.mark.parametrize("line", LINES, ids=LINES.values())
def test_the_usual_timestamps_are_recognised_by_themselves(line: str) -> None:
    assert times_of(line.encode() + b"\n") == [MOMENT]


@pytest.mark.parametrize("line", LINES, ids=LINES.values())
def test_lines_read_together_are_read_as_one_by_one(line: str) -> None:
    assert times_of(3 * (line.encode() + b"\n")) == [MOMENT] * 3


def test_a_timestamp_may_end_with_the_minute() -> None:
    whole = MOMENT - MOMENT % 60

    assert times_of(b"2024-03-09T08:07Z up\n2024-03-09T09:07+01:00 up\n") == [whole, whole]


def test_a_time_without_a_date_is_of_the_day_of_arrival() -> None:
    arrival = datetime(2024, 3, 9, 9, tzinfo=UTC).timestamp()

    assert times_of(b"08:07:05.123 [main] INFO up\n", arrival) == [MOMENT]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"up",
        b"version 2024.03.09 is out",
        b"10.0.0.7 answered",
        b"2024-13-09 08:07:05 there is no such month",
        b"2024-03-39 08:07:05 there is no such day",
        b"2024-03-09 08:77:05 there is no such minute",
        b"take 12345678901234567890 apples",
        b"the quick brown fox jumps over the lazy dog on 2024-03-09 08:07:05",
    ],
)
def test_what_only_looks_like_a_timestamp_is_none(line: bytes) -> None:
    assert detect(line, ARRIVAL) is None


def test_a_date_within_the_message_is_no_timestamp() -> None:
    data = b"2024-03-09 08:07:05 up\ncopied up to 2024-03-01 00:00:00 only\n"

    assert times_of(data) == [MOMENT, 0]


def test_which_of_two_numbers_is_the_month_is_told_by_what_is_nearest() -> None:
    line = b"02/03/2024 10:00:00 up\n"
    march = datetime(2024, 3, 2, 10, tzinfo=UTC).timestamp()
    february = datetime(2024, 2, 3, 10, tzinfo=UTC).timestamp()

    assert times_of(line, march + 60) == [march]
    assert times_of(line, february + 60) == [february]


def test_a_second_format_in_the_same_log_is_read_too() -> None:
    data = b"2024-03-09 08:07:05 up\nMar  9 08:07:05 host app[1]: up\n" * 20

    assert times_of(data) == [MOMENT] * 40


def test_what_a_reader_has_found_survives_a_restart() -> None:
    before, after = StampReader(None), StampReader(None)
    times_of(b"x-1 99 2024-03-09 08:07:05 up\n", reader=before)

    after.restore(before.state())

    assert after.state() == before.state()
    assert times_of(b"x-1 99 2024-03-09 08:07:05 up\n", reader=after) == [MOMENT]


DIGITS = st.text("0123456789", min_size=1, max_size=3)


@given(st.sampled_from(sorted(LINES)), st.lists(st.tuples(st.integers(0, 60), DIGITS), max_size=12))
def test_reading_together_and_alone_agree_on_any_digits(
    line: str, changes: list[tuple[int, str]]
) -> None:
    first = line.encode()
    lines = [first]
    for place, digits in changes:
        other = bytearray(first)
        other[place : place + len(digits)] = digits.encode()
        lines.append(bytes(other))
    assert_read_alike(lines)


@pytest.mark.parametrize("line", [b"2024-03-09 08:07:05.123 up", b"1709971625 up"])
def test_no_byte_but_a_digit_is_taken_for_one(line: bytes) -> None:
    for place in (0, 3, 6, 9, 18, 21):
        others = [line[:place] + bytes([byte]) + line[place + 1 :] for byte in range(256)]
        assert_read_alike([line, *(other for other in others if b"\n" not in other)])


def assert_read_alike(lines: list[bytes]) -> None:
    """Assert that *lines*, read together, have the timestamps that they have alone."""
    together = StampReader(None)
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = np.concatenate(([0], ends[:-1] + 1))

    data = b"".join(line + b"\n" for line in lines)
    together.read(data, starts, ends, ARRIVAL)  # finds the formats

    read = together.read(data, starts, ends, ARRIVAL)

    for row, text in enumerate(lines):
        found = next((f for stamp in together.stamps if (f := stamp.find(text))), None)
        assert bool(read.kinds[row]) == (found is not None), text
        if found:
            assert read.seconds[row] == stamp_seconds(found)
            span = (read.begins[row] - starts[row], read.ends[row] - starts[row])
            assert span == found.span("stamp")
