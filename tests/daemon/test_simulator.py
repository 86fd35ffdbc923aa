"""The simulated application: the same story from the same seed, failures that are what they say."""

import re
from pathlib import Path

import numpy as np
import pytest

from rnnd.daemon.simulator.files import GrowingLog, write_failures, write_log
from rnnd.daemon.simulator.lines import CRITICAL
from rnnd.daemon.simulator.simulator import Simulator
from rnnd.daemon.simulator.world import KINDS, PROCESSES, REFRACTORY, World

HORIZON = 600.0
HEAD = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z (DEBUG|INFO |WARN |ERROR|CRITICAL) ")


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator(seed=7, days=2)


@pytest.fixture(scope="module")
def log(simulator: Simulator) -> bytes:
    return b"".join(stretch.data for stretch in simulator.stretches())


def test_a_seed_always_tells_the_same_story(simulator: Simulator) -> None:
    again = Simulator(seed=7, days=2)

    assert again.failures == simulator.failures
    assert again.stretch(30).data == simulator.stretch(30).data


def test_another_seed_tells_another_story(simulator: Simulator) -> None:
    other = Simulator(seed=8, days=2)

    assert other.failures != simulator.failures
    assert other.stretch(0).data != simulator.stretch(0).data


def test_about_a_hundred_thousand_lines_and_six_failures_a_day() -> None:
    simulator = Simulator(seed=1, days=40)

    lines = np.mean([len(simulator.stretch(hour).events) for hour in range(0, 960, 31)]) * 24

    assert 85_000 < lines < 120_000
    assert 5 < len(simulator.failures) / 40 < 7


def test_every_event_begins_with_its_time_in_ascending_order(simulator: Simulator) -> None:
    last = simulator.start

    for hour in (0, 1, 14):
        stretch = simulator.stretch(hour)
        assert all(HEAD.match(event) for event in stretch.events)
        assert all(event.endswith(b"\n") for event in stretch.events)
        assert (np.diff(stretch.times) >= 0).all()
        assert stretch.times[0] >= last
        last = stretch.times[-1]
    shown = HEAD.match(stretch.events[0])
    assert shown is not None
    assert np.datetime64(shown[1].decode()) == np.datetime64(round(stretch.times[0] * 1000), "ms")


def test_the_first_critical_line_of_a_failure_stands_at_its_start(
    simulator: Simulator, log: bytes
) -> None:
    first_words = {kind: message.split(" - ")[1][:20] for kind, message in CRITICAL.items()}

    for failure in simulator.failures:
        stamp = np.datetime_as_string(np.datetime64(round(failure.start * 1000), "ms"))
        line = next(line for line in log.splitlines() if line.startswith(stamp.encode()))
        assert b"CRITICAL" in line
        assert first_words[failure.kind].encode() in line


def test_no_critical_line_stands_outside_the_failures(simulator: Simulator, log: bytes) -> None:
    spans = [(failure.start, failure.end) for failure in simulator.failures]

    for line in log.splitlines():
        if b" CRITICAL " in line:
            milliseconds = np.datetime64(line[:23].decode(), "ms").astype(int)
            assert any(a - 1e-3 <= milliseconds / 1000 <= b for a, b in spans)


def test_errors_come_in_bursts_far_from_any_failure(simulator: Simulator) -> None:
    failures = np.array([failure.start for failure in simulator.failures])
    busiest = 0

    for hour in range(48):
        stretch = simulator.stretch(hour)
        times = stretch.times[[b" ERROR [worker]" in event for event in stretch.events]]
        for time in times:
            far = (failures < time - 7200) | (failures > time + 7200)
            if far.all():
                busiest = max(busiest, np.count_nonzero(abs(times - time) < 150))

    assert busiest > 15


def test_all_kinds_of_failure_happen_and_keep_their_distance() -> None:
    world = World(seed=3, days=60)

    assert {failure.kind for failure in world.failures} == set(KINDS)
    assert (np.diff([failure.start for failure in world.failures]) >= REFRACTORY).all()


