"""Incidents: a CSV that says when failures began, in the place of those found in the lines.

The header names at least ``start`` (or ``start_epoch``); a time is ISO 8601 or seconds since the
epoch. An ``end`` (or ``end_epoch``) is heeded when incidents are merged; other columns are ignored.
Fields in quotes may hold newlines.
"""

import csv
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from rnnd.daemon.files import why
from rnnd.daemon.prediction.rows import read_rows
from rnnd.errors import UsageError

STARTS = ("start", "start_epoch")
ENDS = ("end", "end_epoch")
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # what is later is no time in seconds
DATE = re.compile(r"\s*[0-9]{8}\s*")  # as seconds it would be of the years 1970 to 1973


def parse_time(text: str, zone: tzinfo | None = None) -> float:
    """Return the seconds since the epoch that *text* says; one that names no zone is of *zone*.

    >>> parse_time("2026-03-01T00:00:10Z") == parse_time("1772323210")
    True
    >>> parse_time("20260301", UTC) == parse_time("2026-03-01", UTC) == 1772323200
    True
    """
    try:
        seconds = _iso_8601(text, zone) if DATE.fullmatch(text) else float(text)
    except ValueError:
        seconds = _iso_8601(text, zone)
    if not 0 <= seconds < LATEST:  # milliseconds, perhaps
        raise ValueError(f"{text!r} is not a time")
    return seconds


def _iso_8601(text: str, zone: tzinfo | None) -> float:
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def refuse(said: str) -> None:
    """Raise `UsageError`: what a bad row is to those who can mend it at once."""
    raise UsageError(said)


def ignore(_: str) -> None:
    """Do nothing about a bad row: somebody else tells of it."""


def read_incidents(
    text: str, name: str, zone: tzinfo | None = None, on_bad: Callable[[str], None] = refuse
) -> list[tuple[float, float]]:
    """Return start and end of the incidents in the CSV *text*, in order of their start.

    Times that name no zone are of *zone*, or of this machine's.

    Raises `UsageError` that names the file *name* and the line of the mistake. Of a bad row
    *on_bad* is told the same; where it returns, the row is left out.
    """
    rows = read_rows(text.removeprefix("\ufeff"))
    _, header = next(rows, (1, []))
    if isinstance(header, csv.Error):
        raise UsageError(f"{name}:1: {header}")
    columns = [column.strip().lower() for column in header]
    start = next((columns.index(column) for column in STARTS if column in columns), None)
    end = next((columns.index(column) for column in ENDS if column in columns), None)
    if start is None:
        raise UsageError(f"{name}:1: no column 'start' in the header {','.join(columns)[:80]!r}")
    incidents = []
    for line, row in rows:
        if not row:
            continue
        if isinstance(row, csv.Error):
            on_bad(f"{name}:{line}: {row}")
            continue
        began, ended = _field(row, start), _field(row, end)
        try:
            incidents.append(_span(began, ended, zone))
        except (ValueError, OverflowError):
            value = f"{began},{ended}" if began and ended else began
            expected = "ISO 8601 or seconds since the epoch"
            on_bad(f"{name}:{line}: {value[:80]!r} is not a time, expected {expected}")
    return sorted(incidents)


def _field(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and place < len(row) else ""


def _span(began: str, ended: str, zone: tzinfo | None) -> tuple[float, float]:
    start = parse_time(began, zone)
    return start, max(start, parse_time(ended, zone)) if ended else start


def merge_incidents(incidents: Iterable[tuple[float, float]], merge: float) -> list[float]:
    """Return the starts of *incidents* (ordered by start), those closer than *merge* s being one.

    >>> merge_incidents([(0, 0), (100, 900), (1000, 1000), (2000, 2000)], merge=600)
    [0, 2000]
    """
    starts: list[float] = []
    last = -math.inf  # when the newest incident ended
    for start, end in incidents:
        if start - last >= merge:
            starts.append(start)
        last = max(last, end)
    return starts


def tick_of_start(start: float, tick: float) -> int:
    """Return the tick whose end is the first at which a failure that began at *start* is known.

    A prediction made at the end of a tick speaks of what begins after that moment, up to and with
    the end of the horizon; so a start on the border of two ticks belongs to the earlier one.

    >>> tick_of_start(100.0, 10.0), tick_of_start(100.1, 10.0)
    (9, 10)
    """
    return math.ceil(start / tick) - 1


def load_incidents(
    path: str,
    merge: float,
    zone: tzinfo | None = None,
    on_bad: Callable[[str], None] = refuse,
) -> list[float]:
    """Return the starts of the incidents in the CSV at *path*, those closer than *merge* as one.

    Raises `UsageError` where the file cannot be read, or is no such CSV. The rest is as above.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({why(error)})") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text, expected a CSV with a column start") from None
    return merge_incidents(read_incidents(text, path, zone, on_bad), merge)
