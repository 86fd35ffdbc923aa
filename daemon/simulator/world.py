"""The hidden life of the simulated application: how its failures come about.

A failure has a *process* behind it. An episode of a process begins at random, goes on for a while,
and ends either in a failure or in a recovery. Nobody who reads the log is told which: not even the
oracle, who knows what is going on and for how long, but not how it will end. So a perfect
prediction is impossible, and the best possible one can be computed.

An episode has a scale (how fast it grows, which numbers in the log show), and its length is the
scale times a Weibull number. Growth is read as *progress*: age over scale, about 1 when it fails.
A failure restarts the application and so ends every other episode too; for a while nothing begins.
"""

import heapq
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MINUTE = 60.0
DAY = 86400.0
MOST_LOAD = 3.0
REFRACTORY = 20 * MINUTE  # after a failure nothing new begins for as long


@dataclass(frozen=True, slots=True)
class Weibull:
    """A positive random number of the given scale; the larger the shape, the less it varies."""

    scale: float
    shape: float

    def survival(self, x: Floats) -> Floats:
        """Return the probability that the number is larger than each *x*."""
        return np.asarray(np.exp(-((np.maximum(x, 0.0) / self.scale) ** self.shape)))

    def draw(self, random: np.random.Generator) -> float:
        """Return such a number."""
        return self.scale * float(random.weibull(self.shape))


@dataclass(frozen=True, slots=True)
class Process:
    """One way to fail: how often it begins, how long it takes, how it may end."""

    kind: str
    failures_a_day: float  # episodes that would end in a failure, if no other came first
    fatal: float  # the share of the episodes that end in one
    scale: float  # s; the median over the episodes
    spread: float  # of the scale's logarithm
    to_failure: Weibull  # in scales
    to_recovery: Weibull  # in scales
    fade: float = 0.0  # s until a recovered one shows no more
    with_load: bool = False  # begins in proportion to the load


PROCESSES = (
    # growing numbers
    Process("latency", 0.9, 0.65, 20 * MINUTE, 0.25, Weibull(1.0, 8), Weibull(0.4, 2), 180, True),
    Process("heap", 0.9, 0.65, 25 * MINUTE, 0.25, Weibull(1.0, 10), Weibull(0.4, 2)),
    Process("disk", 0.9, 0.65, 35 * MINUTE, 0.25, Weibull(1.0, 14), Weibull(0.45, 2), 60),
    # more of a harmless line
    Process("retries", 0.9, 0.65, 16 * MINUTE, 0.25, Weibull(1.0, 7), Weibull(0.4, 2), 120, True),
    Process("queue", 0.9, 0.65, 14 * MINUTE, 0.25, Weibull(1.0, 7), Weibull(0.4, 2), 180, True),
    # a line that stops coming
    Process("heartbeat", 0.9, 0.6, 7.5 * MINUTE, 0.0, Weibull(1.0, 4), Weibull(0.25, 1.5)),
    # the order of lines
    Process("order", 0.65, 0.6, 8 * MINUTE, 0.0, Weibull(1.0, 4), Weibull(0.3, 1.5)),
    # nothing at all
    Process("sudden", 0.75, 1.0, 0.001, 0.0, Weibull(1.0, 1), Weibull(1.0, 1)),
)
KINDS = tuple(process.kind for process in PROCESSES)


@dataclass(frozen=True, slots=True)
class Episode:
    """What is going on from *start* to *end*, in seconds since the world began."""

    kind: str
    start: float
    end: float
    scale: float
    fades: bool  # it recovered by itself, and not because the application was restarted


