"""Which of an app's sources is read next, and by which reader of lines."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

MAX_SOURCES = 256  # with a reader of their own; further files share them
BATCH = 1 << 17  # bytes that sources of one reader are read together up to


class Readable(Protocol):
    """What gives the lines of sources; `Tailer` is the real one."""

    def ready(self) -> list[str]:
        """Return the sources that have something to read."""
        ...

    def is_ready(self, source: str) -> bool:
        """Return whether *source* has something to read."""
        ...

    def read(self, source: str) -> bytes:
        """Return the next whole lines of *source*."""
        ...


class Readers:
    """The reader of lines of each source: its own, or one shared when there are many."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # by source, of those that have their own

    def of(self, source: str) -> str:
        """Return the name of the reader of *source*."""
        if source in self.names:
            return self.names[source]
        if len(self.names) < MAX_SOURCES:
            self.names[source] = source
            return source
        names = list(self.names.values())
        return names[sum(source.encode()) % len(names)]


class ReadingOrder:
    """The order in which what is there to be read is read: the reader furthest behind is next.

    *tick_of* tells the newest tick of a reader, None before its first event. Small files that share
    a reader are read together, for to parse a line alone takes as long as to parse hundreds.
    """

    def __init__(
        self, tailer: Readable, readers: Readers, tick_of: Callable[[str], int | None]
    ) -> None:
        self._tailer = tailer
        self._tick_of = tick_of
        self._sources: dict[str, deque[str]] = {}  # by reader
        for source in tailer.ready():
            self._sources.setdefault(readers.of(source), deque()).append(source)
        self._heap = [(self._tick(one), place, one) for place, one in enumerate(self._sources)]
        heapq.heapify(self._heap)

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def lowest(self) -> float:
        """The newest tick of the reader that is furthest behind; -inf before its first event."""
        return self._heap[0][0]

    def read(self) -> tuple[str, bytes]:
        """Return the reader that is furthest behind and its next lines; `note` must follow."""
        reader = self._heap[0][2]
        sources = self._sources[reader]
        pieces: list[bytes] = []
        size = 0
        while sources and size < BATCH:
            pieces.append(self._tailer.read(sources[0]))
            size += len(pieces[-1])
            if self._tailer.is_ready(sources[0]):
                break
            sources.popleft()
        return reader, pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def note(self) -> None:
        """Note that the lines that were read are parsed: the reader may be further now."""
        _, place, reader = self._heap[0]
        if self._sources[reader]:
            heapq.heapreplace(self._heap, (self._tick(reader), place, reader))
        else:
            heapq.heappop(self._heap)

    def _tick(self, reader: str) -> float:
        tick = self._tick_of(reader)
        return -math.inf if tick is None else tick
