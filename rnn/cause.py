"""A rare state that leads to onsets by itself, whatever everything else says.

The experts add up what all features say, in log-odds, and the mean of them counts. So where one
thing is amiss and all others are as usual, the usual ones speak against it; and a sign that every
one of four onsets followed is believed by a third. But causes do not vote. They compete: no onset
comes only if none of them brings it (the noisy *or* of Pearl, "Probabilistic reasoning in
intelligent systems", 1988; hazards that add up: Aalen, "A model for nonparametric regression
analysis of counting processes", 1980). What is told here of one such cause stands beside what the
experts say, and can only raise it.

The state is a number from 0, as usual, to 1. How often an onset follows is counted for each of a
few levels of it, by *visits*: the steps of one visit tell one story, however many they are, and so
each level counts once a visit. An onset that the experts had foretold needs no other cause: counted
is what came beyond what they said, beside what they left open. A level of which little is known is
drawn to the one below, and the lowest to `FIRST`.

That is what a visit means if the state is a cause at all. Most rare states are none, and where
onsets are frequent, one soon follows a visit by chance. So there are two hypotheses, that it is one
and that it is none, and visit by visit the odds of the first are multiplied by how much more
probable it made what came (Kass & Raftery, "Bayes factors", 1995). An onset of which the experts
knew nothing proves much; one that was probable anyway proves little; a visit that nothing follows
speaks against it. What is told is the chance under the first, times the probability of that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVELS = (0.05, 0.15, 0.3, 0.45)  # where they begin; below the first, nothing is amiss
DOUBT = 1.0  # visits added to those of a level, at the rate of the level below
FIRST = 1 / 3  # chance of an onset at the lowest level of a cause, as long as none was visited
ODDS = -1.4  # log-odds that a state is a cause, before anything is known: it is one in five …
SURE = 6.0  # … and at most, either way
MOST = 0.98
LEAST = 1e-3  # whatever the experts say, nothing is more surprising than that
MEMORY = 100.0  # visits over which the past fades


class Cause:
    """The chance that one rare state brings an onset of *events* kinds within each horizon.

    *horizons*, (H,), are in steps; a visit is over when the first of them has passed without it, or
    when it has lasted for the longest.
    """

    def __init__(self, horizons: Sequence[int], events: int) -> None:
        self._horizons = np.array(horizons)
        self._rising = np.argsort(self._horizons, kind="stable")
        shape = (len(LEVELS) + 1, events, len(horizons))
        self._seen = np.zeros(shape)  # visits, as far as the experts left them open
        self._came = np.zeros(shape)  # what came beyond what the experts said
        # Of the visit that is not over: steps at each level, and sums of the same two.
        self._visit = np.zeros((3, *shape))
        self._gain = np.zeros(events)  # what its steps add to the log-odds of a cause
        self._odds = np.full(events, ODDS)  # log-odds that there is such a cause at all
        self._steps = 0
        self._quiet = 0
        self._judge()

    def level(self, state: float) -> int:
        """Return the level of a *state*; 0 if nothing is amiss."""
        return int(np.searchsorted(LEVELS, state, side="right"))

    def join(self, said: Floats, levels: Levels | int, immune: Steps) -> Floats:
        """Return the chances *said* by the experts, (…, E, H), joined by those of the *levels*.

        *immune*, (…, E): a kind that can have no onset at once has none of this cause.
        """
        believed = (immune == 0) / (1 + np.exp(-self._odds))  # (…, E)
        own = self._chances[levels] * believed[..., None]
        return np.asarray(said + (1 - said) * own)

    def settle(self, levels: Levels, said: Floats, until: Steps, immune: Steps) -> None:
        """Learn from N steps whose outcome is known.

        *levels*: (N,); *said*: (N, E, H), by the experts alone; *until* and *immune*: (N, E).
        """
        if not (levels.any() or self._steps):
            return
        came = until[..., None] <= self._horizons  # (N, E, H)
        possible = np.broadcast_to((immune == 0)[..., None], came.shape)
        counted = np.array((possible, possible * (1 - said), possible * (came - said)))
        gained = self._gained(levels, said[..., 0], came[..., 0]) * possible[..., 0]
        for step, level in enumerate(levels.tolist()):
            if level:
                self._visit[:, level] += counted[:, step]
                self._gain += gained[step]
                self._steps += 1
                self._quiet = 0
            else:
                self._quiet += 1
            over = self._quiet >= self._horizons[0] or self._steps >= self._horizons.max()
            if over and self._steps:
                self._close()

    def _gained(self, levels: Levels, said: Floats, came: Bools) -> Floats:
        """Return by how much more probable a cause makes what *came* within the first horizon.

        As logarithms, a step and event: (N, E).
        """
        own = self._chances[levels][..., 0]
        said = np.maximum(said, LEAST)
        joined = said + (1 - said) * own
        return np.asarray(np.log(np.where(came, joined / said, 1 - own)))

    def _close(self) -> None:
        """Count the visit that is over."""
        steps, open_, beyond = self._visit
        visited = steps > 0
        share = 1 / np.maximum(steps, 1)
        for total, now in ((self._seen, open_ * share), (self._came, beyond * share)):
            total[visited] *= 1 - 1 / MEMORY
            total += now
        possible = steps[..., 0].sum(axis=0)  # (E,) steps that each kind could follow
        odds = self._odds + (ODDS - self._odds) / MEMORY * (possible > 0)
        odds += self._gain / np.maximum(possible, 1)
        self._odds = np.minimum(np.maximum(odds, -SURE), SURE)
        self._visit[:] = 0
        self._gain[:] = 0
        self._steps = 0
        self._judge()

    def _judge(self) -> None:
        """Bring the chance at each level up to date with what was counted."""
        chances = np.zeros_like(self._seen)  # (levels + 1, E, H)
        below = np.full(chances.shape[1:], FIRST)
        for level in range(1, len(chances)):
            came = np.maximum(self._came[level], 0.0)
            below = np.minimum((came + DOUBT * below) / (self._seen[level] + DOUBT), MOST)
            chances[level] = below
        rising = np.maximum.accumulate(chances[..., self._rising], axis=-1)
        chances[..., self._rising] = rising
        self._chances = chances

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "seen": self._seen.copy(),
            "came": self._came.copy(),
            "visit": self._visit.copy(),
            "gain": self._gain.copy(),
            "odds": self._odds.copy(),
            "steps": self._steps,
            "quiet": self._quiet,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._seen = np.array(state["seen"], np.float64)
        self._came = np.array(state["came"], np.float64)
        self._visit = np.array(state["visit"], np.float64)
        self._gain = np.array(state["gain"], np.float64)
        self._odds = np.array(state["odds"], np.float64)
        self._steps, self._quiet = int(state["steps"]), int(state["quiet"])
        self._judge()
