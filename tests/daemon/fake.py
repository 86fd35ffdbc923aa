"""A pipeline that remembers what it was fed: for tests of what stands around one."""

from typing import Any

import numpy as np

from rnnd.codecs.health import Health
from rnnd.codecs.tick import Tick
from rnnd.config.schema import AppSettings
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.scoring import Outcomes

TICK = 10


class FakePipeline:
    """Takes lines ``<tick> <text>``; predicts red when a line of the tick says so."""

    def __init__(self, app: AppSettings | None = None) -> None:
        self.app = app
        self.fed: list[bytes] = []
        self.sources: dict[str, int] = {}
        self.closed: list[int] = []
        self.next: int | None = None
        self.red: set[int] = set()

    @property
    def next_tick(self) -> int | None:
        return self.next

    def feed(self, source: str, data: bytes, arrival: float) -> None:
        assert data.endswith(b"\n")
        for line in data.splitlines():
            tick = int(line.split()[0])
            self.sources[source] = max(tick, self.sources.get(source, tick))
            if self.next is None:
                self.next = tick
            if b"red" in line:
                self.red.add(tick)
            self.fed.append(line)

    def tick_of(self, source: str) -> int | None:
        return self.sources.get(source)

    def close(self, before: int) -> list[Prediction]:
        predictions = []
        while self.next is not None and self.next < before:
            predictions.append(self._predict(self.next))
            self.closed.append(self.next)
            self.next += 1
        return predictions

    def _predict(self, number: int) -> Prediction:
        health = Health.RED if number in self.red else Health.GREEN
        red = 0.75 if health is Health.RED else 0.25
        probabilities = {600.0: (0.75 - red / 2, 0.25 - red / 2 + red / 2, red)}
        tick = Tick(
            number=number, vector=np.zeros(1, np.float32), observed=health, lines=0, bytes=0,
            unparsed=0, late=0, dropped=0, new_templates=0, templates=3, counts={}, examples=(),
        )  # fmt: skip
        return Prediction(
            time=(number + 1) * TICK, app="app", probabilities=probabilities,
            healths={600.0: health}, observed=health, onset=health is Health.RED, surprise=0.5,
            outcomes=Outcomes(), tick=tick,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        return {
            "fed": [line.decode("latin-1") for line in self.fed],
            "sources": self.sources,
            "closed": self.closed,
            "next": self.next,
            "red": sorted(self.red),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.fed = [line.encode("latin-1") for line in state["fed"]]
        self.sources = dict(state["sources"])
        self.closed = list(state["closed"])
        self.next = state["next"]
        self.red = set(state["red"])
