from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from rnnd.rnn.parameters import Array

Slopes: TypeAlias = Callable[[Callable[[], float], Array], Array]


@pytest.fixture
def slopes() -> Slopes:
    """Finite differences of a loss along each number of an array, which the loss must read."""

    def finite_differences(loss: Callable[[], float], values: Array) -> Array:
        step = 1e-6
        result = np.empty_like(values)
        for index in np.ndindex(values.shape):
            value = values[index]
            values[index] = value + step
            above = loss()
            values[index] = value - step
            below = loss()
            values[index] = value
            result[index] = (above - below) / (2 * step)
        return result

    return finite_differences
