"""The rules for Prometheus: promtool finds nothing wrong, every alert fires and stays silent."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import needs

ROOT = Path(__file__).parent.parent
RULES = ROOT / "config" / "prometheus" / "rules.yaml"
STORIES = sorted((ROOT / "tests" / "prometheus").glob("*.test.yaml"))
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
]

needs_promtool = needs("promtool")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=100
    )


@needs_promtool
def test_promtool_finds_nothing_to_complain_about_in_the_rules() -> None:
    result = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert result.returncode == 0, result.stderr


@needs_promtool
@pytest.mark.parametrize("name", ["scrape.yaml", "scrape-tls.yaml"])
def test_prometheus_takes_the_sample_scrape_configurations(name: str) -> None:
    result = promtool("check", "config", "--syntax-only", RULES.parent / name)

    assert result.returncode == 0, result.stderr


@needs_promtool
@pytest.mark.parametrize("stories", STORIES, ids=lambda path: path.name)
def test_alerts_fire_and_stay_silent_as_told(stories: Path) -> None:
    result = promtool("test", "rules", stories)

    assert result.returncode == 0, result.stdout + result.stderr


def fired() -> set[str]:
    names = set()
    for stories in STORIES:
        for story in yaml.safe_load(stories.read_text(encoding="utf-8"))["tests"]:
            for expectation in story.get("promql_expr_test", ()):
                for sample in expectation["exp_samples"]:
                    if sample["labels"].startswith("{alertname="):
                        names.add(sample["labels"].split('"')[1])
    return names


def silences() -> list[set[str]]:
    """Give the metrics of every story that must stay silent."""
    return [
        {series["series"].split("{")[0] for series in story["input_series"]}
        for stories in STORIES
        for story in yaml.safe_load(stories.read_text(encoding="utf-8"))["tests"]
        for expectation in story.get("promql_expr_test", ())
        if expectation["exp_samples"] == [] and "ALERTS" in expectation["expr"]
    ]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
class TestEveryAlert:
    def test_has_a_story_in_which_it_fires(self, alert: dict[str, Any]) -> None:
        assert alert["alert"] in fired()

    def test_has_a_story_in_which_its_metrics_are_there_and_it_stays_silent(
        self, alert: dict[str, Any]
    ) -> None:
        recorded = {
            "app:rnnd_lines_unparsed:ratio_rate5m": "rnnd_lines_unparsed_total",
            "app:rnnd_alarm_precision:ratio_increase7d": "rnnd_alarm_outcomes_total",
            "app:rnnd_failures_predicted:ratio_increase7d": "rnnd_failures_total",
        }
        wanted = next(
            (metric for record, metric in recorded.items() if record in alert["expr"]), None
        )

        assert any(
            wanted in metrics if wanted else any(metric in alert["expr"] for metric in metrics)
            for metrics in silences()
        )

    def test_says_how_bad_it_is_and_what_to_do(self, alert: dict[str, Any]) -> None:
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "{{ $externalURL }}/consoles/rnnd.html"
        assert anchor == alert["alert"].lower()
