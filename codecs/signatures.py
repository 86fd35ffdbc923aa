"""From signatures to numbers: the look-ups that every line goes through.

A *kind* is what lines say that parse the same, with a severity; kinds are numbered as they come.
The numbers mean nothing outside the table that gave them: when a table is full a new one begins,
and parts of ticks keep the table that they were counted with. The template of a kind is resolved
when the tick in which it first appears is encoded, in an order that does not depend on how the
bytes came in.

Three dictionaries stand one behind the other, each for what the one before does not know: of the
shapes of lines, of coarse signatures, and of what lines say. The first two are pure caches.
"""

from collections.abc import Sequence
from itertools import pairwise, repeat
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.logline import is_continuation, parse
from rnnd.codecs.numbers import numeric_places
from rnnd.codecs.parsed import Number, Parsed, unpack
from rnnd.codecs.severity import Severity
from rnnd.codecs.signature import Places, Shapes, coarse_signatures, exact_signatures

MAX_KINDS = 50_000  # in a table
MAX_SHAPES = 100_000  # shapes of lines that are remembered
BLOCK = 1 << 17  # bytes whose shapes are made and looked up at once, to stay within a cache
MANY = 2048  # lines of new shapes that are learnt before others are looked up
MAX_PLACES = 8  # places of timestamps whose lines have a cache of their own
MOSTLY = 0.75  # of a chunk's lines with new shapes, from which on shapes are of no use,
PASSES = 16  # chunks that are then looked up without
MAX_COARSE = 50_000  # coarse signatures that are remembered
MAX_BYTES = 16 << 20  # bytes of each of them, and of the texts of kinds
NONE = np.zeros(0, np.intp)
UNKNOWN = -1
UNRESOLVED = -1
NO_TEMPLATE = -2
CONTINUATION = 0
"""The kind of the lines that belong to the line before."""

Kind = int
"""The number of a kind; below `UNKNOWN`, of a text whose severity must be read from the line."""


Inner: TypeAlias = int | bytes
"""A number's place among the words of a message, or the name of its field."""

Place: TypeAlias = tuple[int, int]
"""Where in its line a timestamp begins, and how long it is; both 0 where there is none."""


