"""`rnnd monitoring`: what it shows and installs is what Prometheus and Grafana take."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from rnnd.config.grafana.dashboards import DASHBOARDS
from rnnd.daemon.cli import main
from rnnd.daemon.commands.monitoring import SHIPPED
from tests.servers import ROOT, fetch, free_port, needs, running, wait_for


@pytest.mark.parametrize("name", SHIPPED)
def test_show_prints_a_file_as_it_is_in_the_source(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitoring", "show", name]) == 0

    assert capsys.readouterr().out == (ROOT / "config" / SHIPPED[name]).read_text("utf-8")


def test_every_file_for_prometheus_and_grafana_can_be_shown() -> None:
    shipped = {
        str(path.relative_to(ROOT / "config"))
        for folder in ("prometheus", "grafana")
        for path in (ROOT / "config" / folder).iterdir()
        if path.suffix in {".yaml", ".json", ".html"}
    }

    assert set(SHIPPED.values()) == shipped


def test_the_links_of_alerts_can_lead_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    main(["monitoring", "show", "rules", "--runbooks", "https://wiki.example.org/rnnd"])

    rules = yaml.safe_load(capsys.readouterr().out)
    links = {
        rule["annotations"]["runbook_url"]
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert links
    assert all(re.fullmatch(r"https://wiki\.example\.org/rnnd#rnnd\w+", link) for link in links)


def test_dashboards_are_installed_where_grafana_looks_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitoring", "install", "--grafana", str(tmp_path)]) == 0

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"rnnd-{name}.json" for name in DASHBOARDS)
    for name, build in DASHBOARDS.items():
        assert json.loads((tmp_path / f"rnnd-{name}.json").read_text("utf-8")) == build()


def test_a_directory_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitoring", "install", "--prometheus", str(tmp_path / "none")]) == 2

    assert f"--prometheus: {tmp_path}/none: no such directory" in capsys.readouterr().err


@needs("prometheus", "promtool")
def test_what_is_installed_and_printed_runs_and_every_alert_links_to_its_runbook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["monitoring", "install", "--prometheus", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.partition("reload Prometheus:\n\n")[2]
    target = f"127.0.0.1:{free_port()}"  # where nobody is
    faster = printed.replace("127.0.0.1:7663", target).replace("interval: 5s", "interval: 1s")
    (tmp_path / "prometheus.yml").write_text(
        f"global: {{evaluation_interval: 1s}}\n{faster}", "utf-8"
    )
    checked = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr

    address = f"127.0.0.1:{free_port()}"
    with running(
        tmp_path / "prometheus.log",
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.console.templates=consoles",
        f"--web.listen-address={address}",
        f"--web.external-url=http://{address}/",
    ):

        def down() -> str | None:
            for alert in json.loads(fetch(f"http://{address}/api/v1/alerts"))["data"]["alerts"]:
                if alert["labels"]["alertname"] == "RnndDown":
                    return str(alert["annotations"]["runbook_url"])
            return None

        link, _, anchor = wait_for(down).partition("#")
        page = fetch(link)

    assert anchor == "rnnddown"
    anchors = set(re.findall(r'<h2 id="(\w+)">', page))
    rules = (tmp_path / "rnnd" / "rules.yaml").read_text("utf-8")
    assert {name.lower() for name in re.findall(r"alert: (\w+)", rules)} == anchors
