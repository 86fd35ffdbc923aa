"""The worker: what it does in its turns, with a pipeline that remembers what it was fed."""

import errno
import itertools
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from rnnd.codecs.health import Health
from rnnd.config.schema import AppSettings, Settings
from rnnd.daemon import files
from rnnd.daemon.app import App
from rnnd.daemon.notify import Notifier
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.service import Service
from rnnd.daemon.serving.metrics import StatusCollector
from rnnd.daemon.state import StateDirectory, StateFile, decode, encode
from rnnd.daemon.words import situation
from rnnd.errors import CheckpointError, RnndError
from tests.daemon.fake import FakePipeline

TICK = 10.0


class Clock:
    """A clock that stands still; each wait is a step of a second."""

    def __init__(self, now: float, on_wait: Callable[[], None] | None = None) -> None:
        self.time = now
        self.machine = 0.0
        self.on_wait = on_wait

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.machine

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.machine += seconds
        if self.on_wait:
            self.on_wait()
        return event.is_set()


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "app.log"
        app = AppSettings(name="app", logs=(str(self.log),))
        self.settings = Settings(apps=(app,), state=str(directory / "state"))
        self.pipelines: dict[str, FakePipeline] = {}
        self.clock = Clock(0.0)
        self.predictions: list[Prediction] = []

    def make(self, app: AppSettings) -> FakePipeline:
        self.pipelines[app.name] = FakePipeline(app)
        return self.pipelines[app.name]

    def app(self, *logs: str, state: str = "app.rnnd") -> App:
        settings = self.settings.apps[0]
        if logs:
            paths = tuple(str(self.directory / log) for log in logs)
            settings = msgspec.structs.replace(settings, logs=paths)
        return App(settings, self.make(settings), StateFile(self.directory / state), grace=3.0)

    def service(self, **options: Any) -> Service:
        return Service(
            self.settings,
            clock=self.clock,
            make_pipeline=self.make,
            listeners=[self.predictions.append],
            **options,
        )

    def run(self, turns: int, **options: Any) -> Service:
        """Run a service until it has waited *turns* times."""
        service = self.service(**options)
        left = turns

        def count() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                service.stop()

        self.clock.on_wait = count
        service.run()
        return service

    @property
    def fed(self) -> list[bytes]:
        return self.pipelines["app"].fed


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def settle(app: App, now: float) -> None:
    while app.turn(now, 0.0):
        pass


# Ticks


def test_a_tick_is_closed_a_grace_after_its_end_when_all_is_read(bench: Bench) -> None:
    bench.log.write_bytes(b"100 a\n")
    app = bench.app()

    settle(app, 101 * TICK + 2.9)
    assert bench.pipelines["app"].closed == []

    settle(app, 101 * TICK + 3.1)
    assert bench.pipelines["app"].closed == [100]


def test_silent_ticks_are_closed_as_time_passes(bench: Bench) -> None:
    bench.log.write_bytes(b"100 a\n")
    app = bench.app()

    settle(app, 105 * TICK + 3.1)

    assert bench.pipelines["app"].closed == [100, 101, 102, 103, 104]


def test_an_app_has_caught_up_once_all_that_was_read_is_predicted_from(bench: Bench) -> None:
    bench.log.write_bytes(b"0 a\n1000 b\n")
    app = bench.app()

    assert app.turn(1001 * TICK + 3.1, 0.0)
    status = app.status()
    assert status.lag_bytes == 0
    assert status.catching_up
    assert "All is read, and learnt from as far as 1970-01-01 01:" in situation(status)
    settle(app, 1001 * TICK + 3.1)

    assert bench.pipelines["app"].closed[-1] == 1000
    assert not app.status().catching_up


def test_observed_red_is_red_even_while_nothing_can_be_predicted(bench: Bench) -> None:
    class Warming(FakePipeline):
        warming_up = True

        def close(self, before: int) -> list[Prediction]:
            unknown = {600.0: Health.UNKNOWN}
            return [replace(one, healths=unknown) for one in super().close(before)]

    bench.log.write_text("1 red\n2 fine\n")
    settings = bench.settings.apps[0]
    app = App(settings, Warming(), StateFile(bench.directory / "app.rnnd"), grace=3.0)

    app.turn(20.0 + 3, 0.0)
    failing = app.status()
    app.turn(30.0 + 3, 0.0)

    assert failing.health is Health.RED
    assert app.status().health is Health.UNKNOWN


