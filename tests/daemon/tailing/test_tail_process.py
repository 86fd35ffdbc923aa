"""What happens to log files, one scenario each, with real files and the real daemon.

One daemon follows the logs of all scenarios, each an app of its own. A scenario is a generator: at
each `yield` it waits until the daemon has read all that was written so far. In the end every line
must have come once: the daemon's counts of lines and bytes say so.
"""

import bz2
import gzip
import json
import lzma
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.process import PATIENCE, Daemon


class Log:
    """A log that a scenario writes, in a directory of its own."""

    def __init__(self, directory: Path, look: Callable[[], None]) -> None:
        self.directory = directory
        self.path = directory / "app.log"
        self.look = look  # waits until the daemon has looked at all files again
        self.lines = 0
        self.bytes = 0

    def write(self, count: int = 3, path: Path | None = None) -> None:
        """Append numbered lines, in the future: so the daemon's clock closes no tick."""
        with (path or self.path).open("ab") as file:
            for _ in range(count):
                file.write(self.line())

    def line(self) -> bytes:
        minutes, seconds = divmod(self.lines, 60)
        line = f"2090-01-01T00:{minutes:02}:{seconds:02}Z INFO line {self.lines}\n".encode()
        self.lines += 1
        self.bytes += len(line)
        return line

    def rotate(self, suffix: str = ".1") -> Path:
        return self.path.rename(self.path.with_name(self.path.name + suffix))

    def copy(self, suffix: str = ".1") -> Path:
        return Path(shutil.copyfile(self.path, self.path.with_name(self.path.name + suffix)))

    def copytruncate(self, suffix: str = ".1") -> Path:
        copy = self.copy(suffix)
        os.truncate(self.path, 0)
        return copy


def compress(path: Path, pack: Callable[[bytes], bytes], suffix: str) -> None:
    status = path.stat()
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(pack(path.read_bytes()))
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
Scenario = Callable[[Log], Iterator[None]]
SCENARIOS: dict[str, Scenario] = {}
PATTERNS: dict[str, list[str]] = {}  # where it is not app.log


def scenario(*patterns: str, name: str = "") -> Callable[[Scenario], Scenario]:
    def enter(one: Scenario) -> Scenario:
        title = name or one.__name__
        SCENARIOS[title] = one
        if patterns:
            PATTERNS[title] = list(patterns)
        return one

    return enter


# Growing


@scenario()
def lines_written_again_and_again(log: Log) -> Iterator[None]:
    for _ in range(4):
        log.write()
        yield


@scenario()
def a_line_in_two_parts(log: Log) -> Iterator[None]:
    line = log.line()
    log.path.write_bytes(line[:10])
    with log.path.open("ab") as file:
        file.write(line[10:])
    yield


@scenario()
def a_file_of_one_byte(log: Log) -> Iterator[None]:
    log.path.write_bytes(b"\n")
    log.lines += 1
    log.bytes += 1
    yield


@scenario()
def an_empty_file(log: Log) -> Iterator[None]:
    log.path.touch()
    yield
    log.write()
    yield


@scenario()
def a_line_longer_than_is_kept(log: Log) -> Iterator[None]:
    log.path.write_bytes(b"x" * 100_000 + b"\n")
    log.lines += 1
    log.bytes += 65_537
    log.write()
    yield


@scenario()
def bytes_that_are_no_text(log: Log) -> Iterator[None]:
    log.path.write_bytes(b"\xff\xfe\0\n")
    log.lines += 1
    log.bytes += 4
    yield


# Finding


@scenario("late.log")
def a_file_that_comes_later(log: Log) -> Iterator[None]:
    yield
    log.write(path=log.directory / "late.log")
    yield


@scenario("*.log")
def new_files_of_a_glob(log: Log) -> Iterator[None]:
    for name in ("a.log", "b.log", "c.log"):
        log.write(path=log.directory / name)
        yield


@scenario("deep/er/*.log")
def a_directory_that_comes_later(log: Log) -> Iterator[None]:
    yield
    (log.directory / "deep" / "er").mkdir(parents=True)
    log.write(path=log.directory / "deep" / "er" / "a.log")
    yield


@scenario("logs/*.log")
def a_directory_deleted_and_made_again(log: Log) -> Iterator[None]:
    place = log.directory / "logs"
    for _ in range(3):
        place.mkdir()
        log.write(path=place / "a.log")
        yield
        shutil.rmtree(place)
    place.mkdir()
    log.write(path=place / "a.log")
    yield


@scenario("*.log")
def two_hard_links(log: Log) -> Iterator[None]:
    log.write()
    (log.directory / "other.log").hardlink_to(log.path)
    yield
    log.write()
    yield


@scenario("*.log")
def a_symbolic_link_beside_its_target(log: Log) -> Iterator[None]:
    log.write()
    (log.directory / "link.log").symlink_to(log.path)
    yield


