"""The whole program, given what it cannot use: one clear line, the right status, no traceback."""

import gzip
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rnnd.daemon.cli import main

LINE = "2026-03-02T08:15:{:02d}Z INFO shop - request {} done in {} ms\n"
PATIENCE = 60.0  # s; a bound for a hung program, never waited for otherwise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good log and many bad things."""
    folder = tmp_path_factory.mktemp("bad")
    good = "".join(LINE.format(second, second * 7, second % 13) for second in range(60))
    noise = random.Random(1).randbytes(50_000)
    (folder / "good.log").write_text(good)
    (folder / "empty.log").touch()
    (folder / "binary.log").write_bytes(noise)
    (folder / "plain.log").write_text("hello\nno time in sight\n")
    (folder / "torn.log.gz").write_bytes(gzip.compress(noise)[:20_000])
    (folder / "directory").mkdir()
    (folder / "loop.log").symlink_to("loop.log")  # which not even root can read
    (folder / "no-start.csv").write_text("time,kind\n1,2\n")
    (folder / "bad-start.csv").write_text("start\nyesterday\n")
    (folder / "unknown-key.yaml").write_text("apps:\n  - name: a\n    logs: [a]\n    horizn: 5m\n")
    (folder / "bad-duration.yaml").write_text("apps:\n  - {name: a, logs: [a], tick: 5x}\n")
    for name, key in {
        "zone": "timezone: Mars",
        "pattern": 'red: {patterns: ["a(b"]}',
        "layout": 'timestamp: {layout: "%Q"}',
        "after": 'timestamp: {layout: "%s", after: "(a"}',
    }.items():
        text = f"apps:\n  - name: a\n    logs: [a]\n    {key}\n"
        (folder / f"bad-{name}.yaml").write_text(text)
    (folder / "torn.yaml").write_text("apps: [\n")
    (folder / "model.txt").write_text("not a model")
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}


def rnnd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rnnd", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def status_of(arguments: Sequence[str]) -> int:
    """Run the program in this process, which is quicker than starting another one."""
    try:
        return main(arguments)
    except SystemExit as leave:
        return int(leave.code or 0)


BACKTEST = [
    (2, ["missing.log"], "missing.log: no such file"),
    (2, ["directory"], "directory: is a directory"),
    (1, ["loop.log"], "loop.log: cannot be opened"),
    (1, ["empty.log"], "empty.log: empty, nothing to replay"),
    (1, ["plain.log"], "timestamp"),
    (1, ["binary.log"], "timestamp"),
    (1, ["torn.log.gz"], "torn.log.gz: the archive ends too early"),
    (2, ["good.log", "missing.log"], "missing.log: no such file"),
    (2, ["good.log", "--horizon", "5x"], "'5x' is not a duration such as 10s"),
    (2, ["good.log", "--tick=-1s"], "'-1s' is not a duration"),
    (2, ["good.log", "--horizon", "1s"], "1s is shorter than the tick of 10s"),
    (2, ["good.log", "--budget", "lots"], "'lots' is not a positive rate such as 1/day"),
    (2, ["good.log", "--timezone", "Mars"], "--timezone: 'Mars' is neither local, nor an offset"),
    (2, ["good.log", "--failures", "missing.csv"], "missing.csv: cannot be read"),
    (2, ["good.log", "--failures", "no-start.csv"], "no-start.csv:1: no column 'start'"),
    (2, ["good.log", "--failures", "bad-start.csv"], "bad-start.csv:2: 'yesterday'"),
    (2, ["good.log", "--failures", "binary.log"], "binary.log: is not UTF-8"),
    (1, ["good.log", "--predictions", "nowhere/p.csv"], "nowhere/p.csv: cannot be written"),
    (1, ["good.log", "--predictions", "/dev/full"], "/dev/full: cannot be written"),
    (1, ["good.log", "--json", "directory"], "directory: cannot be written"),
]
RUN = [
    (2, [], "LOG: none given"),
    (2, ["directory"], "directory: is a directory, expected logs such as"),
    (2, ["torn.log.gz"], "torn.log.gz: does not grow"),
    (2, ["a.log", "--config", "b.yaml"], "--config"),
    (2, ["--config", "missing.yaml"], "missing.yaml: cannot be read"),
    (2, ["--config", "directory"], "directory: cannot be read"),
    (2, ["--config", "binary.log"], "binary.log: not UTF-8"),
    (2, ["--config", "unknown-key.yaml"], "unknown-key.yaml:4:5"),
    (2, ["--config", "unknown-key.yaml"], "did you mean 'horizon'"),
    (2, ["--config", "bad-duration.yaml"], "'5x' is not a duration"),
    (2, ["--config", "torn.yaml"], "torn.yaml:"),
    (2, ["--config", "bad-zone.yaml"], "bad-zone.yaml:4:15: apps[0].timezone: 'Mars' is neither"),
    (2, ["--config", "bad-pattern.yaml"], "bad-pattern.yaml:4:22: apps[0].red.patterns[0]: an"),
    (2, ["--config", "bad-layout.yaml"], "apps[0].timestamp.layout: unknown directive %Q"),
    (2, ["--config", "bad-after.yaml"], "apps[0].timestamp.after: an unclosed ( in '(a'"),
    (2, ["a.log", "--listen", "nowhere"], "'nowhere' is not an address such as"),
    (2, ["a.log", "--listen", "127.0.0.1:99999"], "'127.0.0.1:99999' is not an address"),
    (1, ["a.log", "--listen", "127.0.0.1:0", "--state", "good.log"], "good.log cannot be used"),
]
TRAIN = [
    (2, ["missing.txt", "--model", "m"], "missing.txt"),
    (2, ["directory", "--model", "m"], "directory"),
    (2, ["empty.log", "--model", "m"], "empty.log: the text is empty"),
    (2, ["binary.log", "--model", "m"], "is not UTF-8"),
    (1, ["good.log", "--model", "nowhere/m"], "nowhere/m"),
    (2, ["good.log", "--model", "m", "--hidden=-3"], "-3 is not between"),
]
GENERATE = [
    (2, ["--model", "missing"], "missing"),
    (2, ["--model", "directory"], "directory"),
    (1, ["--model", "model.txt"], "model.txt: not a whole checkpoint"),
]
DEMO = [
    (2, ["--speed", "0"], "--speed: 0 is not between"),
    (2, ["--speed", "nan"], "--speed: nan"),
    (2, ["--days", "0"], "--days: 0 is not between"),
    (2, ["--seed=-1"], "--seed: -1 is negative"),
    (2, ["--minutes", "0"], "--minutes: 0 is not a positive number"),
    (2, ["--listen", "here"], "'here' is not an address"),
    (1, ["--write", "good.log"], "good.log: cannot be written"),
]
MISTAKES = [
    (status, [command, *arguments], words)
    for command, cases in [
        ("backtest", BACKTEST),
        ("run", RUN),
        ("train", TRAIN),
        ("generate", GENERATE),
        ("demo", DEMO),
    ]
    for status, arguments, words in cases
]
MISTAKES += [
    (2, ["frobnicate"], "frobnicate"),
    (2, ["run", "--frobnicate"], "--frobnicate"),
]


