"""The watcher wakes the reader; what it misses, the poll finds."""

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnd.daemon.tailing.watch import Watcher

PATIENCE = 20.0  # s


@pytest.fixture
def wake() -> threading.Event:
    return threading.Event()


@pytest.fixture
def watcher(wake: threading.Event) -> Iterator[Watcher]:
    watcher = Watcher(wake)
    watcher.start()
    yield watcher
    watcher.stop()


def test_a_line_wakes_the_reader(tmp_path: Path, watcher: Watcher, wake: threading.Event) -> None:
    watcher.watch([str(tmp_path / "*.log")])

    (tmp_path / "app.log").write_text("a line\n")

    assert wake.wait(PATIENCE)


def test_a_log_behind_a_link_wakes_the_reader(
    tmp_path: Path, watcher: Watcher, wake: threading.Event
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "logs").mkdir()
    link, log = tmp_path / "logs" / "app.log", tmp_path / "elsewhere" / "real.log"
    link.symlink_to(log)
    watcher.watch([str(link)])

    log.write_text("a line\n")

    assert wake.wait(PATIENCE)


def test_a_directory_made_again_is_watched_again(
    tmp_path: Path, watcher: Watcher, wake: threading.Event
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    patterns = [str(folder / "*.log")]
    watcher.watch(patterns)
    folder.rename(tmp_path / "old")  # so that the new one cannot have its inode
    folder.mkdir()
    watcher.watch(patterns)
    wake.clear()

    (folder / "app.log").write_text("a line\n")

    assert wake.wait(PATIENCE)


def test_what_watchdog_complains_about_is_not_shown(
    tmp_path: Path, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    watcher.watch([str(folder / "*.log")])
    shutil.rmtree(folder)

    logging.getLogger("watchdog.observers.inotify").error("an event after the end")

    assert not caplog.records
