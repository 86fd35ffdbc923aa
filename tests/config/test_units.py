import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.config.units import format_duration, format_rate, parse_duration, parse_rate


@given(st.integers(min_value=1, max_value=10**9))
def test_a_written_duration_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=1, max_value=10_000))
def test_a_written_rate_reads_back(a_day: int) -> None:
    assert parse_rate(format_rate(a_day / 86400)) == pytest.approx(a_day / 86400)


@pytest.mark.parametrize(
    "text", ["", "10", "-5s", "0s", "5 parsecs", "1h 30m", "s", "1e3s", "٣s", "9" * 99 + "s"]
)
def test_what_is_no_duration_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "1", "0/day", "-1/day", "1/fortnight", "1/day/day"])
def test_what_is_no_rate_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)
