"""How far the order of an app's events is from what was forecast, in deviations.

One swapped pair of lines is chance, and a minute of them is news: so the excess of each component,
the surprise of its events beyond what the forecast itself expected, is added up over a while, and
told in deviations of what the forecasts allowed for. A forecast may be wrong in that too, above all
while the network is young: so what is usual for a component is learnt, and taken off, and of one of
which little is known no outburst is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.sessions import Events
from rnnd.daemon.prediction.broken import SETTLED, BrokenOrder, Gathered, gather

SPANS = (60.0, 300.0)  # s over which the excess is added up
SHRINK = 1.0  # nats² added to every variance: so little news is no news
MOST = 12.0  # deviations of disorder that are told; half of them of a component just settled
LONG_RUN = 5000.0  # events over which a component's usual excess reaches


class Disorder:
    """Adds up the excess of each of *components*, over a while of ticks of *tick* seconds."""

    def __init__(self, components: int, tick: float) -> None:
        self._components = components
        self._keep = np.exp(-tick / np.array(SPANS))[:, None, None]  # (spans, 1, 1)
        # The sessions of a component are a place of their own: when it has been found out how they
        # are told apart, its lines are read otherwise, and the rest of them is another stream.
        places = 2 * components
        self._sums = np.zeros((len(SPANS), 2, places + 1))  # excess, variance; the last for all
        self._usual = UsualExcess(places)
        self._broken = BrokenOrder(places, tick)

    def step(
        self, excess: NDArray[np.float32], variance: NDArray[np.float32], events: Events
    ) -> NDArray[np.float64]:
        """Return the disorder of the worst component and of all together: (2, spans).

        *excess* and *variance*: of each of a tick's *events*.
        """
        self._sums *= self._keep
        self._broken.wait()
        if len(excess):
            here = self._gather(events)
            self._broken.read(excess, here, self._usual.seen)
            now = np.zeros(self._sums.shape[1:])
            now[:, :-1] = self._usual.correct(excess, variance, here)
            now[:, -1] = now.sum(axis=1)
            self._sums += now
        disorder = self._sums[:, 0] / np.sqrt(self._sums[:, 1] + SHRINK)
        trust = self._usual.seen / (self._usual.seen + SETTLED)
        worst = np.minimum(disorder[:, :-1], 1.0 + (MOST - 1.0) * trust).max(axis=1)
        self._broken.settle()
        return np.array([worst, disorder[:, -1]]).clip(-MOST, MOST)

    @property
    def broken(self) -> float:
        """For how long the order of the worst component has been broken, from 0 to 1."""
        return self._broken.sign

    def _gather(self, events: Events) -> Gathered:
        """Return the events by their places; forget a component that has just got sessions."""
        places = events.components + self._components * (events.streams >= self._components)
        gathered = gather(places)
        sessions = gathered.here[gathered.here >= self._components]
        begun = sessions[self._usual.seen[sessions] == 0] - self._components
        if len(begun):
            self._usual.forget(begun)
            self._sums[:, :, begun] = 0
            self._broken.forget(begun)
        return gathered

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        return {
            "sums": self._sums.copy(),
            "usual": self._usual.state(),
            "broken": self._broken.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another one's `state` gave."""
        self._sums = np.array(state["sums"], np.float64)
        self._usual.restore(state["usual"])
        self._broken.restore(state["broken"])


class UsualExcess:
    """What the events at each of so many *places* surprise beyond their forecasts in the long run.

    Right forecasts have an excess of mean 0, of the variance that they allowed for. Those of a
    young network, or of a component that nobody could forecast, have not: what is usual is taken
    off, and a variance beyond the allowed one is allowed.
    """

    def __init__(self, places: int) -> None:
        self.seen = np.zeros(places)  # events
        # Mean excess, mean square of it, and mean variance allowed for an event.
        self._means = np.zeros((3, places))

    def correct(
        self,
        excess: NDArray[np.float32],
        variance: NDArray[np.float32],
        events: Gathered,
    ) -> NDArray[np.float64]:
        """Return the corrected excess and variance at each place; learn from the *events*."""
        result = np.zeros((2, len(self.seen)))
        here, came = events.here, events.came
        sums = np.array([events.sum(x) for x in (excess, excess * excess, variance)])
        seen = self.seen[here]
        mean, square, allowed = self._means[:, here]
        result[0, here] = sums[0] - came * np.maximum(mean, 0.0)
        result[1, here] = sums[2] * np.maximum(square / (allowed + 1e-2), 1.0)
        self.seen[here] = seen = seen + came
        rate = np.minimum(came / np.minimum(seen + 20.0, LONG_RUN), 1.0)
        self._means[:, here] += rate * (sums / came - self._means[:, here])
        return result

    def forget(self, places: NDArray[np.int64]) -> None:
        """Begin anew at *places*."""
        self.seen[places] = 0
        self._means[:, places] = 0

    def state(self) -> list[Any]:
        """Return what must be saved to go on identically."""
        return [self.seen.copy(), self._means.copy()]

    def restore(self, state: Sequence[Any]) -> None:
        """Take over what another one's `state` gave."""
        self.seen, self._means = (np.array(part, np.float64) for part in state)
