"""Tells the streams of a log apart, because interleaving destroys order.

What one component of an application writes into one file is a stream: its lines are in an order
that means something, while those of several components are in no order. The symbol of a line is
its template's number.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.logline import parse
from rnnd.codecs.signatures import Kinds
from rnnd.codecs.tick import TickPart

Numbers = NDArray[np.int64]


class Streams:
    """Gives the lines of a tick as events: a symbol and a stream each.

    Symbols are 1 to *symbols*, exclusive: templates beyond share them. Streams are 0 to *streams*,
    exclusive, as they come; when all are taken, those that come later share them, by their names.
    """

    def __init__(self, symbols: int, streams: int) -> None:
        self._symbols = symbols
        self._streams = streams
        self._rows: dict[tuple[str, str], int] = {}
        self._table: Kinds | None = None
        self._components: dict[int, str] = {}  # of the table's kinds

    @property
    def names(self) -> list[tuple[str, str]]:
        """The log and the component of each stream, in order."""
        return list(self._rows)

    def events(self, parts: Sequence[TickPart], joined: Numbers) -> tuple[Numbers, Numbers]:
        """Return the symbols and the streams of the lines of a tick's *parts*.

        *joined* is the template that stands for each template; lines without one are left out.
        """
        symbols, streams = [], []
        # Sources come in any order, but the parts of one in the order of its lines.
        for part in sorted(parts, key=lambda part: part.source):
            templates = part.table.templates[part.sequence]
            told = templates >= 0
            symbols.append(1 + joined[templates[told]] % (self._symbols - 1))
            row_of = np.zeros(len(part.table), np.int64)
            for kind in part.kinds.tolist():
                row_of[kind] = self._row(part.source, self._component(part.table, kind))
            streams.append(row_of[part.sequence[told]])
        if not symbols:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(symbols).astype(np.int64), np.concatenate(streams)

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
            component = parse(table.texts[kind]).component.decode("utf-8", "replace")
            self._components[kind] = component
        return component

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"names": [list(key) for key in self._rows]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another's `state` gave."""
        self._rows = {(source, name): i for i, (source, name) in enumerate(state["names"])}
