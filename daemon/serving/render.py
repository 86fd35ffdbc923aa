"""The status page: one HTML document with nothing from outside and every text escaped.

Style and script stand in the document, and the content-security policy names them by their hash:
even markup that got past the escaping could neither run nor load anything.
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template

from rnnd import __version__
from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.history import Alarm, Recent
from rnnd.daemon.plural import counted
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.serving import timeline
from rnnd.daemon.tally import AppStatus, ServiceStatus
from rnnd.daemon.words import (
    SHAPES,
    clock,
    evidence_words,
    percent,
    plain,
    reason_words,
    since_words,
    situation,
)

HEADINGS = ("Raised", "Probability", "Outcome", "What raised it")
ORDER = (Health.RED, Health.ORANGE, Health.UNKNOWN, Health.GREEN)


def read_resource(name: str, package: str = "rnnd.daemon.serving") -> str:
    """Return the text of the file *name* that is installed with *package*."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


PAGE = Template(read_resource("page.html"))
STYLE = read_resource("page.css")
SCRIPT = read_resource("page.js")
RUNBOOKS = read_resource("prometheus/runbooks.html", "rnnd.config")


def content_hash(text: str) -> str:
    """Return the hash by which a content-security policy allows *text*."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; style-src 'sha256-{content_hash(STYLE)}'; "
    f"script-src 'sha256-{content_hash(SCRIPT)}'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
RUNBOOKS_STYLE = RUNBOOKS.partition("<style>")[2].partition("</style>")[0]
RUNBOOKS_POLICY = (
    f"default-src 'none'; style-src 'sha256-{content_hash(RUNBOOKS_STYLE)}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def headers(policy: str) -> dict[str, str]:
    """Return the headers of a page."""
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def text(value: str) -> str:
    """Return *value* for HTML: markup escaped, control characters made visible."""
    return escape(plain(value))


def render(status: ServiceStatus) -> str:
    """Return the page, the worst apps first."""
    apps = sorted(status.apps, key=lambda app: (ORDER.index(app.health), app.name))
    said = summary(status)
    return PAGE.substitute(
        title=text(f"{said} – rnnd"),
        style=STYLE,
        script=SCRIPT,
        summary=text(said) + _trouble(status),
        apps="\n".join(map(_app, apps)) or '<p class="soft">Reading the configured logs.</p>',
        version=text(__version__),
        started=clock(status.started_at),
    )


def summary(status: ServiceStatus) -> str:
    """Return how many apps have which health, the worst first."""
    counts = [
        f"{SHAPES[health]} {number} {health}"
        for health in ORDER
        if (number := sum(app.health is health for app in status.apps))
    ]
    return ", ".join(counts) or "starting"


def _trouble(status: ServiceStatus) -> str:
    parts = []
    if not status.reload_success:
        said = "<br>".join(map(text, status.reload_error.splitlines()))
        parts.append(f"The configuration on disk was refused: {said}")
    if status.checkpoint_failures:
        parts.append(f"{counted(status.checkpoint_failures, 'checkpoint')} failed.")
    return "".join(f"<br>■ {part}" for part in parts)


def _app(app: AppStatus) -> str:
    name = text(app.name)
    return (
        f'<section id="of-{name}" class="app {app.health}" aria-labelledby="app-{name}">\n'
        f'<div class="top"><h2 id="app-{name}">{name}</h2>'
        f'<span class="badge {app.health}"><span aria-hidden="true">{SHAPES[app.health]}</span> '
        f"{app.health}</span>"
        f"{_outlook(app)}"
        f'<span class="soft">observed now: {SHAPES[app.observed]} {app.observed}</span></div>\n'
        f"<p>{text(situation(app))}</p>\n"
        f"{_horizons(app)}{_reasons(app)}{timeline.draw(app.recent)}\n{_complaints(app)}"
        f"{_alarms(app.recent.alarms)}"
        f'<details id="more-{name}"><summary id="toggle-{name}">'
        "What stands out, what was bad, what it is doing</summary>\n"
        f"{_evidence(app.recent)}{_unusual(app.recent)}{_lines(app.recent)}{_doing(app)}</details>\n</section>"
    )


def _outlook(app: AppStatus) -> str:
    """Return how far ahead the colour looks."""
    if not app.probabilities:
        return ""
    return (
        f'<span class="soft">for the next {format_duration(next(iter(app.probabilities)))}</span>'
    )


def _horizons(app: AppStatus) -> str:
    if not app.probabilities:
        return ""
    alarm = next(iter(app.probabilities))
    rows = "".join(
        f'<div role="listitem"><span>within {format_duration(horizon)} </span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="10"/>'
        f'<rect class="fill" width="{100 * red:.2f}" height="10"/>{_mark(app, horizon == alarm)}'
        f"</svg><span>{percent(red)}</span></div>"
        for horizon, (_, _, red) in sorted(app.probabilities.items())
    )
    ahead = format_duration(alarm)
    mark = " Red begins at the mark." if app.threshold < 1 else ""
    return (
        f'<h3>Probability of a failure</h3><div class="horizons" role="list">{rows}</div>'
        f'<p class="legend">Colour and alarms look {ahead} ahead.{mark}</p>'
    )


def _mark(app: AppStatus, shown: bool) -> str:
    """Return the place from which on the probability is red."""
    if not shown or app.threshold >= 1:
        return ""
    return f'<rect class="mark" x="{100 * app.threshold - 0.3:.2f}" width="0.6" height="10"/>'


def _reasons(app: AppStatus) -> str:
    """Return what raises the probability, or nothing."""
    items = "".join(_reason(one, since_words(one, app.predicted_at)) for one in app.reasons)
    return f"<h3>What raises it</h3><ul>{items}</ul>" if items else ""


def _reason(reason: Reason, since: str = "") -> str:
    line = reason.line or reason.pattern
    example = f"<br><code>{text(line)}</code>" if line else ""
    said = ", ".join(filter(None, (reason_words(reason), since)))
    return f"<li>{text(said)}{example}</li>"


def _complaints(app: AppStatus) -> str:
    items = "".join(
        f"<li><code>{text(path)}</code>: {text(said)}</li>" for path, said in app.complaints.items()
    )
    return f"<h3>Logs that cannot be read</h3><ul>{items}</ul>" if items else ""


def _alarms(alarms: Iterable[Alarm]) -> str:
    rows = "".join(map(_alarm, alarms))
    if not rows:
        return ""
    return (
        '<h3>Recent alarms</h3><div class="scroll" tabindex="0" role="region" '
        'aria-label="Recent alarms"><table role="table"><thead role="rowgroup"><tr role="row">'
        + "".join(f'<th role="columnheader" scope="col">{heading}</th>' for heading in HEADINGS)
        + f'</tr></thead><tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _alarm(alarm: Alarm) -> str:
    found = "".join(map(_reason, alarm.reasons)) or "".join(
        f"<li>{evidence_words(one)} – <code>{text(one.text)}</code></li>" for one in alarm.evidence
    )
    cells = (
        clock(alarm.time),
        percent(alarm.probability),
        outcome_words(alarm),
        f"<ul>{found}</ul>" if found else "nothing plain",
    )
    # Roles are said, and headings repeated, for narrow windows, where rows become blocks.
    row = "".join(
        f'<td role="cell" data-heading="{heading}">{cell}</td>'
        for heading, cell in zip(HEADINGS, cells, strict=True)
    )
    return f'<tr role="row">{row}</tr>'


def outcome_words(alarm: Alarm) -> str:
    """Return what became of *alarm*."""
    if alarm.outcome == "open":
        return "? still open"
    if alarm.outcome == "false":
        return "✗ false alarm"
    return f"✓ came true, {format_duration(alarm.lead or 1.0)} later"


def _evidence(recent: Recent) -> str:
    items = "".join(
        f"<li>{evidence_words(one)} – <code>{text(one.text)}</code></li>" for one in recent.evidence
    )
    return f"<h3>What stands out now</h3>{f'<ul>{items}</ul>' if items else '<p>Nothing.</p>'}"


def _unusual(recent: Recent) -> str:
    items = "".join(
        f"<li>{clock(one.time)} {text(line.why)} <code>{text(line.text)}</code></li>"
        for one in recent.unusual
        for line in one.lines
    )
    return f"<h3>Unusual lines of late</h3><ul>{items}</ul>" if items else ""


def _lines(recent: Recent) -> str:
    items = "".join(
        f"<li>{clock(one.time)} {SHAPES[one.health]} {one.health} "
        f"<code>{text(one.text)}</code></li>"
        for one in recent.lines
    )
    return (
        "<h3>The newest lines that made it orange or red</h3>"
        f"{f'<ul>{items}</ul>' if items else '<p>None.</p>'}"
    )


def _doing(app: AppStatus) -> str:
    tally = app.tally
    skill = ", ".join(
        f"{value:+.2f} within {format_duration(horizon)}"
        for horizon, value in app.brier_skill.items()
    )
    facts = {
        "Logs": ", ".join(app.logs),
        "Read": f"{counted(tally.lines, 'line')} of {counted(app.templates, 'template')} "
        f"in {counted(app.files, 'file')}; {app.lag_bytes:,} bytes to go",
        "Last prediction": f"for the tick that ended {clock(app.predicted_at)}",
        "A failure is": f"{app.rule} ({app.rule_reason})",
        "Surprise": f"more unusual than {percent(app.surprise)} of the ticks before",
        "Failures": f"{tally.failures_predicted} predicted, {tally.failures_missed} missed",
        "Alarms": f"{tally.alarms_true} true, {tally.alarms_false} false",
        "Brier skill": skill or "not known yet",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{text(said)}</dd>" for name, said in facts.items())
    return f"<h3>What it is doing</h3><dl>{rows}</dl>"
