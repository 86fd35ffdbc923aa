"""Finds by itself the identifiers that tie lines together: of requests, blocks, connections.

A log is looked at in windows of some thousand lines, at its beginning and ever more rarely after.
A word with digits in it, at a certain place in lines of a certain shape, is a *slot*. A slot names
sessions when what stands in it

- mostly stands in lines of another shape too: it ties them together;
- is many different things, none of them all the time: it tells sessions apart;
- comes and goes: a client that is there all the time is no session. Only threads and processes,
  which stand before the message, may stay.

Slots that share their values are one *family*: the block in a line of the name node, and the block
in one of a data node. A family must *untangle* its lines: what shape comes next must be surer,
given the line before of the same session, than given the line before in the log. A time or the
number of a worker ties lines together too, but tells nothing of what comes. The family that covers
the most lines of the most sessions names those of its shapes, then the next one those of the shapes
that are left. What is found stays found.

All of it is a function of the lines in their order, wherever the stream was cut.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.component import component_of
from rnnd.codecs.parsed import Parsed, split_tokens, unpack
from rnnd.codecs.signatures import CONTINUATION, Kinds

NO_SESSION = b""
NOWHERE = -(2**31)
LONGEST = 64  # bytes of an identifier

WINDOW = 4096  # lines looked at
LATER = 8  # the next window begins at so many times the lines
SLOTS = 6  # words with digits that are looked at in a message
HEAD = 4  # words before a message that are looked at
SHORTEST = 4  # bytes of an identifier
ENOUGH = 16  # lines with a slot
DIFFERENT = 8  # values in it
TIED = 0.8  # share of its lines whose value stands in lines of another shape too
MOST = 50  # lines of a slot for each of its values
FREQUENT = 0.1  # share of its lines that one value may have
SHORT = 0.8  # share of its lines whose value comes and goes within a quarter of the window
GAIN = 0.1  # nats a line by which a session must make surer what comes next
KIN = 0.5  # share of the values of the smaller of two slots of one family

Slot = tuple[bytes, int]  # the lines' shape, and the word: of the message, or, negative, before it
Rows = dict[bytes, list[int]]  # the lines of the window in which each value stands


class Lines:
    """The words of the lines of some *data*, read when they are asked for.

    The lines are from *starts* to *ends*, their timestamps from *begins* to *stops*.
    """

    def __init__(
        self,
        data: bytes,
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
        begins: NDArray[np.intp],
        stops: NDArray[np.intp],
    ) -> None:
        self._data = data
        self._places = (starts, begins, stops, ends)

    def words(self, row: int, limit: int) -> tuple[bytes, ...]:
        """Return the first *limit* words of a line, its timestamp left out."""
        start, begin, stop, end = (int(places[row]) for places in self._places)
        return split_tokens(self._data[start:begin] + b" " + self._data[stop:end], limit)


class Identifiers:
    """Learns which words of a log name sessions, and reads them."""

    def __init__(self) -> None:
        self._lines = 0  # so far
        self._next = 0  # the line with which the next window begins, or has begun
        self._seen: dict[Slot, Rows] = {}
        self._order: list[bytes] = []  # the shapes of the window's lines
        self.places: dict[bytes, int] = {}  # of the identifier, by the lines' shape
        self._table: Kinds | None = None
        self._shapes: dict[int, Shape] = {}  # of the table's kinds

    def sessions(self, lines: Lines, kinds: NDArray[np.int64], table: Kinds) -> list[bytes]:
        """Return the session of each line, or `NO_SESSION`, and learn from them."""
        if table is not self._table:
            self._table, self._shapes = table, {}
        result = [NO_SESSION] * len(kinds)
        begin = 0
        while begin < len(kinds):
            looking = self._lines >= self._next
            boundary = self._next + WINDOW if looking else self._next
            end = min(len(kinds), begin + boundary - self._lines)
            if self.places:
                self._read(lines, kinds[begin:end], begin, result)
            if looking:
                self._look(lines, kinds, begin, end)
            self._lines += end - begin
            begin = end
            if self._lines == self._next + WINDOW:
                self._decide()
        return result

    def _read(
        self, lines: Lines, kinds: NDArray[np.int64], begin: int, result: list[bytes]
    ) -> None:
        """Write the sessions of lines of these *kinds*, the first of them at *begin*."""
        distinct, inverse = np.unique(kinds, return_inverse=True)
        shapes = map(self._shape, distinct.tolist())
        places = [self.places.get(shape.name, NOWHERE) + shape.words for shape in shapes]
        place_of = np.array(places)[inverse]
        for row in np.flatnonzero(place_of >= 0).tolist():
            place = int(place_of[row])
            words = lines.words(begin + row, place + 1)
            if place < len(words) and _may_name(words[place]):
                result[begin + row] = words[place][:LONGEST]

    def _look(self, lines: Lines, kinds: NDArray[np.int64], begin: int, end: int) -> None:
        """Note what stands in the slots of some lines."""
        for row, kind in enumerate(kinds[begin:end].tolist(), begin):
            shape = self._shape(kind)
            self._order.append(shape.name)
            if not shape.slots:
                continue
            words = lines.words(row, shape.words + shape.slots[-1] + 1)
            for place in shape.slots:
                at = shape.words + place
                if at < len(words) and _may_name(words[at]):
                    rows = self._seen.setdefault((shape.name, place), {})
                    rows.setdefault(words[at][:LONGEST], []).append(len(self._order) - 1)

    def _shape(self, kind: int) -> "Shape":
        """Return the shape of lines of a *kind*."""
        known = self._shapes.get(kind)
        if known is None:
            assert self._table is not None
            text = self._table.texts[kind]
            known = Shape() if kind == CONTINUATION else shape_of(unpack(text))
            self._shapes[kind] = known
        return known

    def _decide(self) -> None:
        """Close the window: take what names sessions from it."""
        for family in _families(_ties(self._seen), self._order):
            known = any(shape in self.places for shape, _ in family)
            left = {shape: place for shape, place in family if shape not in self.places}
            if len(left) >= 2 or known:
                self.places |= left
        self._seen, self._order = {}, []
        self._next = LATER * (self._next + WINDOW)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        shapes = {shape: number for number, shape in enumerate(dict.fromkeys(self._order))}
        return {
            "shapes": [shape.decode("latin-1") for shape in shapes],
            "order": [shapes[shape] for shape in self._order],
            "lines": self._lines,
            "next": self._next,
            "places": [[shape.decode("latin-1"), place] for shape, place in self.places.items()],
            "seen": [
                [
                    shape.decode("latin-1"),
                    place,
                    [[value.decode("latin-1"), *rows] for value, rows in seen.items()],
                ]
                for (shape, place), seen in self._seen.items()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._lines, self._next = int(state["lines"]), int(state["next"])
        self.places = {shape.encode("latin-1"): place for shape, place in state["places"]}
        shapes = [shape.encode("latin-1") for shape in state["shapes"]]
        self._order = [shapes[number] for number in state["order"]]
        self._seen = {
            (shape.encode("latin-1"), place): {
                value.encode("latin-1"): rows for value, *rows in seen
            }
            for shape, place, seen in state["seen"]
        }


@dataclass(frozen=True, slots=True)
class Shape:
    """What lines look like, more coarsely than a template."""

    name: bytes = b""
    words: int = 0  # before the message
    slots: tuple[int, ...] = ()  # words of the message, or, negative, before it

    @property
    def component(self) -> bytes:
        """Who wrote such lines."""
        return self.name.partition(b" ")[0]


def shape_of(parsed: Parsed) -> Shape:
    r"""Return the shape of lines that say *parsed*.

    >>> from rnnd.codecs.severity import Severity
    >>> shape_of(Parsed(Severity.INFO, None, b"shop.Cart", b"order 0 paid", words=2))
    Shape(name=b'shop.Cart 2 3 order', words=2, slots=(-2, -1, 1))
    """
    words = parsed.tokens
    first = next((word for word in words if b"0" not in word), b"")
    name = b"%s %d %d %s" % (component_of(parsed), parsed.words, len(words), first)
    slots = [place for place, word in enumerate(words) if b"0" in word]
    return Shape(name, parsed.words, (*range(-min(parsed.words, HEAD), 0), *slots[:SLOTS]))


def _may_name(word: bytes) -> bool:
    return len(word) >= SHORTEST and any(48 <= byte < 58 for byte in word)


def _ties(seen: Mapping[Slot, Rows]) -> dict[Slot, Rows]:
    """Return the slots that tell sessions apart, and tie lines of several shapes together."""
    shapes: defaultdict[bytes, set[bytes]] = defaultdict(set)  # in which a value stands
    apart = {slot: rows for slot, rows in seen.items() if _tells_apart(rows, may_stay=slot[1] < 0)}
    for (shape, _), rows in apart.items():
        for value in rows:
            shapes[value].add(shape)
    return {
        slot: rows
        for slot, rows in apart.items()
        if _lines(here for value, here in rows.items() if len(shapes[value]) > 1)
        >= TIED * _lines(rows.values())
    }


def _tells_apart(rows: Rows, *, may_stay: bool) -> bool:
    """Return whether the values are as different, and as passing, as those of sessions are."""
    lines = _lines(rows.values())
    short = _lines(here for here in rows.values() if here[-1] - here[0] < WINDOW // 4)
    return (
        lines >= ENOUGH
        and len(rows) >= DIFFERENT
        and max(map(len, rows.values())) <= max(ENOUGH, FREQUENT * lines)
        and (may_stay or (short >= SHORT * lines and lines <= MOST * len(rows)))
    )


def _lines(rows: Iterable[list[int]]) -> int:
    return sum(map(len, rows))


class _Family:
    """Slots that share their values."""

    def __init__(self) -> None:
        self.members: list[Slot] = []
        self._values: set[bytes] = set()
        self._lines: dict[int, bytes] = {}

    def is_kin(self, values: Set[bytes]) -> bool:
        """Return whether a slot with these *values* belongs here."""
        return len(self._values & values) >= KIN * min(len(self._values), len(values))

    def add(self, slot: Slot, rows: Rows) -> None:
        """Take in a *slot*, unless lines of its shape have one here."""
        self._values |= rows.keys()
        if slot[0] not in (shape for shape, _ in self.members):
            self.members.append(slot)
            self._lines |= {row: value for value, here in rows.items() for row in here}

    @property
    def worth(self) -> float:
        """How much it ties: lines, and sessions."""
        return len(self._lines) * math.log(len(self._values) + 1)

    def gain(self, order: Sequence[bytes]) -> float:
        """Return by how much sessions make surer what comes next in *order*, in nats a line."""
        newest: dict[bytes, bytes] = {}  # the shape of each session's last line
        in_sessions: Counter[tuple[bytes, bytes]] = Counter()
        in_log: Counter[tuple[bytes, bytes]] = Counter()
        for row in sorted(self._lines):
            session, shape = self._lines[row], order[row]
            in_sessions[newest.get(session, b""), shape] += 1
            in_log[order[row - 1] if row else b"", shape] += 1
            newest[session] = shape
        return (_entropy(in_log) - _entropy(in_sessions)) / len(self._lines)


def _entropy(pairs: Counter[tuple[bytes, bytes]]) -> float:
    """Return how unsure the second of *pairs* is given the first, in nats, summed over them."""
    firsts: Counter[bytes] = Counter()
    for (first, _), count in pairs.items():
        firsts[first] += count
    return -sum(count * math.log(count / firsts[first]) for (first, _), count in pairs.items())


def _families(slots: Mapping[Slot, Rows], order: Sequence[bytes]) -> list[list[Slot]]:
    """Return the slots by families, the one that names the most lines of the most sessions first.

    Of two slots of one shape, the one with more values counts.
    """
    families: list[_Family] = []
    for slot in sorted(slots, key=lambda slot: (-len(slots[slot]), slot)):
        home = next((family for family in families if family.is_kin(slots[slot].keys())), None)
        if home is None:
            families.append(home := _Family())
        home.add(slot, slots[slot])
    families.sort(key=lambda family: (-family.worth, family.members))
    return [family.members for family in families if family.gain(order) >= GAIN]
