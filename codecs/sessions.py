"""Tells the streams of a log apart, because interleaving destroys order.

What one component of an application writes into one file is a stream: its lines are in an order
that means something, while those of several components are in no order. Better still is a session:
the lines about one request, block or job, found by an identifier that they share. Where the user
tells how such an identifier looks, each session is a stream of its own, which begins with its first
line and ends when none has come for a while: its end is an event too.

The symbol of a line stands for its template, `END` for a session's end. Symbols are few: a template
gets its own when it comes in its third tick, and until then shares one with other rare ones. So
something new is something rare, whatever its number.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.buckets import Buckets
from rnnd.codecs.component import component_of
from rnnd.codecs.identifiers import NO_SESSION
from rnnd.codecs.parsed import unpack
from rnnd.codecs.signatures import CONTINUATION, Kinds
from rnnd.codecs.tick import TickPart
from rnnd.errors import ConfigError

Numbers = NDArray[np.int64]

END = 0
_IDENTIFIER = rb"([\w.:-]{1,64})"


class SessionPattern:
    """Finds the session of a line: what stands where *text* has its ``*``.

    The text before the ``*`` is literal; the identifier is made of letters, digits and ``_ . : -``,
    at most 64 of them. The first one in a line counts.

    >>> pattern = SessionPattern("request=*")
    >>> data = b"begin request=a-1 (GET)\\nidle\\nend request=a-1, 200\\n"
    >>> pattern.sessions(data, np.array([0, 24, 29]))
    [b'a-1', b'', b'a-1']
    """

    def __init__(self, text: str) -> None:
        before, star, after = text.partition("*")
        if not before.strip() or not star or after:
            raise ConfigError(f"session: {text!r} is not a text that ends in *, such as request=*")
        self._pattern = re.compile(re.escape(before.encode()) + _IDENTIFIER)

    def sessions(self, data: bytes, starts: NDArray[np.intp]) -> list[bytes]:
        """Return the session of each line of *data*, beginning at *starts*, or `NO_SESSION`."""
        result = [NO_SESSION] * len(starts)
        found = list(self._pattern.finditer(data))
        places = np.fromiter((match.start() for match in found), np.intp, len(found))
        rows = np.searchsorted(starts, places, "right") - 1
        for row, match in zip(reversed(rows.tolist()), reversed(found), strict=True):
            result[row] = match[1]
        return result


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a tick, in order within each stream."""

    symbols: Numbers  # (N,)
    streams: Numbers  # (N,)
    templates: Numbers  # (N,) -1 for the end of a session
    components: Numbers  # (N,) the stream of the line's component; of a session's end, the newest

    def __len__(self) -> int:
        return len(self.symbols)


