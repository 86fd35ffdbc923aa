"""rnnd's predictions beside what people use, on the same ticks: simulated failures and a real log.

    python benchmarks/prediction.py [--seeds 1 2 3] [--days 20] [--skip-peers] [--skip-real]

The simulated application (docs/simulator.md) fails about six times a day, in eight ways; one gives
no sign, and precursors may recover, so that even the *oracle*, which sees the hidden state,
predicts only some. rnnd runs prequentially over all days, through the daemon's own pipeline;
everybody is scored on the last 40 %. The peers see the same tick vectors, standardised and clipped,
and are fitted anew every day (on the real log every 30) on all that came before; logistic
regression's penalty is chosen on the newest fifth of that. *ERROR rate* is the number of lines of
severity error in the last five minutes.

For every predictor the threshold that gives one false alarm a day is sought afterwards, by the rule
of alarms that the daemon follows; `budget kept` is what rnnd's own policy, which cannot look into
the future, made of a budget of one a day.

The real log is LANL's System 20 (LogHub "HPC"), sought in $RNND_DATA, else in ../shared/data: ticks
of 5 minutes, horizon 1 hour, incidents merged at 1 hour, scored from July 2004 on.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from rnnd.config.schema import AppSettings
from rnnd.daemon.backtest import Replay
from rnnd.daemon.incidents import merge_incidents, read_incidents
from rnnd.daemon.pipeline import AppPipeline
from rnnd.daemon.scoring import AlarmRecord, average_precision, calibration_error
from rnnd.daemon.simulator.simulator import Simulator

DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))
DAY = 86400.0
SCORED_FROM = 1088640000.0  # 2004-07-01, on the real log

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """What a replay gave, tick by tick."""

    app: AppSettings
    time: Floats  # s, the end of each tick
    vector: NDArray[np.float32]
    onset: NDArray[np.bool_]
    red: Floats  # rnnd's probability for the alarm's horizon
    alarms: int
    false_alarms: int
    seconds: float
    names: tuple[str, ...]

    @property
    def horizon(self) -> int:
        """The alarm's horizon in ticks."""
        return round(self.app.horizon / self.app.tick)

    def outcome(self) -> NDArray[np.bool_]:
        """Return whether a failure begins within the horizon after each tick."""
        total = np.concatenate([[0], np.cumsum(self.onset)])
        later = np.minimum(np.arange(len(self.onset)) + 1 + self.horizon, len(self.onset))
        return np.asarray(total[later] > total[1:])


def replay(app: AppSettings, incidents: Sequence[float] | None, start: float) -> Run:
    """Return the ticks of the app's logs and what rnnd said; alarms are counted from *start*."""
    pipeline = AppPipeline(app, incidents=incidents)
    predictions, vectors = [], []
    began = time.process_time()
    alarms = false = 0
    for prediction in Replay(pipeline, app.logs).predictions():
        horizons = list(prediction.probabilities.values())
        predictions.append((prediction.time, prediction.onset, horizons[0][2]))
        vectors.append(prediction.tick.vector.astype(np.float16))
        if prediction.time >= start:
            alarms += prediction.outcomes.alarms
            false += prediction.outcomes.false
    times, onsets, red = (np.array(column) for column in zip(*predictions, strict=True))
    return Run(
        app, times, np.array(vectors), onsets.astype(bool), red, alarms, false,
        time.process_time() - began, pipeline.codec.feature_names,
    )  # fmt: skip


def alarms_at(
    probability: Floats, threshold: float, onset: NDArray[np.bool_], horizon: int
) -> AlarmRecord:
    """Return what the rule of alarms makes of a fixed *threshold*."""
    record = AlarmRecord(horizon)
    last = hold = -(2**62)
    was_red = False
    above = (probability >= threshold).tolist()
    for tick, began in enumerate(onset.tolist()):
        if began:
            hold = tick
        red = above[tick] or tick < hold
        alarm = red and (not was_red or tick >= last + horizon)
        if alarm:
            last, hold = tick, tick + horizon
        record.note(tick, began, alarm)
        was_red = red
    return record


