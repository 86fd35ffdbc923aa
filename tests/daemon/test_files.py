import bz2
import errno
import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnd.daemon import files
from rnnd.daemon.files import open_log, try_to_write, write_atomically
from rnnd.errors import RnndError, UsageError

TEXT = b"one\ntwo\nthree without end"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
}  # fmt: skip


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "state"

    write_atomically(path, b"old")
    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "below" / "target"
    target.parent.mkdir()
    link.symlink_to(target)

    for data in (b"one", b"two"):
        write_atomically(link, data)

        assert link.is_symlink()
        assert target.read_bytes() == data


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    write_atomically(pipe, b"one")

    assert pipe.is_fifo()
    assert os.read(reader, 10) == b"one"
    os.close(reader)


def test_a_pipe_that_may_not_be_written_to_is_told_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    try_to_write(pipe)  # which nobody reads yet

    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (pipe, os.W_OK))
    with pytest.raises(PermissionError):
        try_to_write(pipe)


def test_a_failing_disk_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "state", []

    def fsync(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.exists()))

    monkeypatch.setattr(files.os, "fsync", fsync)
    write_atomically(path, b"new")

    (file, named), (directory, named_then) = synced
    assert Path(file).parent == tmp_path
    assert not named
    assert (directory, named_then) == (str(tmp_path), True)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_log_is_read_whatever_it_is_packed_with(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"app.log{suffix}"
    path.write_bytes(PACKERS[suffix](TEXT))

    with open_log(path) as log:
        lines = list(log.whole_lines(size=5))

        assert log.position == log.size == path.stat().st_size

    assert b"".join(lines) == TEXT + b"\n"
    assert all(chunk.endswith(b"\n") for chunk in lines)


def test_standard_input_is_a_log_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(TEXT))
    monkeypatch.setattr(sys, "stdin", stdin)

    with open_log("-") as log:
        assert b"".join(log.whole_lines()) == TEXT + b"\n"

    assert not stdin.closed


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_truncated_archive_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"app.log{suffix}"
    path.write_bytes(PACKERS[suffix](os.urandom(5000))[:-2000])

    with open_log(path) as log, pytest.raises(RnndError, match=r"app\.log.*truncated"):
        list(log.whole_lines())


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_what_only_has_the_name_of_an_archive_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"app.log{suffix}"
    path.write_bytes(b"plain text\n" * 99)

    with (
        open_log(path) as log,
        pytest.raises(RnndError, match=r"app\.log.*(damaged|cannot be read)"),
    ):
        list(log.whole_lines())


def test_a_missing_log_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.log: no such file"):
        open_log(tmp_path / "absent.log")


def test_a_directory_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a directory, expected .*\*\.log"):
        open_log(tmp_path)


def test_an_unreadable_log_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RnndError, match=r"app\.log: cannot be opened \(permission denied\)"):
        open_log(tmp_path / "app.log")
