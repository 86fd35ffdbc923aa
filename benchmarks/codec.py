"""The log codec beside Drain3: lines a second, memory, and how well messages are grouped.

    python benchmarks/codec.py [--seconds 3] [--only HDFS]

Both read the same lines in the same run, each in a process of its own, on one core; Drain3 has the
codec's own generic masks for the accuracy, and its two usual masks (address, number) for the speed.
The codec does everything from bytes to tick vectors; Drain3 gets text, and only groups it.

A tick vector costs the same whether its tick has one line or a million, so the ticks are chosen to
hold a few hundred lines, as they do where lines come fast; what a vector costs is told apart.

Real logs are looked for in $RNND_DATA, else in ../shared/data; what is missing is skipped.
"""

import argparse
import csv
import gzip
import json
import multiprocessing
import os
import random
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.masking import mask_message
from rnnd.codecs.signature import ExactSignatures, coarse_signatures
from rnnd.codecs.template import TemplateTable
from rnnd.daemon.simulator.simulator import Simulator

DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))
SYSTEMS = (
    "Android", "Apache", "BGL", "HDFS", "HPC", "Hadoop", "HealthApp", "Linux", "Mac", "OpenSSH",
    "OpenStack", "Proxifier", "Spark", "Thunderbird", "Windows", "Zookeeper",
)  # fmt: skip
ARRIVAL = 1.5e9
REPEATS = 25  # of the samples of 2,000 lines, each time with fresh numbers


def real(path: str) -> Callable[[], bytes]:
    """Return a function that gives the packed log at *path*."""
    return lambda: gzip.decompress((DATA / path).read_bytes())


