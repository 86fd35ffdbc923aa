"""Training a character model step by step: here, and in further processes.

Whatever is drawn at a step (the place of the windows, what dropout leaves out) is drawn from the
seed and the step's number alone. So a training that goes on from what was saved goes on bit for bit
as if it had never stopped.
"""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import numpy as np

from rnnd.daemon.character.team import Common, Part, Worker
from rnnd.daemon.character.training_settings import TrainingSettings
from rnnd.errors import RnndError
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import warmup_cosine
from rnnd.rnn.parameters import Indices, Parameters
from rnnd.rnn.training import Windows

EPOCHS, FEWEST = 15, 1500  # passes over the text, and steps, when nothing else is asked for
HELD_OUT = 1 << 20  # characters to validate on, at most: more tell nothing more
SMOOTH = 0.99  # how much of the smoothed loss stays at each step


class DivergedError(RnndError):
    """Training has led to numbers that are none."""


class Training(AbstractContextManager["Training"]):
    """Trains a network on a *text* of so many different *symbols*.

    Entering the context starts the further processes, leaving it ends them.
    """

    def __init__(self, settings: TrainingSettings, symbols: int, text: Indices) -> None:
        self.settings = settings
        self.shape = NetworkShape(settings.cell, symbols, settings.hidden, symbols, settings.layers)
        held_out = min(int(len(text) * settings.validation), HELD_OUT)
        held_out = held_out if held_out > 1 else 0
        self.text, self.validation = np.split(text, [len(text) - held_out])
        self.windows = Windows.fitting(self.text, settings.batch, settings.length, settings.seed)
        parts = max(1, min(settings.processes, self.windows.batch))
        self._common = Common.allocate(
            settings, Network(self.shape), self.windows, self.validation, parts
        )
        self._parts = [Part(self._common, rank) for rank in range(parts)]
        self._workers: list[Worker] = []
        fresh = self._common.network.initial(
            np.random.default_rng(settings.seed), settings.precision
        )
        self.weights.vector[...] = fresh.vector
        self.taken = 0
        """The steps taken so far."""
        self.loss = math.log(symbols)
        """The loss before each step, smoothed, in nats a symbol."""

    @property
    def weights(self) -> Parameters:
        """The weights as they are now; the next step changes them."""
        return self._common.weights

    @property
    def steps(self) -> int:
        """The number of steps that make up the settings' epochs."""
        if self.settings.epochs:
            return max(1, round(self.settings.epochs * self.windows.epoch))
        return max(EPOCHS * self.windows.epoch, FEWEST)

    @property
    def characters(self) -> int:
        """The number of characters learnt from at each step."""
        return self.windows.batch * self.windows.length

    def step(self, share: float) -> float:
        """Take a step, when this *share* of the training is done, and return the loss before it.

        Raises `DivergedError` when loss or gradient are not finite; the weights stay as they were.
        """
        settings = self.settings
        if self.windows.begins(self.taken):
            self._common.memory[...] = 0
        rate = settings.rate * warmup_cosine(share, settings.warmup, settings.floor)
        loss = math.fsum(self._round("differentiate", self.taken))
        norm = math.sqrt(math.fsum(self._round("combine")))
        if not (math.isfinite(norm) and math.isfinite(loss)):
            raise DivergedError(
                f"training: the loss is {loss:g} and the gradient's norm {norm:g} at step "
                f"{self.taken}, not a number; a rate below {settings.rate:g} may help"
            )
        clipped = settings.clip and norm > settings.clip
        self._round("update", self.taken, rate, settings.clip / norm if clipped else 1.0)
        self.taken += 1
        self.loss = SMOOTH * self.loss + (1 - SMOOTH) * loss
        return loss

    def validate(self) -> float:
        """Return the loss on the text that was held out; NaN where there is none."""
        return math.fsum(self._round("validate")) if len(self.validation) else math.nan

    def _round(self, name: str, *arguments: Any) -> list[float]:
        """Let every part of the team do the same, and return what each answers."""
        self._start()
        for worker in self._workers:
            worker.ask(name, arguments)
        ours = getattr(self._parts[0], name)(*arguments)
        return [ours, *(worker.answer() for worker in self._workers)]

    def _start(self) -> None:
        """Start the further processes, once."""
        if len(self._workers) < len(self._parts) - 1:
            self._workers = [Worker(part) for part in self._parts[1:]]

    def __enter__(self) -> "Training":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.leave()
        for worker in self._workers:
            worker.join()
        self._workers = []

    def state(self) -> dict[str, Any]:
        """Return all that a training resumed elsewhere needs, but for the text."""
        return {
            "settings": asdict(self.settings),
            "taken": self.taken,
            "loss": self.loss,
            "weights": self.weights.vector,
            "moments": self._common.moments,
            "memory": self._common.memory,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave, of the same settings and text, and go on bit for bit."""
        self.taken = int(state["taken"])
        self.loss = float(state["loss"])
        self.weights.vector[...] = state["weights"]
        self._common.moments[...] = state["moments"]
        self._common.memory[...] = state["memory"]
