"""rnnd's own operation: is it up, does it keep pace, does it learn, is its state saved."""

from rnnd.config.grafana.dashboard import dashboard, job_and_instance
from rnnd.config.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    SELECTOR,
    Json,
    lines,
    number,
    steps,
    target,
)

RATE = "[$__rate_interval]"
BY = "instance, app"


def operation() -> Json:
    """Return the dashboard."""
    return dashboard(
        "rnnd-operation",
        "rnnd / operation",
        "How rnnd itself is doing: pace, learning, state, resources.",
        job_and_instance(),
        [
            ("", 4, [(4, one) for one in _numbers()]),
            ("Reading", 7, [(8, one) for one in _reading()]),
            ("", 7, [(6, one) for one in _troubles()]),
            ("Learning", 7, [(8, one) for one in _learning()]),
            ("State and resources", 7, [(6, one) for one in _resources()]),
        ],
    )


def _numbers() -> list[Json]:
    good = steps((None, RED), (1, GREEN))
    return [
        number(
            "Up",
            "How many of the chosen daemons answer Prometheus.",
            f"sum(up{{{SELECTOR}}})",
            unit="short",
            thresholds=good,
        ),
        number(
            "Version",
            "The version of rnnd; several while an upgrade is under way.",
            f"count by (version) (rnnd_build_info{{{SELECTOR}}})",
            unit="none",
            legend="{{version}}",
        )
        | {"options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "name"}},
        number(
            "Running for",
            "Since the youngest of the chosen daemons started.",
            f"time() - max(process_start_time_seconds{{{SELECTOR}}})",
            unit="s",
        ),
        number(
            "Configuration",
            "Whether the last reload took the configuration on disk.",
            f"min(rnnd_config_reload_success{{{SELECTOR}}})",
            unit="none",
            thresholds=good,
            mappings=[
                {
                    "type": "value",
                    "options": {
                        "0": {"text": "■ refused", "color": RED},
                        "1": {"text": "● in force", "color": GREEN},
                    },
                }
            ],
        ),
        number(
            "Last checkpoint",
            "How long ago the oldest of the newest checkpoints was saved.",
            f"time() - min(rnnd_checkpoint_timestamp_seconds{{{SELECTOR}}})",
            unit="s",
            decimals=0,
            thresholds=steps((None, "transparent"), (900, ORANGE)),
        ),
        number(
            "Behind",
            "Bytes written to logs and not yet read.",
            f"sum(rnnd_file_lag_bytes{{{SELECTOR}}})",
            unit="bytes",
            thresholds=steps((None, "transparent"), (1e6, ORANGE)),
        ),
    ]


def _each(query: str, legend: str = "{{app}}") -> list[Json]:
    return [target(query, legend)]


def _reading() -> list[Json]:
    def rate(metric: str) -> str:
        return f"sum by ({BY}) (rate({metric}{{{SELECTOR}}}{RATE}))"

    return [
        lines("Lines", "Lines read a second.", _each(rate("rnnd_lines_total")), unit="cps"),
        lines("Bytes", "Bytes read a second.", _each(rate("rnnd_bytes_total")), unit="Bps"),
        lines(
            "Behind",
            "Bytes written to logs and not yet read.",
            _each(f"sum by ({BY}) (rnnd_file_lag_bytes{{{SELECTOR}}})"),
            unit="bytes",
        ),
        lines(
            "Files",
            "Log files followed.",
            _each(f"sum by ({BY}) (rnnd_files{{{SELECTOR}}})"),
            unit="short",
        ),
        lines(
            "Last line",
            "How long ago the last line was read.",
            _each(f"time() - max by ({BY}) (rnnd_last_line_timestamp_seconds{{{SELECTOR}}})"),
            unit="s",
        ),
        lines(
            "Last prediction",
            "How long ago the tick of the last prediction ended.",
            _each(f"time() - max by ({BY}) (rnnd_last_prediction_timestamp_seconds{{{SELECTOR}}})"),
            unit="s",
        ),
    ]


def _troubles() -> list[Json]:
    def increase(metric: str, by: str = BY) -> str:
        return f"sum by ({by}) (increase({metric}{{{SELECTOR}}}{RATE}))"

    return [
        lines(
            "Rotations and truncations",
            "Log files renamed or emptied under the reader.",
            [
                target(increase("rnnd_rotations_total"), "{{app}} rotated"),
                target(increase("rnnd_truncations_total"), "{{app}} truncated"),
            ],
            unit="short",
        ),
        lines(
            "Lines not taken as they are",
            "Lines without a time, late ones, and those whose end was cut off for being too long.",
            [
                target(increase("rnnd_lines_unparsed_total"), "{{app}} without a time"),
                target(increase("rnnd_lines_late_total"), "{{app}} late"),
                target(increase("rnnd_lines_dropped_total", f"{BY}, reason"), "{{app}} {{reason}}"),
            ],
            unit="short",
        ),
        lines(
            "Bytes lost",
            "Bytes seen and gone before they could be read: a file emptied without a copy.",
            [target(increase("rnnd_lost_bytes_total"), "{{app}}")],
            unit="bytes",
        ),
        lines(
            "Read errors",
            "Attempts to read a log that failed, by reason.",
            [
                target(
                    increase("rnnd_read_errors_total", f"{BY}, reason")
                    + f" or 0 * sum by ({BY}) (rnnd_files{{{SELECTOR}}})",
                    "{{app}} {{reason}}",
                )
            ],
            unit="short",
        ),
    ]


def _learning() -> list[Json]:
    return [
        lines(
            "Training loss",
            "How far the network's forecasts are off while it learns; falling is learning.",
            _each(f"max by ({BY}) (rnnd_training_loss{{{SELECTOR}}})"),
            unit="none",
            low=None,
        ),
        lines(
            "Training steps",
            "Optimisation steps a second.",
            _each(f"sum by ({BY}) (rate(rnnd_training_steps_total{{{SELECTOR}}}{RATE}))"),
            unit="ops",
        ),
        lines(
            "Time spent learning",
            "The share of one processor that learning takes.",
            _each(f"sum by ({BY}) (rate(rnnd_training_seconds_total{{{SELECTOR}}}{RATE}))"),
            unit="percentunit",
        ),
    ]


def _resources() -> list[Json]:
    legend = "{{instance}}"
    return [
        lines(
            "Processor",
            "The share of one processor that rnnd takes.",
            _each(
                f"sum by (instance) (rate(process_cpu_seconds_total{{{SELECTOR}}}{RATE}))", legend
            ),
            unit="percentunit",
        ),
        lines(
            "Memory",
            "Memory that rnnd holds; the unit's limit is 512 MiB.",
            _each(f"sum by (instance) (process_resident_memory_bytes{{{SELECTOR}}})", legend),
            unit="bytes",
        ),
        lines(
            "Checkpoint size",
            "Size of the state files.",
            _each(f"sum by (instance) (rnnd_checkpoint_bytes{{{SELECTOR}}})", legend),
            unit="bytes",
        ),
        lines(
            "Checkpoint failures",
            "State files that could not be saved, or not be used.",
            _each(
                f"sum by (instance) (increase(rnnd_checkpoint_failures_total{{{SELECTOR}}}{RATE}))",
                legend,
            ),
            unit="short",
        ),
    ]
