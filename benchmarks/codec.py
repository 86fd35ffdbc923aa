"""The log codec beside Drain3: lines a second, memory, and how well messages are grouped.

    python benchmarks/codec.py [--seconds 3] [--only HDFS]

Both read the same lines in the same run, each in a process of its own, on one core, from cold. The
codec does everything from bytes to tick vectors; Drain3 gets text, and only groups it, with its two
usual masks (address, number).

A vector costs the same whether its tick has one line or a million. So the first figure is told with
ticks as long as stands in the table, chosen to hold some hundred lines, as they do where lines come
fast; then, for logs with times of their own, with the ticks of a live log (10 s, or 5 min where
lines are rare), of which most hold a few lines or none.

The samples of 2,000 lines are repeated, every time with fresh values for what varies in them by
their own ground truth: other digits, and, where more than four values differ by more than digits,
other letters in the words that not all of them share. So all names, paths and identifiers are new
in each pass, which they are not in a real log; what stands before the message stays.

How well messages are grouped is measured on the messages as the authors of the samples cut them
out, with the codec's own generic masks for both, and once more for Drain3 with its usual ones.

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
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.masking import mask_message
from rnnd.codecs.signature import coarse_signatures, exact_signatures
from rnnd.codecs.template import TemplateTable
from rnnd.config.units import format_duration
from rnnd.daemon.simulator.simulator import Simulator

DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))
SYSTEMS = (
    "Android", "Apache", "BGL", "HDFS", "HPC", "Hadoop", "HealthApp", "Linux", "Mac", "OpenSSH",
    "OpenStack", "Proxifier", "Spark", "Thunderbird", "Windows", "Zookeeper",
)  # fmt: skip
ARRIVAL = 1.5e9
REPEATS = 25  # of the samples of 2,000 lines, each time with fresh values
WORD = re.compile(rb"[A-Za-z]+")
HEXADECIMAL = re.compile(rb"[a-fA-F]+")
FEW = 4  # values that differ by more than digits, and are no names
WEEK = 7 * 86400.0  # s


def real(path: str) -> Callable[[], bytes]:
    """Return a function that gives the packed log at *path*."""
    return lambda: gzip.decompress((DATA / path).read_bytes())


def rows_of(system: str) -> list[dict[str, str]]:
    """Return what is known of each line of a sample."""
    path = DATA / "loghub2k" / f"{system}_2k.log_structured.csv"
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def sample(system: str) -> Callable[[], bytes]:
    """Return a function that gives a sample many times over, with fresh values each time."""

    def load() -> bytes:
        raw = (DATA / "loghub2k" / f"{system}_2k.log").read_bytes().replace(b"\r\n", b"\n")
        lines = [line for line in raw.split(b"\n") if line]
        rows = rows_of(system)
        if len(rows) != len(lines):
            raise ValueError(f"{system}: {len(lines)} lines, but {len(rows)} rows")
        parts = [variables(row) for row in rows]
        seen = defaultdict(set)  # values of each place of each template, without their digits
        for row, (content, spans) in zip(rows, parts, strict=True):
            for place, (begin, end) in enumerate(spans):
                seen[row["EventId"], place].add(re.sub(rb"\d+", b"0", content[begin:end]))
        kept = {
            key: set.intersection(*(set(WORD.findall(value)) for value in values))
            for key, values in seen.items()
            if len(values) > FEW
        }
        return b"".join(
            renewed(line, row["EventId"], *part, kept, number) + b"\n"
            for number in range(REPEATS)
            for line, row, part in zip(lines, rows, parts, strict=True)
        )

    return load


def variables(row: dict[str, str]) -> tuple[bytes, list[tuple[int, int]]]:
    """Return the message of a *row*, and from where to where it varies."""
    content = row["Content"].encode("utf-8", "surrogateescape")
    parts = row["EventTemplate"].encode("utf-8", "surrogateescape").split(b"<*>")
    pattern = b"(.*?)".join(re.escape(part) for part in parts)
    found = re.fullmatch(pattern, content, re.DOTALL)
    spans = [found.span(1 + index) for index in range(len(parts) - 1)] if found else []
    return content, spans


def renewed(
    line: bytes,
    event: str,
    content: bytes,
    spans: list[tuple[int, int]],
    kept: dict[tuple[str, int], set[bytes]],
    number: int,
) -> bytes:
    """Return *line*, in which its *content* varies at *spans*, with the values of pass *number*.

    Letters are renewed at the places that *kept* tells of, but not in those words.
    """
    place = line.rfind(content)
    if place < 0 or not spans:
        return line
    pieces, end = [line[:place]], 0
    for index, (begin, stop) in enumerate(spans):
        value = permuted(content[begin:stop], number, bytes(range(49, 58)))
        words = kept.get((event, index))
        if words is not None:
            value = WORD.sub(lambda word: fresh(word[0], words, number), value)  # noqa: B023
        pieces += [content[end:begin], value]
        end = stop
    return b"".join((*pieces, content[end:], line[place + len(content) :]))


def fresh(word: bytes, kept: set[bytes], number: int) -> bytes:
    """Return another *word* in each pass *number*, unless it is *kept*; hexadecimal stays so."""
    if word in kept:
        return word
    letters = bytes(range(97, 103 if HEXADECIMAL.fullmatch(word) else 123))
    return permuted(word, number, letters)


def permuted(value: bytes, number: int, characters: bytes) -> bytes:
    """Return *value*, the *characters* in it permuted: the same for the same in one pass."""
    after = bytes(random.Random(value + b"%d" % number).sample(characters, len(characters)))
    table = bytes.maketrans(characters + characters.upper(), after + after.upper())
    return value.translate(table)


def simulated() -> bytes:
    """Return two days of the simulator's log."""
    simulator = Simulator(seed=7, days=2)
    return b"".join(simulator.stretch(hour).data for hour in range(simulator.hours))