@dataclass(frozen=True, slots=True)
class Failure:
    """A true failure: from its first critical line to the end of the restart."""

    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class World:
    """All that happens in *days* days, decided beforehand by the *seed* and told to no reader."""

    seed: int
    days: int
    weekday: int = 0  # of the first day; 0 is Monday
    frequency: float = 1.0  # of episodes, beside the usual
    episodes: tuple[Episode, ...] = field(init=False)
    failures: tuple[Failure, ...] = field(init=False)
    deployments: Floats = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng([self.seed, 0])
        episodes, failures = self._happen(random)
        hours = random.uniform(9, 18, (random.random(self.days) < 0.7).sum())
        days = random.choice(self.days, size=len(hours), replace=False)
        object.__setattr__(self, "episodes", episodes)
        object.__setattr__(self, "failures", failures)
        object.__setattr__(self, "deployments", np.sort(days * DAY + hours * 3600.0))

    def rate(self, process: Process) -> float:
        """Return the episodes of *process* a second, at mean load."""
        return self.frequency * process.failures_a_day / process.fatal / DAY

    @property
    def seconds(self) -> float:
        """How long the world lasts."""
        return self.days * DAY

    def _happen(
        self, random: np.random.Generator
    ) -> tuple[tuple[Episode, ...], tuple[Failure, ...]]:
        """Draw every episode and failure, in order of time."""
        begun: dict[str, Episode] = {}
        outcome: dict[str, bool] = {}
        done: list[Episode] = []
        failures: list[Failure] = []
        ready = [(self._wait(process, random), index) for index, process in enumerate(PROCESSES)]
        heapq.heapify(ready)
        while ready[0][0] < self.seconds:
            now, index = heapq.heappop(ready)
            process = PROCESSES[index]
            if (episode := begun.pop(process.kind, None)) is None:
                episode, outcome[process.kind] = self._begin(process, now, random)
                begun[process.kind] = episode
                heapq.heappush(ready, (episode.end, index))
            elif not outcome[process.kind]:
                done.append(episode)
                heapq.heappush(ready, (now + self._wait(process, random, now), index))
            else:
                failures.append(Failure(now, now + random.uniform(120, 480), process.kind))
                cut = [_cut(other, now) for other in (episode, *begun.values())]
                done += [other for other in cut if other.start < now]
                begun.clear()
                free = now + REFRACTORY
                ready = [
                    (free + self._wait(process, random, free), index)
                    for index, process in enumerate(PROCESSES)
                ]
                heapq.heapify(ready)
        done += begun.values()
        return tuple(sorted(done, key=lambda episode: episode.start)), tuple(failures)

    def _wait(self, process: Process, random: np.random.Generator, now: float = 0.0) -> float:
        """Return the seconds from *now* to the next beginning, by thinning."""
        rate = self.rate(process) * (MOST_LOAD if process.with_load else 1.0)
        waited = 0.0
        while True:
            waited += random.exponential(1 / rate)
            if not process.with_load or now + waited >= self.seconds:
                return waited
            if random.random() * MOST_LOAD < self.load(np.array([now + waited]))[0]:
                return waited

    def _begin(
        self, process: Process, now: float, random: np.random.Generator
    ) -> tuple[Episode, bool]:
        """Return an episode that begins *now*, and whether it will end in a failure."""
        fatal = bool(random.random() < process.fatal)
        scale = process.scale * float(np.exp(process.spread * random.standard_normal()))
        length = scale * (process.to_failure if fatal else process.to_recovery).draw(random)
        end = round(now + length, 3)  # the log shows milliseconds
        return Episode(process.kind, now, end, scale, fades=not fatal), fatal

    def load(self, times: Floats) -> Floats:
        """Return the load, 1 on average: quiet nights, two humps a day, slow week-ends."""
        hour = times / 3600.0 % 24
        humps = np.exp(-(((hour - 11.5) / 3.2) ** 2)) + 1.1 * np.exp(-(((hour - 19.5) / 2.6) ** 2))
        day = (times // DAY + self.weekday) % 7
        load = (0.25 + 1.75 * humps) * np.where(day >= 5, 0.75, 1.05) / 0.97
        return np.asarray(np.clip(load * np.exp(0.15 * self.wander(0, times)), 0.0, MOST_LOAD))

    def wander(self, which: int, times: Floats) -> Floats:
        """Return a slowly changing number of mean 0, variance 1; *which* chooses one of eight."""
        frequency, phase = self._waves[which]
        return np.asarray(np.sin(np.outer(times, frequency) + phase).sum(axis=1) / np.sqrt(6))

    @cached_property
    def _waves(self) -> tuple[tuple[Floats, Floats], ...]:
        random = np.random.default_rng([self.seed, 1])
        return tuple(
            (2 * np.pi / random.uniform(1200, 30000, 12), random.uniform(0, 2 * np.pi, 12))
            for _ in range(8)
        )

    @cached_property
    def _by_kind(self) -> dict[str, tuple[Floats, Floats, Floats, Floats]]:
        table = {}
        for kind in KINDS:
            rows = [episode for episode in self.episodes if episode.kind == kind]
            columns = np.array([[e.start, e.end, e.scale, e.fades] for e in rows]).reshape(-1, 4)
            table[kind] = (columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3])
        return table

    def under_way(self, kind: str, times: Floats) -> tuple[Floats, Floats]:
        """Return the age in s of the episode of *kind* at each time (NaN: none), and its scale."""
        start, end, scale, _ = self._by_kind[kind]
        if not len(start):
            return np.full(len(times), np.nan), np.ones(len(times))
        index = np.searchsorted(start, times, side="right") - 1
        alive = (index >= 0) & (times < end[index])
        return np.where(alive, times - start[index], np.nan), scale[index]

    def progress(self, process: Process, times: Floats) -> Floats:
        """Return how far an episode of *process* has come at each time: 0 none, 1 due to fail."""
        start, end, scale, fades = self._by_kind[process.kind]
        if not len(start):
            return np.zeros(len(times))
        index = np.searchsorted(start, times, side="right") - 1
        first, last, unit = start[index], end[index], scale[index]
        growing = (times - first) / unit
        left = 1 - (times - last) / process.fade if process.fade else np.zeros(len(times))
        fading = np.where(fades[index] > 0, (last - first) / unit * np.maximum(left, 0.0), 0.0)
        return np.where(index < 0, 0.0, np.where(times < last, growing, fading))

    def down(self, times: Floats) -> NDArray[np.bool_]:
        """Return whether the application is down at each time."""
        if not self.failures:
            return np.zeros(len(times), dtype=bool)
        start = np.array([failure.start for failure in self.failures])
        end = np.array([failure.end for failure in self.failures])
        index = np.searchsorted(start, times, side="right") - 1
        return np.asarray((index >= 0) & (times < end[index]))


def _cut(episode: Episode, now: float) -> Episode:
    """Return *episode*, ended by a restart at *now*."""
    return Episode(episode.kind, episode.start, min(episode.end, now), episode.scale, fades=False)
