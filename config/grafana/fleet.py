"""The fleet: every app's health now, the worst first."""

from rnnd.config.grafana.dashboard import apps, dashboard, horizon, job_and_instance
from rnnd.config.grafana.panels import (
    APP,
    HEALTH_MAPPINGS,
    ORANGE,
    PROBABILITY_STEPS,
    RED,
    UNKNOWN,
    Json,
    health_bands,
    health_code,
    lines,
    number,
    panel,
    steps,
    target,
    worst_health_code,
)

BY = "job, instance, app"
RISK = "Failure within $horizon"


def fleet() -> Json:
    """Return the dashboard."""
    return dashboard(
        "rnnd-fleet",
        "rnnd / fleet",
        "The health of every application that rnnd watches, the worst first.",
        [*job_and_instance(), apps(many=True), horizon()],
        [
            ("", 4, [*((4, one) for one in _counts()), *((4, one) for one in _record())]),
            ("Now, the worst first", 9, [(24, _table())]),
            ("Over time", 8, [(12, _bands()), (12, _probabilities())]),
        ],
    )


def _counts() -> list[Json]:
    def of(colour: str) -> str:
        return f'sum(rnnd_health{{{APP}, rnnd_health="{colour}"}})'

    def counted(title: str, text: str, colour: str, paint: str) -> Json:
        return number(
            title,
            text,
            of(colour),
            unit="short",
            thresholds=steps((None, "transparent"), (1, paint)),
        )

    return [
        counted("■ Red", "Apps that are failing or expected to fail.", "red", RED),
        counted("▲ Orange", "Apps that are getting worse.", "orange", ORANGE),
        counted("? Unknown", "Apps that are warming up, or blind.", "unknown", UNKNOWN),
    ]  # fmt: skip


def _record() -> list[Json]:
    return [
        number(
            "Failures",
            "Failures that began in the time shown.",
            f"sum(increase(rnnd_failures_total{{{APP}}}[$__range]))",
            unit="short",
            decimals=0,
        ),
        number(
            "Of them predicted",
            "Failures that an alarm had foretold, in the time shown.",
            f'sum(increase(rnnd_failures_total{{{APP}, predicted="yes"}}[$__range]))',
            unit="short",
            decimals=0,
        ),
        number(
            "False alarms",
            "Alarms that no failure followed within their horizon, in the time shown.",
            f'sum(increase(rnnd_alarm_outcomes_total{{{APP}, outcome="false"}}[$__range]))',
            unit="short",
            decimals=0,
        ),
    ]


def _table() -> Json:
    queries = [
        worst_health_code(APP, BY),
        health_code("rnnd_health", APP, BY),
        health_code("rnnd_health_observed", APP, BY),
        f'max by ({BY}) (rnnd_health_probability_ratio{{{APP}, health="red", horizon="$horizon"}})',
        f"sum by ({BY}) (increase(rnnd_failures_total{{{APP}}}[$__range]))",
        f'sum by ({BY}) (increase(rnnd_alarm_outcomes_total{{{APP}, outcome="false"}}[$__range]))',
        f"time() - max by ({BY}) (rnnd_last_line_timestamp_seconds{{{APP}}})",
    ]
    health = [{"id": "mappings", "value": HEALTH_MAPPINGS}, _cell()]
    risk = [
        {"id": "unit", "value": "percentunit"},
        {"id": "thresholds", "value": steps(*PROBABILITY_STEPS)},
        {"id": "min", "value": 0},
        {"id": "max", "value": 1},
        {"id": "custom.cellOptions", "value": {"type": "gauge", "mode": "basic"}},
    ]
    names = [
        ("Value #A", "Health", health),
        ("Value #B", "Predicted", health),
        ("Value #C", "Observed", health),
        ("Value #D", RISK, risk),
        ("Value #E", "Failures", [{"id": "decimals", "value": 0}]),
        ("Value #F", "False alarms", [{"id": "decimals", "value": 0}]),
        ("Value #G", "Last line", [{"id": "unit", "value": "s"}, {"id": "decimals", "value": 0}]),
    ]
    link = {
        "title": "${__data.fields.app}",
        "url": "/d/rnnd-app?${__url_time_range}&var-datasource=${datasource}"
        "&var-job=${__data.fields.job}&var-instance=${__data.fields.instance}"
        "&var-app=${__data.fields.app}",
    }
    return panel(
        "table",
        "Apps",
        "Every app with the worse of its predicted and observed health; choose one for its own "
        "dashboard.",
        [target(query, instant=True, table=True) for query in queries],
        unit="short",
        overrides=[
            {"matcher": {"id": "byName", "options": name}, "properties": properties}
            for _, name, properties in [("", "app", [{"id": "links", "value": [link]}]), *names]
        ],
        options={
            "showHeader": True,
            "sortBy": [{"displayName": name, "desc": True} for name in ("Health", RISK)],
        },
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {old: new for old, new, _ in names},
                    "indexByName": {"app": 0} | {old: n for n, (old, _, _) in enumerate(names, 1)},
                },
            },
        ],
    )


def _cell() -> Json:
    return {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}}


def _bands() -> Json:
    return health_bands(
        "Predicted health",
        "The health expected within each app's horizon.",
        [target(health_code("rnnd_health", APP), "{{app}}")],
    )


def _probabilities() -> Json:
    query = (
        f'max by (instance, app) (rnnd_health_probability_ratio{{{APP}, health="red", '
        'horizon="$horizon"})'
    )
    return lines(
        "Probability of a failure within $horizon",
        "How probable rnnd thinks it is that the app fails within the horizon.",
        [target(query, "{{app}}")],
        unit="percentunit",
        high=1,
    )
