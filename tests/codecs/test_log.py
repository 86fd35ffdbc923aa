import resource
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.health import Health
from rnnd.codecs.log import HealthRule, LogCodec, LogSettings
from rnnd.codecs.reader import whole_lines
from rnnd.codecs.severity import Severity
from rnnd.codecs.signatures import MAX_KINDS
from rnnd.codecs.tick import Tick, TickPart

ARRIVAL = 1_700_000_000.0

WORDS = [
    b"cart",
    b"paid",
    b"user bob",
    b"user eve",
    b"0x1f",
    b"7",
    b"12.5",
    b"10.0.0.7:80",
    b"/a/b/c",
]
LEVELS = [b"INFO", b"WARN", b"ERROR", b"FATAL", b"[error]", b"<34>", b""]


@st.composite
def line(draw: st.DrawFn) -> bytes:
    """A line of a log: stamped, or a stack trace, or anything."""
    shape = draw(st.integers(0, 9))
    if shape == 0:
        return b"    at shop.Cart(Cart.java:%d)" % draw(st.integers(0, 99))
    if shape == 1:
        return draw(st.binary(max_size=40)).replace(b"\n", b"")
    if shape == 3:
        fields = draw(st.permutations([b'"ms":7.5', b'"msg":"paid 7"', b'"size":%d' % shape]))
        return b'{"time":"2023-11-14 22:00:0%d",%s}' % (len(fields[0]), b",".join(fields))
    second = draw(st.integers(0, 59))
    minute = draw(st.integers(0, 5))
    words = b" ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
    level = draw(st.sampled_from(LEVELS))
    if shape == 2:
        return b"Nov 14 22:%02d:%02d host app[9]: %s" % (minute, second, words)
    return b"2023-11-14 22:%02d:%02d %s %s" % (minute, second, level, words)


def has_year(text: bytes) -> bool:
    """Return whether the year of *text* stands in it: `encode` knows no time of arrival."""
    return not text.startswith(b"Nov ")


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """Cut *data* behind the newlines that follow *places*."""
    begin = 0
    for place in sorted(places):
        end = data.find(b"\n", place) + 1
        if end > begin:
            yield data[begin:end]
            begin = end
    yield data[begin:]


def parts_of(codec: LogCodec, pieces: Iterator[bytes]) -> list[TickPart]:
    reader = codec.reader("app.log")
    parts = [part for piece in pieces for part in reader.feed(piece, ARRIVAL)]
    return parts + reader.flush()


def ticks_of(codec: LogCodec, parts: Sequence[TickPart]) -> list[Tick]:
    """Encode all ticks from the first to the last part's."""
    if not parts:
        return []
    numbers = range(parts[0].tick, parts[-1].tick + 1)
    return [codec.encode_tick(n, [part for part in parts if part.tick == n]) for n in numbers]


def assert_same(ticks: Sequence[Tick], others: Sequence[Tick]) -> None:
    assert len(ticks) == len(others)
    for tick, other in zip(ticks, others, strict=True):
        np.testing.assert_array_equal(tick.vector, other.vector)
        blank = np.zeros(0)
        assert replace(tick, vector=blank, examples=()) == replace(other, vector=blank, examples=())


