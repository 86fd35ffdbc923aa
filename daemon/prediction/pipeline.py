"""One app's road from lines to health; the daemon and a backtest drive the very same one.

Bytes come in by source. Parts of a tick are collected until the tick is over; then it is encoded,
its onsets are noted, the network forecasts, the policy decides on a colour and the scoreboard
writes down what was said. All is driven by the time of the events, never by a clock, so that what
is predicted does not depend on how the bytes arrive.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.base import Vector
from rnnd.codecs.condense import condense
from rnnd.codecs.health import Health
from rnnd.codecs.log import HealthRule, LogCodec, LogSettings
from rnnd.codecs.severity import Severity
from rnnd.codecs.tick import Tick, TickPart
from rnnd.config.schema import AppSettings, Rule
from rnnd.config.units import format_duration
from rnnd.daemon.prediction.incidents import tick_of_start
from rnnd.daemon.prediction.oddity import Oddity
from rnnd.daemon.prediction.onsets import OnsetDetector
from rnnd.daemon.prediction.pace import paced
from rnnd.daemon.prediction.policy import AlarmPolicy
from rnnd.daemon.prediction.reasons import Reason, Reasons
from rnnd.daemon.prediction.rule import AutomaticRule
from rnnd.daemon.prediction.scoring import Outcomes, Scoreboard
from rnnd.daemon.prediction.unusual import EventWatch, UnusualEvent, novelties
from rnnd.rnn.learner import Forecaster, ForecasterSettings

RED, ORANGE = 0, 1  # the forecaster's events
WARM_FAILURES = 3  # failures seen, or else …
WARM_HORIZONS = 100  # … alarm horizons passed, before anything is said
MAX_INCIDENTS = 10_000  # past ones that are remembered
SILENCE = 7 * 86400.0  # s; ticks of a longer silence are skipped
ORANGE_BELOW = 0.5  # P(green) below which the prediction is orange
RAISED = 1.5  # times the base rate, from which on a probability is worth explaining

Probabilities = tuple[float, float, float]  # green, orange, red


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was said at the end of a tick, before anything after it was known."""

    time: float  # s since the epoch: the end of the tick
    app: str
    probabilities: dict[float, Probabilities]  # by horizon in seconds
    healths: dict[float, Health]  # predicted within each horizon
    observed: Health  # in this tick
    onset: bool  # a failure began in this tick
    surprise: float  # as a quantile of its own past
    outcomes: Outcomes  # of the alarm horizon's alarms
    tick: Tick
    unusual: tuple[UnusualEvent, ...] = ()  # the events that surprised most, the worst first
    unusual_alarm: bool = False  # this tick begins something more unusual than usual
    threshold: float = 1.0  # the probability of the alarm's horizon from which on it is red
    failing: bool = False  # red now, or so lately that more of it would be the same failure
    raised: bool = False  # a failure is more probable than it usually is, where there was one
    reasons: tuple[Reason, ...] = ()  # of an alarm that was raised, the most important first
    new_rule: str | None = None  # what counts as a failure from the next tick on, if that changed

    @property
    def health(self) -> Health:
        """The health predicted within the alarm's horizon, the first."""
        return next(iter(self.healths.values()))


@dataclass(frozen=True, slots=True)
class LateFailure:
    """A failure that became known only after the tick in which it began was over."""

    time: float  # s since the epoch: the end of that tick
    outcomes: Outcomes


