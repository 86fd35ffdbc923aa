"""Forecasts the next event of many streams at once, learning online: what comes as a surprise?

An event is a symbol, a stream a numbered row. Each stream has a hidden state of its own, carried
from step to step, all of them one array, so that a step of many streams costs a few products.
What is learnt is shared by all streams. A stream may end: `EDGE` comes as its last symbol, may
surprise like any other, and leaves a fresh row behind.

Learning is scheduled by steps and events, never by a clock. Each stream's symbols are collected
into stretches; stretches go, with the state that they began in, into a memory of bounded size,
where a new one takes the place of any other at random, so that the past fades but does not vanish.
After every few stretches the network learns from a batch drawn from the memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import Adam, Average, clip_by_norm
from rnnd.rnn.reading import SymbolReader
from rnnd.rnn.sequences import EDGE

Symbols = NDArray[np.int64]
Floats = NDArray[np.float32]

_PADDING = 256  # places read for nothing that are cheaper than another pass


@dataclass(frozen=True, slots=True)
class EventSettings:
    """How the event model is made and learns; it is bounded in everything."""

    symbols: int = 128  # the edge included: symbols are 0 to this, exclusive
    streams: int = 1024  # rows: streams that are open at the same time
    hidden: int = 32
    stretch: int = 16  # events that are learnt in one piece
    context: int = 8  # events that a piece from the middle of a burst is read with
    patience: int = 100  # steps after which a stretch is closed though it is short
    memory: int = 4096  # stretches kept
    batch: int = 16  # stretches learnt at once
    learn_every: int = 2  # new stretches between two batches; at most one batch a step
    sparing: int = 50  # batches after which they come half as often, then a third, and so on
    rate: float = 1e-2  # of the first batches
    average: float = 50.0  # batches over which the weights that forecast are averaged


@dataclass(frozen=True, slots=True)
class Surprise:
    """What each event of a step was to the model, in nats, in the order that they came in."""

    surprise: Floats  # (N,) −log p of the event
    expected: Floats  # (N,) the mean surprise that the forecast itself expected: its entropy
    variance: Floats  # (N,) of the surprise that the forecast itself expected
    likeliest: Symbols  # (N,) the symbol that was most expected instead

    @property
    def excess(self) -> Floats:
        """The surprise beyond what was expected: of mean zero, as long as the model is right."""
        return self.surprise - self.expected


@dataclass(frozen=True, slots=True)
class _Piece:
    """Events of one stream that are read in one go."""

    stream: int
    line: list[int]  # symbols: one before the first that is read, then those
    lead: int  # how many of them are context only
    places: list[int]  # of the events among those of the step
    carried: bool  # from the stream's state, not from an empty one


class EventModel:
    """Forecasts the next symbol of each stream and learns what follows what."""

    def __init__(self, settings: EventSettings | None = None, seed: int = 0) -> None:
        self.settings = s = settings or EventSettings()
        self._rng = np.random.default_rng(seed)
        self.network = Network(NetworkShape("gru", s.symbols, s.hidden, s.symbols))
        self.weights = self.network.initial(self._rng)
        self._mean = Average(self.weights.vector, s.average)
        self._reading = self.weights.zeros()
        self._reader = SymbolReader(self.network)
        self._take_mean()
        self._optimiser = Adam(len(self.weights.vector))
        self._gradients = self.weights.zeros()
        self._states = self.network.zero_state(s.streams)  # before `_last` is read
        self._last = np.full(s.streams, EDGE)
        self._origins = self.network.zero_state(s.streams)  # where the open stretch began
        self._open: list[list[int]] = [[EDGE] for _ in range(s.streams)]
        self._memory = np.full((s.memory, s.stretch + 1), -1, np.int16)
        self._memory_states = self.network.zero_state(s.memory)
        self._since: dict[int, int] = {}  # the step in which each open stretch began, oldest first
        self._steps = 0
        self._kept = 0
        self._credit = 0
        self.events = 0
        self.batches = 0

    def step(self, symbols: Symbols, streams: Symbols) -> Surprise:
        """Read the events of a step, in order, and learn by schedule.

        `EDGE` ends a stream: nothing of the same row may come after it in the same step.
        """
        count = len(symbols)
        surprise, expected, variance = np.zeros((3, count), np.float32)
        result = Surprise(surprise, expected, variance, np.zeros(count, np.int64))
        if count:
            pieces = sorted(self._pieces(symbols, streams), key=lambda piece: -len(piece.line))
            for some in _of_like_length(pieces):
                self._read(some, result)
            self.events += count
        self._close_idle()
        s = self.settings
        wanted = s.learn_every * (1 + self.batches // s.sparing)
        if self._credit >= wanted and self._kept >= s.batch:
            self._credit = 0
            self._learn()
        return result

    def _pieces(self, symbols: Symbols, streams: Symbols) -> Iterator["_Piece"]:
        """Cut the step's events into pieces of one stream each, at most a stretch long.

        A burst of one stream would be one event after the other, with nothing to do at the same
        time. Its later pieces are read beside the first: with some context, from an empty state.
        """
        s = self.settings
        places: dict[int, list[int]] = {}
        for place, stream in enumerate(streams.tolist()):
            places.setdefault(stream, []).append(place)
        said = symbols.tolist()
        for stream, here in places.items():
            line = [int(self._last[stream]), *[said[place] for place in here]]
            self._collect(stream, line)
            for start in range(0, len(here), s.stretch):
                stop = min(start + s.stretch, len(here))
                lead = min(start, s.context)
                part = line[start - lead : stop + 1]
                yield _Piece(stream, part, lead, here[start:stop], start == 0)
            self._last[stream] = line[-1]

    def _read(self, pieces: list["_Piece"], result: Surprise) -> None:
        """Write what the events of *pieces*, the longest first, surprise; carry the states on."""
        times = len(pieces[0].line) - 1
        x = [piece.line[:-1] + [EDGE] * (times - len(piece.line) + 1) for piece in pieces]
        streams = np.array([piece.stream for piece in pieces])
        states = self._states[streams]
        fresh = [column for column, piece in enumerate(pieces) if not piece.carried]
        if fresh:
            states[fresh] = 0
        read = self._reader.states(np.array(x).T, states)
        at: tuple[list[int], ...] = ([], [], [], [])
        for column, piece in enumerate(pieces):
            at[0].extend(range(piece.lead + 1, len(piece.line)))
            at[1].extend([column] * len(piece.places))
            at[2].extend(piece.line[piece.lead + 1 :])
            at[3].extend(piece.places)
        rows, columns, targets, places = np.array(at)
        log_p = self._reader.log_probabilities(read[rows, columns])
        result.surprise[places] = -log_p[np.arange(len(rows)), targets]
        result.likeliest[places] = log_p.argmax(axis=1)
        p_log_p = np.exp(log_p) * log_p
        mean = p_log_p.sum(axis=1)
        result.expected[places] = -mean
        result.variance[places] = np.einsum("nk,nk->n", p_log_p, log_p) - mean * mean
        ends = np.array([len(piece.line) - 1 for piece in pieces])
        after = read[ends, np.arange(len(pieces))]
        after[self._last[streams] == EDGE] = 0
        if fresh:  # of a burst the last piece has the last word
            order = np.argsort([piece.places[-1] for piece in pieces])
            streams, after = streams[order], after[order]
        self._states[streams] = after

    def _collect(self, stream: int, line: list[int]) -> None:
        """Add the new symbols of a stream to its open stretch, and close it when it is full."""
        s = self.settings
        symbols = self._open[stream]
        if len(symbols) == 1:
            self._origins[stream] = self._states[stream]
            self._since[stream] = self._steps
        symbols += line[1:]
        if len(symbols) > s.stretch or symbols[-1] == EDGE:
            self._close(stream)

    def _close_idle(self) -> None:
        """Close the oldest open stretch, if it waits for long: rare streams are learnt too."""
        self._steps += 1
        stream = next(iter(self._since), None)
        if stream is not None and self._since[stream] <= self._steps - self.settings.patience:
            self._close(stream)

    def _close(self, stream: int) -> None:
        """Put the open stretch of a *stream* into the memory."""
        s, symbols = self.settings, self._open[stream]
        del self._since[stream]
        for start in range(0, len(symbols) - 1, s.stretch):
            part = symbols[start : start + s.stretch + 1]
            slot = self._kept if self._kept < s.memory else int(self._rng.integers(s.memory))
            self._kept = min(self._kept + 1, s.memory)
            self._credit += 1
            self._memory[slot] = -1
            self._memory[slot, : len(part)] = part
            self._memory_states[slot] = 0 if start else self._origins[stream]
        self._open[stream] = [symbols[-1]]

    def _learn(self) -> None:
        """Learn from a batch of stretches of the past."""
        s = self.settings
        slots = self._rng.integers(self._kept, size=s.batch)
        rows = self._memory[slots].T.astype(np.int64)  # (stretch + 1, batch)
        x, y = np.maximum(rows[:-1], EDGE), rows[1:]
        tape = self.network.forward(self.weights, x, self._memory_states[slots])
        known = y >= 0
        logits = tape.logits[known]
        cross_entropy(logits, y[known])
        tape.logits[...] = 0
        tape.logits[known] = logits
        self.network.backward(self.weights, tape, tape.logits, self._gradients)
        clip_by_norm(self._gradients.vector, 1.0)
        rate = s.rate / np.sqrt(1 + self.batches / 500)
        self._optimiser.update(self.weights.vector, self._gradients.vector, rate)
        self._mean.update(self.weights.vector)
        self._take_mean()
        self.batches += 1

    def _take_mean(self) -> None:
        """Read with the averaged weights as they are now."""
        self._reading.vector[...] = self._mean.mean
        self._reader.take(self._reading)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        lengths = np.array([len(symbols) for symbols in self._open], np.int64)
        return {
            "weights": self.weights.vector.copy(),
            "average": self._mean.state(),
            "optimiser": self._optimiser.state(),
            "states": self._states.copy(),
            "last": self._last.copy(),
            "origins": self._origins.copy(),
            "open": np.concatenate([np.array(symbols, np.int64) for symbols in self._open]),
            "open lengths": lengths,
            "memory": self._memory.copy(),
            "memory states": self._memory_states.copy(),
            "since": [list(pair) for pair in self._since.items()],
            "counters": [self._steps, self._kept, self._credit, self.events, self.batches],
            "rng": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another model's `state` gave."""
        self.weights.vector[...] = state["weights"]
        self._mean.restore(state["average"])
        self._take_mean()
        self._optimiser.restore(state["optimiser"])
        self._states[...] = state["states"]
        self._last[...] = state["last"]
        self._origins[...] = state["origins"]
        ends = np.cumsum(state["open lengths"])
        self._open = [part.tolist() for part in np.split(np.asarray(state["open"]), ends[:-1])]
        self._memory[...] = state["memory"]
        self._memory_states[...] = state["memory states"]
        self._since = {int(stream): int(step) for stream, step in state["since"]}
        counters = map(int, state["counters"])
        self._steps, self._kept, self._credit, self.events, self.batches = counters
        self._rng.bit_generator.state = state["rng"]


def _of_like_length(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Group *pieces*, the longest first, so that a group is padded by no more than `_PADDING`."""
    begin = 0
    for end in range(1, len(pieces) + 1):
        if end == len(pieces):
            yield pieces[begin:]
        elif (len(pieces[begin].line) - len(pieces[end].line)) * (len(pieces) - end) > _PADDING:
            yield pieces[begin:end]
            begin = end
