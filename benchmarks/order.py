"""What reading the order of lines brings, and what it costs: the same logs with and without.

    python benchmarks/order.py [--seeds 1 2 3] [--keep FOLDER] [--skip-real] [--only-speed]

The simulated application fails in eight ways (docs/simulator.md); one, *order*, is told by nothing
but two harmless lines changing places. Both rows of a table are rnnd, prequential, scored as in
`prediction.py`; what is gained is told with its standard error over 40 stretches of time. Below the
simulator's stand the failures predicted by kind, at one and two false alarms a day, all seeds
together, for failures of one kind are few. The other logs are LANL's System 20 and Blue Gene/L, as
in `prediction.py`.

Speed is that of the whole pipeline on the raw log of HDFS, with ticks of 10 s: the best of three.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from predicting.predictors import rnnd
from predicting.scores import follow, score
from predicting.stream import DATA, DAY, Floats, Stream, blue_gene, hpc, kept, replaced, simulated
from prediction import HEAD, print_score

from rnnd.config.schema import AppSettings
from rnnd.daemon.backtesting.replay import Replay
from rnnd.daemon.files import open_log
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.daemon.prediction.unusual import EventWatch
from rnnd.daemon.simulator.simulator import Simulator

HDFS = DATA / "hdfs" / "hdfs_2pct.log.gz"
WITHOUT, WITH = "without order", "with order"
BLOCKS = 40  # of the scored ticks, by which chance is told from gain
BUDGETS = (1.0, 2.0)  # false alarms a day, at which failures are counted by kind


def both(title: str, stream: Stream) -> dict[str, Floats]:
    """Print how good rnnd is without and with the order of lines; return what it said."""
    size = stream.vector.shape[1] - len(EventWatch.names)
    deaf = replaced(
        stream,
        vector=stream.vector[:, :size],
        groups=stream.groups[:size],
        names=stream.names[:size],
    )
    said = {WITHOUT: rnnd(deaf), WITH: rnnd(stream)}
    print(f"\n{title}\n{HEAD}")
    for name, probability in said.items():
        print_score(name, score(stream, probability, stream.start))
    gain, doubt = gained(stream, said[WITHOUT], said[WITH])
    print(f"Brier skill gained: {gain:+.4f}, standard error {doubt:.4f}", flush=True)
    return said


def gained(stream: Stream, before: Floats, after: Floats) -> tuple[float, float]:
    """Return the Brier skill that *after* has more than *before*, and its standard error.

    The scored ticks are cut into blocks, which tell different stories, and are as many draws.
    """
    y = stream.outcome[stream.start :]
    errors = (before[stream.start :] - y) ** 2 - (after[stream.start :] - y) ** 2
    sums = np.array([block.sum() for block in np.array_split(errors, BLOCKS)])
    scale = len(y) * max(y.mean() * (1 - y.mean()), 1e-12)
    return float(sums.sum() / scale), float(np.sqrt(BLOCKS) * sums.std(ddof=1) / scale)


def found(stream: Stream, probability: Floats) -> list[bool]:
    """Return which failures are predicted at the lowest threshold with the false alarms allowed."""
    p, onset = probability[stream.start :], stream.failures[stream.start :]
    allowed = stream.allowed * len(p) * stream.tick / DAY
    for threshold in np.unique(np.quantile(p, 1 - np.geomspace(1e-5, 0.5, 300))).tolist():
        record, predicted = follow(p, threshold, onset, stream.horizon)
        if record.false <= allowed:
            return predicted
    return [False] * int(onset.sum())


def by_kind(seed: int, stream: Stream, said: dict[str, Floats]) -> Counter[tuple[str, str, float]]:
    """Return how many failures of each kind are predicted, by whom, at which budget."""
    simulator = Simulator(seed, 20)
    starts = np.array([failure.start for failure in simulator.failures])
    first = simulator.start // stream.tick
    ticks = stream.start + np.flatnonzero(stream.failures[stream.start :])
    kinds = [
        simulator.failures[int(np.abs(starts - (first + tick + 0.5) * stream.tick).argmin())].kind
        for tick in ticks.tolist()
    ]
    counts: Counter[tuple[str, str, float]] = Counter()
    for budget in BUDGETS:
        counts += Counter((kind, "all", budget) for kind in kinds)
        for name, probability in said.items():
            predicted = found(replaced(stream, allowed=budget), probability)
            counts += Counter(
                (kind, name, budget)
                for kind, is_found in zip(kinds, predicted, strict=True)
                if is_found
            )
    return counts


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


def simulators(seeds: list[int], folder: Path | None) -> None:
    """Print the tables of simulated applications, and which of their failures are predicted."""
    counts: Counter[tuple[str, str, float]] = Counter()
    for seed in seeds:
        stream = kept(folder, f"order-simulator-{seed}", partial(simulated, seed, order=True))
        said = both(f"simulator, seed {seed}, at 1 false alarm a day", stream)
        counts += by_kind(seed, stream, said)
    for budget in BUDGETS:
        print(
            f"\nfailures predicted at {budget:g} false alarms a day, seeds {seeds}:"
            f" {WITHOUT}, {WITH}, of all"
        )
        for kind in sorted({kind for kind, *_ in counts}):
            row = [counts[kind, name, budget] for name in (WITHOUT, WITH, "all")]
            print(f"  {kind:12}" + "".join(f"{number:5}" for number in row))


def real(folder: Path | None) -> None:
    """Print the tables of real logs, where they are."""
    logs: list[tuple[str, str, Callable[[], Stream]]] = [
        ("hpc", "fs_no_server", partial(hpc, "fs_no_server", order=True)),
        ("hpc", "node_not_responding", partial(hpc, "node_not_responding", order=True)),
        ("bgl", "Blue Gene/L", partial(blue_gene, order=True)),
    ]
    for data, name, make in logs:
        if (DATA / data).is_dir():
            both(name, kept(folder, f"order-{name.replace('/', '')}", make))
        else:
            print(f"\n{name}: no data in {DATA}, skipped")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what takes long")
    parser.add_argument("--skip-real", action="store_true")
    parser.add_argument("--only-speed", action="store_true")
    arguments = parser.parse_args()
    if not arguments.only_speed:
        simulators(arguments.seeds, arguments.keep)
        if not arguments.skip_real:
            real(arguments.keep)
    if HDFS.exists():
        speed()
    else:
        print(f"\nHDFS: no data in {DATA}, skipped")


if __name__ == "__main__":
    main()