class Streams:
    """Gives the lines of a tick as events: a symbol and a stream each.

    Symbols are 1 to *symbols*, exclusive, for at most *limit* templates. Streams are 0 to
    *streams*, exclusive: a quarter of them for components, as they come, shared by name when all
    are taken; the others for sessions. A session for which there is no room is read with its
    component. It ends when no line has come for *silence* ticks.
    """

    def __init__(self, symbols: int, streams: int, silence: int = 6, limit: int = 4096) -> None:
        self._buckets = Buckets(symbols - 1, limit)
        self._buckets.of += np.arange(limit) % (symbols - 1 - self._buckets.owned)
        self.components = streams // 4  # streams of components; the rest is for sessions
        self._silence = silence
        self._rows: dict[tuple[str, str], int] = {}
        self._free = list(range(streams - 1, self.components - 1, -1))
        self._ending: list[int] = []  # rows that are free from the next tick on
        # Of each session its row, newest tick and newest component; the newest last.
        self._sessions: dict[bytes, tuple[int, int, int]] = {}
        self._table: Kinds | None = None
        self._row_of: dict[str, Numbers] = {}  # of the table's kinds, by log; -1 if unknown

    def name(self, stream: int) -> tuple[str, str]:
        """Return the log and the component of a *stream*; both empty for a session."""
        names = list(self._rows)
        return names[stream] if stream < len(names) else ("", "")

    def template(self, symbol: int) -> int | None:
        """Return the template that owns a *symbol*; -1 for `END`, None if it is shared."""
        if symbol == END:
            return -1
        owners = self._buckets.owners
        return int(owners[symbol - 1]) if symbol <= len(owners) else None

    def events(self, number: int, parts: Sequence[TickPart], joined: Numbers) -> Events:
        """Return the events that the lines of tick *number* are, made of *parts*.

        *joined* is the template that stands for each template; lines without one are left out.
        Sessions that end in this tick come last.
        """
        came, streams, components = [], [], []
        self._free += self._ending
        # Sources come in any order, but the parts of one in the order of its lines.
        for part in sorted(parts, key=lambda part: part.source):
            templates = part.table.templates[part.sequence]
            told = templates >= 0
            came.append(joined[templates[told]])
            rows = self._component_rows(part)
            components.append(rows[told])
            if part.sessions:
                rows = rows.copy()
                for line, session in enumerate(part.sessions):
                    if session and told[line]:
                        rows[line] = self._session_row(session, number, int(rows[line]))
            streams.append(rows[told])
        ended = self._end_sessions(number)
        self._ending = [row for row, _ in ended]
        streams.append(np.array(self._ending, np.int64))
        components.append(np.array([component for _, component in ended], np.int64))
        came.append(np.full(len(self._ending), -1))
        all_came = np.concatenate(came).astype(np.int64)
        lines = all_came[: len(all_came) - len(self._ending)]
        symbols = np.full(len(all_came), END)
        symbols[: len(lines)] = 1 + self._buckets.of[lines]
        if (symbols > self._buckets.owned).any():  # some have no symbol of their own yet
            self._buckets.count(np.unique(lines).tolist())
        return Events(symbols, np.concatenate(streams), all_came, np.concatenate(components))

    def _session_row(self, session: bytes, number: int, component: int) -> int:
        """Return the stream of a *session* that has a line of a *component* in tick *number*."""
        row, _, _ = self._sessions.pop(session, (-1, 0, 0))
        if row < 0:
            if not self._free:
                return component
            row = self._free.pop()
        self._sessions[session] = (row, number, component)
        return row

    def _end_sessions(self, number: int) -> list[tuple[int, int]]:
        """Forget the sessions silent for long enough; return their streams and components."""
        ended = []
        for session, (row, newest, component) in self._sessions.items():
            if newest > number - self._silence:
                break
            ended.append((session, row, component))
        for session, _, _ in ended:
            del self._sessions[session]
        return [(row, component) for _, row, component in ended]

    def _row(self, source: str, component: str) -> int:
        key = (source, component)
        row = self._rows.get(key)
        if row is None:
            row = len(self._rows)
            if row >= self.components:
                return crc32(f"{source}\n{component}".encode()) % self.components
            self._rows[key] = row
        return row

    def _component_rows(self, part: TickPart) -> Numbers:
        """Return the stream of the component of each line of *part*."""
        if part.table is not self._table:
            self._table, self._row_of = part.table, {}
        known = self._row_of.get(part.source, np.zeros(0, np.int64))
        if len(known) < len(part.table):
            more = np.full(max(len(part.table), 2 * len(known)) - len(known), -1)
            known = self._row_of[part.source] = np.concatenate((known, more))
        rows = known[part.sequence]
        if (rows < 0).any():
            for kind in part.kinds[known[part.kinds] < 0].tolist():
                known[kind] = self._row(part.source, _component(part.table, kind))
            rows = known[part.sequence]
        return rows

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        sessions = [[key.decode("latin-1"), *at] for key, at in self._sessions.items()]
        return {
            "names": [list(key) for key in self._rows],
            "sessions": sessions,
            "free": list(self._free),
            "ending": list(self._ending),
            "buckets": self._buckets.state(
                int(self._buckets.ticks.nonzero()[0].max(initial=0)) + 1
            ),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another's `state` gave."""
        self._rows = {(source, name): i for i, (source, name) in enumerate(state["names"])}
        self._sessions = {key.encode("latin-1"): tuple(at) for key, *at in state["sessions"]}
        self._free, self._ending = list(state["free"]), list(state["ending"])
        self._buckets.restore(state["buckets"])


def _component(table: Kinds, kind: int) -> str:
    """Return who wrote lines of a *kind*; of the lines of a stack trace nothing is asked."""
    if kind == CONTINUATION:
        return ""
    return component_of(unpack(table.texts[kind])).decode("utf-8", "replace")
