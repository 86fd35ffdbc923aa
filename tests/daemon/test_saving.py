"""When apps are saved, and what of them."""

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnd.config.schema import AppSettings
from rnnd.daemon import files
from rnnd.daemon.app import App
from rnnd.daemon.saving import SILENT_EVERY, Saver
from rnnd.daemon.state import StateFile, decode
from tests.daemon.fake import FakePipeline


class Bench:
    """A saver, and apps with a log each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wake = threading.Event()
        self.saver = Saver(self.wake)
        self.apps: dict[str, App] = {}

    def open(self, name: str) -> None:
        settings = AppSettings(name=name, logs=(str(self.directory / f"{name}.log"),))
        file = StateFile(self.directory / f"{name}.rnnd")
        self.apps[name] = App(settings, FakePipeline(settings), file, grace=3.0)

    def write(self, name: str, text: str) -> None:
        with (self.directory / f"{name}.log").open("a") as log:
            log.write(text)
        while self.apps[name].turn(0.0, 0.0):
            pass

    def ask(self, now: float) -> list[str]:
        """Ask for all apps to be saved, and return which were, in their order."""
        self.saver.ask(self.apps, now)
        saved: list[str] = []
        while self.saver.busy:
            saved += [one.app for one in self.saver.turn(self.apps, now)]
        return saved

    def lines(self, name: str) -> int:
        return int(decode(self.apps[name].file.path.read_bytes())["tally"]["lines"])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for app in bench.apps.values():
        app.close()
    bench.saver.close()


def test_an_app_that_gets_nothing_new_is_saved_less_often(bench: Bench) -> None:
    bench.open("a")
    bench.write("a", "1 x\n")

    assert bench.ask(0.0) == ["a"]
    assert bench.ask(60.0) == []
    assert bench.ask(SILENT_EVERY - 1) == []
    assert bench.ask(SILENT_EVERY) == ["a"]


def test_an_app_that_got_a_line_is_saved_however_long_it_was_silent(bench: Bench) -> None:
    bench.open("a")
    bench.write("a", "1 x\n")
    bench.ask(0.0)
    bench.write("a", "2 x\n")

    assert bench.ask(1.0) == ["a"]
    assert bench.lines("a") == 2


def test_half_a_line_is_news_too(bench: Bench) -> None:
    bench.open("a")
    bench.write("a", "1 x\n")
    bench.ask(0.0)
    bench.write("a", "2 x")

    assert bench.ask(1.0) == ["a"]


def test_apps_are_saved_in_turns_and_those_that_wait_wake_the_worker(bench: Bench) -> None:
    for name in "abc":
        bench.open(name)

    saved = bench.ask(0.0)

    assert saved == ["a", "b", "c"]
    assert bench.wake.is_set()


def test_an_app_that_has_gone_is_not_saved_any_more(bench: Bench) -> None:
    for name in "ab":
        bench.open(name)
    bench.saver.ask(bench.apps, 0.0)
    bench.apps.pop("a").close()

    assert bench.ask(0.0) == ["b"]


def test_an_app_opened_anew_is_saved_though_its_predecessor_was(bench: Bench) -> None:
    bench.open("a")
    bench.write("a", "1 x\n")
    bench.ask(0.0)
    bench.apps.pop("a").close()
    bench.open("a")
    bench.write("a", "2 x\n")

    assert bench.ask(1.0) == ["a"]


def test_an_app_that_has_gone_is_not_held_in_memory(bench: Bench) -> None:
    for name in "ab":
        bench.open(name)
    bench.ask(0.0)
    app = weakref.ref(bench.apps["a"])

    bench.apps.pop("a").close()
    bench.ask(60.0)
    gc.collect()

    assert app() is None


def test_what_could_not_be_saved_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    bench.open("a")
    bench.write("a", "1 x\n")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        assert bench.ask(0.0) == ["a"]

    assert bench.ask(1.0) == ["a"]
    assert bench.lines("a") == 1


def test_saving_at_once_comes_after_what_is_being_written(bench: Bench) -> None:
    bench.open("a")
    bench.write("a", "1 x\n")
    bench.saver.ask(bench.apps, 0.0)
    bench.saver.turn(bench.apps, 0.0)
    bench.write("a", "2 x\n")

    saved = bench.saver.save(bench.apps["a"], 1.0)

    assert [one.app for one in saved] == ["a", "a"]
    assert bench.lines("a") == 2
