"""`rnnd demo`: watch rnnd predict the failures of a simulated application."""

import argparse
import logging
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import Progress

from rnnd.config.loading import parse_address
from rnnd.daemon.demo import Demo, Script, View
from rnnd.daemon.files import why
from rnnd.daemon.live import LiveView, PlainView, live_display, summarise
from rnnd.daemon.simulator.files import write_failures, write_log
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.errors import RnndError, UsageError

HISTORY_DAYS = 5
WRITTEN_DAYS = 20
MOST_DAYS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd demo` takes."""
    parser.add_argument("--seed", type=int, default=1, help="another seed, another story (1)")
    parser.add_argument(
        "--days",
        type=int,
        help=f"days of history to learn from ({HISTORY_DAYS}), or to write ({WRITTEN_DAYS})",
    )
    parser.add_argument(
        "--speed", type=float, default=240.0, help="how much faster than real time runs (240)"
    )
    parser.add_argument("--minutes", type=float, help="end after so many minutes of watching")
    parser.add_argument(
        "--listen", default="127.0.0.1:7663", metavar="HOST:PORT", help="where metrics are served"
    )
    parser.add_argument(
        "--write", metavar="DIR", help="only write the log and its true failures into DIR"
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the demo, or write the simulated log and its failures."""
    _check(arguments)
    if arguments.write:
        return _write(Path(arguments.write), arguments.seed, arguments.days or WRITTEN_DAYS)
    logging.basicConfig(level=logging.WARNING, format="rnnd: %(message)s", stream=sys.stderr)
    days = arguments.days or HISTORY_DAYS
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    script = Script.of(arguments.seed, days, today - days * 86400.0)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="rnnd-demo-"))
        console = Console()
        view: View = PlainView(sys.stdout)
        if console.is_terminal:
            view = LiveView(stack.enter_context(live_display(console)))
        listen = parse_address(arguments.listen)
        demo = Demo(script, Path(directory), arguments.speed, listen, view)
        stack.enter_context(_stopped_by_signals(demo))
        demo.run(None if arguments.minutes is None else arguments.minutes * 60.0)
    print(f"while learning: {summarise(demo.chronicle.learning)}")
    print(f"live: {summarise(demo.chronicle.live)}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.seed < 0:
        raise UsageError(f"--seed: {arguments.seed} is negative, expected 0 or more")
    if arguments.days is not None and not 1 <= arguments.days <= MOST_DAYS:
        raise UsageError(f"--days: {arguments.days} is not between 1 and {MOST_DAYS}")
    if not 0 < arguments.speed <= 1e5:
        raise UsageError(f"--speed: {arguments.speed:g} is not between 0 and 100000")
    if arguments.minutes is not None and not 0 < arguments.minutes < 1e6:
        raise UsageError(f"--minutes: {arguments.minutes:g} is not a positive number of minutes")
    try:
        parse_address(arguments.listen)
    except ValueError as error:
        raise UsageError(f"--listen: {error}") from error


@contextmanager
def _stopped_by_signals(demo: Demo) -> Iterator[None]:
    """End the demo in good order on SIGINT and SIGTERM."""

    def stop(_: int, __: FrameType | None) -> None:
        demo.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(directory: Path, seed: int, days: int) -> int:
    simulator = Simulator(seed, days)
    log, failures = directory / "app.log", directory / "failures.csv"
    console = Console(stderr=True)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("writing", total=simulator.hours)
            events = write_log(
                simulator, log, range(simulator.hours), lambda hour: bar.advance(task)
            )
        write_failures(simulator.failures, failures)
    except OSError as error:
        raise RnndError(f"{directory}: cannot be written ({why(error)})") from error
    print(f"{log}: {events:,} events of {days} days")
    print(f"{failures}: {len(simulator.failures)} failures")
    return 0
