"""The simulated application from outside: its log, its true failures, and the oracle."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from rnnd.daemon.simulator.lines import HOUR, hour_of_lines
from rnnd.daemon.simulator.oracle import failure_probability
from rnnd.daemon.simulator.world import DAY, Failure, Floats, World

START = datetime(2026, 1, 5, tzinfo=UTC).timestamp()  # a Monday


@dataclass(frozen=True, slots=True)
class Stretch:
    """An hour of log: the times of its events in epoch seconds, and their bytes, newline included.

    An event may hold several lines (a stack trace); the first one carries the timestamp.
    """

    times: Floats
    events: list[bytes]

    @property
    def data(self) -> bytes:
        """All events, as they stand in the file."""
        return b"".join(self.events)


class Simulator:
    """An application whose log and failures follow from *seed* alone.

    About 100,000 lines and six failures a day, for *days* days from *start* (epoch seconds); with
    another *frequency*, so many times the episodes that lead to them.
    """

    def __init__(self, seed: int, days: int, start: float = START, frequency: float = 1.0) -> None:
        self.start = start
        self.days = days
        weekday = datetime.fromtimestamp(start, UTC).weekday()
        self.world = World(seed, days, weekday, frequency)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """The true failures in order, in epoch seconds; a start is its first critical line."""
        return tuple(
            Failure(self.start + failure.start, self.start + failure.end, failure.kind)
            for failure in self.world.failures
        )

    @property
    def hours(self) -> int:
        """How many stretches there are."""
        return self.days * 24

    def stretch(self, hour: int) -> Stretch:
        """Return the log of the given *hour* since the start; any hour can be had alone."""
        times, messages = hour_of_lines(self.world, hour)
        milliseconds = np.floor((self.start + times) * 1000 + 0.5).astype(np.int64)
        stamps = np.datetime_as_string(milliseconds.view("datetime64[ms]")).tolist()
        return Stretch(
            milliseconds / 1000,
            [
                f"{stamp}Z {message}\n".encode()
                for stamp, message in zip(stamps, messages, strict=True)
            ],
        )

    def stretches(self, first: int = 0) -> Iterator[Stretch]:
        """Return the log hour by hour, from hour *first* on."""
        return (self.stretch(hour) for hour in range(first, self.hours))

    def oracle(self, tick: float, horizon: float) -> Floats:
        """Return, for each tick of the log, P(a failure starts within *horizon* s of its end).

        The oracle knows the hidden state at the end of the tick. Entry *i* belongs to tick number
        ``floor(start / tick) + i``. No predictor can do better than that on average.
        """
        first, last = self.start // tick, (self.start + self.days * DAY) // tick
        ends = (np.arange(first, last) + 1) * tick - self.start
        return failure_probability(self.world, ends, horizon)

    @property
    def seconds(self) -> float:
        """How much time the log covers."""
        return self.hours * HOUR
