"""Which of a fixed number of buckets each template counts in.

Three quarters of the buckets have one owner each: a template moves in when it comes in its third
tick, first come, first served, and stays for ever. So the recurring messages of an application,
which are few, are never mixed up, and the thousand messages that come once (start-up, one-off
errors) do not use the places up: they share the last quarter, by a hash of their text.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SETTLED = 3  # ticks in which a template must come to own a bucket


class Buckets:
    """Which bucket each template counts in."""

    def __init__(self, buckets: int, limit: int) -> None:
        self.owned = buckets - max(1, buckets // 4)  # the others are shared
        self._shared = buckets - self.owned
        self.of = np.full(limit, self.owned, np.int64)  # the bucket of each template
        self.ticks = np.zeros(limit, np.int64)  # in how many ticks each template came
        self.of_view, self._ticks_view = self.of.data, self.ticks.data  # for one at a time
        self.owners = np.full(self.owned, -1, np.int64)
        self._free = list(range(self.owned))  # in ascending order

    def place(self, template: int, text: bytes) -> None:
        """Give a new *template* its shared bucket."""
        self.of[template] = self.owned + zlib.crc32(text) % self._shared

    def count(self, templates: Iterable[int]) -> list[int]:
        """Note that *templates* came in a tick; return the buckets that settled ones moved into."""
        buckets, ticks, moved = self.of_view, self._ticks_view, []
        for template in templates:
            ticks[template] = came = ticks[template] + 1
            if came >= SETTLED and buckets[template] >= self.owned and self._free:
                bucket = self._free.pop(0)
                self.owners[bucket] = template
                buckets[template] = bucket
                moved.append(bucket)
        return moved

    def join(self, template: int, older: int) -> None:
        """Let *template*, which has become one with an *older* one, leave its bucket to it."""
        self.ticks[older] += self.ticks[template]
        bucket = int(self.of[template])
        if bucket >= self.owned:
            return
        self.owners[bucket] = -1
        if self.of[older] >= self.owned:
            self.of[older] = bucket
            self.owners[bucket] = older
        self._find_free()

    def _find_free(self) -> None:
        self._free = np.flatnonzero(self.owners < 0).tolist()

    def state(self, known: int) -> dict[str, Any]:
        """Return what must be saved of the first *known* templates."""
        return {"of": self.of[:known], "ticks": self.ticks[:known], "owners": self.owners}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        known = len(state["of"])
        self.of[:known], self.ticks[:known] = state["of"], state["ticks"]
        self.owners[:] = state["owners"]
        self._find_free()
