"""Saves apps while reading goes on: a snapshot in the worker's turn, the writing in a thread.

The apps are saved one after the other, so that neither their snapshots fill the memory nor does
reading stand still for longer than one snapshot takes. An app that got nothing new since it was
saved has closed silent ticks at most, which time alone would close again after a crash: it is saved
less often, and its disk is spared.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from rnnd.daemon.app import App

SILENT_EVERY = 600.0  # s between two savings of an app that gets nothing new


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of the saving of one app."""

    app: str
    size: int = 0  # bytes
    error: OSError | None = None


@dataclass(frozen=True, slots=True)
class _Writing:
    app: App
    changes: int
    future: Future[int]


class Saver:
    """Saves the apps that are asked for, each in its turn; sets *wake* when there are more."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="saver")
        self._asked: dict[str, None] = {}  # in the order of saving
        self._writing: _Writing | None = None
        self._kept: dict[str, tuple[App, int, float]] = {}  # of what changes were saved, and when

    @property
    def busy(self) -> bool:
        """Whether there is anything to save, or to be told of."""
        return bool(self._asked) or self._writing is not None

    def ask(self, apps: Mapping[str, App], now: float) -> None:
        """Let all *apps* be saved soon, but those of which nothing would be lost."""
        self._kept = {name: one for name, one in self._kept.items() if apps.get(name) is one[0]}
        for name, app in apps.items():
            _, changes, at = self._kept.get(name, (app, None, now))
            if app.changes != changes or now - at >= SILENT_EVERY:
                self._asked[name] = None

    def turn(self, apps: Mapping[str, App], now: float) -> list[Saved]:
        """Begin to save the next one, if none is being written; return what is over."""
        if self._writing is not None and not self._writing.future.done():
            return []
        saved = self._finish(now)
        name = next(iter(self._asked), None)
        if name is not None:
            del self._asked[name]
            if name in apps:
                app = apps[name]
                future = self._pool.submit(app.file.save, app.snapshot())
                self._writing = _Writing(app, app.changes, future)
        if self._asked and self._writing is not None:
            self._writing.future.add_done_callback(lambda _: self._wake.set())
        return saved

    def save(self, app: App, now: float) -> list[Saved]:
        """Save *app* before going on, after what is being written; return what is over."""
        saved = self._finish(now)
        self._asked.pop(app.settings.name, None)
        self._writing = _Writing(app, app.changes, Future())
        try:
            self._writing.future.set_result(app.file.save(app.snapshot()))
        except OSError as error:
            self._writing.future.set_exception(error)
        return saved + self._finish(now)

    def _finish(self, now: float) -> list[Saved]:
        """Wait for what is being written and return what became of it."""
        writing, self._writing = self._writing, None
        if writing is None:
            return []
        name = writing.app.settings.name
        try:
            size = writing.future.result()
        except OSError as error:
            return [Saved(name, error=error)]
        self._kept[name] = writing.app, writing.changes, now
        return [Saved(name, size)]

    def close(self) -> None:
        """Wait for what is being written, and end the thread."""
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