@pytest.mark.parametrize(
    ("status", "arguments", "words"), MISTAKES, ids=[" ".join(case[1]) for case in MISTAKES]
)
def test_a_mistake_gets_one_clear_line_and_its_status(
    folder: Path,
    status: int,
    arguments: Sequence[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)

    ended_with = status_of(arguments)

    said = capfd.readouterr().err
    assert ended_with == status, said
    assert len(said.splitlines()) == 1, said
    assert said.startswith("rnnd")
    assert words in said


@pytest.mark.parametrize("arguments", [["backtest", "missing.log"], ["run", "directory"], ["frob"]])
def test_a_mistake_ends_the_real_program_as_well(folder: Path, arguments: Sequence[str]) -> None:
    result = rnnd(folder, *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_told_in_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = rnnd(folder, "run", "good.log", "--listen", address)

    assert result.returncode == 1, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert address in result.stderr


@contextmanager
def daemon(folder: Path, *logs: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The daemon on *logs*, with the address of its metrics."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnd", "run", *logs, "--listen", "127.0.0.1:0"],
        cwd=folder,
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        assert "http://" in first, first
        yield process, first.split("http://")[1].split(",")[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"
    }


def wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=PATIENCE):
                return
        except urllib.error.HTTPError as error:
            error.close()
            threading.Event().wait(0.05)
    raise AssertionError("the daemon was never ready")


def stop(process: subprocess.Popen[str]) -> str:
    """Ask the daemon to end; return what it said meanwhile."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    return said


@pytest.mark.parametrize("log", ["missing.log", "loop.log", "empty.log", "binary.log", "plain.log"])
def test_the_daemon_puts_up_with_a_log_it_cannot_use(folder: Path, log: str) -> None:
    with daemon(folder, log) as (process, address):
        wait_until_ready(address)
        metrics = scrape(address)
        said = stop(process)

    assert process.returncode == 0
    assert "Traceback" not in said
    app = log.partition(".")[0]
    assert metrics[f'rnnd_health{{app="{app}",rnnd_health="unknown"}}'] == 1
    if log in ("missing.log", "loop.log"):
        assert log in said
        assert metrics[f'rnnd_files{{app="{app}"}}'] == 0
    if log == "plain.log":  # without timestamps, the time of arrival must do
        assert metrics[f'rnnd_lines_total{{app="{app}"}}'] == 2


def test_the_daemon_reads_a_log_that_comes_to_be_later(folder: Path) -> None:
    with daemon(folder, "later.log") as (process, address):
        wait_until_ready(address)
        before = scrape(address)['rnnd_lines_total{app="later"}']
        (folder / "later.log").write_bytes((folder / "good.log").read_bytes())
        deadline = time.monotonic() + PATIENCE
        while scrape(address)['rnnd_lines_total{app="later"}'] < 60:
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        stop(process)

    assert before == 0
    assert process.returncode == 0
