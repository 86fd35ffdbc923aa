import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from rnnd.codecs.identifiers import LATER, NO_SESSION, WINDOW
from rnnd.codecs.log import LogCodec, LogSettings

STAMP = "2026-03-01T{:02}:{:02}:{:02}Z INFO "
Writer = Callable[[int], list[str]]


def log_of(tasks: int, lines_of: Writer, at_once: int = 4) -> list[bytes]:
    """Return the lines of so many tasks, some of which run at the same time."""
    rng = np.random.default_rng(0)
    waiting = [lines_of(number) for number in range(tasks)]
    running: list[list[str]] = []
    lines = []
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0))
        index = int(rng.integers(len(running)))
        lines.append(running[index].pop(0))
        if not running[index]:
            del running[index]
    stamps = (STAMP.format(i // 36000, i // 600 % 60, i // 10 % 60) for i in range(len(lines)))
    return [f"{stamp}{line}\n".encode() for stamp, line in zip(stamps, lines, strict=True)]


def request(number: int) -> list[str]:
    rng = np.random.default_rng(number)
    name, thread = f"{rng.integers(1 << 40):x}a1", rng.integers(1000, 1008)
    return [
        f"[worker-{thread}] web.Front: request {name} begins",
        f"[worker-{thread}] shop.Cart: {rng.integers(10**6)} rows read for {name}",
        f"[worker-{thread}] web.Front: request {name} answered in {rng.integers(1000, 9999)} us",
    ]


def threaded(number: int) -> list[str]:
    steps = ("accepted", "read 17 rows", "rendered a page", "answered")
    return [f"[worker-{1000 + number % 16}] web.Front: {step}" for step in steps]


def sessions_of(lines: list[bytes], cuts: list[int], restart: bool = False) -> list[bytes]:
    codec = LogCodec(LogSettings(order=True))
    found: list[bytes] = []
    for begin, end in pairwise([0, *cuts, len(lines)]):
        if restart:
            saved = codec.state()
            codec = LogCodec(LogSettings(order=True))
            codec.restore(saved)
        parts = codec.reader("app.log").feed(b"".join(lines[begin:end]), 0.0)
        found += [session for part in parts for session in part.sessions]
        for part in parts:
            codec.encode_tick(part.tick, [part])
    return found


def test_an_identifier_that_ties_lines_together_is_found() -> None:
    lines = log_of(tasks=2000, lines_of=request)

    found = sessions_of(lines, [])

    assert set(found[:WINDOW]) == {NO_SESSION}
    for line, session in zip(lines[WINDOW:], found[WINDOW:], strict=True):
        assert session in line.split()
        assert session.endswith(b"a1")


def test_a_thread_whose_lines_follow_each_other_is_found() -> None:
    lines = log_of(tasks=2000, lines_of=threaded, at_once=6)

    found = sessions_of(lines, [])

    for line, session in zip(lines[WINDOW:], found[WINDOW:], strict=True):
        assert session.startswith(b"worker-10")
        assert session in line


@pytest.mark.parametrize(
    "lines_of",
    [
        pytest.param(
            lambda n: [f"web: client 10.0.0.{n % 9} came", f"db: read for 10.0.0.{n % 9}, ok"],
            id="clients that are there all the time",
        ),
        pytest.param(
            lambda n: [f"web: took {1000 + n * 7919 % 97} us", f"db: {1000 + n * 31 % 97} rows"],
            id="numbers that coincide",
        ),
        pytest.param(
            lambda n: [f"web: step {n * 7919 % 100003:06} done"],
            id="identifiers that come once",
        ),
        pytest.param(
            lambda n: [
                f"[worker-{1000 + n % 30}] web: {random.Random(n).choice(('get', 'put it'))}"
            ],
            id="workers that do anything",
        ),
    ],
)
def test_what_does_not_tie_lines_together_is_left_alone(lines_of: Writer) -> None:
    lines = log_of(tasks=5000, lines_of=lines_of)

    assert set(sessions_of(lines, [])) == {NO_SESSION}


def test_tasks_that_follow_each_other_need_no_identifier() -> None:
    lines = log_of(tasks=2000, lines_of=request, at_once=1)

    assert set(sessions_of(lines, [])) == {NO_SESSION}


def test_lines_of_a_shape_that_comes_later_are_tied_too() -> None:
    lines = log_of(tasks=4 * LATER * WINDOW // 9, lines_of=request)
    later = [line for line in lines if b"Cart" not in line][:WINDOW]

    found = sessions_of(later + lines, [])

    rows = [b"Cart" in line for line in later + lines]
    assert not any(s for s, row in zip(found[: LATER * WINDOW], rows, strict=False) if row)
    assert all(found[(LATER + 1) * WINDOW :])


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_found_depends_neither_on_cuts_nor_on_restarts(restart: bool) -> None:
    lines = log_of(tasks=1600, lines_of=request)
    cuts = sorted(np.random.default_rng(1).integers(1, len(lines), 12).tolist())

    assert sessions_of(lines, cuts, restart) == sessions_of(lines, [])
