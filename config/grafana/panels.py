"""Panels of a Grafana dashboard: what is asked of Prometheus, and how the answer is drawn.

The three colours are told apart by those who do not see red and green (after Okabe and Ito), and
never stand alone: a shape and the word stand beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SELECTOR = 'job=~"$job", instance=~"$instance"'
APP = f'{SELECTOR}, app=~"$app"'

GREEN, ORANGE, RED, UNKNOWN = "#009E73", "#E69F00", "#B42318", "#8A8A8A"
HEALTHS = {  # as numbers, the higher the worse: what is unknown may be bad
    "green": (0, "● green", GREEN),
    "unknown": (1, "? unknown", UNKNOWN),
    "orange": (2, "▲ orange", ORANGE),
    "red": (3, "■ red", RED),
}
HEALTH_MAPPINGS = [
    {
        "type": "value",
        "options": {
            str(value): {"text": text, "color": colour, "index": index}
            for index, (value, text, colour) in enumerate(HEALTHS.values())
        },
    }
]
PROBABILITY_STEPS = ((None, GREEN), (0.2, ORANGE), (0.5, RED))


def health_code(metric: str, selector: str, by: str = "instance, app") -> str:
    """Return the query for a health as a number, as `HEALTHS` says."""

    def one(colour: str) -> str:
        return f'sum by ({by}) ({metric}{{{selector}, {metric}="{colour}"}})'

    return f"{one('unknown')} + 2 * {one('orange')} + 3 * {one('red')}"


def worst_health_code(selector: str, by: str) -> str:
    """Return the query for the worse of what is expected and what is seen."""
    expected = health_code("rnnd_health", selector, by)
    seen = health_code("rnnd_health_observed", selector, by)
    return f"({expected}) > ({seen}) or ({seen})"


def target(query: str, legend: str = "", *, instant: bool = False, table: bool = False) -> Json:
    """Return one query; *legend* names its series, such as ``{{app}}``."""
    return {
        "datasource": DATASOURCE,
        "expr": query,
        "legendFormat": legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
    }


def steps(*pairs: tuple[float | None, str]) -> Json:
    """Return thresholds: each colour from its value on, the first from below all."""
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in pairs],
    }


def panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Json],
    *,
    unit: str,
    defaults: Mapping[str, Any] | None = None,
    overrides: Sequence[Json] = (),
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Json:
    """Return a panel of a *kind* that Grafana has; it has no place yet."""
    letters = "ABCDEFGHIJ"
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": [
            {**one, "refId": letter} for letter, one in zip(letters, targets, strict=False)
        ],
        "fieldConfig": {
            "defaults": {"unit": unit, **(defaults or {})},
            "overrides": list(overrides),
        },
        "options": dict(options or {}),
        **more,
    }


def lines(
    title: str,
    description: str,
    targets: Sequence[Json],
    *,
    unit: str,
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
    low: float | None = 0,
    high: float | None = None,
    points: bool = False,
) -> Json:
    """Return curves over time; *colours* are those of series by their legend."""
    custom = {
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else 8,
        "showPoints": "always" if points else "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults: Json = {"custom": custom}
    defaults |= {key: value for key, value in (("min", low), ("max", high)) if value is not None}
    return panel(
        "timeseries",
        title,
        description,
        targets,
        unit=unit,
        defaults=defaults,
        overrides=[coloured(name, colour) for name, colour in (colours or {}).items()],
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def coloured(name: str, colour: str) -> Json:
    """Return the override that gives the series *name* a colour."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
    }


def number(
    title: str,
    description: str,
    query: str,
    *,
    unit: str,
    thresholds: Json | None = None,
    mappings: Sequence[Json] = (),
    decimals: int | None = None,
    legend: str = "",
    none: str = "–",
) -> Json:
    """Return one large number, the newest; *none* stands where there is nothing to tell."""
    defaults: Json = {
        "thresholds": thresholds or steps((None, "text")),
        "mappings": list(mappings),
        "noValue": none,
        "color": {"mode": "thresholds"},
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    return panel(
        "stat",
        title,
        description,
        [target(query, legend, instant=True)],
        unit=unit,
        defaults=defaults,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background" if thresholds or mappings else "value",
            "graphMode": "none",
            "textMode": "value",
        },
    )


def health_number(title: str, description: str, query: str) -> Json:
    """Return a health as shape, word and colour."""
    return number(title, description, query, unit="short", mappings=HEALTH_MAPPINGS, none="?")


def health_bands(title: str, description: str, targets: Sequence[Json]) -> Json:
    """Return healths over time as bands."""
    return panel(
        "state-timeline",
        title,
        description,
        targets,
        unit="short",
        defaults={
            "mappings": HEALTH_MAPPINGS,
            "color": {"mode": "thresholds"},
            "thresholds": steps((None, GREEN), (1, UNKNOWN), (2, ORANGE), (3, RED)),
            "custom": {"lineWidth": 0, "fillOpacity": 85, "insertNulls": False},
        },
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.85,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def bars(title: str, description: str, targets: Sequence[Json], *, unit: str) -> Json:
    """Return a bar for each series, coloured like a probability."""
    return panel(
        "bargauge",
        title,
        description,
        targets,
        unit=unit,
        defaults={
            "min": 0,
            "max": 1,
            "thresholds": steps(*PROBABILITY_STEPS),
            "color": {"mode": "thresholds"},
        },
        options={
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "text",
            "showUnfilled": True,
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def heatmap(title: str, description: str, targets: Sequence[Json], *, unit: str) -> Json:
    """Return the buckets of a histogram over time."""
    return panel(
        "heatmap",
        title,
        description,
        [{**one, "format": "heatmap"} for one in targets],
        unit=unit,
        options={
            "calculate": False,
            "yAxis": {"unit": unit, "axisPlacement": "left"},
            "color": {"mode": "scheme", "scheme": "Viridis", "steps": 64},
            "cellGap": 1,
            "tooltip": {"mode": "single", "yHistogram": False},
            "legend": {"show": True},
        },
    )
