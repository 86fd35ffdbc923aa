"""What was unusual in the log of late: the kinds of lines that came more, less, or anew.

For every template the daemon remembers how often it usually comes in one horizon and how often it
came in the last one, both forgetting slowly. What stands out most is what an operator wants to see
beside a red. It explains no weights of the network; it shows the lines worth reading.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["new", "more", "missing"]

SHOWN = 5  # templates
USUAL = 50  # horizons that "usual" looks back over
ENOUGH = 5.0  # lines a horizon of a template whose absence is worth a word
STANDS_OUT = 3.0  # standard deviations
TRAFFIC = (0.5, 3.0)  # how far the number of lines may explain that of a template
LONGEST = 200  # characters of a template's text


@dataclass(frozen=True, slots=True)
class Evidence:
    """A template that stands out: its text, and how often it came and usually comes."""

    kind: Kind
    text: str
    recent: float  # lines in about the last horizon
    usual: float  # lines in a usual horizon


def _deviations(recent: Floats, usual: Floats) -> Floats:
    """Return Poisson's deviations; one line more in the denominator tames what is rare."""
    return (recent - usual) / np.sqrt(usual + 1)


class Evidences:
    """Follows how often each template comes; *horizon* is in ticks."""

    def __init__(self, horizon: int) -> None:
        self._keep_recent = np.exp(-1 / max(horizon, 1))
        self._keep_usual = np.exp(-1 / (max(horizon, 1) * USUAL))
        self._horizon = max(horizon, 1)
        self._recent: Floats = np.zeros(0)  # lines, forgetting within a horizon
        self._usual: Floats = np.zeros(0)  # lines, forgetting within many
        self._age = 0  # ticks

    def note(self, counts: Mapping[int, int]) -> None:
        """Take in the lines of one tick, counted by template."""
        size = max(counts, default=-1) + 1
        if size > len(self._recent):
            more = max(size, 2 * len(self._recent)) - len(self._recent)
            self._recent = np.append(self._recent, np.zeros(more))
            self._usual = np.append(self._usual, np.zeros(more))
        self._recent *= self._keep_recent
        self._usual *= self._keep_usual
        for template, count in counts.items():
            self._recent[template] += count
            self._usual[template] += count
        self._age += 1

    def standing_out(self, text: Callable[[int], str]) -> tuple[Evidence, ...]:
        """Return what stands out most, the plainest first; *text* names a template."""
        ages = 1 - self._keep_usual ** max(self._age, 1)
        recent = self._recent
        usual = self._usual / ages / USUAL  # lines a horizon, what is recent included
        # What only follows the day's traffic must not stand out: it is to do so beside what is
        # usual, and beside what is usual with as many lines as there are now.
        traffic = np.clip(recent.sum() / max(usual.sum(), 1e-9), *TRAFFIC)
        alone, beside = _deviations(recent, usual), _deviations(recent, usual * traffic)
        score = np.where(np.abs(alone) < np.abs(beside), alone, beside) * (alone * beside > 0)
        score[(recent < usual) & (usual < ENOUGH)] = 0
        order = np.argsort(-np.abs(score))[:SHOWN]
        return tuple(
            Evidence(
                self._kind(float(recent[t]), float(self._usual[t]), float(usual[t])),
                text(t)[:LONGEST],
                round(float(recent[t]), 1),
                round(float(usual[t]), 1),
            )
            for t in order.tolist()
            if abs(score[t]) >= STANDS_OUT
        )

    def _kind(self, recent: float, total: float, usual: float) -> Kind:
        if recent < usual:
            return "missing"
        # All that ever came, came within about the last horizon.
        return "new" if total <= recent * 1.7 and self._age > 5 * self._horizon else "more"

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {"recent": self._recent.copy(), "usual": self._usual.copy(), "age": self._age}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._recent = np.array(state["recent"], np.float64)
        self._usual = np.array(state["usual"], np.float64)
        self._age = int(state["age"])
