"""The real daemon as a child process, for tests."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Self

PATIENCE = 60.0  # s; only a broken daemon needs them


class Daemon:
    """`rnnd run` with *arguments*, reached over HTTP on a free port; *before* is what runs it."""

    def __init__(
        self,
        *arguments: str | Path,
        listen: str = "127.0.0.1:0",
        before: Sequence[str] = (),
        **options: Any,
    ) -> None:
        command = [sys.executable, "-m", "rnnd", "run", *map(str, arguments), "--listen", listen]
        self.process = subprocess.Popen(
            [*before, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **options,
        )
        assert self.process.stderr is not None
        self.log: list[str] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with self._said:
                self.log.append(line.decode())
                self._said.notify_all()

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until the daemon logs a line with *pattern*."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self.log)), None)

        with self._said:
            self._said.wait_for(found, PATIENCE)
            match = found()
        assert match, f"{pattern!r} not in {self.log}"
        return match

    @property
    def url(self) -> str:
        return self.said(r"status on (\S+),")[1]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def app(self) -> dict[str, Any]:
        """Return the status of the first app; empty before there is one."""
        apps = json.loads(self.get("/api/v1/status"))["apps"]
        return dict(apps[0]) if apps else {}

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the first app's status meets *condition*."""
        turn = threading.Event()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            app = self.app()
            if app and condition(app):
                return app
            turn.wait(0.02)
        raise AssertionError(f"never came: {self.app()}, {self.log}")

    def wait_for_lines(self, count: int) -> None:
        self.wait_for(lambda app: bool(app["lines"] >= count and not app["catching_up"]))

    def stop(self) -> int:
        """End the daemon as a service manager does and return its status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