def test_some_episodes_recover_and_some_fail() -> None:
    world = World(seed=3, days=60)

    for process in PROCESSES[:-1]:
        recovered = [e.fades for e in world.episodes if e.kind == process.kind]
        assert 0.1 < np.mean(recovered) < 0.7


def test_the_load_is_one_on_average() -> None:
    world = World(seed=3, days=28)

    assert world.load(np.arange(0.0, world.seconds, 60.0)).mean() == pytest.approx(1, abs=0.1)


def outcomes(simulator: Simulator, tick: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    ends = simulator.start + tick * np.arange(1, simulator.seconds / tick + 1)
    starts = np.array([failure.start for failure in simulator.failures] + [np.inf])
    following = starts[np.searchsorted(starts, ends, side="right")]
    return np.asarray(following <= ends + HORIZON)


def test_the_oracle_is_calibrated() -> None:
    simulators = [Simulator(seed, 60) for seed in range(4)]
    said = np.concatenate([one.oracle(30.0, HORIZON) for one in simulators])
    came = np.concatenate([outcomes(one, 30.0) for one in simulators])

    bins = np.digitize(said, [0.02, 0.1, 0.3, 0.6, 0.9])

    for number in range(6):
        assert came[bins == number].mean() == pytest.approx(said[bins == number].mean(), abs=0.05)


def test_the_oracle_knows_much_and_not_all() -> None:
    simulator = Simulator(seed=1, days=60)
    said, came = simulator.oracle(30.0, HORIZON), outcomes(simulator, 30.0)

    skill = 1 - np.mean((said - came) ** 2) / came.var()

    assert 0.5 < skill < 0.75


def test_the_oracle_has_an_entry_a_tick_and_never_less_for_a_longer_horizon() -> None:
    simulator = Simulator(seed=2, days=3)

    short, long = simulator.oracle(10.0, 60.0), simulator.oracle(10.0, 3600.0)

    assert short.shape == long.shape == (3 * 8640,)
    assert (short >= 0).all()
    assert (long <= 1).all()
    assert (long >= short - 1e-9).all()


def test_the_files_hold_the_log_and_its_failures(
    simulator: Simulator, log: bytes, tmp_path: Path
) -> None:
    hours: list[int] = []

    events = write_log(simulator, tmp_path / "app.log", range(48), hours.append)
    write_failures(simulator.failures, tmp_path / "failures.csv")

    assert (tmp_path / "app.log").read_bytes() == log
    assert events == len(re.findall(rb"^\d{4}-", log, re.MULTILINE))
    assert hours == list(range(48))
    header, *rows = (tmp_path / "failures.csv").read_text().splitlines()
    assert header == "start,end,kind"
    assert len(rows) == len(simulator.failures)
    assert re.fullmatch(r"2026-01-\d\dT[\d:]{8}\.\d{3}Z,2026-01-\d\dT[\d:.]{12}Z,[a-z]+", rows[0])


def test_a_growing_log_holds_what_was_logged_so_far_and_loses_nothing_by_rotation(
    simulator: Simulator, log: bytes, tmp_path: Path
) -> None:
    path, start = tmp_path / "app.log", simulator.start + 1800.0

    with GrowingLog(simulator, path, start, rotate_every=4000.0) as growing:
        for time in np.arange(start, start + 3 * 3600.0, 97.0):
            growing.write_until(float(time))
            if time < start + 4000.0:
                assert not (tmp_path / "app.log.1").exists()
    written = b"".join((tmp_path / f"app.log{end}").read_bytes() for end in (".2", ".1", ""))

    assert (tmp_path / "app.log").stat().st_size < (tmp_path / "app.log.1").stat().st_size
    assert written.startswith(b"2026-01-05T00:30:0")
    assert log.find(written) > 0
