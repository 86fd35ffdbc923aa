"""The metrics: what the worker has published, as Prometheus' families.

A scrape reads one finished `ServiceStatus`; so the values of a scrape belong together, and no
lock is needed. Labels come from the configuration, never from a line.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from rnnd import __version__
from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.tally import LEAD_BUCKETS, AppStatus, ServiceStatus

HEALTHS = (Health.GREEN, Health.ORANGE, Health.RED, Health.UNKNOWN)

# name, what it says, its value of an app; None where there is nothing to say
GAUGES: list[tuple[str, str, Callable[[AppStatus], float | None]]] = [
    (
        "rnnd_surprise_ratio",
        "How unusual the last tick was, as a quantile of the past.",
        lambda app: app.surprise,
    ),
    ("rnnd_templates", "Templates known.", lambda app: app.templates),
    (
        "rnnd_training_loss",
        "Error of the network's forecast over the newest stretch that it learnt from.",
        lambda app: app.training_loss,
    ),
    ("rnnd_files", "Log files followed.", lambda app: app.files),
    ("rnnd_file_lag_bytes", "Bytes written and not yet read.", lambda app: app.lag_bytes),
    (
        "rnnd_last_line_timestamp_seconds",
        "When the last line was read.",
        lambda app: app.last_line_at,
    ),
    (
        "rnnd_last_prediction_timestamp_seconds",
        "The end of the tick of the last prediction.",
        lambda app: app.predicted_at,
    ),
]
COUNTERS: list[tuple[str, str, Callable[[AppStatus], float]]] = [
    ("rnnd_lines", "Lines read.", lambda app: app.tally.lines),
    ("rnnd_bytes", "Bytes read.", lambda app: app.tally.bytes),
    (
        "rnnd_lines_unparsed",
        "Lines read in which no timestamp was found.",
        lambda app: app.tally.lines_unparsed,
    ),
    (
        "rnnd_lines_late",
        "Lines read after their tick was over, and counted in a later one.",
        lambda app: app.tally.lines_late,
    ),
    (
        "rnnd_new_templates",
        "Templates seen for the first time.",
        lambda app: app.tally.new_templates,
    ),
    (
        "rnnd_returned_templates",
        "Templates seen again after more than a day and twice their longest absence.",
        lambda app: app.tally.returned_templates,
    ),
    ("rnnd_training_steps", "Optimisation steps.", lambda app: app.training_steps),
    (
        "rnnd_training_seconds",
        "Processor time spent on ticks: encoding, predicting and, most of it, learning.",
        lambda app: app.training_seconds,
    ),
    ("rnnd_alarms", "Alarms raised.", lambda app: app.tally.alarms),
    (
        "rnnd_unusual_alarms",
        "Times that lines more unusual than the budget allows made health orange.",
        lambda app: app.tally.unusual_alarms,
    ),
    ("rnnd_rotations", "Rotations of log files.", lambda app: app.tally.rotations),
    ("rnnd_truncations", "Truncations of log files.", lambda app: app.tally.truncations),
    (
        "rnnd_lost_bytes",
        "Bytes that were seen and gone before they could be read.",
        lambda app: app.tally.lost_bytes,
    ),
]


class StatusCollector(Collector):
    """Gives the metrics of what *read* returns, the newest status published."""

    def __init__(self, read: Callable[[], ServiceStatus]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Give all families."""
        status = self._read()
        yield from _health(status.apps)
        yield from _record(status.apps)
        for name, text, of in GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=["app"])
            for app in status.apps:
                value = of(app)
                if value is not None:
                    gauge.add_metric([app.name], value)
            yield gauge
        for name, text, count in COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["app"])
            for app in status.apps:
                counter.add_metric([app.name], count(app))
            yield counter
        dropped = CounterMetricFamily(
            "rnnd_lines_dropped",
            "Lines of which not all was taken in.",
            labels=["app", "reason"],
        )
        for app in status.apps:
            dropped.add_metric([app.name, "too_long"], app.tally.lines_cut)
        yield dropped
        errors = CounterMetricFamily(
            "rnnd_read_errors", "Attempts to read a log that failed.", labels=["app", "reason"]
        )
        for app in status.apps:
            for reason, number in app.tally.read_errors.items():
                errors.add_metric([app.name, reason], number)
        yield errors
        yield from _service(status)

    def describe(self) -> Iterable[Metric]:
        """Give nothing: the families are not known before the first status."""
        return []


