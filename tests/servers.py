"""Real programs for tests: started on loopback and free ports, stopped by what started them."""

import http.server
import json
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
PATIENCE = 30.0  # s


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where one of Debian's *programs* is missing; CI lets no such skip pass."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"without Debian's {', '.join(missing)}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def wait_for(what: Callable[[], T], patience: float = PATIENCE) -> T:
    """Return the first truthy answer of *what*, asked a few times a second."""
    never = threading.Event()
    for _ in range(int(patience / 0.1)):
        try:
            if answer := what():
                return answer
        except (urllib.error.URLError, ConnectionError):
            pass
        never.wait(0.1)
    raise AssertionError(f"not within {patience} s: {what}")


@contextmanager
def running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* with its output in *log*, and stop it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def rnnd(folder: Path, *arguments: str) -> Iterator[str]:
    """Run the daemon and give its address."""
    log = folder / "rnnd.log"
    command = (sys.executable, "-m", "rnnd", "run", *arguments)
    options = ("--listen", "127.0.0.1:0", "--state", str(folder / "state"))
    with running(log, *command, *options) as process:

        def address() -> str | None:
            assert process.poll() is None, log.read_text("utf-8")
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8"))
            return found[0] if found else None

        yield wait_for(address)


@contextmanager
def prometheus(
    folder: Path, target: str, alertmanager: str | None = None, *, interval: str = "5s"
) -> Iterator[str]:
    """Run Prometheus with the sample configuration, aimed at *target*, and give its address."""
    shipped = ROOT / "config" / "prometheus"
    text = (shipped / "scrape.yaml").read_text("utf-8")
    text = text.replace("127.0.0.1:7663", target.removeprefix("http://"))
    text = text.replace("/etc/prometheus/rnnd/rules.yaml", str(shipped / "rules.yaml"))
    text = text.replace("interval: 5s", f"interval: {interval}")
    if alertmanager is not None:
        where = alertmanager.removeprefix("http://")
        text += f'alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{where}"]}}]}}]}}\n'
    (folder / "prometheus.yml").write_text(text, "utf-8")
    address = f"127.0.0.1:{free_port()}"
    with running(
        folder / "prometheus.log",
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        f"--web.listen-address={address}",
    ):
        wait_for(lambda: fetch(f"http://{address}/-/ready"))
        yield f"http://{address}"


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """Run Alertmanager, telling *webhook* at once, and give its address."""
    config = {
        "route": {
            "receiver": "hook",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
        },
        "receivers": [
            {"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
        ],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    with running(
        folder / "alertmanager.log",
        "prometheus-alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=alertmanager",
        "--cluster.listen-address=",
        f"--web.listen-address={address}",
    ):
        wait_for(lambda: fetch(f"http://{address}/-/ready"))
        yield f"http://{address}"


@contextmanager
def webhook() -> Iterator[tuple[str, "queue.Queue[dict[str, Any]]"]]:
    """Give the address of a receiver, and the alerts that it gets."""
    alerts: queue.Queue[dict[str, Any]] = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for alert in json.loads(body)["alerts"]:
                alerts.put(alert)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", alerts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def query(prometheus: str, expression: str, time: str = "") -> list[dict[str, Any]]:
    """Return the series that Prometheus answers with."""
    asked = urllib.parse.urlencode({"query": expression} | ({"time": time} if time else {}))
    answer = json.loads(fetch(f"{prometheus}/api/v1/query?{asked}"))
    assert answer["status"] == "success", answer
    result = answer["data"]["result"]
    assert isinstance(result, list)
    return result
