"""A rule of failures that was configured otherwise: what was learnt of the old one is forgotten."""

import msgspec
import pytest

from rnnd.config.schema import AppSettings, Rule
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

APP = AppSettings(name="shop", logs=(), tick=60.0)
LINES = b"".join(
    b"2026-03-01T%02d:%02d:00Z %s request done\n"
    % (minute // 60, minute % 60, b"CRITICAL" if minute % 200 == 199 else b"INFO")
    for minute in range(1000)
)


def after(app: AppSettings, state: bytes | None = None) -> AppPipeline:
    pipeline = AppPipeline(app, incidents=[] if app.failures else None)
    if state is not None:
        pipeline.restore(unflatten(*unpack("test", state)))
        return pipeline
    pipeline.feed("shop.log", LINES, 0.0)
    pipeline.close(pipeline.tick_of("shop.log") or 0)
    return pipeline


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ({}, {}, True),
        ({}, {"red": Rule(severity="critical")}, True),  # it says the same
        ({"red": Rule(severity="critical")}, {"red": Rule(severity="error")}, False),
        ({"red": Rule(severity="error")}, {}, False),
        ({}, {"failures": "incidents.csv"}, False),
        ({"failures": "incidents.csv"}, {}, False),
    ],
)
def test_the_record_goes_on_only_where_a_failure_is_still_the_same(
    before: dict[str, object], now: dict[str, object], kept: bool
) -> None:
    first = after(msgspec.structs.replace(APP, **before))
    state = pack("test", *flatten(first.state()))

    second = after(msgspec.structs.replace(APP, **now), state)

    assert second.next_tick == first.next_tick
    assert (second.scoreboard.ticks == first.scoreboard.ticks) is kept
    second.feed("shop.log", LINES.replace(b"03-01", b"03-02"), 0.0)
    assert len(list(second.finish())) > 1000
