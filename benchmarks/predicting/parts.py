"""rnnd without one of its parts: what each of them earns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from predicting.stream import Stream
from rnnd.rnn.learner import Forecaster

Change = Callable[[Forecaster], None]


def without_features(*words: str) -> Callable[[Stream], Change]:
    """Return how features are silenced whose name holds one of *words*."""

    def of(stream: Stream) -> Change:
        silent = np.array([any(word in name for word in words) for name in stream.names])

        def change(forecaster: Forecaster) -> None:
            step = forecaster.step

            def deaf(x: Any, *rest: Any) -> Any:
                return step(np.where(silent, np.float32(0), x), *rest)

            setattr(forecaster, "step", deaf)  # noqa: B010

        return change

    return of


def without_expert(expert: int) -> Callable[[Stream], Change]:
    """Return how one of the experts is silenced."""

    def change(forecaster: Forecaster) -> None:
        experts = forecaster._experts
        claims = experts.claims

        def alone(rows: Any) -> Any:
            said = claims(rows)
            said[..., expert, :, :] = 0
            return said

        setattr(experts, "claims", alone)  # noqa: B010

    return lambda _: change


def without_oversampling(_: Stream) -> Change:
    """Let the replay memory be a fair sample of the past, onsets or not."""

    def change(forecaster: Forecaster) -> None:
        add = forecaster._replay.add

        def evenly(strata: Any, *rest: Any) -> None:
            add(np.ones_like(strata), *rest)

        setattr(forecaster._replay, "add", evenly)  # noqa: B010

    return change


PARTS: dict[str, Callable[[Stream], Change] | None] = {
    "rnnd": None,
    "no evidence": without_expert(1),
    "no hinges": without_expert(0),
    "no trees": without_expert(2),
    "no slots": without_features("slot"),
    "no smoothing": without_features("mean of"),
    "no overdue": without_features("overdue"),
    "no oversampling in replay": without_oversampling,
}
