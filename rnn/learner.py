"""Forecasts when the next onset of each kind comes, learning online from a stream of vectors.

It knows nothing of what the vectors mean. The time to the next onset is told in discrete bins whose
edges include every horizon; the network gives each bin its hazard (the chance that the onset comes
in it, having not come before), and

    P(onset within h) = 1 − Π (1 − hazard) over the bins up to h,

which never decreases in h. Each step's target is complete when the largest horizon has passed; then
the step goes into the replay memory. Learning is scheduled by steps, never by a clock: the same
stream gives the same forecasts to the last bit, whatever the machine is busy with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.replay import Batch, Replay
from rnnd.rnn.standardise import Standardiser

Vector = NDArray[np.float32]

NEVER = -(2**62)
BYTE = 127  # the largest value of a byte that stands for a standardised feature


@dataclass(frozen=True, slots=True)
class ForecasterSettings:
    """How the forecaster learns; whatever depends on steps is in steps, not in time."""

    learn_every: int = 8  # steps between two rounds of learning
    updates: int = 2  # of the weights, in a round
    batch: int = 512  # rows
    rate: float = 2e-3
    decay: float = 1e-2  # pull of the weights towards 0
    average: float = 0.998  # of the weights that predict
    room: tuple[int, ...] = (8192, 8192)  # rows kept: before onsets of the first kind, elsewhere
    limit: float = 4.0  # deviations at which standardised features are clipped


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected after a step."""

    probabilities: NDArray[np.float64]  # (E, H) of an onset within each horizon
    surprise: float  # of the step itself, as a quantile of its own past


def bin_edges(horizons: Sequence[int]) -> NDArray[np.int64]:
    """Return the ends of the bins, in steps: all horizons, and steps of at most 4 between.

    >>> bin_edges([60, 6, 360])
    array([  2,   6,  19,  60, 147, 360])
    """
    edges = sorted(set(horizons))
    start = 1
    for end in tuple(edges):
        pieces = int(np.ceil(np.log(end / start) / np.log(4))) if end > start else 1
        edges += [round(start * (end / start) ** (k / pieces)) for k in range(1, pieces)]
        start = end
    return np.array(sorted(set(edges)), np.int64)


