"""Lines lost and lines twice under real logrotate, beside GNU tail -F, rsyslog and mtail.

A writer numbers its lines and appends them; after a rename it writes on to the file that it has
open until logrotate's postrotate script tells it to reopen its log, as services do. logrotate
itself runs at a fixed period. All readers follow the same log in the same run. The writer knows
what it wrote; what is on no disk at the end is logrotate's own loss: lines written between copying
and truncating, or to a file that was being compressed.
mtail only counts: what it read twice hides some of what it lost. A peer that is not installed is
left out, with a line that says so.

    python benchmarks/tailing.py [--lines 1000000] [--rate 5000] [--rotations 200] [--mode …]
"""

import argparse
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnd.daemon.tailing.tail import Tailer

MODES = {
    "rename": "create 0644",
    "rename, compress": "create 0644\n  compress",
    "rename, delaycompress": "create 0644\n  compress\n  delaycompress",
    "copytruncate": "copytruncate",
    "copytruncate, compress": "copytruncate\n  compress",
    "copytruncate, delaycompress": "copytruncate\n  compress\n  delaycompress",
}
REOPEN = "reopen"  # the file that tells the writer to
NUMBER = re.compile(rb"line (\d+) ")


def numbers(lines: Iterable[bytes]) -> Counter[int]:
    """Return how often each numbered line is in *lines*."""
    return Counter(int(match[1]) for line in lines if (match := NUMBER.search(line)))


class Writer(threading.Thread):
    """Appends numbered lines at a rate, and opens the log anew when told to."""

    def __init__(self, log: Path, lines: int, rate: float) -> None:
        super().__init__()
        self.log, self.lines, self.rate = log, lines, rate

    def run(self) -> None:
        """Write all lines, ten at a time."""
        begin = time.monotonic()
        told = self.log.parent / REOPEN
        file = self.log.open("ab", buffering=0)
        for first in range(0, self.lines, 10):
            file.write(
                b"".join(
                    b"2026-01-01T00:00:00Z INFO app: line %d of a log that rotates\n" % number
                    for number in range(first, min(first + 10, self.lines))
                )
            )
            time.sleep(max(0.0, begin + first / self.rate - time.monotonic()))
            if told.exists():
                told.unlink()
                file.close()
                file = self.log.open("ab", buffering=0)
        file.close()


class Rnnd(threading.Thread):
    """The daemon's tailer, polling as the daemon does when nothing wakes it, or sooner."""

    def __init__(self, log: Path, period: float) -> None:
        super().__init__()
        self.tailer = Tailer([str(log)])
        self.period = period
        self.read: Counter[int] = Counter()
        self.done = threading.Event()

    def run(self) -> None:
        """Read until `done` is set and nothing is left."""
        last = False
        self.look()  # what was rotated before that would be history
        while not last:
            last = self.done.wait(self.period)
            self.look()
        self.look()
        self.tailer.close()

    def look(self) -> None:
        """Read all that there is."""
        self.tailer.poll(time.monotonic())
        while ready := self.tailer.ready():
            self.read += numbers(self.tailer.read(ready[0]).splitlines())


def rotate(directory: Path, mode: str) -> None:
    """Let logrotate rotate once."""
    configuration = directory / "logrotate.conf"
    configuration.write_text(
        f"{directory}/app.log {{\n  size 1\n  rotate 1000\n  missingok\n  {MODES[mode]}\n"
        f"  postrotate\n    touch {directory}/{REOPEN}\n  endscript\n}}\n"
    )
    configuration.chmod(0o644)
    subprocess.run(
        ["logrotate", "--force", "--state", directory / "logrotate.state", configuration],
        check=True,
    )


def on_disk(directory: Path) -> Counter[int]:
    """Return what the log and all that logrotate made of it hold."""
    found: Counter[int] = Counter()
    for path in directory.glob("app.log*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found += numbers(data.splitlines())
    return found


class Tail:
    """GNU tail -F, its output in a file."""

    name = "GNU tail -F"

    def __init__(self, directory: Path) -> None:
        self.output = directory / "tail.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["tail", "-n", "+1", "-F", directory / "app.log"],
                stdout=output,
                stderr=subprocess.DEVNULL,
            )

    def stop(self) -> Counter[int]:
        """Return how often it read each line."""
        self.process.terminate()
        self.process.wait()
        return numbers(self.output.read_bytes().splitlines())


