"""How much is learnt a tick: what the budget of a processor's time allows, decided once.

Learning is scheduled by ticks, never by a clock, or a backtest and the daemon would differ, and so
would two machines. So the budget is turned into a number of ticks between two updates before the
first one, by what an update costs on a machine that stands for all: one core of an x86-64 server of
2021 (Zen 3). On a slower machine the true share is larger in proportion.
"""

import math
from dataclasses import replace

from rnnd.rnn.learner import ForecasterSettings

HAZARDS = 2.0e-3  # s that an update of the hazards' weights takes
TREES = 13.0e-3  # s that a new tree takes
MEMORY = 1.6e-3  # s that one of the recurrent network's takes


def learning_cost(settings: ForecasterSettings) -> float:
    """Return the seconds of one core that learning takes a tick, on average.

    >>> round(learning_cost(ForecasterSettings(hazards_every=20, memory_every=80)) * 1e3, 2)
    0.26
    """
    return (
        HAZARDS / settings.hazards_every
        + TREES / settings.trees_every
        + MEMORY / settings.memory_every
    )


def paced(settings: ForecasterSettings, seconds: float) -> ForecasterSettings:
    """Return *settings* that learn as often, or else as seldom as *seconds* a tick ask for."""
    factor = math.ceil(learning_cost(settings) / seconds)
    if factor <= 1:
        return settings
    return replace(
        settings,
        hazards_every=settings.hazards_every * factor,
        trees_every=settings.trees_every * factor,
        memory_every=settings.memory_every * factor,
    )