def test_a_log_ahead_of_our_clock_closes_its_own_ticks(bench: Bench) -> None:
    bench.log.write_bytes(b"100 a\n102 b\n")
    app = bench.app()

    settle(app, 50 * TICK)

    assert bench.pipelines["app"].closed == [100, 101]


def test_a_long_silence_is_closed_in_bounded_turns(bench: Bench) -> None:
    bench.log.write_bytes(b"0 a\n")
    app = bench.app()

    assert app.turn(100_000 * TICK, 0.0)
    assert len(bench.pipelines["app"].closed) < 1000

    settle(app, 100_000 * TICK)
    assert bench.pipelines["app"].closed == list(range(99_999))


def test_several_logs_are_merged_by_time(bench: Bench) -> None:
    one, two = bench.directory / "one.log", bench.directory / "two.log"
    one.write_bytes(b"".join(b"%d one\n" % tick for tick in range(0, 3000, 2)))
    two.write_bytes(b"".join(b"%d two\n" % tick for tick in range(1, 3000, 2)))
    app = bench.app("one.log", "two.log")
    app.tailer._chunk = 100

    settle(app, 5000 * TICK)

    ticks = [int(line.split()[0]) for line in bench.fed]
    assert sorted(ticks) == list(range(3000))
    assert all(tick >= before - 60 for before, tick in itertools.pairwise(ticks))


def test_what_it_takes_to_choose_the_next_file_does_not_grow_with_the_number_of_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1500):
        (bench.directory / f"{number}.log").write_bytes(b"1 x\n2 x\n")
    app = bench.app("*.log")
    asked = 0
    tick_of = bench.pipelines["app"].tick_of

    def counted(source: str) -> int | None:
        nonlocal asked
        asked += 1
        return tick_of(source)

    monkeypatch.setattr(bench.pipelines["app"], "tick_of", counted)
    settle(app, 0.0)

    assert len(bench.fed) == 3000
    assert asked < 5 * 1500


def test_many_files_share_a_bounded_number_of_readers(bench: Bench) -> None:
    for number in range(400):
        (bench.directory / f"{number}.log").write_bytes(b"1 x\n")
    app = bench.app("*.log")

    settle(app, 0.0)

    assert len(bench.fed) == 400
    assert len(bench.pipelines["app"].sources) == 256


def test_the_longer_a_look_takes_the_longer_is_the_pause_until_the_next(bench: Bench) -> None:
    pauses: dict[float, float] = {}
    for took in (0.0, 0.1, 10.0):
        waits: list[float] = []

        class Slow(Clock):
            def now(self) -> float:  # asked once by each app's turn
                self.machine += took  # noqa: B023
                return super().now()

            def wait(self, event: threading.Event, seconds: float) -> bool:
                waits.append(seconds)  # noqa: B023
                super().wait(event, seconds)
                return True

        bench.clock = Slow(0.0)
        bench.run(2)
        pauses[took] = waits[1]

    assert pauses == pytest.approx({0.0: 0.05, 0.1: 0.4, 10.0: 1.0})


# State


