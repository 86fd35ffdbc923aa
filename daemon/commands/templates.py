"""`rnnd templates`: what the log codec sees in logs, their templates with counts and numbers."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.numbers import MAX_WORDS, value_of
from rnnd.codecs.parsed import split_tokens
from rnnd.codecs.reader import Piece
from rnnd.codecs.severity import Severity
from rnnd.codecs.signatures import Inner, Kinds
from rnnd.codecs.tick import TickPart
from rnnd.config.schema import AppSettings
from rnnd.daemon.backtesting.predictions import format_time
from rnnd.daemon.commands.backtest import ZONE_HELP, zone
from rnnd.daemon.configuration import configured_app
from rnnd.daemon.files import open_log, why
from rnnd.daemon.prediction.pipeline import log_settings
from rnnd.errors import RnndError

CONTINUATION = -1  # lines that belong to the line before
EXAMPLE = 200  # characters
SHOWN = 300  # characters of a template in the table


@dataclass
class Seen:
    """What was seen of one template."""

    count: int = 0
    first: int = 1 << 62  # tick
    last: int = -(1 << 62)
    severity: int = 0
    example: str = ""
    ranges: dict[Inner, tuple[float, float]] = field(default_factory=dict)  # by place or name


class _Listener(LogCodec):
    """A log codec that tells *heed* of all lines, their templates known, and counts none."""

    def __init__(self, settings: LogSettings, heed: Callable[[Piece, Kinds], None]) -> None:
        super().__init__(settings)
        self._heed = heed

    def count(self, piece: Piece) -> list[TickPart]:
        """Return all lines as a part of one tick."""
        kinds, counts = np.unique(piece.kinds, return_counts=True)
        part = TickPart(int(piece.ticks[-1]), len(piece.kinds), 0, self.kinds, kinds, counts)
        self.resolve([part])
        self._heed(piece, self.kinds)
        if self.kinds.full:
            self.kinds = Kinds()
        return [part]


class Survey:
    """Counts the templates of logs, and notes the template of every line, to *keep_lines*."""

    def __init__(self, settings: LogSettings, *, keep_lines: bool = False) -> None:
        self.codec = _Listener(replace(settings, tick=1.0, order=False), self._note)
        self._keep_lines = keep_lines
        self.lines: list[tuple[str, NDArray[np.int16]]] = []  # log, template of each line
        self._log = ""
        self._seen: dict[int, Seen] = {}
        self.events = 0  # lines that are not parts of others

    def read(self, name: str) -> None:
        """Read the log *name*."""
        self._log = name
        reader = self.codec.reader(name)
        with open_log(name) as log:
            for chunk in log.whole_lines():
                reader.feed(chunk, log.written)
        reader.flush()

    def _note(self, piece: Piece, kinds: Kinds) -> None:
        """Note the lines of *piece*, whose kinds are numbered in *kinds*."""
        templates = np.maximum(kinds.templates[piece.kinds], CONTINUATION).astype(np.int64)
        if self._keep_lines:
            self.lines.append((self._log, templates.astype(np.int16)))
        found, first, counts = np.unique(piece.kinds, return_index=True, return_counts=True)
        last = len(piece.kinds) - 1 - np.unique(piece.kinds[::-1], return_index=True)[1]
        for kind, begin, end, count in zip(
            found.tolist(), first.tolist(), last.tolist(), counts.tolist(), strict=True
        ):
            template = int(templates[begin])
            if template < 0:
                continue
            seen = self._seen.setdefault(template, Seen())
            seen.count += count
            self.events += count
            seen.first = min(seen.first, int(piece.ticks[begin]))
            seen.last = max(seen.last, int(piece.ticks[end]))
            seen.severity = max(seen.severity, int(kinds.severities[kind]))
            seen.example = seen.example or piece.line(begin).decode("utf-8", "replace").strip()
        for row in np.flatnonzero(kinds.has_numbers[piece.kinds]).tolist():
            self._note_numbers(piece, row, kinds.places(int(piece.kinds[row])), int(templates[row]))

    def _note_numbers(
        self, piece: Piece, row: int, places: tuple[tuple[int, Inner], ...], template: int
    ) -> None:
        ranges = self._seen[template].ranges
        words = split_tokens(piece.without_timestamp(row), MAX_WORDS)
        for place, inner in places:
            value = value_of(words[place]) if place < len(words) else None
            if value is not None:
                low, high = ranges.get(inner, (value, value))
                ranges[inner] = min(low, value), max(high, value)

    def templates(self) -> dict[int, Seen]:
        """Return what was seen of each template, those that became one added up, the most first."""
        result: dict[int, Seen] = {}
        for template, seen in self._seen.items():
            joined = int(self.codec.templates.joined[template])
            into = result.setdefault(joined, Seen(example=seen.example))
            into.count += seen.count
            into.first, into.last = min(into.first, seen.first), max(into.last, seen.last)
            into.severity = max(into.severity, seen.severity)
            for place, (low, high) in seen.ranges.items():
                before = into.ranges.get(place, (low, high))
                into.ranges[place] = min(before[0], low), max(before[1], high)
        return dict(sorted(result.items(), key=lambda pair: (-pair[1].count, pair[0])))

    def of_lines(self) -> Iterator[tuple[str, int, int]]:
        """Give log, number and template of each line."""
        number, current = 0, ""
        for name, templates in self.lines:
            if name != current:
                number, current = 0, name
            for template in templates.tolist():
                number += 1
                joined = self.codec.templates.joined[template] if template >= 0 else template
                yield name, number, int(joined)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd templates` takes."""
    parser.add_argument(
        "logs", nargs="+", metavar="LOG", help="a log, also .gz, .bz2, .xz, or - for standard input"
    )
    parser.add_argument("--config", metavar="FILE", help="read them as an app of it would be read")
    parser.add_argument("--name", help="which app (default: the only one configured)")
    parser.add_argument("--timezone", type=zone, metavar="ZONE", help=ZONE_HELP)
    parser.add_argument("--csv", metavar="FILE", help="write log, line and template of every line")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Show the templates of the logs."""
    survey = Survey(log_settings(_app(arguments)), keep_lines=bool(arguments.csv))
    for name in dict.fromkeys(arguments.logs):
        survey.read(name)
    rows = [describe(survey, number, seen) for number, seen in survey.templates().items()]
    if arguments.csv:
        write_csv(Path(arguments.csv), survey)
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        show(rows)
    return 0


def _app(arguments: argparse.Namespace) -> AppSettings:
    """Return the app whose settings say how the logs are read."""
    if arguments.config:
        app = configured_app(Path(arguments.config), arguments.name)
    else:
        app = AppSettings(name="logs", logs=tuple(arguments.logs))
    return msgspec.structs.replace(app, timezone=arguments.timezone or app.timezone)


def describe(survey: Survey, number: int, seen: Seen) -> dict[str, Any]:
    """Return the row of one template."""
    tick = survey.codec.settings.tick
    ranges = seen.ranges
    return {
        "template": number,
        "lines": seen.count,
        "share": seen.count / survey.events,
        "first": format_time(seen.first * tick),
        "last": format_time(seen.last * tick),
        "severity": str(Severity(seen.severity)),
        "text": survey.codec.templates.text(number),
        "example": seen.example[:EXAMPLE],
        "numbers": [
            list(ranges[place]) for place in sorted(p for p in ranges if isinstance(p, int))
        ],
        "fields": {name.decode(): list(ranges[name]) for name in ranges if isinstance(name, bytes)},
    }


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print *rows* as a table."""
    table = Table(box=None, header_style="bold")
    for column in ("#", "lines", "share"):
        table.add_column(column, justify="right")
    for column in ("first", "last"):
        table.add_column(column, no_wrap=True)
    table.add_column("severity")
    table.add_column("template, and its first line", overflow="fold", ratio=1)
    table.add_column("numbers")
    for row in rows:
        ranges = [("", *pair) for pair in row["numbers"]]
        ranges += [(f"{escape(name)} ", *pair) for name, pair in row["fields"].items()]
        numbers = ", ".join(f"{name}{low:.10g}…{high:.10g}" for name, low, high in ranges)
        table.add_row(
            str(row["template"]), f"{row['lines']:,}", f"{row['share']:.2%}", row["first"],
            row["last"], row["severity"],
            f"{escape(row['text'][:SHOWN])}\n[dim]{escape(row['example'])}[/dim]", numbers,
        )  # fmt: skip
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=200)
    console.print(table)


def write_csv(path: Path, survey: Survey) -> None:
    """Write the template of every line; -1 is a line that belongs to the one before."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("log", "line", "template"))
            writer.writerows(survey.of_lines())
    except OSError as error:
        raise RnndError(f"{path}: cannot be written ({why(error)})") from error
