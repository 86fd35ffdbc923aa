from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs import clock as module
from rnnd.codecs.clock import CONFIRM, DAY, FEW, Clock, Kind

NOON = int(datetime(2024, 3, 9, 12, tzinfo=UTC).timestamp())
PARIS = ZoneInfo("Europe/Paris")


def advance(
    clock: Clock, stamps: Sequence[int], kinds: int | Sequence[int] = Kind.ABSOLUTE
) -> tuple[list[int], list[bool]]:
    """Return the seconds (as ticks of one second) and the lateness of lines with *stamps*."""
    kinds = [kinds] * len(stamps) if isinstance(kinds, int) else kinds
    ticks, late = clock.advance(np.array(stamps), np.array(kinds, np.uint8), NOON)
    return ticks.tolist(), late.tolist()


def local(*moment: int) -> int:
    """Return what a local clock's face says at *moment*, as seconds."""
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def since_2000(*moment: int) -> int:
    """Return a stamp without a year."""
    return local(2000, *moment) - local(2000, 1, 1)


def test_lines_in_order_get_their_own_ticks() -> None:
    clock = Clock(10.0, UTC)

    ticks, late = advance(clock, [NOON, NOON + 9, NOON + 10, NOON + 35])

    assert [tick - NOON // 10 for tick in ticks] == [0, 0, 1, 3]
    assert not any(late)


def test_an_earlier_line_is_late_and_taken_into_the_current_tick() -> None:
    clock = Clock(10.0, UTC)

    ticks, late = advance(clock, [NOON, NOON + 20, NOON + 5, NOON + 15, NOON + 21])

    assert [tick - NOON // 10 for tick in ticks] == [0, 2, 2, 2, 2]
    assert late == [False, False, True, True, False]


def test_lines_without_a_stamp_belong_to_the_line_before() -> None:
    clock = Clock(1.0, UTC)

    ticks, _ = advance(clock, [0, NOON, 0, NOON + 7, 0], kinds=[0, 1, 0, 1, 0])

    assert [tick - NOON for tick in ticks] == [0, 0, 0, 7, 7]


def test_one_broken_line_from_the_far_future_does_not_move_the_clock() -> None:
    clock = Clock(1.0, UTC)

    ticks, late = advance(clock, [NOON, NOON + 9000 * DAY, NOON + 1, NOON + 9000 * DAY, NOON + 2])

    assert [tick - NOON for tick in ticks] == [0, 0, 1, 1, 2]
    assert late == [False, True, False, True, False]


def test_a_jump_that_further_lines_confirm_is_believed() -> None:
    clock = Clock(1.0, UTC)
    after = NOON + 30 * DAY

    ticks, late = advance(clock, [NOON, after, after + 1, after + 2, after + 3])

    assert CONFIRM == 2
    assert ticks == [NOON, NOON, NOON, after + 2, after + 3]
    assert late == [False, True, True, False, False]


def test_a_log_with_a_line_every_few_days_goes_on() -> None:
    clock = Clock(1.0, UTC)

    ticks, _ = advance(clock, [NOON + 3 * DAY * day for day in range(20)])

    assert ticks[-1] >= NOON + 3 * DAY * (19 - CONFIRM)


def test_a_stamp_without_a_year_goes_over_new_year() -> None:
    clock = Clock(1.0, UTC)
    clock.start(local(2023, 12, 31, 23, 59, 0))

    ticks, late = advance(
        clock,
        [since_2000(12, 31, 23, 59, 59), since_2000(1, 1), since_2000(12, 31, 23, 59, 58)],
        Kind.YEARLESS,
    )

    new_year = local(2024, 1, 1)
    assert ticks == [new_year - 1, new_year, new_year]
    assert late == [False, False, True]


def test_the_first_stamp_without_a_year_is_of_the_year_before_its_arrival() -> None:
    clock = Clock(1.0, UTC)  # noon of 9 March 2024

    ticks, _ = advance(clock, [since_2000(3, 8), since_2000(3, 9)], Kind.YEARLESS)
    earlier, _ = advance(Clock(1.0, UTC), [since_2000(11, 8)], Kind.YEARLESS)

    assert ticks == [local(2024, 3, 8), local(2024, 3, 9)]
    assert earlier == [local(2023, 11, 8)]


@pytest.mark.parametrize(("year", "last"), [(2023, 28), (2024, 29)])
def test_the_end_of_february_is_found_in_leap_years_and_others(year: int, last: int) -> None:
    clock = Clock(1.0, UTC)
    clock.start(local(year, 2, last))

    ticks, _ = advance(
        clock, [since_2000(2, last, 23), since_2000(3, 1), since_2000(3, 2)], Kind.YEARLESS
    )

    assert ticks == [local(year, 2, last, 23), local(year, 3, 1), local(year, 3, 2)]


def test_a_stamp_without_a_date_goes_over_midnight() -> None:
    clock = Clock(1.0, UTC)
    clock.start(local(2024, 3, 9, 23, 59))

    ticks, _ = advance(clock, [86399, 0, 1, 86399, 2], Kind.DATELESS)

    midnight = local(2024, 3, 10)
    assert [tick - midnight for tick in ticks] == [-1, 0, 1, 1, 2]


def test_a_fixed_offset_is_subtracted() -> None:
    clock = Clock(1.0, timezone(timedelta(hours=-5)))

    ticks, _ = advance(clock, [local(2024, 3, 9, 7)], Kind.LOCAL)

    assert ticks == [NOON]


def test_the_end_of_summer_time_does_not_tear_the_time_line() -> None:
    clock = Clock(1.0, PARIS)
    two = local(2024, 10, 27, 2)  # the hour from two to three comes twice
    faces = [two - 60, *range(two, two + 3600, 600), *range(two, two + 3601, 600)]

    ticks, late = advance(clock, faces, Kind.LOCAL)

    start = local(2024, 10, 27, 0)
    assert [(tick - start) // 60 for tick in ticks] == [-1, *range(0, 121, 10)]
    assert not any(late)


def test_the_start_of_summer_time_does_not_tear_the_time_line() -> None:
    clock = Clock(1.0, PARIS)

    ticks, late = advance(clock, [local(2024, 3, 31, 1, 59), local(2024, 3, 31, 3, 0)], Kind.LOCAL)

    assert ticks[1] - ticks[0] == 60
    assert not any(late)


def test_a_log_without_stamps_takes_the_time_of_arrival() -> None:
    clock = Clock(10.0, UTC)
    clock.start(NOON + 12.5)

    ticks, late = advance(clock, [0, 0], Kind.NONE)

    assert ticks == [(NOON + 12) // 10] * 2
    assert late == [False, False]


STEPS = st.one_of(
    st.integers(-50, 50), st.sampled_from([-3 * DAY, 2 * DAY, 40 * DAY, 200 * DAY, 3600, -3600])
)


@given(
    st.lists(st.tuples(STEPS, st.booleans()), min_size=1, max_size=40),
    st.sampled_from([Kind.ABSOLUTE, Kind.LOCAL, Kind.YEARLESS, Kind.DATELESS, Kind.MONOTONIC]),
    st.sampled_from([UTC, PARIS]),
    st.sampled_from([1.0, 10.0, 2.5]),
    st.lists(st.integers(0, 40), max_size=6),
    st.sampled_from([1, 3, FEW]),
)
def test_lines_taken_together_in_any_cut_get_the_ticks_of_single_steps(
    steps: list[tuple[int, bool]],
    kind: Kind,
    zone: ZoneInfo,
    tick: float,
    cuts: list[int],
    few: int,
) -> None:
    start = {Kind.YEARLESS: since_2000(12, 1), Kind.DATELESS: 80000}.get(kind, NOON)
    period = {Kind.YEARLESS: 366 * DAY, Kind.DATELESS: DAY}.get(kind, 1 << 40)
    stamps = np.cumsum([start, *(step for step, _ in steps)])[1:] % period
    kinds = np.array([kind if stamped else 0 for _, stamped in steps], np.uint8)
    kinds[0] = kind
    whole, pieces = Clock(tick, zone), Clock(tick, zone)

    with pytest.MonkeyPatch.context() as context:
        context.setattr(Clock, "_assign_together", lambda *_: 0)
        expected = whole.advance(stamps, kinds, NOON)  # in steps alone
    edges = sorted({0, len(stamps), *(cut for cut in cuts if cut < len(stamps))})
    with pytest.MonkeyPatch.context() as context:
        context.setattr(module, "FEW", few)
        got = [pieces.advance(stamps[a:b], kinds[a:b], NOON) for a, b in pairwise(edges)]

    np.testing.assert_array_equal(np.concatenate([ticks for ticks, _ in got]), expected[0])
    np.testing.assert_array_equal(np.concatenate([late for _, late in got]), expected[1])
    assert pieces.state() == whole.state()
    assert (np.diff(expected[0]) >= 0).all()
