"""One log's reader: whole lines in, parts of ticks out.

It tells the time of every line (stamps, clock) and which kind of line it is (signatures); what the
lines of a tick amount to is for the codec to count, which the readers of an app share.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.clock import Clock
from rnnd.codecs.identifiers import Identifiers, Lines
from rnnd.codecs.signature import STAMP
from rnnd.codecs.signatures import CONTINUATION, Kinds
from rnnd.codecs.stamps import Read, StampReader
from rnnd.codecs.tick import TickPart

CHUNK = 1 << 21  # bytes that are worked on at once
BLOCK = 1 << 18  # bytes in which newlines are looked for at once, to stay within a cache
HOLD = 64  # lines of a log that are held back until one has a timestamp
PATIENCE = 60.0  # s; how long they are held back

_ANSI = re.compile(rb"\x1b\[[0-9;?]{0,16}[A-Za-z]")


class Counter(Protocol):
    """What a reader asks of the codec that made it."""

    kinds: Kinds

    def count(self, piece: "Piece") -> list[TickPart]:
        """Return the parts of ticks that the lines of *piece* make, in ascending order."""
        ...


class LogReader:
    """Parses one log. Made by `LogCodec.reader`; lines are cut to *max_line* bytes.

    NULs are left out like colours: they fill the hole that a writer leaves who goes on behind the
    end of an emptied log, and they are every other byte of UTF-16.
    """

    def __init__(
        self,
        codec: Counter,
        clock: Clock,
        stamps: StampReader,
        max_line: int,
        identifiers: Identifiers | None = None,
    ) -> None:
        self._codec = codec
        self._clock = clock
        self._stamps = stamps
        self._max_line = max_line
        self._identifiers = identifiers
        self._held = b""
        self._held_since = 0.0  # s since the epoch

    @property
    def tick(self) -> int | None:
        """The newest tick seen: earlier events are late, and taken into it."""
        return self._clock.tick

    @property
    def formats(self) -> list[str]:
        """The names of the timestamps found."""
        return [stamp.format.name for stamp in self._stamps.stamps]

    def feed(self, data: bytes, arrival: float) -> list[TickPart]:
        """Return what the whole lines *data*, which came at *arrival*, add to which ticks.

        *arrival* is in seconds since the epoch; 0 where it is not known. It completes timestamps
        without a year or date, and is the time of lines in a log without timestamps.
        The first lines of a log may be held back until one of them has a timestamp.
        """
        if not data:
            return []
        if not data.endswith(b"\n"):
            data += b"\n"
        if self._clock.now is None:
            self._held_since = self._held_since if self._held else arrival
            data, self._held = self._held + data, b""
            waiting = data.count(b"\n", 0, CHUNK) < HOLD and arrival < self._held_since + PATIENCE
            if waiting and not self._stamps.sees_any(data, HOLD, arrival):
                self._held = data
                return []
        return [part for piece in _pieces(data) for part in self._parse(piece, arrival)]

    def flush(self) -> list[TickPart]:
        """Return what was held back: the log has ended."""
        data, self._held = self._held, b""
        return self._parse(data, self._held_since) if data else []

    def _parse(self, data: bytes, arrival: float) -> list[TickPart]:
        """Return the parts of ticks that the lines *data* make."""
        starts, ends = _lines(data)
        dropped = cut = 0
        if (ends - starts).max() > self._max_line:
            cut = int(np.count_nonzero(ends - starts > self._max_line))
            data, dropped = _cut_long_lines(data, self._max_line)
            starts, ends = _lines(data)
        came = ends + 1
        if b"\0" in data or b"\x1b" in data:
            data = _ANSI.sub(b"", data.replace(b"\0", b""))
            starts, ends = _lines(data)
        if STAMP in data:
            data = data.replace(STAMP, b"\x02")
        known = bool(self._stamps.stamps)
        read = self._stamps.read(data, starts, ends, arrival)
        if not self._stamps.stamps or (self._clock.now is None and not read.kinds.any()):
            self._clock.start(arrival)
        ticks, late = self._clock.advance(read.seconds, read.kinds, arrival)
        kinds = self._codec.kinds.look_up(data, starts, ends, read.begins, read.ends)
        unparsed = (read.kinds == 0) & (kinds != CONTINUATION)
        if not known:
            stamped = np.flatnonzero(read.kinds)
            unparsed[: stamped[0] if len(stamped) else None] = False
        sessions = []
        if self._identifiers:
            lines = Lines(data, starts, ends, read.begins, read.ends)
            sessions = self._identifiers.sessions(lines, kinds, self._codec.kinds)
        piece = Piece(data, starts, ends, came, read, ticks, late, kinds, unparsed, sessions)
        parts = self._codec.count(piece)
        parts[0].dropped, parts[0].cut = dropped, cut
        return parts

    def state(self) -> dict[str, Any]:
        """Return what must be saved for the log to be read on identically."""
        return {
            "clock": self._clock.state(),
            "stamps": self._stamps.state(),
            "held": self._held.decode("latin-1"),
            "held since": self._held_since,
            "identifiers": self._identifiers.state() if self._identifiers else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another reader's `state` gave."""
        self._clock.restore(state["clock"])
        self._stamps.restore(state["stamps"])
        self._held = state["held"].encode("latin-1")
        self._held_since = state["held since"]
        if self._identifiers:
            self._identifiers.restore(state["identifiers"])


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines, with what is known of each."""

    data: bytes
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    came: NDArray[np.intp]  # bytes that had come at the end of each line, colours included
    read: Read
    ticks: NDArray[np.int64]  # ascending
    late: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    unparsed: NDArray[np.bool_]
    sessions: list[bytes]  # of each line, if they are looked for by themselves

    def line(self, row: int) -> bytes:
        """Return the line *row*, without its newline."""
        return self.data[self.starts[row] : self.ends[row]]

    def without_timestamp(self, row: int) -> bytes:
        """Return the line *row*, with a space for its timestamp."""
        before = self.data[self.starts[row] : self.read.begins[row]]
        return before + b" " + self.data[self.read.ends[row] : self.ends[row]]


def _lines(data: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the lines of *data* begin, and where their newlines are."""
    text = np.frombuffer(data, np.uint8)
    ends = (text[:BLOCK] == 10).nonzero()[0]
    if len(text) > BLOCK:
        rest = range(BLOCK, len(text), BLOCK)
        further = [(text[at : at + BLOCK] == 10).nonzero()[0] + at for at in rest]
        ends = np.concatenate([ends, *further])
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    return starts, ends


def whole_lines(stream: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Cut a *stream* of bytes anew, behind lines; of one that is longer, *most* bytes may do.

    >>> list(whole_lines([b"a\\nb", b"c", b"\\nd"], most=9))
    [b'a\\n', b'bc\\n', b'd']
    """
    held = b""
    for data in stream:
        end = data.rfind(b"\n") + 1
        if end:
            yield held + data[:end]
            held = b""
        held = (held + data[end:])[: most + 1]
    if held:
        yield held


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut *data* into pieces of whole lines, of about `CHUNK` bytes."""
    if len(data) <= CHUNK:
        yield data
        return
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", min(begin + CHUNK, len(data) - 1)) + 1
        yield data[begin:end]
        begin = end


def _cut_long_lines(data: bytes, limit: int) -> tuple[bytes, int]:
    """Return *data*, its lines cut to *limit* bytes, and how many bytes were cut off."""
    cut = b"\n".join([line[:limit] for line in data.split(b"\n")])
    return cut, len(data) - len(cut)
