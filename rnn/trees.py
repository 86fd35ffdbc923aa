"""Hazards from small decision trees that are grown anew, one after the other, without end.

A sum of bent lines cannot say *this and that*: many warnings mean nothing, except when nothing is
written to the disk any more. Trees can, and they find thresholds by themselves. Each of the trees
here asks the same question of all its branches at a level, so that three questions have eight
answers, which overfits less and is quick to ask (oblivious trees: Prokhorenkova et al., "CatBoost",
2018). Their answers are added up. At every turn the tree that is oldest is grown anew, on rows of
the replay memory, towards what all others leave unexplained, and only a part of that (Friedman,
"Greedy function approximation", 2001; to go round for ever instead of stopping is backfitting,
Breiman & Friedman, 1985). So the trees follow what changes, and a turn always costs the same.

What is possible to ask is drawn at random: some of the features that vary at all, and of each the
values of some rows and some between its least and its greatest (Geurts, Ernst & Wehenkel,
"Extremely randomized trees", 2006). Onsets are rare, so an answer is
the ratio of how many came to how many were expected, both with `DOUBT` added (a Gamma-Poisson
shrinker: DuMouchel, 1999): without that a single onset would speak for too much. A step counts as 1
/ *horizon*: the steps before one onset are one observation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.hazards import Steps, bins

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]

TREES = 64  # of each kind of onset
LEVELS = 3
PART = 0.1  # of what is unexplained that a tree takes upon itself
DOUBT = 1.0  # onsets that are added to those that came, and to those expected
FEATURES = 64  # from which the questions of a tree are chosen …
VALUES = 4  # … at so many values of each that occur, and at so many within its range
BITS = 1 << np.arange(LEVELS)
NEVER = 127  # no byte is above it


class Trees:
    """What bytes in the *columns* of a row add to the usual logits of hazards, (E, K).

    The bins up to *horizon*, in steps, decide what a tree asks.
    """

    def __init__(self, columns: NDArray[np.int64], events: int, edges: Steps, horizon: int) -> None:
        self._columns, self._edges = columns, edges
        self._near = int(np.searchsorted(edges, horizon)) + 1
        self._step = 1.0 / horizon
        self._features = np.full((events, TREES, LEVELS), columns[0], np.int64)
        self._bounds = np.full((events, TREES, LEVELS), NEVER, np.int8)
        self._answers = np.zeros((events, TREES, 1 << LEVELS, len(edges)), np.float32)
        self._turn = 0

    def claim(self, rows: Bytes) -> Floats:
        """Return what the *rows*, (…, S), add to the base rate's log-odds: (…, E, K)."""
        events, count, leaves, bins_ = self._answers.shape
        first = leaves * np.arange(events * count).reshape(events, count)
        leaf = ((rows[..., self._features] > self._bounds) * BITS).sum(axis=-1)  # (…, E, T)
        answers = self._answers.reshape(-1, bins_)[first + leaf]  # (…, E, T, K)
        claim: Floats = answers.sum(axis=-2)
        return claim

    def learn(
        self,
        rows: Bytes,
        until: Steps,
        immune: Steps,
        usual: Floats,
        weights: Floats,
        steps: float,
        rng: np.random.Generator,
    ) -> None:
        """Grow the oldest tree anew, on rows that stand for *steps* steps.

        *rows*: (B, S); *until* and *immune*: (B, E); *usual*: (E, K); *weights*: (B,).
        """
        events = len(self._answers)
        event, tree = self._turn % events, self._turn // events % TREES
        self._turn += 1
        said = usual[event] + self._others(rows, event, tree)
        possible, came = bins(until[:, event], immune[:, event], self._edges)  # (B, K)
        worth = (weights * np.float32(self._step * steps / len(rows)))[:, None]
        expected = worth * possible / (1 + np.exp(-np.clip(said, -30, 30)))
        features, bounds, above = self._questions(rows, rng)
        near = (came * worth)[:, : self._near], expected[:, : self._near]
        chosen = choose(above, *(part.sum(axis=1).astype(np.float32) for part in near))
        leaf = BITS @ above[chosen]  # (B,)
        self._features[event, tree] = features[chosen]
        self._bounds[event, tree] = bounds[chosen]
        self._answers[event, tree] = self._answer(leaf, came * worth, expected)

    def _others(self, rows: Bytes, event: int, tree: int) -> Floats:
        """Return what all trees for an *event* but one of them answer together, (B, K)."""
        above = rows[:, self._features[event].ravel()] > self._bounds[event].ravel()
        leaves = np.zeros((TREES, len(rows)), np.intp)
        for level in range(LEVELS):
            leaves += above[:, level::LEVELS].T * BITS[level]
        others = np.zeros((len(rows), self._answers.shape[-1]), np.float32)
        for other, (answers, leaf) in enumerate(zip(self._answers[event], leaves, strict=True)):
            if other != tree:
                others += answers.take(leaf, axis=0)
        return others

    def _questions(
        self, rows: Bytes, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], Bytes, NDArray[np.bool_]]:
        """Return features and bounds, (Q,), and of which rows the feature is above it, (Q, B).

        Only of what varies is anything asked: in most logs that is less than half of the features.
        Of the values that occur, every other bound is just below one: of a feature that is nearly
        always the same, what is above and what is below that can both be asked for. What lies far
        from there is hardly drawn that way, so as many bounds are drawn evenly from the range.
        """
        varying = self._columns[(rows != rows[0]).any(axis=0)[self._columns]]
        if not len(varying):
            varying = self._columns[:1]
        features = rng.choice(varying, min(FEATURES, len(varying)), replace=False)
        values = np.ascontiguousarray(rows[:, features].T)  # (C, B)
        size = (len(features), VALUES)
        occurring = np.take_along_axis(values, rng.integers(len(rows), size=size), axis=1)
        occurring[:, ::2] -= 1
        least = values.min(axis=1, keepdims=True).astype(np.int64)
        greatest = values.max(axis=1, keepdims=True).astype(np.int64)
        between = rng.integers(least, np.maximum(greatest, least + 1), size, np.int8)
        bounds = np.concatenate([occurring, between], axis=1)
        above = values[:, None] > bounds[..., None]
        return np.repeat(features, 2 * VALUES), bounds.ravel(), above.reshape(-1, len(rows))

    def _answer(self, leaf: NDArray[np.int64], came: Floats, expected: Floats) -> Floats:
        """Return what each leaf adds in each bin, (L, K).

        In the near bins it is drawn to what they say together, in the others to nothing.
        """
        where = leaf == np.arange(1 << LEVELS)[:, None]
        sums = where.astype(np.float32) @ np.concatenate([came, expected], axis=1)
        came, expected = np.split(sums, 2, axis=1)  # (L, K)
        near = (came[:, : self._near].sum(axis=1) + DOUBT) / (
            expected[:, : self._near].sum(axis=1) + DOUBT
        )
        prior = np.ones_like(came)
        prior[:, : self._near] = near[:, None]
        return np.asarray(PART * np.log((came + DOUBT * prior) / (expected + DOUBT)), np.float32)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "features": self._features.copy(),
            "bounds": self._bounds.copy(),
            "answers": self._answers.copy(),
            "turn": self._turn,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what other trees' `state` gave."""
        self._features = np.array(state["features"], np.int64)
        self._bounds = np.array(state["bounds"], np.int8)
        self._answers = np.array(state["answers"], np.float32)
        self._turn = int(state["turn"])


