"""rnnd's predictions beside what people use, on the same ticks: simulated failures and real logs.

    python benchmarks/prediction.py [--tables 1 2 3 4 5 6] [--seeds 1 2 3] [--keep FOLDER]

The simulated application (docs/simulator.md) fails about six times a day, in eight ways; one gives
no sign, one only by the order of lines (which rnnd is not told here), and precursors may recover,
so that even the *oracle*, which sees the hidden state, predicts only some. Beside it stands a
reader who sees only lines, as all others do, and knows all the rest. The real logs are LANL's
System 20 (LogHub "HPC": ticks of 5 minutes, horizon 1 hour, incidents merged at 1 hour) and Blue
Gene/L (events without times: a tick is 200 lines, the horizon 2,000), sought in $RNND_DATA, else in
../shared/data.

Tables 1 to 3: the simulator, LANL, Blue Gene/L. For every predictor the threshold that keeps to the
false alarms allowed is sought afterwards, by the rule of alarms that the daemon follows. Table 4:
what rnnd's own policy, which cannot look into the future, makes of a budget. Table 5: how well each
does on the failures after the 10th, 20th, 40th and 80th. Table 6: rnnd without one of its parts.

rnnd and River learn online; the others are fitted anew every day (LANL: 30 days, Blue Gene/L: 500
ticks) on all that came before, standardised and clipped, penalty and number of trees chosen on the
newest fifth of it; before the part that is scored only where table 5 begins. `--keep` keeps what
was read and what was said, to be used again; what rnnd said, only while its network is the same.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from predicting.parts import PARTS
from predicting.predictors import base_rate, error_rate, refitted, river, rnnd
from predicting.reader import failure_probabilities
from predicting.scores import Score, score, spent
from predicting.stream import DATA, DAY, Floats, Stream, blue_gene, hpc, kept, simulated

from rnnd.daemon.simulator.simulator import Simulator

SEEN = (10, 20, 40, 80)  # failures
BUDGETS = (0.2, 1.0, 5.0)  # a day
NETWORK = (
    "learner", "experts", "additive", "evidence", "trust", "cause", "hazards", "foresight", "cells",
    "linear", "optimisers", "parameters", "replay", "standardise", "trees",
)  # fmt: skip
HEAD = f"{'':28}{'predicted':>10}{'AP':>8}{'skill':>8}{'calibr.':>9}{'lead':>10}"


class Bench:
    """The streams and what was said about them, each made once."""

    def __init__(self, folder: Path | None, with_peers: bool) -> None:
        self.folder, self.with_peers = folder, with_peers
        self._rnnd: dict[str, tuple[Floats, float]] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream *name*: a simulator's seed, a kind of incident, or Blue Gene/L."""
        if name.startswith("simulator"):
            return kept(self.folder, name, lambda: simulated(int(name.split("-")[1])))
        return kept(self.folder, name, blue_gene if name == "blue_gene" else lambda: hpc(name))

    def rnnd(self, name: str) -> Floats:
        """Return what rnnd says about the stream *name*."""
        if name not in self._rnnd:
            path = self.folder / f"{name}.rnnd.{version()}.npz" if self.folder else None
            if path and path.exists():
                with np.load(path) as saved:
                    self._rnnd[name] = saved["p"], float(saved["seconds"])
            else:
                stream, began = self.stream(name), time.process_time()
                p, seconds = rnnd(stream), time.process_time() - began
                self._rnnd[name] = p, seconds
                if path:
                    np.savez(path, p=p, seconds=seconds)
        return self._rnnd[name][0]

    def cost(self, name: str) -> str:
        """Return what that took."""
        p, seconds = self._rnnd[name]
        return f"rnnd: {1000 * seconds / len(p):.2f} ms a tick, learning included"

    def informed(self, name: str) -> dict[str, Floats]:
        """Return what those say who know the simulator's laws, of its stream *name*."""
        stream = self.stream(name)
        if not len(stream.oracle):
            return {}
        path = self.folder / f"{name}.reader.npz" if self.folder else None
        if path and path.exists():
            with np.load(path) as saved:
                return {"oracle": stream.oracle} | {who: saved[who] for who in saved.files}
        simulator = Simulator(int(name.split("-")[1]), round(len(stream.onset) * stream.tick / DAY))
        horizon, count = stream.horizon * stream.tick, len(stream.onset)
        said = failure_probabilities(simulator, horizon, unread="order")
        names = "reader who knows the laws", "the same, order not read"
        reader = {who: p[:count] for who, p in zip(names, said, strict=True)}
        if path:
            np.savez(path, **reader)
        return {"oracle": stream.oracle} | reader

    def peers(self, name: str) -> dict[str, Floats]:
        """Return what the peers say about the stream *name*, each from its 10th failure on."""
        stream = self.stream(name)
        said = {"base rate": base_rate(stream), "ERROR rate": error_rate(stream)}
        if not self.with_peers:
            return said
        path = self.folder / f"{name}.peers.npz" if self.folder else None
        if path and path.exists():
            with np.load(path) as saved:
                return said | {peer: saved[peer] for peer in saved.files}
        failures = np.flatnonzero(stream.failures)
        first = [int(failures[seen - 1]) + 1 for seen in SEEN if seen <= len(failures)]
        slow = {**refitted(stream, first), "River, online": river(stream)}
        if path:
            np.savez(path, **{peer.replace(" ", "_"): p for peer, p in slow.items()})
        return said | {peer.replace(" ", "_"): p for peer, p in slow.items()}


