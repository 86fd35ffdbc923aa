from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.zone import parse_zone
from rnnd.daemon.prediction.incidents import merge_incidents, read_incidents, tick_of_start
from rnnd.daemon.prediction.rows import MOST_LINES
from rnnd.errors import UsageError


def test_a_start_is_iso_8601_or_seconds_since_the_epoch() -> None:
    text = "kind,start\na,2026-03-01T00:00:10Z\nb,1772323215\nc,2026-03-01 01:00:20+01:00\n"

    incidents = read_incidents(text, "incidents.csv")

    assert [start for start, _ in incidents] == [1772323210.0, 1772323215.0, 1772323220.0]


def test_the_column_may_be_called_start_epoch_and_incidents_come_back_in_order() -> None:
    incidents = read_incidents("start_epoch,end_epoch\n200,250\n100,\n", "incidents.csv")

    assert incidents == [(100.0, 100.0), (200.0, 250.0)]


def test_a_byte_order_mark_and_spaces_do_no_harm() -> None:
    assert read_incidents("\ufeffStart, end\n5, 6\n", "x") == [(5.0, 6.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv:1: no column 'start' in the header ''"),
        ("begin,end\n1,2\n", "x.csv:1: no column 'start' in the header 'begin,end'"),
        ("start\nyesterday\n", "x.csv:2: 'yesterday' is not a time"),
        ("start\n1\nnan\n", "x.csv:3: 'nan' is not a time"),
        ("start,end\n1,later\n", "x.csv:2: '1,later' is not a time"),
        ("start\n1790003600000\n", "x.csv:2: '1790003600000' is not a time"),  # milliseconds
        ("start\n-1e15\n", "x.csv:2: '-1e15' is not a time"),
        ("start\n9999-12-31T23:59:59Z\n", "x.csv:2: '9999-12-31T23:59:59Z' is not a time"),
        (
            'start,why\n1,"never closed\n' + 150_000 * "x",
            "x.csv:2: a quote is opened and not closed",
        ),
        ('start,why\n1,"never closed', "x.csv:2: a quote is opened and not closed"),
        ("start\n20261399\n", "x.csv:2: '20261399' is not a time"),  # nor seconds of 1970
        ('"start' + 150_000 * "x", "x.csv:1: field larger than field limit"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_incidents(text, "x.csv")

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("closed_by", ["", '4,"disk full, again"\n', 150_000 * "x" + "\n"])
def test_a_quote_that_is_not_closed_costs_its_own_row_and_no_other(closed_by: str) -> None:
    text = f'start,why\n1,"fine, ""really""\nfine"\n2,"oops\n3,\n{closed_by}5,"b"\n6,"c"x\n'
    told: list[str] = []

    incidents = read_incidents(text, "x.csv", on_bad=told.append)

    starts = [start for start, _ in incidents]
    assert starts == ([1, 3, 4, 5, 6] if "again" in closed_by else [1, 3, 5, 6])
    assert told[0] == "x.csv:4: a quote is opened and not closed"
    assert len(told) == 1 + ("xx" in closed_by)


@pytest.mark.parametrize(("lines", "starts"), [(MOST_LINES, [60, 120]), (MOST_LINES + 1, [120])])
def test_a_row_in_quotes_goes_on_for_many_lines_but_not_to_the_end_of_any_list(
    lines: int, starts: list[float]
) -> None:
    text = 'start,why\n60,"' + "\n" * (lines - 1) + 'the end"\n120,next\n'
    told: list[str] = []

    incidents = read_incidents(text, "x.csv", on_bad=told.append)

    assert [start for start, _ in incidents] == starts
    wrong = ["x.csv:2: a quote is opened and not closed"] if lines > MOST_LINES else []
    assert told[:1] == wrong


def test_eight_digits_are_a_date_and_no_seconds_of_1970() -> None:
    incidents = read_incidents("start,end\n20260301, 20260302\n", "x.csv", parse_zone("+01:00"))

    assert incidents == [(1772319600.0, 1772406000.0)]


def test_incidents_closer_than_merge_are_one_counted_from_the_end_of_the_one_before() -> None:
    incidents = [(0.0, 500.0), (1000.0, 1000.0), (1600.0, 1600.0), (2199.0, 2199.0)]

    assert merge_incidents(incidents, merge=600) == [0.0, 1600.0]


def test_merging_sees_the_latest_end_even_when_a_longer_incident_began_earlier() -> None:
    assert merge_incidents([(0, 5000), (100, 200), (5100, 5100)], merge=600) == [0]


@given(st.integers(0, 10**6), st.integers(0, 400), st.sampled_from([1, 10, 300]))
def test_a_failure_counts_for_a_tick_exactly_when_it_begins_within_the_horizon_after_its_end(
    start: int, horizon: int, tick: int
) -> None:
    onset = tick_of_start(start, tick)

    for made in range(onset - 3, onset + 3):
        end = (made + 1) * tick
        assert (end < start <= end + horizon * tick) == (made < onset <= made + horizon)


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Paris", 6), ("UTC", 8), ("+05:30", 2.5)])
def test_a_time_without_a_zone_is_of_the_zone_that_is_set_and_another_is_not(
    zone: str, hour: float
) -> None:
    text = "start,end\n2026-07-01 08:00,2026-07-01T12:00Z\n"

    [(start, end)] = read_incidents(text, "incidents.csv", parse_zone(zone))

    midnight = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert ((start - midnight) / 3600, (end - midnight) / 3600) == (hour, 12)
