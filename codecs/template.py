"""Groups messages into templates: streaming, bounded, and stable.

The same message must count as the same template tomorrow, after a restart, and whatever was cached
in between. So a template is found in two steps, neither of which forgets or changes its mind:

1. *The cluster.* Messages of one length whose words mostly agree, as in Drain (He et al., ICWS
   2017). Drain's templates change with every message, and the most similar one may be another
   tomorrow. Here a cluster is its first message, its leader, for ever; and a message belongs to the
   *first* leader, in the order of appearance, that is similar enough. Leaders are only ever added
   behind the others, so nothing that is learnt later changes the cluster of a message.
2. *The words that tell templates of a cluster apart.* At a place where up to `FEW` different words
   were seen they are words of different templates: session *opened* and *closed*. Where there were
   more, or where some were masked, they are values of a variable: the names of users. Then the
   templates that only differ there become one, and stay one.

So a template may be joined to an older one while its log is still new, at most once a place.
"""

from collections.abc import Mapping, Sequence
from operator import ne
from typing import Any

import numpy as np

from rnnd.codecs.masking import VARIABLE

OVERFLOW = 0
"""The template of all messages that came when the table was full."""

MAX_DIFFERENT = 0.3 + 1e-9  # of the words that are not variables in both messages
FEW = 4  # different words at a place that are not taken for a variable
MAX_KNOWN = 2000  # masked messages whose template is remembered
COMPARED_ALONE = 12  # leaders that are compared one by one: fewer are quicker so

Words = tuple[bytes, ...]


class TemplateTable:
    """Finds the template of a message; there are at most *limit*, numbered as they come."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._numbers: dict[bytes, int] = {VARIABLE: 0}  # of the words of leaders
        self._groups: dict[tuple[bytes, int], _Group] = {}
        self._known: dict[tuple[bytes, Words], int] = {}
        self._clusters: list[_Cluster] = []
        self._keys: list[tuple[int, Words]] = [(-1, ())]  # cluster and words of each template
        self.examples: list[bytes] = [b""]  # signature of the first message of each
        self.joined = np.arange(limit, dtype=np.int64)  # the template that each has become
        self.joins: list[tuple[int, int]] = []  # template and older template, since last cleared

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, component: bytes, words: Words, example: bytes = b"") -> int:
        """Return the template of the masked *words* of a *component*'s message.

        A template is made if there is none, with *example* as the signature of its first message.
        """
        known = self._known.get((component, words))
        if known is not None:
            return int(self.joined[known])
        template = self._find(component, words, example)
        if template != OVERFLOW:  # which may find room later
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[component, words] = template
        return template

    def _find(self, component: bytes, words: Words, example: bytes) -> int:
        key = component, len(words)
        group = self._groups.get(key)
        found = group.first_similar(words) if group is not None else None
        if found is None:
            if len(self._keys) >= self._limit:
                return OVERFLOW
            found = self._add_cluster(key, words)
        cluster = self._clusters[found]
        if cluster.learn(words):
            self._join(cluster)
        fixed = cluster.fixed(words)
        template = cluster.templates.get(fixed)
        if template is None:
            if len(self._keys) >= self._limit:
                return OVERFLOW
            template = cluster.templates[fixed] = len(self._keys)
            self._keys.append((found, words))
            self.examples.append(example)
        return template

    def text(self, template: int) -> str:
        """Return *template* as people read it, with ``<*>`` for what varies."""
        if template == OVERFLOW:
            return "(all other messages)"
        number, words = self._keys[template]
        cluster = self._clusters[number]
        shown = b" ".join((cluster.component, *cluster.fixed(words))).strip()
        return shown.decode("utf-8", "replace").replace("0", "<*>").replace("\x01", "<time>")

    def _add_cluster(self, key: tuple[bytes, int], words: Words) -> int:
        group = self._groups.setdefault(key, _Group(self._numbers))
        group.add(words, len(self._clusters))
        self._clusters.append(_Cluster(key[0], words))
        return len(self._clusters) - 1

    def _join(self, cluster: "_Cluster") -> None:
        """Join the templates of *cluster* that no longer differ to the oldest of them."""
        templates = sorted(cluster.templates.values())
        cluster.templates = {}
        for template in templates:
            oldest = cluster.templates.setdefault(cluster.fixed(self._keys[template][1]), template)
            if oldest != template:
                self.joined[self.joined == template] = oldest
                self.joins.append((template, oldest))

    def state(self) -> dict[str, Any]:
        """Return what must be saved."""
        return {
            "clusters": [
                [_text(c.component), _texts(c.leader), [_texts(sorted(seen)) for seen in c.seen]]
                for c in self._clusters
            ],
            "templates": [[number, _texts(words)] for number, words in self._keys[1:]],
            "examples": _texts(self.examples[1:]),
            "joined": self.joined[: len(self._keys)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another table's `state` gave."""
        self._numbers.clear()
        self._numbers[VARIABLE] = 0
        self._groups.clear()
        self._known.clear()
        self._clusters.clear()
        for component, leader, seen in state["clusters"]:
            number = self._add_cluster((_bytes(component), len(leader)), _words(leader))
            self._clusters[number].restore(seen)
        self._keys[1:] = [(number, _words(words)) for number, words in state["templates"]]
        self.examples[1:] = _words(state["examples"])
        self.joined = np.arange(self._limit, dtype=np.int64)
        self.joined[: len(self._keys)] = state["joined"]
        for template in np.unique(self.joined[1 : len(self._keys)]).tolist():
            number, words = self._keys[template]
            cluster = self._clusters[number]
            cluster.templates[cluster.fixed(words)] = template


