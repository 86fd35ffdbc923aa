"""The time line of an app as SVG: bands as high as they are bad, and a curve of the risk."""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from rnnd.codecs.health import Health
from rnnd.daemon.history import STRETCHES, Recent, Stretch
from rnnd.daemon.plural import counted
from rnnd.daemon.words import clock, percent

HEIGHT = 100
HEIGHTS = {Health.GREEN: 12, Health.ORANGE: 45, Health.RED: 100, Health.UNKNOWN: 5}
Placed = tuple[float, Stretch]


def draw(recent: Recent) -> str:
    """Return the picture with its axis, or a sentence where there is nothing to draw yet."""
    if not recent.stretches:
        return '<p class="soft">No tick has ended yet.</p>'
    end = recent.stretches[-1].time + recent.stretch
    begin = max(recent.stretches[0].time, end - STRETCHES * recent.stretch)
    count = max(1, round((end - begin) / recent.stretch))
    placed = [
        ((one.time - begin) / recent.stretch, one) for one in recent.stretches if one.time >= begin
    ]
    marks = "".join((*_bands(placed), _curve(placed), *_marks(placed)))
    label = escape(describe(recent))
    return (
        f'<svg class="timeline" viewBox="0 0 {count} {HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{label}"><title>{label}</title>'
        f'<path class="base" d="M0 {HEIGHT}H{count}M0 0H{count}"/>{marks}</svg>'
        f'<div class="axis" aria-hidden="true"><span>{clock(begin)}</span>'
        f"<span>{clock(end)}</span></div>"
        '<p class="legend" aria-hidden="true">Bands: predicted health, the higher the worse. '
        "Curve: probability of a failure. Top edge: ▼ failures. Bottom edge: ▲ alarms.</p>"
    )


def describe(recent: Recent) -> str:
    """Return in words what the picture shows."""
    begin, end = recent.stretches[0].time, recent.stretches[-1].time + recent.stretch
    failures = sum(one.failures for one in recent.stretches)
    alarms = sum(one.alarms for one in recent.stretches)
    highest = max(one.red for one in recent.stretches)
    return (
        f"From {clock(begin)} to {clock(end)}: {counted(failures, 'failure')}, "
        f"{counted(alarms, 'alarm')}, "
        f"highest probability of a failure {percent(highest)}."
    )


def _bands(placed: list[Placed]) -> Iterator[str]:
    """Give a rectangle for each run of stretches of one health."""

    def run(item: tuple[int, Placed]) -> tuple[Health, float]:
        index, (x, one) = item
        return one.health, x - index

    for (health, _), members in groupby(enumerate(placed), key=run):
        places = [x for _, (x, _) in members]
        height = HEIGHTS[health]
        yield (
            f'<rect class="{health}" x="{places[0]:g}" y="{HEIGHT - height}" '
            f'width="{len(places)}" height="{height}"/>'
        )


def _curve(placed: list[Placed]) -> str:
    points = "L".join(f"{x + 0.5:g} {HEIGHT * (1 - one.red):.1f}" for x, one in placed)
    return f'<path class="curve" d="M{points}"/>'


def _marks(placed: list[Placed]) -> Iterator[str]:
    width = max(1.5, len(placed) / 80)
    for x, one in placed:
        middle = x + 0.5
        if one.failures:
            yield (
                f'<path class="failure" d="M{middle - width:g} 0h{2 * width:g}l{-width:g} 14z"/>'
            )
        if one.alarms:
            yield (
                f'<path class="alarm" d="M{middle - width:g} {HEIGHT}h{2 * width:g}'
                f'l{-width:g} -14z"/>'
            )
