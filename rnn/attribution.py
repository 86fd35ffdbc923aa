"""Which causes raised a forecast, whatever the model is that made it.

The Shapley value of a cause is what it adds to the model's answer, averaged over all orders in
which the causes could be let in one after the other (Shapley, "A value for n-person games", 1953;
Štrumbelj & Kononenko, "Explaining prediction models and individual predictions with feature
contributions", 2014). So what all causes add up to is exactly the difference between the answer
given and the answer where everything is as usual, however they work together. Only the few causes
that matter most by themselves are told apart; the others are let in as one. Orders are drawn in
pairs, each with its reverse, which evens most of the chance out (Mitchell et al., "Sampling
permutations for Shapley value estimation", 2022).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

PAIRS = 6  # of orders

Answer = Callable[[Bools], Floats]
"""Gives the model's answer for each row of which causes are as usual, (N, C) to (N,)."""


def shapley(answer: Answer, groups: Bools, told: int, rng: np.random.Generator) -> Floats:
    """Return what each of the *groups* of causes, (G, C), adds to the answer: (G,).

    No cause is in two groups. Of those groups that are not among the *told* ones with the largest
    effect, the value is 0: together they add what is missing to the whole.
    """
    everything: Bools = np.logical_or.reduce(groups)
    alone = answer(np.concatenate([groups, everything & ~groups, np.zeros_like(everything)[None]]))
    without, only, whole = alone[: len(groups)], alone[len(groups) : -1], alone[-1]
    nothing = float(answer(everything[None])[0])
    effect = np.maximum(np.abs(whole - without), np.abs(only - nothing))
    chosen = np.argsort(-effect, kind="stable")[:told]
    rest = everything & ~groups[chosen].any(axis=0)
    players = np.concatenate([groups[chosen], rest[None]])  # (P, C)
    orders = np.array([rng.permutation(len(players)) for _ in range(PAIRS)])
    orders = np.concatenate([orders, orders[:, ::-1]])
    values = np.zeros(len(groups))
    values[chosen] = _mean_gains(answer, players, orders, nothing)[:-1]
    return values


def _mean_gains(answer: Answer, players: Bools, orders: NDArray[np.intp], nothing: float) -> Floats:
    """Return what each of *players* adds, averaged over *orders* of letting them in."""
    entered = players[orders]  # (O, P, C)
    let_in = np.logical_or.accumulate(entered, axis=1)
    usual = players.any(axis=0) & ~let_in
    answers = answer(usual.reshape(-1, usual.shape[-1])).reshape(orders.shape)
    gains = np.diff(answers, axis=1, prepend=nothing)
    total = np.zeros(len(players))
    np.add.at(total, orders, gains)
    mean: Floats = total / len(orders)
    return mean
