from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from rnnd.codecs.health import Health
from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.config.schema import AppSettings
from rnnd.daemon.history import History, why_unusual
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.prediction.unusual import EventTick, EventWatch, UnusualEvent

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
            tick = codec.encode_tick(number, parts)
            result.append(events.step(tick, parts, codec.templates.joined))
    return events, result


@pytest.fixture(scope="module")
def swapped_at_the_end() -> list[EventTick]:
    return watch(ticks=600, swapped_from=590)[1]


def test_a_swapped_order_surprises_although_no_line_is_new_and_no_count_changed(
    swapped_at_the_end: list[EventTick],
) -> None:
    names = EventWatch(TICK).names
    now = [float(tick.vector[names.index("mean surprise now")]) for tick in swapped_at_the_end]

    assert now[590] > 3 * max(map(abs, now[500:590]))
    assert max(swapped_at_the_end[590].ranks) > 0.99


def test_what_was_unusual_is_named(swapped_at_the_end: list[EventTick]) -> None:
    worst = swapped_at_the_end[590].unusual[0]

    assert (worst.source, worst.component) == ("", "shop.Transaction")
    assert worst.surprise > 2


def test_the_features_are_as_many_as_their_names(swapped_at_the_end: list[EventTick]) -> None:
    names = EventWatch(TICK).names

    assert len(set(names)) == len(names)
    assert swapped_at_the_end[0].vector.shape == (len(names),)
    assert all(np.isfinite(tick.vector).all() for tick in swapped_at_the_end)


def test_disorder_of_events_none_of_which_is_unusual_names_the_one_least_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "rnnd.daemon.prediction.disorder.Disorder.step", lambda *_: np.full((2, 2), 5.0)
    )

    _, told = watch(ticks=5, swapped_from=9)  # too few for anything to be unusual

    assert [len(tick.unusual) for tick in told] == [1] * len(told)
    assert all(tick.unusual[0].component == "shop.Transaction" for tick in told[2:])


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


@pytest.fixture(scope="module")
def something_new() -> tuple[AppPipeline, list[Prediction]]:
    """Return what is said of an hour and a half of the usual, then a line never seen before."""
    app = AppSettings(name="shop", logs=(), order=True, horizon=50.0, more_horizons=())
    pipeline = AppPipeline(app)
    strange = b"INFO shop.Transaction: rolled back\n"
    usual = [lines_of(tick, swapped=False) for tick in range(560)]
    usual[540] += usual[540][:21] + strange
    pipeline.feed("app.log", b"".join(usual), 0.0)
    return pipeline, list(pipeline.finish())


def test_a_line_more_surprising_than_any_before_makes_health_orange(
    something_new: tuple[AppPipeline, list[Prediction]],
) -> None:
    _, made = something_new

    assert [tick for tick, p in enumerate(made) if p.unusual_alarm][-1] == 540
    assert {p.health for p in made[540:545]} == {Health.ORANGE}
    assert made[546].health is Health.GREEN


def test_the_line_that_caused_it_is_told_with_its_reason(
    something_new: tuple[AppPipeline, list[Prediction]],
) -> None:
    pipeline, made = something_new
    history = History(pipeline.app, pipeline.codec.templates.text)

    for prediction in made:
        history.note(prediction)

    (worst, *_) = history.recent().unusual[0].lines
    assert worst.text == "INFO shop.Transaction: rolled back"
    assert worst.why == "never seen before"


def test_without_an_event_model_what_is_new_in_the_tick_is_told() -> None:
    app = AppSettings(name="shop", logs=(), horizon=50.0, more_horizons=())
    pipeline = AppPipeline(app)
    usual = [lines_of(tick, swapped=False) for tick in range(8)]
    usual[6] += usual[6][:21] + b"INFO shop.Transaction: rolled back 3 rows\n"
    pipeline.feed("app.log", b"".join(usual), 0.0)

    made = list(pipeline.finish())

    assert [[event.novelty for event in p.unusual] for p in made[4:]] == [[], [], ["new"], []]
    assert made[6].unusual[0].line == "INFO shop.Transaction: rolled back 3 rows"


def test_what_was_expected_instead_is_told() -> None:
    text = {4: "locked orders"}.__getitem__
    swapped = UnusualEvent(5, "app.log", "shop.Transaction", 7.0, "locked stock", expected=4)

    assert why_unusual(swapped, text) == "'locked orders' was expected"
    assert why_unusual(replace(swapped, novelty="back"), text) == "not seen for long"
    assert why_unusual(replace(swapped, expected=-1), text) == "the end of the task was expected"
    assert why_unusual(replace(swapped, expected=None), text) == "rare here"
