"""The dashboards: made by the code that is kept, and as Grafana's dashboard-linter wants them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rnnd.config.grafana.dashboard import to_json
from rnnd.config.grafana.dashboards import DASHBOARDS
from rnnd.config.grafana.panels import GREEN, ORANGE, RED
from tests.servers import needs

FOLDER = Path(__file__).parent.parent / "config" / "grafana"
FILES = {name: json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in DASHBOARDS}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in FILES.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
Json = dict[str, Any]

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
each_panel = pytest.mark.parametrize("panel", PANELS)


def queries(dashboard: Json) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for mark in dashboard["annotations"]["list"]:
        yield mark["expr"]


def selectors(query: str) -> list[str]:
    """Give what stands in the braces behind each metric."""
    return re.findall(r"\b(?:rnnd|process|up)\w*\{([^}]*)\}", query)


@each_dashboard
def test_the_file_is_what_the_code_makes(name: str) -> None:
    made = to_json(DASHBOARDS[name]())

    assert (FOLDER / f"{name}.json").read_text("utf-8") == made, "python -m rnnd.config.grafana"


@each_dashboard
def test_datasource_job_and_instance_are_variables(name: str) -> None:
    variables = {one["name"]: one for one in FILES[name]["templating"]["list"]}

    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for one, label in (("job", "Job"), ("instance", "Instance")):
        assert variables[one]["label"] == label
        assert variables[one]["datasource"]["uid"] == "${datasource}"
        assert variables[one]["multi"]
        assert variables[one]["allValue"] == ".+"
        assert variables[one]["refresh"] == 2, "asked anew when the time range changes"


@each_dashboard
def test_nobody_edits_what_code_makes(name: str) -> None:
    assert FILES[name]["editable"] is False


@each_dashboard
def test_every_query_asks_the_chosen_job_and_instance(name: str) -> None:
    for query in queries(FILES[name]):
        found = selectors(query)
        assert found, query
        for one in found:
            assert 'job=~"$job"' in one, query
            assert 'instance=~"$instance"' in one, query


@each_dashboard
def test_counters_are_never_shown_raw_and_rates_follow_the_resolution(name: str) -> None:
    for query in queries(FILES[name]):
        for counter in re.finditer(r"\w+_(?:total|bucket)\{", query):
            before = query[: counter.start()]
            assert before.endswith(("rate(", "increase(")), query
        for span in re.findall(r"\[([^]]*)\]", query):
            assert span in {"$__rate_interval", "$__range"}, query


def test_every_metric_of_the_reference_has_its_place_on_a_dashboard() -> None:
    reference = (FOLDER.parent.parent / "docs" / "metrics.md").read_text("utf-8")
    metrics = set(re.findall(r"^\| `(rnnd_\w+)`", reference, re.M))
    asked = " ".join(query for dashboard in FILES.values() for query in queries(dashboard))

    missing = {metric for metric in metrics if not re.search(rf"\b{metric}(_bucket)?\b", asked)}
    assert missing == {"rnnd_config_reload_timestamp_seconds"}, "shown as success or failure"


@each_dashboard
def test_panels_lie_side_by_side_without_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()

    for panel in FILES[name]["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        taken |= cells


@each_dashboard
def test_ids_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in FILES[name]["panels"]]

    assert len(ids) == len(set(ids))


def test_the_dashboards_do_not_replace_each_other() -> None:
    assert len({dashboard["uid"] for dashboard in FILES.values()}) == len(FILES)
    assert len({dashboard["title"] for dashboard in FILES.values()}) == len(FILES)


@each_panel
def test_a_panel_has_title_description_datasource_and_unit(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"


@needs("promtool")
def test_every_query_is_promql(tmp_path: Path) -> None:
    known = {"$__rate_interval": "5m", "$__range": "1h"}
    rules = []
    for dashboard in FILES.values():
        for query in queries(dashboard):
            for name, value in known.items():
                query = query.replace(name, value)
            rules.append({"record": f"query:{len(rules)}", "expr": query})
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), "utf-8")

    result = subprocess.run(
        ["promtool", "check", "rules", "--lint=none", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr


@needs("promtool")
def test_the_worst_apps_come_first_whether_bad_is_expected_or_seen(tmp_path: Path) -> None:
    (table,) = (panel for panel in FILES["fleet"]["panels"] if panel["type"] == "table")
    query = re.sub(r"\$\w+", ".+", table["targets"][0]["expr"])
    rules = [{"name": "g", "rules": [{"record": "worst", "expr": query}]}]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": rules}), "utf-8")
    apps = {  # name: predicted, observed, how bad
        "calm": ("green", "green", 0),
        "new": ("unknown", "green", 1),
        "worse": ("orange", "green", 2),
        "doomed": ("red", "green", 3),
        "failing": ("unknown", "red", 3),
    }
    series = [
        {
            "series": f'{metric}{{job="rnnd",instance="h",app="{app}",{metric}="{health}"}}',
            "values": f"{int(health == healths[place])}x9",
        }
        for app, healths in apps.items()
        for place, metric in enumerate(("rnnd_health", "rnnd_health_observed"))
        for health in ("green", "orange", "red", "unknown")
    ]
    wanted = [
        {"labels": f'worst{{app="{app}",instance="h",job="rnnd"}}', "value": bad}
        for app, (_, _, bad) in apps.items()
    ]
    story = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": "worst", "eval_time": "1m", "exp_samples": wanted}],
    }
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [story]}
    (tmp_path / "tests.yaml").write_text(json.dumps(tests), "utf-8")

    result = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "tests.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert table["options"]["sortBy"][0] == {"displayName": "Health", "desc": True}


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_neighbouring_colours_differ_in_brightness_too() -> None:
    green, orange, red = map(luminance, (GREEN, ORANGE, RED))

    assert (orange + 0.05) / (green + 0.05) > 1.5
    assert (orange + 0.05) / (red + 0.05) > 2.5
    assert (green + 0.05) / (red + 0.05) > 1.5
