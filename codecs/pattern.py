"""The user's patterns: which lines of a chunk contain one of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Patterns:
    """Finds the lines that contain one of the *texts*."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._literals = [text.encode() for text in texts]

    def rows(self, data: bytes, starts: NDArray[np.intp]) -> list[int]:
        """Return which of the lines of *data*, beginning at *starts*, match, in order."""
        rows: set[int] = set()
        for literal in self._literals:
            place = data.find(literal)
            while place >= 0:
                row = int(np.searchsorted(starts, place, "right")) - 1
                rows.add(row)
                after = int(starts[row + 1]) if row + 1 < len(starts) else len(data)
                place = data.find(literal, after)
        return sorted(rows)
