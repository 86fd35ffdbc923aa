"""The drawings of docs/pictures, as SVG: the road of a line, and some hours of predictions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.prediction.pipeline import Prediction

COLOURS = {
    Health.GREEN: "#009e73",
    Health.ORANGE: "#e69f00",
    Health.RED: "#b42318",
    Health.UNKNOWN: "#8a8a8a",
}
CURVES = ("#1b1d1f", "#0072b2", "#cc79a7", "#56b4e9")
ROAD = [
    [
        ("file event", "a log has grown", "watch"),
        ("bytes", "through rotation", "tail"),
        ("lines", "cut where they end", "lines"),
        ("events", "time, level, text", "codecs"),
        ("vector", "one for each tick", "codecs"),
    ],
    [
        ("metric", "and status page", "metrics"),
        ("colour", "by alarm budget", "policy"),
        ("forecast", "one for each horizon", "rnn"),
        ("network", "remembers, learns", "rnn"),
    ],
]


def _svg(width: int, height: int, title: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="13">'
        f'<title>{escape(title)}</title><rect width="{width}" height="{height}" fill="#fff"/>'
        f"{body}</svg>\n"
    )


def _text(x: float, y: float, words: str, *, anchor: str = "middle", fill: str = "#1b1d1f") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'


# The road


def road() -> str:
    """Draw what becomes of a line, from the file to the metric, there and back."""
    parts = []
    for row, boxes in enumerate(ROAD):
        for column, (name, words, room) in enumerate(boxes):
            x, y = 20 + 160 * column + 80 * row, 30 + 130 * row
            parts.append(_box(x, y, name, words, room))
            last = column + 1 == len(boxes)
            if row == 0 and not last:
                parts.append(_arrow(x + 130, y + 32, x + 156, y + 32))
            elif row == 1 and not last:
                parts.append(_arrow(x + 160, y + 32, x + 134, y + 32))
    parts.append(_arrow(725, 94, 650, 156))
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#5b6167"/></marker></defs>'
    )
    body = head + "".join(parts)
    return _svg(820, 250, "The road of a line: from a file event to a metric", body)


def _box(x: float, y: float, name: str, words: str, room: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="130" height="64" rx="8" fill="#f4f5f6" '
        'stroke="#5b6167"/>'
        f'<g font-weight="600">{_text(x + 65, y + 25, name)}</g>'
        f'<g font-size="11">{_text(x + 65, y + 45, words, fill="#5b6167")}'
        f"{_text(x + 65, y - 7, room, fill='#5b6167')}</g>"
    )


def _arrow(x0: float, y0: float, x1: float, y1: float) -> str:
    return (
        f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="#5b6167" stroke-width="1.5" '
        'marker-end="url(#head)"/>'
    )


# Some hours of predictions

Scale = Callable[[float], float]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 820, 330, 50, 40, 250


def hours(predictions: Sequence[Prediction]) -> str:
    """Draw the probability of a failure by horizon, the threshold, alarms, failures and colour."""
    begin, end = predictions[0].time, predictions[-1].time

    def x(time: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * (time - begin) / (end - begin)

    def y(share: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * share

    parts = [
        *(_grid(y(share), share) for share in (0, 0.25, 0.5, 0.75, 1)),
        *_clock(begin, end, x),
    ]
    for (place, horizon), colour in zip(
        enumerate(sorted(predictions[0].probabilities)), CURVES, strict=False
    ):
        curve = ((x(one.time), y(one.probabilities[horizon][2])) for one in predictions)
        parts.append(_curve(curve, colour))
        words = f"within {format_duration(horizon)}"
        parts.append(_text(LEFT + 110 * place, 20, f"— {words}", anchor="start", fill=colour))
    threshold = ((x(one.time), y(min(1.0, one.threshold))) for one in predictions)
    parts.append(_curve(threshold, COLOURS[Health.RED], dashed=True))
    legend = "- - threshold of red    ▲ alarm    ▼ failure"
    parts.append(_text(WIDTH - 20, 20, legend, anchor="end", fill=COLOURS[Health.RED]))
    for one in predictions:
        if one.outcomes.alarms:
            parts.append(_text(x(one.time), BOTTOM, "▲", fill=COLOURS[Health.RED]))
        if one.onset:
            parts.append(
                f'<path d="M{x(one.time):.1f} {TOP}V{BOTTOM}" stroke="#1b1d1f" '
                f'stroke-dasharray="2 3"/>{_text(x(one.time), TOP + 4, "▼")}'
            )
    parts += _band(predictions, x)
    title = "Some hours of predictions, with alarms and failures"
    return _svg(WIDTH, HEIGHT, title, "".join(parts))


def _grid(height: float, share: float) -> str:
    line = f'<path d="M{LEFT} {height:g}H{WIDTH - 20}" stroke="#d9dcdf"/>'
    return line + _text(LEFT - 6, height + 4, f"{share:.0%}", anchor="end", fill="#5b6167")


def _clock(begin: float, end: float, x: Scale) -> Iterator[str]:
    for time in range(int(begin // 3600 + 1) * 3600, int(end) + 1, 3600):
        words = datetime.fromtimestamp(time, UTC).strftime("%H:%M")
        yield _text(x(time), BOTTOM + 20, words, fill="#5b6167")


def _curve(points: Iterable[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    path = "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
    style = 'stroke-dasharray="6 4"' if dashed else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5" {style}/>'


def _band(predictions: Sequence[Prediction], x: Scale) -> Iterator[str]:
    begin = predictions[0]
    for before, one in zip(predictions, [*predictions[1:], None], strict=True):
        if one is None or one.health is not before.health:
            width = x(before.time) - x(begin.time) + 1
            yield (
                f'<rect x="{x(begin.time):.1f}" y="{BOTTOM + 32}" width="{width:.1f}" height="26" '
                f'fill="{COLOURS[begin.health]}"/>'
            )
            if one is not None:
                begin = one
    yield _text(LEFT, BOTTOM + 74, "the colour: green, orange or red", anchor="start")
