"""One step of training a network on windows of symbols: the loss, its gradient, the new weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, Tape
from rnnd.rnn.optimisers import Optimiser, clip_by_norm
from rnnd.rnn.parameters import Array, Indices, Parameters


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps the training of recurrent networks in bounds: 0 switches either off."""

    clip: float = 5.0
    """The norm that gradients are scaled down to."""
    dropout: float = 0.0
    """The share of each layer's outputs that is left out of a window."""


class Trainer:
    """Trains *weights* on one batch of streams, window after window.

    The memory of the streams, `state`, is carried from each window to the next.
    """

    def __init__(
        self,
        network: Network,
        weights: Parameters,
        optimiser: Optimiser,
        guards: Guards,
        rng: np.random.Generator,
    ) -> None:
        self.network = network
        self.weights = weights
        self.gradients = weights.zeros()
        self.optimiser = optimiser
        self.guards = guards
        self.rng = rng
        self.memory: Array = np.empty((0, network.state_size), weights.vector.dtype)
        self._tape: Tape | None = None

    def step(self, x: Indices, targets: Indices, rate: float) -> float:
        """Learn to answer *targets*, (T, B), to *x*, (T, B), and return the loss before, in nats.

        When the loss is not finite the weights stay as they are.
        """
        loss = self.differentiate(x, targets)
        if np.isfinite(loss) and np.isfinite(self.norm):
            self.optimiser.update(self.weights.vector, self.gradients.vector, rate)
        return loss

    def differentiate(self, x: Indices, targets: Indices) -> float:
        """Write the clipped gradient of the loss on a window into `gradients`; return the loss."""
        p, tape = self.weights, self._windows(*x.shape)
        if self.guards.dropout:
            self.network.forward_dropout(p, x, self.memory, tape, self.guards.dropout, self.rng)
        else:
            self.network.forward(p, x, self.memory, tape)
        loss = cross_entropy(tape.logits.reshape(targets.size, -1), targets.ravel())
        self.network.backward(p, tape, tape.logits, self.gradients)
        self.norm = clip_by_norm(self.gradients.vector, self.guards.clip or np.inf)
        self.memory = tape.state
        return loss

    def _windows(self, times: int, batch: int) -> Tape:
        """Return the work space for windows of this size, which is made once."""
        if len(self.memory) != batch:
            self.memory = self.network.zero_state(batch, dtype=self.weights.vector.dtype)
        if self._tape is None or self._tape.logits.shape[:2] != (times, batch):
            self._tape = self.network.tape(times, batch, self.weights.vector.dtype)
        return self._tape

    def state(self) -> dict[str, Any]:
        """Return all that a training resumed elsewhere needs."""
        return {
            "weights": dict(self.weights),
            "optimiser": self.optimiser.state(),
            "memory": self.memory,
            "rng": self.rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, and go on bit for bit."""
        for name, values in state["weights"].items():
            self.weights[name] = values
        self.optimiser.restore(state["optimiser"])
        self.memory = np.array(state["memory"], self.weights.vector.dtype)
        self.rng.bit_generator.state = state["rng"]
