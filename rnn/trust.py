"""How far a forecast is to be believed, learnt from how earlier ones came out.

A forecast that claims more than it knows is drawn towards the base rate: of what it adds to the
log-odds of the base rate only a *share* counts. Every share of a grid is followed as if it had been
used all along; the one that made what came most probable, older outcomes being forgotten, is used
next (follow the leader; see Cesa-Bianchi & Lugosi, "Prediction, learning, and games", 2006). A
share of 0 says the base rate and nothing else, so that in the long run nothing worse is said.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, hazard_loss

Floats = NDArray[np.float32]

SHARES = np.linspace(0.0, 1.2, 13)
PRIOR = 100.0  # nats by which a share of 0 has to win against 1


class Trust:
    """The share of each bin of *events* kinds; outcomes are forgotten over *memory* steps."""

    def __init__(self, events: int, edges: Steps, memory: float) -> None:
        self._edges = edges
        self._memory = memory
        self._prior = PRIOR * (SHARES - 1.0) ** 2
        self._losses = np.zeros((len(SHARES), events, len(edges)))
        self.share: Floats = np.ones((events, len(edges)), np.float32)  # (E, K)

    def note(self, claims: Floats, until: Steps, immune: Steps, usual: Floats) -> None:
        """Learn what the *claims* of N steps, (N, E, K), came to.

        A claim is what a forecast added to the base rate's log-odds, *usual*, (E, K). *until* and
        *immune*: (N, E).
        """
        logits = usual + SHARES[:, None, None, None] * claims  # (S, N, E, K)
        losses = hazard_loss(logits, until, immune, self._edges)  # (S, N, E, K)
        self._losses = self._losses * np.exp(-len(claims) / self._memory) + losses.sum(axis=1)
        best = (self._losses + self._prior[:, None, None]).argmin(axis=0)
        self.share = SHARES[best].astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"losses": self._losses.copy(), "share": self.share.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._losses = np.array(state["losses"], np.float64)
        self.share = np.array(state["share"], np.float32)
