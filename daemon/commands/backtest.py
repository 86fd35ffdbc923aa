"""`rnnd backtest`: replay logs and score the predictions that would have been made."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from rnnd.codecs.zone import parse_zone
from rnnd.config.schema import AppSettings
from rnnd.config.units import format_duration, parse_duration, parse_rate
from rnnd.daemon.backtesting.account import Account
from rnnd.daemon.backtesting.backtest import Evaluation, Result, as_json
from rnnd.daemon.backtesting.predictions import HEADER, csv_rows, format_time
from rnnd.daemon.backtesting.replay import FirstStart, Replay
from rnnd.daemon.backtesting.report import render
from rnnd.daemon.configuration import configured_app
from rnnd.daemon.files import try_to_write, why, write_atomically
from rnnd.daemon.prediction.incidents import load_incidents
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.errors import ConfigError, RnndError, UsageError

TICKS_BEFORE_ADVICE = 50_000  # about half a minute


def argument(parse: Callable[[str], float]) -> Callable[[str], float]:
    """Return *parse* as an argument's type, whose message reaches the user."""

    def convert(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def zone(text: str) -> str:
    """Return *text*, an argument that names a time zone."""
    try:
        parse_zone(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from None
    return text


ZONE_HELP = "of timestamps that name none: UTC, +01:00, Europe/Paris (default: this machine's)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd backtest` takes."""
    duration = argument(parse_duration)
    parser.add_argument(
        "logs", nargs="*", metavar="LOG", help="a log, also .gz, .bz2, .xz, or - for standard input"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="replay an app of this configuration, with its rotated logs, as at a first start",
    )
    parser.add_argument(
        "--name", help="the app's name (default: from the first log, or the only one configured)"
    )
    parser.add_argument(
        "--failures",
        metavar="CSV",
        help="when failures began (column start: ISO 8601 or epoch), instead of what lines say",
    )
    parser.add_argument(
        "--horizon",
        action="append",
        type=duration,
        metavar="TIME",
        help="how far ahead; may be repeated, the first is the alarm's (default: 10m, 1m, 1h)",
    )
    parser.add_argument("--tick", type=duration, metavar="TIME", help="default: 10s")
    parser.add_argument(
        "--merge",
        type=duration,
        metavar="TIME",
        help="failures closer are one (default: 10m)",
    )
    parser.add_argument(
        "--budget",
        type=argument(parse_rate),
        metavar="RATE",
        help="false alarms that you would put up with (default: 1/day)",
    )
    parser.add_argument("--timezone", type=zone, metavar="ZONE", help=ZONE_HELP)
    parser.add_argument(
        "--order",
        action=argparse.BooleanOptionalAction,
        help="read the order of lines too, or not (default: as configured)",
    )
    parser.add_argument("--predictions", metavar="CSV", help="write every prediction")
    parser.add_argument("--json", metavar="FILE", help="write the scores (- for standard output)")
    parser.add_argument("--html", metavar="FILE", help="write a report as one page (- likewise)")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Replay the logs, print a table, write what was asked for."""
    app = settings(arguments)
    incidents = None
    if app.failures:
        incidents = load_incidents(app.failures, app.merge, parse_zone(app.timezone))
    pipeline = AppPipeline(app, arguments.seed, incidents, explain=bool(arguments.html))
    replay: Replay | FirstStart
    if arguments.config:
        replay = FirstStart(pipeline, app.logs, app.history)
    else:
        replay = Replay(pipeline, app.logs)
    evaluation = Evaluation(pipeline)
    account = Account(app) if arguments.html else None
    outputs = {name: getattr(arguments, name) for name in ("predictions", "json", "html")}
    piped = [f"--{name}" for name, path in outputs.items() if path == "-"]
    if len(piped) > 1:
        raise UsageError(f"{', '.join(piped)}: only one of them can be standard output")
    for path in (arguments.json, arguments.html):
        if path not in (None, "-"):
            with writing(path):  # rather than after an hour of replaying
                try_to_write(Path(path))
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        write = stack.enter_context(predictions_file(arguments.predictions))
        for number, prediction in enumerate(replay.predictions(progress), 1):
            evaluation.note(prediction)
            if number == TICKS_BEFORE_ADVICE:
                advise(app, evaluation.lines)
            write(prediction)
            if account is not None:
                account.note(prediction)
    for path, reason in replay.complaints.items():
        print(f"rnnd: {path}: left out ({reason})", file=sys.stderr)
    result = evaluation.result()
    if account is not None:
        save(arguments.html, render(result, account))
    if arguments.json:
        save(arguments.json, json.dumps(as_json(result), indent=2) + "\n")
    if not piped:
        print_table(result, incidents)
    return 0


def advise(app: AppSettings, lines: int) -> None:
    """Name a longer tick where few *lines* came so far: silent ticks take as long as others."""
    tick = app.horizon / 10
    if lines < TICKS_BEFORE_ADVICE / 10 and tick > app.tick:
        print(
            f"rnnd: {lines:,} lines in {TICKS_BEFORE_ADVICE:,} ticks so far: --tick"
            f" {format_duration(tick)} would replay this {tick / app.tick:.0f} times faster",
            file=sys.stderr,
        )


def settings(arguments: argparse.Namespace) -> AppSettings:
    """Return the app that the *arguments* describe."""
    horizons = arguments.horizon or []
    given = {
        "failures": arguments.failures,
        "tick": arguments.tick,
        "merge": arguments.merge,
        "alarm_budget": arguments.budget,
        "horizon": horizons[0] if horizons else None,
        "more_horizons": tuple(horizons[1:]) if horizons else None,
        "timezone": arguments.timezone,
        "order": arguments.order,
    }
    app = msgspec.structs.replace(
        _named_app(arguments), **{key: value for key, value in given.items() if value is not None}
    )
    for horizon in app.horizons:
        if horizon < app.tick:
            raise UsageError(
                f"--horizon: {format_duration(horizon)} is shorter than"
                f" the tick of {format_duration(app.tick)}"
            )
    return app


def _named_app(arguments: argparse.Namespace) -> AppSettings:
    """Return the app that is configured, or that LOGs make, with the defaults of all settings."""
    if bool(arguments.config) == bool(arguments.logs):
        raise UsageError("LOG: expected either logs or --config FILE")
    if not arguments.config:
        name = arguments.name or name_of(arguments.logs[0])
        return AppSettings(name=name, logs=tuple(arguments.logs))
    app = configured_app(Path(arguments.config), arguments.name)
    if not any(glob(pattern, recursive=True) for pattern in app.logs):  # noqa: PTH207  any pattern
        raise UsageError(f"{app.name}: {', '.join(app.logs)}: no such file")
    return app


def name_of(log: str) -> str:
    """Return an application's name from the path of its log.

    >>> name_of("/var/log/shop/check out.log.1.gz")
    'check_out'
    """
    name = Path(log).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "log"


@contextmanager
def progress_bar() -> Iterator[Callable[[float], None]]:
    """Show a bar on a terminal; in a pipe, nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda share: None
        return
    columns = (TextColumn("replaying"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replay", total=1.0)
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def predictions_file(path: str | None) -> Iterator[Callable[[Prediction], None]]:
    """Give what writes a prediction to the CSV at *path*; nothing without one."""
    if path is None:
        yield lambda prediction: None
        return
    with writing(path):
        file = sys.stdout if path == "-" else Path(path).open("w", encoding="utf-8")  # noqa: SIM115  closed below
        file.write(HEADER)

    def write(prediction: Prediction) -> None:
        with writing(path):
            file.writelines(csv_rows(prediction))

    try:
        yield write
    finally:
        if path != "-":
            with writing(path):  # what is still in the buffer
                file.close()


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn what goes wrong with writing *path* into one line."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has left
    except OSError as error:
        if path == "-":
            raise  # of standard output all commands tell alike
        raise RnndError(f"{path}: cannot be written ({why(error)})") from error


def save(path: str, text: str) -> None:
    """Write *text* to the file at *path*, or to standard output (``-``)."""
    if path == "-":
        print(text, end="")
        return
    with writing(path):
        write_atomically(Path(path), text.encode())


def hint(incidents: Sequence[float] | None) -> str:
    """Return what to do where no failure was found; *incidents* are those of a list.

    >>> hint([60.0])
    'the logs hold the time of no incident of the list; the first is of 1970-01-01T00:01:00Z'
    """
    if incidents is None:
        return "name what a failure is: --failures CSV, or red: in a configuration"
    if not incidents:
        return "the list of failures has no row"
    first = format_time(incidents[0])
    return f"the logs hold the time of no incident of the list; the first is of {first}"


def print_table(result: Result, incidents: Sequence[float] | None) -> None:
    """Print the scores for people; *incidents* are those of a list."""
    lead = "-" if result.median_lead is None else format_duration(max(result.median_lead, 1))
    share = f" ({result.predicted / result.failures:.0%})" if result.failures else ""
    since = f"; scored since {format_time(result.rule_since)}" if result.rule_since else ""
    table = Table("", "", show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = [
        ("app", result.app),
        ("from, to", f"{format_time(result.start)}, {format_time(result.end)}"),
        ("a failure is", result.rule),
        ("why that", result.rule_reason + since),
        ("failures", f"{result.failures}"),
        ("predicted", f"{result.predicted}{share}"),
        ("median lead time", lead),
        ("false alarms a day", f"{result.false_alarms_a_day:.2f}"),
        *(
            (f"Brier skill, {format_duration(s.horizon)}", f"{s.brier_skill:+.3f}")
            for s in (result.horizons if result.failures else ())
        ),
        ("lines", f"{result.lines:,}, {result.unparsed:,} of them not parsed"),
        ("lines a second", f"{result.lines / max(result.seconds, 1e-9):,.0f}"),
    ]
    if not result.failures:
        rows.append(("nothing to predict", hint(incidents)))
    if result.caution:
        rows.append(("beware", result.caution))
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(table)
