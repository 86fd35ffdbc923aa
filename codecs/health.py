"""The health of an application: the words that everything downstream speaks."""

from enum import IntEnum


class Health(IntEnum):
    """Green, orange or red, in ascending order; unknown where nothing can be said.

    >>> max(Health.GREEN, Health.RED)
    <Health.RED: 2>
    >>> str(Health.ORANGE)
    'orange'
    """

    UNKNOWN = -1
    GREEN = 0
    ORANGE = 1
    RED = 2

    def __str__(self) -> str:
        return self.name.lower()
