"""What was written before the first start: rotated siblings, read first, each line once."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnd.config.loading import load_settings
from rnnd.daemon.tailing.tail import Tailer
from rnnd.errors import ConfigError
from tests.daemon.process import Daemon

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
HOUR = 3600


class Bench:
    """A directory of logs, written in order, and the numbers of the lines that a tailer gave."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written = 0
        self.numbers: list[int] = []
        self.now = 0.0
        self.time = 1_700_000_000

    def write(self, name: str, count: int = 100) -> Path:
        """Write numbered lines to the file *name*, packed as it says, an hour after the last."""
        path = self.directory / name
        lines = b"".join(
            b"2026-01-01T00:00:00Z INFO line %d\n" % number
            for number in range(self.written, self.written + count)
        )
        self.written += count
        suffix = path.suffix if path.suffix in PACK else ""
        path.write_bytes(PACK[suffix](lines))
        self.time += HOUR
        os.utime(path, (self.time, self.time))
        return path

    def tail(self, *patterns: str, history: int = 1 << 30) -> Tailer:
        paths = [str(self.directory / one) for one in patterns or ("app.log",)]
        return Tailer(paths, chunk=1000, history=history)

    def poll(self, tailer: Tailer) -> None:
        self.now += 1.0
        tailer.poll(self.now)

    def read(self, tailer: Tailer, most: int = 1 << 30) -> None:
        """Read at most so many chunks of what there is."""
        while most and (ready := tailer.ready()):
            lines = tailer.read(ready[0]).splitlines()
            self.numbers += [int(line.split()[-1]) for line in lines]
            most -= 1

    def all_once_in_order(self) -> bool:
        return self.numbers == list(range(self.written))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("app.log.3.gz", "app.log.2.gz", "app.log.1", "app.log"),
        ("app.log.10.xz", "app.log.9.bz2", "app.log.1", "app.log"),
        ("app.log-20261101.xz", "app.log-20261102.gz", "app.log-20261103", "app.log"),
        ("app-2026-11-01.log.gz", "app-2026-11-02.log", "app.log"),
        ("app.log.old", "app.log"),
    ],
)
def test_rotated_files_are_read_first_the_oldest_first(bench: Bench, names: list[str]) -> None:
    for name in names:
        bench.write(name)

    tailer = bench.tail()
    bench.poll(tailer)
    assert tailer.rotated == len(names) - 1
    bench.read(tailer)

    assert bench.all_once_in_order()
    assert tailer.rotated == 0
    assert tailer.counts["rotations"] == 0


def test_files_that_were_copied_at_once_are_ordered_by_their_names(bench: Bench) -> None:
    for name in ("app.log.12.gz", "app.log.2.gz", "app.log.1", "app.log"):
        os.utime(bench.write(name), (bench.time, 1_800_000_000))

    tailer = bench.tail()
    bench.poll(tailer)
    bench.read(tailer)

    assert bench.all_once_in_order()


def test_only_the_newest_are_read_within_the_bound(bench: Bench) -> None:
    sizes = [bench.write(name).stat().st_size for name in ("app.log.3", "app.log.2", "app.log.1")]
    bench.write("app.log")

    tailer = bench.tail(history=sizes[1] + sizes[2])
    bench.poll(tailer)
    bench.read(tailer)

    assert bench.numbers == list(range(100, 400))


def test_an_archive_counts_ten_times(bench: Bench) -> None:
    archive = bench.write("app.log.2.gz")
    plain = bench.write("app.log.1")
    bench.write("app.log")
    enough = plain.stat().st_size + 10 * archive.stat().st_size

    for room, first in ((enough - 1, 100), (enough, 0)):
        bench.numbers.clear()
        tailer = bench.tail(history=room)
        bench.poll(tailer)
        bench.read(tailer)
        assert bench.numbers == list(range(first, 300))


def test_without_room_for_history_the_log_alone_is_read(bench: Bench) -> None:
    bench.write("app.log.1")
    bench.write("app.log")

    tailer = bench.tail(history=0)
    bench.poll(tailer)
    bench.read(tailer)

    assert bench.numbers == list(range(100, 200))


@pytest.mark.parametrize("chunks", [0, 1, 5, 9, 14])
def test_a_saved_state_goes_on_in_the_midst_and_reads_nothing_again(
    bench: Bench, chunks: int
) -> None:
    for name in ("app.log.2.gz", "app.log.1", "app.log"):
        bench.write(name)
    first, second = bench.tail(), bench.tail()
    bench.poll(first)
    bench.read(first, chunks)

    second.restore(first.state())
    first.close()
    bench.poll(second)
    bench.read(second)

    assert bench.all_once_in_order()


