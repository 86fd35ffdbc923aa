import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.zone import Offsets, parse_zone
from rnnd.errors import ConfigError

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3600


def face(*moment: int) -> int:
    """Return what a local clock's face says at *moment*, as seconds."""
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.fixture
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's zone is that of Paris."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_paris")
def test_the_local_zone_is_the_machines_with_its_summer_times() -> None:
    local, named = Offsets(parse_zone("local")), Offsets(PARIS)

    for moment in range(face(2024, 1, 1), face(2025, 1, 1), 900):
        assert local.at(moment) == named.at(moment)


def test_a_zone_may_be_an_offset_or_utc() -> None:
    assert parse_zone("UTC") is parse_zone("z") is UTC
    assert parse_zone("+0530") == parse_zone("+05:30") == timezone(timedelta(hours=5.5))


UNKNOWN = ["Mars/Phobos", "+1", "", "../etc/passwd", "Europe/../Paris", "+25:00", "+01:60", "LOCAL"]


@pytest.mark.parametrize("name", [*UNKNOWN, "+٠١:٠٠"])
def test_an_unknown_zone_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="is neither local, nor an offset"):
        parse_zone(name)


def test_the_hour_that_comes_twice_has_two_offsets() -> None:
    twice = face(2024, 10, 27, 2, 30)

    assert Offsets(PARIS).at(twice) == (2 * HOUR, HOUR)
    assert Offsets(PARIS).all_at(np.array([twice - 2 * HOUR, twice])) is None


@given(
    st.lists(st.integers(face(2024, 3, 30), face(2024, 4, 1)), min_size=1),
    st.sampled_from([PARIS, UTC, parse_zone("-03:30"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_many_offsets_are_those_of_each(times: list[int], zone: ZoneInfo) -> None:
    offsets = Offsets(zone)
    alone = [offsets.at(time) for time in times]

    together = offsets.all_at(np.array(times))

    if together is None:
        assert any(first != second for first, second in alone)
    else:
        assert together.tolist() == [first for first, _ in alone]
