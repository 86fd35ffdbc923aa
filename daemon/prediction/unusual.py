"""How unusual the order of an app's events is: what the event model says, tick by tick.

Every line is an event of a stream (see codecs/sessions.py), and every event has a surprise under
the forecast made just before it. Noisy streams are always surprising, and quiet ones never: what
counts is the *excess*, the surprise beyond what the forecast itself expected, added up as disorder
(see disorder.py). The component that is worst tells, and all of them together; which one it is does
not matter.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.sessions import Events, Streams
from rnnd.codecs.tick import MAX_EXAMPLE, Tick, TickPart
from rnnd.daemon.prediction.broken import LIMIT
from rnnd.daemon.prediction.disorder import MOST, SHRINK, SPANS, Disorder
from rnnd.rnn.events import EventModel, EventSettings, Surprise

UNUSUAL = 0.995  # quantile of the surprise from which on an event counts as unusual
SIGN = "how long the order has been broken"
MAX_UNUSUAL = 3  # events of a tick that are told
DISORDERED = 3.0  # deviations of disorder from which on one is told though none is unusual
BINS, BINS_A_NAT = 160, 8
MEMORY = 1_000_000  # events over which the quantiles reach
TICK_MEMORY = 100_000  # ticks
ENOUGH = 1000  # events without which there is no quantile
ENOUGH_TICKS = 360
LOT = 16  # ticks after which the quantiles are brought up to date


Novelty = Literal["new", "back", "known"]


@dataclass(frozen=True, slots=True)
class UnusualEvent:
    """An event that the model did not expect."""

    template: int  # -1 for the end of a session
    source: str
    component: str
    surprise: float  # nats
    line: str = ""  # of this kind, the newest of the tick; without its timestamp
    expected: int | None = None  # the template that was most expected instead; -1 for an end
    novelty: Novelty = "known"


@dataclass(frozen=True, slots=True)
class EventTick:
    """What the events of a tick were to the model."""

    vector: NDArray[np.float32]
    ranks: tuple[float, float]  # of its most surprising event, and of its worst component's order
    unusual: tuple[UnusualEvent, ...]  # the worst first
    strangest: tuple[float, int]  # the greatest excess of an event, in nats, and its template


class EventWatch:
    """Reads the events of one app's ticks, in order, and learns what is usual."""

    names = (
        *(f"disorder of the worst component, {span:g} s" for span in SPANS),
        *(f"disorder of all components, {span:g} s" for span in SPANS),
        *(f"unusual events, {span:g} s" for span in SPANS),
        "mean surprise now",
        "greatest surprise now",
        "unusual events now",
        SIGN,
    )
    """What each feature is."""

    def __init__(self, tick: float, seed: int = 0, settings: EventSettings | None = None) -> None:
        settings = settings or EventSettings()
        self._streams = Streams(settings.symbols, settings.streams)
        self._model = EventModel(settings, seed)
        self._keep = np.exp(-tick / np.array(SPANS))
        self._disorder = Disorder(self._streams.components, tick)
        self._often = np.zeros(len(SPANS))  # unusual events
        self._histogram = np.zeros(BINS)  # of the surprises
        self._fresh = np.zeros(BINS)  # those of this lot
        self._level = np.inf  # the surprise from which on an event is unusual
        self._greatest = TickRanks(BINS / BINS_A_NAT)
        self._order = TickRanks(MOST)
        self._ticks = 0

    def step(self, tick: Tick, parts: Sequence[TickPart], joined: NDArray[np.int64]) -> EventTick:
        """Read the lines of *tick*, made of *parts*; *joined* stands for each template."""
        events = self._streams.events(tick.number, parts, joined)
        result = self._model.step(events.symbols, events.streams)
        excess = result.excess.clip(-LIMIT, LIMIT)
        disorder = self._disorder.step(excess, result.variance, events)
        often = int((result.surprise > self._level).sum())
        self._often = self._often * self._keep + often
        greatest = float(result.surprise.max(initial=0.0))
        now = float(excess.sum()) / (len(events) + SHRINK)
        vector = np.empty(len(self.names), np.float32)
        vector[:4] = disorder.ravel()
        vector[4:6] = np.log1p(self._often)
        vector[6:] = now, greatest, math.log1p(often), self._disorder.broken
        strange = int(excess.argmax()) if len(excess) else -1
        told = np.argsort(-result.surprise, kind="stable")[: min(often, MAX_UNUSUAL)].tolist()
        if not often and len(excess) and disorder[0].max() >= DISORDERED:
            told = [strange]
        unusual = tuple(self._tell(tick, parts, joined, events, result, i) for i in told)
        ranks = self._rank(result.surprise, greatest, float(disorder[0, -1]))
        strangest = (0.0, -1)
        if len(excess):
            strangest = float(excess[strange]), int(events.templates[strange])
        return EventTick(vector, ranks, unusual, strangest)

    def _rank(
        self, surprise: NDArray[np.float32], greatest: float, disorder: float
    ) -> tuple[float, float]:
        """Return how the greatest surprise and the disorder of a tick rank; note all of them."""
        self._ticks += 1
        if self._ticks % LOT == 0:
            count = self._fresh.sum()
            self._histogram *= 1 - min(1.0, count / MEMORY)
            self._histogram += self._fresh
            self._fresh[:] = 0
            total = self._histogram.cumsum()
            if total[-1] >= ENOUGH:
                place = np.searchsorted(total, UNUSUAL * total[-1])
                self._level = float(place + 1) / BINS_A_NAT
        if not len(surprise):
            return 0.0, 0.0
        bins = np.minimum(surprise * BINS_A_NAT, BINS - 1).astype(np.int64)
        self._fresh += np.bincount(bins, minlength=BINS)
        return self._greatest.rank(greatest), self._order.rank(disorder)

    def _tell(
        self,
        tick: Tick,
        parts: Sequence[TickPart],
        joined: NDArray[np.int64],
        events: Events,
        result: Surprise,
        place: int,
    ) -> UnusualEvent:
        """Return what is to be said of the event at *place* among those of a tick."""
        template = int(events.templates[place])
        novelty: Novelty = "known"
        if template > tick.templates - tick.new_templates:
            novelty = "new"
        elif template in tick.absences:
            novelty = "back"
        return UnusualEvent(
            template,
            *self._streams.name(int(events.components[place])),
            float(result.surprise[place]),
            newest_line(parts, joined, template) if template >= 0 else "",
            self._streams.template(int(result.likeliest[place])),
            novelty,
        )

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "streams": self._streams.state(),
            "model": self._model.state(),
            "disorder": self._disorder.state(),
            "often": self._often.copy(),
            "histogram": self._histogram.copy(),
            "fresh": self._fresh.copy(),
            "level": self._level if np.isfinite(self._level) else None,
            "greatest": self._greatest.state(),
            "order": self._order.state(),
            "ticks": self._ticks,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another watch's `state` gave."""
        self._streams.restore(state["streams"])
        self._model.restore(state["model"])
        self._disorder.restore(state["disorder"])
        self._often = np.array(state["often"])
        self._histogram = np.array(state["histogram"])
        self._fresh = np.array(state["fresh"])
        self._level = np.inf if state["level"] is None else float(state["level"])
        self._greatest.restore(state["greatest"])
        self._order.restore(state["order"])
        self._ticks = int(state["ticks"])