@pytest.mark.parametrize("chunks", [0, 2, 6, 8, 12])
def test_a_rotation_in_the_midst_of_it_loses_nothing_and_gives_nothing_twice(
    bench: Bench, chunks: int
) -> None:
    """As logrotate does with delaycompress: everything moves on, and the first is packed."""
    for name in ("app.log.3.gz", "app.log.2.gz", "app.log.1", "app.log"):
        bench.write(name)
    tailer = bench.tail()
    bench.poll(tailer)
    bench.read(tailer, chunks)

    directory = bench.directory
    (directory / "app.log.3.gz").rename(directory / "app.log.4.gz")
    (directory / "app.log.2.gz").rename(directory / "app.log.3.gz")
    old = directory / "app.log.1"
    (directory / "app.log.2.gz").write_bytes(gzip.compress(old.read_bytes()))
    os.utime(directory / "app.log.2.gz", (old.stat().st_mtime, old.stat().st_mtime))
    old.unlink()
    (directory / "app.log").rename(old)
    bench.write("app.log")
    for _ in range(3):
        bench.poll(tailer)
        bench.read(tailer)

    assert bench.all_once_in_order()


def test_a_glob_that_finds_rotated_files_too_gives_their_lines_once(bench: Bench) -> None:
    for name in ("app.log.2.gz", "app.log.1", "app.log"):
        bench.write(name)

    tailer = bench.tail("app.log*")
    bench.poll(tailer)
    bench.read(tailer)

    assert sorted(bench.numbers) == list(range(300))


def test_a_torn_archive_is_told_and_the_rest_is_read(bench: Bench) -> None:
    torn = bench.write("app.log.2.gz")
    torn.write_bytes(torn.read_bytes()[:-20])
    os.utime(torn, (1_700_000_000, 1_700_000_000))
    bench.write("app.log.1")
    bench.write("app.log")

    tailer = bench.tail()
    bench.poll(tailer)
    bench.read(tailer)
    bench.poll(tailer)
    bench.read(tailer)

    assert bench.numbers[-200:] == list(range(100, 300))
    assert tailer.complaints[str(torn)] == "the archive is not whole"


def test_a_log_that_appears_later_has_no_history(bench: Bench) -> None:
    tailer = bench.tail("*.log")
    bench.poll(tailer)
    bench.write("app.log.1")
    bench.write("app.log")

    bench.poll(tailer)
    bench.read(tailer)

    assert bench.numbers == list(range(100, 200))


# With the real daemon


def write_story(directory: Path) -> int:
    """Write three generations of a log and return how many lines they have."""
    total = 0
    for name, day in (("app.log.2.gz", 1), ("app.log.1", 2), ("app.log", 3)):
        lines = b"".join(
            b"2090-01-%02dT%02d:%02d:00Z %s line %d\n"
            % (day, n // 60, n % 60, b"CRITICAL" if n == 900 else b"INFO", n)
            for n in range(24 * 60)
        )
        path = directory / name
        path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
        os.utime(path, (1_700_000_000 + day * HOUR, 1_700_000_000 + day * HOUR))
        total += 24 * 60
    return total


def test_the_daemon_learns_from_rotated_files_at_its_first_start_alone(tmp_path: Path) -> None:
    total = write_story(tmp_path)
    log, state = tmp_path / "app.log", tmp_path / "state"

    with Daemon(log, "--state", state) as daemon:
        daemon.said(r"app: reading [\d.]+kB with 2 rotated files first")
        daemon.said(rf"app: 100% of it read, {total:,} lines so far")
        app = daemon.wait_for(lambda app: bool(app["failures"]["missed"] == 3))
        assert daemon.stop() == 0
    with Daemon(log, "--state", state) as daemon:
        daemon.wait_for(lambda app: not app["catching_up"])
        again = daemon.app()
        assert daemon.stop() == 0

    assert app["lines"] == again["lines"] == total
    assert app["rotated_files"] == {"read": 2, "total": 2}


def test_no_history_is_read_where_the_configuration_says_so(tmp_path: Path) -> None:
    write_story(tmp_path)
    configuration = tmp_path / "rnnd.yaml"
    configuration.write_text(
        f"apps: [{{name: app, logs: ['{tmp_path}/app.log'], history: 0B}}]\n"
        f"state: {tmp_path}/state\n"
    )

    with Daemon("--config", configuration) as daemon:
        daemon.wait_for_lines(24 * 60)
        assert daemon.app()["lines"] == 24 * 60


@pytest.mark.parametrize("written", ["1 gig", "-1MB", "5", "[1GiB]"])
def test_a_bad_size_is_told(written: str) -> None:
    with pytest.raises(ConfigError, match="a size such as"):
        load_settings(f"apps: [{{name: a, logs: [/a.log], history: {written}}}]", "rnnd.yaml")
