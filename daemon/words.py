"""How values are said to people: on the status page and on a terminal alike."""

from datetime import UTC, datetime

from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.evidence import Evidence
from rnnd.daemon.pipeline import WARM_FAILURES, WARM_HORIZONS
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


def counted(number: int, thing: str) -> str:
    """Return *number* of *thing*.

    >>> counted(1, "alarm"), counted(1200, "line")
    ('1 alarm', '1,200 lines')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


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
        return f"Reading what the logs hold: {app.lag_bytes:,} bytes to go."
    if not app.files:
        return "No log file is there yet; rnnd waits for one."
    if app.predicted_at is None:
        return "Waiting for the first tick to end."
    if app.health is Health.UNKNOWN:
        return _unknown(app)
    horizon, (_, _, red) = next(iter(app.probabilities.items()))
    said = f"A failure within {format_duration(horizon)} is {percent(red)} probable."
    return f"It is failing now. {said}" if app.observed is Health.RED else said


def _unknown(app: AppStatus) -> str:
    seen = app.tally.failures_predicted + app.tally.failures_missed
    if seen < WARM_FAILURES:
        return (
            f"Warming up: {counted(seen, 'failure')} seen so far. A colour comes after "
            f"{WARM_FAILURES}, or after {WARM_HORIZONS} horizons without."
        )
    return (
        f"Blind: the log has been silent for long. Its last tick ended {clock(app.predicted_at)}."
    )


def evidence_words(one: Evidence) -> str:
    """Return how often a template came, beside how often it usually does.

    >>> evidence_words(Evidence("missing", "heartbeat", 0.0, 60.0))
    'missing: 0, usually 60'
    """
    if one.kind == "new":
        return f"new: {one.recent:.0f}"
    return f"{one.kind}: {one.recent:.0f}, usually {one.usual:.0f}"
