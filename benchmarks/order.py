"""What reading the order of lines brings, and what it costs: the same logs with and without.

    python benchmarks/order.py [--seeds 1 2 3] [--days 20] [--skip-real] [--only-speed]

The simulated application fails in eight ways (docs/simulator.md); one, *order*, is told by nothing
but two harmless lines changing places. Both rows of a table are rnnd, prequential, through the
daemon's pipeline, scored as in `prediction.py`: on the last 40 % of the days, at the threshold that
gives one false alarm a day. The last columns are the failures predicted by kind; all seeds together
are summed at the end, for failures of one kind are few.

The real log is LANL's System 20, as in `prediction.py`. Speed is that of the whole pipeline on the
raw log of HDFS, with ticks of 10 s.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from prediction import DATA, DAY, SCORED_FROM, Floats, alarms_at, best_within

from rnnd.config.schema import AppSettings, Rule
from rnnd.daemon.backtest import Replay
from rnnd.daemon.files import open_log
from rnnd.daemon.incidents import merge_incidents, read_incidents
from rnnd.daemon.pipeline import AppPipeline
from rnnd.daemon.scoring import average_precision, calibration_error
from rnnd.daemon.simulator.simulator import Simulator

HDFS = DATA / "hdfs" / "hdfs_2pct.log.gz"


def outcomes(onset: np.ndarray, horizon: int) -> np.ndarray:
    """Return whether a failure begins within the *horizon* after each tick."""
    total = np.concatenate([[0], np.cumsum(onset)])
    later = np.minimum(np.arange(len(onset)) + 1 + horizon, len(onset))
    return np.asarray(total[later] > total[1:])


def run(app: AppSettings, incidents: list[float] | None) -> tuple[Floats, np.ndarray, Floats]:
    """Return the ends of the ticks, in which of them failures began, and what rnnd said."""
    pipeline = AppPipeline(app, incidents=incidents)
    said = [
        (p.time, p.onset, p.probabilities[app.horizon][2])
        for p in Replay(pipeline, app.logs).predictions()
    ]
    times, onset, red = (np.array(column) for column in zip(*said, strict=True))
    return times, onset.astype(bool), red


def predicted_at(red: Floats, onset: np.ndarray, horizon: int, false: int) -> list[bool]:
    """Return which failures are predicted at the lowest threshold with so many false alarms."""
    thresholds = np.unique(np.quantile(red, 1 - np.geomspace(1e-5, 0.5, 300)))
    for threshold in thresholds.tolist():
        if alarms_at(red, threshold, onset, horizon).false <= false:
            break
    found, alarm, hold = [], -(2**62), -(2**62)
    was_red = False
    for tick, began in enumerate(onset.tolist()):
        if began:
            found.append(alarm >= tick - horizon)
            hold, alarm = tick, -(2**62)
        is_red = red[tick] >= threshold or tick < hold
        if is_red and (not was_red or tick >= alarm + horizon):
            alarm, hold = tick, tick + horizon
        was_red = is_red
    return found


def row(name: str, times: Floats, onset: np.ndarray, red: Floats, app: AppSettings) -> list[bool]:
    """Print how good the forecasts were; return which failures were predicted."""
    horizon = round(app.horizon / app.tick)
    false = app.alarm_budget * app.tick * len(times)
    record = best_within(red, onset, horizon, false)
    outcome = outcomes(onset, horizon)
    rate = outcome.mean()
    skill = 1 - np.mean((red - outcome) ** 2) / (rate * (1 - rate))
    print(
        f"{name:20}{record.predicted / max(1, record.failures):10.2f}"
        f"{average_precision(red, outcome):10.3f}{skill:+10.3f}"
        f"{calibration_error(red, outcome):10.3f}",
        end="",
        flush=True,
    )
    return predicted_at(red, onset, horizon, int(false))


def heading(title: str) -> None:
    """Print the head of a table."""
    print(f"\n{title}\n{'':20}{'predicted':>10}{'AP':>10}{'skill':>10}{'calibr.':>10}")


def simulated(seed: int, days: int) -> Counter[tuple[str, str, bool]]:
    """Print the table of one simulated application; return the failures by kind."""
    simulator = Simulator(seed, days)
    failures = np.array([failure.start for failure in simulator.failures])
    start = simulator.start + 0.6 * days * DAY
    counts: Counter[tuple[str, str, bool]] = Counter()
    heading(f"simulator, seed {seed}, {days} days, horizon 10 min, at 1 false alarm a day")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.log"
        with path.open("wb") as file:
            file.writelines(stretch.data for stretch in simulator.stretches())
        app = AppSettings(
            name="shop", logs=(str(path),), red=Rule("critical"), orange=Rule("error")
        )
        for name, order in (("without order", False), ("with order", True)):
            times, onset, red = run(replace_order(app, order=order), None)
            scored = times > start
            found = row(name, times[scored], onset[scored], red[scored], app)
            kinds: Counter[str] = Counter()
            for end, is_found in zip(times[scored][onset[scored]], found, strict=True):
                kind = simulator.failures[int(np.argmin(np.abs(failures - end)))].kind
                counts[kind, name, is_found] += 1
                kinds[kind] += is_found
            print("   ", ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
    return counts


def replace_order(app: AppSettings, *, order: bool) -> AppSettings:
    """Return *app* with or without the order of lines."""
    values = {name: getattr(app, name) for name in app.__struct_fields__}
    return AppSettings(**(values | {"order": order}))


def real(kind: str) -> None:
    """Print the table of the incidents of one *kind* in the real log."""
    text = (DATA / "hpc" / "incidents.csv").read_text()
    header, *rows = text.splitlines(keepends=True)
    incidents = read_incidents(header + "".join(r for r in rows if r.startswith(kind)), kind)
    app = AppSettings(
        name="hpc", logs=(str(DATA / "hpc" / "hpc.log.gz"),), tick=300.0, horizon=3600.0,
        more_horizons=(), merge=3600.0, alarm_budget=0.5 / DAY,
    )  # fmt: skip
    heading(f"LANL HPC, {kind}, horizon 1 h, at 0.5 false alarms a day")
    for name, order in (("without order", False), ("with order", True)):
        times, onset, red = run(
            replace_order(app, order=order), merge_incidents(incidents, app.merge)
        )
        scored = times > SCORED_FROM
        row(name, times[scored], onset[scored], red[scored], app)
        print()


def speed() -> None:
    """Print the lines a second of the whole pipeline, with and without, in turns."""
    with TemporaryDirectory() as folder, open_log(str(HDFS)) as packed:
        path = Path(folder) / "hdfs.log"
        path.write_bytes(b"".join(iter(lambda: packed.read(1 << 20), b"")))
        lines = path.read_bytes().count(b"\n")
        best = {False: np.inf, True: np.inf}
        for _ in range(3):
            for order in best:
                app = AppSettings(name="hdfs", logs=(str(path),), order=order)
                begin = time.process_time()
                for _ in Replay(AppPipeline(app), app.logs).predictions():
                    pass
                best[order] = min(best[order], time.process_time() - begin)
    print(
        f"\nHDFS, {lines:,} lines, the whole pipeline: {lines / best[False]:,.0f} lines a CPU"
        f" second without, {lines / best[True]:,.0f} with order: {best[False] / best[True]:.2f}"
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--skip-real", action="store_true")
    parser.add_argument("--only-speed", action="store_true")
    arguments = parser.parse_args()
    if not arguments.only_speed:
        counts: Counter[tuple[str, str, bool]] = Counter()
        for seed in arguments.seeds:
            counts += simulated(seed, arguments.days)
        print("\nfailures predicted, all seeds, without and with order:")
        for kind in sorted({kind for kind, _, _ in counts}):
            all_of = counts[kind, "with order", True] + counts[kind, "with order", False]
            told = [counts[kind, name, True] for name in ("without order", "with order")]
            print(f"  {kind:12}{told[0]:4} {told[1]:4}   of {all_of}")
    if not arguments.skip_real and not arguments.only_speed and (DATA / "hpc").is_dir():
        for kind in ("fs_no_server", "node_not_responding"):
            real(kind)
    if HDFS.exists():
        speed()


if __name__ == "__main__":
    main()