class _Cache:
    """Dictionaries from bytes to kinds, one a place, which forget everything when they are full."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = self._bytes = 0
        self._known: dict[Place | None, dict[bytes, Kind]] = {}

    def known(self, place: Place | None = None) -> dict[bytes, Kind]:
        """Return what is known of lines whose timestamps all stand at *place*, if they do."""
        if place not in self._known and len(self._known) >= MAX_PLACES:
            self._forget()
        return self._known.setdefault(place, {})

    def add(
        self, texts: Sequence[bytes], kinds: Sequence[Kind], place: Place | None = None
    ) -> None:
        """Note the *kinds* of *texts*, which are not known yet."""
        size = sum(map(len, texts))
        if self._bytes + size > MAX_BYTES or self._count + len(texts) > self._limit:
            self._forget()
        self._bytes += size
        self._count += len(texts)
        self.known(place).update(zip(texts, kinds, strict=True))

    def _forget(self) -> None:
        self._known.clear()
        self._count = self._bytes = 0


class Kinds:
    """A table of kinds: their severities, texts and templates."""

    def __init__(self) -> None:
        self._shapes_of = Shapes()
        self._shapes = _Cache(MAX_SHAPES)
        self._passes = 0  # chunks whose shapes are not worth a look
        self._coarse = _Cache(MAX_COARSE)
        self._kinds: dict[bytes, Kind] = {}  # of packed texts
        self._told: dict[tuple[bytes, int], Kind] = {}  # of packed texts with severities
        self._numbered: list[tuple[bytes, int]] = []  # texts, and which number tells of them
        self._numbers: dict[Number, int] = {}
        self._size = 0  # bytes of texts
        self._capacity = 256
        self._places: dict[Kind, tuple[tuple[int, Inner], ...]] = {CONTINUATION: ()}
        self._parsed: dict[bytes, Parsed] = {}  # what new texts say
        self.texts: list[bytes] = []
        self.severities = np.zeros(self._capacity, np.int8)
        self.templates = np.full(self._capacity, UNRESOLVED, np.int32)
        self.has_numbers = np.zeros(self._capacity, np.bool_)
        self._add(b"", Severity.DEBUG)
        self.templates[CONTINUATION] = NO_TEMPLATE

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def full(self) -> bool:
        """Whether a new table should begin."""
        return len(self.texts) > MAX_KINDS or self._size > MAX_BYTES

    def look_up(
        self, data: bytes, starts: Places, ends: Places, begins: Places, stops: Places
    ) -> NDArray[np.int64]:
        """Return the kind of each line of *data* from *starts* to its newline at *ends*.

        Timestamps are from *begins* to *stops*, which are equal for a line without one.
        """
        if self._passes:
            self._passes -= 1
            kinds = np.array(self._learn(exact_signatures(data, begins, stops)), np.int64)
        else:
            kinds = self._by_shape(data, starts, ends, begins, stops)
        numbered = (kinds < UNKNOWN).nonzero()[0]
        if len(numbered):
            kinds[numbered] = self._read(kinds[numbered], data, starts[numbered], ends[numbered])
        return kinds

    def _by_shape(
        self, data: bytes, starts: Places, ends: Places, begins: Places, stops: Places
    ) -> NDArray[np.int64]:
        """Do what `look_up` does, by the shapes of the lines where these are known."""
        place = _common_place(starts, begins, stops)
        stamped = NONE if place is not None else np.flatnonzero(begins < stops)
        text = np.frombuffer(data, np.uint8)
        edges = _edges_of_blocks(len(data), starts)
        cuts = [*starts[edges[:-1]].tolist(), len(data)]
        marks = np.searchsorted(stamped, edges).tolist()
        kinds = np.empty(len(starts), np.int64)
        lines: list[bytes] = []  # shapes that are not known
        missed: list[int] = []  # the rows of these
        learnt = 0
        for (first, last), (begin, end), mark in zip(
            pairwise(edges), pairwise(cuts), pairwise(marks), strict=True
        ):
            here = stamped[slice(*mark)]
            shapes = self._shapes_of(text[begin:end], begins[here] - begin, stops[here] - begin)
            known = self._shapes.known(place).get
            found = np.fromiter(map(known, shapes, repeat(UNKNOWN)), np.int64, len(shapes))
            kinds[first:last] = found
            unknown = (found == UNKNOWN).nonzero()[0]
            if len(unknown):
                lines += map(shapes.__getitem__, unknown.tolist())
                missed += (unknown + first).tolist()
            if missed and (len(missed) > MANY or last == len(starts)):
                fresh = dict(zip(lines, missed, strict=True))  # one line of each shape
                rows = np.array(list(fresh.values()))
                exact = exact_signatures(*_lines_at(rows, data, starts, ends, begins, stops))
                told = dict(zip(fresh, self._learn(exact), strict=True))
                self._shapes.add(list(told), list(told.values()), place)
                kinds[missed] = np.fromiter(map(told.__getitem__, lines), np.int64, len(lines))
                learnt += len(fresh)
                lines, missed = [], []
        if learnt > MOSTLY * len(starts):
            self._passes = PASSES
        return kinds

    def places(self, kind: Kind) -> tuple[tuple[int, Inner], ...]:
        """Return where numbers stand in lines of a *kind*: among all words, and within."""
        return self._places[kind]

    def parsed(self, text: bytes) -> Parsed:
        """Return what the kinds with this *text* say; asked for once a text, as a rule."""
        return self._parsed.pop(text, None) or unpack(text)

    def kind_of(self, text: bytes, severity: Severity) -> Kind:
        """Return the kind with this *text* and *severity*, which is made if there is none."""
        if not text:
            return CONTINUATION
        known = self._told.get((text, severity))
        return self._add(text, severity) if known is None else known

    def _learn(self, exact: list[bytes]) -> list[Kind]:
        """Return the kinds of *exact* signatures, below `UNKNOWN` where a number must be read."""
        coarse = coarse_signatures(exact)
        kinds = list(map(self._coarse.known().get, coarse, repeat(UNKNOWN)))
        if UNKNOWN in kinds:
            pairs = zip(coarse, kinds, strict=True)
            unknown = list(dict.fromkeys(text for text, kind in pairs if kind == UNKNOWN))
            found = dict(zip(unknown, map(self._kind, unknown), strict=True))
            pairs = zip(coarse, kinds, strict=True)
            kinds = [found[text] if kind == UNKNOWN else kind for text, kind in pairs]
            self._coarse.add(unknown, list(found.values()))
        return kinds

    def _kind(self, coarse: bytes) -> Kind:
        """Return the kind of lines with a *coarse* signature."""
        if is_continuation(coarse):
            return CONTINUATION
        parsed = parse(coarse)
        text = parsed.pack()
        kind = self._kinds.get(text)
        if kind is None:
            if parsed.number is None:
                self._parsed[text] = parsed
                kind = self.kind_of(text, parsed.severity)
            else:
                which = self._numbers.setdefault(parsed.number, len(self._numbers))
                self._numbered.append((text, which))
                kind = -1 - len(self._numbered)
            self._kinds[text] = kind
        return kind

    def _read(
        self,
        codes: NDArray[np.int64],
        data: bytes,
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
    ) -> NDArray[np.int64]:
        """Return the kinds of lines with *codes* below `UNKNOWN`, by the severities they tell."""
        kinds = np.empty_like(codes)
        distinct, which = np.unique(codes, return_inverse=True)
        numbered = [self._numbered[-2 - code] for code in distinct.tolist()]
        by = np.array([number for _, number in numbered])[which]
        for index, number in enumerate(self._numbers):
            rows = np.flatnonzero(by == index)
            if not len(rows):
                continue
            severities = number.read_all(data, starts[rows], ends[rows])
            pairs, place = np.unique(which[rows] * 16 + severities, return_inverse=True)
            texts = (numbered[code][0] for code in (pairs // 16).tolist())
            told = list(map(self.kind_of, texts, map(Severity, (pairs % 16).tolist())))
            kinds[rows] = np.array(told, np.int64)[place]
        return kinds

    def _add(self, text: bytes, severity: Severity) -> Kind:
        kind = len(self.texts)
        self.texts.append(text)
        self._told[text, severity] = kind
        self._size += len(text)
        if kind == self._capacity:
            self._capacity *= 2
            self.severities = np.concatenate((self.severities, np.zeros(kind, np.int8)))
            self.templates = np.concatenate((self.templates, np.full(kind, UNRESOLVED, np.int32)))
            self.has_numbers = np.concatenate((self.has_numbers, np.zeros(kind, np.bool_)))
        self.severities[kind] = severity
        if text:
            parsed = self._parsed.get(text) or unpack(text)
            self._places[kind] = places = inner_places(parsed)
            self.has_numbers[kind] = bool(places)
        return kind


def inner_places(parsed: Parsed) -> tuple[tuple[int, Inner], ...]:
    """Return where numbers stand in lines that say *parsed*: among all words, and within."""
    inner = numeric_places(parsed.tokens)
    return *((parsed.words + place, place) for place in inner), *parsed.fields


def _edges_of_blocks(size: int, starts: Places) -> list[int]:
    """Return the first rows of the blocks of lines, of *size* bytes in all, that are looked up at
    once, and behind them the number of lines."""
    if size <= BLOCK:
        return [0, len(starts)]
    firsts = np.searchsorted(starts, np.arange(0, size, BLOCK)).tolist()
    return list(dict.fromkeys([*firsts, len(starts)]))


def _common_place(starts: Places, begins: Places, stops: Places) -> Place | None:
    """Return where the timestamps stand in their lines, None if not all at the same place."""
    offsets, lengths = begins - starts, stops - begins
    if (offsets == offsets[0]).all() and (lengths == lengths[0]).all():
        return int(offsets[0]), int(lengths[0])
    return None


def _lines_at(
    rows: Places, data: bytes, starts: Places, ends: Places, begins: Places, stops: Places
) -> tuple[bytes, Places, Places]:
    """Return the lines *rows* of *data*, and where their timestamps begin and end in that."""
    if len(rows) == len(starts):
        return data, begins, stops
    starts, ends = starts[rows], ends[rows] + 1
    lines = [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    lengths = ends - starts
    moved = np.cumsum(lengths) - lengths - starts
    return b"".join(lines), begins[rows] + moved, stops[rows] + moved
