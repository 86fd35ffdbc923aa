"""Which lines of a log come as a surprise? Prints the twenty most surprising, with the reasons.

    python benchmarks/surprising_lines.py [LOG] [--lines 20] [--tick 60] [--skip 5000]

Everything is learnt online, from the log itself: a line's surprise is told before it is learnt. The
log is by default a real sshd's (see benchmarks/README.md). The first lines, when everything is new,
are left out. Lines of one template are told once, at their most surprising, with the reason: what
was expected instead, and how often the template had come before.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.sessions import Streams
from rnnd.daemon.files import open_log
from rnnd.daemon.history import why_unusual
from rnnd.daemon.prediction.unusual import Novelty, UnusualEvent
from rnnd.rnn.events import EventModel, EventSettings

DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Finding:
    """A line, and what it was to the model."""

    surprise: float
    template: int
    number: int
    text: str
    before: str  # the line before it in its stream
    seen: int  # times that the template had come before
    why: str


def read(path: Path, tick: float) -> list[Finding]:
    """Return every line of the log with its surprise."""
    codec = LogCodec(LogSettings(tick=tick, order=True))
    streams = Streams(EventSettings().symbols, EventSettings().streams)
    model = EventModel()
    with open_log(str(path)) as log:
        data = b"".join(iter(lambda: log.read(1 << 20), b""))
    lines = data.decode("utf-8", "replace").splitlines()
    reader = codec.reader(path.name)
    findings, line = [], 0
    newest: dict[int, str] = {}
    counts = np.zeros(codec.settings.max_templates, np.int64)
    for part in reader.feed(data, 0.0) + reader.flush():
        now = codec.encode_tick(part.tick, [part])
        events = streams.events(part.tick, [part], codec.templates.joined)
        result = model.step(events.symbols, events.streams)
        told = np.flatnonzero(part.table.templates[part.sequence] >= 0).tolist()
        for index, place in enumerate(told):  # sessions that end come behind them
            template, row = int(events.templates[index]), int(events.streams[index])
            novelty: Novelty = "back" if template in now.absences else "known"
            event = UnusualEvent(
                template,
                path.name,
                "",
                float(result.surprise[index]),
                expected=streams.template(int(result.likeliest[index])),
                novelty=novelty if counts[template] else "new",
            )
            text = lines[line + place]
            findings.append(
                Finding(
                    event.surprise, template, line + place, text, newest.get(row, "its beginning"),
                    int(counts[template]), why_unusual(event, codec.templates.text),
                )
            )  # fmt: skip
            newest[row] = text
            counts[template] += 1
        for index in range(len(told), len(events)):
            newest.pop(int(events.streams[index]), None)
        line += part.lines
    return findings


def main() -> int:
    """Print the findings."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("log", type=Path, nargs="?", default=DATA / "openssh" / "openssh.log.gz")
    parser.add_argument("--lines", type=int, default=20)
    parser.add_argument("--tick", type=float, default=60.0, help="seconds")
    parser.add_argument("--skip", type=int, default=5000, help="lines at the beginning")
    arguments = parser.parse_args()
    if not arguments.log.exists():
        print(f"{arguments.log}: no data, skipped (see benchmarks/README.md)")
        return 0
    begin = perf_counter()
    findings = read(arguments.log, arguments.tick)
    seconds = perf_counter() - begin
    print(f"{len(findings):,} lines, {len(findings) / seconds:,.0f} a second")
    found = [finding for finding in findings if finding.number >= arguments.skip]
    worst: dict[int, Finding] = {}
    for finding in sorted(found, key=lambda f: -f.surprise):
        worst.setdefault(finding.template, finding)
    for finding in list(worst.values())[: arguments.lines]:
        seen = f"; seen {finding.seen:,} times before" if finding.seen else ""
        print(f"{finding.surprise:5.1f} nats, line {finding.number + 1:,}: {finding.why}{seen}")
        print(f"        {finding.text[:160]}")
        print(f"  after {finding.before[:160]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