def _health(apps: Iterable[AppStatus]) -> Iterator[Metric]:
    predicted = StateSetMetricFamily(
        "rnnd_health", "The worst health expected within the app's horizon.", labels=["app"]
    )
    observed = StateSetMetricFamily(
        "rnnd_health_observed", "The worst health seen in the last tick.", labels=["app"]
    )
    probability = GaugeMetricFamily(
        "rnnd_health_probability_ratio",
        "How probable it is that this is the worst health within the horizon.",
        labels=["app", "horizon", "health"],
    )
    for app in apps:
        predicted.add_metric([app.name], {str(one): one is app.health for one in HEALTHS})
        observed.add_metric([app.name], {str(one): one is app.observed for one in HEALTHS})
        for horizon, values in app.probabilities.items():
            for health, value in zip(HEALTHS, values, strict=False):
                probability.add_metric([app.name, format_duration(horizon), str(health)], value)
    yield from (predicted, observed, probability)


def _record(apps: Iterable[AppStatus]) -> Iterator[Metric]:
    """Give the track record: what became of the predictions."""
    outcomes = CounterMetricFamily(
        "rnnd_alarm_outcomes", "Alarms whose outcome is known.", labels=["app", "outcome"]
    )
    failures = CounterMetricFamily(
        "rnnd_failures", "Failures, foretold by an alarm or not.", labels=["app", "predicted"]
    )
    leads = HistogramMetricFamily(
        "rnnd_lead_time_seconds", "From the first true alarm to its failure.", labels=["app"]
    )
    skill = GaugeMetricFamily(
        "rnnd_brier_skill_ratio",
        "1 is perfect, 0 no better than the base rate known at the time, or no failure yet.",
        labels=["app", "horizon"],
    )
    for app in apps:
        tally = app.tally
        outcomes.add_metric([app.name, "true"], tally.alarms_true)
        outcomes.add_metric([app.name, "false"], tally.alarms_false)
        failures.add_metric([app.name, "yes"], tally.failures_predicted)
        failures.add_metric([app.name, "no"], tally.failures_missed)
        bounds = [*(str(bound) for bound in LEAD_BUCKETS), "+Inf"]
        counts = list(zip(bounds, map(float, accumulate(tally.leads)), strict=True))
        leads.add_metric([app.name], counts, tally.lead_seconds)
        for horizon, value in app.brier_skill.items():
            skill.add_metric([app.name, format_duration(horizon)], value)
    yield from (outcomes, failures, leads, skill)


def _service(status: ServiceStatus) -> Iterator[Metric]:
    saved = GaugeMetricFamily(
        "rnnd_checkpoint_timestamp_seconds", "When the state was saved last.", labels=["app"]
    )
    size = GaugeMetricFamily("rnnd_checkpoint_bytes", "Size of the state file.", labels=["app"])
    for app, at in status.checkpoint_at.items():
        saved.add_metric([app], at)
        size.add_metric([app], status.checkpoint_bytes[app])
    yield from (saved, size)
    yield CounterMetricFamily(
        "rnnd_checkpoint_failures",
        "States that could not be saved, or not be used.",
        value=status.checkpoint_failures,
    )
    yield GaugeMetricFamily(
        "rnnd_config_reload_success",
        "Whether the last reload of the configuration went well.",
        value=status.reload_success,
    )
    yield GaugeMetricFamily(
        "rnnd_config_reload_timestamp_seconds",
        "When the configuration was last loaded well.",
        value=status.reload_at,
    )
    build = GaugeMetricFamily("rnnd_build_info", "The version of rnnd.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
