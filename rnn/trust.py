"""How far each of several experts is to be believed, learnt from how earlier claims came out.

A claim is what an expert adds to the log-odds of the base rate. What is said is the base rate, a
*share* of every claim, and a *shift* that follows how the base rate itself has changed: a logistic
regression on the claims (Wolpert, "Stacked generalization", 1992; Platt, "Probabilistic outputs for
support vector machines", 1999). An average of experts that err differently is better than each;
one that claims more than it knows gets a small share, and if failures become three times as
frequent, the shift is soon there.

Shares and shift are followed by Newton's method, outcome by outcome: what is known of them is a
Gaussian, whose precision grows with every outcome and fades back to that of the beginning (as an
extended Kalman filter would do it; Haykin, "Kalman filtering and neural networks", 2001). How fast
to forget is not known beforehand, nor whether there is enough to learn shares from at all: where
signs are weak and failures few, the plain average is hard to beat (Clemen, "Combining forecasts",
1989). So it is done at several speeds, two of which never learn a share, and one of these no shift.
Each counts by how probable it made what came, a little of the weight being spread anew at every
step, so that another may take over at any time (Herbster & Warmuth, "Tracking the best expert",
1998).

The steps before one onset tell one story: a step counts as 1 / *horizon*.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, bins, hazard_loss

Floats = NDArray[np.float32]

NEVER = np.inf  # learnt
SPEEDS = ((3000.0, 600.0), (3000.0, 3000.0), (NEVER, 3000.0), (NEVER, NEVER))
"""Horizons over which outcomes fade, for shares and for the shift."""
TOGETHER = 1.2  # what all shares add up to in the beginning; experts agree in part
DOUBT = (5.0, 1.0)  # precision of a share and of the shift in the beginning
MOST = 2.0  # no share is larger, and none is negative
ANEW = 0.0005  # of the weight of speeds that is spread in a horizon


class Trust:
    """The shares of *experts* and the shift in each bin of *events* kinds.

    The bins up to *horizon*, in steps, are those that matter most.
    """

    def __init__(self, experts: int, events: int, edges: Steps, horizon: int) -> None:
        self._edges = edges
        self._near = int(np.searchsorted(edges, horizon)) + 1
        self._step = 1.0 / horizon
        share = TOGETHER / experts if experts > 1 else 1.0
        self._start = np.append(np.full(experts, share), 0.0)  # (P,)
        self._prior = np.append(np.full(experts, DOUBT[0]), DOUBT[1])
        shares, shift = np.array(SPEEDS).T[..., None]
        self._memories = np.concatenate([np.tile(shares, experts), shift], axis=1)  # (M, P)
        self._learnt = np.isfinite(self._memories)[:, None, None, None]  # (M, 1, 1, 1, P)
        shape = (len(SPEEDS), events, len(edges))  # (M, E, K)
        self._weights = np.tile(self._start, (*shape, 1))
        self._precision = np.tile(np.diag(self._prior), (*shape, 1, 1))
        self._belief = np.full(shape[:2], 1 / len(SPEEDS))
        self._mix()

    def weigh(self, claims: Floats) -> Floats:
        """Return what the *claims*, (…, X, E, K), come to beyond the base rate: (…, E, K)."""
        return np.asarray((claims * self._shares).sum(axis=-3) + self._shift)

    def note(self, claims: Floats, until: Steps, immune: Steps, usual: Floats) -> None:
        """Learn what the *claims* of N steps, (N, X, E, K), came to.

        *usual*, (E, K): the base rate's log-odds. *until* and *immune*: (N, E).
        """
        x = np.ones((*claims.shape[2:], len(claims), len(self._start)))  # (E, K, N, P)
        x[..., :-1] = claims.transpose(2, 3, 0, 1)
        logits = np.matmul(x, self._weights[..., None])[..., 0] + usual[..., None]  # (M, E, K, N)
        self._judge(np.moveaxis(logits, -1, 1), until, immune)
        possible, came = (np.moveaxis(b, 0, -1) for b in bins(until, immune, self._edges))
        hazard = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        error = self._step * np.where(possible, hazard - came, 0.0)
        curve = self._step * np.where(possible, hazard * (1 - hazard), 0.0)
        x = x * self._learnt  # (M, E, K, N, P)
        lost = -np.expm1(-len(claims) * self._step / self._memories)[:, None, None]  # (M, 1, 1, P)
        kept = np.sqrt(1 - lost)
        self._precision *= kept[..., None] * kept[..., None, :]
        self._precision += (lost * self._prior)[..., None] * np.eye(len(self._prior))
        self._precision += np.matmul(np.swapaxes(x, -1, -2) * curve[..., None, :], x)
        slope = np.matmul(error[..., None, :], x)[..., 0, :]
        slope += lost * self._prior * (self._weights - self._start)
        self._weights -= np.linalg.solve(self._precision, slope[..., None])[..., 0]
        shares = self._weights[..., :-1]
        np.minimum(np.maximum(shares, 0.0, out=shares), MOST, out=shares)
        self._mix()

    def _judge(self, logits: NDArray[np.float64], until: Steps, immune: Steps) -> None:
        """Believe those speeds more whose *logits*, (M, N, E, K), made what came more probable."""
        losses = hazard_loss(logits, until, immune, self._edges)[..., : self._near]
        loss = self._step * losses.sum(axis=(1, 3))  # (M, E)
        belief = self._belief * np.exp(loss.min(axis=0) - loss)
        belief /= belief.sum(axis=0)
        anew = -np.expm1(-logits.shape[1] * self._step * ANEW)
        self._belief = (1 - anew) * belief + anew / len(belief)

    def _mix(self) -> None:
        mean = (self._belief[..., None, None] * self._weights).sum(axis=0)  # (E, K, P)
        self._shares = np.moveaxis(mean[..., :-1], -1, 0).astype(np.float32)  # (X, E, K)
        self._shift = mean[..., -1].astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "weights": self._weights.copy(),
            "precision": self._precision.copy(),
            "belief": self._belief.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        weights = np.array(state["weights"], np.float64)
        if weights.shape != self._weights.shape:
            raise ValueError(f"trust: {weights.shape} weights instead of {self._weights.shape}")
        self._weights = weights
        self._precision = np.array(state["precision"], np.float64)
        self._belief = np.array(state["belief"], np.float64)
        self._mix()
