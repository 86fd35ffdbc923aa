"""What the lines of one tick come to: `TickPart`, counted by a reader, and `Tick`, encoded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.base import Vector
from rnnd.codecs.health import Health
from rnnd.codecs.severity import Severity
from rnnd.codecs.signatures import Kinds

MAX_EXAMPLES = 3  # lines kept a tick that made it orange or red
MAX_EXAMPLE = 400  # bytes of each
NOTHING = np.zeros(0, np.int64)

Line: TypeAlias = bytes  # in a class with a field of that name


@dataclass(frozen=True, slots=True)
class Example:
    """A line that made a tick orange or red, or may yet turn out to have."""

    health: Health
    line: str
    severity: Severity = Severity.INFO


@dataclass(slots=True)
class TickPart:
    """The lines of one tick that came in one piece; parts of a tick are added up by `encode_tick`.

    `kinds` are the distinct kinds of lines, ascending, and `counts` how often each came, both
    numbered in `table`; `newest` keeps the last line of each kind, without its timestamp,
    for its numbers.
    """

    tick: int
    lines: int
    bytes: int
    table: Kinds
    kinds: NDArray[np.int64]
    counts: NDArray[np.int64]
    unparsed: int = 0  # lines without a timestamp in a log that has them
    late: int = 0  # lines whose own time is before (or unbelievably far after) the tick
    dropped: int = 0  # bytes beyond the longest line
    cut: int = 0  # lines that were longer
    health: Health = Health.GREEN
    newest: dict[int, Line] = field(default_factory=dict)  # line of each kind that has numbers
    examples: list[Example] = field(default_factory=list)
    sequence: NDArray[np.int64] = field(default_factory=lambda: NOTHING)  # kinds, line by line
    sessions: list[Line] = field(default_factory=list)  # of each line, if they are looked for
    source: str = ""  # the log that the lines are from

    def add(self, later: "TickPart") -> bool:
        """Take in a *later* part of the same tick and source; False where their tables differ."""
        if later.table is not self.table or later.source != self.source:
            return False
        kinds, place = np.unique(np.concatenate([self.kinds, later.kinds]), return_inverse=True)
        counts = np.zeros(len(kinds), np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, later.counts]))
        self.kinds, self.counts = kinds, counts
        for name in ("lines", "bytes", "unparsed", "late", "dropped", "cut"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.health = max(self.health, later.health)
        kept = {kind: line for kind, line in self.newest.items() if kind not in later.newest}
        self.newest = kept | later.newest  # in the order of the lines
        self.examples = list(merge_examples([self, later]))
        self.sequence = np.concatenate([self.sequence, later.sequence])
        self.sessions += later.sessions
        return True

    def summary(self) -> dict[str, Any]:
        """Return everything but the numbers of kinds, for comparison across tables."""
        kinds = zip(self.kinds.tolist(), self.counts.tolist(), strict=True)
        return {
            "tick": self.tick,
            "lines": self.lines,
            "bytes": self.bytes,
            "unparsed": self.unparsed,
            "late": self.late,
            "health": self.health,
            "counts": {
                (self.table.texts[kind], int(self.table.severities[kind])): count
                for kind, count in kinds
            },
            "newest": {self.table.texts[kind]: line for kind, line in self.newest.items()},
        }


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick as the network sees it, and what was counted in it."""

    number: int
    vector: Vector  # (D,) float32
    observed: Health
    lines: int
    bytes: int
    unparsed: int
    late: int
    dropped: int
    new_templates: int
    templates: int  # templates known so far
    counts: dict[int, int]  # lines a template
    examples: tuple[Example, ...]
    severities: tuple[int, ...] = ()  # lines of each severity, in ascending order
    cut: int = 0  # lines longer than is kept
    absences: Mapping[int, int] = field(default_factory=dict)  # ticks, of templates that are back


def merge_examples(parts: Iterable[TickPart]) -> tuple[Example, ...]:
    """Return the worst few examples of all *parts*, the first of equals first."""
    examples = [example for part in parts for example in part.examples]
    if not examples:
        return ()
    return tuple(sorted(examples, key=lambda e: (-e.health, -e.severity))[:MAX_EXAMPLES])
