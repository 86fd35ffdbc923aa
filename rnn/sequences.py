"""Forecasts the next symbol of a sequence, and its end: what was not expected is news.

A sequence is a task from its beginning to its end, told by symbols: the blocks of a file system,
the requests of a server. The network reads each symbol together with the bag of those before it
(which came, and how often), and answers with the probabilities of the next, of which one is the
end. So a sequence can surprise by what comes, and by ending too early.

Where several machines write about one task, their lines interleave by chance, and what comes a
little late is no news; but what never comes is. Three things teach the network so:

- in training a share of the symbols arrives late or early: they are moved to a random place;
- in a share of the sequences all symbols of one kind come last of all: so the network learns that a
  task is not done before each kind has come, whatever else has, and that the end is not yet due;
- in reading a symbol counts with its best forecast among those made shortly before and after it
  (the *tolerance*): one that was due all the time was merely late. Once the same symbol has come
  it is due no more, and the end has no such excuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import Adam, clip_by_norm, warmup_cosine
from rnnd.rnn.parameters import Array

EDGE = 0
"""The symbol before the first and after the last."""

_MANY = 4  # the bag counts this far
_READ = 256  # sequences read at once

Symbols = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """How a model of sequences is made, trained and read."""

    symbols: int  # the edge included: symbols are 0 to this, exclusive
    hidden: int = 48
    batch: int = 64
    rate: float = 5e-3
    late: float = 0.15  # share of the symbols that training moves to a random place
    last: float = 0.4  # share of the sequences in which it moves all of one symbol to the end
    tolerance: int = 3  # symbols before and after, among whose forecasts the best one counts
    longest: int = 256  # symbols of a sequence; the rest is not read


class SequenceModel:
    """A recurrent network over whole sequences of symbols."""

    def __init__(self, settings: SequenceSettings, seed: int = 0) -> None:
        self.settings = settings
        self._rng = np.random.default_rng(seed)
        symbols = settings.symbols
        self.network = Network(NetworkShape("gru", 3 * symbols, settings.hidden, symbols))
        self.weights = self.network.initial(self._rng)

    def fit(self, sequences: Sequence[Sequence[int]], epochs: int) -> float:
        """Train on all *sequences* so many times; return the last epoch's mean surprise a symbol.

        The learning rate falls to nearly nothing, so that the training is whole, not a beginning.
        """
        s = self.settings
        optimiser = Adam(len(self.weights.vector))
        gradients = self.weights.zeros()
        lengths = np.array([len(sequence) for sequence in sequences])
        steps = epochs * ceil(len(sequences) / s.batch)
        step, loss, count = 0, 0.0, 1
        for _ in range(epochs):
            loss, count = 0.0, 0
            # Sequences of about the same length share a batch, to pad little.
            order = np.argsort(lengths + 4 * self._rng.random(len(lengths)))
            batches = [order[i : i + s.batch] for i in range(0, len(order), s.batch)]
            for index in self._rng.permutation(len(batches)):
                x, y = pad([sequences[i] for i in batches[index].tolist()], s.longest)
                x, y = arrive_late(x, y, s.late, s.last, self._rng)
                tape = self.network.forward(
                    self.weights, self._inputs(x), self.network.zero_state(x.shape[1])
                )
                known = y >= 0
                rows = tape.logits[known]
                loss += cross_entropy(rows, y[known]) * len(rows)
                count += len(rows)
                tape.logits[...] = 0
                tape.logits[known] = rows
                self.network.backward(self.weights, tape, tape.logits, gradients)
                clip_by_norm(gradients.vector, 1.0)
                rate = s.rate * warmup_cosine((step + 1) / steps, 0.05, 0.02)
                optimiser.update(self.weights.vector, gradients.vector, rate)
                step += 1
        return loss / count

    def read(self, sequences: Sequence[Sequence[int]]) -> list[Array]:
        """Return the surprise, in nats, of every symbol of each sequence and, last, of its end."""
        distinct = sorted({tuple(sequence) for sequence in sequences}, key=len)
        known: dict[tuple[int, ...], Array] = {}
        for start in range(0, len(distinct), _READ):
            some = distinct[start : start + _READ]
            x, y = pad(some, self.settings.longest)
            surprises = self._surprises(x)
            for column, sequence in enumerate(some):
                symbols = y[y[:, column] >= 0, column]
                known[sequence] = tolerate(
                    surprises[: len(symbols), column], symbols, self.settings.tolerance
                )
        return [known[tuple(sequence)] for sequence in sequences]

    def _surprises(self, x: Symbols) -> Array:
        """Return what each symbol would surprise after each time of *x* (T, B): (T, B, K)."""
        state = self.network.zero_state(x.shape[1])
        logits = self.network.forward(self.weights, self._inputs(x), state).logits
        logits -= logits.max(axis=-1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return np.negative(logits, out=logits)

    def _inputs(self, x: Symbols) -> NDArray[np.float32]:
        """Return the symbols *x*, (T, B), and the bags of those so far, as (T, B, 3 K)."""
        one_hot = np.zeros((*x.shape, self.settings.symbols), np.float32)
        np.put_along_axis(one_hot, x[..., None], 1, axis=2)
        counts = np.minimum(one_hot.cumsum(axis=0), _MANY)
        bags = (one_hot, np.minimum(counts, 1), counts / _MANY)
        return np.concatenate(bags, axis=2, dtype=np.float32, casting="same_kind")


def pad(sequences: Sequence[Sequence[int]], longest: int) -> tuple[Symbols, Symbols]:
    """Return what is read and what comes next, both (T, B); -1 where nothing is to be forecast.

    Of sequences cut at *longest* the end is not forecast.

    >>> x, y = pad([[7, 8], [9]], 10)
    >>> x.T.tolist(), y.T.tolist()
    ([[0, 7, 8], [0, 9, 0]], [[7, 8, 0], [9, 0, -1]])
    """
    times = 1 + min(longest, max(map(len, sequences)))
    x = np.full((times, len(sequences)), EDGE)
    y = np.full((times, len(sequences)), -1)
    for column, sequence in enumerate(sequences):
        length = min(len(sequence), longest)
        x[1 : length + 1, column] = y[:length, column] = sequence[:length]
        if length == len(sequence):
            y[length, column] = EDGE
    return x, y


def arrive_late(
    x: Symbols, y: Symbols, share: float, last: float, rng: np.random.Generator
) -> tuple[Symbols, Symbols]:
    """Return the padded sequences with a *share* of their symbols moved to random places.

    In a share *last* of the sequences all symbols of one kind come last.
    """
    inner = y > EDGE
    lengths = inner.sum(axis=0)
    place = np.arange(len(y), dtype=np.float64)[:, None] + np.zeros(y.shape)
    moved = inner & (rng.random(y.shape) < share)
    # Half a place off, a symbol that moves goes between two others.
    anywhere = np.floor(rng.random(y.shape) * lengths) + rng.choice((-0.5, 0.5), y.shape)
    place = np.where(moved, anywhere, place)
    came = np.zeros((int(y.max()) + 1, len(lengths)))
    np.put_along_axis(came, np.maximum(y, EDGE), 1, axis=0)
    came[EDGE] = 0
    kind = (came * rng.random(came.shape)).argmax(axis=0)  # one of those that came
    waits = inner & (y == kind) & (rng.random(len(lengths)) < last)
    order = np.argsort(np.where(waits, lengths - 0.25, place), axis=0, kind="stable")
    y = np.take_along_axis(y, order, axis=0)
    x = x.copy()
    x[1:] = np.where(y[:-1] > EDGE, y[:-1], EDGE)
    return x, y


def tolerate(surprises: Array, symbols: Symbols, tolerance: int) -> Array:
    """Return the surprise of each of the *symbols*, (T,), given those of all symbols, (T, K).

    A symbol is forgiven if it was, or would have been, expected up to *tolerance* times away; but
    not for a forecast that the same symbol has met since.

    >>> forecasts = np.array([[9, 1, 2], [9, 3, 4], [0, 9, 9]], np.float32)
    >>> tolerate(forecasts, np.array([2, 1, 0]), 0).tolist()
    [2.0, 3.0, 0.0]
    >>> tolerate(forecasts, np.array([2, 1, 0]), 1).tolist()
    [2.0, 1.0, 0.0]
    >>> tolerate(forecasts, np.array([1, 1, 0]), 1).tolist()
    [1.0, 3.0, 0.0]
    """
    times = np.arange(len(symbols))
    of_each = surprises[:, symbols]  # (T, T): of the symbol of a column, by the forecast of a row
    near = np.abs(times[:, None] - times) <= tolerance
    # The time after each symbol's last coming: no earlier forecast is still open.
    since = np.zeros(len(symbols), np.int64)
    newest: dict[int, int] = {}
    for time, symbol in enumerate(symbols.tolist()):
        since[time] = newest.get(symbol, -1) + 1
        newest[symbol] = time
    near &= times[:, None] >= since
    best: Array = np.where(near, of_each, of_each.dtype.type(np.inf)).min(axis=0)
    ends = symbols == EDGE
    best[ends] = surprises[times[ends], EDGE]
    return best
