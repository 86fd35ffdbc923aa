"""Groups messages into templates: streaming, bounded, and stable for ever.

Drain (He et al., ICWS 2017) compares a message with the templates of its length and takes the most
similar one. As its templates change with every message, the same message may land elsewhere
tomorrow. Here a template is its first message, its *leader*, and never changes; a message belongs
to the *first* leader, in the order of their appearance, that is similar enough. Leaders are only
ever added, behind the others, so a message that once belonged to a template belongs to it always,
before and after a restart, and whatever is cached in between may be thrown away.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OVERFLOW = 0
"""The template of all messages that came when the table was full."""

SIMILARITY = 0.5
VARIABLE = 0  # the word number of everything masked


class TemplateTable:
    """Finds the template of a message, at most *limit* of them."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._words: dict[bytes, int] = {}
        self._groups: dict[tuple[bytes, int], _Group] = {}
        self.leaders: list[tuple[bytes, tuple[bytes, ...]]] = [(b"", ())]
        self.examples: list[bytes] = [b"(all other messages)"]

    def __len__(self) -> int:
        return len(self.leaders)

    def find(self, component: bytes, tokens: Sequence[bytes], example: bytes = b"") -> int:
        """Return the number of the template of a message, which is made if there is none."""
        key = (component, len(tokens))
        group = self._groups.get(key)
        numbers = np.array([self._number(token) for token in tokens], np.int32)
        if group is not None and (known := group.first_similar(numbers)) is not None:
            return known
        if len(self.leaders) >= self._limit:
            return OVERFLOW
        if group is None:
            group = self._groups[key] = _Group(len(tokens))
        fresh = np.array([self._learn(token) for token in tokens], np.int32)
        group.add(fresh, len(self.leaders))
        self.leaders.append((component, tuple(tokens)))
        self.examples.append(example)
        return len(self.leaders) - 1

    def _number(self, token: bytes) -> int:
        """Return the number of a word; words of no leader are all -1, similar to nothing."""
        return VARIABLE if b"0" in token else self._words.get(token, -1)

    def _learn(self, token: bytes) -> int:
        if b"0" in token:
            return VARIABLE
        return self._words.setdefault(token, len(self._words) + 1)

    def state(self) -> dict[str, Any]:
        """Return the leaders, as text that keeps every byte."""
        return {
            "leaders": [[_text(c), [_text(t) for t in tokens]] for c, tokens in self.leaders[1:]],
            "examples": [_text(example) for example in self.examples[1:]],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another table's `state` gave."""
        self.__init__(self._limit)  # type: ignore[misc]  # a table has no other state
        for (component, tokens), example in zip(state["leaders"], state["examples"], strict=True):
            self._append(_bytes(component), tuple(map(_bytes, tokens)), _bytes(example))

    def _append(self, component: bytes, tokens: tuple[bytes, ...], example: bytes) -> None:
        group = self._groups.setdefault((component, len(tokens)), _Group(len(tokens)))
        group.add(np.array([self._learn(token) for token in tokens], np.int32), len(self.leaders))
        self.leaders.append((component, tokens))
        self.examples.append(example)


class _Group:
    """The leaders of one component and length, as a matrix of word numbers."""

    def __init__(self, width: int) -> None:
        self._words = np.zeros((4, width), np.int32)
        self._templates: list[int] = []

    def add(self, words: NDArray[np.int32], template: int) -> None:
        count = len(self._templates)
        if count == len(self._words):
            self._words = np.concatenate((self._words, np.zeros_like(self._words)))
        self._words[count] = words
        self._templates.append(template)

    def first_similar(self, words: NDArray[np.int32]) -> int | None:
        """Return the first template at least `SIMILARITY` of whose words are the same."""
        rows = self._words[: len(self._templates)]
        if not len(words):
            return self._templates[0]
        alike = rows == words
        same = alike.sum(axis=1)
        hits = np.flatnonzero(same >= SIMILARITY * len(words))
        return self._templates[int(hits[0])] if len(hits) else None


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
