"""Forecasts when the next onset of each kind comes, learning online from a stream of vectors.

It knows nothing of what the vectors mean.

    vector → standardised ─┬→ hinges, evidence, trees → hazards → P(onset within h)
                           └→ GRU → forecast of the next vector → surprise

Three experts on hazards learn from a replay memory of the steps before onsets and of a sample of
all others. A step's target is complete when the largest horizon has passed: then it goes into that
memory. The recurrent network learns to forecast the next vector, from the recent past. Learning is
scheduled by steps, never by a clock: the same stream gives the same forecasts to the last bit,
whatever the machine is busy with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.cause import Cause
from rnnd.rnn.evidence import Evidence
from rnnd.rnn.experts import BYTE, EXPERTS, Experts
from rnnd.rnn.foresight import Foresight
from rnnd.rnn.hazards import bin_edges, chance_by
from rnnd.rnn.replay import Replay
from rnnd.rnn.standardise import Standardiser

Vector = NDArray[np.float32]

ECHOES = (1, 4, 16, 64)  # largest horizons over which past onsets are remembered
ENOUGH = 64  # rows in the memory before anything is learnt from it
LOT = 16  # steps that are settled at once


@dataclass(frozen=True, slots=True)
class ForecasterSettings:
    """How the forecaster learns; whatever depends on steps is in steps, not in time."""

    hidden: int = 24  # units of the recurrent network
    limit: float = 8.0  # deviations at which standardised features are clipped
    room: tuple[int, int] = (8192, 8192)  # rows remembered: before onsets of the first kind, others
    hazards_every: int = 24  # steps between two updates of the hazards' weights …
    hazards_batch: int = 256  # … from so many rows
    rates: tuple[float, float] = (2e-3, 5e-3)  # of learning: sums of hinges, pools of evidence
    pulls: tuple[float, float] = (100.0, 10.0)  # of these weights towards 0, in steps
    thrift: float = 30.0  # the same, of sums of hinges, however small the weight is
    span: float = 500.0  # updates over which the weights that answer are averaged
    trees_every: int = 96  # steps between two trees that are grown anew …
    trees_batch: int = 6144  # … on so many rows
    weigh_every: int = 256  # steps between two looks at what was counted as evidence
    memory_every: int = 96  # steps between two updates of the recurrent network's weights …
    memory_batch: int = 8  # … from so many windows …
    memory_window: int = 24  # … of so many steps …
    memory_recent: int = 4096  # … out of so many recent ones
    memory_rate: float = 2e-3


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected after a step."""

    probabilities: NDArray[np.float64]  # (E, H) of an onset within each horizon
    surprise: float  # of the step itself, as a quantile of its own past


