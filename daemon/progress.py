"""How far an app has come with what its logs held when it was started."""

import logging

from rnnd.config.units import format_size
from rnnd.daemon.plural import counted

log = logging.getLogger(__name__)

STEPS = 10  # told at most
WORTH_TELLING = 16 << 20  # bytes; less than this is read within seconds


class Progress:
    """Logs how much of what the logs of the app *name* held is read, in tenths."""

    def __init__(self, name: str) -> None:
        self.rotated = 0  # files that were to be read first, in all
        self._name = name
        self._step = -1  # told last; -1 where nothing was told

    def note(self, read: int, left: int, rotated: int, lines: int) -> None:
        """Take in bytes *read* and *left*, *rotated* files that are left, and lines read."""
        if rotated > self.rotated or (self._step < 0 and left >= WORTH_TELLING):
            self.rotated = max(rotated, self.rotated)
            self._step = 0
            files = f" with {counted(rotated, 'rotated file')}" if rotated else ""
            log.info("%s: reading %s%s first", self._name, format_size(left), files)
        step = STEPS if not left else min(STEPS * read // (read + left), STEPS - 1)
        if 0 <= self._step < step:
            self._step = step
            share = f"{100 * step // STEPS}%"
            log.info("%s: %s of it read, %s so far", self._name, share, counted(lines, "line"))
