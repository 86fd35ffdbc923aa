"""One app: what is expected, what was seen, and how good the predictions have been."""

from rnnd.config.grafana.dashboard import apps, dashboard, horizon, job_and_instance, mark
from rnnd.config.grafana.panels import (
    APP,
    GREEN,
    ORANGE,
    RED,
    Json,
    bars,
    health_bands,
    health_code,
    health_number,
    heatmap,
    lines,
    number,
    steps,
    target,
)

BLUE = "#0072B2"
RATE = "[$__rate_interval]"
RANGE = "[$__range]"


def app() -> Json:
    """Return the dashboard."""
    return dashboard(
        "rnnd-app",
        "rnnd / app",
        "What is expected of one application, and how good the predictions have been.",
        [*job_and_instance(), apps(many=False), horizon()],
        [
            ("Now", 6, [(5, _now()), (5, _observed()), (8, _by_horizon()), (6, _surprise_now())]),
            ("Health over time", 9, [(24, _probability())]),
            ("", 6, [(24, _bands())]),
            ("", 7, [(12, _shares()), (12, _surprise())]),
            ("Track record in the time shown", 5, [(4, one) for one in _record()]),
            ("", 7, [(8, _skill()), (8, _outcomes()), (8, _leads())]),
            ("The log", 7, [(8, _lines()), (8, _templates()), (8, _new_templates())]),
        ],
        marks=[
            mark(
                "Failures",
                RED,
                f"sum by (app, predicted) (increase(rnnd_failures_total{{{APP}}}{RATE})) > 0",
                "failure of {{app}}, predicted: {{predicted}}",
            ),
            mark(
                "Alarms",
                ORANGE,
                f"sum by (app) (increase(rnnd_alarms_total{{{APP}}}{RATE})) > 0",
                "alarm for {{app}}",
            ),
            mark(
                "Unusual lines",
                BLUE,
                f"sum by (app) (increase(rnnd_unusual_alarms_total{{{APP}}}{RATE})) > 0",
                "unusual lines of {{app}}",
            ),
        ],
    )


def _now() -> Json:
    return health_number(
        "Predicted health",
        "The worst health expected within the alarm's horizon; unknown while warming up or blind.",
        health_code("rnnd_health", APP),
    )


def _observed() -> Json:
    return health_number(
        "Observed health",
        "The worst health that the lines of the last tick showed.",
        health_code("rnnd_health_observed", APP),
    )


def _by_horizon() -> Json:
    query = (
        "max by (instance, horizon) "
        f'(rnnd_health_probability_ratio{{{APP}, health="red"}})'
    )  # fmt: skip
    return bars(
        "Probability of a failure",
        "How probable it is that a failure begins within each horizon.",
        [target(query, "within {{horizon}}", instant=True)],
        unit="percentunit",
    )


def _surprise_now() -> Json:
    return number(
        "Surprise",
        "How unusual the last tick was: 99 % means more unusual than 99 of 100 ticks before it.",
        f"max(rnnd_surprise_ratio{{{APP}}})",
        unit="percentunit",
        decimals=1,
        thresholds=steps((None, "transparent"), (0.99, ORANGE)),
    )


def _probability() -> Json:
    query = (
        "max by (instance, horizon) "
        f'(rnnd_health_probability_ratio{{{APP}, health="red"}})'
    )  # fmt: skip
    return lines(
        "Probability of a failure by horizon",
        "Failures and alarms are marked: a good prediction rises before a failure mark.",
        [target(query, "within {{horizon}}")],
        unit="percentunit",
        high=1,
    )


def _bands() -> Json:
    return health_bands(
        "Predicted and observed health",
        "What was expected, above what was seen: red below should begin under red above.",
        [
            target(health_code("rnnd_health", APP), "predicted"),
            target(health_code("rnnd_health_observed", APP), "observed"),
        ],
    )


def _shares() -> Json:
    query = f'max by (health) (rnnd_health_probability_ratio{{{APP}, horizon="$horizon"}})'
    return lines(
        "The worst health expected within $horizon",
        "How probable each is as the worst health within the horizon.",
        [target(query, "{{health}}")],
        unit="percentunit",
        stacked=True,
        colours={"green": GREEN, "orange": ORANGE, "red": RED},
        high=1,
    )


