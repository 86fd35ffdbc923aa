from itertools import pairwise

import numpy as np
import pytest

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.config.schema import AppSettings
from rnnd.daemon.pipeline import AppPipeline, Prediction
from rnnd.daemon.unusual import EventTick, EventWatch

TICK = 10.0


def lines_of(tick: int, swapped: bool) -> bytes:
    """A few transactions, each four lines; another component chatters between them."""
    rng = np.random.default_rng(tick)
    locks = ("stock", "orders") if swapped else ("orders", "stock")
    lines = []
    for number in range(3):
        steps = ("begin", f"locked {locks[0]}", f"locked {locks[1]}", "commit")
        lines += [f"INFO shop.Transaction: {step}" for step in steps]
        if rng.random() < 0.7:
            lines.insert(int(rng.integers(len(lines))), f"INFO shop.Web: served {number}")
    stamp = f"2026-03-01T{tick * 10 // 3600:02}:{tick * 10 // 60 % 60:02}:{tick * 10 % 60:02}Z"
    return "".join(f"{stamp} {line}\n" for line in lines).encode()


def watch(ticks: int, swapped_from: int) -> tuple[EventWatch, list[EventTick]]:
    codec = LogCodec(LogSettings(tick=TICK, order=True))
    events = EventWatch(TICK)
    reader = codec.reader("app.log")
    result = []
    for tick in range(ticks):
        parts = reader.feed(lines_of(tick, tick >= swapped_from), 0.0)
        for number in sorted({part.tick for part in parts}):
            codec.encode_tick(number, parts)
            result.append(events.step(number, parts, codec.templates.joined))
    return events, result


@pytest.fixture(scope="module")
def swapped_at_the_end() -> list[EventTick]:
    return watch(ticks=600, swapped_from=590)[1]


def test_a_swapped_order_surprises_although_no_line_is_new_and_no_count_changed(
    swapped_at_the_end: list[EventTick],
) -> None:
    names = EventWatch(TICK).names
    now = [float(tick.vector[names.index("surprise now")]) for tick in swapped_at_the_end]

    assert now[590] > 3 * max(map(abs, now[500:590]))
    assert swapped_at_the_end[590].rank > 0.99


def test_what_was_unusual_is_named(swapped_at_the_end: list[EventTick]) -> None:
    worst = swapped_at_the_end[590].unusual[0]

    assert (worst.source, worst.component) == ("", "shop.Transaction")
    assert worst.surprise > 2


def test_the_features_are_as_many_as_their_names(swapped_at_the_end: list[EventTick]) -> None:
    names = EventWatch(TICK).names

    assert len(set(names)) == len(names)
    assert swapped_at_the_end[0].vector.shape == (len(names),)
    assert all(np.isfinite(tick.vector).all() for tick in swapped_at_the_end)


def predictions(cuts: list[int], restart: bool = False) -> list[Prediction]:
    data = b"".join(lines_of(tick, tick % 50 > 40) for tick in range(150))
    app = AppSettings(name="shop", logs=(), order=True)
    pipeline = AppPipeline(app)
    result: list[Prediction] = []
    places = [0, *(data.find(b"\n", cut) + 1 for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        pipeline.feed("app.log", data[begin:end], 0.0)
        tick = pipeline.tick_of("app.log")
        result += pipeline.close(tick) if tick is not None else []
        if restart:
            state = pipeline.state()
            pipeline = AppPipeline(app, seed=1)
            pipeline.restore(state)
    return result + list(pipeline.finish())


def told(made: list[Prediction]) -> list[object]:
    return [
        (p.time, p.probabilities, p.surprise, [(e.component, e.surprise) for e in p.unusual])
        for p in made
    ]


def test_predictions_with_the_order_read_do_not_depend_on_how_the_bytes_were_cut() -> None:
    whole = told(predictions([]))

    assert told(predictions(list(range(1000, 90_000, 7777)))) == whole
    assert len(whole) == 150


def test_a_restart_changes_no_prediction_with_the_order_read() -> None:
    cuts = [20_000, 40_123]

    assert told(predictions(cuts, restart=True)) == told(predictions(cuts))
