"""A dashboard as Grafana imports it: variables, the places of panels, marks, links."""

import json
from collections.abc import Sequence

from rnnd.config.grafana.panels import APP, DATASOURCE, SELECTOR, Json

WIDTH = 24  # columns of Grafana's grid


def to_json(dashboard: Json) -> str:
    """Return the file's content."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def datasource() -> Json:
    """Return the variable that chooses the Prometheus to ask."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
        "regex": "",
    }


def variable(name: str, label: str, query: str, *, many: bool = True) -> Json:
    """Return a variable whose values are the answers to *query*."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        "allValue": ".+" if many else None,
        "current": {"text": "All", "value": "$__all"} if many else {},
        "hide": 0,
    }


def job_and_instance() -> list[Json]:
    """Return the variables that every dashboard has first."""
    return [
        datasource(),
        variable("job", "Job", "label_values(rnnd_build_info, job)"),
        variable("instance", "Instance", 'label_values(rnnd_build_info{job=~"$job"}, instance)'),
    ]


def apps(*, many: bool) -> Json:
    """Return the variable that chooses one app, or *many*."""
    return variable("app", "App", f"label_values(rnnd_health{{{SELECTOR}}}, app)", many=many)


def horizon() -> Json:
    """Return the variable that chooses one of the horizons of the chosen apps."""
    query = f"label_values(rnnd_health_probability_ratio{{{APP}}}, horizon)"
    return variable("horizon", "Horizon", query, many=False)


def mark(name: str, colour: str, query: str, title: str) -> Json:
    """Return a mark over all curves wherever *query* has an answer."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": query,
        "step": "15s",
        "titleFormat": title,
        "textFormat": "",
        "tagKeys": "",
        "useValueForTime": False,
    }


def place(rows: Sequence[tuple[str, int, Sequence[tuple[int, Json]]]]) -> list[Json]:
    """Return panels with their places; a row is a heading, a height, and panels with widths."""
    placed: list[Json] = []
    y = 0
    for heading, height, members in rows:
        if heading:
            placed.append(_heading(heading, y))
            y += 1
        x = 0
        for width, one in members:
            if x + width > WIDTH:
                x, y = 0, y + height
            placed.append({**one, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
            x += width
        y += height
    return [{"id": number, **one} for number, one in enumerate(placed, start=1)]


def _heading(title: str, y: int) -> Json:
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
    }


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Json],
    rows: Sequence[tuple[str, int, Sequence[tuple[int, Json]]]],
    marks: Sequence[Json] = (),
    *,
    since: str = "now-6h",
) -> Json:
    """Return the whole."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["rnnd"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": since, "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "title": "rnnd",
                "type": "dashboards",
                "tags": ["rnnd"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": list(variables)},
        "annotations": {"list": list(marks)},
        "panels": place(rows),
    }
