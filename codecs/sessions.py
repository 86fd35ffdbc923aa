"""Tells the streams of a log apart, because interleaving destroys order.

What one component of an application writes into one file is a stream: its lines are in an order
that means something, while those of several components are in no order. Better still is a session:
the lines about one request, block or job, found by an identifier that they share. Where the user
tells how such an identifier looks, each session is a stream of its own, which begins with its first
line and ends when none has come for a while: its end is an event too.

The symbol of a line is its template's number; `END` is that of a session's end.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.logline import parse
from rnnd.codecs.signatures import Kinds
from rnnd.codecs.tick import TickPart
from rnnd.errors import ConfigError

Numbers = NDArray[np.int64]

_LOGGER = re.compile(rb"([A-Za-z_][\w$]*(?:\.[\w$]+)+) - ")


END = 0
NO_SESSION = b""

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


class Streams:
    """Gives the lines of a tick as events: a symbol and a stream each.

    Symbols are 1 to *symbols*, exclusive: templates beyond share them. Streams are 0 to *streams*,
    exclusive: a quarter of them for components, as they come, shared by name when all are taken;
    the others for sessions. A session for which there is no room is read with its component. It
    ends when no line has come for *silence* ticks.
    """

    def __init__(self, symbols: int, streams: int, silence: int = 6) -> None:
        self._symbols = symbols
        self._streams = streams // 4
        self._silence = silence
        self._rows: dict[tuple[str, str], int] = {}
        self._free = list(range(streams - 1, self._streams - 1, -1))
        self._ending: list[int] = []  # free from the next tick on
        self._sessions: dict[bytes, tuple[int, int]] = {}  # row, newest tick; the newest last
        self._table: Kinds | None = None
        self._components: dict[int, str] = {}  # of the table's kinds

    def name(self, stream: int) -> tuple[str, str]:
        """Return the log and the component of a *stream*; both empty for a session."""
        names = list(self._rows)
        return names[stream] if stream < len(names) else ("", "")

    def events(
        self, number: int, parts: Sequence[TickPart], joined: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Return the symbols and the streams of the lines of tick *number*, made of *parts*.

        *joined* is the template that stands for each template; lines without one are left out.
        Sessions that end in this tick come last.
        """
        symbols, streams = [], []
        self._free += self._ending
        # Sources come in any order, but the parts of one in the order of its lines.
        for part in sorted(parts, key=lambda part: part.source):
            templates = part.table.templates[part.sequence]
            told = templates >= 0
            symbols.append(1 + joined[templates[told]] % (self._symbols - 1))
            row_of = np.zeros(len(part.table), np.int64)
            for kind in part.kinds.tolist():
                row_of[kind] = self._row(part.source, self._component(part.table, kind))
            rows = row_of[part.sequence]
            if part.sessions:
                for line, session in enumerate(part.sessions):
                    if session and told[line]:
                        rows[line] = self._session_row(session, number, int(rows[line]))
            streams.append(rows[told])
        self._ending = self._end_sessions(number)
        symbols.append(np.full(len(self._ending), END))
        streams.append(np.array(self._ending, np.int64))
        return np.concatenate(symbols).astype(np.int64), np.concatenate(streams)

    def _session_row(self, session: bytes, number: int, otherwise: int) -> int:
        """Return the stream of a *session* that has a line in tick *number*."""
        row, _ = self._sessions.pop(session, (-1, 0))
        if row < 0:
            if not self._free:
                return otherwise
            row = self._free.pop()
        self._sessions[session] = (row, number)
        return row

    def _end_sessions(self, number: int) -> list[int]:
        """Forget the sessions that have been silent for long enough, and return their streams."""
        ended = []
        for session, (row, newest) in self._sessions.items():
            if newest > number - self._silence:
                break
            ended.append((session, row))
        for session, _ in ended:
            del self._sessions[session]
        return [row for _, row in ended]

    def _row(self, source: str, component: str) -> int:
        key = (source, component)
        row = self._rows.get(key)
        if row is None:
            row = len(self._rows)
            if row >= self._streams:
                return crc32(f"{source}\n{component}".encode()) % self._streams
            self._rows[key] = row
        return row

    def _component(self, table: Kinds, kind: int) -> str:
        if table is not self._table:
            self._table, self._components = table, {}
        component = self._components.get(kind)
        if component is None:
            component = component_of(table.texts[kind]).decode("utf-8", "replace")
            self._components[kind] = component
        return component

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        sessions = [[key.decode("latin-1"), *at] for key, at in self._sessions.items()]
        return {
            "names": [list(key) for key in self._rows],
            "sessions": sessions,
            "free": list(self._free),
            "ending": list(self._ending),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another's `state` gave."""
        self._rows = {(source, name): i for i, (source, name) in enumerate(state["names"])}
        self._sessions = {key.encode("latin-1"): (row, at) for key, row, at in state["sessions"]}
        self._free, self._ending = list(state["free"]), list(state["ending"])


def component_of(signature: bytes) -> bytes:
    """Return who wrote the lines with this coarse *signature*; empty where they do not tell.

    >>> component_of(b"\x01 ERROR [main] shop.Cart: no stock for item 0")
    b'shop.Cart'
    >>> component_of(b"\x01 INFO  [tx-0] shop.db.Pool - lent connection 0")
    b'shop.db.Pool'
    """
    parsed = parse(signature)
    if parsed.component:
        return parsed.component
    found = _LOGGER.match(parsed.message)
    return found[1] if found else b""