class _Cluster:
    """Messages like their *leader*: the words seen at each place, and the templates they make."""

    def __init__(self, component: bytes, leader: Words) -> None:
        self.component = component
        self.leader = leader
        self.seen: list[Words] = [()] * len(leader)
        self.templates: dict[Words, int] = {}
        self._varies = [False] * len(leader)

    def learn(self, words: Words) -> bool:
        """Note *words*; return whether a place was found to be a variable."""
        found = False
        for place, (word, seen) in enumerate(zip(words, self.seen, strict=True)):
            if word not in seen and len(seen) <= FEW:
                self.seen[place] = seen = (*seen, word)
                if not self._varies[place] and _varies(seen):
                    self._varies[place] = found = True
        return found

    def fixed(self, words: Words) -> Words:
        """Return *words* with all variables masked: what tells the templates apart."""
        pairs = zip(words, self._varies, strict=True)
        return tuple([VARIABLE if varies else word for word, varies in pairs])

    def restore(self, seen: Sequence[Sequence[str]]) -> None:
        """Take over the words *seen* at each place, as they were saved."""
        self.seen = [_words(words) for words in seen]
        self._varies = [_varies(words) for words in self.seen]


def _varies(seen: Words) -> bool:
    return len(seen) > FEW or (len(seen) > 1 and VARIABLE in seen)


class _Group:
    """The leaders of one component and length; *numbers* are those of their words, in common.

    Few leaders are compared one by one; many as a matrix of the numbers of their words.
    """

    def __init__(self, numbers: dict[bytes, int]) -> None:
        self._numbers = numbers
        self._leaders: list[tuple[Words, int]] = []  # and where they vary, as bits
        self._clusters: list[int] = []
        self._matrix = np.zeros((0, 0), np.int32)

    def add(self, words: Words, cluster: int) -> None:
        """Add a leader, behind the others."""
        row = [self._numbers.setdefault(word, len(self._numbers)) for word in words]
        count = len(self._clusters)
        if count >= len(self._matrix):
            matrix = np.zeros((max(4, 2 * count), len(words)), np.int32)
            if count:
                matrix[:count] = self._matrix[:count]
            self._matrix = matrix
        self._matrix[count] = row
        self._leaders.append((words, _variables(words)))
        self._clusters.append(cluster)

    def first_similar(self, words: Words) -> int | None:
        """Return the first cluster whose leader is similar to *words*."""
        variables, width = _variables(words), len(words)
        for place, (leader, varying) in enumerate(self._leaders[:COMPARED_ALONE]):
            compared = width - (variables & varying).bit_count()
            if sum(map(ne, leader, words)) <= MAX_DIFFERENT * compared:
                return self._clusters[place]
        if len(self._leaders) <= COMPARED_ALONE:
            return None
        row = [self._numbers.get(word, -1) for word in words]
        if row.count(-1) > MAX_DIFFERENT * width:  # words that no leader has
            return None
        numbers = np.array(row, np.int32)
        leaders = self._matrix[COMPARED_ALONE : len(self._clusters)]
        differ = (leaders != numbers).sum(axis=1)
        both = ((leaders == 0) & (numbers == 0)).sum(axis=1)
        hits = np.flatnonzero(differ <= MAX_DIFFERENT * (width - both))
        return self._clusters[COMPARED_ALONE + int(hits[0])] if len(hits) else None


def _variables(words: Words) -> int:
    """Return which *words* are variables, as bits."""
    bits, place = 0, -1
    for _ in range(words.count(VARIABLE)):
        place = words.index(VARIABLE, place + 1)
        bits |= 1 << place
    return bits


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _texts(words: Sequence[bytes]) -> list[str]:
    return [_text(word) for word in words]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _words(texts: Sequence[str]) -> Words:
    return tuple(map(_bytes, texts))
