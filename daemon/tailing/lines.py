"""Cuts a stream of bytes into chunks of whole lines, so that no line is ever torn."""

from typing import Any

LIMIT = 65536  # bytes of a line that are kept


class LineBuffer:
    """Gives back what it is fed in whole lines, at most *limit* bytes of each.

    The lines of one `feed` come as one bytes object that ends in a newline, since whoever reads
    a million lines a second cannot afford an object for each. What a line has beyond *limit*
    bytes is dropped and counted in `cut_lines` and `cut_bytes`; memory stays bounded by *limit*
    and the data fed. However a stream is cut into feeds, the lines are the same.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.cut_lines = 0
        self.cut_bytes = 0
        self._partial = b""
        self._skipping = False  # within the rest of a line that is longer than the limit

    def feed(self, data: bytes) -> bytes:
        """Return the lines that *data* completes, each with its newline; empty when none."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._hold(data)
            return b""
        head = data[:end]
        if self._skipping:
            rest = head.index(b"\n")
            self.cut_bytes += rest
            lines = self._partial + head[rest:]
            self._skipping = False
        else:
            lines = self._partial + head if self._partial else head
        self._partial = b""
        lines = self._bounded(lines)
        self._hold(data[end:])
        return lines

    def flush(self) -> bytes:
        """Return the unfinished last line, given a newline, for the stream has ended."""
        partial, self._partial, self._skipping = self._partial, b"", False
        return partial + b"\n" if partial else b""

    @property
    def held(self) -> int:
        """How many bytes wait for their newline."""
        return len(self._partial)

    def state(self) -> dict[str, Any]:
        """Return what must be saved for `feed` to continue identically elsewhere."""
        return {"partial": self._partial.decode("latin-1"), "skipping": self._skipping}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what another buffer's `state` gave."""
        self._partial = state["partial"].encode("latin-1")
        self._skipping = state["skipping"]

    def _hold(self, tail: bytes) -> None:
        if self._skipping:
            self.cut_bytes += len(tail)
            return
        self._partial += tail
        excess = len(self._partial) - self.limit
        if excess > 0:
            self._partial = self._partial[: self.limit]
            self._skipping = True
            self.cut_lines += 1
            self.cut_bytes += excess

    def _bounded(self, lines: bytes) -> bytes:
        """Return *lines* with what exceeds the limit cut out of each."""
        if len(lines) <= self.limit + 1:
            return lines
        pieces = []
        kept = start = 0  # up to `kept` all is in `pieces`; at `start` a line begins
        while start + self.limit < len(lines):
            newline = lines.rfind(b"\n", start, start + self.limit + 1)
            if newline >= 0:
                start = newline + 1
                continue
            newline = lines.index(b"\n", start)
            pieces.append(lines[kept : start + self.limit])
            self.cut_lines += 1
            self.cut_bytes += newline - start - self.limit
            kept, start = newline, newline + 1
        return b"".join((*pieces, lines[kept:]))
