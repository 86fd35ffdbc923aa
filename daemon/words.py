"""How values are said to people: on the status page and on a terminal alike."""

from datetime import UTC, datetime

from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.plural import counted
from rnnd.daemon.prediction.evidence import Evidence
from rnnd.daemon.prediction.pipeline import WARM_FAILURES, WARM_HORIZONS
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.tally import AppStatus

SHAPES = {Health.GREEN: "●", Health.ORANGE: "▲", Health.RED: "■", Health.UNKNOWN: "?"}


def clock(seconds: float | None) -> str:
    """Return the day and time of *seconds* since the epoch, in UTC.

    >>> clock(1772323210.0)
    '2026-03-01 00:00:10'
    """
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def percent(share: float) -> str:
    """Return *share* in percent, not claiming certainty.

    >>> percent(0.123), percent(0.0004), percent(0.99996), percent(-0.0)
    ('12.3 %', '< 0.1 %', '> 99.9 %', '0.0 %')
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share + 0.0:.1%}".replace("%", " %")


def plain(text: str) -> str:
    """Return *text* with everything that could steer a terminal or a page made visible.

    >>> plain("a\\x1b[31mb\\u202e")
    'a\\\\x1b[31mb\\\\u202e'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def situation(app: AppStatus) -> str:
    """Return one sentence: what is expected of *app*, or why nothing can be said."""
    if app.catching_up:
        if not app.lag_bytes and app.predicted_at is not None:
            return f"All is read, and learnt from as far as {clock(app.predicted_at)} UTC."
        read, rotated = app.rotated_files
        history = f"{read} of {counted(rotated, 'rotated file')} read, " if rotated else ""
        return f"Reading what the logs hold: {history}{app.lag_bytes:,} bytes to go."
    if not app.files:
        return "No log file is there yet; rnnd waits for one."
    if app.predicted_at is None:
        return "Waiting for the first tick to end."
    if app.observed is Health.RED:
        return f"It is failing now. {_outlook(app)}"
    if app.failed_at is not None:
        return f"It failed {clock(app.failed_at)} UTC, not long ago. {_outlook(app)}"
    return _outlook(app)


def _outlook(app: AppStatus) -> str:
    """Return what is expected, and why the colour does not follow what is farther off."""
    if app.health is Health.UNKNOWN:
        return _unknown(app)
    (horizon, (_, _, red)), *others = app.probabilities.items()
    said = f"A failure within {format_duration(horizon)} is {percent(red)} probable"
    said += f" (red from {percent(app.threshold)})." if app.threshold < 1 else "."
    far = [(h, p) for h, (_, _, p) in others if h > horizon and p >= max(0.25, 2 * red)]
    for h, p in far if app.health is not Health.RED else ():
        said += f" Within {format_duration(h)}, farther ahead than the colour looks, {percent(p)}."
    return said


def _unknown(app: AppStatus) -> str:
    if app.warming_up:
        return (
            f"Warming up: {counted(app.failures_known, 'failure')} seen so far. A prediction comes "
            f"after {WARM_FAILURES}, or after {WARM_HORIZONS} horizons without."
        )
    return (
        "Blind: the log has been silent for long. "
        f"Its last tick ended {clock(app.predicted_at)} UTC."
    )


def evidence_words(one: Evidence) -> str:
    """Return how often a template came, beside how often it usually does.

    >>> evidence_words(Evidence("missing", "heartbeat", 0.0, 60.0))
    'missing: 0, usually 60'
    """
    if one.kind == "new":
        return f"new: {one.recent:.0f}"
    return f"{one.kind}: {one.recent:.0f}, usually {one.usual:.0f}"


def reason_words(reason: Reason) -> str:
    """Return what raises the probability, and by how much.

    >>> reason_words(Reason("overdue", 3.0, "heartbeat", value=90.0, usual=10.0))
    'overdue, for 1m30s, usually every 10s: odds × 3.0'
    >>> reason_words(Reason("severity", 470_491.0, "notice"))
    'how many lines of severity notice come: odds × more than 1,000'
    """
    value, usual = reason.value, reason.usual
    said = {
        "more": "more such lines than usual",
        "fewer": "fewer such lines than usual",
        "overdue": "overdue",
        "regular": "such lines come",
        "number": "an unusual number",
        "rare": "lines of a rare kind",
        "severity": f"how many lines of severity {reason.template} come",
        "lines": "how many lines come in all",
        "new": "lines of a new kind",
        "order": "the order of the lines",
        "time": "the time of day",
        "past": "when it last was orange or red",
    }[reason.kind]
    if reason.kind == "regular" and usual is not None:
        said += f", about every {format_duration(max(usual, 1.0))}"
    elif reason.kind == "overdue" and value is not None and usual is not None:
        said += f", for {format_duration(value)}, usually every {format_duration(max(usual, 1.0))}"
    elif value is not None and usual is not None:
        said += f", {value:.4g}, usually about {usual:.4g}"
    if reason.factor >= 1000:
        return f"{said}: odds × more than 1,000"
    return f"{said}: odds × {reason.factor:.1f}"


def since_words(reason: Reason, now: float | None) -> str:
    """Return since when a reason has held, at time *now*.

    >>> since_words(Reason("time", 2.0, since=1772323200.0), now=1772323260.0)
    'since 2026-03-01 00:00:00, 1m'
    """
    if reason.since is None or now is None:
        return "for a long time"
    return f"since {clock(reason.since)}, {format_duration(max(now - reason.since, 1.0))}"
