import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.logline import parse
from rnnd.codecs.sessions import END, SessionPattern, Streams, component_of
from rnnd.codecs.tick import TickPart
from rnnd.errors import ConfigError


def parts_of(codec: LogCodec, lines: list[str], source: str = "app.log") -> list[TickPart]:
    text = "".join(f"2026-03-01T00:00:0{i % 10}Z INFO {line}\n" for i, line in enumerate(lines))
    reader = codec.reader(source)
    parts = reader.feed(text.encode(), 0.0) + reader.flush()
    for part in parts:
        part.source = source
    return parts


def events_of(
    streams: Streams, codec: LogCodec, number: int, parts: list[TickPart]
) -> list[tuple[int, int]]:
    codec.encode_tick(number, parts)
    events = streams.events(number, parts, codec.templates.joined)
    return list(zip(events.symbols.tolist(), events.streams.tolist(), strict=True))


def test_each_component_is_a_stream_and_each_template_a_symbol() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 16)
    lines = ["[tx] shop.Cart: opened", "[io] shop.Disk: wrote 7 blocks", "[tx] shop.Cart: closed"]

    events = events_of(streams, codec, 0, parts_of(codec, lines * 2))

    symbols, rows = zip(*events, strict=True)
    assert rows == (0, 1, 0) * 2
    assert symbols[:3] == symbols[3:]
    assert len(set(symbols)) == 3
    assert streams.name(1) == ("app.log", "shop.Disk")


def test_the_same_component_in_two_logs_is_two_streams() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 16)
    parts = [
        part for log in ("b.log", "a.log") for part in parts_of(codec, ["shop.Cart: opened"], log)
    ]

    events = events_of(streams, codec, 0, parts)

    assert [row for _, row in events] == [0, 1]
    assert [streams.name(row)[0] for row in (0, 1)] == ["a.log", "b.log"]


def test_the_lines_of_a_stack_trace_are_no_events() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 16)
    reader = codec.reader("app.log")
    trace = b"2026-03-01T00:00:00Z ERROR shop.Cart: it broke\n\tat shop.Cart.add(Cart.java:7)\n"

    events = events_of(streams, codec, 0, reader.feed(trace, 0.0) + reader.flush())

    assert [streams.name(row)[1] for _, row in events] == ["shop.Cart"]


@pytest.mark.parametrize(
    ("signature", "component"),
    [
        (b"\x01 ERROR [main] shop.Cart: no stock", b"shop.Cart"),
        (b"\x01 INFO [tx-0] shop.db.Pool - lent a connection", b"shop.db.Pool"),
        (b"\x01 host sshd[0]: Failed password", b"sshd"),
        (b"\x01 INFO everything - as ever", b""),
    ],
)
def test_the_component_is_found_in_the_usual_layouts(signature: bytes, component: bytes) -> None:
    assert component_of(parse(signature)) == component


def with_sessions(part: TickPart, *sessions: bytes) -> list[TickPart]:
    part.sessions = list(sessions)
    return [part]


def test_a_session_is_a_stream_that_ends_after_a_silence() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 16, silence=3)
    (part,) = parts_of(codec, ["begin job", "begin job", "end job"])

    first = events_of(streams, codec, 0, with_sessions(part, b"a", b"b", b"a"))
    later = [events_of(streams, codec, number, []) for number in (1, 2, 3, 4)]

    (a, b) = first[0][1], first[1][1]
    assert a != b
    assert first[2][1] == a
    assert streams.name(a) == ("", "")
    assert later == [[], [], [(END, b), (END, a)], []]


def test_a_session_with_a_new_line_lives_on() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 16, silence=2)
    (part,) = parts_of(codec, ["work"])

    for number in range(5):
        (event,) = events_of(streams, codec, number, with_sessions(part, b"a"))
        assert event[1] == 4


def test_more_sessions_than_there_is_room_for_are_read_with_their_component() -> None:
    codec, streams = LogCodec(LogSettings(order=True)), Streams(64, 8)
    (part,) = parts_of(codec, ["shop.Jobs: begin"] * 9)
    sessions = [f"s{i}".encode() for i in range(9)]

    events = events_of(streams, codec, 0, with_sessions(part, *sessions))

    assert [row for _, row in events] == [2, 3, 4, 5, 6, 7, 0, 0, 0]


def test_restored_streams_go_on_identically() -> None:
    codec, streams, copy = (
        LogCodec(LogSettings(order=True)),
        Streams(64, 16, silence=2),
        Streams(64, 16, silence=2),
    )
    (part,) = parts_of(codec, ["begin", "shop.Cart: opened"])
    events_of(streams, codec, 0, with_sessions(part, b"a", b""))

    copy.restore(streams.state())

    for number in (1, 2, 3):
        parts = with_sessions(part, b"b", b"") if number == 3 else []
        assert events_of(copy, codec, number, parts) == events_of(streams, codec, number, parts)


@pytest.mark.parametrize("text", ["", "*", "request", " *", "a*b", "*id"])
def test_a_session_pattern_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="session: "):
        SessionPattern(text)


@given(st.lists(st.tuples(st.text("xy =", max_size=8), st.text("ab1.-", max_size=8))))
def test_the_first_identifier_of_each_line_is_its_session(lines: list[tuple[str, str]]) -> None:
    encoded = [f"{before} id={name} id=other\n".encode() for before, name in lines]
    starts = np.cumsum([0, *map(len, encoded)])[:-1]

    found = SessionPattern("id=*").sessions(b"".join(encoded), starts)

    assert found == [(name or "other").encode() for _, name in lines]


def test_an_identifier_is_kept_to_a_bounded_length() -> None:
    data = b"id=" + b"a" * 10_000 + b"\n"

    (session,) = SessionPattern("id=*").sessions(data, np.array([0]))

    assert session == b"a" * 64
