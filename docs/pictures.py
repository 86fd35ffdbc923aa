"""Draws the pictures in docs/pictures: python docs/pictures.py

The simulated application's log goes through the real pipeline, up to the moment after an alarm;
then a browser (Debian's chromium, by playwright) looks at the real status page.
"""

from pathlib import Path

from playwright.sync_api import sync_playwright
from prometheus_client import CollectorRegistry

from rnnd.config.schema import AppSettings
from rnnd.daemon.history import History
from rnnd.daemon.http import HttpServer
from rnnd.daemon.page import Pages
from rnnd.daemon.pipeline import AppPipeline
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.daemon.tally import AppStatus, ServiceStatus, Tally

PICTURES = Path(__file__).parent / "pictures"
DAYS = 3
APP = AppSettings(
    name="checkout", logs=("/var/log/app/checkout.log",), tick=30.0, alarm_budget=2 / 86400
)
SHAPES = {
    "page-light": ("light", 1000, 900),
    "page-dark": ("dark", 1000, 900),
    "page-phone": ("light", 400, 800),
}


def watched() -> AppStatus:
    """Return the status at the newest true alarm of the last day, while it is still open."""
    simulator = Simulator(2, days=DAYS)
    pipeline = AppPipeline(APP)
    history = History(APP, pipeline.codec.templates.text)
    tally = Tally()
    shown = None
    for stretch in simulator.stretches():
        pipeline.feed("log", stretch.data, 0.0)
        tally.lines += stretch.data.count(b"\n")
        tally.bytes += len(stretch.data)
        for prediction in pipeline.close(pipeline.tick_of("log") or 0):
            history.note(prediction)
            tally.note(prediction, APP.tick)
            if prediction.outcomes.alarms:
                skill = (score.skill for score in pipeline.scoreboard.brier)
                shown = AppStatus(
                    name=APP.name,
                    logs=APP.logs,
                    health=prediction.health,
                    observed=prediction.observed,
                    probabilities=prediction.probabilities,
                    brier_skill=dict(zip(APP.horizons, skill, strict=True)),
                    surprise=prediction.surprise,
                    predicted_at=prediction.time,
                    templates=prediction.tick.templates,
                    files=1,
                    recent=history.recent(),
                    tally=Tally.of(tally.state()),
                )
    assert shown is not None, "no alarm was raised"
    return shown


def main() -> None:
    """Draw all pictures."""
    status = ServiceStatus(apps=(watched(),), started_at=Simulator(2, DAYS).start, ready=True)
    server = HttpServer("127.0.0.1", 0, Pages(lambda: status, CollectorRegistry(), lambda: None))
    server.start()
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (scheme, width, height) in SHAPES.items():
            context = browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": height}
            )
            page = context.new_page()
            page.goto(server.url)
            page.screenshot(path=PICTURES / f"{name}.png")
            context.close()
        browser.close()
    server.stop()


if __name__ == "__main__":
    main()