def version() -> str:
    """Return what is the same as long as nothing changes in the network's code."""
    folder = Path(__file__).parents[1] / "rnn"
    code = b"".join((folder / f"{name}.py").read_bytes() for name in NETWORK)
    return hashlib.sha256(code).hexdigest()[:8]


def print_score(name: str, reached: Score) -> None:
    """Print a line of a table."""
    print(
        f"{name.replace('_', ' '):28}{reached.predicted:10.2f}{reached.precision:8.3f}"
        f"{reached.skill:+8.3f}{reached.calibration:9.3f}{reached.lead:8.0f} s",
        flush=True,
    )


def mean(scores: list[Score]) -> Score:
    """Return the mean of *scores*, field by field."""
    return Score(*np.mean([list(vars(one).values()) for one in scores], axis=0))


def beside_peers(bench: Bench, title: str, names: list[str]) -> None:
    """Print a table of all predictors, for each stream and in the mean."""
    reached: dict[str, list[Score]] = {}
    for name in names:
        stream = bench.stream(name)
        everybody = bench.informed(name) | bench.peers(name) | {"rnnd": bench.rnnd(name)}
        failures = int(stream.failures[stream.start :].sum())
        print(f"\n{title}, {name}, {failures} failures scored\n{HEAD}")
        for who, p in everybody.items():
            reached.setdefault(who, []).append(score(stream, p, stream.start))
            print_score(who, reached[who][-1])
        print(bench.cost(name))
    if len(names) > 1:
        print(f"\n{title}, mean of {len(names)}\n{HEAD}")
        for who, scores in reached.items():
            print_score(who, mean(scores))


def budgets(bench: Bench, names: list[str]) -> None:
    """Print what came of several budgets."""
    print(f"\n4. The alarm budget, after the first quarter\n{'':28}asked   came  predicted")
    for name in names:
        for asked in BUDGETS:
            came, predicted = spent(bench.stream(name), bench.rnnd(name), asked)
            print(f"{name:28}{asked:5.1f}{came:7.2f}{predicted:11.2f}", flush=True)


def learning(bench: Bench, names: list[str]) -> None:
    """Print how good everybody is after so many failures seen, up to twice as many."""
    print(f"\n5. After so many failures seen, up to twice as many\n{HEAD}")
    for seen in SEEN:
        reached: dict[str, list[Score]] = {}
        for name in names:
            stream = bench.stream(name)
            failures = np.flatnonzero(stream.failures)
            if len(failures) <= seen:
                continue
            begin = int(failures[seen - 1]) + 1
            end = int(failures[min(2 * seen, len(failures)) - 1])
            for who, p in (bench.peers(name) | {"rnnd": bench.rnnd(name)}).items():
                reached.setdefault(who, []).append(score(stream, p, begin, end))
        for who, scores in reached.items():
            print_score(f"{seen:3} {who}", mean(scores))


def ablation(bench: Bench, names: list[str]) -> None:
    """Print what rnnd is without each of its parts."""
    print(f"\n6. Without one part, mean of {len(names)}\n{HEAD}")
    for part, change in PARTS.items():
        scores = []
        for name in names:
            stream = bench.stream(name)
            p = rnnd(stream, change(stream)) if change else bench.rnnd(name)
            scores.append(score(stream, p, stream.start))
        print_score(part, mean(scores))


def tables(bench: Bench, seeds: list[int]) -> Iterator[tuple[int, Callable[[], None]]]:
    """Give each table's number and how it is printed; those whose data is missing say so."""
    simulators = [f"simulator-{seed}" for seed in seeds]
    real = ["fs_no_server", "node_not_responding"] if (DATA / "hpc").is_dir() else []
    yield 1, lambda: beside_peers(bench, "1. Simulator, 1 false alarm a day", simulators)
    if real:
        yield 2, lambda: beside_peers(bench, "2. LANL HPC, 0.5 false alarms a day", real)
    else:
        yield 2, lambda: print(f"\n2. LANL HPC: no data in {DATA}, skipped")
    if (DATA / "bgl").is_dir():
        title = "3. Blue Gene/L, 1 false alarm in 1,000 ticks"
        yield 3, lambda: beside_peers(bench, title, ["blue_gene"])
    else:
        yield 3, lambda: print(f"\n3. Blue Gene/L: no data in {DATA}, skipped")
    yield 4, lambda: budgets(bench, simulators + real)
    yield 5, lambda: learning(bench, simulators)
    yield 6, lambda: ablation(bench, simulators)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tables", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what takes long")
    parser.add_argument("--skip-peers", action="store_true", help="they take the most time")
    arguments = parser.parse_args()
    bench = Bench(arguments.keep, not arguments.skip_peers)
    for number, print_table in tables(bench, arguments.seeds):
        if number in arguments.tables:
            print_table()


if __name__ == "__main__":
    main()
