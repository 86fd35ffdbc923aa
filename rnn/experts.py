"""Three experts on the time to an onset, who read the same step in different ways, and their mean.

One adds up what every feature says, bent by hinges, with weights learnt by the gradient
(`additive`). The second counts what every feature's values were followed by, and learns what the
strongest of these weights of evidence mean together (`evidence`). The third asks for several
features at once (`trees`). The first sees weak signs that add up, but needs several failures of a
kind to learn them; the second knows a sign again that was seen once; the third finds what means
something only together. They err differently, so that their mean is better than each; how much each
counts is followed outcome by outcome (`trust`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.additive import AdditiveHazards
from rnnd.rnn.evidence import LARGEST, Evidence
from rnnd.rnn.hazards import BaseRates, Steps
from rnnd.rnn.replay import Batch
from rnnd.rnn.trees import Trees
from rnnd.rnn.trust import Trust

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]

EXPERTS = 3
BYTE = 127  # the largest value of a byte
MANY = 4.0  # onsets of late; an echo is not louder


class Experts:
    """Claims about the hazards of *events* kinds, from a vector in *groups* and past onsets.

    A step is kept as a *row* of bytes: its vector in standard deviations, up to *limit*; *echoes*
    of past onsets, up to 4; and pools of evidence as they were at that time.
    """

    def __init__(
        self,
        groups: NDArray[np.int64],
        limit: float,
        echoes: int,
        evidence: Evidence,
        edges: Steps,
        pulls: tuple[float, float],
        thrift: float,
        span: float,
    ) -> None:
        events = evidence.events
        self._echoes, self._pooled = len(groups), len(groups) + echoes  # where each begins
        pools = events * evidence.pools
        self.size = self._pooled + pools
        bounds = np.repeat([limit, MANY, LARGEST], [len(groups), echoes, pools])
        self._scale = (BYTE / bounds).astype(np.float32)
        self._evidence = evidence
        self._horizon = evidence.horizon
        self._rates = BaseRates(events, edges)
        self._additive = AdditiveHazards(self._pooled, events, edges, pulls[0], span, thrift=thrift)
        self._counting = AdditiveHazards(echoes + pools, events, edges, pulls[1], span, knots=())
        self._trees = Trees(np.arange(self.size), events, edges, evidence.horizon)
        self._trust = Trust(EXPERTS, events, edges, evidence.horizon)

    def row(self, vector: Floats, echoes: NDArray[np.float64]) -> Bytes:
        """Return the row of a step, (…, size), from its standardised *vector*, (…, F)."""
        pools = self._evidence.pool(self._evidence.place(vector))
        bounded = np.concatenate([vector, np.minimum(echoes, MANY), pools], axis=-1)
        return np.rint(bounded * self._scale).astype(np.int8)

    def claims(self, rows: Bytes) -> Floats:
        """Return what each expert adds to the base rate's log-odds: (…, X, E, K)."""
        x = self._read(rows)
        return np.stack(
            [
                self._additive.claim(x[..., : self._pooled]),
                self._counting.claim(x[..., self._echoes :]),
                self._trees.claim(rows),
            ],
            axis=-3,
        )

    def _read(self, rows: Bytes) -> Floats:
        return rows.astype(np.float32) / self._scale

    def logits(self, claims: Floats) -> Floats:
        """Return the logits of the hazards, (…, E, K), that *claims* come to."""
        return np.asarray(self._rates.logits + self._trust.weigh(claims))

    def settle(self, rows: Bytes, claims: Floats, until: Steps, immune: Steps) -> None:
        """Learn from N steps whose outcome is known: what was claimed, and what is usual."""
        self._rates.count(until, immune)
        self._trust.note(claims, until, immune, self._rates.logits)
        vectors = self._read(rows)[:, : self._echoes]
        # Shortly after an onset, what it left behind would be counted as followed by none.
        possible = immune == 0
        self._evidence.note(self._evidence.place(vectors), until <= self._horizon, possible)

    def learn(self, batch: Batch, steps: float, rates: tuple[float, float]) -> None:
        """Change the first two experts' weights a little, by a *batch* that stands for *steps*."""
        until, immune = np.split(batch.labels, 2, axis=1)
        x = self._read(batch.rows)
        parts = (x[:, : self._pooled], x[:, self._echoes :])
        for expert, part, rate in zip((self._additive, self._counting), parts, rates, strict=True):
            expert.learn(part, until, immune, self._rates.logits, batch.weights, steps, rate)

    def grow(self, batch: Batch, steps: float, rng: np.random.Generator) -> None:
        """Grow a tree anew, on a *batch* of rows that stand for *steps*."""
        until, immune = np.split(batch.labels, 2, axis=1)
        usual = self._rates.logits
        self._trees.learn(batch.rows, until, immune, usual, batch.weights, steps, rng)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {name: part.state() for name, part in self._parts()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what other experts' `state` gave."""
        for name, part in self._parts():
            part.restore(state[name])

    def _parts(self) -> list[tuple[str, Any]]:
        return [
            ("rates", self._rates), ("evidence", self._evidence), ("additive", self._additive),
            ("counting", self._counting), ("trees", self._trees), ("trust", self._trust),
        ]  # fmt: skip
