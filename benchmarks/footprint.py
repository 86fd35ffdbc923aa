"""What the daemon costs: memory idle and after many lines, CPU when idle, speed, start-up.

The daemon runs as a process of its own over a generated log. Memory is its resident set as the
kernel tells it; CPU is its user and system time. Every figure is printed beside its goal.

    python benchmarks/footprint.py [--lines 10000000] [--apps 20] [--idle 30]
"""

import argparse
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

START = datetime(2090, 1, 1, tzinfo=UTC)  # ahead of the clock: lines alone close ticks
BATCH = 100_000  # lines


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
        """Return the resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+)", status)
        assert match
        return int(match[1]) / 1024

    def cpu(self) -> float:
        """Return the CPU time used so far in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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


def write(path: Path, first: int, count: int) -> None:
    """Append *count* lines, two hundred a second, of ten shapes."""
    with path.open("a") as file:
        for number in range(first, first + count):
            if number % 200 == 0:
                stamp = (START + timedelta(seconds=number // 200)).strftime("%Y-%m-%dT%H:%M:%SZ")
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


def measure(apps: int, lines: int, idle: float) -> None:
    """Print what *apps* apps cost over *lines* lines in all."""
    print(f"{apps} app{'s' * (apps > 1)}, {lines:,} lines")
    with tempfile.TemporaryDirectory(prefix="rnnd-footprint-") as name:
        directory = Path(name)
        daemon = Daemon(configure(directory, apps))
        tell("start-up to first metrics", daemon.started, "s", "under 1")
        daemon.apps()
        tell("memory, idle and empty", daemon.memory(), "MB", "80")
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
        tell("memory after all lines", daemon.memory(), "MB", "150")
        tell("growth in between", daemon.memory() - memory, "MB", "under 5")
        tell("lines a CPU second, end to end", written / spent, "", "300,000 (HDFS)")
        before, begin = daemon.cpu(), time.monotonic()
        time.sleep(idle)
        share = (daemon.cpu() - before) / (time.monotonic() - begin)
        tell("CPU when idle", 100 * share, "% core", "under 0.5")
        tell("to save and stop", daemon.stop(), "s", "under 2")


def main() -> None:
    """Measure one app, and many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--idle", type=float, default=10.0)
    arguments = parser.parse_args()
    for apps in (1, arguments.apps):
        measure(apps, arguments.lines, arguments.idle)


if __name__ == "__main__":
    main()