@scenario("current")
def a_link_set_to_the_next_file(log: Log) -> Iterator[None]:
    link = log.directory / "current"
    for name in ("one", "two", "three"):
        log.write(path=log.directory / name)
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        yield


@scenario("dangling")
def a_dangling_link(log: Log) -> Iterator[None]:
    (log.directory / "dangling").symlink_to("later")
    yield
    log.write(path=log.directory / "later")
    yield


@scenario("containers/*.log")
def kubernetes_chain_of_links(log: Log) -> Iterator[None]:
    pod, containers = log.directory / "pods" / "uid", log.directory / "containers"
    pod.mkdir(parents=True)
    containers.mkdir()
    (log.directory / "by-pod.log").symlink_to(pod / "0.log")
    (containers / "app.log").symlink_to(log.directory / "by-pod.log")
    log.write(path=pod / "0.log")
    yield
    log.write(path=pod / "0.log")
    rotated = (pod / "0.log").rename(pod / "0.log.20260101-000000")
    compress(rotated, gzip.compress, ".gz")
    log.write(path=pod / "0.log")
    yield


@scenario("*.log")
def two_files_with_equal_beginnings(log: Log) -> Iterator[None]:
    for name in ("a.log", "b.log"):
        (log.directory / name).write_bytes(b"started\n")
        log.lines += 1
        log.bytes += 8
    yield
    log.write(path=log.directory / "b.log")
    yield


@scenario("app.log*")
def archives_that_a_glob_finds(log: Log) -> Iterator[None]:
    archive = log.directory / "app.log.2.gz"
    archive.write_bytes(gzip.compress(b"old\n"))
    os.utime(archive, (1e9, 1e9))
    log.write()
    yield


# Renamed


