"""The demo: a simulated application writes its log, and the daemon itself watches it, only faster.

Nothing of the daemon is imitated: `Service` tails a real file in a temporary directory, with its
tailer, codec, network and state file. Only the clock is ours. It shows the time up to which the
application has written, so that a tick is over when all of its lines are there, however fast time
runs. Main thread: the application, the clock and the view. The worker's thread: the service.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry

from rnnd.codecs.health import Health
from rnnd.config.schema import AppSettings, Settings
from rnnd.daemon.app import Pipeline
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.service import Service
from rnnd.daemon.serving.http import HttpServer
from rnnd.daemon.serving.metrics import StatusCollector
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.simulator.files import GrowingLog, write_log
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.errors import RnndError

APP = "shop"
FREQUENCY = 4.0  # of episodes, beside the usual: who looks on does not have a day
BUDGET = 8 / 86400  # false alarms a second: half as many as there are failures then
STEP = 0.1  # s of real time between two looks at the clock
LEAD_IN = 1500.0  # s of log before the first announced failure, where the live part begins
BEHIND = 1200.0  # s of log that the daemon may be behind before the application waits for it
LIVE_DAYS = 90  # simulated; afterwards the application is out of story
SHOWN_TICKS = 1080  # three hours, of which a view shows as much as it has room for
SHOWN_FAILURES = 8


class SimulatedClock:
    """A clock whose time is set; it waits as the machine does."""

    def __init__(self, now: float) -> None:
        self._now = now

    def set(self, now: float) -> None:
        """Let it be *now*, in epoch seconds."""
        self._now = now

    def now(self) -> float:
        """Return the time that was set last."""
        return self._now

    def monotonic(self) -> float:
        """Return the machine's seconds."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for *event*, at most for the machine's *seconds*; return whether it is set."""
        return event.wait(seconds)


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick, as a view draws it."""

    risk: float  # P(red within the alarm's horizon)
    health: Health
    failure: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a line; *lead* is in seconds, None where a failure was not foretold."""

    time: float
    what: Literal["alarm", "false alarm", "failure"]
    risk: float = 0.0
    kind: str = ""
    lead: float | None = None


@dataclass(slots=True)
class Record:
    """What became of the predictions of some stretch of time."""

    failures: int = 0
    foretold: int = 0
    false_alarms: int = 0

    def note(self, happening: Happening) -> None:
        """Count *happening*."""
        self.failures += happening.what == "failure"
        self.foretold += happening.what == "failure" and happening.lead is not None
        self.false_alarms += happening.what == "false alarm"


@dataclass(slots=True)
class Chronicle:
    """All that a view shows: the newest prediction, the last hours, and the record."""

    kind_of: Callable[[float], str]  # of the true failure at a time
    tick: float
    live_from: float
    latest: Prediction | None = None
    moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=SHOWN_TICKS))
    failures: deque[Happening] = field(default_factory=lambda: deque(maxlen=SHOWN_FAILURES))
    learning: Record = field(default_factory=Record)
    live: Record = field(default_factory=Record)

    def note(self, prediction: Prediction) -> list[Happening]:
        """Take note of a tick and return what happened in it."""
        self.latest = prediction
        _, _, risk = next(iter(prediction.probabilities.values()))
        self.moments.append(Moment(risk, prediction.health, prediction.onset))
        happenings = self._happenings(prediction, risk)
        for happening in happenings:
            (self.live if prediction.time > self.live_from else self.learning).note(happening)
            if happening.what == "failure":
                self.failures.append(happening)
        return happenings

    def _happenings(self, prediction: Prediction, risk: float) -> list[Happening]:
        outcomes, now = prediction.outcomes, prediction.time
        happenings = [Happening(now, "false alarm")] * outcomes.false
        if prediction.onset:
            lead = None if outcomes.lead is None else outcomes.lead * self.tick
            kind = self.kind_of(now - self.tick / 2)
            happenings.append(Happening(now, "failure", kind=kind, lead=lead))
        happenings += [Happening(now, "alarm", risk=risk)] * outcomes.alarms
        return happenings


class View(Protocol):
    """Where the demo is seen: a terminal or a pipe."""

    def say(self, text: str) -> None:
        """Show a line of text."""
        ...

    def happened(self, happening: Happening) -> None:
        """Show what happened while live."""
        ...

    def show(self, chronicle: Chronicle) -> None:
        """Show how things stand; called several times a second."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: how much history there is, and when the live part begins."""

    simulator: Simulator
    history_days: int
    live_from: float  # epoch seconds, at the full hour plus whole ticks

    @classmethod
    def of(cls, seed: int, history_days: int, start: float) -> "Script":
        """Return the script of *seed*; live begins a little before an announced failure."""
        simulator = Simulator(seed, history_days + LIVE_DAYS, start, FREQUENCY)
        earliest = start + history_days * 86400.0
        announced = (
            failure.start - LEAD_IN
            for failure in simulator.failures
            if failure.kind != "sudden" and failure.start - LEAD_IN >= earliest
        )
        return cls(simulator, history_days, next(announced, earliest) // 60 * 60)

    def kind_of(self, time: float) -> str:
        """Return the kind of the true failure that begins nearest to *time*."""
        failures = self.simulator.failures
        return min(failures, key=lambda failure: abs(failure.start - time)).kind


class Demo:
    """Plays a *script* in *directory* at *speed*, until `stop`, and tells *view*."""

    def __init__(
        self,
        script: Script,
        directory: Path,
        speed: float,
        listen: tuple[str, int],
        view: View,
        make_pipeline: Callable[[AppSettings], Pipeline] = AppPipeline,
    ) -> None:
        self._script = script
        self._speed = speed
        self._view = view
        self._path = directory / f"{APP}.log"
        self._settings = AppSettings(name=APP, logs=(str(self._path),), alarm_budget=BUDGET)
        self._clock = SimulatedClock(script.live_from)
        self._predictions: SimpleQueue[Prediction] = SimpleQueue()
        self._service = Service(
            Settings(apps=(self._settings,), state=str(directory / "state")),
            clock=self._clock,
            grace=0.0,
            make_pipeline=make_pipeline,
            listeners=[self._predictions.put],
        )
        self._listen = listen
        self._stopping = False
        self.chronicle = Chronicle(script.kind_of, self._settings.tick, script.live_from)

    def stop(self) -> None:
        """Let `run` end soon; may be called by a signal handler.

        An event would not do: the handler may come while the main thread holds the event's lock.
        """
        self._stopping = True

    def _pause(self) -> bool:
        """Wait a step; return whether to go on."""
        time.sleep(STEP)
        return not self._stopping

    def run(self, seconds: float | None) -> None:
        """Write the history, let the daemon learn it, go live; end after *seconds* of that."""
        with ExitStack() as stack:
            server = self._server()
            stack.callback(server.stop)
            server.start()
            self._view.say(f"metrics on {server.url}/metrics, status page on {server.url}/")
            growing = stack.enter_context(self._write_history())
            worker = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="rnnd"))
            stack.callback(self._service.stop)
            working = worker.submit(self._service.run)
            self._view.say(
                f"rnnd learns from {self._script.history_days} days of history, "
                "as it would from the logs you have"
            )
            while not working.done() and self._pause():
                self._look()
                if self._service.status().ready:
                    break
            else:
                if working.done():
                    working.result()
                return
            self._view.say(f"live from here, {self._speed:g} times faster than real")
            self._play(growing, seconds, working.done)
            self._service.stop()
            working.result()
            self._look()

    def _server(self) -> HttpServer:
        registry = CollectorRegistry()
        registry.register(StatusCollector(self._service.status))
        pages = Pages(self._service.status, registry, lambda: None)
        host, port = self._listen
        try:
            return HttpServer(host, port, pages)
        except RnndError as error:
            server = HttpServer(host, 0, pages)
            self._view.say(f"{error}: taking port {server.address[1]} instead")
            return server

    def _write_history(self) -> GrowingLog:
        """Write what was logged before the live part, and return the log that goes on."""
        simulator, live_from = self._script.simulator, self._script.live_from
        hours = int((live_from - simulator.start) // 3600)
        self._view.say(f"a simulated application writes {self._path}")
        write_log(simulator, self._path, range(hours), lambda hour: None)
        growing = GrowingLog(simulator, self._path, simulator.start + hours * 3600.0)
        growing.write_until(live_from)
        return growing

    def _play(self, growing: GrowingLog, seconds: float | None, over: Callable[[], bool]) -> None:
        began = last = time.monotonic()
        now = self._script.live_from
        end = self._script.simulator.start + self._script.simulator.seconds
        while self._pause() and not over() and now < end:
            moment = time.monotonic()
            if seconds is not None and moment - began >= seconds:
                return
            if self._behind(now) < BEHIND:
                now += (moment - last) * self._speed
                growing.write_until(now)
                self._clock.set(now)
            last = moment
            self._look()

    def _behind(self, now: float) -> float:
        latest = self.chronicle.latest
        return now - latest.time if latest else 0.0

    def _look(self) -> None:
        """Take in what the worker has predicted, and show it."""
        with suppress(Empty):
            while True:
                prediction = self._predictions.get_nowait()
                for happening in self.chronicle.note(prediction):
                    if happening.time > self.chronicle.live_from:
                        self._view.happened(happening)
        self._view.show(self.chronicle)