def best_within(
    probability: Floats, onset: NDArray[np.bool_], horizon: int, allowed: float
) -> AlarmRecord:
    """Return the alarms at the lowest threshold with at most *allowed* false ones, by bisection."""
    candidates = np.unique(np.quantile(probability, 1 - np.geomspace(1e-5, 0.5, 300)))
    low, high = 0, len(candidates) - 1
    best = alarms_at(probability, np.inf, onset, horizon)
    while low <= high:
        middle = (low + high) // 2
        record = alarms_at(probability, float(candidates[middle]), onset, horizon)
        if record.false <= allowed:
            best, high = record, middle - 1
        else:
            low = middle + 1
    return best


def score(name: str, probability: Floats, run: Run, start: float, a_day: float = 1.0) -> None:
    """Print a line of the table: how good *probability* was from *start* on."""
    scored = run.time > start
    p, onset = probability[scored], run.onset[scored]
    outcome = run.outcome()[scored]
    days = scored.sum() * run.app.tick / DAY
    record = best_within(p, onset, run.horizon, a_day * days)
    rate = outcome.mean()
    skill = 1 - np.mean((p - outcome) ** 2) / (rate * (1 - rate))
    lead = np.median(record.leads) * run.app.tick / 60 if record.leads else 0.0
    print(
        f"{name:32}{record.predicted / max(1, record.failures):10.2f}"
        f"{average_precision(p, outcome):10.3f}{skill:+10.3f}"
        f"{calibration_error(p, outcome):10.3f}{lead:8.1f}",
        flush=True,
    )


def error_rate(run: Run) -> Floats:
    """Return the lines of severity error or worse in the last five minutes, scaled to 0 to 1."""
    mean = np.zeros(len(run.time))
    for severity in ("error", "critical"):
        mean += run.vector[:, run.names.index(f"severity {severity}, mean of 5m")]
    return np.asarray(mean / (mean.max() + 1))


def peers(run: Run, start: float, refit: float) -> dict[str, Floats]:
    """Return what the peers say, fitted anew every *refit* s on all that came before."""
    outcome = run.outcome()
    names = ("logistic regression", "LightGBM", "their log-odds averaged")
    said = {name: np.full(len(outcome), outcome[run.time <= start].mean()) for name in names}
    rng = np.random.default_rng(0)
    step = round(refit / run.app.tick)
    for begin in range(int(np.searchsorted(run.time, start)), len(outcome), step):
        known = np.arange(begin - run.horizon)
        kept = known[outcome[known] | (rng.random(len(known)) < 1 / 8)]
        weight = np.where(outcome[kept], 1.0, 8.0)
        mean = run.vector[known].mean(0, np.float32)
        deviation = run.vector[known].std(0, np.float32) + 1e-3
        ahead = slice(begin, begin + step)
        x = np.clip((run.vector[kept] - mean) / deviation, -4, 4)
        logistic = fit_logistic(x, outcome[kept], weight)
        trees = lightgbm.LGBMClassifier(
            n_estimators=150, num_leaves=15, learning_rate=0.05, min_child_samples=100,
            subsample=0.6, subsample_freq=1, colsample_bytree=0.4, reg_lambda=10,
            verbose=-1, n_jobs=1,
        ).fit(x, outcome[kept], sample_weight=weight)  # fmt: skip
        rows = np.clip((run.vector[ahead] - mean) / deviation, -4, 4)
        p = [np.clip(m.predict_proba(rows)[:, 1], 1e-6, 1 - 1e-6) for m in (logistic, trees)]
        odds = [np.log(q / (1 - q)) for q in p]
        p.append(1 / (1 + np.exp(-(odds[0] + odds[1]) / 2)))
        for name, values in zip(names, p, strict=True):
            said[name][ahead] = values
    return said


