"""Training on windows of symbols: what to read next, the loss, its gradient, the new weights."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rnnd.rnn.dropconnect import DropConnect
from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, Tape
from rnnd.rnn.optimisers import Optimiser, clip_by_norm
from rnnd.rnn.parameters import Array, Indices, Parameters


@dataclass(frozen=True, slots=True)
class Windows:
    """Cuts a sequence into *batch* streams read side by side, *length* symbols a window.

    Each pass over the sequence (an epoch) starts at another place, drawn from *seed*, so that the
    windows' edges do not always fall on the same symbols. Which window comes at a step depends on
    nothing else: training can go on anywhere.
    """

    symbols: Indices
    batch: int
    length: int
    seed: int = 0

    @classmethod
    def fitting(cls, symbols: Indices, batch: int, length: int, seed: int = 0) -> "Windows":
        """Return windows of at most this size, and fewer streams where there are few *symbols*.

        A pass over a short sequence then still has some fifty steps to learn in.
        """
        length = max(1, min(length, (len(symbols) - 1) // 2))
        batch = max(1, min(batch, (len(symbols) - 1) // (50 * length)))
        return cls(symbols, batch, length, seed)

    @property
    def epoch(self) -> int:
        """The steps of one pass over the sequence."""
        return max(1, (len(self.symbols) - self.length) // (self.batch * self.length))

    def begins(self, step: int) -> bool:
        """Tell whether the streams begin anew at this *step*, with an empty memory."""
        return step % self.epoch == 0

    def at(self, step: int) -> tuple[Indices, Indices]:
        """Return the window of *step*, (T, B), and the symbols that follow each of its symbols."""
        epoch, index = divmod(step, self.epoch)
        room = len(self.symbols) - 1 - self.epoch * self.batch * self.length
        start = _place(self.seed, epoch, min(room, self.length))
        stride = self.epoch * self.length
        firsts = start + index * self.length + stride * np.arange(self.batch)
        places = firsts + np.arange(self.length)[:, None]
        return self.symbols[places], self.symbols[places + 1]


@lru_cache(maxsize=16)
def _place(seed: int, epoch: int, last: int) -> int:
    """Return where an epoch begins, from 0 to *last*; always the same for the same arguments."""
    return int(np.random.default_rng((seed, epoch)).integers(0, last + 1))


class Trainer:
    """Finds how *weights* should change to predict each window's next symbols better.

    *gradients* and *memory*, the states of the streams, (B, S), are given, so that they may lie in
    memory shared with others; the memory is carried from each window to the next.
    """

    def __init__(
        self, network: Network, weights: Parameters, gradients: Parameters, memory: Array
    ) -> None:
        self.network = network
        self.weights = weights
        self.gradients = gradients
        self.memory = memory
        self._tape: Tape | None = None
        self._dropconnect: DropConnect | None = None

    @classmethod
    def alone(cls, network: Network, weights: Parameters, batch: int) -> "Trainer":
        """Return a trainer with arrays of its own."""
        memory = network.zero_state(batch, dtype=weights.vector.dtype)
        return cls(network, weights, weights.zeros(), memory)

    def differentiate(
        self,
        x: Indices,
        targets: Indices,
        dropout: float = 0,
        rng: np.random.Generator | None = None,
        dropconnect: float = 0,
    ) -> float:
        """Write into `gradients` those of the loss on a window, and return the loss, in nats.

        *x* are symbols, *targets* those that follow them, both (T, B). Of each layer's outputs the
        share *dropout* is left out, of the recurrent weights the share *dropconnect*.
        """
        p, tape, thinning = self.weights, self._tape, None
        if dropconnect and rng is not None:
            if self._dropconnect is None:
                self._dropconnect = DropConnect(self.network, self.weights)
            thinning = self._dropconnect
            p = thinning.draw(dropconnect, rng)
        if tape is None or tape.logits.shape[:2] != x.shape:
            tape = self._tape = self.network.tape(x.shape[0], x.shape[1], p.vector.dtype)
        if dropout and rng is not None:
            self.network.forward_dropout(p, x, self.memory, tape, dropout, rng)
        else:
            self.network.forward(p, x, self.memory, tape)
        loss = cross_entropy(tape.logits.reshape(targets.size, -1), targets.ravel())
        self.network.backward(p, tape, tape.logits, self.gradients)
        if thinning is not None:
            thinning.thin(self.gradients)
        self.memory[...] = tape.state
        return loss

    def step(
        self, x: Indices, targets: Indices, optimiser: Optimiser, rate: float, clip: float = 5.0
    ) -> float:
        """Learn from a window, without dropout, and return the loss before, in nats."""
        loss = self.differentiate(x, targets)
        clip_by_norm(self.gradients.vector, clip)
        optimiser.update(self.weights.vector, self.gradients.vector, rate)
        return loss


def mean_loss(network: Network, p: Parameters, symbols: Indices, streams: int) -> float:
    """Return the mean surprise, in nats, at each of *symbols* but the first.

    They are cut into so many *streams*, each read from an empty memory on.
    """
    streams = max(1, min(streams, len(symbols) // 256))
    length = (len(symbols) - 1) // streams
    places = length * np.arange(streams) + np.arange(length)[:, None]
    x, targets = symbols[places], symbols[places + 1]
    state = network.zero_state(streams, dtype=p.vector.dtype)
    total, tape = 0.0, None
    for start in range(0, length, 128):
        window = slice(start, start + 128)
        if tape is not None and len(x[window]) != len(tape.logits):
            tape = None
        tape = network.forward(p, x[window], state, tape)
        state = tape.state
        wanted = targets[window].ravel()
        total += cross_entropy(tape.logits.reshape(wanted.size, -1), wanted) * wanted.size
    return total / (length * streams)
