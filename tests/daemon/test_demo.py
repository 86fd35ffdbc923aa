"""The demo: the daemon itself on a simulated application, seen on a terminal and in a pipe."""

import io
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rnnd.codecs.health import Health
from rnnd.codecs.tick import Tick
from rnnd.config.schema import AppSettings
from rnnd.daemon.demo import Chronicle, Demo, Happening, Record, Script, SimulatedClock
from rnnd.daemon.live import LiveView, PlainView, describe, live_display, picture
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.scoring import Outcomes
from rnnd.daemon.simulator.simulator import START

TICK = 10.0


def prediction(
    time: float,
    *,
    red: float = 0.125,
    health: Health = Health.GREEN,
    onset: bool = False,
    outcomes: Outcomes | None = None,
) -> Prediction:
    tick = Tick(
        number=int(time // TICK) - 1, vector=np.zeros(1, np.float32), observed=Health.GREEN,
        lines=1, bytes=1, unparsed=0, late=0, dropped=0, new_templates=0, templates=1, counts={},
        examples=(),
    )  # fmt: skip
    return Prediction(
        time=time, app="shop", probabilities={600.0: (1 - red, 0.0, red)},
        healths={600.0: health}, observed=Health.GREEN, onset=onset, surprise=0.5,
        outcomes=outcomes or Outcomes(failure=onset), tick=tick,
    )  # fmt: skip


class EagerPipeline:
    """Foretells every failure: it raises one alarm and never withdraws it."""

    def __init__(self, _: AppSettings) -> None:
        self.next_tick: int | None = None
        self.newest: int | None = None
        self.critical: list[int] = []

    def feed(self, source: str, data: bytes, arrival: float) -> None:
        for line in data.splitlines():
            if line[:2] == b"20":
                tick = int(datetime.fromisoformat(line[:24].decode()).timestamp() // TICK)
                self.newest = tick
                self.next_tick = tick if self.next_tick is None else self.next_tick
                if b" CRITICAL " in line:
                    self.critical.append(tick)

    def tick_of(self, source: str) -> int | None:
        return self.newest

    def close(self, before: int) -> list[Prediction]:
        predictions = []
        while self.next_tick is not None and self.next_tick < before:
            onset = self.next_tick in self.critical
            onset &= not any(self.next_tick - 60 < one < self.next_tick for one in self.critical)
            outcomes = Outcomes(true=int(onset), failure=onset, lead=12 if onset else None)
            self.next_tick += 1
            predictions.append(
                prediction(self.next_tick * TICK, red=0.9, onset=onset, outcomes=outcomes)
            )
        return predictions

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


class Ending(PlainView):
    """A plain view that looks at the metrics and ends the demo after so many failures."""

    def __init__(self, out: io.StringIO, failures: int) -> None:
        super().__init__(out)
        self.left = failures
        self.demo: Demo | None = None
        self.url = ""
        self.metrics = ""

    def say(self, text: str) -> None:
        super().say(text)
        if "metrics on" in text:
            self.url = text.split()[2].rstrip(",")

    def happened(self, happening: Happening) -> None:
        super().happened(happening)
        self.left -= happening.what == "failure"
        if self.left == 0:
            assert self.demo is not None
            with urllib.request.urlopen(self.url) as answer:
                self.metrics = answer.read().decode()
            self.demo.stop()


@pytest.fixture(scope="module")
def script() -> Script:
    return Script.of(seed=1, history_days=1, start=START)


def play(script: Script, folder: Path, failures: int) -> tuple[Demo, Ending, str]:
    out = io.StringIO()
    view = Ending(out, failures)
    view.demo = Demo(script, folder, 20000.0, ("127.0.0.1", 0), view, EagerPipeline)
    view.demo.run(None)
    return view.demo, view, out.getvalue()


def test_the_demo_shows_the_failures_that_the_simulator_means(
    script: Script, tmp_path: Path
) -> None:
    demo, _, said = play(script, tmp_path, failures=3)

    failures = script.simulator.failures
    before = [failure for failure in failures if failure.start < script.live_from]
    coming = [failure.kind for failure in failures if failure.start >= script.live_from]
    told = [line for line in said.splitlines() if "FAILURE" in line]
    assert demo.chronicle.learning.failures == len(before)
    assert [line.split("(")[1].split(")")[0] for line in told][:3] == coming[:3]
    assert all("foretold 2m ahead" in line for line in told)


def test_metrics_are_served_meanwhile(script: Script, tmp_path: Path) -> None:
    _, view, _ = play(script, tmp_path, failures=1)

    assert (
        'rnnd_health_probability_ratio{app="shop",health="red",horizon="10m"} 0.9' in view.metrics
    )
    assert 'rnnd_failures_total{app="shop",predicted="yes"}' in view.metrics


def test_the_demo_ends_by_itself(script: Script, tmp_path: Path) -> None:
    out = io.StringIO()

    Demo(script, tmp_path, 100.0, ("127.0.0.1", 0), PlainView(out), EagerPipeline).run(0.2)

    assert "live from here, 100 times faster than real" in out.getvalue()


def test_a_port_in_use_is_told_and_another_one_taken(script: Script, tmp_path: Path) -> None:
    out = io.StringIO()
    first = Demo(script, tmp_path, 100.0, ("127.0.0.1", 0), PlainView(out), EagerPipeline)
    server = first._server()

    try:
        view = PlainView(out)
        Demo(script, tmp_path, 1.0, server.address, view, EagerPipeline).run(0.1)
    finally:
        server.stop()

    assert f"127.0.0.1:{server.address[1]} cannot be had" in out.getvalue()
    assert "taking port" in out.getvalue()


def test_the_live_part_begins_before_an_announced_failure(script: Script) -> None:
    first = next(f for f in script.simulator.failures if f.start >= script.live_from)

    assert script.live_from >= START + 86400
    assert script.live_from % 60 == 0
    assert first.start - script.live_from < 1600


def test_the_clock_tells_the_time_that_was_set() -> None:
    clock = SimulatedClock(5.0)

    clock.set(7.0)

    assert clock.now() == 7.0


def test_the_chronicle_keeps_what_was_learnt_and_what_was_seen_live_apart() -> None:
    chronicle = Chronicle(lambda time: "heap", TICK, live_from=100.0)

    chronicle.note(prediction(50.0, onset=True))
    chronicle.note(prediction(60.0, outcomes=Outcomes(false=1)))
    happened = chronicle.note(
        prediction(150.0, onset=True, outcomes=Outcomes(true=1, failure=True, lead=3))
    )

    assert chronicle.learning == Record(failures=1, foretold=0, false_alarms=1)
    assert chronicle.live == Record(failures=1, foretold=1, false_alarms=0)
    assert happened == [Happening(150.0, "failure", kind="heap", lead=30.0)]


@pytest.mark.parametrize(
    ("happening", "words"),
    [
        (Happening(0.0, "alarm", risk=0.814), "ALARM: a failure within the horizon, 81% probable"),
        (Happening(0.0, "false alarm"), "an alarm came to nothing"),
        (Happening(0.0, "failure", kind="disk"), "FAILURE (disk), not foretold"),
        (Happening(0.0, "failure", kind="disk", lead=0.0), "FAILURE (disk), foretold in the last"),
    ],
)
def test_what_happened_is_told_in_words(happening: Happening, words: str) -> None:
    assert describe(happening).startswith(words)


def test_in_a_pipe_six_hours_learnt_and_every_hour_live_have_a_line() -> None:
    out = io.StringIO()
    view = PlainView(out)
    chronicle = Chronicle(lambda time: "heap", TICK, live_from=START + 86400 + 3600)

    for time in np.arange(START + 60, START + 86400 + 3 * 3600, 60.0):
        chronicle.note(prediction(float(time)))
        view.show(chronicle)

    record = "green now; 0 of 0 failures foretold, 0 false alarms"
    assert out.getvalue().splitlines() == [
        f"Mon 06:00:00  learning, {record}",
        f"Mon 12:00:00  learning, {record}",
        f"Mon 18:00:00  learning, {record}",
        f"Tue 00:00:00  learning, {record}",
        "Tue 01:01:00  green for the next 10m; a failure within 10m 12.5%",
        "Tue 02:00:00  green for the next 10m; a failure within 10m 12.5%",
    ]


def test_the_picture_shows_state_chances_failures_and_the_record() -> None:
    chronicle = Chronicle(lambda time: "heap", TICK, live_from=START)
    for step in range(1, 40):
        chronicle.note(prediction(START + step * TICK, red=step / 50))
    found = Outcomes(true=1, failure=True, lead=30)
    chronicle.note(prediction(START + 400, red=0.9, health=Health.RED, onset=True, outcomes=found))
    console = Console(file=io.StringIO(), width=90, force_terminal=True, color_system=None)

    console.print(picture(chronicle, 90))

    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "RED" in drawn
    assert "within 10m" in drawn
    assert "90.0% red" in drawn
    assert drawn.count("▲") == 2  # in the legend, and under the curve
    assert "FAILURE (heap), foretold 5m ahead" in drawn
    assert "live      1 of 1 failures foretold, 0 false alarms" in drawn
    assert max(map(len, drawn.splitlines())) <= 90


def test_the_live_view_draws_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    chronicle = Chronicle(lambda time: "heap", TICK, live_from=START)
    chronicle.note(prediction(START + TICK))

    with live_display(console) as live:
        LiveView(live).show(chronicle)

    assert isinstance(console.file, io.StringIO)
    assert "GREEN" in console.file.getvalue()
