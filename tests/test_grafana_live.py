"""Every query of every panel, asked of a real Prometheus that scraped a real rnnd."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from rnnd.config.grafana.dashboards import DASHBOARDS
from rnnd.daemon.simulator.simulator import Simulator
from tests.servers import fetch, needs, prometheus, query, rnnd, wait_for

HOUR = 3600
PAST, LIVE = 20, 12  # hours of log there from the start, and written while Prometheus scrapes

pytestmark = needs("prometheus")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has watched an rnnd watch a simulated application fail."""
    folder = tmp_path_factory.mktemp("live")
    simulator = Simulator(1, days=2, start=time.time() // HOUR * HOUR - PAST * HOUR)
    log = folder / "web.log"
    log.write_bytes(b"".join(simulator.stretch(hour).data for hour in range(PAST)))
    config = folder / "rnnd.yaml"
    app = {
        "name": "web",
        "logs": [str(log)],
        "red": {"severity": "critical"},
        "tick": "1m",
        "alarm_budget": "200/day",
    }
    config.write_text(json.dumps({"apps": [app], "checkpoint_every": "2s"}), "utf-8")
    with (
        rnnd(folder, "--config", str(config)) as daemon,
        prometheus(folder, daemon, interval="1s") as server,
    ):
        wait_for(lambda: fetch(f"{daemon}/-/ready"), 90)
        for hour in range(PAST, PAST + LIVE):
            data = simulator.stretch(hour).data
            with log.open("ab") as file:
                file.write(data)
            size = log.stat().st_size
            wait_for(lambda size=size: query(server, f"rnnd_bytes_total == {size}"), 60)
        yield server


def targets() -> Iterator[tuple[str, str, str]]:
    for name, build in DASHBOARDS.items():
        for panel in build()["panels"]:
            for target in panel.get("targets", ()):
                yield name, panel["title"], target["expr"]


def filled_in(expression: str) -> str:
    """Return *expression* with the variables that Grafana would fill in."""
    values = {
        "$__rate_interval": "10s",
        "$__range": "5m",
        "$job": ".+",
        "$instance": ".+",
        "$app": "web",
        "$horizon": "10m",
    }
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize(
    ("dashboard", "title", "expression"),
    [pytest.param(*one, id=f"{one[0]}: {one[1]} {n}") for n, one in enumerate(targets())],
)
def test_a_panel_has_data_to_show(server: str, dashboard: str, title: str, expression: str) -> None:
    assert query(server, filled_in(expression)), f"{dashboard}, {title}: {expression}"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_has_values(server: str, name: str) -> None:
    for variable in DASHBOARDS[name]()["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        assert found
        selector, label = found.groups()
        assert query(server, f"group by ({label}) ({filled_in(selector)})"), variable["name"]


def test_all_rules_are_evaluated_without_error(server: str) -> None:
    groups = json.loads(fetch(f"{server}/api/v1/rules"))["data"]["groups"]

    assert groups
    for group in groups:
        for rule in group["rules"]:
            assert rule["health"] in {"ok", "unknown"}, rule