class Forecaster:
    """Forecasts the onsets of *events* kinds from vectors, one a step.

    *groups*, (F,), numbers from 0 the sort that each feature of the vectors is of. *horizons* are
    in steps; the first is that which matters most. *sign* is the feature, if any, that tells how
    far a rare state has come, from 0 to 1, which may be the cause of onsets by itself.
    """

    def __init__(
        self,
        groups: NDArray[np.int64],
        horizons: Sequence[int],
        events: int,
        settings: ForecasterSettings,
        seed: int,
        sign: int | None = None,
    ) -> None:
        self.settings = s = settings
        self._sign = sign
        self._cause = Cause(horizons, events)
        self.edges = bin_edges(horizons)  # (K,)
        self._places = np.searchsorted(self.edges, horizons)  # (H,) the bin that ends each horizon
        self._delay = int(self.edges[-1])
        self._ring = self._delay + LOT
        self._input_size = input_size = len(groups)
        self._rng = np.random.default_rng(seed)
        self._scale = np.float32(BYTE / s.limit)
        self._standardiser = Standardiser(input_size, s.limit)
        self._foresight = Foresight(
            input_size, s.hidden, s.memory_recent, self._ring, float(self._scale), self._rng
        )
        echoes = events * len(ECHOES)
        evidence = Evidence(groups, events, horizons[0], s.weigh_every)
        self._experts = Experts(
            groups, s.limit, echoes, evidence, self.edges, s.pulls, s.thrift, s.span
        )
        size = self._experts.size
        self._fading = np.exp(-1 / (self._delay * np.array(ECHOES, np.float64)))  # a step
        self._echoes = np.zeros((events, len(ECHOES)))  # of past onsets
        self._replay = Replay(size, 2 * events, s.room)
        # Rings of the steps that are not settled yet; the vectors are the foresight's to keep.
        self._waiting = np.zeros((self._ring, size - input_size), np.int8)
        self._claims = np.zeros((self._ring, EXPERTS, events, len(self.edges)), np.float32)
        self._immune = np.zeros((self._ring, events), np.int64)
        self._until = np.full((self._ring, events), self._delay + 1, np.int64)
        waiting = self._ring if sign is not None else 0
        self._levels = np.zeros(waiting, np.int64)
        self._said = np.zeros((waiting, events, len(horizons)))
        self._now = 0

    @property
    def updates(self) -> int:
        """How often weights have been changed."""
        s = self.settings
        return sum(self._now // n for n in (s.hazards_every, s.trees_every, s.memory_every))

    @property
    def loss(self) -> float:
        """The mean squared error of the newest window's forecasts of the next vector."""
        return self._foresight.loss

    def step(self, x: Vector, onset: NDArray[np.bool_], immune: NDArray[np.int64]) -> Forecast:
        """Note what began in this step, forecast from its vector *x*, and learn by schedule.

        *onset*, (E,): which kinds began. *immune*, (E,): the steps to come that can hold no onset.
        """
        if onset.any():
            self._note(onset, self._now)
        row, surprise = self._read(x, onset)
        slot = self._now % self._ring
        self._waiting[slot] = row[self._input_size :]
        self._immune[slot] = immune
        self._until[slot] = self._delay + 1
        self._now += 1
        if self._now % LOT == 0:
            self._settle()
        self._learn()
        claims = self._claims[slot] = self._experts.claims(row)
        said = self._chances(claims, immune)
        if self._sign is not None:
            level = self._levels[slot] = self._cause.level(float(x[self._sign]))
            self._said[slot] = said
            said = self._cause.join(said, level, immune)
        return Forecast(said, surprise)

    def _chances(self, claims: Vector, immune: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of an onset within each horizon, (…, E, H)."""
        logits = self._experts.logits(claims)
        return chance_by(logits, self.edges, immune)[..., self._places]

    def inherit(self, other: "Forecaster") -> None:
        """Take over what *other* knows of the vectors, not what it learnt of onsets.

        For a stream that goes on, in which onsets have come to mean something else.
        """
        self._standardiser = other._standardiser
        self._foresight = other._foresight
        self._rng = other._rng

    @property
    def causes(self) -> int:
        """How many things `what_if` can tell apart: the features of a vector, and past onsets."""
        return self._input_size + 1

    @property
    def deviations(self) -> Vector:
        """How far each feature of the newest vector is from its mean, in standard deviations."""
        newest: Vector = self._foresight.past(1)[0]
        return newest

    def what_if(self, usual: NDArray[np.bool_], steps: int = 1) -> NDArray[np.float64]:
        """Return what would be forecast after each of the newest *steps* vectors, (T, N, E, H).

        *usual*, (N, causes), says which of the causes are imagined to be as usual: those features
        are put to their mean. The last column stands for the memory of past onsets. It is by the
        weights of now, and as if an onset were possible at once. Nothing is learnt or changed:
        explanations are made of it.
        """
        vectors, past = usual[:, :-1], usual[:, -1]
        rows = self._foresight.past(steps)[:, None] * ~vectors  # (T, N, F)
        echoes = self._echoes.ravel() * ~past[:, None]
        echoes = np.broadcast_to(echoes, (len(rows), *echoes.shape))
        claims = self._experts.claims(self._experts.row(rows, echoes))
        immune = np.zeros((*claims.shape[:-3], claims.shape[-2]), np.int64)
        said = self._chances(claims, immune)
        if self._sign is None:
            return said
        newest = self._levels[(self._now - len(rows) + np.arange(len(rows))) % self._ring]
        newest[: max(0, len(rows) - self._ring)] = 0  # what is not remembered any more
        return self._cause.join(said, newest[:, None] * ~usual[:, self._sign], immune)

    def _read(self, x: Vector, onset: NDArray[np.bool_]) -> tuple[NDArray[np.int8], float]:
        """Return what the experts are told of this step, in bytes, and how surprising it was."""
        z = np.rint(self._standardiser.step(x) * self._scale).astype(np.int8)
        surprise = self._foresight.step(z)
        self._echoes *= self._fading
        self._echoes += onset[:, None]
        vector = np.asarray(z / self._scale, np.float32)
        return self._experts.row(vector, self._echoes.ravel()), surprise

    def note_late(self, onset: NDArray[np.bool_], ago: int) -> None:
        """Learn that an *onset*, (E,), was in the step that was *ago* steps before the newest.

        What is settled already, since the largest horizon has passed, stays as it was.
        """
        self._echoes += onset[:, None] * self._fading**ago
        self._note(onset, self._now - 1 - ago)

    def _note(self, onset: NDArray[np.bool_], step: int) -> None:
        """Tell the steps that wait of an *onset* in *step*."""
        waiting = step - max(0, self._now - self._delay)
        if waiting <= 0:
            return
        slots = (step - 1 - np.arange(waiting)) % self._ring
        ahead = np.arange(1, waiting + 1)[:, None]  # (waiting, 1)
        until = self._until[slots]
        self._until[slots] = np.where(onset, np.minimum(until, ahead), until)

    def _settle(self) -> None:
        """Learn from the steps whose largest horizon has passed, a lot at once."""
        end = self._now - self._delay
        steps = np.arange(max(0, end - LOT), end)
        if not len(steps):
            return
        slots = steps % self._ring
        rows = np.concatenate(
            [self._foresight.rows(self._now - steps), self._waiting[slots]], axis=1
        )
        until, immune = self._until[slots], self._immune[slots]
        self._experts.settle(rows, self._claims[slots], until, immune)
        if self._sign is not None:
            self._cause.settle(self._levels[slots], self._said[slots], until, immune)
        strata = np.where(until[:, 0] <= self._delay, 0, 1)
        labels = np.concatenate([until, immune], axis=1)
        self._replay.add(strata, rows, labels, self._rng)

    def _learn(self) -> None:
        """Change the weights, if it is time to."""
        s = self.settings
        if self._now % s.memory_every == 0:
            self._foresight.learn(s.memory_window, s.memory_batch, s.memory_rate, self._rng)
        if self._now % s.hazards_every == 0 and len(self._replay) >= ENOUGH:
            batch = self._replay.sample(s.hazards_batch, self._rng)
            self._experts.learn(batch, self._replay.steps, s.rates)
        if self._now % s.trees_every == 0 and len(self._replay) >= ENOUGH:
            batch = self._replay.sample(s.trees_batch, self._rng)
            self._experts.grow(batch, self._replay.steps, self._rng)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "standardiser": self._standardiser.state(),
            "foresight": self._foresight.state(),
            "experts": self._experts.state(),
            "cause": self._cause.state(),
            "levels": self._levels.copy(),
            "said": self._said.copy(),
            "claims": self._claims,
            "echoes": self._echoes.copy(),
            "replay": self._replay.state(),
            "waiting": self._waiting,
            "immune": self._immune.copy(),
            "until": self._until.copy(),
            "now": self._now,
            "rng": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another forecaster's `state` gave."""
        self._standardiser.restore(state["standardiser"])
        self._foresight.restore(state["foresight"])
        self._experts.restore(state["experts"])
        self._cause.restore(state["cause"])
        self._levels = np.array(state["levels"], np.int64)
        self._said = np.array(state["said"], np.float64)
        self._claims = np.array(state["claims"], np.float32)
        self._echoes = np.array(state["echoes"], np.float64)
        self._replay.restore(state["replay"])
        self._waiting = np.array(state["waiting"], np.int8)
        self._immune = np.array(state["immune"], np.int64)
        self._until = np.array(state["until"], np.int64)
        self._now = int(state["now"])
        self._rng.bit_generator.state = state["rng"]
