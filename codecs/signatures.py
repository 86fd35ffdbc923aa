"""From exact signatures to numbers: the two look-ups that every line goes through.

A *kind* is a coarse signature with a severity; kinds are numbered as they come. The numbers mean
nothing outside the table that gave them: when a table is full a new one begins, and parts of ticks
keep the table that they were counted with. The template of a kind is resolved when the tick in
which it first appears is encoded, in an order that does not depend on how the bytes came in.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.logline import Number, Parsed, is_continuation, parse, split_tokens
from rnnd.codecs.numbers import MAX_WORDS, numeric_places
from rnnd.codecs.severity import Severity
from rnnd.codecs.signature import coarse_signatures

MAX_KINDS = 50_000  # coarse signatures in a table
MAX_EXACT = 100_000  # exact signatures in a table
MAX_BYTES = 32 << 20  # bytes of both
UNRESOLVED = -1
NO_TEMPLATE = -2
CONTINUATION = 0
"""The kind of the lines that belong to the line before."""


class Kinds:
    """A table of kinds: their severities, texts and templates."""

    def __init__(self) -> None:
        self._exact: dict[bytes, int] = {}
        self._coarse: dict[bytes, int] = {}
        self._numbered: list[tuple[bytes, Number, dict[Severity, int]]] = []
        self._size = 0  # bytes
        self._exact_size = 0
        self._capacity = 256
        self._places: dict[int, tuple[tuple[int, int], ...]] = {CONTINUATION: ()}
        self.texts: list[bytes] = []
        self.severities = np.zeros(self._capacity, np.int8)
        self.templates = np.full(self._capacity, UNRESOLVED, np.int32)
        self._add(b"", Severity.DEBUG)
        self.templates[CONTINUATION] = NO_TEMPLATE

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def full(self) -> bool:
        """Whether a new table should begin."""
        return len(self.texts) > MAX_KINDS or len(self._exact) > MAX_EXACT or self._size > MAX_BYTES

    def look_up(
        self,
        signatures: Sequence[bytes],
        data: bytes,
        starts: NDArray[np.intp],
        ends: NDArray[np.intp],
    ) -> NDArray[np.int64]:
        """Return the kind of each line of *data*, whose exact signatures are *signatures*."""
        kinds = np.fromiter(map(self._exact.get, signatures, repeat(-1)), np.int64, len(signatures))
        if kinds.min(initial=0) == 0:
            return kinds
        missed = np.flatnonzero(kinds == -1).tolist()
        if missed:
            self._learn(dict.fromkeys(map(signatures.__getitem__, missed)))
            kinds[missed] = [self._exact[signatures[row]] for row in missed]
        for row in np.flatnonzero(kinds < -1).tolist():
            kinds[row] = self._read(int(kinds[row]), data[starts[row] : ends[row]])
        return kinds

    def places(self, kind: int) -> tuple[tuple[int, int], ...]:
        """Return where numbers stand in lines of a *kind*: among all words, and the message's."""
        if kind not in self._places:
            text = self.texts[kind]
            self._places[kind] = _places(text, parse(text))
        return self._places[kind]

    def kind_of(self, text: bytes, severity: Severity) -> int:
        """Return the kind with this *text* and *severity*, which is made if there is none."""
        if not text:
            return CONTINUATION
        key = text + b"\n" + bytes([severity])  # no signature holds a newline
        known = self._coarse.get(key)
        if known is None:
            known = self._coarse[key] = self._add(text, severity)
            self._size += len(key)
        return known

    def _learn(self, fresh: Iterable[bytes]) -> None:
        """Note the kinds of *fresh* exact signatures, below -1 where a number must be read."""
        if self._exact_size > MAX_BYTES // 2 or len(self._exact) > MAX_EXACT:
            self._exact.clear()
            self._exact_size = 0
        fresh = list(fresh)
        coarse = coarse_signatures(fresh)
        kinds = [self._coarse.get(text, -1) for text in coarse]
        for place, kind in enumerate(kinds):
            if kind == -1:
                kinds[place] = self._coarse_kind(coarse[place])
        self._exact.update(zip(fresh, kinds, strict=True))
        self._exact_size += sum(map(len, fresh))

    def _coarse_kind(self, coarse: bytes) -> int:
        """Return the kind of a coarse signature that may be new."""
        kind = self._coarse.get(coarse)
        if kind is not None:
            return kind
        if is_continuation(coarse):
            kind = CONTINUATION
        elif (number := (parsed := parse(coarse)).number) is None:
            kind = self._add(coarse, parsed.severity)
            self._places[kind] = _places(coarse, parsed)
        else:
            self._numbered.append((coarse, number, {}))
            kind = -1 - len(self._numbered)
        self._coarse[coarse] = kind
        self._size += len(coarse)
        return kind

    def _read(self, kind: int, line: bytes) -> int:
        """Return the kind of a *line* whose severity is a number in it."""
        coarse, number, known = self._numbered[-2 - kind]
        severity = number.read(line)
        if severity not in known:
            known[severity] = self.kind_of(coarse, severity)
        return known[severity]

    def _add(self, text: bytes, severity: Severity) -> int:
        kind = len(self.texts)
        self.texts.append(text)
        if kind == self._capacity:
            self._capacity *= 2
            self.severities = np.concatenate((self.severities, np.zeros(kind, np.int8)))
            self.templates = np.concatenate((self.templates, np.full(kind, UNRESOLVED, np.int32)))
        self.severities[kind] = severity
        return kind


def _places(text: bytes, parsed: Parsed) -> tuple[tuple[int, int], ...]:
    before = len(split_tokens(text[: text.find(parsed.message)], MAX_WORDS))
    return tuple((before + place, place) for place in numeric_places(parsed.tokens))
