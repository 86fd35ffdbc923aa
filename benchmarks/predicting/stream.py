"""The ticks that every predictor sees: read from a log once, by the daemon's own pipeline."""

import gzip
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.config.schema import AppSettings, Rule
from rnnd.daemon.backtesting.replay import Replay
from rnnd.daemon.prediction.incidents import merge_incidents, read_incidents
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.rnn.learner import Forecast

DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[3] / "shared" / "data"))
DAY = 86400.0
HPC_SCORED_FROM = 1088640000.0  # 2004-07-01
BGL_TICK = 200  # lines

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stream:
    """The ticks of one log and what began in them."""

    vector: NDArray[np.float16]  # (N, D)
    onset: Bools  # (N, E) of red, of orange or worse
    immune: NDArray[np.int64]  # (N, E) ticks that can hold no onset
    groups: NDArray[np.int64]  # (D,) the sort of each feature
    names: NDArray[np.str_]  # (D,)
    horizons: NDArray[np.int64]  # in ticks, the alarm's first
    tick: float  # s
    refit: int  # ticks between two fits of the peers
    start: int  # the first tick that is scored
    allowed: float  # false alarms a day, at which predicted failures are counted
    oracle: Floats  # (N,) or empty

    @property
    def horizon(self) -> int:
        """The alarm's horizon in ticks."""
        return int(self.horizons[0])

    @property
    def failures(self) -> Bools:
        """Whether a failure begins in each tick."""
        return np.asarray(self.onset[:, 0])

    @property
    def outcome(self) -> Bools:
        """Whether a failure begins within the horizon after each tick."""
        total = np.concatenate([[0], np.cumsum(self.failures)])
        later = np.minimum(np.arange(len(self.onset)) + 1 + self.horizon, len(self.onset))
        return np.asarray(total[later] > total[1:])

    @property
    def possible(self) -> Bools:
        """Whether one could, or would be merged into the failure before."""
        return np.asarray(self.immune[:, 0] < self.horizon)


class Recorder:
    """Stands in the forecaster's place and writes down what it would have seen."""

    def __init__(self, horizons: int) -> None:
        self._silence = Forecast(np.zeros((2, horizons)), 0.0)
        self.seen: list[tuple[NDArray[Any], Bools, NDArray[np.int64]]] = []

    def step(self, x: NDArray[Any], onset: Bools, immune: NDArray[np.int64]) -> Forecast:
        """Take note of a tick."""
        self.seen.append((x.astype(np.float16), onset, immune))
        return self._silence


def record(
    app: AppSettings, incidents: Sequence[float] | None, start: float, allowed: float, refit: float
) -> Stream:
    """Return the ticks of the logs, scored from *start*; peers are refitted every *refit* s."""
    pipeline = AppPipeline(app, incidents=incidents)
    recorder = Recorder(len(pipeline.horizons))
    setattr(pipeline, "forecaster", recorder)  # noqa: B010  it is no Forecaster, but steps like one
    times = np.array([p.time for p in Replay(pipeline, app.logs).predictions()])
    vector, onset, immune = (np.array(column) for column in zip(*recorder.seen, strict=True))
    return Stream(
        vector, onset, immune, pipeline.feature_groups,
        np.array(pipeline.feature_names), np.array(pipeline.horizons), app.tick,
        round(refit / app.tick), int(np.searchsorted(times, start)), allowed, np.zeros(0),
    )  # fmt: skip


def simulated(seed: int, days: int = 20, *, order: bool = False) -> Stream:
    """Return a simulated application, scored on the last 40 %."""
    simulator = Simulator(seed, days)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.log"
        with path.open("wb") as file:
            file.writelines(stretch.data for stretch in simulator.stretches())
        app = AppSettings(
            name="app", logs=(str(path),), red=Rule(severity="critical"), timezone="UTC",
            order=order,
        )  # fmt: skip
        stream = record(app, None, simulator.start + 0.6 * days * DAY, 1.0, DAY)
    oracle = simulator.oracle(app.tick, app.horizon)[: len(stream.onset)]
    return replaced(stream, oracle=oracle)


def hpc(kind: str, *, order: bool = False) -> Stream:
    """Return the incidents of one *kind* in LANL's System 20."""
    text = (DATA / "hpc" / "incidents.csv").read_text()
    header, *rows = text.splitlines(keepends=True)
    incidents = read_incidents(header + "".join(r for r in rows if r.startswith(kind)), kind)
    app = AppSettings(
        name="hpc", logs=(str(DATA / "hpc" / "hpc.log.gz"),), tick=300.0, horizon=3600.0,
        more_horizons=(), merge=3600.0, order=order,
    )  # fmt: skip
    return record(app, merge_incidents(incidents, app.merge), HPC_SCORED_FROM, 0.5, 30 * DAY)


def blue_gene(*, order: bool = False) -> Stream:
    """Return Blue Gene/L as a log: an event a line, a tick every 200, its alerts as incidents.

    There are no times, so a tick is called 10 s, and a day 8,640 ticks. Scored on the last 60 %.
    """
    seconds = 10.0
    letters = str.maketrans("0123456789", "abcdefghij")  # numbers would be masked
    alerts: set[int] = set()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bgl.log"
        with gzip.open(DATA / "bgl" / "events.txt.gz", "rt") as events, path.open("w") as file:
            for number, line in enumerate(events):
                label, event = line.split()
                if label == "A":
                    alerts.add(number // BGL_TICK)
                time = 1_600_000_000 + seconds * (number // BGL_TICK)
                file.write(f"{time:.0f} event {event.translate(letters)}\n")
        ticks = [1_600_000_000 + seconds * (alert + 0.5) for alert in sorted(alerts)]
        app = AppSettings(
            name="bgl", logs=(str(path),), tick=seconds, horizon=10 * seconds,
            more_horizons=(), merge=10 * seconds, order=order,
        )  # fmt: skip
        incidents = merge_incidents([(time, time) for time in ticks], app.merge)
        start = 1_600_000_000 + 0.4 * seconds * number / BGL_TICK
        return record(app, incidents, start, DAY / seconds / 1000, 500 * seconds)


def replaced(stream: Stream, **changes: Any) -> Stream:
    """Return *stream* with some of its fields changed."""
    return Stream(**({f.name: getattr(stream, f.name) for f in fields(Stream)} | changes))


def kept(folder: Path | None, name: str, make: Callable[[], Stream]) -> Stream:
    """Return the stream *name*, from the *folder* if it was kept there, and else made and kept."""
    path = folder / f"{name}.npz" if folder else None
    if path and path.exists():
        with np.load(path) as saved:
            columns = {field.name: saved[field.name] for field in fields(Stream)}
        for single in ("tick", "refit", "start", "allowed"):
            columns[single] = columns[single].item()
        return Stream(**columns)
    stream = make()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{f.name: getattr(stream, f.name) for f in fields(Stream)})
    return stream
