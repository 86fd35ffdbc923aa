"""Any order of what may happen to several logs, against a model that knows every line."""

import gzip
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rnnd.daemon.tail import Tailer

NAMES = st.sampled_from(["a.log", "b.log"])
EVER = 10_000.0  # s; longer than all patience


class Logs(RuleBasedStateMachine):
    """Writers, logrotate, operators, crashes: every line must come once, in its log's order.

    A look may come late: at most one rotation of a log goes unseen between two.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.written: dict[str, int] = {}
        self.given: list[str] = []
        self.now = 0.0
        self.unseen: set[str] = set()  # rotated since the last look
        self.patterns = [str(self.directory / "*.log")]
        self.tailer = Tailer(self.patterns)

    @initialize(chunk=st.sampled_from([40, 1000, 1 << 18]), limit=st.sampled_from([1, 100]))
    def begin(self, chunk: int, limit: int) -> None:
        self.options = {"chunk": chunk, "max_open": limit}
        self.tailer = Tailer(self.patterns, **self.options)
        for name in ("a.log", "b.log"):
            self.write(name, 3)
        self.look(1.0)

    @rule(name=NAMES, count=st.integers(1, 20))
    def write(self, name: str, count: int) -> None:
        with (self.directory / name).open("ab") as file:
            for _ in range(count):
                number = self.written[name] = self.written.get(name, -1) + 1
                file.write(f"2026-01-01T00:00:00Z INFO {name} {number}\n".encode())

    @rule(after=st.sampled_from([0.5, 20.0, 70.0]))
    def look(self, after: float) -> None:
        self.now += after
        self.tailer.poll(self.now)
        while ready := self.tailer.ready():
            self.given += self.tailer.read(ready[0]).decode().splitlines()
        self.unseen.clear()

    @rule()
    def save(self) -> None:
        self.look(0.5)
        self.saved = (self.tailer.state(), len(self.given))

    @rule()
    def crash(self) -> None:
        """Lose what came after the last saving; whoever saves before a crash loses nothing."""
        self.save()
        state, count = self.saved
        self.look(1.0)
        self.tailer.close()
        del self.given[count:]
        self.tailer = Tailer(self.patterns, **self.options)
        self.tailer.restore(state)

    def _make_room(self, path: Path) -> Path:
        rotated = sorted(self.directory.glob(f"{path.name}.*"), key=lambda one: len(one.name))
        for number in range(len(rotated) + 1, 0, -1):
            for suffix in ("", ".gz"):
                old = path.with_name(f"{path.name}.{number}{suffix}")
                if old.exists():
                    old.rename(path.with_name(f"{path.name}.{number + 1}{suffix}"))
        return path.with_name(f"{path.name}.1")

    def _may_rotate(self, name: str) -> bool:
        path = self.directory / name
        if name in self.unseen or not path.exists():
            return False
        self.unseen.add(name)
        return True

    @rule(name=NAMES, packed=st.booleans())
    def rename(self, name: str, packed: bool) -> None:
        if not self._may_rotate(name):
            return
        path = self.directory / name
        rotated = path.rename(self._make_room(path))
        if packed:
            self._compress(rotated)

    @rule(name=NAMES, packed=st.booleans())
    def copytruncate(self, name: str, packed: bool) -> None:
        if not self._may_rotate(name):
            return
        path = self.directory / name
        copy = self._make_room(path)
        shutil.copyfile(path, copy)
        os.truncate(path, 0)
        if packed:
            self._compress(copy)

    def _compress(self, path: Path) -> None:
        status = path.stat()
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """Delete a log of which everything was seen."""
        self.look(0.5)
        (self.directory / name).unlink(missing_ok=True)
        self.look(0.5)

    @rule(name=NAMES)
    def save_from_an_editor(self, name: str) -> None:
        """Replace a log by a copy of itself; of a short one nobody can tell that it is one."""
        self.look(0.5)
        path = self.directory / name
        if path.exists() and path.stat().st_size >= 256:
            text = path.read_bytes()
            path.unlink()
            path.write_bytes(text)
        self.look(0.5)

    def teardown(self) -> None:
        self.look(1.0)
        self.look(EVER)
        self.look(EVER)
        self.tailer.close()
        shutil.rmtree(self.directory)
        for name, last in self.written.items():
            numbers = [int(line.split()[-1]) for line in self.given if f" {name} " in line]
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
    run(examples=150, steps=12)


@pytest.mark.soak
def test_any_long_order_of_events_gives_every_line_once() -> None:
    run(examples=20_000, steps=25)
