import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from rnnd.daemon.tailing.lines import LineBuffer

TEXT = st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n", b"\xff\0", b"x" * 9]), max_size=60)


def cut(text: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(ends)]


def reference(text: bytes, limit: int) -> bytes:
    lines = text.split(b"\n")
    last = lines.pop()[:limit]
    return b"".join(line[:limit] + b"\n" for line in lines) + (last + b"\n" if last else b"")


def test_a_line_cut_in_two_is_given_once_whole() -> None:
    buffer = LineBuffer()

    assert buffer.feed(b"hel") == b""
    assert buffer.feed(b"lo\nwor") == b"hello\n"
    assert buffer.flush() == b"wor\n"


@given(TEXT.map(b"".join), st.lists(st.integers(0, 200)), st.integers(1, 12))
@example(b"abc\n", [3], 3)
@example(b"abcd\n", [3, 4], 3)
def test_any_bytes_cut_anywhere_give_the_same_lines(
    text: bytes, places: list[int], limit: int
) -> None:
    buffer = LineBuffer(limit)

    given_lines = b"".join(buffer.feed(piece) for piece in cut(text, places)) + buffer.flush()

    assert given_lines == reference(text, limit)
    assert buffer.cut_lines == sum(len(line) > limit for line in text.split(b"\n"))
    assert buffer.cut_bytes == sum(max(len(line) - limit, 0) for line in text.split(b"\n"))


@given(TEXT.map(b"".join), st.integers(0, 200), st.integers(1, 12))
def test_a_saved_buffer_continues_identically_elsewhere(
    text: bytes, place: int, limit: int
) -> None:
    one, other = LineBuffer(limit), LineBuffer(limit)

    before = one.feed(text[:place])
    other.restore(one.state())

    assert before + other.feed(text[place:]) + other.flush() == reference(text, limit)


def test_a_line_without_end_takes_no_more_memory_than_the_limit() -> None:
    buffer = LineBuffer(limit=100)

    for _ in range(1000):
        assert buffer.feed(b"x" * 1000) == b""

    assert buffer.held == 100
    assert buffer.feed(b"\nnext\n") == b"x" * 100 + b"\nnext\n"
    assert (buffer.cut_lines, buffer.cut_bytes) == (1, 999_900)