def _surprise() -> Json:
    return lines(
        "Surprise",
        "How unusual each tick was, as a quantile of the ticks before it.",
        [target(f"max by (instance) (rnnd_surprise_ratio{{{APP}}})", "surprise")],
        unit="percentunit",
        high=1,
    )


def _record() -> list[Json]:
    def ratio(part: str, whole: str) -> str:
        return f"sum(increase({part}{RANGE})) / (sum(increase({whole}{RANGE})) > 0)"

    failures, outcomes = f"rnnd_failures_total{{{APP}", f"rnnd_alarm_outcomes_total{{{APP}"
    leads = f"rnnd_lead_time_seconds_bucket{{{APP}}}"
    return [
        number(
            "Failures",
            "Failures that began in the time shown.",
            f"sum(increase({failures}}}{RANGE}))",
            unit="short",
            decimals=0,
        ),
        number(
            "Failures predicted",
            "The share of failures that an alarm had foretold (recall).",
            ratio(f'{failures}, predicted="yes"}}', f"{failures}}}"),
            unit="percentunit",
            none="no failure",
        ),
        number(
            "Alarms",
            "Alarms raised in the time shown.",
            f"sum(increase(rnnd_alarms_total{{{APP}}}{RANGE}))",
            unit="short",
            decimals=0,
        ),
        number(
            "Alarms that came true",
            "The share of alarms that a failure followed (precision).",
            ratio(f'{outcomes}, outcome="true"}}', f"{outcomes}}}"),
            unit="percentunit",
            none="no alarm",
        ),
        number(
            "Median lead time",
            "From the first true alarm to its failure, in half of the cases or more.",
            f"histogram_quantile(0.5, sum by (le) (increase({leads}{RANGE})))",
            unit="s",
            none="no alarm",
        ),
        number(
            "Worst Brier skill",
            "The least of all horizons: 1 is perfect, 0 as good as the rate of failures alone.",
            f"min(rnnd_brier_skill_ratio{{{APP}}})",
            unit="none",
            decimals=2,
            thresholds=steps((None, ORANGE), (0, "transparent")),
        ),
    ]


def _skill() -> Json:
    return lines(
        "Brier skill",
        "1 is perfect, 0 as good as the base rate. Each prediction was made before its outcome.",
        [target(f"max by (horizon) (rnnd_brier_skill_ratio{{{APP}}})", "within {{horizon}}")],
        unit="none",
        low=None,
        high=1,
    )


def _outcomes() -> Json:
    outcomes = f"sum by (outcome) (increase(rnnd_alarm_outcomes_total{{{APP}}}{RATE}))"
    failures = f"sum by (predicted) (increase(rnnd_failures_total{{{APP}}}{RATE}))"
    return lines(
        "Alarms and failures",
        "What became of alarms, and whether failures had been foretold.",
        [
            target(outcomes, "{{outcome}} alarms"),
            target(failures, "failures, predicted: {{predicted}}"),
        ],
        unit="short",
        colours={
            "true alarms": GREEN,
            "false alarms": ORANGE,
            "failures, predicted: no": RED,
        },
    )


def _leads() -> Json:
    query = f"sum by (le) (increase(rnnd_lead_time_seconds_bucket{{{APP}}}{RATE}))"
    return heatmap(
        "Lead times",
        "How long before each predicted failure its first true alarm came.",
        [target(query, "{{le}}")],
        unit="s",
    )


def _lines() -> Json:
    return lines(
        "Lines",
        "Lines read a second, and those in which no time was found.",
        [
            target(f"sum(rate(rnnd_lines_total{{{APP}}}{RATE}))", "lines"),
            target(f"sum(rate(rnnd_lines_unparsed_total{{{APP}}}{RATE}))", "without a time"),
        ],
        unit="cps",
    )


def _templates() -> Json:
    return lines(
        "Templates",
        "Kinds of lines known: messages with their variable parts masked.",
        [target(f"sum(rnnd_templates{{{APP}}})", "templates")],
        unit="short",
    )


def _new_templates() -> Json:
    return lines(
        "New templates",
        "Kinds of lines seen for the first time, or again after a long absence; a burst of them is "
        "often a deployment.",
        [
            target(f"sum(increase(rnnd_new_templates_total{{{APP}}}{RATE}))", "new"),
            target(f"sum(increase(rnnd_returned_templates_total{{{APP}}}{RATE}))", "come back"),
        ],
        unit="short",
    )
