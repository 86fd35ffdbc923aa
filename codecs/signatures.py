"""From signatures to numbers: the look-ups that every line goes through.

A *kind* is what lines say that parse the same, with a severity; kinds are numbered as they come.
The numbers mean nothing outside the table that gave them: when a table is full a new one begins,
and parts of ticks keep the table that they were counted with. The template of a kind is resolved
when the tick in which it first appears is encoded, in an order that does not depend on how the
bytes came in.

Three dictionaries stand one behind the other, each for what the one before does not know: of exact
signatures, of coarse ones, and of what lines say. The first two are pure caches.
"""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.logline import is_continuation, parse
from rnnd.codecs.numbers import numeric_places
from rnnd.codecs.parsed import Number, Parsed, unpack
from rnnd.codecs.severity import Severity
from rnnd.codecs.signature import coarse_signatures

MAX_KINDS = 50_000  # in a table
MAX_EXACT = 100_000  # exact signatures that are remembered
MAX_COARSE = 50_000  # coarse ones
MAX_BYTES = 16 << 20  # bytes of each of them, and of the texts of kinds
UNRESOLVED = -1
NO_TEMPLATE = -2
CONTINUATION = 0
"""The kind of the lines that belong to the line before."""

Kind = int
"""The number of a kind; below -1, of a text whose severity must be read from the line."""


class _Cache:
    """A dictionary from signatures to kinds, which forgets everything when it is full."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self.known: dict[bytes, Kind] = {}

    def add(self, signatures: Sequence[bytes], kinds: Sequence[Kind]) -> None:
        """Note the *kinds* of *signatures*."""
        self._bytes += sum(map(len, signatures))
        if self._bytes > MAX_BYTES or len(self.known) + len(signatures) > self._limit:
            self.known.clear()
            self._bytes = sum(map(len, signatures))
        self.known.update(zip(signatures, kinds, strict=True))


class Kinds:
    """A table of kinds: their severities, texts and templates."""

    def __init__(self) -> None:
        self._exact = _Cache(MAX_EXACT)
        self._coarse = _Cache(MAX_COARSE)
        self._kinds: dict[bytes, Kind] = {}  # of packed texts
        self._told: dict[tuple[bytes, int], Kind] = {}  # of packed texts with severities
        self._numbered: list[tuple[bytes, int]] = []  # texts, and which number tells of them
        self._numbers: dict[Number, int] = {}
        self._size = 0  # bytes of texts
        self._capacity = 256
        self._places: dict[Kind, tuple[tuple[int, int], ...]] = {CONTINUATION: ()}
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
        self,
        signatures: Sequence[bytes],
        data: bytes,
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
    ) -> NDArray[np.int64]:
        """Return the kind of each line of *data*, whose exact signatures are *signatures*."""
        known = map(self._exact.known.get, signatures, repeat(-1))
        kinds = np.fromiter(known, np.int64, len(signatures))
        if kinds.min(initial=0) == 0:
            return kinds
        missed = np.flatnonzero(kinds == -1).tolist()
        if missed:
            lines = [signatures[row] for row in missed]
            learnt = self._learn(list(dict.fromkeys(lines)))
            kinds[missed] = [learnt[line] for line in lines]
        numbered = np.flatnonzero(kinds < -1)
        if len(numbered):
            kinds[numbered] = self._read(kinds[numbered], data, starts[numbered], ends[numbered])
        return kinds

    def places(self, kind: Kind) -> tuple[tuple[int, int], ...]:
        """Return where numbers stand in lines of a *kind*: among all words, and the message's."""
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

    def _learn(self, fresh: list[bytes]) -> dict[bytes, Kind]:
        """Return the kinds of *fresh* exact signatures, below -1 where a number must be read."""
        coarse = coarse_signatures(fresh)
        known = self._coarse.known
        kinds = [known.get(text, -1) for text in coarse]
        if -1 in kinds:
            unknown = [text for text, kind in zip(coarse, kinds, strict=True) if kind == -1]
            unknown = list(dict.fromkeys(unknown))
            found = dict(zip(unknown, map(self._kind, unknown), strict=True))
            kinds = [found[t] if k == -1 else k for t, k in zip(coarse, kinds, strict=True)]
            self._coarse.add(unknown, list(found.values()))
        self._exact.add(fresh, kinds)
        return dict(zip(fresh, kinds, strict=True))

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
        """Return the kinds of lines with *codes* below -1, by the severities that they tell."""
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
            places = tuple((parsed.words + place, place) for place in numeric_places(parsed.tokens))
            self._places[kind] = places
            self.has_numbers[kind] = bool(places)
        return kind
