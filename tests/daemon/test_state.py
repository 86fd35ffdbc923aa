"""State files: replaced atomically, refused when torn, one daemon a directory."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnd.daemon import files
from rnnd.daemon.state import Snapshot, StateDirectory, StateFile, decode, encode
from rnnd.errors import CheckpointError, RnndError
from rnnd.rnn import checkpoint

STATE = {"weights": np.arange(6, dtype=np.float32), "offset": 7, "names": ["a", "b"]}
DATA = encode(STATE)


def test_a_state_comes_back_bit_for_bit() -> None:
    state = decode(DATA)

    assert state["weights"].tobytes() == STATE["weights"].tobytes()  # type: ignore[attr-defined]
    assert (state["offset"], state["names"]) == (7, ["a", "b"])


def test_a_snapshot_does_not_change_with_what_it_was_taken_of() -> None:
    weights, names = np.zeros(3), ["a"]
    snapshot = Snapshot.of({"weights": weights, "names": names})
    weights += 1
    names.append("b")

    assert snapshot.meta["names"] == ["a"]
    assert not snapshot.arrays["weights"].any()


def test_there_is_no_state_at_first(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "app.rnnd").load() is None


def test_the_state_before_is_kept(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    for offset in (1, 2, 3):
        file.save(Snapshot.of({"offset": offset}))

    assert decode(file.path.read_bytes())["offset"] == 3
    assert decode(file.previous.read_bytes())["offset"] == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "rubbish", [b"", DATA[:-30], DATA[:100], b"#!/bin/sh\n", DATA.replace(b"\0\0@@", b"\0\0@A")],
    ids=["empty", "torn", "cut", "alien", "flipped"],
)  # fmt: skip
def test_what_is_no_whole_state_is_refused_and_the_one_before_used(
    tmp_path: Path, rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    file.save(Snapshot.of({"offset": 1}))
    file.save(Snapshot.of({"offset": 2}))
    file.path.write_bytes(rubbish)

    state = file.load()

    assert state == {"offset": 1}
    assert file.refused == 1
    assert "was refused" in caplog.text


@pytest.mark.parametrize("torn", [True, False])
def test_what_is_set_aside_is_the_state_that_was_read(tmp_path: Path, torn: bool) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    file.save(Snapshot.of({"offset": 1}))
    file.save(Snapshot.of({"offset": 2}))
    if torn:
        file.path.write_bytes(DATA[:-30])
    state = file.load()

    aside = file.set_aside()

    assert decode(aside.read_bytes()) == state
    assert list(tmp_path.iterdir()) == [aside]
    assert StateFile(file.path).load() is None


def test_a_missing_state_beside_one_before_is_no_beginning(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    file.save(Snapshot.of({"offset": 1}))
    file.save(Snapshot.of({"offset": 2}))
    file.path.unlink()

    assert file.load() == {"offset": 1}


def test_a_newer_format_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 99)
        data = encode(STATE)
    file = StateFile(tmp_path / "app.rnnd")
    file.path.write_bytes(data)

    with pytest.raises(CheckpointError, match=r"app\.rnnd: .*99 is newer.*move it away"):
        file.load()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_changes_what_is_read_unnoticed(place: int, flip: int) -> None:
    data = bytearray(DATA)
    data[place] ^= flip

    try:
        state = decode(bytes(data))
    except CheckpointError:
        return

    assert state["weights"].tobytes() == STATE["weights"].tobytes()  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_leaves_both_states_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    file.save(Snapshot.of({"offset": 1}))

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            file.save(Snapshot.of({"offset": 2}))

    assert file.load() == {"offset": 1}


@pytest.mark.parametrize("step", range(6))
def test_a_death_at_any_step_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    file = StateFile(tmp_path / "app.rnnd")
    file.save(Snapshot.of({"offset": 1}))
    file.save(Snapshot.of({"offset": 2}))
    calls = 0

    class Death(BaseException):
        pass

    def counted(real: object) -> object:
        def call(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > step:
                raise Death
            return real(*arguments, **options)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        for name in ("hardlink_to", "replace", "unlink", "open"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(files.os, "fsync", counted(os.fsync))
        with pytest.raises(Death):
            file.save(Snapshot.of({"offset": 3}))

    assert file.load() in ({"offset": 2}, {"offset": 3})


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), pytest.raises(RnndError, match="in use by another rnnd"):
        StateDirectory(tmp_path)

    with StateDirectory(tmp_path):
        pass


def test_what_a_killed_daemon_left_unfinished_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".app.rnnd.1234.tmp").write_bytes(b"half")

    with StateDirectory(tmp_path) as directory:
        assert sorted(path.name for path in directory.path.iterdir()) == ["lock"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RnndError, match=r"state: .*file/state cannot be used"):
        StateDirectory(tmp_path / "file" / "state")