class Rsyslog:
    """rsyslog's imfile, by inotify, as it is by default; its output in a file."""

    name = "rsyslog imfile"

    def __init__(self, directory: Path) -> None:
        place = directory / "rsyslog"
        place.mkdir()
        self.output = place / "out"
        configuration = place / "rsyslog.conf"
        configuration.write_text(
            f'global(workDirectory="{place}")\n'
            'module(load="imfile")\n'
            'template(name="raw" type="string" string="%msg%\\n")\n'
            f'input(type="imfile" file="{directory}/app.log" tag="app" reopenOnTruncate="on")\n'
            f'action(type="omfile" file="{self.output}" template="raw")\n'
        )
        self.process = subprocess.Popen(
            ["rsyslogd", "-n", "-f", configuration, "-i", place / "pid"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> Counter[int]:
        """Return how often it read each line."""
        self.process.terminate()
        self.process.wait()
        text = self.output.read_bytes() if self.output.exists() else b""
        return numbers(text.splitlines())


class Mtail:
    """mtail, which counts lines and does not keep them."""

    name = "mtail (a count)"

    def __init__(self, directory: Path) -> None:
        place = directory / "mtail"
        place.mkdir()
        (place / "lines.mtail").write_text("counter lines\n/line \\d+ / {\n  lines++\n}\n")
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.process = subprocess.Popen(
            [
                *("mtail", "--progs", place, "--logs", directory / "app.log"),
                *("--address", "127.0.0.1", "--port", str(self.port), "--log_dir", place),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> Counter[int]:
        """Return that it read so many lines, as if they were the first ones, once each."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            match = re.search(r"^lines\{[^}]*\} (\S+)", answer.read().decode(), re.M)
        self.process.terminate()
        self.process.wait()
        return Counter(range(int(float(match[1])) if match else 0))


PEERS: dict[str, type[Tail] | type[Rsyslog] | type[Mtail]] = {
    "tail": Tail,
    "rsyslogd": Rsyslog,
    "mtail": Mtail,
}


def measure(mode: str, lines: int, rate: float, rotations: int) -> None:
    """Print how many lines each reader lost or read twice in one run."""
    directory = Path(tempfile.mkdtemp(prefix="rnnd-tailing-"))
    (directory / "app.log").touch()
    peers = [peer(directory) for program, peer in PEERS.items() if shutil.which(program)]
    try:
        run(directory, mode, lines, rate, rotations, peers)
    finally:
        for peer in peers:
            peer.process.kill()
        shutil.rmtree(directory)


def run(
    directory: Path,
    mode: str,
    lines: int,
    rate: float,
    rotations: int,
    peers: Sequence[Tail | Rsyslog | Mtail],
) -> None:
    """Write and rotate, and print what became of the lines."""
    log = directory / "app.log"
    readers = {"rnnd, every 1 s": Rnnd(log, 1.0), "rnnd, every 50 ms": Rnnd(log, 0.05)}
    writer = Writer(log, lines, rate)
    time.sleep(2)  # until all have found the log
    begin = time.monotonic()
    for thread in (*readers.values(), writer):
        thread.start()
    period = lines / rate / rotations
    count = 0
    while writer.is_alive():
        writer.join(max(0.0, begin + (count + 1) * period - time.monotonic()))
        if writer.is_alive():
            rotate(directory, mode)
            count += 1
    seconds = time.monotonic() - begin
    for reader in readers.values():
        reader.done.set()
        reader.join()
    time.sleep(5)  # the peers look once a second, or more often
    kept = on_disk(directory)
    results = {"logrotate itself": kept}
    results |= {name: reader.read for name, reader in readers.items()}
    results |= {peer.name: peer.stop() for peer in peers}
    print(f"{mode}: {lines:,} lines, {lines / seconds:,.0f} a second, {count} rotations")
    for name, read in results.items():
        lost = sum(number not in read for number in range(lines))
        twice = sum(read.values()) - len(read)
        missed = sum(number not in read for number in kept)
        print(f"  {name:<20} lost {lost:>8,}   twice {twice:>8,}   on disk, unread {missed:>8,}")
    sys.stdout.flush()


def main() -> None:
    """Measure the modes asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--rate", type=float, default=3_000)
    parser.add_argument("--rotations", type=int, default=20)
    parser.add_argument("--mode", choices=MODES, action="append")
    arguments = parser.parse_args()
    if shutil.which("logrotate") is None:
        print("tailing: logrotate is not installed, nothing was measured")
        return
    for program in PEERS:
        if shutil.which(program) is None:
            print(f"tailing: {program} is not installed, it was left out")
    os.umask(0o022)
    for mode in arguments.mode or MODES:
        measure(mode, arguments.lines, arguments.rate, arguments.rotations)


if __name__ == "__main__":
    main()
