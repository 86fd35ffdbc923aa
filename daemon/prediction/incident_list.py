"""A list of incidents that may grow while the daemon runs: looked at, reported, never fatal."""

import logging
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from rnnd.daemon.files import why
from rnnd.daemon.prediction.incidents import merge_incidents, read_incidents
from rnnd.errors import UsageError

log = logging.getLogger(__name__)

MAX_BYTES = 16 << 20  # of the file
MAX_REPORTED = 10_000  # bad rows that are remembered as told


@dataclass(frozen=True, slots=True)
class _Look:
    size: int
    modified: int  # ns since the epoch
    whole: bool  # the last line has its newline, or has waited for it long enough


class IncidentList:
    """Follows the CSV at *path*; incidents closer than *merge* s are one.

    Times in it that name no zone are of *zone*, or of this machine's.
    Rows may be appended at any time, and whoever writes them may be slow: a last line without a
    newline is read at the look after. A bad row is logged and counted once, and left out. While
    the file cannot be read, what it said before stays.
    """

    def __init__(self, path: str, merge: float, zone: tzinfo | None = None) -> None:
        self.path = path
        self.bad = 0  # rows, since the last look at this count
        self.complaint: str | None = None  # what is wrong with the file now
        self._merge = merge
        self._zone = zone
        self._look: _Look | None = None
        self._told: set[str] = set()

    def poll(self) -> list[float] | None:
        """Return the starts of the incidents, if the file has changed."""
        try:
            status = Path(self.path).stat()
            before = self._look
            same = before and (before.size, before.modified) == (
                status.st_size, status.st_mtime_ns
            )  # fmt: skip
            if same and before and before.whole:
                return None
            if status.st_size > MAX_BYTES:
                raise UsageError(f"larger than {MAX_BYTES:,} bytes")
            text = Path(self.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, UsageError) as error:
            self._look = None
            self._complain(why(error) if isinstance(error, OSError) else _words(error))
            return None
        whole = text.endswith("\n") or not text
        self._look = _Look(status.st_size, status.st_mtime_ns, whole or bool(same))
        if not self._look.whole:
            text = text[: text.rfind("\n") + 1]
        return self._read(text)

    def _read(self, text: str) -> list[float] | None:
        try:
            incidents = read_incidents(text, self.path, self._zone, self._on_bad)
        except UsageError as error:  # no header yet, or another one
            self._complain(str(error).removeprefix(f"{self.path}:1: "))
            return None
        self.complaint = None
        return merge_incidents(incidents, self._merge)

    def _on_bad(self, said: str) -> None:
        if said not in self._told and len(self._told) < MAX_REPORTED:
            self._told.add(said)
            self.bad += 1
            log.warning("%s; the row is left out", said)

    def _complain(self, said: str) -> None:
        if said != self.complaint:
            self.complaint = said
            log.warning("%s: %s; trying again", self.path, said)


def _words(error: Exception) -> str:
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