def choose(above: NDArray[np.bool_], came: Floats, expected: Floats) -> NDArray[np.int64]:
    """Return which question to ask at each level, (D,), of those in *above*, (Q, B).

    At every level it is that which makes what *came*, (B,), most probable beside what was
    *expected*, (B,), in all branches together.
    """
    rows = above.astype(np.float32)
    branch = np.zeros(len(came), np.int64)
    chosen = np.zeros(LEVELS, np.int64)
    for level in range(LEVELS):
        count = 1 << level
        split = np.zeros((len(came), 2 * count), np.float32)
        split[np.arange(len(came)), branch] = came
        split[np.arange(len(came)), count + branch] = expected
        yes = rows @ split  # (Q, 2 × branches)
        no = split.sum(axis=0) - yes
        chosen[level] = (_gain(yes) + _gain(no)).argmax()
        branch += above[chosen[level]] << level
    return chosen


def _gain(sums: Floats) -> Floats:
    """Return by how much more probable what came becomes if each branch has its own answer, (Q,).

    *sums*, (Q, 2 × branches): what came in each branch, then what was expected there.
    """
    came, expected = np.split(np.maximum(sums, 0), 2, axis=1)
    ratio = (came + DOUBT) / (expected + DOUBT)
    gain: Floats = ((came + DOUBT) * np.log(ratio) - (came - expected)).sum(axis=1)
    return gain
