"""The log codec: bytes of any log in, one vector a tick out.

    bytes → lines → timestamps → ticks        stamps, timestamp, clock
                  → signatures → kinds        signature, signatures, logline
                                 → templates  template, when the tick is encoded
                                 → vector     features

The fast path touches no line by itself: a chunk of lines goes through array operations and one
dictionary look-up a line. The results do not depend on where the stream was cut into chunks.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.absence import Absences
from rnnd.codecs.base import State, Vector
from rnnd.codecs.clock import Clock
from rnnd.codecs.described import described_stamp
from rnnd.codecs.features import TickFeatures
from rnnd.codecs.health import Health
from rnnd.codecs.identifiers import Identifiers
from rnnd.codecs.masking import mask_message
from rnnd.codecs.parsed import Parsed, unpack
from rnnd.codecs.pattern import Patterns
from rnnd.codecs.reader import LogReader, Piece, whole_lines
from rnnd.codecs.readings import Readings
from rnnd.codecs.sessions import SessionPattern
from rnnd.codecs.severity import Severity
from rnnd.codecs.signatures import CONTINUATION, UNRESOLVED, Inner, Kinds, inner_places
from rnnd.codecs.stamps import StampReader
from rnnd.codecs.template import OVERFLOW, TemplateTable
from rnnd.codecs.tick import MAX_EXAMPLE, MAX_EXAMPLES, Example, Tick, TickPart, merge_examples
from rnnd.codecs.zone import parse_zone

Judge: TypeAlias = Callable[[int, NDArray[np.float64]], Health]
"""Says of a tick's number and lines of each severity which health they are."""