LOGS: dict[str, tuple[Callable[[], bytes], float, float | None]] = {
    # the ticks in which it is told, and those of a live log, where its times allow
    "HDFS": (real("hdfs/hdfs_2pct.log.gz"), 600.0, 10.0),
    "LANL HPC": (real("hpc/hpc.log.gz"), 86400.0, 300.0),
    "simulator": (simulated, 3600.0, 10.0),
    "openssh": (real("openssh/openssh.log.gz"), 3600.0, 10.0),
    "Apache": (real("apache/Apache.log.gz"), 86400.0 * 7, 300.0),
    **{f"{system} 2k × {REPEATS}": (sample(system), 86400.0 * 7, None) for system in SYSTEMS},
}


def codec_speed(name: str, seconds: float, live: bool) -> dict[str, float]:
    """Return lines a second from bytes to vectors, and what the vectors and the memory are."""
    load, *lengths = LOGS[name]
    tick = lengths[live]
    assert tick is not None
    data = load()
    lines = data.count(b"\n")
    before = reset_peak()
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
        count = 0
        for number in numbers(ticks, tick):
            codec.encode_tick(number, ticks.get(number, ()))
            count += 1
        stop = time.process_time()
        best = min(best, stop - start)
        vector = min(vector, (stop - parsed) / count)
    peak = memory("VmHWM")
    return {
        "lines": lines,
        "tick": tick,
        "rate": lines / best,
        "vectors": count,
        "vector": 1e6 * vector,
        "memory": (peak - before) / 1024,
    }


def memory(name: str) -> int:
    """Return what Linux tells of this process under *name*, in KiB."""
    found = re.search(rf"^{name}:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def reset_peak() -> int:
    """Let the peak of memory begin anew; return what is used now, in KiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def numbers(ticks: dict[int, list], tick: float) -> Iterator[int]:
    """Give the numbers of all ticks, silent ones too; silences of more than a week are cut off."""
    before = min(ticks)
    for number in sorted(ticks):
        yield from range(max(before, number - round(WEEK / tick)), number)
        yield number
        before = number + 1


def drain_speed(name: str, seconds: float) -> dict[str, float]:
    """Return lines a second and peak memory of Drain3."""
    miner = drain(usual_masks())
    lines = LOGS[name][0]().decode("utf-8", "replace").splitlines()
    before = reset_peak()
    start = time.process_time()
    for done, line in enumerate(lines, start=1):
        miner.add_log_message(line)
        if not done % 1000 and time.process_time() > start + 2 * seconds:
            break
    rate = done / (time.process_time() - start)
    peak = memory("VmHWM")
    return {"rate": rate, "memory": (peak - before) / 1024}


def usual_masks() -> list[object]:
    """Return the masks of Drain3's documentation: addresses and numbers."""
    from drain3.masking import MaskingInstruction

    return [
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})", "IP"),
        MaskingInstruction(r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
    ]


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
    """Return how well the codec and Drain3, with its masks and with ours, group a sample."""
    rows = rows_of(system)
    truth = [row["EventId"] for row in rows]
    contents = [row["Content"].encode("utf-8", "surrogateescape") for row in rows]
    text = b"".join(content.replace(b"\n", b" ") + b"\n" for content in contents)
    none = np.zeros(0, np.intp)
    masked = [mask_message(s) for s in coarse_signatures(exact_signatures(text, none, none))]
    table = TemplateTable()
    found = [table.find(b"", words) for words in masked]
    words = (b" ".join(message).decode("latin-1").replace("0", "<*>") for message in masked)
    plain = (content.decode("utf-8", "replace") for content in contents)
    same, usual = drain(), drain(usual_masks())
    return {
        "rnnd": accuracy([int(table.joined[template]) for template in found], truth),
        "drain": accuracy([same.add_log_message(m)["cluster_id"] for m in words], truth),
        "drain, usual masks": accuracy(
            [usual.add_log_message(m)["cluster_id"] for m in plain], truth
        ),
    }


