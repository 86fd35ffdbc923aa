"""Wakes the reader when something happens to a log; what has happened, only a poll can say."""

import glob
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger(__name__)

MAX_DIRECTORIES = 1000  # beyond that the poll must do
_CHANGES = {"created", "modified", "moved", "deleted"}  # opening and closing is what readers do


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake the reader; watchdog's thread does nothing else."""
        if event.event_type in _CHANGES and not event.is_directory:
            self._wake.set()


class Watcher:
    """Sets *wake* when a file changes in a directory where *patterns* may find logs.

    The kernel's queue overflows, a directory made again is another one, some file systems say
    nothing at all: so a wake-up is a hint, and whoever waits for it also looks by itself.
    """

    def __init__(self, wake: threading.Event) -> None:
        self._handler = _Waker(wake)
        self._observer: BaseObserver | None = None
        self._watches: dict[str, tuple[ObservedWatch, int]] = {}  # with the directory's inode

    def start(self) -> None:
        """Begin to watch; without the kernel's help, say so and leave all to the poll."""
        # A poll finds what an event did not tell: watchdog's own complaints (an overflow, an event
        # while it stops) are no news to an operator.
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        try:
            observer = Observer()
            observer.start()
        except OSError as error:
            log.warning("no file events (%s); looking at files every second instead", error)
            return
        self._observer = observer

    def stop(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
            self._watches.clear()

    def watch(self, patterns: Iterable[str]) -> None:
        """Watch the directories of *patterns* that exist now, and no others."""
        if self._observer is None:
            return
        wanted = dict(sorted(_directories(patterns).items())[:MAX_DIRECTORIES])
        for path, (watch, inode) in list(self._watches.items()):
            if wanted.get(path) != inode:
                self._observer.unschedule(watch)
                del self._watches[path]
        for path in wanted.keys() - self._watches.keys():
            try:
                watch = self._observer.schedule(self._handler, path)
            except OSError as error:  # the directory has gone, or the kernel's watches are used up
                log.debug("%s: not watched (%s)", path, error)
                continue
            self._watches[path] = (watch, wanted[path])


def _directories(patterns: Iterable[str]) -> dict[str, int]:
    """Return the directories, with their inodes, whose files *patterns* may name."""
    found: dict[str, int] = {}
    for pattern in patterns:
        parent = str(Path(pattern).parent)
        places = glob.glob(parent, recursive=True) if glob.has_magic(parent) else [parent]  # noqa: PTH207
        if not glob.has_magic(pattern):
            places.append(str(Path(os.path.realpath(pattern)).parent))  # where a link leads
        for place in places:
            try:
                found[place] = os.stat(place).st_ino  # noqa: PTH116
            except OSError:
                continue
    return found
