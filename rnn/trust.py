"""How far each of several experts is to be believed, learnt from how earlier claims came out.

A claim is what an expert adds to the log-odds of the base rate. Only a *share* of it counts, and
the shares of all experts are chosen together: every combination of a grid is followed as if it had
been used all along; the one that made what came most probable, older outcomes being forgotten, is
used next (follow the leader; see Cesa-Bianchi & Lugosi, "Prediction, learning, and games", 2006).
An average of experts that err differently is better than each, and one that claims more than it
knows is drawn towards the base rate. Shares of 0 say the base rate and nothing else, so that in the
long run nothing worse is said.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, hazard_loss

Floats = NDArray[np.float32]

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of one expert
PRIOR = 100.0  # nats by which a share of 0 has to win against 1


class Trust:
    """The shares of *experts* in each bin of *events* kinds; outcomes fade over *memory* steps."""

    def __init__(self, experts: int, events: int, edges: Steps, memory: float) -> None:
        self._edges = edges
        self._memory = memory
        self._grid = np.array(list(itertools.product(SHARES, repeat=experts)), np.float32)  # (S, X)
        even = 1.2 / experts if experts > 1 else 1.0
        self._prior = PRIOR * ((self._grid - even) ** 2).mean(axis=1)
        self._losses = np.zeros((len(self._grid), events, len(edges)))
        self._choose()

    def weigh(self, claims: Floats) -> Floats:
        """Return what the *claims*, (…, X, E, K), come to when shared out: (…, E, K)."""
        return np.asarray((claims * self._shares).sum(axis=-3))

    def note(self, claims: Floats, until: Steps, immune: Steps, usual: Floats) -> None:
        """Learn what the *claims* of N steps, (N, X, E, K), came to.

        *usual*, (E, K): the base rate's log-odds. *until* and *immune*: (N, E).
        """
        logits = usual + np.tensordot(self._grid, claims, axes=(1, 1))  # (S, N, E, K)
        losses = hazard_loss(logits, until, immune, self._edges)
        self._losses = self._losses * np.exp(-len(claims) / self._memory) + losses.sum(axis=1)
        self._choose()

    def _choose(self) -> None:
        best = (self._losses + self._prior[:, None, None]).argmin(axis=0)  # (E, K)
        self._shares = np.moveaxis(self._grid[best], -1, 0)  # (X, E, K)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"losses": self._losses.copy(), "shares": self._shares.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._losses = np.array(state["losses"], np.float64)
        self._shares = np.array(state["shares"], np.float32)
