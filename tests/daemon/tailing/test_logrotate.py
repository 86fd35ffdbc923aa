"""The real logrotate beside a writer: what is written is read once, whatever it does to the log."""

import gzip
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnd.daemon.tailing.tail import Tailer
from tests.servers import needs

LINES = 20_000
ROTATIONS = 30
REOPEN = "reopen"
MODES = {
    "rename": "create 0644",
    "rename, compress": "create 0644\n  compress",
    "rename, delaycompress": "create 0644\n  compress\n  delaycompress",
    "rename, nocreate": "nocreate",
    "copytruncate": "copytruncate",
    "copytruncate, compress": "copytruncate\n  compress",
}


def line(number: int) -> bytes:
    return b"2026-01-01T00:00:00Z INFO line %d\n" % number


def write(log: Path, stop: threading.Event) -> None:
    """Write all lines, and reopen the log when logrotate says so, as services do."""
    told = log.parent / REOPEN
    file = log.open("ab", buffering=0)
    for number in range(LINES):
        file.write(line(number))
        if number % 10 == 0 and told.exists():
            told.unlink()
            file.close()
            file = log.open("ab", buffering=0)
        if number % 100 == 0 and stop.wait(0.005):
            break
    file.close()


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@needs("logrotate")
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", MODES)
def test_logrotate_loses_us_no_line_but_its_own(tmp_path: Path, mode: str) -> None:
    log = tmp_path / "app.log"
    configuration = tmp_path / "logrotate.conf"
    configuration.write_text(
        f"{log} {{\n  size 1\n  rotate 1000\n  missingok\n  {MODES[mode]}\n"
        f"  postrotate\n    touch {tmp_path / REOPEN}\n  endscript\n}}\n"
    )
    configuration.chmod(0o644)
    tailer = Tailer([str(log)])
    given: list[bytes] = []

    def look(now: float) -> None:
        tailer.poll(now)
        while ready := tailer.ready():
            given.extend(tailer.read(ready[0]).splitlines(keepends=True))

    log.touch()
    look(0.0)  # what was rotated before that is history
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(log, stop))
    writer.start()
    try:
        for turn in range(ROTATIONS):
            subprocess.run(
                ["logrotate", "--force", "--state", tmp_path / "state", configuration], check=True
            )
            if turn % 3 == 0:  # several rotations between two looks
                look(float(turn))
    finally:
        if mode != "rename":
            stop.set()
        writer.join()
    for now in (1e3, 1e4, 1e5):
        look(now)
    tailer.close()

    kept: Counter[bytes] = Counter()
    for path in tmp_path.glob("app.log*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        # A copy may end where a page of the file does, within a line. That is given as a line too.
        kept.update(one + b"\n" for one in data.splitlines())
    assert [one for one, count in Counter(given).items() if count > 1] == []
    assert set(kept) - set(given) == set()