@dataclass(frozen=True, slots=True)
class HealthRule:
    """Which lines make a health: those of *severity* or worse, and those that match a pattern."""

    severity: Severity | None = None
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the log codec must know; all of it has a default."""

    tick: float = 10.0  # s
    buckets: int = 64  # of templates
    slots: int = 32  # numbers in messages that become features
    red: HealthRule = HealthRule(Severity.CRITICAL)
    orange: HealthRule = HealthRule(Severity.ERROR)
    timezone: str = "UTC"  # of timestamps that name none
    timestamp: tuple[str, str] | None = None  # expression before it, strptime layout
    max_line: int = 16384  # bytes; what is longer is cut off
    max_templates: int = 4096
    examples: Severity = Severity.CRITICAL  # lines as severe are kept as examples in any case
    order: bool = False  # parts of ticks keep the order of their lines
    session: str | None = None  # and the identifier in them that ties lines together: `request=*`


class LogCodec:
    """Turns logs into tick vectors, and the network's choices into healths."""

    output_size = len((Health.GREEN, Health.ORANGE, Health.RED))

    def __init__(self, settings: LogSettings | None = None) -> None:
        self.settings = settings = settings or LogSettings()
        self._stamp = described_stamp(*settings.timestamp) if settings.timestamp else None
        self._rules = [
            (health, rule.severity, Patterns(rule.patterns))
            for health, rule in ((Health.ORANGE, settings.orange), (Health.RED, settings.red))
        ]
        self._health_of = [Health.GREEN] * len(Severity)
        for health, severity, _ in self._rules:
            if severity is not None:
                self._health_of[severity:] = [health] * (len(Severity) - severity)
        self._session = SessionPattern(settings.session) if settings.session else None
        self.kinds = Kinds()
        self.templates = TemplateTable(settings.max_templates)
        self.features = TickFeatures(
            settings.tick, settings.buckets, settings.slots, settings.max_templates
        )
        self._told = len(self.templates)  # templates that a tick has told of
        self.readings = Readings(self.features.slots, self.templates)
        self.feature_names, self.feature_groups = self.features.names, self.features.groups
        self.absences = Absences(settings.tick, settings.max_templates)
        self._readers: dict[str, LogReader] = {}

    @property
    def input_size(self) -> int:
        """The size of a tick's vector."""
        return len(self.feature_names)

    def reader(self, source: str) -> LogReader:
        """Return the reader of the log *source*, always the same one."""
        if source not in self._readers:
            settings = self.settings
            clock = Clock(settings.tick, parse_zone(settings.timezone))
            finds = settings.order and self._session is None
            self._readers[source] = LogReader(
                self, clock, StampReader(self._stamp), settings.max_line,
                Identifiers() if finds else None,
            )  # fmt: skip
        return self._readers[source]

    def count(self, piece: Piece) -> list[TickPart]:
        """Return the parts of ticks that a reader's lines make, in ascending order."""
        ticks, total = piece.ticks, len(piece.ticks)
        firsts = [0, *((ticks[1:] != ticks[:-1]).nonzero()[0] + 1).tolist()]
        edges = [*firsts, total]
        run = np.zeros(total, np.intp)
        if len(firsts) > 1:
            run = np.repeat(np.arange(len(firsts)), np.diff(edges))
        runs, kinds, counts, newest = _count_pairs(run, piece.kinds, len(self.kinds))
        cuts = np.searchsorted(runs, np.arange(len(edges))).tolist()
        came = [0, *piece.came[np.array(edges[1:]) - 1].tolist()]
        late = np.add.reduceat(piece.late, firsts, dtype=np.int64).tolist()
        unparsed = np.add.reduceat(piece.unparsed, firsts, dtype=np.int64).tolist()
        sessions = piece.sessions
        if self._session:
            sessions = self._session.sessions(piece.data, piece.starts)
        severities = self.kinds.severities[kinds]
        worst = np.maximum.reduceat(severities, cuts[:-1]).tolist()
        lines = self._newest_lines(piece, runs, kinds, newest)
        parts = []
        for index, (begin, end) in enumerate(pairwise(edges)):
            here = slice(cuts[index], cuts[index + 1])
            part = TickPart(
                tick=int(ticks[begin]),
                lines=end - begin,
                bytes=came[index + 1] - came[index],
                table=self.kinds,
                kinds=kinds[here],
                counts=counts[here],
                unparsed=unparsed[index],
                late=late[index],
                newest=lines[index],
            )
            self._judge(part, piece, worst[index], newest[here], severities[here])
            if self.settings.order:
                part.sequence = piece.kinds[begin:end]
                part.sessions = sessions[begin:end]
            parts.append(part)
        self._match_patterns(piece, parts, edges)
        if self.kinds.full:
            self.kinds = Kinds()
        return parts

    def _judge(
        self,
        part: TickPart,
        piece: Piece,
        worst: int,
        newest: NDArray[np.intp],
        severities: NDArray[np.int8],
    ) -> None:
        """Tell the health of a *part* by its *worst* severity, with the *newest* such lines."""
        part.health = self._health_of[worst]
        if part.health > Health.GREEN or worst >= self.settings.examples:
            for row in newest[severities == worst][:MAX_EXAMPLES].tolist():
                part.examples.append(_example(part.health, Severity(worst), piece.line(row)))

    def _newest_lines(
        self,
        piece: Piece,
        runs: NDArray[np.int64],
        kinds: NDArray[np.int64],
        newest: NDArray[np.intp],
    ) -> list[dict[int, bytes]]:
        """Return the *newest* line of each kind that has numbers, by run of lines, in order."""
        wanted = kinds != CONTINUATION if self.settings.order else self.kinds.has_numbers[kinds]
        told = wanted.nonzero()[0]
        told = told[np.lexsort((newest[told], runs[told]))]
        rows, data = newest[told], piece.data
        lines: list[dict[int, bytes]] = [{} for _ in range(int(runs[-1]) + 1)]
        for run, kind, start, begin, stop, end in zip(
            runs[told].tolist(),
            kinds[told].tolist(),
            piece.starts[rows].tolist(),
            piece.read.begins[rows].tolist(),
            piece.read.ends[rows].tolist(),
            piece.ends[rows].tolist(),
            strict=True,
        ):
            rest = data[stop:end]
            lines[run][kind] = data[start:begin] + b" " + rest if start < begin else rest
        return lines

    def _match_patterns(self, piece: Piece, parts: list[TickPart], edges: list[int]) -> None:
        for health, _, patterns in self._rules:
            for row in patterns.rows(piece.data, piece.starts):
                part = parts[int(np.searchsorted(edges, row, "right")) - 1]
                part.health = max(part.health, health)
                if sum(example.health == health for example in part.examples) < MAX_EXAMPLES:
                    part.examples.append(_example(health, Severity.INFO, piece.line(row)))

    def encode_tick(
        self, number: int, parts: Sequence[TickPart], judge: Judge | None = None
    ) -> Tick:
        """Return the tick *number*, made of *parts*; ticks come in order, silent ones too.

        With a *judge* it is at least as bad as that says of its severities.
        """
        fresh = self.resolve(parts)
        counts, severities = self._add_up(parts)
        self.readings.take(number, parts)
        self.leave_open(fresh)
        observed = max([part.health for part in parts], default=Health.GREEN)
        if judge is not None:
            observed = max(observed, judge(number, np.array(severities, np.float64)))
        new = len(self.templates) - self._told
        self._told += new
        lines = size = unparsed = late = dropped = cut = 0
        for part in parts:
            lines += part.lines
            size += part.bytes
            unparsed += part.unparsed
            late += part.late
            dropped += part.dropped
            cut += part.cut
        return Tick(
            number=number,
            vector=self.features.encode(number, counts, severities, new, observed),
            observed=observed,
            lines=lines,
            bytes=size,
            unparsed=unparsed,
            late=late,
            dropped=dropped,
            new_templates=new,
            absences=self.absences.note(number, counts),
            templates=len(self.templates) - 1,
            counts=counts,
            examples=merge_examples(parts),
            cut=cut,
        )

    def _add_up(self, parts: Sequence[TickPart]) -> tuple[dict[int, int], list[int]]:
        """Return how many lines of each template came in *parts*, and of each severity."""
        every: dict[int, int] = {}
        severities = [0] * len(Severity)
        joined = self.templates.joined.data
        for part in parts:
            told, templates = part.table.severities.data, part.table.templates.data
            for kind, lines in zip(part.kinds.tolist(), part.counts.tolist(), strict=True):
                if kind != CONTINUATION:
                    template = joined[templates[kind]]
                    every[template] = every.get(template, 0) + lines
                    severities[told[kind]] += lines
        return {template: every[template] for template in sorted(every)}, severities

    def leave_open(self, fresh: Iterable[tuple[Kinds, int]]) -> None:
        """Let those of the *fresh* kinds that found no room seek it anew when they come again.

        There may be some later, when templates are joined.
        """
        for table, kind in fresh:
            if table.templates[kind] == OVERFLOW:
                table.templates[kind] = UNRESOLVED

    def resolve(self, parts: Sequence[TickPart]) -> list[tuple[Kinds, int]]:
        """Give every kind its template; new ones in the order of their texts, not of arrival.

        Returns the kinds that got one now.
        """
        fresh: dict[bytes, list[tuple[Kinds, int]]] = {}
        for part in parts:
            unresolved = part.kinds[part.table.templates[part.kinds] == UNRESOLVED]
            for kind in unresolved.tolist():
                fresh.setdefault(part.table.texts[kind], []).append((part.table, kind))
        if not fresh and not self.templates.joins:
            return []
        for text in sorted(fresh):
            parsed = fresh[text][0][0].parsed(text)
            template = self.templates.find(parsed.component, mask_message(parsed.message), text)
            if template and template not in self.readings:
                table, kind = fresh[text][0]
                self._note(template, parsed, [inner for _, inner in table.places(kind)])
            for table, kind in fresh[text]:
                table.templates[kind] = template
        for template, older in self.templates.joins:
            self.features.buckets.join(template, older)
            self.absences.join(template, older)
        self.readings.forget({template for template, _ in self.templates.joins})
        self.templates.joins.clear()
        return [pair for pairs in fresh.values() for pair in pairs]

    def _note(self, template: int, parsed: Parsed, numbers: Sequence[Inner]) -> None:
        """Prepare for the new *template*, of which *parsed* is the first message."""
        self.readings.watch(template, numbers)
        self.features.buckets.place(template, parsed.component + b" " + parsed.message)

    def encode(self, stream: Iterable[bytes]) -> Iterator[Vector]:
        """Give the vector of every tick of one log, whose bytes come in *stream*, cut anywhere."""
        reader = self.reader("")
        pending: list[TickPart] = []
        for piece in whole_lines(stream, self.settings.max_line):
            for part in reader.feed(piece, 0.0):
                yield from self._close(pending, part)
        for part in reader.flush():
            yield from self._close(pending, part)
        if pending:
            yield self.encode_tick(pending[0].tick, pending).vector

    def _close(self, pending: list[TickPart], part: TickPart) -> Iterator[Vector]:
        """Give the vectors of all ticks before that of *part*, which is then *pending*."""
        if pending and part.tick > pending[0].tick:
            first, parts = pending[0].tick, pending.copy()
            pending.clear()
            for number in range(first, part.tick):
                yield self.encode_tick(number, parts if number == first else ()).vector
        pending.append(part)

    def decode(self, vectors: Iterable[Vector]) -> Iterator[bytes]:
        """Give the name of the health that each chosen vector stands for."""
        for vector in vectors:
            yield str(Health(int(np.argmax(vector)))).encode()

    def apply_dist(self, probabilities: Vector, rng: np.random.Generator | None) -> Vector:
        """Return the vector of one health, the most probable or drawn with *rng*."""
        if rng is None:
            chosen = int(np.argmax(probabilities))
        else:
            chosen = int(rng.choice(len(probabilities), p=probabilities / probabilities.sum()))
        vector: Vector = np.zeros_like(probabilities)
        vector[chosen] = 1
        return vector

    def state(self) -> State:
        """Return everything that must be saved, readers included."""
        return {
            "templates": self.templates.state(),
            "features": self.features.state(len(self.templates)),
            "absences": self.absences.state(len(self.templates)),
            "told": self._told,
            "readers": {source: reader.state() for source, reader in self._readers.items()},
        }

    def restore(self, state: State) -> None:
        """Take over what another codec's `state` gave."""
        self.templates.restore(state["templates"])
        self.kinds = Kinds()
        self.readings.clear()
        for template in range(1, len(self.templates)):
            parsed = unpack(self.templates.examples[template])
            self._note(template, parsed, [inner for _, inner in inner_places(parsed)])
        self.features.restore(state["features"])
        self.absences.restore(state["absences"])
        self._told = int(state["told"])
        for source, saved in state["readers"].items():
            self.reader(source).restore(saved)

    def save_part(self, part: TickPart) -> State:
        """Return a *part* of a tick not yet encoded, as a state.

        Its kinds are put in the order of their texts, those with the same text as one: their
        numbers, and how many there are of a text, depend on what was read before.
        """
        texts = [part.table.texts[kind].decode("latin-1") for kind in part.kinds.tolist()]
        pairs = list(zip(texts, part.table.severities[part.kinds].tolist(), strict=True))
        distinct = sorted(set(pairs))
        place = np.array([distinct.index(pair) for pair in pairs], np.int64)
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, place, part.counts)
        newest: dict[int, str] = {}
        for kind, line in part.newest.items():
            index = int(place[np.searchsorted(part.kinds, kind)])
            newest.pop(index, None)  # the order is that of the lines
            newest[index] = line.decode("latin-1")
        return {
            **{name: getattr(part, name) for name in _PLAIN},
            "health": int(part.health),
            "texts": [text for text, _ in distinct],
            "severities": [severity for _, severity in distinct],
            "counts": counts,
            "sequence": place[np.searchsorted(part.kinds, part.sequence)],
            "sessions": [session.decode("latin-1") for session in part.sessions],
            "newest": [[index, line] for index, line in newest.items()],
            "examples": [[int(e.health), e.line, int(e.severity)] for e in part.examples],
        }

    def load_part(self, state: State) -> TickPart:
        """Return the part whose `save_part` gave *state*."""
        texts = (text.encode("latin-1") for text in state["texts"])
        kinds = [
            self.kinds.kind_of(text, Severity(severity))
            for text, severity in zip(texts, state["severities"], strict=True)
        ]
        ascending = np.argsort(kinds)
        return TickPart(
            **{name: state[name] for name in _PLAIN},
            table=self.kinds,
            kinds=np.array(kinds, np.int64)[ascending],
            counts=np.asarray(state["counts"], np.int64)[ascending],
            sequence=np.array(kinds, np.int64)[state["sequence"]],
            sessions=[session.encode("latin-1") for session in state["sessions"]],
            health=Health(state["health"]),
            newest={kinds[index]: line.encode("latin-1") for index, line in state["newest"]},
            examples=[
                Example(Health(health), line, Severity(severity))
                for health, line, severity in state["examples"]
            ],
        )


_PLAIN = ("tick", "lines", "bytes", "unparsed", "late", "dropped", "cut", "source")


def _example(health: Health, severity: Severity, line: bytes) -> Example:
    return Example(health, line[:MAX_EXAMPLE].decode("utf-8", "replace").rstrip("\r"), severity)


def _count_pairs(
    run: NDArray[np.intp], kinds: NDArray[np.int64], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Return the distinct pairs of *run* and kind: both, how often each came, and its last line."""
    keys = run * limit + kinds
    size = (int(run[-1]) + 1) * limit
    if size <= 4 * len(keys) + 4096:
        counts = np.bincount(keys, minlength=size)
        last = np.zeros(size, np.intp)
        last[keys] = np.arange(len(keys))  # of equal keys the last one stays
        pairs = counts.nonzero()[0]
        return pairs // limit, pairs % limit, counts[pairs], last[pairs]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    pairs = ordered[ends]
    return pairs // limit, pairs % limit, np.diff(ends, prepend=-1), order[ends]
