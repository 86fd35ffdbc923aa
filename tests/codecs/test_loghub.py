"""The sixteen samples of LogHub, without any configuration."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rnnd.codecs.clock import Clock
from rnnd.codecs.logline import parse
from rnnd.codecs.masking import mask_message
from rnnd.codecs.severity import LETTERS, WORDS
from rnnd.codecs.signature import coarse_signatures, exact_signatures
from rnnd.codecs.signatures import Kinds
from rnnd.codecs.stamps import StampReader
from rnnd.codecs.template import TemplateTable

Row = dict[str, str]


def coarse_signature(exact: bytes) -> bytes:
    [coarse] = coarse_signatures([exact])
    return coarse


def by(layout: str, *columns: str, year: str = "") -> Callable[[Row], float]:
    """Return a function that reads the time of a row by strptime from its *columns*."""

    def read(row: Row) -> float:
        text = " ".join([year, *(row[column] for column in columns)]).strip()
        return datetime.strptime(text, layout).replace(tzinfo=UTC).timestamp()

    return read


TIMES = {
    "Android": by("%Y %m-%d %H:%M:%S.%f", "Date", "Time", year="2017"),
    "Apache": by("%a %b %d %H:%M:%S %Y", "Time"),
    "BGL": lambda row: float(row["Timestamp"]),
    "HDFS": by("%y%m%d %H%M%S", "Date", "Time"),
    "HPC": lambda row: float(row["Time"]),
    "Hadoop": by("%Y-%m-%d %H:%M:%S,%f", "Date", "Time"),
    "HealthApp": lambda row: _healthapp(row["Time"]),
    "Linux": by("%Y %b %d %H:%M:%S", "Month", "Date", "Time", year="2017"),
    "Mac": by("%Y %b %d %H:%M:%S", "Month", "Date", "Time", year="2017"),
    "OpenSSH": by("%Y %b %d %H:%M:%S", "Date", "Day", "Time", year="2017"),
    "OpenStack": by("%Y-%m-%d %H:%M:%S.%f", "Date", "Time"),
    "Proxifier": by("%Y %m.%d %H:%M:%S", "Time", year="2017"),
    "Spark": by("%y/%m/%d %H:%M:%S", "Date", "Time"),
    "Thunderbird": lambda row: float(row["Timestamp"]),
    "Windows": by("%Y-%m-%d %H:%M:%S", "Date", "Time"),
    "Zookeeper": by("%Y-%m-%d %H:%M:%S,%f", "Date", "Time"),
}
ARRIVAL = datetime(2017, 12, 31, 12, tzinfo=UTC).timestamp()


def _healthapp(text: str) -> float:
    hour, minute, second, _ = text[9:].split(":")
    day = datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC)
    return day.timestamp() + int(hour) * 3600 + int(minute) * 60 + int(second)


def sample(data: Path, system: str) -> tuple[bytes, list[Row]]:
    """Return the lines of a sample and its rows of truth."""
    folder = data / "loghub2k"
    if not folder.is_dir():
        pytest.skip("loghub2k: no data (set RNND_DATA)")
    raw = (folder / f"{system}_2k.log").read_bytes().replace(b"\r\n", b"\n")
    with (folder / f"{system}_2k.log_structured.csv").open(
        newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        rows = list(csv.DictReader(file))
    return raw if raw.endswith(b"\n") else raw + b"\n", rows


def lines_of(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    ends = np.flatnonzero(np.frombuffer(raw, np.uint8) == 10)
    return np.concatenate(([0], ends[:-1] + 1)), ends


@pytest.mark.parametrize("system", TIMES)
def test_the_time_of_every_line_is_read_right_to_the_second(data: Path, system: str) -> None:
    raw, rows = sample(data, system)
    starts, ends = lines_of(raw)

    read = StampReader(None).read(raw, starts, ends, ARRIVAL)
    seconds = [
        Clock(1.0, UTC).advance(read.seconds[[row]], read.kinds[[row]], ARRIVAL)[0][0]
        for row in np.flatnonzero(read.kinds)
    ]
    wanted = [int(TIMES[system](row)) for row in rows]

    assert len(read.kinds) == len(wanted)
    assert np.mean(read.kinds > 0) >= 0.995
    wrong = [
        row for row, s in zip(np.flatnonzero(read.kinds), seconds, strict=True) if s != wanted[row]
    ]
    assert len(wrong) <= 0.005 * len(wanted), (rows[wrong[0]], seconds[wrong[0]])


LEVELS = [
    "Android",
    "Apache",
    "BGL",
    "HDFS",
    "Hadoop",
    "OpenStack",
    "Spark",
    "Windows",
    "Zookeeper",
]


@pytest.mark.parametrize("system", LEVELS)
def test_the_severity_of_every_line_is_read_right(data: Path, system: str) -> None:
    raw, rows = sample(data, system)
    starts, ends = lines_of(raw)
    kinds = Kinds()

    read = StampReader(None).read(raw, starts, ends, ARRIVAL)
    found = kinds.look_up(raw, starts, ends, read.begins, read.ends)

    for row, severity in zip(rows, kinds.severities[found], strict=True):
        level = row["Level"].encode()
        assert (LETTERS[level] if len(level) == 1 else WORDS[level.lower()]) == severity, row


def accuracy(found: Iterable[int], truth: Sequence[str]) -> tuple[float, float]:
    """Return the grouping accuracy and the F-measure of grouping."""
    groups = defaultdict(list)
    for group, event in zip(found, truth, strict=True):
        groups[group].append(event)
    sizes = Counter(truth)
    right = [g for g in groups.values() if len(set(g)) == 1 and len(g) == sizes[g[0]]]
    precision, recall = len(right) / len(groups), len(right) / len(sizes)
    f = 2 * precision * recall / (precision + recall) if right else 0.0
    return sum(map(len, right)) / len(truth), f


def templates_of(rows: Sequence[Row]) -> list[int]:
    """Return the template of the content of each row."""
    contents = [row["Content"].encode("utf-8", "surrogateescape") for row in rows]
    text = b"".join(content.replace(b"\n", b" ") + b"\n" for content in contents)
    none = np.zeros(0, np.intp)
    table = TemplateTable()
    found = [
        table.find(b"", mask_message(coarse_signature(signature)))
        for signature in exact_signatures(text, none, none)
    ]
    return [int(table.joined[template]) for template in found]


def test_messages_are_grouped_as_people_would(data: Path) -> None:
    rows = {system: sample(data, system)[1] for system in TIMES}

    scores = {
        system: accuracy(templates_of(rows[system]), [row["EventId"] for row in rows[system]])
        for system in TIMES
    }

    assert np.mean([ga for ga, _ in scores.values()]) >= 0.95
    assert np.mean([f for _, f in scores.values()]) >= 0.9
    assert min(ga for ga, _ in scores.values()) >= 0.85, scores


def test_whole_lines_have_their_messages_found(data: Path) -> None:
    raw, rows = sample(data, "Spark")
    starts, ends = lines_of(raw)
    read = StampReader(None).read(raw, starts, ends, ARRIVAL)

    for signature, row in zip(exact_signatures(raw, read.begins, read.ends), rows, strict=True):
        content = exact_signatures(row["Content"].encode() + b"\n", starts[:0], ends[:0])[0]
        message = parse(coarse_signature(signature)).message
        assert message.rstrip() == coarse_signature(content).rstrip()
