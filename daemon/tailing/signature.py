"""Signatures: what is remembered of a file's content, to know the file by."""

import os
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Self

HEAD = 256  # bytes of a file's beginning that are remembered
MARKER = 64  # bytes before the offset that are remembered
FIRST_SUM = 320  # bytes under the first checksum
LAST_SUM = 1 << 20  # bytes, about, under the last one: what a check costs is bounded
# The bytes under each: as dense as lines at first, where banners end, then each a quarter more.
_GOALS = (
    *range(FIRST_SUM, 2048, MARKER),
    *(int(2048 * 1.25**number) for number in range(29)),
)


@dataclass(slots=True)
class Signature:
    """What is remembered of the bytes up to *offset*: where they begin, where they end, and sums.

    The checksums of the first 320, 384, 448, … bytes tell files apart that begin with the same
    banner, and show that a shorter file is a piece of what was read.
    """

    head: bytes = b""
    marker: bytes = b""
    offset: int = 0
    sums: list[int] = field(default_factory=list)
    running: int = 0  # the checksum of all up to the offset, as long as that is of use

    def note(self, data: bytes) -> None:
        """Move on over *data*, which stands at the offset."""
        if self.offset < HEAD:
            self.head += data[: HEAD - self.offset]
        if len(self.sums) < len(_GOALS):
            self._add_up(data)
        self.marker = (self.marker + data)[-MARKER:] if len(data) < MARKER else data[-MARKER:]
        self.offset += len(data)

    def _add_up(self, data: bytes) -> None:
        start, place = 0, self.offset
        while start < len(data) and len(self.sums) < len(_GOALS):
            goal = _GOALS[len(self.sums)]
            piece = data[start : start + goal - place]
            self.running = zlib.crc32(piece, self.running)
            start, place = start + len(piece), place + len(piece)
            if place == goal:
                self.sums.append(self.running)

    def fits(self, descriptor: int, size: int) -> bool:
        """Return whether the open file has the head and the marker where they were."""
        return (
            size >= self.offset
            and os.pread(descriptor, len(self.head), 0) == self.head
            and self._marker_fits(descriptor)
        )

    def holds(self, descriptor: int, size: int) -> bool:
        """Return whether the open file has all that is remembered, as far as can be told."""
        return self.fits(descriptor, size) and self._sums_fit(descriptor, size)

    def begins(self, descriptor: int, size: int) -> bool:
        """Return whether the open file, shorter than the offset, is a piece of what was read."""
        length = min(len(self.head), size)
        return (
            0 < size < self.offset
            and os.pread(descriptor, length, 0) == self.head[:length]
            and self._sums_fit(descriptor, size)
        )

    def _marker_fits(self, descriptor: int) -> bool:
        place = self.offset - len(self.marker)
        return os.pread(descriptor, len(self.marker), place) == self.marker

    def _sums_fit(self, descriptor: int, size: int) -> bool:
        """Check the longest checksum within *size*."""
        number = min(len(self.sums), bisect_right(_GOALS, size))
        if not number:
            return True
        data = os.pread(descriptor, _GOALS[number - 1], 0)
        return zlib.crc32(data) == self.sums[number - 1]

    def copy(self) -> "Signature":
        """Return an equal signature that moves on by itself."""
        return Signature(self.head, self.marker, self.offset, list(self.sums), self.running)

    def state(self) -> dict[str, Any]:
        """Return the signature as JSON."""
        return {
            "head": self.head.decode("latin-1"),
            "marker": self.marker.decode("latin-1"),
            "offset": self.offset,
            "sums": list(self.sums),
            "running": self.running,
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Return the signature that `state` gave."""
        head, marker = state["head"].encode("latin-1"), state["marker"].encode("latin-1")
        return cls(head, marker, state["offset"], list(state["sums"]), state["running"])


def signature_of(descriptor: int) -> Signature:
    """Return the signature of all that the open file holds."""
    size = os.fstat(descriptor).st_size
    signature = Signature()
    signature.note(os.pread(descriptor, min(size, LAST_SUM), 0))
    if size > LAST_SUM:
        marker = os.pread(descriptor, MARKER, size - MARKER)
        signature.marker, signature.offset = marker, size
    return signature


def is_piece(shorter: int, longer: int) -> bool:
    """Return whether one open file is a piece from the beginning of the other: a copy under way."""
    size = os.fstat(shorter).st_size
    if not 0 < size <= os.fstat(longer).st_size:
        return False
    end = min(MARKER, size)
    return os.pread(shorter, HEAD, 0) == os.pread(longer, min(HEAD, size), 0) and os.pread(
        shorter, end, size - end
    ) == os.pread(longer, end, size - end)