def fit_logistic(x: Floats, outcome: NDArray[np.bool_], weight: Floats) -> LogisticRegression:
    """Return a logistic regression whose penalty does best on the newest fifth."""
    cut = len(x) * 4 // 5
    best, least = 1e-3, np.inf
    for penalty in (1e-4, 1e-3, 1e-2):
        trial = LogisticRegression(C=penalty, max_iter=200)
        trial.fit(x[:cut], outcome[:cut], sample_weight=weight[:cut])
        p = trial.predict_proba(x[cut:])[:, 1]
        loss = float(np.average((p - outcome[cut:]) ** 2, weights=weight[cut:]))
        if loss < least:
            best, least = penalty, loss
    return LogisticRegression(C=best, max_iter=200).fit(x, outcome, sample_weight=weight)


def heading(title: str) -> None:
    """Print the head of a table."""
    print(f"\n{title}\n{'':32}{'predicted':>10}{'AP':>10}{'skill':>10}{'calibr.':>10}{'lead':>8}")


def simulated(seed: int, days: int, with_peers: bool) -> None:
    """Print the table of one simulated application."""
    simulator = Simulator(seed, days)
    start = simulator.start + 0.6 * days * DAY
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.log"
        with path.open("wb") as file:
            file.writelines(stretch.data for stretch in simulator.stretches())
        run = replay(AppSettings(name="app", logs=(str(path),)), None, start)
    heading(f"simulator, seed {seed}, {days} days, horizon 10 min, at 1 false alarm a day")
    first = round((run.time[0] - simulator.start) / run.app.tick) - 1
    oracle = simulator.oracle(run.app.tick, run.app.horizon)[first : first + len(run.time)]
    score("oracle", oracle, run, start)
    table(run, start, with_peers, a_day=1.0, refit=DAY)


def real(kind: str, with_peers: bool) -> None:
    """Print the table of the incidents of one *kind* in the real log."""
    text = (DATA / "hpc" / "incidents.csv").read_text()
    header, *rows = text.splitlines(keepends=True)
    incidents = read_incidents(header + "".join(r for r in rows if r.startswith(kind)), kind)
    app = AppSettings(
        name="hpc", logs=(str(DATA / "hpc" / "hpc.log.gz"),), tick=300.0, horizon=3600.0,
        more_horizons=(), merge=3600.0, alarm_budget=0.5 / DAY,
    )  # fmt: skip
    run = replay(app, merge_incidents(incidents, app.merge), SCORED_FROM)
    heading(f"LANL HPC, {kind}, horizon 1 h, at 0.5 false alarms a day")
    table(run, SCORED_FROM, with_peers, a_day=0.5, refit=30 * DAY)


def table(run: Run, start: float, with_peers: bool, a_day: float, refit: float) -> None:
    """Print the lines that all tables share."""
    known = run.outcome()[run.time <= start]
    score("base rate", np.full(len(run.time), known.mean()), run, start, a_day)
    score("ERROR rate above a threshold", error_rate(run), run, start, a_day)
    if with_peers:
        for name, probability in peers(run, start, refit).items():
            score(name, probability, run, start, a_day)
    score("rnnd", run.red, run, start, a_day)
    days = (run.time > start).sum() * run.app.tick / DAY
    print(
        f"budget kept: {run.false_alarms / days:.2f} false alarms a day of {a_day:g} allowed;"
        f" {len(run.time):,} ticks in {run.seconds:.0f} s of one core"
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--skip-peers", action="store_true", help="they take the most time")
    parser.add_argument("--skip-real", action="store_true")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        simulated(seed, arguments.days, not arguments.skip_peers)
    if arguments.skip_real:
        return
    if not (DATA / "hpc").is_dir():
        print(f"\nLANL HPC: no data in {DATA}, skipped")
        return
    for kind in ("fs_no_server", "node_not_responding"):
        real(kind, not arguments.skip_peers)


if __name__ == "__main__":
    main()
