"""Replays logs through the daemon's own pipeline, as fast as they can be read.

Several logs are merged by the time of their lines: the one that is behind is read next, and a tick
is closed once all have passed it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import numpy as np

from rnnd.daemon.files import LogStream, open_log
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.tailing.tail import Tailer
from rnnd.errors import RnndError

CHUNK = 1 << 18  # bytes fed at a time

Progress = Callable[[float], None]
"""Is told the share of the bytes read so far, from 0 to 1."""


class Source:
    """One log being replayed."""

    def __init__(self, stream: LogStream) -> None:
        self.name = stream.name
        self.stream = stream
        self.chunks: Iterator[bytes] | None = stream.whole_lines(CHUNK)


class Replay:
    """Drives a pipeline over the logs at *paths* and gives its predictions."""

    def __init__(self, pipeline: AppPipeline, paths: Sequence[str]) -> None:
        self.pipeline = pipeline
        self.paths = paths
        self.complaints: dict[str, str] = {}  # none: what cannot be read ends the replay
        self._any = False  # byte so far

    def predictions(self, progress: Progress = lambda share: None) -> Iterator[Prediction]:
        """Give every prediction in order of time.

        Raises `RnndError` where a log cannot be read.
        """
        with ExitStack() as stack:
            sources = [Source(stack.enter_context(open_log(path))) for path in self.paths]
            sizes = [source.stream.size for source in sources]
            total = sum(size for size in sizes if size is not None) if None not in sizes else 0
            while unread := [source for source in sources if source.chunks is not None]:
                self._feed(min(unread, key=self._place))
                yield from self.pipeline.closing(self._watermark(sources))
                if total:
                    progress(sum(source.stream.position for source in sources) / total)
        if not self._any:
            raise RnndError(f"{', '.join(self.paths)}: empty, nothing to replay")
        yield from self.pipeline.finish()

    def _feed(self, source: Source) -> None:
        assert source.chunks is not None
        data = next(source.chunks, None)
        if data is None:
            source.chunks = None
            return
        self._any = True
        # Years and dates that a timestamp leaves out are told by the age of the file.
        self.pipeline.feed(source.name, data, source.stream.written)

    def _place(self, source: Source) -> float:
        tick = self.pipeline.tick_of(source.name)
        return -np.inf if tick is None else tick

    def _watermark(self, sources: Sequence[Source]) -> int:
        """Return the tick before which no unread source can bring a line."""
        ticks = [self.pipeline.tick_of(s.name) for s in sources if s.chunks is not None]
        return min((tick if tick is not None else 0 for tick in ticks), default=0)


class FirstStart:
    """Drives a pipeline as a daemon would that is started now for the first time.

    It reads what the *patterns* find, and the newest *history* bytes of their rotated files before.
    """

    def __init__(self, pipeline: AppPipeline, patterns: Sequence[str], history: int) -> None:
        self.pipeline = pipeline
        self.tailer = Tailer(patterns, CHUNK, history=history)

    def predictions(self, progress: Progress = lambda share: None) -> Iterator[Prediction]:
        """Give every prediction in order of time.

        Raises `RnndError` where there is nothing to read; `complaints` tells what cannot be read.
        """
        with closing(self.tailer) as tailer:
            tailer.poll(0.0)
            if not tailer.ready():
                raise RnndError(f"{', '.join(tailer.patterns)}: nothing to replay")
            total = tailer.lag
            while ready := tailer.ready():
                source = min(ready, key=self._place)
                if data := tailer.read(source):
                    self.pipeline.feed(source, data, time.time())
                if ready := tailer.ready():
                    before = min(map(self._place, ready))
                    yield from self.pipeline.closing(int(max(before, 0)))
                progress(1 - tailer.lag / max(total, 1))
        yield from self.pipeline.finish()

    @property
    def complaints(self) -> dict[str, str]:
        """What could not be read, and why, by path."""
        return self.tailer.complaints

    def _place(self, source: str) -> float:
        tick = self.pipeline.tick_of(source)
        return -np.inf if tick is None else tick