def sample(system: str) -> Callable[[], bytes]:
    """Return a function that gives a sample many times over, with fresh numbers in the messages."""

    def load() -> bytes:
        raw = (DATA / "loghub2k" / f"{system}_2k.log").read_bytes().replace(b"\r\n", b"\n")
        lines = [line for line in raw.split(b"\n") if line]
        rng = random.Random(7)

        def fresh(line: bytes) -> bytes:
            # The last two thirds of a line are beyond its timestamp; the length of a number stays.
            cut = max(len(line) // 3, 40)
            digits = re.sub(rb"[1-9]", lambda _: b"%d" % rng.randint(1, 9), line[cut:])
            return line[:cut] + digits

        return b"".join(fresh(line) + b"\n" for _ in range(REPEATS) for line in lines)

    return load


def simulated() -> bytes:
    """Return two days of the simulator's log."""
    simulator = Simulator(seed=7, days=2)
    return b"".join(simulator.stretch(hour).data for hour in range(simulator.hours))


LOGS: dict[str, tuple[Callable[[], bytes], float]] = {
    "HDFS": (real("hdfs/hdfs_2pct.log.gz"), 600.0),
    "LANL HPC": (real("hpc/hpc.log.gz"), 86400.0),
    "simulator": (simulated, 3600.0),
    "openssh": (real("openssh/openssh.log.gz"), 3600.0),
    "Apache": (real("apache/Apache.log.gz"), 86400.0 * 7),
    **{f"{system} 2k × {REPEATS}": (sample(system), 86400.0 * 7) for system in SYSTEMS},
}


def codec_speed(name: str, seconds: float) -> dict[str, float]:
    """Return lines a second from bytes to vectors, microseconds a vector, and peak memory."""
    load, tick = LOGS[name]
    data = load()
    lines = data.count(b"\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    best, vector = np.inf, np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or best == np.inf:
        codec = LogCodec(LogSettings(tick=tick))
        reader = codec.reader(name)
        start = time.process_time()
        ticks: dict[int, list] = {}
        for part in [*reader.feed(data, ARRIVAL), *reader.flush()]:
            ticks.setdefault(part.tick, []).append(part)
        parsed = time.process_time()
        for number, parts in ticks.items():
            codec.encode_tick(number, parts)
        stop = time.process_time()
        best = min(best, stop - start)
        vector = min(vector, (stop - parsed) / len(ticks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "lines": lines,
        "rate": lines / best,
        "vector": 1e6 * vector,
        "memory": (peak - before) / 1024,
    }


def drain_speed(name: str, seconds: float) -> dict[str, float]:
    """Return lines a second and peak memory of Drain3."""
    from drain3.masking import MaskingInstruction

    masks = [
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", "IP"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    ]
    miner = drain(masks)
    lines = LOGS[name][0]().decode("utf-8", "replace").splitlines()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    for done, line in enumerate(lines, start=1):
        miner.add_log_message(line)
        if not done % 1000 and time.process_time() > start + 2 * seconds:
            break
    rate = done / (time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"rate": rate, "memory": (peak - before) / 1024}


def drain(masks: Sequence[object] = ()) -> "object":
    """Return Drain3 with *masks* and its own settings else."""
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.masking_instructions = list(masks)
    return TemplateMiner(config=config)


def accuracy(found: Sequence[object], truth: Sequence[str]) -> tuple[float, float]:
    """Return grouping accuracy and the F-measure of grouping."""
    groups = defaultdict(list)
    for group, event in zip(found, truth, strict=True):
        groups[group].append(event)
    sizes = Counter(truth)
    right = [g for g in groups.values() if len(set(g)) == 1 and len(g) == sizes[g[0]]]
    precision, recall = len(right) / len(groups), len(right) / len(sizes)
    return sum(map(len, right)) / len(truth), 2 * precision * recall / max(precision + recall, 1e-9)


def grouping(system: str) -> dict[str, tuple[float, float]]:
    """Return how well the codec and Drain3, with the same masks, group a sample's messages."""
    path = DATA / "loghub2k" / f"{system}_2k.log_structured.csv"
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    truth = [row["EventId"] for row in rows]
    contents = [row["Content"].encode("utf-8", "surrogateescape") for row in rows]
    text = b"".join(content.replace(b"\n", b" ") + b"\n" for content in contents)
    none = np.zeros(0, np.intp)
    masked = [mask_message(s) for s in coarse_signatures(ExactSignatures()(text, none, none))]
    table = TemplateTable()
    found = [table.find(b"", words) for words in masked]
    miner = drain()
    drained = [
        miner.add_log_message(b" ".join(words).decode("latin-1").replace("0", "<*>"))["cluster_id"]
        for words in masked
    ]
    return {
        "rnnd": accuracy([int(table.joined[template]) for template in found], truth),
        "drain": accuracy(drained, truth),
    }


def apart(function: Callable, *arguments: object) -> dict:
    """Return what *function* returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="to measure each log for")
    parser.add_argument("--only", default="", help="logs whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA}: no data (set RNND_DATA; benchmarks/README.md says where it comes from)")
        return 0
    figures: dict[str, dict] = {"speed": {}, "grouping": {}}
    print("lines a CPU second on one core, best of several; memory is the growth of the process\n")
    print(
        f"{'log':22}{'lines':>9}{'rnnd':>12}{'Drain3':>10}{'ratio':>7}{'MB':>7}{'MB':>7}{'µs/tick':>9}"
    )
    for name in LOGS:
        if arguments.only.lower() not in name.lower():
            continue
        try:
            ours = apart(codec_speed, name, arguments.seconds)
            theirs = apart(drain_speed, name, arguments.seconds)
        except FileNotFoundError as error:
            print(f"{name:22}no data: {error.filename}")
            continue
        figures["speed"][name] = {"rnnd": ours, "drain": theirs}
        print(
            f"{name:22}{ours['lines']:9,}{ours['rate']:12,.0f}{theirs['rate']:10,.0f}"
            f"{ours['rate'] / theirs['rate']:7.1f}{ours['memory']:7.0f}{theirs['memory']:7.0f}"
            f"{ours['vector']:9.0f}"
        )
    if not arguments.only and (DATA / "loghub2k").is_dir():
        print(f"\n{'grouping':22}{'GA rnnd':>9}{'Drain3':>9}{'FGA rnnd':>10}{'Drain3':>9}")
        for system in SYSTEMS:
            figures["grouping"][system] = scores = grouping(system)
            (ga, fga), (drain_ga, drain_fga) = scores["rnnd"], scores["drain"]
            print(f"{system:22}{ga:9.3f}{drain_ga:9.3f}{fga:10.3f}{drain_fga:9.3f}")
        table = np.array([[*s["rnnd"], *s["drain"]] for s in figures["grouping"].values()])
        ga, fga, drain_ga, drain_fga = table.mean(axis=0)
        print(f"{'mean':22}{ga:9.3f}{drain_ga:9.3f}{fga:10.3f}{drain_fga:9.3f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
