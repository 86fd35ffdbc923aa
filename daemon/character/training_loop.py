"""The course of a training: how long it takes, and the validation, files and samples on the way."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rnnd.codecs.char import CharCodec
from rnnd.daemon.character.models import Model
from rnnd.daemon.character.training import DivergedError, Training
from rnnd.daemon.character.writing import continue_text
from rnnd.rnn.parameters import Array, Parameters
from rnnd.rnn.sampling import Soft

VALIDATIONS = 20  # in the whole of a training, at most
VALIDATING = 0.05  # of a budget of time that may go into them, but for the last
SAMPLE = 300  # characters


class Reporter(Protocol):
    """Whom the loop tells how it goes."""

    def stepped(self, training: Training, share: float) -> None:
        """Hear of every step, and which share of the training is done."""

    def validated(self, training: Training, loss: float) -> None:
        """Hear of the loss on the text that was held out."""

    def sampled(self, text: str) -> None:
        """See what the model writes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When the training ends and what it leaves behind; times are in seconds."""

    path: Path
    """The model file."""
    budget: float | None = None
    """Train for so long, instead of for the settings' epochs."""
    save_every: float = 60.0
    sample_every: float = math.inf


def fingerprint(text: str) -> str:
    """Return what tells *text* from others."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Loop:
    """Trains until the plan is fulfilled or somebody sets `stop`; *text* is the text's fingerprint.

    The model file has the weights that did best on the text held out, from the moment they did, and
    beside them all that is needed to go on. With a budget of time the learning rate follows the
    clock, and no two runs are alike; with epochs it follows the steps, and a training stopped and
    resumed gives the same bytes as one that was not.
    """

    def __init__(
        self,
        training: Training,
        codec: CharCodec,
        plan: Plan,
        clock: Callable[[], float],
        reporter: Reporter,
        text: str,
    ) -> None:
        self.training = training
        self.codec = codec
        self.plan = plan
        self.clock = clock
        self.reporter = reporter
        self.text = text
        self.stop = False
        self.best: Array | None = None
        self.best_loss = math.nan
        self.saved_step: int | None = None
        self._validating = 0.0  # seconds that validations took in this run …
        self._longest = 0.0  # … and the longest of them
        self._before = 0.0  # seconds of budget that earlier runs took
        self._began = clock()

    @property
    def elapsed(self) -> float:
        """The seconds of the budget that are gone."""
        return self._before + self.clock() - self._began

    @property
    def share(self) -> float:
        """The share of the training that is done."""
        if self.plan.budget is not None:
            return min(1.0, self.elapsed / self.plan.budget)
        return min(1.0, self.training.taken / self.training.steps)

    def run(self) -> bool:
        """Train; return whether the training is complete, and not stopped before its end.

        Raises `DivergedError` when the loss is no longer a number.
        """
        training, plan = self.training, self.plan
        save_at = self.clock() + plan.save_every
        sample_at = self.clock() + plan.sample_every
        share = self.share
        while share < 1 and not self.stop:
            self._step(share)
            before, share = share, self.share
            self.reporter.stepped(training, share)
            due = math.floor(share * VALIDATIONS) > math.floor(before * VALIDATIONS)
            if due and self._may_validate(share):
                self._validate()
            if self.clock() >= save_at:
                self.save()
                save_at = self.clock() + plan.save_every
            if self.clock() >= sample_at:
                self.reporter.sampled(self.sample())
                sample_at = self.clock() + plan.sample_every
        self.save()
        return not self.stop

    def _step(self, share: float) -> None:
        try:
            self.training.step(share)
        except DivergedError as error:
            raise self._diverged(str(error)) from error

    def _diverged(self, said: str) -> DivergedError:
        kept = "nothing was saved yet"
        if self.saved_step is not None:
            kept = f"{self.plan.path} keeps the model of step {self.saved_step}"
        return DivergedError(f"{said}; {kept}")

    def _may_validate(self, share: float) -> bool:
        """Return whether there is time to validate: of much text it takes long."""
        if self.plan.budget is None or share >= 1:
            return True
        allowed = VALIDATING * (self.clock() - self._began)
        return self._validating + self._longest <= allowed

    def _validate(self) -> None:
        began = self.clock()
        loss = self.training.validate()
        took = self.clock() - began
        self._validating += took
        self._longest = max(self._longest, took)
        if math.isnan(loss):
            return
        self.reporter.validated(self.training, loss)
        if not loss >= self.best_loss:  # the first is better than none
            self.best_loss = loss
            self.best = self.training.weights.vector.copy()
            self.save()

    def model(self) -> Model:
        """Return the model as it would be saved."""
        training = self.training
        vector = training.weights.vector if self.best is None else self.best
        weights = Parameters(training.weights.shapes, vector.dtype, vector)
        state = {
            **training.state(),
            "text": self.text,
            "best_loss": None if math.isnan(self.best_loss) else self.best_loss,
            "elapsed": 0.0 if self.plan.budget is None else self.elapsed,
        }
        return Model(training.shape, weights, self.codec, state)

    def save(self) -> None:
        """Write the model file.

        Raises `DivergedError` where the newest step has led to weights that are no numbers.
        """
        if not np.isfinite(self.training.weights.vector).all():
            step, rate = self.training.taken - 1, self.training.settings.rate
            raise self._diverged(
                f"training: step {step} led to weights that are no numbers; "
                f"a rate below {rate:g} may help"
            )
        self.model().save(self.plan.path)
        self.saved_step = self.training.taken

    def restore(self, model: Model) -> None:
        """Go on where the training that left *model* was."""
        state: Mapping[str, Any] = model.training
        self.training.restore(state)
        self.saved_step = self.training.taken
        self._before = float(state["elapsed"])
        if state["best_loss"] is not None:
            self.best_loss = float(state["best_loss"])
            self.best = model.weights.vector.copy()

    def sample(self) -> str:
        """Return what the model would write now."""
        training = self.training
        now = Model(training.shape, training.weights, self.codec, {})
        choose = Soft(np.random.default_rng(training.taken), temperature=0.8)
        return "".join(islice(continue_text(now, "", choose), SAMPLE))
