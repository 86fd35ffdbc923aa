"""What 500 slow clients cost: rnnd's HTTP server beside prometheus_client's own.

Each client sends a byte of a request now and then and never finishes it; meanwhile /metrics is
scraped. Printed are threads and memory, before and at the worst, and how long a scrape took.

    python benchmarks/slow_clients.py [CONNECTIONS]
"""

import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRAPES = 200
PEER = """
import time
from prometheus_client import start_http_server
server, _ = start_http_server(0, "127.0.0.1")
print(f"http://127.0.0.1:{server.server_port}", flush=True)
time.sleep(600)
"""


@contextmanager
def started(*command: str) -> Iterator[tuple[int, str]]:
    """Run *command*; give its process id and the address that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        try:
            found = None
            while not found:
                line = process.stdout.readline().decode()
                assert line, "it ended before it had an address"
                found = re.search(r"http://(127\.0\.0\.1:\d+)", line)
            yield process.pid, found[1]
        finally:
            process.terminate()


def usage(pid: int) -> tuple[int, float]:
    """Return the threads of a process and its memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    values = {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("Threads", "VmRSS")}
    return values["Threads"], values["VmRSS"] / 1024


def scrape(address: str) -> float:
    """Return how many milliseconds /metrics takes."""
    begun = time.perf_counter()
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - begun)


class Slow:
    """Clients that send a byte now and then, and connect anew when they are dropped."""

    def __init__(self, address: str, number: int) -> None:
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self._clients = [self._connect() for _ in range(number)]

    def _connect(self) -> socket.socket:
        client = socket.create_connection(self._where, timeout=30)
        client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
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


def measure(name: str, connections: int, *command: str) -> None:
    """Print what *connections* slow clients do to the server that *command* starts."""
    with started(*command) as (pid, address):
        scrape(address)
        threads, memory = usage(pid)
        quiet = sorted(scrape(address) for _ in range(SCRAPES))
        slow = Slow(address, connections)
        times = []
        worst_threads, worst_memory = threads, memory
        for _ in range(SCRAPES):
            slow.dribble(20)
            times.append(scrape(address))
            now_threads, now_memory = usage(pid)
            worst_threads = max(worst_threads, now_threads)
            worst_memory = max(worst_memory, now_memory)
        slow.close()
    times.sort()
    print(
        f"{name:18} {worst_threads - threads:+8} {worst_memory - memory:+9.1f} "
        f"{quiet[SCRAPES // 2]:9.1f} {times[SCRAPES // 2]:9.1f} {times[-1]:9.1f}"
    )


def main() -> None:
    """Measure both."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{connections} slow clients, {SCRAPES} scrapes among them")
    print(f"{'':18} {'threads':>8} {'MiB':>9} {'quiet ms':>9} {'median ms':>9} {'worst ms':>9}")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "app.log"
        log.touch()
        arguments = ("--listen", "127.0.0.1:0", "--state", f"{folder}/state")
        measure("rnnd", connections, sys.executable, "-m", "rnnd", "run", str(log), *arguments)
    measure("prometheus_client", connections, sys.executable, "-c", PEER)


if __name__ == "__main__":
    main()
