"""The daemon killed at any instant: no line lost, none learnt twice, the weights as if never."""

import os
import random
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnd.daemon.state import decode
from tests.daemon.process import Daemon

# Dated in the future, so that lines alone close ticks, and never the clock.
START = datetime(2090, 1, 1, tzinfo=UTC)


CLOCKED = {"held since"}  # when an unfinished event came in: the clock's, and none of the logs'


def lines(first: int, count: int) -> bytes:
    """Return numbered lines, forty a second, with a failure now and then."""
    rng = random.Random(first)
    text = []
    for number in range(first, first + count):
        stamp = (START + timedelta(seconds=number / 40)).isoformat()
        if number % 18_000 > 17_985:
            text.append(f"{stamp} CRITICAL app: worker {number} died\n")
        else:
            text.append(f"{stamp} INFO app: request {number} took {rng.randint(5, 90)} ms\n")
    return "".join(text).encode()


def load(path: Path) -> dict[str, Any]:
    return decode(path.read_bytes())


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the paths at which two states differ, bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = (one.keys() | other.keys()) - CLOCKED
        return [
            found
            for key in sorted(keys)
            for found in differences(one.get(key), other.get(key), f"{path}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for i, (a, b) in pairs for found in differences(a, b, f"{path}/{i}")]
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = one.dtype == other.dtype and one.tobytes() == other.tobytes()
    else:
        same = type(one) is type(other) and (one == other or (one != one and other != other))
    return [] if same else [path]


def uninterrupted(log: Path, total: int) -> dict[str, Any]:
    state = log.parent / "uninterrupted"
    with Daemon(log, "--state", state) as daemon:
        daemon.wait_for_lines(total)
        assert daemon.stop() == 0
    return load(state / "app.rnnd")


def kill_again_and_again(directory: Path, kills: int, seed: int) -> None:
    """Write under way, kill *kills* times, and compare with a run that nobody disturbed."""
    rng = random.Random(seed)
    log, state = directory / "app.log", directory / "state"
    log.touch()
    written = 0
    stop = threading.Event()

    def write() -> None:
        nonlocal written
        with log.open("ab", buffering=0) as file:
            while not stop.wait(0.01):
                text = lines(written, 10)
                cut = rng.randrange(len(text))
                file.write(text[:cut])  # often a torn line is what there is to read
                file.write(text[cut:])
                written += 10

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(kills):
            with Daemon(log, "--state", state, "--checkpoint-every", "0.05s") as daemon:
                daemon.said("state in")
                try:
                    daemon.process.wait(rng.uniform(0.0, 0.7))
                except subprocess.TimeoutExpired:
                    daemon.kill()
                said = "".join(daemon.log)
                assert "refused" not in said, said
                assert "Traceback" not in said, said
    finally:
        stop.set()
        writer.join()
    with Daemon(log, "--state", state) as daemon:
        daemon.wait_for_lines(written)
        assert daemon.stop() == 0

    survivor, reference = load(state / "app.rnnd"), uninterrupted(log, written)
    assert survivor["tally"]["lines"] == written
    assert differences(survivor["pipeline"], reference["pipeline"]) == []
    assert differences(survivor["tally"], reference["tally"]) == []


@pytest.mark.timeout(600)
def test_a_daemon_killed_thirty_times_has_the_weights_of_one_never_killed(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, kills=30, seed=1)


@pytest.mark.soak
def test_a_daemon_killed_a_thousand_times_has_the_weights_of_one_never_killed(
    tmp_path: Path,
) -> None:
    kill_again_and_again(tmp_path, kills=1000, seed=int(os.environ.get("SEED", "2")))
