"""`rnnd run`, the real process: starting, stopping, signals, and what users get wrong."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.daemon.process import PATIENCE, Daemon


def line(number: int) -> str:
    return f"2090-01-01T00:{number // 60:02}:{number % 60:02}Z INFO app: request {number}\n"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rnnd", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(100))))
    return path


def configuration(directory: Path, *apps: str, tick: str = "10s") -> Path:
    path = directory / "rnnd.yaml"
    text = "".join(
        f"- {{name: {name}, logs: [{directory / name}.log], tick: {tick}}}\n" for name in apps
    )
    path.write_text(f"state: {directory / 'state'}\napps:\n{text}")
    return path


def test_lines_are_read_as_they_come_and_metrics_tell_of_them(log: Path, tmp_path: Path) -> None:
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(100)
        with log.open("a") as file:
            file.writelines(map(line, range(100, 150)))
        daemon.wait_for_lines(150)

        assert 'rnnd_lines_total{app="app"} 150.0' in daemon.get("/metrics")
        assert daemon.get("/-/healthy") == "healthy\n"
        assert daemon.get("/-/ready") == "ready\n"
        assert "<html" in daemon.get("/")


def test_a_line_too_long_is_counted_among_those_dropped(log: Path, tmp_path: Path) -> None:
    with log.open("a") as file:
        file.writelines([line(100)[:-1], "x" * 20_000, "\n", line(150)])

    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(102)

        dropped = 'rnnd_lines_dropped_total{app="app",reason="too_long"} 1.0'
        assert dropped in daemon.get("/metrics")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_with_status_0(
    log: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(100)
        daemon.process.send_signal(number)

        assert daemon.process.wait(PATIENCE) == 0
        daemon.said("saved and stopped")

    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.said("goes on after 100 lines")


def test_one_blas_thread_is_enough(log: Path, tmp_path: Path) -> None:
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(100)
        names = [
            (task / "comm").read_text().strip()
            for task in Path(f"/proc/{daemon.process.pid}/task").iterdir()
        ]

    assert len(names) <= 6, names  # the worker, HTTP, the saver, and watchdog's


def test_a_log_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "later.log"
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.said("later.log: no such file or directory; trying again")
        log.write_text(line(0))
        daemon.wait_for_lines(1)


def test_a_second_daemon_on_the_same_state_is_refused(log: Path, tmp_path: Path) -> None:
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(100)
        second = run(log, "--state", tmp_path / "state", "--listen", "127.0.0.1:0")

    assert second.returncode == 1
    assert "in use by another rnnd" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_in_use_is_one_clear_line(log: Path, tmp_path: Path) -> None:
    with Daemon(log, "--state", tmp_path / "state") as daemon:
        address = daemon.url.removeprefix("http://")
        second = run(log, "--state", tmp_path / "other", "--listen", address)

    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"listen: {address} cannot be had (address already in use)" in second.stderr


@pytest.mark.parametrize("way", ["signal", "post"])
def test_a_reload_opens_new_apps_and_keeps_the_others(tmp_path: Path, way: str) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.log").write_text(line(0))
    with Daemon("--config", configuration(tmp_path, "one")) as daemon:
        daemon.wait_for_lines(1)
        configuration(tmp_path, "one", "two")
        if way == "signal":
            daemon.process.send_signal(signal.SIGHUP)
        else:
            request = urllib.request.Request(daemon.url + "/-/reload", method="POST")
            urllib.request.urlopen(request, timeout=PATIENCE).close()
        daemon.said("took over the configuration: one, two")
        daemon.said("two begins anew")

        assert sum("one begins anew" in said for said in daemon.log) == 1


def test_a_bad_configuration_changes_nothing_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text(line(0))
    path = configuration(tmp_path, "one")
    with Daemon("--config", path) as daemon:
        daemon.wait_for_lines(1)
        path.write_text("apps: [1]\nsate: x\n")
        request = urllib.request.Request(daemon.url + "/-/reload", method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=PATIENCE)
        with caught.value as answer:
            text = answer.read().decode()

        assert answer.status == 500
        assert text.splitlines()[1].endswith("did you mean 'state'?")
        daemon.said("stays as it was")
        assert "rnnd_config_reload_success 0.0" in daemon.get("/metrics")
        assert daemon.app()["name"] == "one"


def test_the_state_without_configuration_is_the_users_and_the_logs_own(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    with Daemon(log) as daemon:
        daemon.wait_for_lines(100)
        daemon.said(r"state in \S+/home/rnnd/app-[0-9a-f]{8}")
        assert daemon.stop() == 0

    assert len(list((tmp_path / "home").glob("rnnd/app-*/app.rnnd"))) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "LOG: none given"),
        (["{dir}"], "{dir}: is a directory, expected logs such as '{dir}/*.log'"),
        (["-"], "-: does not grow; `rnnd backtest` reads it"),
        (["a.log.gz"], "a.log.gz: does not grow"),
        (["a.log", "--config", "b.yaml"], "--config: give either"),
        (["--config", "{dir}/none.yaml"], "none.yaml: cannot be read (no such file or directory)"),
        (["a.log", "--listen", "nonsense"], "--listen: 'nonsense' is not an address"),
        (["a.log", "--checkpoint-every", "soon"], "--checkpoint-every: 'soon' is not a duration"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(
    arguments: list[str], expected: str, tmp_path: Path
) -> None:
    done = run(*(word.format(dir=tmp_path) for word in arguments))

    assert done.returncode == 2
    assert done.stderr.startswith("rnnd: ")
    assert expected.format(dir=tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_key_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rnnd.yaml"
    path.write_text("apps: [/x]\nhtpp: {}\n")

    done = run("--config", path)

    assert done.returncode == 2
    assert f"{path}:2:1: 'htpp' is an unknown key, did you mean 'http'?" in done.stderr


def test_a_torn_state_without_another_stops_the_start(log: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "app.rnnd").write_bytes(b"PK torn")

    done = run(log, "--state", tmp_path / "state", "--listen", "127.0.0.1:0")

    assert done.returncode == 1
    assert "move it away to begin anew" in done.stderr
    assert "Traceback" not in done.stderr
