"""What 500 slow clients cost: rnnd's HTTP server beside prometheus_client's own.

Each client sends a byte of a request now and then and never finishes it; meanwhile /metrics is
scraped. Printed are threads and memory, before and at the worst, and how long a scrape took. With
TLS (where openssl is there to make a certificate) the clients never finish their handshakes.

    python benchmarks/slow_clients.py [CONNECTIONS]
"""

import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

SCRAPES = 200
UNFINISHED = b"GET /metrics HTTP/1.1\r\nX: "
HANDSHAKE = b"\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03"  # of a record of 4 KiB that never comes
PEER = """
import time
from prometheus_client import start_http_server
server, _ = start_http_server(0, "127.0.0.1")
print(f"http://127.0.0.1:{server.server_port}", flush=True)
time.sleep(600)
"""


@contextmanager
def started(*command: str) -> Iterator[tuple[int, str]]:
    """Run *command*; give its process id and the URL that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            found = None
            while not found:
                line = process.stdout.readline().decode()
                assert line, "it ended before it had an address"
                found = re.search(r"https?://127\.0\.0\.1:\d+", line)
            yield process.pid, found[0]
        finally:
            process.terminate()


def usage(pid: int) -> tuple[int, float]:
    """Return the threads of a process and its memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    values = {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("Threads", "VmRSS")}
    return values["Threads"], values["VmRSS"] / 1024


def scrape(url: str, context: ssl.SSLContext | None) -> float:
    """Return how many milliseconds /metrics takes."""
    begun = time.perf_counter()
    with urllib.request.urlopen(f"{url}/metrics", timeout=30, context=context) as answer:  # noqa: S310
        answer.read()
    return 1000 * (time.perf_counter() - begun)


class Slow:
    """Clients that send a byte now and then, and connect anew when they are dropped."""

    def __init__(self, url: str, number: int) -> None:
        scheme, _, address = url.partition("://")
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self._begin = HANDSHAKE if scheme == "https" else UNFINISHED
        self._clients = [self._connect() for _ in range(number)]

    def _connect(self) -> socket.socket:
        client = socket.create_connection(self._where, timeout=30)
        client.sendall(self._begin)
        client.setblocking(False)
        return client

    def dribble(self, some: int) -> None:
        """Let the next *some* clients send a byte."""
        for client in self._clients[:some]:
            try:
                client.send(b"x")
                alive = client
            except OSError:
                client.close()
                alive = self._connect()
            self._clients.append(alive)
        del self._clients[:some]

    def close(self) -> None:
        """Let go."""
        for client in self._clients:
            client.close()


def measure(
    name: str, connections: int, *command: str, context: ssl.SSLContext | None = None
) -> None:
    """Print what *connections* slow clients do to the server that *command* starts."""
    with started(*command) as (pid, url):
        ask = partial(scrape, url, context)
        ask()
        threads, memory = usage(pid)
        quiet = sorted(ask() for _ in range(SCRAPES))
        slow = Slow(url, connections)
        times = []
        worst_threads, worst_memory = threads, memory
        for _ in range(SCRAPES):
            slow.dribble(20)
            times.append(ask())
            now_threads, now_memory = usage(pid)
            worst_threads = max(worst_threads, now_threads)
            worst_memory = max(worst_memory, now_memory)
        slow.close()
    times.sort()
    print(
        f"{name:18} {worst_threads - threads:+8} {worst_memory - memory:+9.1f} "
        f"{quiet[SCRAPES // 2]:9.1f} {times[SCRAPES // 2]:9.1f} {times[-1]:9.1f}"
    )


def secured(folder: Path, log: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a configuration with TLS, and what is needed to trust its certificate."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    configuration = folder / "rnnd.yaml"
    configuration.write_text(
        f"apps: [{log}]\nhttp: {{tls: {{certificate: {certificate}, key: {key}}}}}\n",
        encoding="utf-8",
    )
    return configuration, ssl.create_default_context(cafile=str(certificate))


def main() -> None:
    """Measure both."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{connections} slow clients, {SCRAPES} scrapes among them")
    print(f"{'':18} {'threads':>8} {'MiB':>9} {'quiet ms':>9} {'median ms':>9} {'worst ms':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "app.log"
        log.touch()
        rnnd = (sys.executable, "-m", "rnnd", "run", "--listen", "127.0.0.1:0")
        measure("rnnd", connections, *rnnd, "--state", f"{folder}/state", str(log))
        if shutil.which("openssl"):
            configuration, context = secured(folder, log)
            command = (*rnnd, "--state", f"{folder}/other", "--config", str(configuration))
            measure("rnnd, TLS", connections, *command, context=context)
    measure("prometheus_client", connections, sys.executable, "-c", PEER)


if __name__ == "__main__":
    main()
