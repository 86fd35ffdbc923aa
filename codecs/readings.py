"""Which words of the lines are numbers to be read, and the reading of the newest ones.

The numbers of a template are watched by where they stand in its messages, or by the names of their
fields; the first few of each. A line is read at the end of its tick, the newest of each template
alone; and of that only the numbers that are features or may yet become some. Counters are looked at
in a few ticks only: one that goes back again and again, as memory in use does, is none.
"""

from collections.abc import Iterable, Sequence, Set
from typing import TypeAlias

from rnnd.codecs.numbers import MAX_DIGITS, MAX_WORDS, value_of
from rnnd.codecs.parsed import DELIMITERS
from rnnd.codecs.signatures import Inner, Kind, Kinds
from rnnd.codecs.slots import PLACES, Slots
from rnnd.codecs.template import OVERFLOW, TemplateTable
from rnnd.codecs.tick import TickPart

LOOK = 61  # ticks from one look at counters to the next; a prime, since much comes every so often

Reading: TypeAlias = tuple[int, int, list[tuple[int, int]]]
"""How lines of a kind are read: their template, how many words, and each number's word and key."""


class Readings:
    """Reads the numbers in the newest lines of a tick into the *slots*."""

    def __init__(self, slots: Slots, templates: TemplateTable) -> None:
        self._slots = slots
        self._templates = templates
        self._watched: dict[int, dict[Inner, int]] = {}  # the places in each template's messages
        self._table: Kinds | None = None
        self._known: dict[Kind, Reading] = {}  # of kinds of that table
        self._looks: dict[Kind, Reading] = {}  # the same, counters included

    def __contains__(self, template: int) -> bool:
        return template in self._watched

    def watch(self, template: int, places: Sequence[Inner]) -> None:
        """Let the numbers at *places* of a new *template*'s messages be watched."""
        self._watched[template] = {place: index for index, place in enumerate(places[:PLACES])}

    def forget(self, templates: Set[int]) -> None:
        """Forget how the kinds of *templates* are read: that, or what these are, has changed."""
        if templates:
            for readings in (self._known, self._looks):
                for kind in [kind for kind, known in readings.items() if known[0] in templates]:
                    del readings[kind]

    def _forget_all(self) -> None:
        self._known.clear()
        self._looks.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._watched.clear()
        self._forget_all()

    def take(self, number: int, parts: Iterable[TickPart]) -> None:
        """Let the slots have the numbers in the newest line of each template, in tick *number*."""
        look = number % LOOK == 0
        readings = self._looks if look else self._known
        newest: dict[int, tuple[bytes, Reading]] = {}
        for part in parts:
            if part.table is not self._table:
                self._table = part.table
                self._forget_all()
            for kind, line in part.newest.items():
                reading = readings.get(kind) or self._reading(part.table, kind, look)
                if reading[0] in newest:
                    del newest[reading[0]]  # the order is that of the lines
                newest[reading[0]] = line, reading
        keys: list[int] = []
        values: list[float] = []
        for line, (_, count, numbers) in newest.values():
            if not count:
                continue
            words = line.translate(DELIMITERS).split(None, count)
            for place, key in numbers:
                if place >= len(words):
                    continue
                word = words[place]
                plain = word.isdigit() and len(word) <= MAX_DIGITS
                value = float(word) if plain else value_of(word)
                if value is not None:
                    keys.append(key)
                    values.append(value)
        full = self._slots.full
        changed = self._slots.update(keys, values, look=look)
        self.forget({key // PLACES for key in changed})
        if full != self._slots.full:
            self._forget_all()

    def _reading(self, table: Kinds, kind: Kind, counters: bool) -> Reading:
        """Find out how lines of a *kind* are read; it stays so until the slots have changed."""
        template = int(self._templates.joined[table.templates[kind]])
        watched = self._watched.get(template, {})
        known = [(place, watched.get(inner)) for place, inner in table.places(kind)]
        keys = [(place, template * PLACES + index) for place, index in known if index is not None]
        numbers = [(place, key) for place, key in keys if self._slots.wants(key, counters=counters)]
        count = min(max([place + 1 for place, _ in numbers], default=0), MAX_WORDS)
        reading = template, count, numbers
        if template != OVERFLOW:  # which may find room later
            (self._looks if counters else self._known)[kind] = reading
        return reading

    def field_in(self, slot: int) -> str:
        """Return the name of the field whose number is in *slot*; empty for one of a message."""
        template, index = divmod(int(self._slots.owners[slot]), PLACES)
        inner = list(self._watched[template])[index]
        return inner.decode("utf-8", "replace") if isinstance(inner, bytes) else ""
