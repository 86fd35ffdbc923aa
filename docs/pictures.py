"""Draws the pictures in docs/pictures: make pictures

The simulated application's log goes through the real pipeline. What it predicted around an alarm is
drawn, and a browser (Debian's chromium, by playwright) looks at the real status page as it was then.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from prometheus_client import CollectorRegistry

from rnnd.config.schema import AppSettings
from rnnd.daemon.history import History
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.serving.http import HttpServer
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.daemon.tally import AppStatus, ServiceStatus, Tally

sys.path.insert(0, str(Path(__file__).parent))
from drawings import hours, road

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
HOURS = 8  # that are drawn


def watched() -> tuple[AppStatus, list[Prediction]]:
    """Return the status at the newest alarm, while it is open, and the predictions around it."""
    simulator = Simulator(2, days=DAYS)
    pipeline = AppPipeline(APP)
    history = History(APP, pipeline.codec.templates.text)
    tally = Tally()
    shown = None
    predictions: list[Prediction] = []
    for stretch in simulator.stretches():
        pipeline.feed("log", stretch.data, 0.0)
        tally.lines += stretch.data.count(b"\n")
        tally.bytes += len(stretch.data)
        for prediction in pipeline.close(pipeline.tick_of("log") or 0):
            history.note(prediction)
            predictions.append(prediction)
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
                    threshold=prediction.threshold,
                    failures_known=pipeline.scoreboard.alarm.failures,
                    reasons=prediction.reasons,
                    rule=pipeline.rule,
                    rule_reason=pipeline.rule_reason,
                    recent=history.recent(),
                    tally=Tally.of(tally.state()),
                )
    assert shown is not None, "no alarm was raised"
    assert shown.predicted_at is not None
    begin = shown.predicted_at - HOURS / 2 * 3600
    return shown, [one for one in predictions if begin <= one.time < begin + HOURS * 3600]


def main() -> None:
    """Draw all pictures."""
    app, predictions = watched()
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "road.svg").write_text(road(), encoding="utf-8")
    (PICTURES / "hours.svg").write_text(hours(predictions), encoding="utf-8")
    status = ServiceStatus(apps=(app,), started_at=Simulator(2, DAYS).start, ready=True)
    server = HttpServer("127.0.0.1", 0, Pages(lambda: status, CollectorRegistry(), lambda: None))
    server.start()
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
