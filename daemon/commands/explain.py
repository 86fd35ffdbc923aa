"""`rnnd explain APP`: why it is orange or red, from the lines and templates behind it."""

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from rnnd.daemon import client
from rnnd.daemon.prediction.evidence import Evidence
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.terminal import health_text
from rnnd.daemon.words import evidence_words, percent, plain, reason_words, since_words
from rnnd.errors import UsageError

OUTCOMES = {"open": "still open", "true": "came true", "false": "false alarm"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd explain` takes."""
    parser.add_argument("app", metavar="APP", help="the name of an app")
    parser.add_argument("--json", action="store_true", help="for programs")
    client.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of one app."""
    apps = {app["name"]: app for app in client.fetch_status(client.find_daemon(arguments))["apps"]}
    if arguments.app not in apps:
        known = ", ".join(map(plain, apps)) or "none"
        raise UsageError(f"APP: {plain(arguments.app)!r} is unknown, rnnd watches {known}")
    app = apps[arguments.app]
    if arguments.json:
        print(json.dumps(app, indent=2))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    title = Text(plain(app["name"]), style="bold")
    console.print(title, "is", health_text(app["health"]))
    for line in _paragraphs(app):
        console.print(Text(line))
    return 0


def _paragraphs(app: dict[str, Any]) -> Iterator[str]:
    yield app["situation"]
    yield f"A failure is {plain(app['failure_rule'])} ({app['failure_rule_reason']})."
    yield "Times are UTC."
    yield ""
    yield "Probability of a failure:"
    for horizon, shares in app["probabilities"].items():
        yield f"  within {horizon}: {percent(shares['red'])}"
    yield f"The last tick was more unusual than {percent(app['surprise'])} of those before."
    now = app["predicted"]
    yield from _section("What raises it", _reasons(app["reasons"], now))
    yield from _section("What stands out now", _evidence(app["evidence"]))
    yield from _section("Unusual alarms of late", _unusual(app["recent_unusual"]))
    lines = (f"{one['time']} {one['health']}: {plain(one['line'])}" for one in app["recent_lines"])
    yield from _section("The newest lines that made it orange or red", lines)
    yield from _section("Recent alarms", _alarms(app["recent_alarms"]))


def _section(title: str, items: Iterator[str]) -> Iterator[str]:
    listed = list(items)
    yield ""
    yield f"{title}: {'' if listed else 'nothing'}".rstrip()
    yield from (f"  {item}" for item in listed)


def _evidence(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in msgspec.convert(found, list[Evidence]):
        yield f"{evidence_words(one)} – {plain(one.text)}"


def _unusual(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        yield f"{one['time']}"
        for line in one["lines"]:
            nats = f", {line['surprise']:.1f} nats" if line["surprise"] else ""
            yield f"  {plain(line['why'])}{nats}: {plain(line['text'])}"
        for line in () if one["lines"] else _evidence(one["evidence"]):
            yield f"  {line}"


def read_time(text: str | None) -> float | None:
    """Return the seconds since the epoch that *text* says.

    >>> read_time("1970-01-01T00:01:00Z")
    60.0
    """
    return None if text is None else datetime.fromisoformat(text).timestamp()


def read_reason(found: dict[str, Any]) -> Reason:
    """Return the reason that the daemon described."""
    return msgspec.convert(found | {"since": read_time(found["since"])}, Reason)


def _reasons(found: list[dict[str, Any]], now: str | None) -> Iterator[str]:
    for one in found:
        reason = read_reason(one)
        yield f"{reason_words(reason)}, {since_words(reason, read_time(now))}"
        yield from (f"  {plain(text)}" for text in (reason.pattern, reason.line) if text)


def _alarms(alarms: list[dict[str, Any]]) -> Iterator[str]:
    for alarm in alarms:
        lead = f", {alarm['lead_seconds']:.0f} s later" if alarm["lead_seconds"] else ""
        outcome = OUTCOMES[alarm["outcome"]] + lead
        yield f"{alarm['time']} at {percent(alarm['probability'])}: {outcome}"
        for line in _reasons(alarm["reasons"], alarm["time"]):
            yield f"  {line}"
