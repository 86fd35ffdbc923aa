"""What could be known: the probability of a failure, given all of the hidden state but the future.

The oracle sees at every moment which episodes are under way, since when and how fast they grow. It
knows the laws of the processes, and by Bayes' rule weighs that an episode may yet recover. With *a*
the age and *h* the horizon, both in scales of the episode, F and S the distribution function and
the survival function of the time to failure (index f) or to recovery (index r), and q the share
of the episodes that end in a failure:

    P(fails within h) = q (F_f(a + h) − F_f(a)) / (q S_f(a) + (1 − q) S_r(a))

An episode that has yet to begin may also fail within the horizon: beginnings are a Poisson process,
thinned by the probability of failing in what is left of the horizon. The processes run
independently of each other up to the first failure, so their chances of survival multiply.
"""

import numpy as np

from rnnd.daemon.simulator.world import PROCESSES, REFRACTORY, Floats, Process, World


def failure_probability(world: World, times: Floats, horizon: float) -> Floats:
    """Return P(a failure begins in (t, t + horizon] | the hidden state at t) for every t."""
    left = horizon - waiting(world, times)  # of the horizon, when something new may begin
    survival = np.ones(len(times))
    for process in PROCESSES:
        age, scale = world.under_way(process.kind, times)
        alive = ~np.isnan(age)
        survival *= np.where(
            alive,
            1 - _fails(process, np.nan_to_num(age) / scale, horizon / scale),
            nothing_new(world, process, times, left),
        )
    return 1 - survival


def _fails(process: Process, age: Floats, horizon: Floats) -> Floats:
    """Return the chance that an episode of this *age* fails within *horizon*, both in scales."""
    now = process.to_failure.survival(age)
    recovering = process.to_recovery.survival(age)
    possible = process.fatal * now + (1 - process.fatal) * recovering
    failing = process.fatal * (now - process.to_failure.survival(age + horizon))
    return np.asarray(failing / np.maximum(possible, 1e-300))


def nothing_new(world: World, process: Process, times: Floats, left: Floats) -> Floats:
    """Return the chance that no episode begins and fails within what is *left* of the horizon."""
    longest = max(float(left.max(initial=0.0)), 1.0)
    grid = np.linspace(0.0, longest, 241)
    spread = process.spread * np.array([-1.5, -0.9, -0.5, -0.2, 0.2, 0.5, 0.9, 1.5])
    scales = process.scale * np.exp(spread)
    within = 1 - process.to_failure.survival(grid[:, None] / scales).mean(axis=1)
    middles = (within[1:] + within[:-1]) / 2 * np.diff(grid)
    expected = world.rate(process) * process.fatal * np.concatenate([[0.0], np.cumsum(middles)])
    load = world.load(times) if process.with_load else 1.0
    return np.asarray(np.exp(-load * np.interp(np.maximum(left, 0.0), grid, expected)))


def waiting(world: World, times: Floats) -> Floats:
    """Return the seconds, from each time, until something new may begin again."""
    if not world.failures:
        return np.zeros(len(times))
    start = np.array([failure.start for failure in world.failures])
    index = np.searchsorted(start, times, side="right") - 1
    left = start[index] + REFRACTORY - times
    return np.where(index < 0, 0.0, np.maximum(left, 0.0))
