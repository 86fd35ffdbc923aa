"""The status page in a real browser: each state, hostile text, and a daemon that goes away."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from rnnd.codecs.health import Health
from rnnd.daemon.history import Alarm, Line, Recent, Stretch
from rnnd.daemon.prediction.evidence import Evidence
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.serving.http import HttpServer, Request
from rnnd.daemon.serving.metrics import StatusCollector
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.serving.render import POLICY, render
from rnnd.daemon.tally import AppStatus, ServiceStatus, Tally

BEGIN = 1772323200.0
HOSTILE = '<img src=x onerror="document.title=1">\x1b[31m\u202e"}\n\t\0&amp;'


def app(health: Health, **more: Any) -> AppStatus:
    known = {
        "logs": ("/var/log/web.log",),
        "probabilities": {600.0: (0.1, 0.1, 0.8), 60.0: (0.7, 0.1, 0.2)},
        "observed": Health.GREEN,
        "predicted_at": BEGIN + 600,
        "files": 1,
        "tally": Tally(failures_predicted=3),
    }
    return AppStatus(name=str(health), health=health, **(known | more))


STATES = {
    "starting": (),
    "reading": (app(Health.UNKNOWN, catching_up=True, lag_bytes=4096),),
    "no file": (app(Health.UNKNOWN, files=0),),
    "warming up": (app(Health.UNKNOWN, warming_up=True, failures_known=1),),
    "blind": (app(Health.UNKNOWN),),
    "green": (app(Health.GREEN),),
    "orange": (app(Health.ORANGE),),
    "red": (app(Health.RED),),
    "failing": (app(Health.RED, observed=Health.RED),),
    "failing while warming up": (app(Health.RED, observed=Health.RED, warming_up=True),),
    "failed": (app(Health.GREEN, failed_at=BEGIN),),
    "far": (app(Health.GREEN, probabilities={600.0: (0.9, 0.1, 0.02), 3600.0: (0.4, 0, 0.6)}),),
    "threshold": (app(Health.RED, threshold=0.25),),
}
SAID = {
    "starting": "Reading the configured logs",
    "reading": "4,096 bytes to go",
    "no file": "rnnd waits for one",
    "warming up": "Warming up: 1 failure seen",
    "blind": "Blind",
    "green": "● green",
    "orange": "▲ orange",
    "red": "A failure within 10m is 80.0 % probable.",
    "failing": "It is failing now.",
    "failing while warming up": "■ red",
    "failed": "It failed 2026-03-01 00:00:00 UTC, not long ago.",
    "far": "Within 1h, farther ahead than the colour looks, 60.0 %.",
    "threshold": "80.0 % probable (red from 25.0 %).",
}


def status(*apps: AppStatus) -> ServiceStatus:
    return ServiceStatus(apps=apps, started_at=BEGIN)


def past() -> Recent:
    stretches = tuple(
        Stretch(BEGIN + 60 * n, Health.RED if n == 5 else Health.GREEN, Health.GREEN, 0.1, 0, 0)
        for n in range(10)
    )
    evidence = (Evidence("new", "disk <*> full", 3.0, 0.0),)
    alarms = (Alarm(BEGIN + 300, 0.8, "open", None, evidence), Alarm(BEGIN, 0.7, "true", 90.0, ()))
    return Recent(60.0, stretches, alarms, (Line(BEGIN, Health.RED, "boom"),), evidence)


def hostile() -> AppStatus:
    evidence = (Evidence("new", HOSTILE, 3.0, 0.0),)
    recent = replace(
        past(),
        alarms=(Alarm(BEGIN, 0.8, "open", None, evidence, (Reason("number", 2.0, "", HOSTILE),)),),
        lines=(Line(BEGIN, Health.RED, HOSTILE),),
        evidence=evidence,
    )
    reasons = (Reason("more", 3.0, HOSTILE, HOSTILE), Reason("fewer", 2.0, HOSTILE))
    more: dict[str, Any] = {"recent": recent, "reasons": reasons, "rule": HOSTILE}
    return app(Health.RED, complaints={HOSTILE: HOSTILE}, logs=(HOSTILE,), **more)


Serve = Callable[[ServiceStatus], HttpServer]


@pytest.fixture
def shown() -> list[ServiceStatus]:
    """The newest status; what a test puts here is what the page shows next."""
    return [status()]


@pytest.fixture
def server(shown: list[ServiceStatus]) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: shown[-1]))
    server = HttpServer("127.0.0.1", 0, Pages(lambda: shown[-1], registry, lambda: None))
    server.start()
    yield server
    with suppress(OSError):
        server.stop()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


@pytest.mark.parametrize("name", STATES)
def test_every_state_is_said_in_words(
    page: Any, server: HttpServer, shown: list[ServiceStatus], name: str
) -> None:
    shown.append(status(*STATES[name]))

    page.goto(server.url)

    assert SAID[name] in page.inner_text("main")
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_the_page_fits_the_window_and_its_texts_stand_out_from_their_ground(
    browser: Any, server: HttpServer, shown: list[ServiceStatus], scheme: str, width: int
) -> None:
    shown.append(status(*(replace(app(one), recent=past()) for one in Health)))
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()

    page.goto(server.url)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("main p", ".badge.red", ".badge.orange", ".badge.green", ".soft", "code"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, (scheme, selector)
    context.close()


CONTRAST = """selector => {
  const light = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(one => {
      const c = one / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const one = document.querySelector(selector);
  let ground = one;
  while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") {
    ground = ground.parentElement;
  }
  const [a, b] = [getComputedStyle(one).color, getComputedStyle(ground).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_the_page_follows_the_daemon_and_keeps_open_what_is_open(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(replace(app(Health.GREEN), name="web")))
    page.goto(server.url)
    page.click("summary")

    shown.append(status(replace(app(Health.RED), name="web")))
    page.wait_for_selector(".badge.red", timeout=20_000)

    assert page.evaluate("document.querySelector('details').open")
    assert page.evaluate("document.activeElement.id") == "toggle-web"
    assert page.title().startswith("■ 1 red")


def test_the_page_says_when_the_daemon_is_gone(page: Any, server: HttpServer) -> None:
    page.goto(server.url)

    server.stop()

    page.wait_for_selector("#lost", state="visible", timeout=20_000)


def test_what_is_being_selected_stays_as_it_is(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(replace(app(Health.GREEN), name="web")))
    page.goto(server.url)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h2'))")

    shown.append(status(replace(app(Health.RED), name="web")))
    page.evaluate("renew()")
    assert page.inner_text(".badge") == "● green"
    page.evaluate("getSelection().removeAllRanges()")
    page.wait_for_selector(".badge.red", timeout=20_000)

    assert page.evaluate("document.querySelector('section').className") == "app red"


def test_an_app_that_did_not_change_is_left_alone(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    calm = replace(app(Health.GREEN), name="calm")
    shown.append(status(calm, replace(app(Health.RED), name="web")))
    page.goto(server.url)
    page.evaluate("document.getElementById('app-calm').mine = true")

    worse = replace(app(Health.RED), name="web", observed=Health.RED)
    shown.append(status(calm, worse))
    page.wait_for_selector("text=It is failing now", timeout=20_000)

    assert page.evaluate("document.getElementById('app-calm').mine")


def test_the_page_can_be_used_with_the_keyboard_alone(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(replace(app(Health.RED), name="web", recent=past())))
    page.goto(server.url)

    seen = []
    for _ in range(3):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText.split('\\n')[0]"))
    page.keyboard.press("Enter")

    assert seen[0] == "Skip to the applications"
    assert seen[2].startswith("What stands out")
    assert page.evaluate("document.querySelector('details').open")


def test_nothing_comes_from_outside(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shown.append(status(hostile()))

    page.goto(server.url)

    assert {url for url in asked if not url.startswith(("data:", server.url))} == set()


def test_hostile_text_is_shown_and_does_nothing(
    page: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(hostile()))

    page.goto(server.url)

    assert page.title().startswith("■ 1 red")
    assert page.evaluate("document.images.length") == 0
    assert '<img src=x onerror="document.title=1">\\x1b[31m\\u202e' in page.content().replace(
        "&lt;", "<"
    ).replace("&gt;", ">")
    assert page.complaints == []


def test_hostile_text_does_not_widen_the_page_on_a_phone(
    browser: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(hostile()))
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()

    page.goto(server.url)
    page.click("summary")

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


def test_a_screen_reader_is_told_of_the_same_table_on_a_phone_and_on_a_desk(
    browser: Any, server: HttpServer, shown: list[ServiceStatus]
) -> None:
    shown.append(status(replace(app(Health.RED), recent=past())))
    told = []
    for width in (320, 1200):
        context = browser.new_context(viewport={"width": width, "height": 640})
        page = context.new_page()
        page.goto(server.url)
        assert page.get_by_role("row").count() == 3
        assert page.get_by_role("listitem").filter(has_text="within 10m 80.0 %").count() == 1
        told.append(page.get_by_role("cell").all_inner_texts())
        context.close()

    assert told[0] == told[1]


def test_the_policy_stops_even_markup_that_got_past_the_escaping(browser: Any) -> None:
    def careless(_: Request) -> Any:
        answer = Pages(lambda: status(), CollectorRegistry(), lambda: None)(Request("GET", "/", {}))
        body = answer.body.replace(b"<main", b"<script>document.title='had'</script><main")
        return replace(answer, body=body)

    server = HttpServer("127.0.0.1", 0, careless)
    server.start()
    page = browser.new_page()
    page.goto(server.url)
    title = page.title()
    page.close()
    server.stop()

    assert title != "had"


def test_the_policy_allows_nothing_from_elsewhere() -> None:
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_the_runbooks_are_a_page_that_needs_nothing_from_outside(
    page: Any, server: HttpServer
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{server.url}/")
    page.click("text=runbooks")
    page.click("text=RnndDown")

    assert page.evaluate("document.querySelector(':target').innerText") == "RnndDown"
    assert page.evaluate("getComputedStyle(document.body).maxWidth") == "800px", (
        "its style is in force"
    )
    assert {url for url in asked if not url.startswith(("data:", server.url))} == set()
    assert page.complaints == []


def test_hostile_text_changes_no_metric(shown: list[ServiceStatus]) -> None:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: shown[-1]))
    shown.append(status(hostile()))
    answer = Pages(lambda: shown[-1], registry, lambda: None)(Request("GET", "/metrics", {}))

    families = list(text_string_to_metric_families(answer.body.decode()))

    values = {value for f in families for sample in f.samples for value in sample.labels.values()}
    assert not any("img" in value or "\x1b" in value for value in values)


def test_a_page_of_many_apps_has_no_id_twice() -> None:
    apps = (replace(app(Health.GREEN), name=f"app-{n}") for n in range(50))

    ids = re.findall(r' id="([^"]+)"', render(status(*apps)))

    assert len(ids) == len(set(ids))
