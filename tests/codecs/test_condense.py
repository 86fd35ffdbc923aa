"""A tick may bring more kinds of lines than a table holds: what is kept of it stays bounded."""

from collections import Counter

import pytest

from rnnd.codecs import signatures
from rnnd.codecs.condense import condense
from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.template import OVERFLOW
from rnnd.codecs.tick import TickPart
from rnnd.config.schema import AppSettings
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

APP = AppSettings(name="app", logs=())
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(number: int) -> str:
    """Return a word without digits, another one for each *number*."""
    return "".join(LETTERS[number // 26**place % 26] for place in range(3))


def lines(first: int, count: int) -> bytes:
    """Return lines of one second, each of another kind, every third an error with a number."""
    return b"".join(
        b"2026-03-01T00:00:00Z %s part%s: met %s %s\n"
        % (
            b"ERROR" if n % 3 == 0 else b"INFO",
            word(n).encode(),
            word(7 * n).encode(),
            b"after 17 ms" if n % 3 == 0 else b"again",
        )
        for n in range(first, first + count)
    )


def fed(feeds: int) -> AppPipeline:
    pipeline = AppPipeline(APP)
    for feed in range(feeds):
        pipeline.feed("app.log", lines(100 * feed, 100), 0.0)
    return pipeline


def told(pipeline: AppPipeline) -> tuple[int, tuple[int, ...], Counter[str]]:
    tick = next(pipeline.finish()).tick
    text = pipeline.codec.templates.text
    counts: Counter[str] = Counter()
    for template, count in tick.counts.items():
        counts[text(template)] += count
    return tick.lines, tick.severities, counts


def test_a_tick_holds_on_to_two_tables_however_many_kinds_it_brings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "MAX_KINDS", 50)

    pipeline = fed(20)

    parts = [part for some in pipeline._parts.values() for part in some]
    assert len({id(part.table) for part in parts}) <= 2
    assert len(parts) <= 2


def test_no_line_is_counted_otherwise_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = told(fed(20))
    monkeypatch.setattr(signatures, "MAX_KINDS", 50)

    assert told(fed(20)) == expected


def test_what_was_condensed_can_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "MAX_KINDS", 50)
    pipeline, other = fed(20), AppPipeline(APP)

    other.restore(unflatten(*unpack("app", pack("app", *flatten(pipeline.state())))))

    assert told(other)[:2] == told(pipeline)[:2]


def test_templates_made_early_are_told_as_new_and_a_line_without_one_seeks_it_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "MAX_KINDS", 50)
    codec = LogCodec(LogSettings(max_templates=20))
    reader, parts = codec.reader("app.log"), list[TickPart]()

    for feed in range(20):
        for part in reader.feed(lines(100 * feed, 100), 0.0):
            if not any(earlier.add(part) for earlier in parts):
                parts = condense(codec, [*parts, part])

    assert not (codec.kinds.templates[: len(codec.kinds)] == OVERFLOW).any()
    tick = codec.encode_tick(parts[0].tick, parts)
    assert tick.new_templates == len(codec.templates) - 1 > 10
    assert tick.counts[OVERFLOW] > 1000
