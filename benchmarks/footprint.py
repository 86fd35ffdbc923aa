"""What the daemon costs: memory idle and after many lines, CPU when idle, speed, start-up, stalls.

The daemon runs as a process of its own over a generated log. Memory is its resident set as the
kernel tells it; CPU is its user and system time. When idle, it goes on closing a silent tick every
ten seconds. Of many files, each has one line, and all of them appear at once, with their directory.
HDFS is a random 2 % of the blocks of the real log; with ticks of 500 s they hold as
many lines as ticks of 10 s do in the whole log. Every figure is printed beside its goal.

    python benchmarks/footprint.py [--lines 10000000] [--apps 20] [--idle 60] [--files 40000]
"""

import argparse
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rnnd.config.loading import load_settings
from rnnd.daemon.app import App
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.daemon.state import StateFile

AHEAD = datetime(2090, 1, 1, tzinfo=UTC)  # of the clock: lines alone close ticks
BATCH = 100_000  # lines
RATE = 200  # lines a second, in the log's time
SOME = 5000  # lines that an idle app has read
DATA = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))
HDFS_TICK = 500  # s


class Daemon:
    """`rnnd run` over some logs."""

    def __init__(self, configuration: Path) -> None:
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rnnd", "run", "--config", configuration],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url = ""
        for line in self.process.stderr:
            if match := re.search(r"status on (\S+),", line):
                self.url = match[1]
                break
        self.get("/metrics")
        self.started = time.monotonic() - self.begin

    def get(self, path: str) -> str:
        """Return the page at *path*."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text

    def apps(self) -> list[dict[str, Any]]:
        """Return the status of all apps."""
        return list(json.loads(self.get("/api/v1/status"))["apps"])

    def memory(self) -> float:
        """Return the resident memory in MB, at rest: a second after the last line was read."""
        time.sleep(1)
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+)", status)
        assert match
        return int(match[1]) / 1024

    def cpu(self) -> float:
        """Return the CPU time used so far in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_until_saved(self, apps: int) -> None:
        """Wait until what was read is saved, of all *apps*."""
        while self.get("/metrics").count("rnnd_checkpoint_timestamp_seconds{") < apps:
            time.sleep(1)

    def wait_for(self, lines: int) -> None:
        """Wait until *lines* lines of all apps are read."""
        while True:
            apps = self.apps()
            read = sum(app["lines"] for app in apps)
            if apps and read >= lines and not any(app["catching_up"] for app in apps):
                return
            time.sleep(0.05)

    def stop(self) -> float:
        """Return the seconds it takes to save and stop."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return time.monotonic() - begin


def write(path: Path, first: int, count: int, start: datetime = AHEAD) -> None:
    """Append *count* lines of ten shapes to a log that begins at *start*."""
    with path.open("a") as file:
        for number in range(first, first + count):
            if number % RATE == 0 or number == first:
                stamp = (start + timedelta(seconds=number // RATE)).strftime("%Y-%m-%dT%H:%M:%SZ")
            file.write(
                f"{stamp} INFO app.part{number % 10}: request {number} of user {number % 977} "
                f"took {number % 83} ms\n"
            )


def configure(directory: Path, apps: int) -> Path:
    """Write a configuration of so many apps, each with one empty log."""
    entries = []
    for app in range(apps):
        (directory / f"app{app}.log").touch()
        entries.append(f"- {{name: app{app}, logs: [{directory}/app{app}.log]}}\n")
    path = directory / "rnnd.yaml"
    path.write_text(
        f"state: {directory}/state\nhttp: {{listen: '127.0.0.1:0'}}\napps:\n{''.join(entries)}"
    )
    return path


def tell(what: str, value: float, unit: str, goal: str) -> None:
    """Print one figure beside its goal."""
    print(f"  {what:<44} {value:>12,.2f} {unit:<8} goal: {goal}", flush=True)


def measure(apps: int, lines: int) -> None:
    """Print what *apps* apps cost over *lines* lines in all."""
    print(f"{apps} app{'s' * (apps > 1)}, {lines:,} lines")
    with tempfile.TemporaryDirectory(prefix="rnnd-footprint-") as name:
        directory = Path(name)
        daemon = Daemon(configure(directory, apps))
        tell("start-up to first metrics", daemon.started, "s", "under 1")
        daemon.apps()
        bound = "80" if apps == 1 else "150"
        tell("memory, idle and empty", daemon.memory(), "MB", bound)
        written, memory, spent = 0, 0.0, 0.0
        while written < lines:
            count = min(BATCH, lines - written)
            for app in range(apps):
                write(directory / f"app{app}.log", written // apps, count // apps)
            before = daemon.cpu()
            written += count
            daemon.wait_for(written // apps * apps)
            spent += daemon.cpu() - before
            if not memory and written >= lines / 10:
                memory = daemon.memory()
            for app in range(apps):
                os.truncate(directory / f"app{app}.log", 0)
        tell("memory after a tenth of the lines", memory, "MB", "")
        after = daemon.memory()
        tell("memory after all lines", after, "MB", bound)
        tell("growth in between", after - memory, "MB", "under 5")
        tell("lines a CPU second, end to end", written / spent, "", "")
        tell("to save and stop", daemon.stop(), "s", "under 2")


def measure_idle(apps: int, seconds: float) -> None:
    """Print what a daemon costs whose *apps* get no more lines."""
    with tempfile.TemporaryDirectory(prefix="rnnd-footprint-") as name:
        directory = Path(name)
        daemon = Daemon(configure(directory, apps))
        start = datetime.now(UTC) - timedelta(seconds=SOME // RATE + 5)
        for app in range(apps):
            write(directory / f"app{app}.log", 0, SOME, start)
        daemon.wait_for(SOME * apps)
        daemon.wait_until_saved(apps)
        before, begin = daemon.cpu(), time.monotonic()
        time.sleep(seconds)
        share = (daemon.cpu() - before) / (time.monotonic() - begin)
        tell(f"CPU when idle, {apps} app{'s' * (apps > 1)}", 100 * share, "% core", "under 0.5")
        daemon.stop()


def measure_many(files: int) -> None:
    """Print how long it takes to find and read many files that appear at once."""
    with tempfile.TemporaryDirectory(prefix="rnnd-footprint-") as name:
        directory = Path(name)
        configuration = configure(directory, 1)
        text = configuration.read_text().replace("app0.log", "many/*.log")
        configuration.write_text(text)
        daemon = Daemon(configuration)
        hidden = directory / "hidden"
        hidden.mkdir()
        for file in range(files):
            write(hidden / f"{file}.log", file, 1, datetime.now(UTC))
        begin = time.monotonic()
        hidden.rename(directory / "many")
        daemon.wait_for(files)
        tell(f"{files:,} new files, until all are read", time.monotonic() - begin, "s", "under 5")
        tell("memory", daemon.memory(), "MB", "")
        tell("to save and stop", daemon.stop(), "s", "")


def measure_hdfs() -> None:
    """Print how fast a real log goes from file to prediction."""
    source = DATA / "hdfs" / "hdfs_2pct.log.gz"
    if not source.exists():
        print(f"{source}: no such file (set RNND_DATA; benchmarks/README.md says where it is from)")
        return
    with tempfile.TemporaryDirectory(prefix="rnnd-footprint-") as name:
        directory = Path(name)
        configuration = configure(directory, 1)
        text = configuration.read_text().replace(
            "name: app0,",
            f"name: app0, tick: {HDFS_TICK}s, horizon: {60 * HDFS_TICK}s, merge: 30000s, "
            f"more_horizons: [{6 * HDFS_TICK}s, {360 * HDFS_TICK}s],",
        )
        configuration.write_text(text)
        daemon = Daemon(configuration)
        data = gzip.decompress(source.read_bytes())
        before = daemon.cpu()
        with (directory / "app0.log").open("wb") as log:
            log.write(data)
        lines = data.count(b"\n")
        daemon.wait_for(lines)
        tell("HDFS, lines a CPU second", lines / (daemon.cpu() - before), "", "300,000")
        daemon.stop()
        tell("HDFS, size of the state", state_of(directory), "MB", "")
        measure_stall(configuration)


def state_of(directory: Path) -> float:
    """Return the size of all states in MB."""
    return sum(one.stat().st_size for one in (directory / "state").glob("*.rnnd")) / 1e6


def measure_stall(configuration: Path) -> None:
    """Print how long reading stands still when the state that was left is saved again."""
    settings = load_settings(configuration.read_text(), configuration.name).apps[0]
    file = StateFile(configuration.parent / "state" / f"{settings.name}.rnnd")
    app = App(settings, AppPipeline(settings), file, grace=3.0)
    app.load()
    took = []
    for _ in range(200):
        begin = time.perf_counter()
        app.snapshot()
        took.append(1000 * (time.perf_counter() - begin))
    tell("reading stands still to save, median", sorted(took)[100], "ms", "")
    tell("the same, the 99th percentile", sorted(took)[198], "ms", "")


def main() -> None:
    """Measure one app, and many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--files", type=int, default=40_000)
    arguments = parser.parse_args()
    for apps in (1, arguments.apps):
        measure(apps, arguments.lines)
    for apps in (1, arguments.apps):
        measure_idle(apps, arguments.idle)
    measure_many(arguments.files)
    measure_hdfs()


if __name__ == "__main__":
    main()
