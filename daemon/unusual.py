"""How unusual the order of an app's events is: what the event model says, tick by tick.

Every line is an event of a stream (see codecs/sessions.py), and every event has a surprise under
the forecast made just before it. Noisy streams are always surprising, and quiet ones never: what
counts is the *excess*, the surprise beyond what the forecast itself expected. It is told for all
events together and for groups of streams, now and smoothed over a while, because one swapped pair
of lines is chance, and a minute of them is news.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.sessions import Events, Streams
from rnnd.codecs.tick import MAX_EXAMPLE, Tick, TickPart
from rnnd.rnn.events import EventModel, EventSettings, Surprise

SPANS = (60.0, 300.0)  # s over which the excess is smoothed
GROUPS = 16  # of components
LIMIT = 6.0  # nats of excess that one event can have in a mean
SHRINK = 4.0  # events without any excess added to every mean
UNUSUAL = 0.995  # quantile of the surprise from which on an event counts as unusual
MAX_UNUSUAL = 3  # events of a tick that are told
BINS, BINS_A_NAT = 160, 8
MEMORY = 1_000_000  # events over which the quantiles reach
TICK_MEMORY = 100_000  # ticks
ENOUGH = 1000  # events without which there is no quantile
ENOUGH_TICKS = 360


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
    rank: float  # of its most surprising event, among those of all ticks so far: 0 to 1
    unusual: tuple[UnusualEvent, ...]  # the worst first


class EventWatch:
    """Reads the events of one app's ticks, in order, and learns what is usual."""

    def __init__(self, tick: float, seed: int = 0, settings: EventSettings | None = None) -> None:
        settings = settings or EventSettings()
        self._streams = Streams(settings.symbols, settings.streams)
        self._model = EventModel(settings, seed)
        self._keep = np.exp(-tick / np.array(SPANS))[:, None]  # (spans, 1)
        self._sums = np.zeros((len(SPANS), GROUPS + 1))  # of excess; the last for all streams
        self._counts = np.zeros((len(SPANS), GROUPS + 1))
        self._often = np.zeros(len(SPANS))  # unusual events
        self._histogram = np.zeros(BINS)  # of the surprises
        self._worst = np.zeros(BINS)  # of the greatest surprise of each tick

    @property
    def names(self) -> tuple[str, ...]:
        """What each feature is."""
        groups = [*(f"components {group}" for group in range(GROUPS)), "all components"]
        spans = [f"{span:g} s" for span in SPANS]
        return (
            *(f"surprise, {group}, {span}" for span in spans for group in groups),
            *(f"unusual events, {span}" for span in spans),
            "surprise now",
            "greatest surprise now",
            "unusual events now",
        )

    def step(self, tick: Tick, parts: Sequence[TickPart], joined: NDArray[np.int64]) -> EventTick:
        """Read the lines of *tick*, made of *parts*; *joined* stands for each template."""
        events = self._streams.events(tick.number, parts, joined)
        result = self._model.step(events.symbols, events.streams)
        level = self._level()
        self._smooth(result, events.components, level)
        greatest = float(result.surprise.max(initial=0.0))
        now = result.excess.clip(-LIMIT, LIMIT).sum() / (len(events) + SHRINK)
        means = self._sums / (self._counts + SHRINK)
        vector = np.concatenate(
            (means.ravel(), np.log1p(self._often), (now, greatest, self._unusual(result, level)))
        )
        return EventTick(
            vector.astype(np.float32),
            self._rank(result.surprise),
            tuple(
                self._tell(tick, parts, joined, events, result, i)
                for i in np.argsort(-result.surprise, kind="stable")[:MAX_UNUSUAL].tolist()
                if result.surprise[i] > level
            ),
        )

    def _smooth(self, result: Surprise, components: NDArray[np.int64], level: float) -> None:
        excess = result.excess.clip(-LIMIT, LIMIT)
        groups = components % GROUPS
        sums = np.bincount(groups, excess, GROUPS + 1)
        counts = np.bincount(groups, minlength=GROUPS + 1).astype(np.float64)
        sums[-1], counts[-1] = sums.sum(), counts.sum()
        self._sums = self._sums * self._keep + sums
        self._counts = self._counts * self._keep + counts
        self._often = self._often * self._keep[:, 0] + (result.surprise > level).sum()

    def _unusual(self, result: Surprise, level: float) -> float:
        return float(np.log1p((result.surprise > level).sum()))

    def _level(self) -> float:
        """Return the surprise from which on an event is unusual."""
        total = self._histogram.cumsum()
        if total[-1] < ENOUGH:
            return np.inf
        return float(np.searchsorted(total, UNUSUAL * total[-1]) + 1) / BINS_A_NAT

    def _rank(self, surprise: NDArray[np.float32]) -> float:
        """Return the share of past ticks whose greatest surprise was less, and note this one's."""
        if not len(surprise):
            return 0.0
        bins = np.minimum(surprise * BINS_A_NAT, BINS - 1).astype(np.int64)
        greatest = int(bins.max())
        total = self._worst.sum()
        below = self._worst[:greatest].sum() / total if total >= ENOUGH_TICKS else 0.0
        self._histogram *= 1 - min(1.0, len(surprise) / MEMORY)
        self._histogram += np.bincount(bins, minlength=BINS)
        self._worst *= 1 - 1 / TICK_MEMORY
        self._worst[greatest] += 1
        return float(below)

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
            "sums": self._sums.copy(),
            "counts": self._counts.copy(),
            "often": self._often.copy(),
            "histogram": self._histogram.copy(),
            "worst": self._worst.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another watch's `state` gave."""
        self._streams.restore(state["streams"])
        self._model.restore(state["model"])
        self._sums = np.array(state["sums"])
        self._counts = np.array(state["counts"])
        self._often = np.array(state["often"])
        self._histogram = np.array(state["histogram"])
        self._worst = np.array(state["worst"])


def newest_line(parts: Sequence[TickPart], joined: NDArray[np.int64], template: int) -> str:
    """Return the newest line of a *template* in the *parts* of a tick; empty if none was kept."""
    for part in reversed(parts):
        for kind, line in reversed(part.newest.items()):
            if joined[part.table.templates[kind]] == template:
                return line[:MAX_EXAMPLE].decode("utf-8", "replace").strip()
    return ""