class TickRanks:
    """Ranks numbers, one a tick, among those of the past; from *most* on they are all the same."""

    def __init__(self, most: float) -> None:
        self._bins = BINS / most
        self._counts = np.zeros(BINS)
        self._now = 0

    def rank(self, value: float) -> float:
        """Return the share of past numbers that were less than *value*, and note it."""
        place = min(max(int(value * self._bins), 0), BINS - 1)
        below = float(np.add.reduce(self._counts[:place]))
        total = below + float(np.add.reduce(self._counts[place:]))
        self._now += 1
        if self._now % LOT == 0:
            self._counts *= 1 - LOT / TICK_MEMORY
        self._counts[place] += 1
        return below / total if total >= ENOUGH_TICKS else 0.0

    def state(self) -> list[Any]:
        """Return what must be saved to go on identically."""
        return [self._counts.copy(), self._now]

    def restore(self, state: Sequence[Any]) -> None:
        """Take over what another one's `state` gave."""
        self._counts, self._now = np.array(state[0], np.float64), int(state[1])


def novelties(
    tick: Tick, parts: Sequence[TickPart], joined: NDArray[np.int64]
) -> tuple[UnusualEvent, ...]:
    """Return what is new in a *tick*, or back after long: for want of a model of events."""
    if not (tick.new_templates or tick.absences):
        return ()
    known = tick.templates - tick.new_templates
    events = [
        UnusualEvent(one, "", "", 0.0, newest_line(parts, joined, one), None, "new")
        for one in tick.counts
        if one > known
    ]
    events += [
        UnusualEvent(one, "", "", 0.0, newest_line(parts, joined, one), None, "back")
        for one in tick.absences
    ]
    return tuple(events[:MAX_UNUSUAL])


def newest_line(parts: Sequence[TickPart], joined: NDArray[np.int64], template: int) -> str:
    """Return the newest line of a *template* in the *parts* of a tick; empty if none was kept."""
    for part in reversed(parts):
        for kind, line in reversed(part.newest.items()):
            if joined[part.table.templates[kind]] == template:
                return line[:MAX_EXAMPLE].decode("utf-8", "replace").strip()
    return ""
