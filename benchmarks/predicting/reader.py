"""What the lines tell at most: the probability of a failure to a reader who knows all but episodes.

The oracle sees which episodes are under way. This reader must find out from the lines, as everybody
must, but knows everything else: the laws and rates of the processes, how each shows in the lines,
the load, the usual level of every number at every moment. So nobody who has to learn these should
do better on average. It is the Bayes filter of each process by itself, in steps of `TICK` (the
forward variable of Rabiner, "A tutorial on hidden Markov models", 1989): an episode has an age and
a scale and will end in a failure or not, or has recovered and fades; a failure ends all.

How troubles show is written here once more, as likelihoods, of what daemon/simulator/lines.py draws
at random: the two must agree. Where they do not, what the reader says is badly calibrated.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.daemon.simulator.lines import hour_of_lines
from rnnd.daemon.simulator.oracle import nothing_new, waiting
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.daemon.simulator.world import DAY, PROCESSES, Floats, Process, World

TICK = 10.0  # s
A_DAY = round(DAY / TICK)
PROGRESS = np.arange(0, 1.8, 0.01)  # what is told apart
DEVIATIONS = np.linspace(-2.4, 2.4, 33)  # of an episode's scale
LONGEST = 1.45  # scales that an episode may last
ENDINGS = np.linspace(0, 1.8, 19)  # progress at which one recovers, told apart while it fades
SURE = 50.0  # log-odds, beyond which nothing is believed
NEGLIGIBLE = 1e-12

LINES = {
    "request": re.compile(r"shop\.web\.Access - .* (\d+) ms user="),
    "statement": re.compile(r"SlowLog - statement \S+ took ([\d.]+) s"),
    "heap": re.compile(r"collection done, heap (\d+)% used"),
    "disk": re.compile(r"shop\.store\.Volume - .*, ([\d.]+) GB free"),
    "retry": re.compile(r"retrying (a)uthorisation"),
    "behind": re.compile(r"(m)essages behind"),
    "heartbeat": re.compile(r"heartbeat (o)k"),
    "lock": re.compile(r"shop\.db\.Transaction - (\d+ locked table \w+)"),
}

Seen = dict[str, tuple[Floats, Any]]  # of each sort of line its times and what it says
Likelihood = Callable[[World, Seen, range], Floats]  # as a logarithm, (ticks, PROGRESS)


def failure_probabilities(
    simulator: Simulator, horizon: float, unread: str
) -> tuple[Floats, Floats]:
    """Return P(a failure begins within *horizon* s) after each tick, (N,), knowing only lines.

    The second is that of a reader who does not read what tells of the kind *unread*.
    """
    world, count = simulator.world, simulator.days * A_DAY
    ends = (np.arange(count) + 1) * TICK
    seen = _read(world, simulator.hours)
    survival, unaware = np.ones(count), np.ones(count)
    for process in PROCESSES:
        new = 1 - nothing_new(world, process, ends, horizon - waiting(world, ends))
        said = new
        if process.kind in LIKELIHOODS:
            said = _filtered(world, process, _likelihood(world, process, seen), new, horizon)
        survival *= 1 - said
        unaware *= 1 - (new if process.kind == unread else said)
    return 1 - survival, 1 - unaware


def _likelihood(world: World, process: Process, seen: Seen) -> NDArray[np.float32]:
    """Return the likelihood of each progress of *process* in all ticks, day by day."""
    days = (range(day * A_DAY, (day + 1) * A_DAY) for day in range(world.days))
    likelihood = LIKELIHOODS[process.kind]
    return np.concatenate(
        [likelihood(world, _between(seen, ticks), ticks).astype(np.float32) for ticks in days]
    )


def _read(world: World, hours: int) -> Seen:
    """Return what all lines say."""
    rows: dict[str, list[tuple[float, str]]] = {sort: [] for sort in LINES}
    for hour in range(hours):
        for time, line in zip(*hour_of_lines(world, hour), strict=True):
            for sort, pattern in LINES.items():
                if found := pattern.search(line):
                    rows[sort].append((time, found[1]))
                    break
    return {
        sort: (np.array([time for time, _ in said]), [text for _, text in said])
        for sort, said in rows.items()
    }


def _between(seen: Seen, ticks: range) -> Seen:
    """Return what the lines in these *ticks* say."""
    part: Seen = {}
    for sort, (times, said) in seen.items():
        begin, end = np.searchsorted(times, [ticks.start * TICK, ticks.stop * TICK]).tolist()
        part[sort] = times[begin:end], said[begin:end]
    return part


def _normal(ticks: range, times: Floats, values: Floats, mean: Floats, deviation: Any) -> Floats:
    """Return how probable *values* were at *times*: normal about a *mean* for each progress."""
    error = (values[:, None] - mean) / deviation
    rows = -(error**2) / 2 - np.log(deviation)
    total = np.zeros((len(ticks), len(PROGRESS)))
    np.add.at(total, _tick(times, ticks), rows - rows[:, :1])
    return total


def _tick(times: Floats, ticks: range) -> NDArray[np.int64]:
    """Return which of the *ticks* each time is in."""
    return np.asarray(times // TICK, int) - ticks.start


def _middles(ticks: range) -> Floats:
    return (np.array(ticks) + 0.5) * TICK


def _latency(world: World, seen: Seen, ticks: range) -> Floats:
    times, took = seen["request"]
    usual = 38 * (0.8 + 0.25 * world.load(times))
    slower = 1 + 6 * PROGRESS**2 + 0.15 * world.wander(1, times)[:, None]
    values = np.log((np.array(took, float) + 0.5) / usual)
    requests = _normal(ticks, times, values, np.log(np.maximum(slower, 0.5)), 0.6)
    times, took = seen["statement"]
    values = np.log(np.array(took, float) * 1000) - 5.6
    return requests + _normal(ticks, times, values, np.log(1 + 2 * PROGRESS), 0.5)


def _heap(world: World, seen: Seen, ticks: range) -> Floats:
    times, used = seen["heap"]
    usual = 44 + 6 * world.wander(2, times)[:, None]
    grown = np.minimum(PROGRESS, 1.1) ** 1.5
    deviation = np.sqrt((3 * (1 - grown)) ** 2 + 1 / 12)  # a whole per cent
    mean = usual + (94 - usual) * grown
    return _normal(ticks, times, np.array(used, float) + 0.5, mean, deviation)


def _disk(world: World, seen: Seen, ticks: range) -> Floats:
    times, free = seen["disk"]
    usual = 52 + 22 * ((times / 3600 - 3) % 24) / 24 + 3 * world.wander(3, times)
    mean = usual[:, None] + (97 - usual[:, None]) * PROGRESS
    # It shows progress to a hundredth, which is as finely as ages and scales are told apart.
    return _normal(ticks, times, 100 - np.array(free, float) / 4, np.clip(mean, 1, 99), 0.4)


def _more(sort: str, a_minute: float, which: int) -> Likelihood:
    """Return the likelihood where a line comes up to twenty times as often."""

    def likelihood(world: World, seen: Seen, ticks: range) -> Floats:
        middles = _middles(ticks)
        usual = a_minute * TICK / 60 * np.exp(0.3 * world.wander(which, middles))
        came = np.bincount(_tick(seen[sort][0], ticks), minlength=len(ticks))
        times = 1 + 20 * PROGRESS**2
        said: Floats = came[:, None] * np.log(times) - usual[:, None] * (times - 1)
        said[world.down(middles)] = 0
        return said

    return likelihood


def _order(world: World, seen: Seen, ticks: range) -> Floats:
    times, texts = seen["lock"]
    begun: set[str] = set()
    first = []  # of the two locks of a transaction, which tells
    for text in texts:
        number = text.split()[0]
        first.append(number not in begun)
        begun ^= {number}
    wrong = np.array([text.endswith("stock") for text in texts])[first]
    said = np.where(wrong, np.log(0.74 / 0.04), np.log(0.26 / 0.96))
    return _whenever(_tick(times[first], ticks), said, ticks)


def _heartbeat(world: World, seen: Seen, ticks: range) -> Floats:
    every, jitter = 15.0, 1.5
    due = np.arange(ticks.start * TICK + every / 2, ticks.stop * TICK, every)
    came = np.zeros(len(due), bool)
    came[np.round((seen["heartbeat"][0] - due[0]) / every).astype(int)] = True
    newest = np.searchsorted(world.deployments, due + jitter) - 1
    deployed = due - np.append(world.deployments, -np.inf)[newest] < 75 + jitter
    said = np.where(came, -SURE, np.where(world.down(due) | deployed, 0.0, SURE / 4))
    return _whenever(np.minimum(_tick(due + jitter, ticks), len(ticks) - 1), said, ticks)


def _whenever(tick: NDArray[np.int64], said: Floats, ticks: range) -> Floats:
    """Return what is *said* in each tick as the likelihood of any progress but none."""
    return np.bincount(tick, said, len(ticks))[:, None] * (PROGRESS > 0)


LIKELIHOODS: dict[str, Likelihood] = {
    "latency": _latency,
    "heap": _heap,
    "disk": _disk,
    "retries": _more("retry", 1.2, 4),
    "queue": _more("behind", 0.7, 5),
    "heartbeat": _heartbeat,
    "order": _order,
}


class _Episodes:
    """The tables of one process: of episodes by age (A,) and scale (S,), and of fading ones."""

    def __init__(self, process: Process, horizon: float) -> None:
        z = DEVIATIONS if process.spread else np.zeros(1)
        self.chances = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
        scales = process.scale * np.exp(process.spread * z)
        ages = (np.arange(int(LONGEST * scales.max() / TICK) + 2)[:, None] + 0.5) * TICK
        age, after = ages / scales, (ages + TICK) / scales
        laws = process.to_failure, process.to_recovery
        self.lives = np.array(
            [law.survival(after) / np.maximum(law.survival(age), 1e-300) for law in laws]
        )  # (2, A, S): the chance of being there a tick later
        left = laws[0].survival((ages + horizon) / scales)
        self.fails = 1 - left / np.maximum(laws[0].survival(age), 1e-300)  # (A, S)
        middle = np.maximum(ages - TICK / 2, 0) / scales
        self.progress = _nearest(PROGRESS, np.maximum(middle, PROGRESS[1]))  # (A, S)
        self.ending = _nearest(ENDINGS, age)  # (A, S)
        fading = (np.arange(int(process.fade / TICK)) + 0.5)[:, None] * TICK
        self.fading = _nearest(PROGRESS, ENDINGS * (1 - fading / (process.fade or 1)))  # (F, E)


def _nearest(grid: Floats, values: Floats) -> NDArray[np.int64]:
    """Return which number of the even *grid*, that begins at 0, is nearest to each value."""
    return np.minimum(np.round(values / grid[1]), len(grid) - 1).astype(int)


def _filtered(
    world: World, process: Process, likelihood: Floats, new: Floats, horizon: float
) -> Floats:
    """Return P(an episode of *process* fails within *horizon*), after each tick, (N,).

    *likelihood*: (N, PROGRESS); *new*, (N,): P(one that has yet to begin does).
    """
    tables, count = _Episodes(process, horizon), len(likelihood)
    ends = (np.arange(count) + 1) * TICK
    load = world.load(ends - TICK / 2) if process.with_load else np.ones(count)
    begins = np.where(waiting(world, ends) > 0, 0, 1 - np.exp(-world.rate(process) * TICK * load))
    restarts = {int(failure.start // TICK) for failure in world.failures}
    outcome = np.array([process.fatal, 1 - process.fatal])[:, None] * tables.chances
    episodes = np.zeros((2, *tables.fails.shape))  # by outcome, age and scale
    fading = np.zeros(tables.fading.shape)
    none, oldest, said = 1.0, 0, np.zeros(count)
    for tick in range(count):
        if tick in restarts:
            none, episodes[:], fading[:] = 1.0, 0.0, 0.0
        elif begins[tick] or none < 1:
            old, new_age = slice(oldest), slice(1, oldest + 1)
            over = episodes[1, old] * (1 - tables.lives[1, old])
            episodes[:, new_age] = episodes[:, old] * tables.lives[:, old]
            episodes[:, 0] = none * begins[tick] * outcome
            none *= 1 - begins[tick]
            if len(fading):
                none += fading[-1].sum()
                fading[1:] = fading[:-1].copy()
                fading[0] = np.bincount(tables.ending[old].ravel(), over.ravel(), len(ENDINGS))
            else:
                none += over.sum()
            oldest = min(oldest + 1, len(tables.fails) - 1)
            alive = episodes[:, :oldest]
            odds = np.exp(np.maximum(likelihood[tick] - likelihood[tick].max(), -SURE))
            none *= odds[0]
            alive *= odds[tables.progress[:oldest]]
            fading *= odds[tables.fading]
            total = none + alive.sum() + fading.sum()
            none /= total
            alive /= total
            fading /= total
            while oldest and episodes[:, oldest - 1].sum() < NEGLIGIBLE:
                oldest -= 1
                episodes[:, oldest] = 0
        failing = episodes[0, :oldest] * tables.fails[:oldest]
        said[tick] = failing.sum() + (none + fading.sum()) * new[tick]
    return said