def test_a_saved_app_goes_on_where_it_was(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n2 b")
    app = bench.app()
    settle(app, 0.0)
    app.file.save(app.snapshot())
    app.close()
    bench.log.write_bytes(b"1 a\n2 b\n3 c\n")

    app = bench.app()
    app.load()
    settle(app, 0.0)

    assert bench.fed == [b"1 a", b"2 b", b"3 c"]
    assert app.tally.lines == 3
    app.close()


def test_the_service_saves_when_it_stops(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")
    bench.run(1)

    state = decode((bench.directory / "state" / "app.rnnd").read_bytes())

    assert state["tally"]["lines"] == 1


def test_the_service_saves_by_its_period(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")
    bench.settings = msgspec.structs.replace(bench.settings, checkpoint_every=10.0)
    bench.clock.time = 77.0

    service = bench.run(30)

    assert service.status().checkpoint_at == {"app": 77.0}
    assert (bench.directory / "state" / "app.rnnd.previous").exists()


def test_reading_goes_on_while_the_disk_is_slow(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.log.write_bytes(b"1 a\n")
    bench.settings = msgspec.structs.replace(bench.settings, checkpoint_every=1.0)
    service, quick, slow = bench.service(), threading.Event(), threading.Event()
    sync = os.fsync

    def wait(descriptor: int) -> None:
        slow.set()
        assert quick.wait(60)
        sync(descriptor)

    def turn() -> None:
        if slow.is_set() and not quick.is_set():
            with bench.log.open("ab") as log:
                log.write(b"2 b\n")
        if service.status().apps and service.status().apps[0].tally.lines > 5:
            quick.set()
            service.stop()

    monkeypatch.setattr(files.os, "fsync", wait)
    bench.clock.on_wait = turn
    service.run()

    assert service.status().apps[0].tally.lines > 5
    assert service.status().checkpoint_failures == 0


def test_a_full_disk_is_counted_and_the_daemon_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.log.write_bytes(b"1 a\n")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    service = bench.run(3)

    assert service.status().checkpoint_failures == 1
    assert service.status().apps[0].tally.lines == 1


def test_a_state_that_cannot_be_used_stops_the_start_and_is_left_alone(bench: Bench) -> None:
    place = bench.directory / "state"
    place.mkdir()
    (place / "app.rnnd").write_bytes(b"not a state")

    with pytest.raises(CheckpointError, match="move it away"):
        bench.run(1)

    assert (place / "app.rnnd").read_bytes() == b"not a state"


def test_a_state_that_lacks_what_this_version_needs_stops_the_start_and_is_left_alone(
    bench: Bench,
) -> None:
    bench.log.write_bytes(b"1 a\n")
    bench.run(1)
    path = bench.directory / "state" / "app.rnnd"
    state = decode(path.read_bytes())
    del state["pipeline"]["fed"]
    path.write_bytes(encode(state))
    before = path.read_bytes()

    with pytest.raises(CheckpointError, match=r"another version.*fed.*move it away"):
        bench.run(1)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"tick": 60.0}, "another tick;"),
        ({"horizon": 1200.0}, "another horizon;"),
        ({"more_horizons": (7200.0,)}, "another more_horizons;"),
        ({"order": True}, "another order;"),
    ],
)
def test_what_was_learnt_for_other_ticks_or_horizons_is_set_aside_and_learnt_anew(
    bench: Bench, caplog: pytest.LogCaptureFixture, changed: dict[str, Any], named: str
) -> None:
    bench.log.write_bytes(b"1 a\n")
    bench.run(1)
    before = (bench.directory / "state" / "app.rnnd").read_bytes()
    app = msgspec.structs.replace(bench.settings.apps[0], **changed)
    bench.settings = msgspec.structs.replace(bench.settings, apps=(app,))

    service = bench.run(1)

    assert named in caplog.text
    assert bench.fed == [b"1 a"]
    assert service.status().apps[0].tally.lines == 1
    assert (bench.directory / "state" / "app.rnnd.before").read_bytes() == before
    assert (bench.directory / "state" / "app.rnnd").exists()


def test_of_the_states_set_aside_the_newest_are_kept_and_the_one_that_learnt_the_most(
    bench: Bench,
) -> None:
    def change(tick: float, lines: int) -> None:
        bench.log.write_text("1 a\n" * lines)
        app = msgspec.structs.replace(bench.settings.apps[0], tick=tick)
        bench.settings = msgspec.structs.replace(bench.settings, apps=(app,))
        bench.run(2)

    for tick, lines in enumerate((1, 9, 2, 3, 4, 5), 1):
        change(float(tick), lines)

    files = (bench.directory / "state").glob("app.rnnd.before*")
    kept = [decode(path.read_bytes()) for path in files]
    assert sorted((one["shape"]["tick"], one["tally"]["lines"]) for one in kept) == [
        (2.0, 9), (4.0, 3), (5.0, 4),
    ]  # fmt: skip


