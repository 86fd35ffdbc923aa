"""A backtest as one HTML page: what rnnd would have said, whether it was so, and why it said it.

Nothing is loaded from outside, there is no script, and every text of a log is escaped; the page's
own content-security policy forbids anything else.
"""

from collections.abc import Iterable, Sequence
from string import Template

from rnnd import __version__
from rnnd.config.units import format_duration, format_rate
from rnnd.daemon.backtesting import charts
from rnnd.daemon.backtesting.account import KEPT, Account, Claim, Seen
from rnnd.daemon.backtesting.backtest import Result
from rnnd.daemon.backtesting.hindsight import Part, Point, best_within, calibration, followed, sweep
from rnnd.daemon.plural import counted
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.serving.render import STYLE, content_hash, read_resource, text
from rnnd.daemon.words import clock, percent, reason_words, since_words

ERRORS_WITHIN = 300.0  # s over which the threshold beside rnnd counts lines of severity error

PAGE = Template(read_resource("report.html", "rnnd.daemon.backtesting"))
REPORT_STYLE = STYLE + read_resource("report.css", "rnnd.daemon.backtesting")
HASH = content_hash(REPORT_STYLE)


def render(result: Result, account: Account) -> str:
    """Return the page."""
    parts = [
        _verdict(result, account),
        _time_line(account),
        _progress(account.parts()),
        *_curves(result, account),
        _failures(account.failures, result.failures),
        _false_alarms(account),
        _settings(result, account),
    ]
    return PAGE.substitute(
        policy=f"default-src 'none'; style-src 'sha256-{HASH}'; img-src data:",
        style=REPORT_STYLE,
        title=text(f"{result.app}: a backtest by rnnd"),
        app=text(result.app),
        begin=clock(result.start),
        end=clock(result.end),
        version=text(__version__),
        body="\n".join(parts),
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "none"


def _verdict(result: Result, account: Account) -> str:
    days = account.known_days()
    lead = "–" if result.median_lead is None else format_duration(max(result.median_lead, 1.0))
    skill = f"{result.horizons[0].brier_skill:+.2f}" if result.failures else "–"
    figures = (
        (_share(result.predicted, result.failures), "failures foretold"),
        (lead, "median lead time"),
        (f"{result.false_alarms_a_day:.2f}", "false alarms a day"),
        (format_rate(account.app.alarm_budget), "the budget for them"),
        (skill, "Brier skill (1 is perfect, 0 the base rate)"),
    )
    cards = "".join(f"<div><b>{text(figure)}</b>{name}</div>" for figure, name in figures)
    rule = f"<p>A failure is {text(result.rule)} ({text(result.rule_reason)}).</p>"
    if result.rule_since is not None:
        rule += (
            f"<p>That rule was chosen {clock(result.rule_since)}; what follows is since then.</p>"
        )
    if not result.failures:
        rule += (
            "<p><strong>No failure was found, so there was nothing to foretell.</strong> Name "
            "what a failure is: <code>--failures CSV</code>, or <code>red:</code> in a "
            "configuration.</p>"
        )
    if result.caution:
        rule += f"<p><strong>Beware: {text(result.caution)}.</strong></p>"
    horizon = format_duration(account.app.horizon)
    said = (
        f"<p>An alarm claims a failure within {horizon}. A colour was told for {days:.1f} days, in "
        f"which {counted(result.alarms, 'alarm')} were raised.</p>"
    )
    return _section("In short", f'<div class="figures">{cards}</div>', rule, said)


def _key(kind: str, path: str, said: str) -> str:
    return (
        f'<svg class="key" viewBox="-7 0 14 12" aria-hidden="true">'
        f'<path class="mark {kind}" d="{path}"/></svg>{said} '
    )


def _time_line(account: Account) -> str:
    legend = (
        '<p class="legend">Bands: predicted health, the higher the worse (grey: not known yet). '
        "Curve: probability of a failure. "
        + _key("foretold", "M-5 1H5L0 11Z", "failure, foretold;")
        + _key("missed", "M-5 1H5L0 11Z", "failure, not foretold;")
        + _key("false", "M-4 10H4L0 2Z", "false alarm.")
        + "</p>"
    )
    return _section("Time line", charts.strips(account), legend)


def _progress(parts: Sequence[Part]) -> str:
    if not parts:
        return _section("How it improved", "<p>Too short to tell.</p>")
    most = max((part.failures for part in parts), default=0) or 1
    rows = "".join(
        f'<tr><td data-name="from">{clock(part.begin)[:16]}</td>'
        f'<td data-name="foretold">{_bar(part, most)} {_share(part.predicted, part.failures)}</td>'
        f'<td class="number" data-name="false alarms a day">{_rate(part)}</td>'
        f'<td class="number" data-name="Brier skill">{part.skill:+.2f}</td></tr>'
        for part in parts
    )
    return _section(
        "How it improved",
        '<div class="scroll"><table><thead><tr><th scope="col">From</th>'
        '<th scope="col">Foretold</th><th scope="col" class="number">False alarms a day</th>'
        f'<th scope="col" class="number">Brier skill</th></tr></thead><tbody>{rows}</tbody></table>'
        '</div><p class="legend">It begins knowing nothing, and learns from every line and every '
        "failure. The skill of a part is against the base rate of the whole time.</p>",
    )


def _rate(part: Part) -> str:
    return "–" if part.false_a_day is None else f"{part.false_a_day:.2f}"


def _bar(part: Part, most: int) -> str:
    """Return a bar of the failures of *part*, those foretold filled, beside the *most* of all."""
    foretold, all_of_them = 100 * part.predicted / most, 100 * part.failures / most
    return (
        '<svg class="bar" aria-hidden="true"><rect class="rest" height="100%" '
        f'width="{all_of_them:.1f}%"/><rect height="100%" width="{foretold:.1f}%"/></svg>'
    )


def _curves(result: Result, account: Account) -> tuple[str, ...]:
    red, onsets, days = account.red, account.onsets, account.known_days()
    if not len(red) or not result.failures:
        return ()
    known = account.healths >= 0
    known_onsets = onsets & known
    ours = sweep(red * known, known_onsets, account.horizon, days)
    errors = sweep(
        account.errors_within(ERRORS_WITHIN) * known, known_onsets, account.horizon, days
    )
    reached = (result.false_alarms_a_day, result.predicted / result.failures)
    budget = _section(
        "What another budget would buy",
        charts.budgets(ours, errors, reached),
        '<p class="legend"><span class="swatch ours"></span>failures foretold, '
        '<span class="swatch precision"></span>alarms that came true, '
        '<span class="swatch errors"></span>failures foretold by a threshold on error lines; '
        "● what rnnd did, by a threshold that knew only the past. The curves are of thresholds "
        "that stayed the same and are known in hindsight, once it could tell a health.</p>",
        _threshold_words(errors, ours, reached[0]),
    )
    settled = max(0, len(red) - account.horizon)
    outcome = followed(onsets, account.horizon)[:settled]
    bins = calibration(red[:settled], outcome)
    honest = _section(
        "Were the probabilities honest?",
        charts.calibration(bins),
        '<p class="legend">On the dashed line what was said is what happened; the larger a dot, '
        "the more ticks. Both axes are stretched where probabilities are small. Calibration error: "
        f"{result.horizons[0].calibration_error:.3f}.</p>",
    )
    return (f'<div class="two">{budget}{honest}</div>',)


def _threshold_words(errors: list[Point], ours: list[Point], false_a_day: float) -> str:
    """Return how a threshold on error lines compares, at as many false alarms."""
    theirs, best = best_within(errors, false_a_day), best_within(ours, false_a_day)
    found = 0.0 if theirs is None else theirs.predicted
    mine = 0.0 if best is None else best.predicted
    return (
        f"<p>At {false_a_day:.2f} false alarms a day, the best threshold on the number of error "
        f"lines in {format_duration(ERRORS_WITHIN)} would have foretold {percent(found)} of the "
        f"failures, the best threshold on rnnd's probability {percent(mine)}.</p>"
    )


def _reasons(reasons: Iterable[Reason], now: float) -> str:
    items = "".join(
        f"<li>{text(reason_words(one))}, {text(since_words(one, now))}"
        + (f"<br><code>{text(one.line or one.pattern)}</code>" if one.line or one.pattern else "")
        + "</li>"
        for one in reasons
    )
    return f"<ul>{items}</ul>" if items else ""


def _failures(failures: Iterable[Seen], total: int) -> str:
    cases = "".join(map(_failure, failures))
    more = f"<p>The newest {KEPT} of {total:,}.</p>" if total > KEPT else ""
    return _section("Failures, one by one", more, cases or "<p>None.</p>")


def _failure(seen: Seen) -> str:
    lines = "".join(f"<br><code>{text(line)}</code>" for line in seen.lines[:1])
    if seen.alarm is None:
        highest = f"{percent(seen.highest)} was the most that was said in the horizon before it."
        said = f'<span class="no">✗ not foretold</span>. {highest}'
        return f'<div class="case"><p>{clock(seen.time)} {said}{lines}</p></div>'
    lead = format_duration(max(seen.time - seen.alarm.time, 1.0))
    said = (
        f'<span class="yes">✓ foretold {lead} ahead</span>, {clock(seen.alarm.time)}, at '
        f"{percent(seen.alarm.probability)}"
    )
    reasons = _reasons(seen.alarm.reasons, seen.alarm.time)
    return f'<div class="case"><p>{clock(seen.time)} {said}{lines}</p>{reasons}</div>'


def _false_alarms(account: Account) -> str:
    false = [claim for claim in account.claims if claim.true is False]
    begins = [failure.time for failure in account.failures]
    cases = "".join(_false_alarm(claim, begins) for claim in false)
    return _section("False alarms, one by one", cases or "<p>None.</p>")


def _false_alarm(claim: Claim, begins: Sequence[float]) -> str:
    later = next((time for time in begins if time > claim.time), None)
    came = "no failure came after it"
    if later is not None:
        came = f"the next failure came {format_duration(later - claim.time)} later"
    return (
        f'<div class="case"><p>{clock(claim.time)}, at {percent(claim.probability)}; {came}</p>'
        f"{_reasons(claim.reasons, claim.time)}</div>"
    )


def _settings(result: Result, account: Account) -> str:
    app = account.app
    scores = "; ".join(
        f"within {format_duration(one.horizon)}: Brier skill {one.brier_skill:+.3f}, average "
        f"precision {one.average_precision:.3f}, base rate {percent(one.base_rate)}"
        for one in result.horizons
    )
    facts = {
        "Logs": ", ".join(app.logs),
        "Lines": f"{result.lines:,}, {result.unparsed:,} of them not parsed",
        "Tick": format_duration(app.tick),
        "Merge": f"reds closer than {format_duration(app.merge)} are one failure",
        "Scores": scores,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{text(said)}</dd>" for name, said in facts.items())
    return _section("What was replayed", f"<dl>{rows}</dl>")
