"""The report of a backtest, made by the command and read by a real browser."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnd.daemon.cli import main

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> \x1b[31m"


def write_log(path: Path, hours: float, red: str = "CRITICAL") -> Path:
    """Write a log in which retries, hostile ones, announce the failures."""
    rng = np.random.default_rng(0)
    failing = 3600.0
    with path.open("w", encoding="utf-8") as file:
        for second in np.arange(0.0, hours * 3600, 30.0):
            stamp = f"{datetime.fromtimestamp(START + second, UTC):%Y-%m-%dT%H:%M:%SZ}"
            file.write(f"{stamp} INFO request {rng.integers(1000)} done\n")
            if failing - 600 < second < failing:
                file.write(f"{stamp} INFO retrying {HOSTILE} order {rng.integers(1000)}\n")
            if second >= failing:
                file.write(f"{stamp} {red} out of workers {HOSTILE}\n")
                failing += rng.uniform(2500, 5000)
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    out = directory / "report.html"
    log = write_log(directory / "shop.log", hours=40)
    arguments = ["--tick", "1m", "--horizon", "10m", "--budget", "4/day", "--html", str(out)]
    assert main(["backtest", str(log), *arguments]) == 0
    return out


def test_it_tells_what_would_have_been_foretold_with_reasons_and_false_alarms(page: Path) -> None:
    text = page.read_text()

    assert "; all times are UTC</p></header>" in text
    for heading in ("In short", "Time line", "How it improved", "What another budget would buy",
                    "Were the probabilities honest?", "Failures, one by one",
                    "False alarms, one by one", "What was replayed"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in text
    assert "a line of severity critical or worse, merged at 10m" in text
    assert re.search(r"✓ foretold \d+m", text)
    assert "more such lines than usual: odds ×" in text
    assert re.search(r"retrying &lt;script&gt;", text)
    assert "error lines in 5m would have foretold" in text


def test_nothing_is_loaded_from_outside_and_no_line_becomes_markup(page: Path) -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.add(tag)
            for name, value in attrs:
                assert not name.startswith("on")
                assert name not in ("src", "style")
                assert name != "href" or value == "data:,"

    reader = Reader()
    reader.feed(page.read_text())

    assert not reader.found & {"script", "img", "iframe", "object", "form", "base"}
    assert "\x1b" not in page.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_a_browser_shows_it_without_complaint_requests_or_scrolling_sideways(
    browser: Any, page: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    tab = context.new_page()
    heard: list[str] = []
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("request", lambda request: heard.append(request.url))

    tab.goto(page.as_uri())

    assert [one for one in heard if not one.startswith(("file:", "data:"))] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator(".strip svg[role=img]").first.bounding_box()["height"] > 20
    assert tab.locator(".chart .ours").count() == 2
    context.close()


def test_on_paper_it_is_dark_on_light(browser: Any, page: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.emulate_media(media="print")

    colours = tab.evaluate("[getComputedStyle(document.body).color, "
                           "getComputedStyle(document.body).backgroundColor]")  # fmt: skip

    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    context.close()


def test_without_a_failure_it_says_what_to_do(tmp_path: Path) -> None:
    log = write_log(tmp_path / "calm.log", hours=3, red="INFO")
    out = tmp_path / "report.html"

    assert main(["backtest", str(log), "--tick", "1m", "--html", str(out)]) == 0

    assert "No failure was found, so there was nothing to foretell." in out.read_text()


def test_a_report_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "shop.log", hours=1)

    assert main(["backtest", str(log), "--tick", "1m", "--html", str(tmp_path / "no/r.html")]) == 1

    error = capsys.readouterr().err
    assert "r.html: cannot be written" in error
    assert error.count("\n") == 1
