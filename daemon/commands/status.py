"""`rnnd status`: the running daemon's apps, the worst first."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnd.daemon import client
from rnnd.daemon.terminal import health_text
from rnnd.daemon.words import percent, plain

ORDER = ("red", "orange", "unknown", "green")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd status` takes."""
    parser.add_argument("--json", action="store_true", help="for programs")
    client.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    status = client.fetch_status(client.find_daemon(arguments))
    if arguments.json:
        print(json.dumps(status, indent=2))
        return 0
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a pipe has no edge to wrap at
    console.print(_table(status["apps"]))
    if any(app["probabilities"] for app in status["apps"]):
        console.print(Text("* this probability sets the colour", style="dim"))
    for app in sorted(status["apps"], key=_order):
        console.print(Text(f"{plain(app['name'])}: {plain(app['situation'])}"))
        console.print(Text(f"{plain(app['name'])}: a failure is {plain(app['failure_rule'])}"))
        for path, complaint in app["complaints"].items():
            console.print(Text(f"{plain(app['name'])}: {plain(path)}: {plain(complaint)}"))
    return 0


def _order(app: dict[str, Any]) -> tuple[int, str]:
    return ORDER.index(app["health"]), app["name"]


def _table(apps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("app", "health", "observed"):
        table.add_column(heading)
    colouring = {next(iter(app["probabilities"]), None) for app in apps}
    horizons = list(dict.fromkeys(h for app in apps for h in app["probabilities"]))
    risks = (f"in {h}{'*' if h in colouring else ''}" for h in horizons)
    for heading in (*risks, "predicted", "missed", "false", "lines"):
        table.add_column(heading, justify="right")
    for app in sorted(apps, key=_order):
        table.add_row(
            Text(plain(app["name"])),
            health_text(app["health"]),
            health_text(app["observed"]),
            *(_risk(app["probabilities"].get(horizon)) for horizon in horizons),
            str(app["failures"]["predicted"]),
            str(app["failures"]["missed"]),
            str(app["alarms"]["false"]),
            f"{app['lines']:,}",
        )
    return table


def _risk(shares: dict[str, float] | None) -> str:
    return percent(shares["red"]) if shares else "–"