def test_a_torn_state_is_counted_and_the_one_before_is_used(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")
    for _ in range(2):
        bench.run(1)
    (bench.directory / "state" / "app.rnnd").write_bytes(b"torn")

    service = bench.run(1)

    assert service.status().checkpoint_failures == 1
    assert service.status().apps[0].tally.lines == 1


def test_a_second_service_on_the_same_state_is_refused(bench: Bench) -> None:
    with (
        StateDirectory(bench.directory / "state"),
        pytest.raises(RnndError, match="in use by another"),
    ):
        bench.run(1)


# Telling


def test_the_service_is_ready_once_it_has_caught_up(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")

    service = bench.service()
    assert not service.status().ready

    assert bench.run(1).status().ready


def test_predictions_reach_metrics_and_listeners(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n2 red\n3 c\n")
    bench.clock.time = 3 * TICK + 3.1
    service = bench.run(2)
    registry = CollectorRegistry()
    registry.register(StatusCollector(service.status))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"app": "app", **labels})

    assert [prediction.time for prediction in bench.predictions] == [20.0, 30.0]
    assert value("rnnd_health", rnnd_health="red") == 1.0
    assert value("rnnd_health_observed", rnnd_health_observed="red") == 1.0
    assert value("rnnd_health_probability_ratio", horizon="10m", health="red") == 0.75
    assert value("rnnd_lines_total") == 3.0
    assert value("rnnd_last_prediction_timestamp_seconds") == 30.0


def test_the_service_manager_is_told(bench: Bench) -> None:
    path = bench.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        bench.log.write_bytes(b"1 a\n")
        bench.run(2, notifier=Notifier(str(path)))
        said = []
        while True:
            try:
                said.append(manager.recv(4096).decode().splitlines()[0])
            except BlockingIOError:
                break

    assert said[0] == "READY=1"
    assert "WATCHDOG=1" in said
    assert said[-1] == "STOPPING=1"


def test_a_manager_that_has_gone_disturbs_nobody(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nobody")).alive()
    Notifier("@nobody-listens-here").alive()
    Notifier(None).alive()


# Reloading


def test_a_reload_keeps_what_is_unchanged_and_opens_what_is_new(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")
    other = bench.directory / "other.log"
    other.write_bytes(b"5 x\n")
    app = bench.settings.apps[0]
    wanted = (app, AppSettings(name="other", logs=(str(other),)))
    service = bench.service()
    kept: list[FakePipeline] = []

    def turn() -> None:
        if not kept:
            kept.append(bench.pipelines["app"])
            service.reload(msgspec.structs.replace(bench.settings, apps=wanted))
        elif len(service.status().apps) == 2:
            service.stop()

    bench.clock.on_wait = turn
    service.run()

    assert bench.pipelines["app"] is kept[0]
    assert bench.pipelines["other"].fed == [b"5 x"]


def test_an_app_that_goes_is_saved_and_goes_on_when_it_comes_back(bench: Bench) -> None:
    bench.log.write_bytes(b"1 a\n")
    nobody = AppSettings(name="other", logs=(str(bench.directory / "nothing"),))
    service = bench.service()
    steps = iter(
        [
            lambda: service.reload(msgspec.structs.replace(bench.settings, apps=(nobody,))),
            lambda: service.reload(bench.settings),
            lambda: None,
            service.stop,
        ]
    )

    def turn() -> None:
        if not service._wake.is_set():
            next(steps)()

    bench.clock.on_wait = turn
    service.run()

    assert bench.fed == [b"1 a"]
    assert service.status().apps[0].tally.lines == 1


def reload_with_a_foreign_state(bench: Bench) -> Service:
    """Run a service that is told of an app more, whose state is no state; return it, stopped."""
    bench.log.write_bytes(b"1 a\n")
    place = bench.directory / "state"
    place.mkdir()
    (place / "other.rnnd").write_bytes(b"not a state")
    other = AppSettings(name="other", logs=(str(bench.directory / "other.log"),))
    wanted = msgspec.structs.replace(bench.settings, apps=(bench.settings.apps[0], other))
    service = bench.service()
    steps = iter([lambda: service.reload(wanted), lambda: None, service.stop])

    def turn() -> None:
        if not service._wake.is_set():
            next(steps)()

    bench.clock.on_wait = turn
    service.run()
    return service


def test_a_reload_leaves_out_an_app_whose_state_cannot_be_used_and_keeps_the_others(
    bench: Bench,
) -> None:
    service = reload_with_a_foreign_state(bench)

    assert [app.name for app in service.status().apps] == ["app"]
    assert not service.status().reload_success
    assert "move it away" in service.status().reload_error


def test_an_app_that_cannot_be_opened_at_a_reload_is_closed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, closed = [], []
    load, close = App.load, App.close

    def note_load(app: App) -> None:
        opened.append(app)
        load(app)

    def note_close(app: App) -> None:
        closed.append(app)
        close(app)

    monkeypatch.setattr(App, "load", note_load)
    monkeypatch.setattr(App, "close", note_close)
    reload_with_a_foreign_state(bench)

    assert [app.settings.name for app in opened] == ["app", "other"]
    assert {id(app) for app in closed} == {id(app) for app in opened}


def test_a_refused_configuration_is_told_and_changes_nothing(bench: Bench) -> None:
    service = bench.service()

    service.reload_failed("rnnd.yaml:1:1: wrong")

    assert not service.status().reload_success
    assert service.status().reload_error == "rnnd.yaml:1:1: wrong"