@scenario()
def renamed(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.write()
    log.rotate()
    log.write()
    yield


@scenario()
def renamed_while_the_writer_has_it_open(log: Log) -> Iterator[None]:
    log.write()
    yield
    old = log.rotate()
    log.write()
    yield
    log.write(path=old)
    yield


@scenario()
def renamed_and_not_made_again_for_a_while(log: Log) -> Iterator[None]:
    log.write()
    yield
    old = log.rotate()
    log.write(path=old)
    yield
    log.write()
    yield


@scenario("app.log*")
def renamed_by_one_again_and_again_under_a_glob(log: Log) -> Iterator[None]:
    for turn in range(4):
        log.write()
        yield
        for number in range(turn, 0, -1):
            log.path.with_name(f"app.log.{number}").rename(
                log.path.with_name(f"app.log.{number + 1}")
            )
        log.rotate()
    log.write()
    yield


def renamed_and_packed(suffix: str) -> None:
    @scenario(name=f"renamed_and_packed_at_once{suffix.replace('.', '_')}")
    def run(log: Log) -> Iterator[None]:
        log.write()
        yield
        log.write()
        compress(log.rotate(), PACKERS[suffix], suffix)
        log.write()
        yield

    @scenario(name=f"copied_truncated_and_packed_at_once{suffix.replace('.', '_')}")
    def copied(log: Log) -> Iterator[None]:
        log.write()
        yield
        log.write()
        compress(log.copytruncate(), PACKERS[suffix], suffix)
        log.write(1)
        yield


for suffix in PACKERS:
    renamed_and_packed(suffix)


def renamed_to(title: str, new: str) -> None:
    @scenario(name=f"renamed_to_{title}")
    def run(log: Log) -> Iterator[None]:
        log.write()
        yield
        for _ in range(2):  # the first of them comes and goes unseen, or not
            log.write()
            (log.directory / new).parent.mkdir(exist_ok=True)
            log.path.rename(log.directory / f"{new}{log.lines}")
        log.write()
        yield


renamed_to("a_number", "app.log.")
renamed_to("a_date", "app.log-202601")
renamed_to("another_directory", "old/app.log.")


@scenario()
def renamed_to_a_date_before_the_suffix(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.write()
    log.path.rename(log.directory / "app-2026-01-02.log")
    log.write()
    yield


def generations(packed: bool) -> None:
    @scenario(name=f"three_generations_at_once{'_packed' * packed}")
    def run(log: Log) -> Iterator[None]:
        log.write()
        yield
        for number in (3, 2, 1):
            log.write()
            old = log.rotate(f".{number}")
            if packed:
                compress(old, gzip.compress, ".gz")
        log.write()
        yield


generations(packed=False)
generations(packed=True)


@scenario()
def another_log_with_a_similar_name(log: Log) -> Iterator[None]:
    log.write()
    yield
    for name in ("app-worker.log", "app.log.errors"):
        (log.directory / name).write_bytes(b"not ours\n")
    log.rotate()
    log.write()
    yield


# Truncated


@scenario()
def copied_and_truncated(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.write()
    log.copytruncate()
    log.write(1)
    yield


@scenario()
def copied_and_truncated_twice_at_once(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.write(10)
    log.copytruncate(".2")
    log.write(20)
    log.copytruncate(".1")
    log.write()
    yield


@scenario("app.log*")
def copied_and_truncated_under_a_glob(log: Log) -> Iterator[None]:
    for number in (1, 2, 3):
        log.write(5)
        yield
        log.write(5)
        log.copytruncate(f".{number}")
        log.write(1)
        yield


@scenario("app.log*")
def a_copy_under_way(log: Log) -> Iterator[None]:
    log.write(100)
    yield
    data = log.path.read_bytes()
    for end in (10, 300, 2000, len(data)):
        (log.directory / "app.log.1").write_bytes(data[:end])
        log.write(1)
        yield


def emptied(title: str, count: int) -> None:
    @scenario(name=f"emptied_and_written_anew_{title}")
    def run(log: Log) -> Iterator[None]:
        log.write(10)
        yield
        os.truncate(log.path, 0)
        log.write(count)
        yield


emptied("smaller", 5)
emptied("equal", 10)
emptied("larger", 20)


@scenario()
def cut_to_a_piece_of_itself(log: Log) -> Iterator[None]:
    log.write(40)
    yield
    lines = log.path.read_bytes().splitlines(keepends=True)
    os.truncate(log.path, sum(map(len, lines[:20])))
    log.look()
    log.write()
    yield


@scenario()
def a_writer_that_does_not_append(log: Log) -> Iterator[None]:
    with log.path.open("wb", buffering=0) as writer:
        for _ in range(30):
            writer.write(log.line())
        yield
        os.truncate(log.path, 0)
        writer.write(log.line())
        yield


@scenario()
def a_line_that_goes_on_in_the_copy(log: Log) -> Iterator[None]:
    line = log.line()
    log.path.write_bytes(line[:20])
    log.look()
    with log.path.open("ab") as file:
        file.write(line[20:])
    log.copytruncate()
    log.write()
    yield


@scenario()
def saved_by_an_editor(log: Log) -> Iterator[None]:
    log.write(20)
    yield
    text = log.path.read_bytes()
    log.path.unlink()
    log.path.write_bytes(text)
    log.write()
    yield


# Deleted


@scenario()
def written_and_deleted(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.write()
    log.path.unlink()
    yield


@scenario()
def deleted_and_made_again(log: Log) -> Iterator[None]:
    for _ in range(3):
        log.write()
        yield
        log.path.unlink()
    log.write()
    yield


@scenario()
def rights_taken_and_given_back(log: Log) -> Iterator[None]:
    log.write()
    yield
    log.path.chmod(0)
    log.write()
    yield
    log.path.chmod(0o644)
    log.write()
    yield


class Run:
    """The daemon over all scenarios."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = {name: Log(directory / name, self.look) for name in ("looks", *SCENARIOS)}
        self.result: dict[str, tuple[int, int]] = {}
        apps = []
        for name, log in self.logs.items():
            log.directory.mkdir()
            paths = [str(log.directory / one) for one in PATTERNS.get(name, ["app.log"])]
            apps.append({"name": name, "logs": paths, "history": "0B"})
        configuration = directory / "rnnd.yaml"
        configuration.write_text(json.dumps({"state": str(directory / "state"), "apps": apps}))
        self.daemon = Daemon("--config", configuration)

    def counts(self) -> dict[str, tuple[int, int]]:
        text = self.daemon.get("/metrics")
        found: dict[str, list[int]] = {name: [0, 0] for name in self.logs}
        for place, metric in enumerate(("rnnd_lines_total", "rnnd_bytes_total")):
            for line in text.splitlines():
                if line.startswith(f'{metric}{{app="'):
                    found[line.split('"')[1]][place] = int(float(line.split()[-1]))
        return {name: (lines, size) for name, (lines, size) in found.items()}

    def wait(self) -> None:
        """Wait until all that was written is read; what is not after a while, a test will tell."""
        wanted = {name: (log.lines, log.bytes) for name, log in self.logs.items()}
        end = time.monotonic() + PATIENCE / 4
        turn = threading.Event()
        while self.counts() != wanted and time.monotonic() < end:
            turn.wait(0.1)

    def look(self) -> None:
        """Wait until the daemon has looked at all files again: it has read what came later."""
        looks = self.logs["looks"]
        looks.write(1)
        end = time.monotonic() + PATIENCE / 4
        turn = threading.Event()
        while self.counts()["looks"][0] < looks.lines and time.monotonic() < end:
            turn.wait(0.1)

    def play(self) -> None:
        """Play all scenarios, a step of each in turn."""
        running = {name: SCENARIOS[name](self.logs[name]) for name in SCENARIOS}
        while running:
            for name, steps in list(running.items()):
                if next(steps, running) is running:
                    del running[name]
            self.wait()
        self.result = self.counts()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    run = Run(tmp_path_factory.mktemp("scenarios"))
    with run.daemon:
        run.play()
        yield run


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_line_comes_once_of(played: Run, name: str) -> None:
    log = played.logs[name]

    assert played.result[name] == (log.lines, log.bytes)
