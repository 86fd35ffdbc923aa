"""The documentation says what is so: pages made of code are current, links hold, names exist."""

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from rnnd.config.loading import load_settings
from rnnd.daemon.cli import COMMANDS
from rnnd.daemon.serving.metrics import StatusCollector
from rnnd.daemon.tally import AppStatus, ServiceStatus, Tally
from tests.servers import needs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def served() -> CollectorRegistry:
    app = AppStatus(
        name="web",
        logs=("web.log",),
        probabilities={600.0: (0.5, 0.25, 0.25)},
        brier_skill={600.0: 0.1},
        predicted_at=1.0,
        last_line_at=1.0,
        training_loss=0.1,
        tally=Tally(read_errors=Counter(permission=1)),
    )
    status = ServiceStatus(apps=(app,), checkpoint_at={"web": 1.0}, checkpoint_bytes={"web": 1})
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: status))
    return registry


@pytest.mark.parametrize(
    "name",
    [
        "configuration.md",
        "commands.md",
        "man/rnnd.1",
        "man/rnnd.yaml.5",
        "completions/rnnd",
        "completions/_rnnd",
        "completions/rnnd.fish",
        "../config/prometheus/runbooks.html",
    ],
)
def test_a_page_made_of_code_is_what_the_code_makes(name: str) -> None:
    made = generator().PAGES[name]()

    assert (DOCS / name).read_text("utf-8") == made, "run: python docs/generate.py"


def test_the_metrics_reference_lists_what_is_served_and_nothing_else() -> None:
    rows = re.findall(
        r"^\| `(rnnd_\w+)` \| ([\w ]+) \| ([^|]*) \|",
        (DOCS / "metrics.md").read_text("utf-8"),
        re.M,
    )
    told = {
        name: (kind.replace(" ", ""), set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in rows
    }

    families = {}
    for family in served().collect():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        families[name] = (family.type, labels)

    assert told == families


@needs("promtool")
def test_promtool_finds_nothing_to_complain_about_in_the_metrics() -> None:
    result = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(served()),
        capture_output=True,
        check=False,
    )

    assert (result.returncode, result.stderr.decode()) == (0, "")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    rules = yaml.safe_load((ROOT / "config/prometheus/rules.yaml").read_text("utf-8"))
    alerts = {r["alert"] for group in rules["groups"] for r in group["rules"] if "alert" in r}
    headings = set(re.findall(r"^## (\w+)$", (DOCS / "runbooks.md").read_text("utf-8"), re.M))

    assert headings == alerts


def test_every_metric_that_the_documentation_or_a_rule_names_is_served() -> None:
    text = generate_latest(served()).decode()
    known = set(re.findall(r"^(rnnd_\w+)", text, re.M))
    pages = [*DOCS.glob("*.md"), ROOT / "config/prometheus/rules.yaml"]

    for page in pages:
        named = set(re.findall(r"(?<![:\w])rnnd_[a-z0-9_]+\b", page.read_text("utf-8")))
        assert named - {"rnnd_lead_time_seconds"} <= known, page


def test_the_yaml_in_the_documentation_is_in_order() -> None:
    for page in DOCS.glob("*.md"):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.S):
            if block.lstrip().startswith(("apps:", "#")):
                load_settings(block, page.name)


def test_every_command_that_the_documentation_names_is_one() -> None:
    for page in DOCS.glob("*.md"):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.S):
            for word in re.findall(r"(?:^|&& |/)rnnd ([a-z]+)", block, re.M):
                assert word in COMMANDS, f"{page.name}: rnnd {word}"


def test_the_drawing_of_the_road_is_what_the_code_makes() -> None:
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "drawings.py")
    assert spec
    assert spec.loader
    drawings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawings)

    assert (DOCS / "pictures" / "road.svg").read_text("utf-8") == drawings.road()


@needs("man")
@pytest.mark.parametrize("name", ["rnnd.1", "rnnd.yaml.5"])
def test_a_manual_page_is_drawn_without_a_warning(name: str) -> None:
    result = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", DOCS / "man" / name],
        capture_output=True,
        text=True,
        check=True,
        env={"MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
    )

    assert result.stderr == ""
    assert "NAME" in result.stdout


@pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None, reason="sphinx is missing: pip install .[docs]"
)
def test_the_documentation_builds_without_a_broken_link(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "runbooks.html").exists()


def test_every_file_that_the_readme_and_other_texts_link_to_is_there() -> None:
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("*/README.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_heading_that_a_link_names_is_there() -> None:
    for page in DOCS.glob("*.md"):
        for target, anchor in re.findall(r"\]\(([\w-]+\.md)#([\w-]+)\)", page.read_text("utf-8")):
            headings = re.findall(r"^#+ (.+)$", (DOCS / target).read_text("utf-8"), re.M)
            slugs = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"