class Forecaster:
    """Forecasts the onsets of *events* kinds from vectors of *input_size*, one a step.

    *horizons* are in steps.
    """

    def __init__(
        self,
        input_size: int,
        horizons: Sequence[int],
        events: int,
        settings: ForecasterSettings,
        seed: int,
    ) -> None:
        self.settings = settings
        self.edges = bin_edges(horizons)  # (K,)
        self._last_bin = np.searchsorted(self.edges, horizons)  # (H,) of each horizon
        self._delay = int(self.edges[-1])
        self._rng = np.random.default_rng(seed)
        self._events = events
        size = input_size + 1
        self._standardiser = Standardiser(input_size, settings.limit)
        outputs = events * len(self.edges)
        self._w = np.zeros((size, outputs), np.float32)  # the last row is the bias
        self._w[-1] = -5.0
        self._slow = self._w.copy()
        self._m = np.zeros_like(self._w)
        self._v = np.zeros_like(self._w)
        self._updates = 0
        self._replay = Replay(size, 2 * events, settings.room)
        self._waiting = np.zeros((self._delay, size), np.int8)  # ring: their outcome is not known
        self._immune = np.zeros((self._delay, events), np.int64)
        self._onset = np.full((self._delay, events), self._delay + 1, np.int64)  # steps until it
        self._now = 0

    def step(self, x: Vector, onset: NDArray[np.bool_], immune: NDArray[np.int64]) -> Forecast:
        """Note what began in this step, forecast from its vector *x*, and learn by schedule.

        *onset*, (E,): which kinds began. *immune*, (E,): the steps to come that can hold no onset.
        """
        z = self._standardiser.step(x)
        row = np.append(z * (BYTE / self.settings.limit), BYTE / self.settings.limit)
        row = np.rint(row).astype(np.int8)
        self._settle(onset)
        slot = self._now % self._delay
        self._waiting[slot] = row
        self._immune[slot] = immune
        self._onset[slot] = self._delay + 1
        self._now += 1
        if self._now % self.settings.learn_every == 0 and len(self._replay) >= 64:
            for _ in range(self.settings.updates):
                self._update(self._replay.sample(self.settings.batch, self._rng))
        logits = (row * np.float32(self.settings.limit / BYTE)) @ self._slow
        return Forecast(self._probabilities(logits.reshape(self._events, -1), immune), 0.0)

    def _settle(self, onset: NDArray[np.bool_]) -> None:
        """Tell the steps that wait of an *onset*; the oldest of them goes into the memory."""
        waiting = min(self._now, self._delay)
        if onset.any() and waiting:
            slots = (self._now - 1 - np.arange(waiting)) % self._delay
            ahead = np.arange(1, waiting + 1)[:, None]  # (waiting, 1)
            self._onset[slots] = np.where(
                onset, np.minimum(self._onset[slots], ahead), self._onset[slots]
            )
        if waiting == self._delay:
            slot = self._now % self._delay
            labels = np.concatenate([self._onset[slot], self._immune[slot]])
            stratum = 0 if labels[0] <= self._delay else 1
            self._replay.add(stratum, self._waiting[slot], labels, self._rng)

    def _probabilities(
        self, logits: NDArray[np.float32], immune: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return P(onset within each horizon), (E, H), from the logits of hazards, (E, K)."""
        at_risk = self.edges > immune[:, None]  # (E, K)
        survival = np.where(at_risk, -np.logaddexp(0, logits.astype(np.float64)), 0.0)
        chance: NDArray[np.float64] = -np.expm1(survival.cumsum(axis=1)[:, self._last_bin])
        return chance

    def _update(self, batch: Batch) -> None:
        """Take one step of Adam down the gradient of the hazards' likelihood."""
        s = self.settings
        x = batch.rows * np.float32(s.limit / BYTE)  # (B, D)
        logits = (x @ self._w).reshape(len(x), self._events, -1)  # (B, E, K)
        until = batch.labels[:, : self._events, None]
        immune = batch.labels[:, self._events :, None]
        begun = np.concatenate([np.zeros(1, np.int64), self.edges[:-1]])
        at_risk = (until > begun) & (self.edges > immune)
        hit = (until > begun) & (until <= self.edges)
        hazard = 1 / (1 + np.exp(-logits))
        error = np.where(at_risk, hazard - hit, 0) * batch.weights[:, None, None]
        gradient = x.T @ error.reshape(len(x), -1).astype(np.float32) / len(x)
        gradient[:-1] += s.decay / self._replay.steps * 1000 * self._w[:-1]
        self._updates += 1
        self._m += 0.1 * (gradient - self._m)
        self._v += 0.001 * (gradient**2 - self._v)
        m = self._m / (1 - 0.9**self._updates)
        v = self._v / (1 - 0.999**self._updates)
        self._w -= s.rate * m / (np.sqrt(v) + 1e-8)
        self._slow += max(1 - s.average, 1 / self._updates) * (self._w - self._slow)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "standardiser": self._standardiser.state(),
            "weights": np.stack([self._w, self._slow, self._m, self._v]),
            "updates": self._updates,
            "replay": self._replay.state(),
            "waiting": self._waiting.copy(),
            "immune": self._immune.copy(),
            "onset": self._onset.copy(),
            "now": self._now,
            "rng": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another forecaster's `state` gave."""
        self._standardiser.restore(state["standardiser"])
        self._w, self._slow, self._m, self._v = np.array(state["weights"], np.float32)
        self._updates = int(state["updates"])
        self._replay.restore(state["replay"])
        self._waiting = np.array(state["waiting"], np.int8)
        self._immune = np.array(state["immune"], np.int64)
        self._onset = np.array(state["onset"], np.int64)
        self._now = int(state["now"])
        self._rng.bit_generator.state = state["rng"]
