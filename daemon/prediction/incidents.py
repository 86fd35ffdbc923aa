"""Incidents: a CSV that says when failures began, in the place of those found in the lines.

The header names at least ``start`` (or ``start_epoch``); a time is ISO 8601 or seconds since the
epoch. An ``end`` (or ``end_epoch``) is heeded when incidents are merged; other columns are ignored.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from rnnd.daemon.files import why
from rnnd.errors import UsageError

STARTS = ("start", "start_epoch")
ENDS = ("end", "end_epoch")
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # what is later is no time in seconds


def parse_time(text: str, zone: tzinfo | None = None) -> float:
    """Return the seconds since the epoch that *text* says; one that names no zone is of *zone*.

    >>> parse_time("2026-03-01T00:00:10Z") == parse_time("1772323210")
    True
    """
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    if not 0 <= seconds < LATEST:  # milliseconds, perhaps
        raise ValueError(f"{text!r} is not a time")
    return seconds


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
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), skipinitialspace=True)
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or ()]
    except csv.Error as error:
        raise UsageError(f"{name}:1: {error}") from None
    reader.fieldnames = columns
    start = next((column for column in STARTS if column in columns), None)
    end = next((column for column in ENDS if column in columns), None)
    if start is None:
        raise UsageError(f"{name}:1: no column 'start' in the header {','.join(columns)[:80]!r}")
    incidents = []
    for row in _rows(reader, name, on_bad):
        try:
            began = parse_time(row[start] or "", zone)
            ended = parse_time(row[end], zone) if end and row[end] else began
        except (ValueError, OverflowError):
            value = row[start] if not row[start] or end is None else f"{row[start]},{row[end]}"
            expected = "ISO 8601 or seconds since the epoch"
            on_bad(f"{name}:{reader.line_num}: {value!r} is not a time, expected {expected}")
            continue
        incidents.append((began, max(began, ended)))
    return sorted(incidents)


def _rows(
    reader: "csv.DictReader[str]", name: str, on_bad: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """Give the rows of *reader*; of what is none (a quote never closed), *on_bad* is told."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            on_bad(f"{name}:{reader.reader.line_num}: {error}")


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