@given(st.lists(line(), max_size=60), st.lists(st.integers(0, 3000), max_size=8))
def test_the_same_ticks_come_however_the_bytes_are_cut(
    lines: list[bytes], places: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    whole, pieces = LogCodec(), LogCodec()

    expected = ticks_of(whole, parts_of(whole, iter([data])))
    ticks = ticks_of(pieces, parts_of(pieces, cut(data, places)))

    assert_same(ticks, expected)


@given(st.lists(line(), min_size=1, max_size=60), st.integers(0, 3000))
def test_a_restart_anywhere_changes_nothing(lines: list[bytes], place: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    first, second = [*cut(data, [place]), b""][:2]
    codec, before, after = LogCodec(), LogCodec(), LogCodec()
    expected = ticks_of(codec, parts_of(codec, iter([data])))

    parts = before.reader("app.log").feed(first, ARRIVAL)
    closed = [part for part in parts if part.tick < parts[-1].tick]
    ticks = ticks_of(before, closed)
    for number in range(closed[-1].tick + 1 if closed else 0, parts[-1].tick if closed else 0):
        ticks.append(before.encode_tick(number, ()))
    after.restore(before.state())
    waiting = [after.load_part(before.save_part(part)) for part in parts if part not in closed]
    ticks += ticks_of(after, waiting + parts_of(after, iter([second])))

    assert_same(ticks, expected)


def feed(codec: LogCodec, data: bytes, arrival: float = ARRIVAL) -> list[Tick]:
    return ticks_of(codec, parts_of(codec, iter([data])))


STAMP = b"2023-11-14 22:00:0%d "


def stamped(*messages: bytes) -> bytes:
    """Return a line a second."""
    return b"".join(STAMP % second + line + b"\n" for second, line in enumerate(messages))


def test_every_feature_has_a_name_of_its_own() -> None:
    codec = LogCodec(LogSettings(buckets=16, slots=4))

    [tick] = feed(codec, stamped(b"INFO up"))

    assert codec.input_size == len(codec.feature_names) == len(set(codec.feature_names))
    assert tick.vector.shape == (codec.input_size,)
    assert tick.vector.dtype == np.float32
    assert codec.feature_names == LogCodec(LogSettings(buckets=16, slots=4)).feature_names


def test_a_tick_tells_what_was_counted_in_it() -> None:
    data = stamped(b"INFO up", b"ERROR no stock for item 7", b"ERROR no stock for item 8")
    data += b"    at shop.Cart(Cart.java:7)\n" + b"no time here\n" + STAMP % 0 + b"INFO up\n"

    [tick] = feed(LogCodec(), data)

    assert (tick.lines, tick.unparsed, tick.late) == (6, 1, 0)
    assert tick.bytes == len(data)
    assert tick.observed == Health.ORANGE
    assert tick.new_templates == tick.templates == 3
    assert sorted(tick.counts.values()) == [1, 2, 2]


def test_severities_are_counted_by_name() -> None:
    codec = LogCodec()

    [tick] = feed(codec, stamped(b"INFO up", b"ERROR down", b"ERROR down", b"WARN slow"))

    value = dict(zip(codec.feature_names, tick.vector.tolist(), strict=True))
    assert value["severity error"] == pytest.approx(np.log1p(2))
    assert value["severity warning"] == pytest.approx(np.log1p(1))
    assert value["severity critical"] == 0
    assert value["lines"] == pytest.approx(np.log1p(4))


def test_red_and_orange_follow_severities_and_patterns() -> None:
    rules = LogSettings(
        red=HealthRule(Severity.CRITICAL, ("No space left",)),
        orange=HealthRule(None, ("slow: [0-9]{4,} ms",)),
    )

    def health(line: bytes) -> Health:
        return feed(LogCodec(rules), stamped(line))[0].observed

    assert health(b"FATAL down") == Health.RED
    assert health(b"INFO write: No space left on device") == Health.RED
    assert health(b"INFO slow: 1234 ms") == Health.ORANGE
    assert health(b"INFO slow: 123 ms") == Health.GREEN
    assert health(b"ERROR down") == Health.GREEN


def test_a_pattern_matches_in_a_stack_trace_too() -> None:
    rules = LogSettings(red=HealthRule(None, ("OutOfMemory",)))

    [tick] = feed(LogCodec(rules), stamped(b"WARN failed") + b"\tat OutOfMemory\n")

    assert tick.observed == Health.RED
    assert [example.line for example in tick.examples] == ["\tat OutOfMemory"]


def test_the_lines_behind_a_red_are_kept() -> None:
    [tick] = feed(LogCodec(), stamped(b"INFO up", b"FATAL caf\xc3\xa9 closed", b"ERROR odd"))

    assert tick.examples[0].health == Health.RED
    assert tick.examples[0].line.endswith("FATAL café closed")


def test_severities_told_by_numbers_are_read_from_every_line() -> None:
    access = b'10.0.0.7 - - [14/Nov/2023:22:00:0%d +0000] "GET /cart HTTP/1.1" %d 17\n'
    codec = LogCodec()

    [tick] = feed(codec, access % (0, 200) + access % (1, 503) + access % (2, 200))

    value = dict(zip(codec.feature_names, tick.vector.tolist(), strict=True))
    assert value["severity error"] == pytest.approx(np.log1p(1))
    assert value["severity info"] == pytest.approx(np.log1p(2))
    assert tick.templates == 1


JSON = '{{"time":"2023-11-14T22:{:02}:{:02}Z","level":"info","msg":"paid","pid":7,"ms":{}}}\n'
LOGFMT = 'time=2023-11-14T22:{:02}:{:02}Z level=info msg="was paid" pid=7 ms={}\n'


@pytest.mark.parametrize("layout", [JSON, LOGFMT])
def test_numbers_beside_the_message_are_features_too(layout: str) -> None:
    codec = LogCodec()
    waits = [*(10 + n % 7 for n in range(60)), 900]

    lines = [layout.format(n // 6, n % 6 * 10, wait + 0.5) for n, wait in enumerate(waits)]
    ticks = feed(codec, "".join(lines).encode())

    slot = codec.feature_names.index("slot 0 value")
    assert ticks[-1].vector[slot] > ticks[-2].vector[slot] > 0
    assert codec.features.slots.number(0)[1] == 900.5
    assert (codec.features.slots.owners >= 0).sum() == 1
    assert codec.readings.field_in(0) == "ms"


def test_fields_are_known_by_name_wherever_they_stand() -> None:
    codec = LogCodec()
    ways = ['"ms":{0},"msg":"paid","size":7{0}', '"size":7{0},"msg":"paid","ms":{0}']

    text = '{{"time":"2023-11-14T22:{:02}:{:02}Z",{}}}\n'
    lines = [text.format(n // 6, n % 6 * 10, ways[n % 2].format(n % 7)) for n in range(100)]
    feed(codec, "".join(lines).encode())

    names, slots = map(codec.readings.field_in, (0, 1)), codec.features.slots
    means = {name: slots.number(slot)[2] for slot, name in enumerate(names)}
    assert means["ms"] < 7 < 70 <= means["size"]
    assert len(codec.templates) == 2


def test_several_sources_in_any_interleaving_give_the_same_ticks() -> None:
    lines = [stamped(b"INFO user %s came" % name, b"WARN disk full") for name in (b"eve", b"bob")]
    first, second = LogCodec(), LogCodec()

    one = [first.reader(name).feed(data, ARRIVAL) for name, data in zip("ab", lines, strict=True)]
    two = [second.reader(name).feed(lines["ab".index(name)], ARRIVAL) for name in "ba"]

    np.testing.assert_array_equal(
        first.encode_tick(one[0][0].tick, one[0] + one[1]).vector,
        second.encode_tick(one[0][0].tick, two[1] + two[0]).vector,
    )


def test_a_log_without_timestamps_takes_the_time_of_arrival() -> None:
    reader = LogCodec().reader("app.log")

    assert reader.feed(b"up\nrunning\n", 1000.0) == []  # perhaps the next line has one
    [part] = reader.feed(b"down\n", 1100.0)
    [later] = reader.feed(b"up\n", 1234.0)

    assert (part.tick, part.lines, part.unparsed) == (110, 3, 0)
    assert (later.tick, reader.tick) == (123, 123)


def test_lines_before_the_first_timestamp_belong_to_its_tick() -> None:
    data = b"# shop 1.0\n# starting\n" + stamped(b"INFO up")

    [tick] = feed(LogCodec(), data)

    assert (tick.lines, tick.unparsed) == (3, 0)


def test_what_is_held_back_comes_with_flush() -> None:
    reader = LogCodec().reader("app.log")
    reader.feed(b"no time at all\n", 1000.0)

    [part] = reader.flush()

    assert (part.tick, part.lines) == (100, 1)
    assert reader.flush() == []


def test_colours_and_carriage_returns_do_not_make_another_line() -> None:
    codec = LogCodec()

    ticks = feed(codec, stamped(b"INFO up\r") + b"\x1b[32m" + stamped(b"\x1b[1mINFO\x1b[0m up"))

    assert ticks[-1].templates == 1
    assert sum(tick.bytes for tick in ticks) == len(stamped(b"INFO up\r")) + 5 + len(
        stamped(b"\x1b[1mINFO\x1b[0m up")
    )


def test_nothing_but_the_text_of_utf_16_is_seen() -> None:
    text = "".join(f"2023-11-14 22:00:0{n} ERROR no stock for item {n}\r\n" for n in range(9))
    wide = feed(LogCodec(), text.encode("utf-16"))
    plain = feed(LogCodec(), text.encode())

    for tick, other in zip(wide, plain, strict=True):
        np.testing.assert_array_equal(tick.vector[:64], other.vector[:64])
    assert [tick.number for tick in wide] == [tick.number for tick in plain]
    assert wide[0].observed == Health.ORANGE


def test_the_hole_in_a_log_that_was_emptied_under_its_writer_is_skipped() -> None:
    codec = LogCodec()

    [tick] = feed(codec, stamped(b"up") + bytes(9000) + stamped(b"ERROR boom"))

    assert (tick.lines, tick.unparsed, tick.observed) == (2, 0, Health.ORANGE)
    assert tick.bytes > 9000


def test_no_line_can_feign_a_timestamp_in_its_signature() -> None:
    [tick] = feed(LogCodec(), stamped(b"ERROR boom") + b"  \x01 at shop.Cart\n")

    assert (tick.lines, tick.unparsed, list(tick.counts.values())) == (2, 0, [1])


def test_lines_whose_shapes_are_all_new_are_counted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stamped(*(b"INFO user %c%c gone" % (97 + n % 26, 98 + n // 26) for n in range(9)))
    expected = [part.summary() for part in parts_of(LogCodec(), iter([data] * 3))]

    monkeypatch.setattr("rnnd.codecs.signatures.MOSTLY", 2.0)

    assert [part.summary() for part in parts_of(LogCodec(), iter([data] * 3))] == expected


def test_a_long_line_is_cut_and_what_is_lost_counted() -> None:
    codec = LogCodec(LogSettings(max_line=100))

    [tick] = feed(codec, stamped(b"INFO " + b"x" * 1000, b"INFO up"))

    assert (tick.lines, tick.dropped, tick.cut) == (2, len(STAMP % 0) + 1005 - 100, 1)


def test_encode_gives_a_vector_as_soon_as_its_tick_is_over() -> None:
    pieces = iter([stamped(b"INFO up"), b"2023-11-14 22:00:25 INFO up\n"])
    vectors = LogCodec().encode(pieces)

    _ = next(vectors), next(vectors)  # of 22:00:00 and the silent 22:00:10

    assert list(pieces) == []
    assert len(list(vectors)) == 1


def test_encode_reads_no_further_than_it_must() -> None:
    def pieces() -> Iterator[bytes]:
        yield stamped(b"INFO up")
        yield b"2023-11-14 22:00:15 INFO up\n"
        raise AssertionError("read too far")

    assert next(LogCodec().encode(pieces())).shape == (LogCodec().input_size,)


@given(st.lists(line().filter(has_year), max_size=40), st.lists(st.integers(0, 2000), max_size=8))
def test_encode_gives_the_same_vectors_wherever_the_bytes_are_cut(
    lines: list[bytes], places: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in [*lines, b"x" * 90])
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    settings = LogSettings(max_line=60)

    whole = list(LogCodec(settings).encode([data]))
    pieces = list(LogCodec(settings).encode(data[a:b] for a, b in pairwise(edges)))

    np.testing.assert_array_equal(pieces, whole)


def test_encode_holds_no_more_of_a_line_than_is_read_of_it() -> None:
    held = list(whole_lines(iter([b"one\n", *[b"x" * 50] * 4, b"y\ntwo", b"\n"]), most=60))

    assert held == [b"one\n", b"x" * 61 + b"y\n", b"two\n"]


def test_a_chosen_health_is_decoded_to_its_name() -> None:
    codec = LogCodec()
    probabilities = np.array([0.2, 0.1, 0.7])

    hard = codec.apply_dist(probabilities, None)
    soft = [codec.apply_dist(probabilities, np.random.default_rng(seed)) for seed in range(50)]

    assert list(codec.decode([hard])) == [b"red"]
    assert set(codec.decode(soft)) == {b"green", b"orange", b"red"}


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_any_bytes_are_a_log(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    codec = LogCodec(LogSettings(max_line=64, max_templates=8))

    parts = parts_of(codec, iter([data]))
    tick = codec.encode_tick(0, parts)

    assert tick.lines == data.count(b"\n")
    assert tick.bytes + tick.dropped == len(data)
    assert tick.templates < 8
    assert np.isfinite(tick.vector).all()


def hostile(rng: np.random.Generator, count: int) -> bytes:
    """Return lines that were written to break a parser."""
    stamps = [
        b"",
        b"9999-12-31T23:59:59Z",
        b"2023-11-14 22:13:20",
        b"Feb 29 99:99:99",
        b"1700000000",
    ]
    tails = [
        lambda: rng.bytes(int(rng.integers(0, 60))).replace(b"\n", b""),
        lambda: b"[" * int(rng.integers(0, 400)),
        lambda: b"%d " % rng.integers(1 << 62) * int(rng.integers(0, 40)),
        lambda: b"{" + b'"a":' * int(rng.integers(0, 90)),
        lambda: b"-".join(rng.bytes(3).hex().encode() for _ in range(int(rng.integers(0, 9)))),
        lambda: b" ".join(rng.bytes(2).hex().encode() for _ in range(int(rng.integers(0, 200)))),
    ]
    lines = []
    for choice, stamp in rng.integers((len(tails), len(stamps)), size=(count, 2)):
        lines.append(stamps[stamp] + b" " + tails[choice]())
    return b"".join(line + b"\n" for line in lines)


def survive(lines: int) -> LogCodec:
    """Feed *lines* hostile lines to a codec and check its bounds."""
    settings = LogSettings(max_templates=500, max_line=1024)
    codec, rng = LogCodec(settings), np.random.default_rng(7)
    reader, came = codec.reader("app.log"), 0
    for _ in range(lines // 1000):
        by_tick: dict[int, list[TickPart]] = {}
        for part in reader.feed(hostile(rng, 1000), ARRIVAL):
            by_tick.setdefault(part.tick, []).append(part)
        for number, parts in by_tick.items():
            tick = codec.encode_tick(number, parts)
            came += tick.lines
            assert np.isfinite(tick.vector).all()
            assert tick.templates < settings.max_templates
        assert len(codec.kinds) <= MAX_KINDS + 1000
    assert came == lines
    return codec


def test_hostile_lines_are_survived_within_bounds() -> None:
    survive(3000)


@pytest.mark.soak
def test_a_million_hostile_lines_are_survived_in_bounded_memory() -> None:
    survive(100_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

    survive(1_000_000)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
