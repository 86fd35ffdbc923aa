"""Any order of what may happen to several logs, against a model that knows every line."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rnnd.daemon.tailing.signature import FIRST_SUM, HEAD
from rnnd.daemon.tailing.tail import Tailer

LOGS = ("a.log", "b.log")
NAMES = st.sampled_from(LOGS)
EVER = 10_000.0  # s; longer than all patience


class Logs(RuleBasedStateMachine):
    """Writers, logrotate, operators, crashes: every line must come once.

    Any number of rotations may come between two looks. What is deleted for good was seen before,
    and saved: nobody could know it otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.written = dict.fromkeys(LOGS, -1)  # the last number
        self.begun: dict[str, bytes] = {}  # the rest of a line that was written in part
        self.risked: set[str] = set()  # lines that logrotate itself may lose
        self.given: list[str] = []
        self.now = 0.0
        self.days = 0

    @initialize(
        chunk=st.sampled_from([40, 1000, 1 << 18]),
        max_open=st.sampled_from([1, 100]),
        pattern=st.sampled_from(["*.log", "*.log*"]),
        dated=st.booleans(),
    )
    def begin(self, chunk: int, max_open: int, pattern: str, dated: bool) -> None:
        self.patterns = [str(self.directory / pattern)]
        self.options: dict[str, Any] = {"chunk": chunk, "max_open": max_open}
        self.tailer = Tailer(self.patterns, **self.options)
        self.dated = dated
        for name in LOGS:
            self.write(name, 3)
        self.save()

    # Writers

    def _line(self, name: str) -> bytes:
        number = self.written[name] = self.written[name] + 1
        time = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
        return f"2026-01-01T{time}Z INFO {name} {number}\n".encode()

    @rule(name=NAMES, count=st.integers(1, 20))
    def write(self, name: str, count: int) -> None:
        with (self.directory / name).open("ab") as file:
            file.write(self.begun.pop(name, b""))
            for _ in range(count):
                file.write(self._line(name))

    @rule(name=NAMES, length=st.integers(20, 32))
    def write_in_part(self, name: str, length: int) -> None:
        """Write the beginning of a line, with its time: of less nobody can tell whose it is."""
        if name not in self.begun:
            line = self._line(name)
            self.begun[name] = line[length:]
            with (self.directory / name).open("ab") as file:
                file.write(line[:length])

    def _end_line(self, name: str) -> Path:
        if name in self.begun:
            self.write(name, 1)
        return self.directory / name

    # The daemon

    @rule(after=st.sampled_from([0.5, 20.0, 70.0]))
    def look(self, after: float = 0.5) -> None:
        self.now += after
        self.tailer.poll(self.now)
        while ready := self.tailer.ready():
            self.given += self.tailer.read(ready[-1]).decode().splitlines()

    @rule()
    def save(self) -> None:
        self.look()
        self.saved = (self.tailer.state(), len(self.given))

    @rule()
    def crash(self) -> None:
        """Go on from what was saved last; what was given since is forgotten."""
        state, count = self.saved
        self.tailer.close()
        del self.given[count:]
        self.tailer = Tailer(self.patterns, **self.options)
        self.tailer.restore(state)

    # Rotation

    def _make_room(self, path: Path) -> Path:
        if self.dated:
            self.days += 1
            return path.with_name(f"{path.name}-{20260101 + self.days}")
        numbers = [
            int(one.name.removesuffix(".gz").rpartition(".")[2])
            for one in self.directory.glob(f"{path.name}.[0-9]*")
        ]
        for number in range(max(numbers, default=0), 0, -1):
            for suffix in ("", ".gz"):
                old = path.with_name(f"{path.name}.{number}{suffix}")
                if old.exists():
                    old.rename(path.with_name(f"{path.name}.{number + 1}{suffix}"))
        return path.with_name(f"{path.name}.1")

    @rule(name=NAMES, packed=st.booleans(), create=st.booleans(), late=st.booleans())
    def rename(self, name: str, packed: bool, create: bool, late: bool) -> None:
        """Rename a log; a *late* writer goes on with the file that it has open."""
        path = self._end_line(name)
        if not path.exists() or not path.stat().st_size:
            return
        rotated = path.rename(self._make_room(path))
        if create:
            path.touch()
        if late:
            with rotated.open("ab") as file:
                file.writelines(self._line(name) for _ in range(3))
        if packed:
            self._compress(rotated)

    @rule(
        name=NAMES,
        packed=st.booleans(),
        seen=st.sampled_from(["not", "only seen", "read"]),
        late=st.integers(0, 3),
    )
    def copytruncate(self, name: str, packed: bool, seen: str, late: int) -> None:
        """Copy a log and empty it; what is *seen* meanwhile is half a copy, then a whole one.

        What comes *late* is written between the copying and the emptying.
        """
        path = self._end_line(name)
        if not path.exists() or not path.stat().st_size:
            return
        copy, data = self._make_room(path), path.read_bytes()
        copy.write_bytes(data[: len(data) // 2])
        self._glance(seen)
        copy.write_bytes(data)
        for _ in range(late):
            line = self._line(name)
            self.risked.add(line.decode().rstrip())
            with path.open("ab") as file:
                file.write(line)
        self._glance(seen)
        os.truncate(path, 0)
        if packed:
            self._compress(copy)

    def _glance(self, seen: str) -> None:
        if seen == "read":
            self.look()
        elif seen == "only seen":
            self.tailer.poll(self.now)

    @rule(name=NAMES)
    def compress_what_was_left(self, name: str) -> None:
        for path in sorted(self.directory.glob(f"{name}[.-]*")):
            if path.suffix != ".gz" and path.name != f"{name}.1":
                self._compress(path)

    def _compress(self, path: Path) -> None:
        status = path.stat()
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()

    # Operators

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        path = self._end_line(name)
        self.look()
        path.unlink(missing_ok=True)
        self.save()

    @rule(name=NAMES)
    def delete_the_oldest(self, name: str) -> None:
        self.save()
        for path in sorted(self.directory.glob(f"{name}[.-]*"))[-2:]:
            path.unlink()

    @rule(name=NAMES)
    def save_from_an_editor(self, name: str) -> None:
        """Replace a log by a copy of itself; of a short one nobody can tell that it is one."""
        path = self._end_line(name)
        self.look()
        if path.exists() and path.stat().st_size >= HEAD:
            text = path.read_bytes()
            path.unlink()
            path.write_bytes(text)
        self.save()

    @rule(name=NAMES)
    def cut_off_the_end(self, name: str) -> None:
        path = self._end_line(name)
        self.save()
        if path.exists() and path.stat().st_size >= 2 * FIRST_SUM:
            lines = path.read_bytes().splitlines(keepends=True)
            os.truncate(path, sum(map(len, lines[: len(lines) * 3 // 4])))
            self.save()

    def teardown(self) -> None:
        if not hasattr(self, "tailer"):
            return
        for name in LOGS:
            self._end_line(name)
        for after in (1.0, EVER, EVER):
            self.look(after)
        self.tailer.close()
        shutil.rmtree(self.directory)
        for name, last in self.written.items():
            given = [line for line in self.given if f" {name} " in line]
            lost = {line for line in self.risked if f" {name} " in line} - set(given)
            numbers = [int(line.split()[-1]) for line in (*given, *lost)]
            assert sorted(numbers) == list(range(last + 1)), name


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Logs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(600)
def test_any_order_of_events_gives_every_line_once() -> None:
    run(examples=2000, steps=20)


@pytest.mark.soak
def test_any_long_order_of_events_gives_every_line_once() -> None:
    run(examples=20_000, steps=50)