class AppPipeline:
    """Reads the lines of one app's sources and predicts its health, a prediction a tick.

    *incidents* are the starts of failures in seconds since the epoch, merged and in order; they
    replace those found in the lines. Without *explain*, alarms come without their reasons, which
    take as long as hundreds of ticks.
    """

    def __init__(
        self,
        app: AppSettings,
        seed: int = 0,
        incidents: Iterable[float] | None = None,
        *,
        explain: bool = True,
    ) -> None:
        self.app = app
        self.horizons = tuple(max(1, round(h / app.tick)) for h in app.horizons)  # ticks
        self.incidents = incidents is not None
        self._automatic = self._automatic_rule()
        self.codec = LogCodec(log_settings(app, incidents=self.incidents))
        self._seed = seed
        self._pace = paced(ForecasterSettings(), app.cpu_budget * app.tick)
        self._watch = EventWatch(app.tick, seed) if app.order else None
        self.forecaster = self._new_forecaster()
        self._explains_alarms = explain
        self._reasons = Reasons(self.feature_names, app.tick)
        self.policy = AlarmPolicy(self.horizons, app.alarm_budget * app.tick)
        self.oddity = Oddity(app.unusual_budget * app.tick, self.horizons[0])
        self.scoreboard = Scoreboard(self.horizons)
        self._incident_ticks = {tick_of_start(start, app.tick) for start in incidents or ()}
        self._merge = merge = math.ceil(app.merge / app.tick)
        self._onsets = (OnsetDetector(merge), OnsetDetector(merge))  # red; orange or worse
        self._sources: set[str] = set()
        self._parts: dict[int, list[TickPart]] = {}
        self._next: int | None = None  # the tick that is closed next
        self._silent = 0  # ticks without a line, up to now
        self._longest_silence = 0.0  # ticks; forgotten slowly
        self._silence_limit = max(1, round(SILENCE / app.tick))

    def _automatic_rule(self) -> AutomaticRule | None:
        app = self.app
        if app.red is not None or self.incidents:
            return None
        return AutomaticRule(app.tick, app.merge, app.horizon)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of every number that a tick is to the forecaster."""
        return self.codec.feature_names + (self._watch.names if self._watch else ())

    @property
    def feature_groups(self) -> NDArray[np.int64]:
        """The sort of each of them, numbered from 0."""
        groups = self.codec.feature_groups
        if self._watch:
            groups = np.append(groups, np.full(len(self._watch.names), groups[-1] + 1))
        return groups

    def _new_forecaster(self) -> Forecaster:
        settings = self._pace
        groups = self.feature_groups
        sign = len(groups) - 1 if self._watch else None  # the watch tells it last
        return Forecaster(groups, self.horizons, 2, settings, self._seed, sign)

    @property
    def next_tick(self) -> int | None:
        """The tick that is closed next; None before the first event."""
        return min(self._parts, default=None) if self._next is None else self._next

    def feed(self, source: str, data: bytes, arrival: float) -> None:
        """Parse whole lines of one *source*."""
        self._sources.add(source)
        self._collect(source, self.codec.reader(source).feed(data, arrival))

    def tick_of(self, source: str) -> int | None:
        """Return the newest tick of *source*; None before its first event."""
        return self.codec.reader(source).tick

    @property
    def has_timestamps(self) -> bool:
        """Whether any source's lines say when they were written."""
        return any(self.codec.reader(source).formats for source in self._sources)

    def finish(self) -> Iterator[Prediction]:
        """Close all that is pending, for the input has ended, and give what is predicted."""
        for source in sorted(self._sources):
            self._collect(source, self.codec.reader(source).flush())
        if self._parts:
            yield from self.closing(max(self._parts) + 1)

    def close(self, before: int) -> list[Prediction]:
        """Close all ticks before *before*, silent ones too, and return what was predicted."""
        return list(self.closing(before))

    def closing(self, before: int) -> Iterator[Prediction]:
        """Close the ticks before *before* one by one, each when its prediction is asked for."""
        if self._next is None:
            if not self._parts:
                return
            self._next = min(self._parts)
        while self._next < before:
            if self._silent >= self._silence_limit and self._next not in self._parts:
                upcoming = [tick for tick in self._parts if tick < before]
                self._next = min(upcoming, default=before)
                continue
            number = self._next
            self._next += 1
            yield self._close_tick(number, self._parts.pop(number, []))

    def _collect(self, source: str, parts: Iterable[TickPart]) -> None:
        for part in parts:
            part.source = source
            if self._next is not None:
                part.tick = max(part.tick, self._next)
            known = self._parts.setdefault(part.tick, [])
            if not any(earlier.add(part) for earlier in known):
                known.append(part)
                self._parts[part.tick] = condense(self.codec, known)

    def _close_tick(self, number: int, parts: list[TickPart]) -> Prediction:
        tick = self._judged(self.codec.encode_tick(number, parts, self._judge))
        observed = self._observe(tick)
        onset, immune = self._note_onsets(number, observed)
        vector, ranks, unusual, strangest = self._read_order(tick, parts)
        forecast = self.forecaster.step(vector, onset, immune)
        red = forecast.probabilities[RED]  # (H,)
        known = self._knows(tick)
        surprise, alarm, is_unusual = self.oddity.step((*ranks, forecast.surprise), speak=known)
        decision = self.policy.step(red, bool(onset[RED]), speak=known)
        outcomes = self.scoreboard.note(bool(onset[RED]), red, decision.alarm)
        self._reasons.note(parts, strangest)
        explained = decision.alarm[0] and self._explains_alarms
        reasons = self._explain(number) if explained else ()
        triples = share_out(forecast.probabilities)
        usual = self.scoreboard.brier[0].base_rate
        new_rule = self._choose_rule(number)
        return Prediction(
            time=(number + 1) * self.app.tick,
            app=self.app.name,
            probabilities=dict(zip(self.app.horizons, triples, strict=True)),
            healths=self._colours(decision.red, triples, is_unusual, known),
            observed=observed,
            onset=bool(onset[RED]),
            surprise=surprise,
            outcomes=outcomes,
            tick=tick,
            unusual=unusual,
            unusual_alarm=alarm,
            threshold=float(decision.threshold[0]),
            failing=observed is Health.RED or bool(immune[RED] > 0),
            raised=self.scoreboard.alarm.failures > 0 and bool(red[0] > RAISED * usual),
            reasons=reasons,
            new_rule=new_rule,
        )

    def reasons(self) -> tuple[Reason, ...]:
        """Return what raises the newest prediction's probability of a failure."""
        if self._next is None or not self.scoreboard.ticks:
            return ()
        return self._explain(self._next - 1)

    def _explain(self, number: int) -> tuple[Reason, ...]:
        return self._reasons.find(self.forecaster, self.codec, number)

    def _judge(self, number: int, severities: NDArray[np.float64]) -> Health:
        """Return what the automatic rule makes of a tick, where one is in force."""
        if self._automatic is None:
            return Health.GREEN
        health = self._automatic.note(number, severities)
        return health if self.app.orange is None or health is Health.RED else Health.GREEN

    def _judged(self, tick: Tick) -> Tick:
        """Return *tick* with the examples of what the automatic rule holds to be bad.

        Where incidents decide, a line is orange at worst.
        """
        if not tick.examples:
            return tick
        if self.incidents:
            worst = (replace(e, health=min(e.health, Health.ORANGE)) for e in tick.examples)
            return replace(tick, examples=tuple(worst))
        if self._automatic is None:
            return tick
        known = (
            replace(e, health=max(e.health, self._automatic.health_of(e.severity, tick.observed)))
            for e in tick.examples
        )
        return replace(tick, examples=tuple(e for e in known if e.health > Health.GREEN))

    def _choose_rule(self, number: int) -> str | None:
        """Let the automatic rule change; return the new one in words if it did.

        What was learnt of the old rule's failures is forgotten, and the record begins anew.
        """
        if self._automatic is None or not self._automatic.choose(number):
            return None
        self._begin_anew()
        for detector, last in zip(self._onsets, self._automatic.last, strict=True):
            detector.restore({"last": last})
        return self.rule

    def _begin_anew(self) -> None:
        """Forget all outcomes: what counts as a failure has changed."""
        forecaster = self._new_forecaster()
        forecaster.inherit(self.forecaster)
        self.forecaster = forecaster
        self.policy = AlarmPolicy(self.horizons, self.app.alarm_budget * self.app.tick)
        self.scoreboard = Scoreboard(self.horizons)

    def _read_order(
        self, tick: Tick, parts: list[TickPart]
    ) -> tuple[Vector, tuple[float, ...], tuple[UnusualEvent, ...], tuple[float, int]]:
        """Return the vector of the tick, with what the order of its lines adds to it."""
        if self._watch is None:
            return tick.vector, (), novelties(tick, parts, self.codec.templates.joined), (0.0, -1)
        events = self._watch.step(tick, parts, self.codec.templates.joined)
        vector = np.concatenate((tick.vector, events.vector))
        return vector, events.ranks, events.unusual, events.strangest

    def _observe(self, tick: Tick) -> Health:
        """Return the health of the tick itself; incidents, where given, decide what is red."""
        if not self.incidents:
            return tick.observed
        if tick.number in self._incident_ticks:
            return Health.RED
        return min(tick.observed, Health.ORANGE)

    def take_incidents(self, starts: Iterable[float]) -> list[LateFailure]:
        """Replace the list of incidents by a longer one; return those that are told too late.

        *starts* are as in the constructor. An incident that began in a tick that is closed already
        is learnt from as far as that is still possible: for one largest horizon. It counts as a
        failure from now on.
        """
        wanted = {tick_of_start(start, self.app.tick) for start in starts}
        if self._next is None:
            self._incident_ticks = wanted
            return []
        known = sorted(tick for tick in self._incident_ticks if tick < self._next)
        late = []
        for tick in sorted(wanted):
            place = bisect_left(known, tick - self._merge + 1)
            near = place < len(known) and known[place] < tick + self._merge
            if tick < self._next and not near:
                late.append(self._note_late(tick))
                insort(known, tick)
        upcoming = {tick for tick in wanted if tick >= self._next}
        self._incident_ticks = {*known[-MAX_INCIDENTS:], *upcoming}
        return late

    def _note_late(self, tick: int) -> LateFailure:
        assert self._next is not None
        ago = self._next - 1 - tick
        outcomes = Outcomes(failure=True)
        if ago < self.scoreboard.ticks:
            self.forecaster.note_late(np.array([True, True]), ago)
            self.policy.note_late(ago)
            outcomes = self.scoreboard.note_late(ago)
        return LateFailure((tick + 1) * self.app.tick, outcomes)

    def _note_onsets(
        self, number: int, observed: Health
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        bad = (observed >= Health.RED, observed >= Health.ORANGE)
        pairs = list(zip(self._onsets, bad, strict=True))
        onset = np.array([detector.note(number, is_bad) for detector, is_bad in pairs])
        return onset, np.array([detector.immune(number) for detector in self._onsets])

    def _knows(self, tick: Tick) -> bool:
        """Return whether a health can be told: neither warming up nor blind."""
        if tick.lines:
            self._longest_silence = max(self._longest_silence * 0.99, float(self._silent))
            self._silent = 0
        else:
            self._silent += 1
        blind = self._silent > max(4 * self.horizons[0], 2 * self._longest_silence)
        return not self.warming_up and not blind

    @property
    def warming_up(self) -> bool:
        """Whether too little was seen to say anything yet, of failures as they are defined now."""
        score = self.scoreboard
        patient = score.ticks >= WARM_HORIZONS * self.horizons[0]
        return score.alarm.failures < WARM_FAILURES and not patient

    def _colours(
        self, red: NDArray[np.bool_], triples: Sequence[Probabilities], unusual: bool, known: bool
    ) -> dict[float, Health]:
        """Return the predicted health within each horizon."""
        healths = {}
        for horizon, is_red, (green, _, _) in zip(
            self.app.horizons, red.tolist(), triples, strict=True
        ):
            if not known:
                healths[horizon] = Health.UNKNOWN
            elif is_red:
                healths[horizon] = Health.RED
            else:
                orange = green < ORANGE_BELOW or unusual
                healths[horizon] = Health.ORANGE if orange else Health.GREEN
        return healths

    @property
    def rule(self) -> str:
        """What makes a failure, in words."""
        merge = f"merged at {format_duration(self.app.merge)}"
        if self.incidents:
            return f"an incident of the list, {merge}"
        if self._automatic is not None:
            return f"{self._automatic.rule}, {merge}"
        assert self.app.red is not None
        parts = []
        if self.app.red.severity is not None:
            parts.append(f"of severity {self.app.red.severity} or worse")
        parts += [f"with {pattern!r}" for pattern in self.app.red.patterns]
        return f"a line {' or '.join(parts) or 'of no kind'}, {merge}"

    @property
    def rule_reason(self) -> str:
        """Why that is a failure, in words."""
        return "as configured" if self._automatic is None else self._automatic.reason

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        parts = [part for tick in sorted(self._parts) for part in self._parts[tick]]
        return {
            "codec": self.codec.state(),
            "rule": self.rule,
            "automatic": self._automatic.state() if self._automatic else None,
            "watch": self._watch.state() if self._watch else None,
            "forecaster": self.forecaster.state(),
            "policy": self.policy.state(),
            "oddity": self.oddity.state(),
            "scoreboard": self.scoreboard.state(),
            "onsets": [detector.state() for detector in self._onsets],
            "sources": sorted(self._sources),
            "parts": [self.codec.save_part(part) for part in parts],
            "incidents": sorted(t for t in self._incident_ticks if t < (self._next or 0)),
            "next": self._next,
            "silent": self._silent,
            "longest_silence": self._longest_silence,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another pipeline's `state` gave."""
        self.codec.restore(state["codec"])
        if self._automatic and state["automatic"]:
            self._automatic.restore(state["automatic"])
        if self._watch:
            self._watch.restore(state["watch"])
        self.forecaster.restore(state["forecaster"])
        self.policy.restore(state["policy"])
        self.oddity.restore(state["oddity"])
        self.scoreboard.restore(state["scoreboard"])
        for detector, saved in zip(self._onsets, state["onsets"], strict=True):
            detector.restore(saved)
        self._sources = set(state["sources"])
        self._parts = {}
        for saved in state["parts"]:
            part = self.codec.load_part(saved)
            self._parts.setdefault(part.tick, []).append(part)
        self._next = state["next"]
        upcoming = {tick for tick in self._incident_ticks if tick >= (self._next or 0)}
        self._incident_ticks = {*state["incidents"], *upcoming}
        self._silent = int(state["silent"])
        self._longest_silence = float(state["longest_silence"])
        if state["rule"] != self.rule:  # it was configured otherwise
            self._begin_anew()


def log_settings(app: AppSettings, *, incidents: bool = False) -> LogSettings:
    """Return what the log codec must know of *app*, whose failures may be *incidents* of a list."""
    red, orange = app.red, app.orange
    if red is None and incidents:
        red = Rule(severity="critical")  # worse than orange, though no failure
    if orange is None:
        orange = Rule() if red is None else Rule(severity="error")
    return LogSettings(
        tick=app.tick,
        red=_health_rule(red or Rule()),
        orange=_health_rule(orange),
        examples=Severity.CRITICAL if red else Severity.WARNING,
        order=app.order,
        session=app.session,
        timezone=app.timezone,
        timestamp=(app.timestamp.after or "", app.timestamp.layout) if app.timestamp else None,
    )


def _health_rule(rule: Rule) -> HealthRule:
    severity = None if rule.severity is None else Severity[rule.severity.upper()]
    return HealthRule(severity, rule.patterns)


def share_out(probabilities: NDArray[np.float64]) -> list[Probabilities]:
    """Return green, orange and red for each horizon, from those of red and of orange or worse.

    >>> share_out(np.array([[0.25], [0.5]]))
    [(0.5, 0.25, 0.25)]
    """
    red, worse = probabilities.tolist()
    return [(1 - max(r, w), max(r, w) - r, r) for r, w in zip(red, worse, strict=True)]
