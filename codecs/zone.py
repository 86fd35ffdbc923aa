"""Time zones: how far a local clock is ahead of UTC, for one time or for a whole chunk of them."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from rnnd.errors import ConfigError

LOCAL = "local"
"""The zone of the machine that reads the log."""

MAX_KNOWN = 4096  # quarters of an hour whose offset is kept

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER = 900  # s; no zone changes its offset elsewhere than at a quarter of an hour

Ints = NDArray[np.int64]


class LocalZone(tzinfo):
    """The machine's own zone, with its summer times, as the C library knows it."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return how far the local clock is ahead of UTC when it shows *moment*."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> None:
        """Return None: what part of the offset is summer time is not known."""
        return

    def tzname(self, moment: datetime | None) -> str | None:
        """Return the name by which the zone is set."""
        return LOCAL


def parse_zone(name: str) -> tzinfo:
    """Return the time zone *name*: `local`, an IANA name or an offset such as ``+01:00``.

    >>> parse_zone("-0330").utcoffset(None)
    datetime.timedelta(days=-1, seconds=73800)
    """
    if name == LOCAL:
        return LocalZone()
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    if found := re.fullmatch(r"([+-])([01]\d|2[0-3]):?([0-5]\d)", name, re.ASCII):
        sign = -1 if found[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3])))
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # KeyError: no such zone
        raise ConfigError(
            f"timezone: {name!r} is neither local, nor an offset such as +01:00, nor a known zone"
            " such as Europe/Paris"
        ) from None


class Offsets:
    """The offsets of one *zone*, in seconds, by the time that a local clock shows.

    Local times are seconds, as if the clock were in UTC.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._fixed = isinstance(zone, timezone)
        self._known: dict[int, tuple[int, int]] = {}

    def at(self, local: int) -> tuple[int, int]:
        """Return both offsets at the time *local*.

        They agree but in the hour that the clock shows twice, where the first is that of the first
        pass, and in the hour that it leaves out.
        """
        quarter = 0 if self._fixed else local // _QUARTER
        if quarter not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            clock = (_EPOCH + timedelta(seconds=quarter * _QUARTER)).replace(tzinfo=self._zone)
            offsets = [clock.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
            first, second = (int(offset.total_seconds()) for offset in offsets)
            self._known[quarter] = first, second
        return self._known[quarter]

    def all_at(self, local: Ints) -> Ints | None:
        """Return the offset of each time of *local*, or None if one of them has two."""
        if self._fixed:
            return np.full(len(local), self.at(0)[0])
        quarters = local // _QUARTER
        starts = np.flatnonzero(np.append(True, quarters[1:] != quarters[:-1]))
        pairs = [self.at(quarter * _QUARTER) for quarter in quarters[starts].tolist()]
        if any(first != second for first, second in pairs):
            return None
        offsets = np.array([first for first, _ in pairs], np.int64)
        return np.repeat(offsets, np.diff(starts, append=len(local)))