def apart(function: Callable, *arguments: object) -> dict:
    """Return what *function* returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def print_speed(only: str, seconds: float, figures: dict[str, dict]) -> None:
    """Measure and print lines a second and memory."""
    print(
        "lines a CPU second on one core, best of several; MB: the peak above what the lines take\n"
    )
    print(f"{'':22}{'':>9}{'tick':>6}{'':>12}{'':>10}{'':>7}{'rnnd':>7}{'Drain3':>7}{'live':>6}")
    print(
        f"{'log':22}{'lines':>9}{'':>6}{'rnnd':>12}{'Drain3':>10}{'ratio':>7}{'MB':>7}{'MB':>7}"
        f"{'tick':>6}{'rnnd':>11}{'vectors':>9}{'µs each':>9}"
    )
    for name, (_, tick, live) in LOGS.items():
        if only not in name.lower() and not (only == "real" and live):
            continue
        try:
            ours = apart(codec_speed, name, seconds, False)
            theirs = apart(drain_speed, name, seconds)
        except FileNotFoundError as error:
            print(f"{name:22}no data: {error.filename}")
            continue
        figures[name] = {"rnnd": ours, "drain": theirs}
        print(
            f"{name:22}{ours['lines']:9,}{format_duration(tick):>6}{ours['rate']:12,.0f}"
            f"{theirs['rate']:10,.0f}{ours['rate'] / theirs['rate']:7.1f}{ours['memory']:7.0f}"
            f"{theirs['memory']:7.0f}",
            end="",
        )
        if live:
            figures[name]["live"] = ours = apart(codec_speed, name, seconds, True)
            print(
                f"{format_duration(live):>6}{ours['rate']:11,.0f}{ours['vectors']:9,}"
                f"{ours['vector']:9.0f}",
                end="",
            )
        print()


def print_grouping(figures: dict[str, dict]) -> None:
    """Measure and print grouping accuracy and the F-measure of grouping."""
    print(f"\n{'':22}{'GA':>9}{'':>9}{'its own':>9}{'FGA':>12}{'':>9}{'its own':>9}")
    print(f"{'grouping':22}" + 2 * f"{'rnnd':>9}{'Drain3':>9}{'masks':>9}   ")
    table = []
    for system in SYSTEMS:
        figures[system] = scores = grouping(system)
        table.append(np.transpose(list(scores.values())).ravel())
        print(f"{system:22}" + _in_columns(table[-1]))
    print(f"{'mean':22}" + _in_columns(np.mean(table, axis=0)))


def _in_columns(values: Sequence[float]) -> str:
    texts = [f"{value:9.3f}" for value in values]
    return "".join((*texts[:3], "   ", *texts[3:]))


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="to measure each log for")
    parser.add_argument(
        "--only", default="", help="logs whose name contains this; real: all but the samples"
    )
    parser.add_argument("--grouping", action="store_true", help="only how messages are grouped")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA}: no data (set RNND_DATA; benchmarks/README.md says where it comes from)")
        return 0
    sys.stdout.reconfigure(line_buffering=True)
    figures: dict[str, dict] = {"speed": {}, "grouping": {}}
    if not arguments.grouping:
        print_speed(arguments.only.lower(), arguments.seconds, figures["speed"])
    if not arguments.only and (DATA / "loghub2k").is_dir():
        print_grouping(figures["grouping"])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
