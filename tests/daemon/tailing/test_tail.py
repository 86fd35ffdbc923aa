"""Everything that happens to log files, one scenario each, with real files."""

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnnd.daemon.tailing import done
from rnnd.daemon.tailing.lineage import LINKED_PATIENCE, UNLINKED_PATIENCE
from rnnd.daemon.tailing.tail import Tailer


class Bench:
    """A directory of logs, a tailer over some of them, and the lines that it gave."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "app.log"
        self.tailer = Tailer([str(self.log)])
        self.lines: list[str] = []
        self.now = 0.0
        self.written = 0

    def tail(self, *patterns: str, **options: int) -> None:
        self.tailer.close()
        self.tailer = Tailer([str(self.directory / one) for one in patterns], **options)

    def write(self, count: int, path: Path | None = None) -> None:
        """Append *count* numbered lines."""
        with (path or self.log).open("ab") as file:
            for _ in range(count):
                file.write(b"2026-01-01T00:00:00Z INFO line %d\n" % self.written)
                self.written += 1

    def append(self, text: str, path: Path | None = None) -> None:
        with (path or self.log).open("a") as file:
            file.write(text)

    def poll(self, after: float = 1.0) -> list[str]:
        """Look, read all there is, and return what was new."""
        self.now += after
        self.tailer.poll(self.now)
        new: list[str] = []
        while ready := self.tailer.ready():
            new += self.tailer.read(ready[0]).decode().splitlines()
        self.lines += new
        return new

    def restart(self) -> None:
        """Go on in another tailer from the saved state, as a daemon started again does."""
        patterns, state = self.tailer.patterns, self.tailer.state()
        self.tailer.close()
        self.tailer = Tailer(patterns)
        self.tailer.restore(state)

    def rotate(self, suffix: str = ".1") -> Path:
        return self.log.rename(self.log.with_name(self.log.name + suffix))

    def copytruncate(self, suffix: str = ".1") -> Path:
        copy = self.log.with_name(self.log.name + suffix)
        shutil.copyfile(self.log, copy)
        os.truncate(self.log, 0)
        return copy

    def numbers(self) -> list[int]:
        return [int(line.split()[-1]) for line in self.lines]

    def all_once_in_order(self) -> bool:
        return self.numbers() == list(range(self.written))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.tailer.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def compress(
    path: Path, pack: Callable[[bytes], bytes] = gzip.compress, suffix: str = ".gz"
) -> Path:
    """Compress as logrotate does: the time is kept, the original goes."""
    status = path.stat()
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(pack(path.read_bytes()))
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return packed


# Growing


def test_lines_are_given_once_as_they_are_written(bench: Bench) -> None:
    for _ in range(3):
        bench.write(5)
        bench.poll()

    assert bench.all_once_in_order()
    assert bench.poll() == []


def test_what_was_there_before_is_read_from_its_beginning(bench: Bench) -> None:
    bench.write(1000)

    assert len(bench.poll()) == 1000


def test_a_partial_line_waits_for_its_newline(bench: Bench) -> None:
    bench.append("hel")
    assert bench.poll() == []
    bench.append("lo\nwor")
    assert bench.poll() == ["hello"]
    bench.append("ld\n")
    assert bench.poll() == ["world"]


def test_a_file_of_one_byte_is_an_unfinished_line(bench: Bench) -> None:
    bench.append("x")
    assert bench.poll() == []
    bench.append("\n")
    assert bench.poll() == ["x"]


def test_an_empty_file_is_waited_for(bench: Bench) -> None:
    bench.log.touch()
    assert bench.poll() == []
    bench.write(1)
    assert len(bench.poll()) == 1


def test_a_line_without_end_costs_bounded_memory(bench: Bench) -> None:
    bench.append("x" * 1_000_000 + "\nnext\n")

    first, second = bench.poll()

    assert (len(first), second) == (65536, "next")


def test_bytes_that_are_no_text_pass_unchanged(bench: Bench) -> None:
    bench.log.write_bytes(b"\xff\xfe\0\n")
    bench.tailer.poll(0)

    assert bench.tailer.read(str(bench.log)) == b"\xff\xfe\0\n"


# Finding


def test_a_missing_file_is_waited_for_and_complained_of_once(bench: Bench) -> None:
    bench.poll()
    bench.poll()
    assert bench.tailer.errors == {"missing": 1}
    assert bench.tailer.complaints == {str(bench.log): "no such file or directory"}

    bench.write(1)
    assert len(bench.poll()) == 1
    assert bench.tailer.complaints == {}


def test_new_files_of_a_glob_are_found(bench: Bench) -> None:
    bench.tail("*.log")
    for name in ("a.log", "b.log", "c.txt"):
        bench.write(1, bench.directory / name)
        bench.poll()

    assert bench.numbers() == [0, 1]


def test_a_directory_that_does_not_exist_yet_is_waited_for(bench: Bench) -> None:
    bench.tail("deep/er/*.log")
    bench.poll()

    (bench.directory / "deep" / "er").mkdir(parents=True)
    bench.write(2, bench.directory / "deep" / "er" / "a.log")

    assert len(bench.poll()) == 2


def test_a_directory_deleted_and_made_again_is_found_again(bench: Bench) -> None:
    place = bench.directory / "logs"
    bench.tail("logs/*.log")
    for _ in range(2):
        place.mkdir()
        bench.write(3, place / "a.log")
        bench.poll()
        shutil.rmtree(place)
        bench.poll()

    assert bench.all_once_in_order()


def test_a_directory_in_place_of_a_log_is_complained_of(bench: Bench) -> None:
    bench.log.mkdir()
    bench.poll()

    assert bench.tailer.errors == {"not_a_file": 1}


def test_a_pipe_in_place_of_a_log_does_not_block(bench: Bench) -> None:
    os.mkfifo(bench.log)
    bench.poll()

    assert bench.tailer.complaints == {str(bench.log): "is not a file"}


def test_archives_that_a_glob_finds_are_not_tailed(bench: Bench) -> None:
    bench.tail("app.log*")
    (bench.directory / "app.log.2.gz").write_bytes(gzip.compress(b"old\n"))
    bench.write(1)

    assert len(bench.poll()) == 1


def test_two_hard_links_are_one_file(bench: Bench) -> None:
    bench.tail("*.log")
    bench.write(3)
    (bench.directory / "other.log").hardlink_to(bench.log)
    bench.poll()
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_symbolic_link_and_its_target_are_one_file(bench: Bench) -> None:
    bench.tail("*.log")
    bench.write(3)
    (bench.directory / "link.log").symlink_to(bench.log)

    bench.poll()

    assert bench.all_once_in_order()


def test_a_link_that_is_set_to_the_next_file_is_followed(bench: Bench) -> None:
    link = bench.directory / "current"
    bench.tail("current")
    for name in ("one", "two"):
        bench.write(3, bench.directory / name)
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        bench.poll()
    bench.write(1, bench.directory / "one")  # a late writer
    bench.poll()

    assert bench.all_once_in_order()


def test_a_dangling_link_is_waited_for(bench: Bench) -> None:
    bench.log.symlink_to("later")
    bench.poll()
    bench.write(1, bench.directory / "later")

    assert len(bench.poll()) == 1


def test_kubernetes_chain_of_links_survives_its_rotation(bench: Bench) -> None:
    pod, containers = bench.directory / "pods" / "uid", bench.directory / "containers"
    pod.mkdir(parents=True)
    containers.mkdir()
    (containers / "app.log").symlink_to(pod / "0.log")
    bench.tail("containers/*.log")
    bench.write(3, pod / "0.log")
    bench.poll()
    bench.write(3, pod / "0.log")
    compress((pod / "0.log").rename(pod / "0.log.20260101-000000"))
    bench.write(3, pod / "0.log")

    bench.poll()

    assert bench.all_once_in_order()


def test_two_files_with_the_same_beginning_are_two(bench: Bench) -> None:
    bench.tail("*.log")
    for name in ("a.log", "b.log"):
        bench.append("started\n", bench.directory / name)
        bench.poll()
    bench.append("more\n", bench.directory / "b.log")
    bench.poll()

    assert bench.lines == ["started", "started", "more"]


# Renamed


def test_the_rest_of_a_renamed_file_is_read_before_its_successor(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.rotate()
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()
    assert bench.tailer.counts["rotations"] == 1


def test_a_writer_that_keeps_the_renamed_file_open_is_heard(bench: Bench) -> None:
    bench.write(1)
    bench.poll()
    old = bench.rotate()
    bench.write(1)
    bench.poll()
    bench.write(1, old)
    bench.poll(LINKED_PATIENCE - 1)
    bench.write(1, old)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_renamed_file_without_a_successor_is_followed_for_as_long_as_it_takes(
    bench: Bench,
) -> None:
    bench.write(1)
    bench.poll()
    old = bench.rotate()
    bench.poll(100 * LINKED_PATIENCE)
    bench.write(1, old)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_renamed_file_is_let_go_when_it_paused(bench: Bench) -> None:
    bench.write(1)
    bench.poll()
    bench.rotate()
    bench.write(1)
    bench.poll()
    bench.poll(LINKED_PATIENCE + 1)

    assert bench.tailer.files == 1


def test_the_last_line_of_a_file_let_go_needs_no_newline(bench: Bench) -> None:
    bench.append("last words")
    bench.poll()
    bench.rotate()
    bench.append("next\n")
    assert bench.poll() == ["next"]

    assert bench.poll(LINKED_PATIENCE + 1) == ["last words"]
    assert bench.poll(LINKED_PATIENCE + 1) == []


def test_a_glob_that_finds_the_rotated_files_too_gives_nothing_twice(bench: Bench) -> None:
    bench.tail("app.log*")
    for _ in range(5):
        bench.write(3)
        bench.poll()
        for number in range(8, 0, -1):
            old = bench.directory / f"app.log.{number}"
            if old.exists():
                old.rename(bench.directory / f"app.log.{number + 1}")
        bench.rotate()
        bench.poll()

    assert bench.all_once_in_order()


@pytest.mark.parametrize(
    ("pack", "suffix"), [(gzip.compress, ".gz"), (bz2.compress, ".bz2"), (lzma.compress, ".xz")]
)
def test_rotation_with_immediate_compression_loses_nothing(
    bench: Bench, pack: Callable[[bytes], bytes], suffix: str
) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    compress(bench.rotate(), pack, suffix)
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_log_that_was_empty_when_it_was_seen_rotates_once(bench: Bench) -> None:
    bench.log.touch()
    bench.poll()
    bench.write(3)
    bench.rotate()
    bench.write(3)
    bench.poll()

    assert bench.tailer.counts["rotations"] == 1
    assert bench.all_once_in_order()


def test_an_archive_without_what_a_late_writer_added_gives_nothing_twice(bench: Bench) -> None:
    bench.write(20)
    bench.poll()
    rotated = bench.rotate()
    bench.log.touch()
    packed = rotated.with_name("app.log.1.gz")
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    bench.write(3, rotated)
    bench.poll()
    rotated.unlink()
    bench.poll(2 * UNLINKED_PATIENCE)
    packed.rename(packed.with_name("app.log.2.gz"))
    bench.write(3)
    bench.rotate()
    bench.log.touch()
    bench.poll()

    assert bench.all_once_in_order()


@pytest.mark.parametrize("packed", [False, True])
def test_generations_that_came_and_went_between_two_looks_are_found(
    bench: Bench, packed: bool
) -> None:
    bench.write(3)
    bench.poll()
    for number in range(3, 0, -1):
        bench.write(3)
        old = bench.rotate(f".{number}")
        if packed:
            compress(old)
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_log_that_logrotate_found_in_its_way_is_read(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.rotate(".1")
    bench.write(3)
    bench.rotate("-2026010112.backup")
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_dated_names_count_as_rotated(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.rotate("-20260101")
    bench.write(3)
    bench.log.rename(bench.directory / "app-2026-01-02.log")
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_another_log_with_a_similar_name_is_left_alone(bench: Bench) -> None:
    bench.write(1)
    bench.poll()
    bench.rotate()
    bench.append("not ours\n", bench.directory / "app-worker.log")
    bench.append("not ours\n", bench.directory / "app.log.errors")
    bench.write(1)
    bench.poll()

    assert bench.all_once_in_order()


def test_rotation_into_another_directory_loses_nothing(bench: Bench) -> None:
    (bench.directory / "old").mkdir()
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.log.rename(bench.directory / "old" / "app.log.1")
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


# Truncated


def test_the_rest_of_a_truncated_file_is_read_from_its_copy(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.copytruncate()
    bench.write(1)
    bench.poll()

    assert bench.all_once_in_order()
    assert bench.tailer.counts["truncations"] == 1


def test_the_copy_may_be_compressed_already(bench: Bench) -> None:
    bench.write(30)
    bench.poll()
    bench.write(30)
    compress(bench.copytruncate())
    bench.write(1)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_glob_that_finds_the_copy_too_gives_nothing_twice(bench: Bench) -> None:
    bench.tail("app.log*")
    bench.write(5)
    bench.poll()
    for number in range(1, 4):
        bench.write(5)
        bench.copytruncate(f".{number}")
        bench.poll()
        bench.write(5)
        bench.poll()

    assert bench.all_once_in_order()


def test_a_copy_still_being_made_is_no_new_file(bench: Bench) -> None:
    bench.tail("app.log*")
    bench.write(100)
    bench.poll()
    data = bench.log.read_bytes()
    for end in (10, 300, 2000, len(data)):
        (bench.directory / "app.log.1").write_bytes(data[:end])
        assert bench.poll() == []
    os.truncate(bench.log, 0)
    bench.write(1)
    bench.poll()

    assert bench.all_once_in_order()


@pytest.mark.parametrize("count", [5, 10, 20], ids=["smaller", "equal", "larger"])
def test_a_file_emptied_and_written_anew_is_read_anew(bench: Bench, count: int) -> None:
    bench.write(10)
    bench.poll()
    os.truncate(bench.log, 0)
    bench.written = 10
    bench.write(count)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_file_truncated_to_a_piece_of_itself_has_nothing_new(bench: Bench) -> None:
    bench.write(20)
    bench.poll()
    lines = bench.log.read_bytes().splitlines(keepends=True)
    os.truncate(bench.log, sum(map(len, lines[:12])))
    assert bench.poll() == []
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_writer_that_does_not_append_leaves_a_hole_that_is_skipped(bench: Bench) -> None:
    with bench.log.open("wb", buffering=0) as writer:
        writer.write(b"one\n" * 1000)
        bench.poll()
        os.truncate(bench.log, 0)
        writer.write(b"two\n")

        assert bench.poll() == ["two"]


def test_a_partial_line_goes_on_in_the_copy(bench: Bench) -> None:
    bench.append("begun ")
    bench.poll()
    bench.append("and done\n")
    bench.copytruncate()
    bench.append("next\n")

    assert bench.poll() == ["begun and done", "next"]


def test_two_truncations_between_two_looks_lose_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(10)
    bench.copytruncate(".2")
    bench.write(20)
    bench.copytruncate(".1")
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_an_empty_file_filled_copied_and_truncated_between_two_looks_is_read(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.copytruncate(".2")
    bench.poll()
    bench.write(7)
    bench.copytruncate(".1")
    bench.poll()

    assert bench.all_once_in_order()


def test_a_file_truncated_between_a_look_and_the_reading_loses_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.copytruncate(".3")
    bench.poll()
    bench.write(7)
    bench.tailer.poll(bench.now)
    bench.copytruncate(".2")
    bench.write(9)
    bench.tailer.read(str(bench.log))  # of another file than was seen, by the same name

    bench.poll()
    bench.poll()

    assert sorted(bench.numbers()) == list(range(bench.written))


@pytest.mark.parametrize("before", [3, 20])  # lines: fewer or more than in the copy
def test_a_copy_seen_before_the_truncation_is_read_though_the_log_grew_meanwhile(
    bench: Bench, before: int
) -> None:
    bench.write(before)
    bench.poll()
    bench.copytruncate(".2")
    bench.write(7)
    shutil.copyfile(bench.log, bench.directory / "app.log.1")
    modified = bench.log.stat().st_mtime_ns
    bench.append("2026-01-01T00:00:00Z INFO that nobody copied\n")
    os.utime(bench.log, ns=(modified, modified + 20_000_000))
    bench.tailer.poll(bench.now)  # sees the copy of what it has yet to read
    os.truncate(bench.log, 0)
    bench.write(9)
    os.utime(bench.log, ns=(modified, modified + 40_000_000))

    bench.poll()
    bench.poll()

    assert sorted(bench.numbers()) == list(range(bench.written))


def test_rotations_at_every_look_are_known_when_they_are_more_than_is_remembered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(done, "MAX_DONE", 8)
    bench.write(1)
    bench.poll()
    start = bench.log.stat().st_mtime_ns
    for day in range(40):
        now = start + (day + 1) * 10**10
        bench.write(3)
        copy = bench.copytruncate(f".{20260101 + day}")
        os.utime(copy, ns=(now, now))
        for older in bench.directory.glob(f"app.log.{20260100 + day}"):
            compress(older)
        os.utime(bench.log, ns=(now, now + 1000))
        bench.poll()

    assert bench.all_once_in_order()


def test_an_editor_that_saves_a_copy_gives_nothing_twice(bench: Bench) -> None:
    bench.write(20)
    bench.poll()
    text = bench.log.read_bytes()
    bench.log.unlink()
    bench.log.write_bytes(text)
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


# Deleted


def test_what_was_written_before_a_deletion_is_read(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.log.unlink()
    bench.poll()

    assert bench.all_once_in_order()


def test_a_deleted_file_is_let_go_when_it_is_silent(bench: Bench) -> None:
    bench.append("a\nlast words")
    bench.poll()
    bench.log.unlink()
    bench.poll()
    before = descriptors()

    assert bench.poll(UNLINKED_PATIENCE + 1) == ["last words"]
    assert descriptors() == before - 1
    assert bench.poll(UNLINKED_PATIENCE + 1) == []
    assert bench.tailer.files == 0


def test_a_file_deleted_and_made_again_is_a_new_one(bench: Bench) -> None:
    for _ in range(3):
        bench.write(3)
        bench.poll()
        bench.log.unlink()
    assert bench.all_once_in_order()


def test_an_inode_used_again_is_a_new_file(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    inode = bench.log.stat().st_ino
    state = bench.tailer.state()
    bench.tailer.close()
    bench.log.unlink()
    bench.write(9)
    for follower in state["lineages"][0][
        "followers"
    ]:  # the kernel may or may not use it again: pretend
        follower["key"][1] = bench.log.stat().st_ino
    bench.tailer.restore(state)
    bench.poll()

    assert bench.all_once_in_order(), inode


# Rights and errors


def test_an_unreadable_file_is_counted_and_read_once_it_may_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(3)
    real = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path) == str(bench.log):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        bench.poll()
        bench.poll()
        assert bench.tailer.errors == {"permission": 2}
        assert bench.tailer.complaints == {str(bench.log): "permission denied"}

    bench.poll()
    assert bench.all_once_in_order()


def test_rights_lost_on_an_open_file_change_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.log.chmod(0)
    bench.write(3)
    bench.poll()

    assert bench.all_once_in_order()


def test_a_failing_disk_is_counted_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(3)

    def fail(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail)
        bench.poll()
        assert bench.tailer.errors == {"io": 1}

    bench.poll()
    assert bench.all_once_in_order()


# Many


def test_open_files_are_bounded_and_all_have_their_turn(bench: Bench) -> None:
    bench.tail("*.log", max_open=5)
    before = descriptors()
    for _ in range(3):
        for number in range(50):
            bench.write(2, bench.directory / f"{number}.log")
        bench.poll()
        assert descriptors() <= before + 5

    assert sorted(bench.numbers()) == list(range(bench.written))


def test_files_beyond_the_bound_survive_rotation_too(bench: Bench) -> None:
    bench.tail("*.log", max_open=2)
    for _ in range(2):
        for number in range(10):
            bench.write(2, bench.directory / f"{number}.log")
        bench.poll()
        for number in range(10):
            path = bench.directory / f"{number}.log"
            bench.write(2, path)
            path.rename(bench.directory / f"{number}.log.{bench.written}")
        bench.poll()

    assert sorted(bench.numbers()) == list(range(bench.written))


def test_a_turn_is_bounded_and_the_lag_is_told(bench: Bench) -> None:
    bench.tail("app.log", chunk=1000)
    bench.write(1000)
    bench.tailer.poll(1.0)
    size = bench.log.stat().st_size
    assert bench.tailer.lag == size

    lines = bench.tailer.read(str(bench.log))

    assert 900 < len(lines) <= 1000
    assert bench.tailer.lag == size - 1000


# Started again


def test_a_restart_goes_on_where_it_was_even_within_a_line(bench: Bench) -> None:
    bench.append("one\ntw")
    bench.poll()
    bench.restart()
    bench.append("o\nthree\n")
    bench.poll()

    assert bench.lines == ["one", "two", "three"]


def test_a_restart_reads_what_was_written_meanwhile_once(bench: Bench) -> None:
    for _ in range(3):
        bench.write(3)
        bench.restart()
        bench.poll()

    assert bench.all_once_in_order()


def test_a_rotation_while_we_were_away_loses_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.rotate()
    bench.write(3)
    bench.restart()
    bench.poll()

    assert bench.all_once_in_order()


def test_compressed_rotations_while_we_were_away_lose_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    for number in range(3, 0, -1):
        bench.write(3)
        compress(bench.rotate(f".{number}"))
    bench.write(3)
    bench.restart()
    bench.poll()

    assert bench.all_once_in_order()


def test_a_truncation_while_we_were_away_loses_nothing(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.write(3)
    bench.copytruncate()
    bench.write(9)
    bench.restart()
    bench.poll()

    assert bench.all_once_in_order()


def test_a_restart_in_the_middle_of_an_archive_goes_on_there(bench: Bench) -> None:
    bench.tail("app.log", chunk=100)
    bench.write(3)
    bench.poll()
    bench.write(30)
    compress(bench.rotate())
    bench.restart()
    bench.tailer._chunk = 100
    bench.tailer.poll(2.0)
    for _ in range(3):
        bench.lines += bench.tailer.read(str(bench.log)).decode().splitlines()
    bench.restart()
    bench.poll()

    assert bench.all_once_in_order()


def test_a_file_gone_while_we_were_away_does_not_stop_its_successor(bench: Bench) -> None:
    bench.write(3)
    bench.poll()
    bench.log.unlink()
    bench.write(3)
    bench.restart()
    bench.poll()

    assert bench.all_once_in_order()
