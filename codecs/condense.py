"""Parts of a tick that hold more kinds of lines than a table has room for, told by templates.

A tick's kinds get their templates when it is over, all at once. A log that brings new kinds without
end, and no new time, would fill one table after the other until then.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnnd.codecs.log import LogCodec
from rnnd.codecs.severity import Severity
from rnnd.codecs.signatures import CONTINUATION, UNRESOLVED, Kind
from rnnd.codecs.template import OVERFLOW
from rnnd.codecs.tick import TickPart

MAX_TABLES = 2  # that the parts of a tick may have; with three, one was filled within the tick


def condense(codec: LogCodec, parts: Sequence[TickPart]) -> list[TickPart]:
    """Return the *parts* of one tick, with one kind a template and severity if there are too many.

    Templates are given a little early then, in an order that depends on how the lines came in.
    """
    if len({id(part.table) for part in parts}) <= MAX_TABLES:
        return list(parts)
    fresh = codec.resolve(parts)
    condensed: list[TickPart] = []
    for part in parts:
        whole = part if part.table is codec.kinds else _condensed(codec, part)
        if not any(earlier.add(whole) for earlier in condensed):
            condensed.append(whole)
    codec.leave_open(fresh)
    return condensed


def _condensed(codec: LogCodec, part: TickPart) -> TickPart:
    table, old = codec.kinds, part.table
    known: dict[tuple[int, int], Kind] = {}

    def renamed(kind: Kind) -> Kind:
        if kind == CONTINUATION:
            return CONTINUATION
        template, severity = int(old.templates[kind]), int(old.severities[kind])
        if (template, severity) not in known:
            text = old.texts[kind] if template == OVERFLOW else codec.templates.examples[template]
            now = known[template, severity] = table.kind_of(text, Severity(severity))
            if template != OVERFLOW and table.templates[now] == UNRESOLVED:
                table.templates[now] = template
        return known[template, severity]

    names = {kind: renamed(kind) for kind in part.kinds.tolist()}
    kinds, place = np.unique(list(names.values()), return_inverse=True)
    newest: dict[Kind, bytes] = {}
    for kind, line in part.newest.items():
        now = names[kind]
        if old.places(kind) == table.places(now):  # or its numbers would be sought elsewhere
            newest.pop(now, None)  # the order is that of the lines
            newest[now] = line
    return replace(
        part,
        table=table,
        kinds=kinds.astype(np.int64),
        counts=np.bincount(place, part.counts, len(kinds)).astype(np.int64),
        newest=newest,
        sequence=np.array([names[kind] for kind in part.sequence.tolist()], np.int64),
    )
