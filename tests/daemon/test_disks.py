"""Disks that are full, read-only, failing or silent: the real daemon on real file systems.

Each file system is mounted in a mount namespace of its own, which goes with the test. Where the
kernel allows no such namespace, the tests are skipped and say so.
"""

import ctypes
import os
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Daemon
from tests.servers import wait_for

WAYS: tuple[tuple[str, ...], ...] = ((), ("--user", "--map-root-user"))  # as root, or as anybody
FILES = 2
WRITES = 20_000  # events; the kernel keeps 16,384 unless it is told otherwise
IN_MODIFY, IN_Q_OVERFLOW, IN_NONBLOCK = 0x2, 0x4000, 0o4000


def line(number: int) -> bytes:
    """Return a line of the future, so that the daemon's clock closes no tick."""
    return b"2090-01-01T00:%02d:%02dZ INFO line %d\n" % (*divmod(number % 3600, 60), number)


def append(log: Path, first: int, count: int) -> None:
    with log.open("ab") as file:
        file.writelines(line(number) for number in range(first, first + count))


class Disk:
    """A file system of *size* at *place*, seen only by what is run on it."""

    def __init__(self, way: tuple[str, ...], place: Path, size: str) -> None:
        place.mkdir()
        self.place = place
        script = 'mount -t tmpfs -o "size=$1" tmpfs "$0" && echo ready && exec cat'
        self.holder = subprocess.Popen(  # lives as long as its input
            ["unshare", *way, "--mount", "sh", "-c", script, place, size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.holder.stdout is not None
        self.mounted = self.holder.stdout.readline() == b"ready\n"
        user = ("--user", "--preserve-credentials") if way else ()
        self.enter = ("nsenter", f"--target={self.holder.pid}", "--mount", *user)

    def run(self, *command: str | Path) -> None:
        subprocess.run([*self.enter, *command], check=True)

    def forbid_writing(self) -> None:
        """Put a read-only view of the disk over it."""
        self.run("mount", "--bind", self.place, self.place)
        self.run("mount", "-o", "remount,bind,ro", self.place)

    def allow_writing(self) -> None:
        self.run("umount", self.place)

    def close(self) -> None:
        assert self.holder.stdin is not None
        assert self.holder.stdout is not None
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    for number, way in enumerate(WAYS):
        disk = Disk(way, tmp_path / f"disk{number}", getattr(request, "param", "64m"))
        if disk.mounted:
            yield disk
            disk.close()
            return
        disk.close()
    pytest.skip("the kernel allows no mount namespace here")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    append(path, 0, 10)
    return path


def start(disk: Disk, log: Path) -> Daemon:
    options = ("--state", disk.place, "--checkpoint-every", "1s")
    return Daemon(log, *options, before=disk.enter)


def metric(daemon: Daemon, name: str) -> float | None:
    match = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", daemon.get("/metrics"), re.M)
    return float(match[1]) if match else None


def wait_until_saved(daemon: Daemon, after: float = 0.0) -> float:
    def saved() -> float | None:
        at = metric(daemon, "rnnd_checkpoint_timestamp_seconds")
        return at if at is not None and at > after else None

    at = wait_for(saved)
    assert at is not None
    return at


@pytest.mark.parametrize("disk", ["32k"], indirect=True)
def test_on_a_full_disk_it_goes_on_says_so_and_saves_when_there_is_room(
    disk: Disk, log: Path
) -> None:
    with start(disk, log) as daemon:
        daemon.said("could not be saved .no space left on device.")
        append(log, 10, 10)
        daemon.wait_for_lines(20)
        assert wait_for(lambda: metric(daemon, "rnnd_checkpoint_failures_total"))

        disk.run("mount", "-o", "remount,size=64m", disk.place)
        wait_until_saved(daemon)
        daemon.kill()

    append(log, 20, 1)
    with start(disk, log) as daemon:
        daemon.said("goes on after 20 lines")
        daemon.wait_for_lines(21)
        assert metric(daemon, "rnnd_lines_total") == 21


@pytest.mark.parametrize("disk", ["32k"], indirect=True)
def test_on_a_full_disk_it_does_not_end_as_if_all_were_saved(disk: Disk, log: Path) -> None:
    with start(disk, log) as daemon:
        daemon.wait_for_lines(10)

        assert daemon.stop() == 1

        daemon.said("stopped, and not saved: app; what was read since")


def test_on_a_disk_that_turns_read_only_it_goes_on_and_saves_when_it_may(
    disk: Disk, log: Path
) -> None:
    with start(disk, log) as daemon:
        daemon.wait_for_lines(10)
        wait_until_saved(daemon)
        disk.forbid_writing()
        append(log, 10, 10)
        daemon.said("could not be saved .read-only file system.")
        at = wait_until_saved(daemon)  # before
        append(log, 20, 10)
        daemon.wait_for_lines(30)

        disk.allow_writing()
        wait_until_saved(daemon, after=at)
        daemon.kill()

    append(log, 30, 1)
    with start(disk, log) as daemon:
        daemon.said("goes on after 30 lines")
        daemon.wait_for_lines(31)
        assert metric(daemon, "rnnd_lines_total") == 31


def test_on_a_read_only_disk_it_does_not_start_and_says_why(disk: Disk, log: Path) -> None:
    disk.forbid_writing()

    with start(disk, log) as daemon:
        assert daemon.process.wait(60) == 1

        daemon.said(rf"state: {disk.place} cannot be used \(read-only file system\)")


def test_a_file_that_cannot_be_read_is_counted_and_the_others_are_read(
    tmp_path: Path, log: Path
) -> None:
    failing = Path("/sys/class/net/lo/duplex")  # the kernel knows none and says so at every read
    try:
        failing.read_bytes()
    except OSError:
        pass
    else:
        pytest.skip("no file here fails to be read")
    (tmp_path / "bad.log").symlink_to(failing)

    with Daemon(log, tmp_path / "bad.log", "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(10)
        daemon.said("bad.log: invalid argument; trying again")
        assert wait_for(lambda: metric(daemon, "rnnd_read_errors_total"))


def test_without_any_file_events_every_line_is_read(tmp_path: Path, log: Path) -> None:
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    before = ("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("the kernel allows no user namespace here")

    with Daemon(log, "--state", tmp_path / "state", before=before) as daemon:
        daemon.said("no file events .*; looking at files every second instead")
        daemon.wait_for_lines(10)
        append(log, 10, 10)
        daemon.wait_for_lines(20)


class Events:
    """A watch of a directory that nobody reads from until the end."""

    def __init__(self, directory: Path) -> None:
        self._c = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._c.inotify_init1(IN_NONBLOCK)
        assert self._c.inotify_add_watch(self.descriptor, bytes(directory), IN_MODIFY) > 0

    def overflowed(self) -> bool:
        """Read all events and return whether the kernel had to drop some."""
        found = False
        try:
            while data := os.read(self.descriptor, 1 << 20):
                place = 0
                while place < len(data):
                    _, mask, _, length = struct.unpack_from("iIII", data, place)
                    found |= bool(mask & IN_Q_OVERFLOW)
                    place += 16 + length
        except BlockingIOError:
            return found
        finally:
            os.close(self.descriptor)
        return found


def test_more_events_than_the_kernel_keeps_cost_no_line(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    logs = [directory / f"{number}.log" for number in range(FILES)]
    append(logs[0], 0, 10)
    pattern = str(directory / "*.log")

    with Daemon(pattern, "--state", tmp_path / "state") as daemon:
        daemon.wait_for_lines(10)
        events = Events(directory)
        daemon.process.send_signal(signal.SIGSTOP)
        writers = [log.open("ab", buffering=0) for log in logs]
        for number in range(WRITES):  # in turns, for equal events in a row are one to the kernel
            writers[number % FILES].write(line(number))
        for writer in writers:
            writer.close()
        overflowed = events.overflowed()
        daemon.process.send_signal(signal.SIGCONT)
        daemon.wait_for_lines(10 + WRITES)
        append(logs[1], 0, 5)
        daemon.wait_for_lines(15 + WRITES)

        assert metric(daemon, "rnnd_lines_total") == 15 + WRITES
    assert overflowed or int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) > WRITES
