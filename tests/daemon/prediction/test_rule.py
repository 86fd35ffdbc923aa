import json
from collections.abc import Iterable, Mapping

import numpy as np
import pytest

from rnnd.codecs.health import Health
from rnnd.codecs.severity import Severity
from rnnd.daemon.prediction.rule import AutomaticRule, FailureRule
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

HOUR = 360  # ticks of 10 s
DAY = 24 * HOUR
CRITICAL, ERROR, WARNING = Severity.CRITICAL, Severity.ERROR, Severity.WARNING
Lines = Mapping[Severity, Mapping[int, int]]  # how many of a severity in which tick


def every(gap: int, count: int = 1, end: int = 5 * DAY, start: int | None = None) -> dict[int, int]:
    return dict.fromkeys(range(gap if start is None else start, end, gap), count)


def follow(
    lines: Lines, ticks: Iterable[int], rule: AutomaticRule | None = None
) -> tuple[AutomaticRule, list[tuple[int, FailureRule]], list[Health]]:
    """Return the rule after *ticks*, when it became what, and what it said of every tick."""
    rule = rule or AutomaticRule(tick=10.0, merge=600.0, horizon=600.0)
    changes, healths = [], []
    for number in ticks:
        counts = np.array([lines.get(severity, {}).get(number, 0) for severity in Severity], float)
        healths.append(rule.note(number, counts))
        if rule.choose(number):
            changes.append((number, rule.rule))
    return rule, changes, healths


def chosen(lines: Lines, days: float = 5) -> FailureRule:
    return follow(lines, range(int(days * DAY)))[0].rule


def test_a_critical_line_is_a_failure_from_the_first_tick_on() -> None:
    _, changes, healths = follow({CRITICAL: {3: 1}}, range(10))

    assert healths[3] is Health.RED
    assert healths.count(Health.RED) == 1
    assert changes == []


def test_critical_stays_the_rule_where_it_comes_however_many_errors_there_are() -> None:
    lines = {CRITICAL: every(4 * HOUR), ERROR: every(7, 20)}

    assert follow(lines, range(2 * DAY))[1] == []


def test_where_errors_are_the_worst_and_rare_they_are_the_failures_within_hours() -> None:
    rule, changes, _ = follow({ERROR: every(HOUR + 40, 50), WARNING: every(3)}, range(2 * DAY))

    assert [rule for _, rule in changes] == [FailureRule(ERROR)]
    assert changes[0][0] < 5 * HOUR
    assert "the most severe level that is rare" in rule.reason


def test_errors_that_come_all_the_time_are_failures_where_many_come_at_once() -> None:
    bursts = {tick: 600 for begin in range(DAY, 4 * DAY, 5 * HOUR)
              for tick in range(begin, begin + 12)}  # fmt: skip
    usual = {tick: 3 for tick in range(4 * DAY) if tick not in bursts}

    rule, changes, healths = follow({ERROR: usual | bursts}, range(4 * DAY))

    assert rule.rule.level is ERROR
    assert 18 < rule.rule.rate <= 3600
    assert "all the time" in rule.reason
    red = {tick for tick, health in enumerate(healths) if health is Health.RED}
    assert {tick for tick in red if tick > 2 * DAY} <= {
        t + late for t in bursts for late in range(6)
    }
    assert len(changes) < 4


def test_a_log_whose_worst_are_warnings_gets_that_level_after_a_hundred_horizons() -> None:
    _, changes, _ = follow({WARNING: every(5 * HOUR)}, range(3 * DAY))

    assert [rule for _, rule in changes] == [FailureRule(WARNING)]
    assert changes[0][0] + 1 >= 100 * 60


def test_a_log_without_severities_has_no_failures() -> None:
    rule, changes, healths = follow({Severity.INFO: every(1, 5)}, range(2 * DAY))

    assert changes == []
    assert set(healths) == {Health.GREEN}
    assert "none came so far" in rule.reason


def test_a_more_severe_level_takes_over_once_it_came_three_times() -> None:
    lines = {ERROR: every(6 * HOUR), CRITICAL: every(DAY, start=2 * DAY + 50)}

    _, changes, _ = follow(lines, range(5 * DAY))

    assert [rule for _, rule in changes] == [FailureRule(ERROR), FailureRule(CRITICAL)]
    assert changes[1][0] > 4 * DAY


def test_a_rule_under_which_twenty_failures_were_seen_stays() -> None:
    lines = {
        ERROR: every(4 * HOUR, end=9 * DAY),
        CRITICAL: every(DAY, start=5 * DAY + 50, end=9 * DAY),
    }

    _, changes, healths = follow(lines, range(9 * DAY))

    assert [rule for _, rule in changes] == [FailureRule(ERROR)]
    assert healths[5 * DAY + 50] is Health.RED


@pytest.mark.parametrize(("gap", "level"), [(13 * HOUR, CRITICAL), (60 * HOUR, ERROR)])
def test_a_rule_that_stayed_gives_way_to_what_is_worse_where_that_is_no_rare_exception(
    gap: int, level: Severity
) -> None:
    days = 40
    lines = {
        ERROR: every(2 * HOUR, end=days * DAY),
        CRITICAL: every(gap, end=days * DAY, start=3 * DAY),
    }

    rule, changes, _ = follow(lines, range(days * DAY))

    assert rule.rule == FailureRule(level)
    assert changes[0][1] == FailureRule(ERROR)
    assert len(changes) == 1 + (level is CRITICAL)


def test_a_rule_that_stayed_gives_way_when_it_is_no_longer_rare() -> None:
    lines = {ERROR: every(4 * HOUR, end=5 * DAY) | dict.fromkeys(range(5 * DAY, 14 * DAY), 3)}

    rule, changes, _ = follow(lines, range(14 * DAY))

    assert changes[0][1] == FailureRule(ERROR)
    assert rule.rule.rate > 18


def test_what_is_a_little_less_severe_is_orange() -> None:
    _, _, healths = follow({ERROR: every(5 * HOUR), WARNING: {2 * DAY + 7: 1}}, range(3 * DAY))

    assert healths[2 * DAY + 7] is Health.ORANGE
    assert healths[50 * HOUR] is Health.RED


@pytest.mark.parametrize("stop", [7 * HOUR + 11, 2 * DAY + 3])
def test_a_restored_rule_goes_on_as_if_nothing_had_happened(stop: int) -> None:
    rng = np.random.default_rng(1)
    burst = dict(enumerate(rng.poisson(2, 4 * DAY) + 400 * (rng.random(4 * DAY) < 0.0005)))
    lines = {ERROR: burst, CRITICAL: every(30 * HOUR)}
    whole = follow(lines, range(4 * DAY))
    first, before, said = follow(lines, range(stop))

    second = AutomaticRule(tick=10.0, merge=600.0, horizon=600.0)
    second.restore(unflatten(*unpack("test", pack("test", *flatten(first.state())))))
    second, after, rest = follow(lines, range(stop, 4 * DAY), second)

    assert before + after == whole[1]
    assert said + rest == whole[2]
    json.dumps(flatten(second.state())[1])


def test_ticks_longer_than_a_minute_count_a_rate_by_the_minute() -> None:
    rule = AutomaticRule(tick=300.0, merge=3600.0, horizon=3600.0)
    usual = {ERROR: {tick: 500 if tick % 400 == 399 else 10 for tick in range(3000)}}

    rule, _, healths = follow(usual, range(3000), rule)

    assert 2 < rule.rule.rate <= 100
    assert healths[2799] is Health.RED
    assert healths[2790] is not Health.RED
