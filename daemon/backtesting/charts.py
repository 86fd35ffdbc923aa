"""The pictures of a backtest's report as SVG: strips of time, curves, points; colours by class.

Every picture has a title in words; what it shows also stands beside it as text or table.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.backtesting.account import Account
from rnnd.daemon.backtesting.hindsight import Bin, Point
from rnnd.daemon.serving.timeline import HEIGHTS
from rnnd.daemon.words import clock

COLUMNS = 288  # of a strip
ROWS = 31
SPANS = (3600.0, 21600.0, 86400.0, 172800.0, 604800.0, 1209600.0, 2419200.0, 7862400.0, 31449600.0)
WIDTH, HEIGHT = 360, 230  # of a chart
LEFT, TOP, RIGHT, BOTTOM = 56, 10, 338, 192  # where its curves are

Scale = Callable[[float], float]


def strips(account: Account) -> str:
    """Return the time line: a strip of predicted health for each day or other span, with marks."""
    times = account.times
    if not len(times):
        return ""
    first, last = float(times[0]) - account.app.tick, float(times[-1])
    span = next((s for s in SPANS if (last // s - first // s) < ROWS), SPANS[-1])
    start = first // span * span
    rows = int((last - start) // span) + 1
    cells = np.minimum((times - account.app.tick / 2 - start) / span * COLUMNS, rows * COLUMNS - 1)
    place = cells.astype(np.int64)
    health = np.full(rows * COLUMNS, -2, np.int8)  # -2: no tick
    np.maximum.at(health, place, account.healths)
    risk = np.zeros(rows * COLUMNS)
    np.maximum.at(risk, place, account.red)
    strips = []
    for row in range(rows):
        begin = start + row * span
        here = slice(row * COLUMNS, (row + 1) * COLUMNS)
        if (health[here] > -2).any():
            marks = "".join(_marks(account, begin, span))
            strips.append(_strip(begin, span, health[here], risk[here], marks))
    return f'<div class="strips">{"".join(strips)}</div>'


def _strip(
    begin: float, span: float, health: NDArray[np.int8], risk: NDArray[np.float64], marks: str
) -> str:
    bands = []
    place = 0
    for value, run in groupby(health.tolist()):
        width = len(list(run))
        if value > -2:
            high = HEIGHTS[Health(value)]
            bands.append(
                f'<rect class="{Health(value)}" x="{place}" y="{100 - high}" width="{width}"'
                f' height="{high}"/>'
            )
        place += width
    curve = "L".join(f"{x + 0.5:g} {100 - 100 * p:.1f}" for x, p in enumerate(risk.tolist()))
    label = f"{clock(begin)}, {format_duration(span)}"
    return (
        f'<div class="strip"><span>{clock(begin)[:16]}</span>'
        f'<svg role="img" aria-label="{label}"><title>{label}</title>'
        f'<svg viewBox="0 0 {COLUMNS} 100" preserveAspectRatio="none" width="100%" height="100%">'
        f'<path class="base" d="M0 100H{COLUMNS}"/>{"".join(bands)}'
        f'<path class="curve" d="M{curve}"/></svg>{marks}</svg></div>'
    )


def _marks(account: Account, begin: float, span: float) -> Iterator[str]:
    """Give the marks of a strip: failures at its top, false alarms at its bottom."""
    for failure in account.failures:
        if begin < failure.time <= begin + span:
            kind, said = ("foretold", "foretold") if failure.alarm else ("missed", "not foretold")
            x = 100 * (failure.time - begin) / span
            yield _mark(x, kind, "M-5 0H5L0 10Z", f"failure {clock(failure.time)}, {said}")
    for claim in account.claims:
        if claim.true is False and begin < claim.time <= begin + span:
            x = 100 * (claim.time - begin) / span
            yield _mark(x, "false", "M-4 34H4L0 26Z", f"false alarm {clock(claim.time)}")


def _mark(x: float, kind: str, path: str, said: str) -> str:
    return (
        f'<svg x="{x:.2f}%" overflow="visible"><path class="mark {kind}" d="{path}">'
        f"<title>{escape(said)}</title></path></svg>"
    )


def _chart(title: str, body: str, x_name: str, y_name: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<path class="frame" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>{body}'
        f'<text class="name" x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 6}" '
        f'text-anchor="middle">{escape(x_name)}</text>'
        f'<text class="name" x="10" y="{(TOP + BOTTOM) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 10 {(TOP + BOTTOM) / 2})">{escape(y_name)}</text></svg>'
    )


def _x_ticks(values: Iterable[float], place: Scale, words: Callable[[float], str]) -> str:
    return "".join(
        f'<path class="grid" d="M{place(v):.1f} {TOP}V{BOTTOM}"/>'
        f'<text x="{place(v):.1f}" y="{BOTTOM + 14}" text-anchor="middle">{words(v)}</text>'
        for v in values
    )


def _y_ticks(values: Iterable[float], place: Scale) -> str:
    return "".join(
        f'<path class="grid" d="M{LEFT} {place(v):.1f}H{RIGHT}"/>'
        f'<text x="{LEFT - 4}" y="{place(v) + 4:.1f}" text-anchor="end">{100 * v:g} %</text>'
        for v in values
    )


def budgets(
    ours: Sequence[Point], errors: Sequence[Point], reached: tuple[float, float] | None
) -> str:
    """Return share of failures predicted, and of alarms that were true, over false alarms a day.

    *reached* is what rnnd's own thresholds came to: false alarms a day, and share predicted.
    """
    low, high = 0.05, 50.0

    def x(rate: float) -> float:
        share = math.log(min(max(rate, low), high) / low) / math.log(high / low)
        return LEFT + share * (RIGHT - LEFT)

    def y(share: float) -> float:
        return BOTTOM - share * (BOTTOM - TOP)

    def path(points: Sequence[Point], name: str, value: Callable[[Point], float]) -> str:
        known = [point for point in points if point.false_a_day <= high]
        places = "L".join(f"{x(p.false_a_day):.1f} {y(value(p)):.1f}" for p in known)
        return f'<path class="{name}" d="M{places}"/>' if known else ""

    body = _x_ticks((0.1, 1, 10), x, lambda v: f"{v:g}") + _y_ticks((0, 0.25, 0.5, 0.75, 1), y)
    body += path(errors, "errors", lambda p: p.predicted)
    body += path(ours, "precision", lambda p: p.precision)
    body += path(ours, "ours", lambda p: p.predicted)
    if reached is not None:
        body += f'<circle class="reached" cx="{x(reached[0]):.1f}" cy="{y(reached[1]):.1f}" r="5"/>'
    title = "Failures foretold and alarms that came true, over false alarms a day"
    return _chart(title, body, "false alarms a day", "share")


def calibration(bins: Sequence[Bin]) -> str:
    """Return how often a failure followed over how probable it was said to be."""

    def x(p: float) -> float:
        return LEFT + math.sqrt(p) * (RIGHT - LEFT)

    def y(p: float) -> float:
        return BOTTOM - math.sqrt(p) * (BOTTOM - TOP)

    marks = (0.01, 0.05, 0.1, 0.25, 0.5, 1)
    body = _x_ticks(marks, x, lambda v: f"{100 * v:g} %") + _y_ticks(marks, y)
    body += f'<path class="even" d="M{LEFT} {BOTTOM}L{RIGHT} {TOP}"/>'
    places = "L".join(f"{x(b.stated):.1f} {y(b.happened):.1f}" for b in bins)
    body += f'<path class="ours" d="M{places}"/>' if bins else ""
    for b in bins:
        said = f"said {b.stated:.1%}, happened {b.happened:.1%} ({b.ticks:,} ticks)"
        radius = 2 + math.log10(b.ticks)
        body += (
            f'<circle class="point" cx="{x(b.stated):.1f}" cy="{y(b.happened):.1f}" '
            f'r="{radius:.1f}"><title>{said}</title></circle>'
        )
    return _chart("What was said and what happened", body, "probability said", "happened")
