"""What an app's predictions were of late: a time line, and the newest alarms with their outcome.

It is bounded, saved with the app's state, and read by other threads only as finished values.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from rnnd.codecs.health import Health
from rnnd.codecs.tick import Example
from rnnd.config.schema import AppSettings
from rnnd.daemon.prediction.evidence import LONGEST, Evidence, Evidences
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.prediction.unusual import UnusualEvent

STRETCHES = 360  # of the time line
STRETCHES_A_HORIZON = 10
ALARMS = 20  # remembered
UNUSUAL = 5  # unusual alarms remembered
EXAMPLES = 5  # lines remembered that made a tick orange or red

NO_LINE = "(the end of a task)"

Outcome = Literal["open", "true", "false"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some ticks of the time line, summed up by the worst of them."""

    time: float  # s since the epoch: where it begins
    health: Health  # predicted; unknown where it was so to the end
    observed: Health
    red: float  # the highest probability of a failure within the alarm's horizon
    failures: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm, what stood out in the log when it was raised, and what became of it."""

    time: float  # s since the epoch
    probability: float  # of a failure within the alarm's horizon, when it was raised
    outcome: Outcome
    lead: float | None  # s from it to its failure
    evidence: tuple[Evidence, ...]
    reasons: tuple[Reason, ...] = ()  # what had raised the probability, the most important first


@dataclass(frozen=True, slots=True)
class Line:
    """A line that made a tick orange or red."""

    time: float  # s since the epoch: the end of its tick
    health: Health
    text: str


@dataclass(frozen=True, slots=True)
class UnusualLine:
    """A line that surprised, and why."""

    surprise: float  # nats; 0 where nothing measures it
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Unusual:
    """An unusual alarm: the lines that surprised most, and what else stood out in the log."""

    time: float  # s since the epoch
    lines: tuple[UnusualLine, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """What other threads may know of the past: values that nobody changes any more."""

    stretch: float = 60.0  # s
    stretches: tuple[Stretch, ...] = ()  # the newest last; silent ones left out
    alarms: tuple[Alarm, ...] = ()  # the newest first
    lines: tuple[Line, ...] = ()  # the newest first
    evidence: tuple[Evidence, ...] = ()  # what stands out now
    unusual: tuple[Unusual, ...] = ()  # the newest first


class History:
    """Remembers the predictions of one app; *text* names a template."""

    def __init__(self, app: AppSettings, text: Callable[[int], str]) -> None:
        self._text = text
        self._stretch = max(app.tick, app.horizon / STRETCHES_A_HORIZON)
        self._stretches: deque[Stretch] = deque(maxlen=STRETCHES)
        self._alarms: deque[Alarm] = deque(maxlen=ALARMS)
        self._lines: deque[Line] = deque(maxlen=EXAMPLES)
        self._unusual: deque[Unusual] = deque(maxlen=UNUSUAL)
        self._horizon = app.horizon
        self._evidences = Evidences(round(app.horizon / app.tick))
        self._recent: Recent | None = None  # as long as nothing changes

    def note(self, prediction: Prediction) -> None:
        """Take in what was said at the end of one tick."""
        self._recent = None
        self._evidences.note(prediction.tick.counts)
        self._settle(prediction)
        _, _, red = next(iter(prediction.probabilities.values()))
        if prediction.outcomes.alarms:
            evidence = self._evidences.standing_out(self._text)
            reasons = prediction.reasons
            self._alarms.append(Alarm(prediction.time, red, "open", None, evidence, reasons))
        if prediction.unusual_alarm:
            self._remember_unusual(prediction)
        self._remember(prediction.time, prediction.tick.examples)
        self._draw(prediction, red)
        if prediction.new_rule is not None:
            self.forget_open()

    def forget_open(self) -> None:
        """Forget the alarms without an outcome: they were about what is no failure any more."""
        self._recent = None
        known = [alarm for alarm in self._alarms if alarm.outcome != "open"]
        self._alarms = deque(known, maxlen=ALARMS)

    def note_late(self, time: float) -> None:
        """Give alarms their outcome by a failure that began at *time* and was not known then."""
        self._recent = None
        for place, alarm in enumerate(self._alarms):
            if alarm.outcome != "true" and alarm.time < time <= alarm.time + self._horizon:
                lead = time - alarm.time
                self._alarms[place] = replace(alarm, outcome="true", lead=lead)

    def _settle(self, prediction: Prediction) -> None:
        """Give the open alarms, oldest first, the outcomes that this tick brought."""
        outcomes = prediction.outcomes
        false = outcomes.false
        for place, alarm in enumerate(self._alarms):
            if alarm.outcome != "open":
                continue
            if false:
                self._alarms[place] = replace(alarm, outcome="false")
                false -= 1
            elif outcomes.failure:
                lead = prediction.time - alarm.time
                self._alarms[place] = replace(alarm, outcome="true", lead=lead)

    def _remember_unusual(self, prediction: Prediction) -> None:
        lines = tuple(
            UnusualLine(
                round(event.surprise, 1),
                why_unusual(event, self._text),
                event.line or (self._text(event.template) if event.template >= 0 else NO_LINE),
            )
            for event in prediction.unusual
        )
        evidence = self._evidences.standing_out(self._text)
        self._unusual.append(Unusual(prediction.time, lines, evidence))

    def _remember(self, time: float, examples: Iterable[Example]) -> None:
        for example in examples:
            self._lines.append(Line(time, example.health, example.line))

    def _draw(self, prediction: Prediction, red: float) -> None:
        begin = prediction.time // self._stretch * self._stretch
        known = [prediction.health] if prediction.health is not Health.UNKNOWN else []
        observed, failures, alarms = prediction.observed, 0, 0
        if self._stretches and self._stretches[-1].time == begin:
            last = self._stretches.pop()
            known += [last.health] if last.health is not Health.UNKNOWN else []
            observed, red = max(observed, last.observed), max(red, last.red)
            failures, alarms = last.failures, last.alarms
        self._stretches.append(
            Stretch(
                begin,
                max(known, default=Health.UNKNOWN),
                observed,
                red,
                failures + prediction.onset,
                alarms + prediction.outcomes.alarms,
            )
        )

    def recent(self) -> Recent:
        """Return the past for other threads."""
        if self._recent is None:
            self._recent = Recent(
                self._stretch,
                tuple(self._stretches),
                tuple(reversed(self._alarms)),
                tuple(reversed(self._lines)),
                self._evidences.standing_out(self._text),
                tuple(reversed(self._unusual)),
            )
        return self._recent

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        return {
            "stretches": msgspec.to_builtins(list(self._stretches)),
            "alarms": msgspec.to_builtins(list(self._alarms)),
            "lines": msgspec.to_builtins(list(self._lines)),
            "unusual": msgspec.to_builtins(list(self._unusual)),
            "evidences": self._evidences.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another history's `state` gave."""
        self._recent = None
        self._stretches.extend(msgspec.convert(state["stretches"], list[Stretch]))
        self._alarms.extend(msgspec.convert(state["alarms"], list[Alarm]))
        self._lines.extend(msgspec.convert(state["lines"], list[Line]))
        self._unusual.extend(msgspec.convert(state["unusual"], list[Unusual]))
        self._evidences.restore(state["evidences"])


def why_unusual(event: UnusualEvent, text: Callable[[int], str]) -> str:
    """Return in words why an *event* surprised; *text* names a template.

    >>> why_unusual(UnusualEvent(7, "a.log", "", 9.1, novelty="new"), str)
    'never seen before'
    """
    if event.novelty == "new":
        return "never seen before"
    if event.novelty == "back":
        return "not seen for long"
    if event.expected is None or event.expected == event.template:
        return "rare here"
    expected = "the end of the task" if event.expected < 0 else repr(text(event.expected)[:LONGEST])
    return f"{expected} was expected"
