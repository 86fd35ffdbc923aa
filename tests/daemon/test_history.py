from dataclasses import replace

import numpy as np
import pytest

from rnnd.codecs.health import Health
from rnnd.codecs.tick import Example, Tick
from rnnd.config.schema import AppSettings
from rnnd.daemon.history import ALARMS, STRETCHES, History, UnusualLine
from rnnd.daemon.prediction.evidence import Evidences
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.scoring import Outcomes
from rnnd.daemon.prediction.unusual import UnusualEvent

APP = AppSettings(name="web", logs=("web.log",))
TEXTS = {1: "heartbeat", 2: "disk full", 3: "started"}


def prediction(number: int, health: Health = Health.GREEN, red: float = 0.1) -> Prediction:
    tick = Tick(
        number=number, vector=np.zeros(1, np.float32), observed=Health.GREEN, lines=1, bytes=1,
        unparsed=0, late=0, dropped=0, new_templates=0, templates=3, counts={1: 1}, examples=(),
    )  # fmt: skip
    return Prediction(
        time=(number + 1) * 10.0, app="web", probabilities={600.0: (1 - red, 0.0, red)},
        healths={600.0: health}, observed=Health.GREEN, onset=False, surprise=0.5,
        outcomes=Outcomes(), tick=tick,
    )  # fmt: skip


def alarm(number: int) -> Prediction:
    return replace(prediction(number, Health.RED, 0.7), outcomes=Outcomes(alarms=1))


def history() -> History:
    return History(APP, TEXTS.__getitem__)


def test_a_stretch_is_as_bad_as_its_worst_tick() -> None:
    past = history()

    past.note(prediction(0))
    past.note(prediction(1, Health.RED, 0.9))
    past.note(prediction(2))

    (stretch,) = past.recent().stretches
    assert (stretch.health, stretch.red) == (Health.RED, 0.9)


def test_a_stretch_that_was_never_known_is_unknown_and_one_that_was_is_not() -> None:
    past = history()

    past.note(prediction(0, Health.UNKNOWN))
    assert past.recent().stretches[-1].health is Health.UNKNOWN

    past.note(prediction(1, Health.GREEN))
    assert past.recent().stretches[-1].health is Health.GREEN


def test_a_failure_makes_every_open_alarm_true_and_tells_how_long_before_each_came() -> None:
    past = history()
    past.note(alarm(0))
    past.note(alarm(60))

    past.note(replace(prediction(90), onset=True, outcomes=Outcomes(true=2, failure=True, lead=89)))

    assert [(one.outcome, one.lead) for one in past.recent().alarms] == [
        ("true", 300.0),
        ("true", 900.0),
    ]


def test_a_false_alarm_is_the_oldest_open_one() -> None:
    past = history()
    past.note(alarm(0))
    past.note(alarm(60))

    past.note(replace(prediction(61), outcomes=Outcomes(false=1)))

    assert [one.outcome for one in past.recent().alarms] == ["open", "false"]


def test_an_alarm_that_was_settled_is_never_settled_again() -> None:
    past = history()
    past.note(alarm(0))
    past.note(replace(prediction(61), outcomes=Outcomes(false=1)))

    past.note(replace(prediction(62), outcomes=Outcomes(failure=True)))

    assert [one.outcome for one in past.recent().alarms] == ["false"]


def test_an_alarm_about_another_rule_of_failures_gets_no_outcome_of_the_new_one() -> None:
    past = history()
    past.note(alarm(0))
    past.note(replace(prediction(61), outcomes=Outcomes(false=1)))
    past.note(alarm(70))
    past.note(replace(prediction(80), new_rule="a line of severity critical or worse"))
    past.note(alarm(1000))

    past.note(replace(prediction(1030), onset=True, outcomes=Outcomes(true=1, failure=True)))

    assert [(one.outcome, one.lead) for one in past.recent().alarms] == [
        ("true", 300.0),
        ("false", None),
    ]


def test_nothing_grows_without_bound() -> None:
    past = history()
    line = Example(Health.RED, "CRITICAL boom")

    for number in range(0, 60 * 400, 6):
        one = alarm(number)
        past.note(replace(one, tick=replace(one.tick, examples=(line, line))))

    recent = past.recent()
    assert len(recent.stretches) == STRETCHES
    assert len(recent.alarms) == ALARMS
    assert len(recent.lines) == 5


def test_an_unusual_alarm_is_remembered_with_its_lines_and_survives_a_restart() -> None:
    past, other = history(), history()
    event = UnusualEvent(2, "web.log", "", 9.04, "disk full on sda", novelty="back")
    past.note(prediction(0))
    past.note(replace(prediction(1), unusual_alarm=True, unusual=(event,)))
    past.note(replace(prediction(2), unusual=(event,)))

    other.restore(past.state())

    (unusual,) = other.recent().unusual
    assert unusual.time == 20.0
    assert unusual.lines == (UnusualLine(9.0, "not seen for long", "disk full on sda"),)


def test_a_restored_history_goes_on_as_if_nothing_had_happened() -> None:
    past, other = history(), history()
    for number in range(200):
        past.note(alarm(number) if number % 70 == 0 else prediction(number))

    other.restore(past.state())
    for one in (past, other):
        one.note(replace(prediction(200), outcomes=Outcomes(false=1)))

    assert other.recent() == past.recent()


def evidences(ticks: int, counts: dict[int, int]) -> Evidences:
    found = Evidences(horizon=60)
    for _ in range(ticks):
        found.note(counts)
    return found


def test_what_comes_as_always_does_not_stand_out() -> None:
    assert evidences(5000, {1: 1, 3: 7}).standing_out(TEXTS.__getitem__) == ()


@pytest.mark.parametrize(
    ("counts", "kind", "text"),
    [
        ({1: 1, 2: 1}, "new", "disk full"),
        ({1: 10}, "more", "heartbeat"),
        ({}, "missing", "heartbeat"),
    ],
)
def test_what_changes_stands_out(counts: dict[int, int], kind: str, text: str) -> None:
    found = evidences(5000, {1: 1})

    for _ in range(200 if kind == "missing" else 30):
        found.note(counts)

    first = found.standing_out(TEXTS.__getitem__)[0]
    assert (first.kind, first.text) == (kind, text)


def test_what_only_follows_the_traffic_of_the_day_does_not_stand_out() -> None:
    found = evidences(5000, {1: 5, 2: 20, 3: 7})

    for _ in range(120):
        found.note({1: 10, 2: 40, 3: 14})

    assert found.standing_out(TEXTS.__getitem__) == ()
