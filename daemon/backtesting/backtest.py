"""Scores a replay: what rnnd would have said, and whether it was so.

Every prediction is made before its outcome is learnt.
"""

import time
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnd.codecs.health import Health
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.prediction.scoring import average_precision, calibration_error
from rnnd.daemon.words import percent
from rnnd.errors import RnndError

DAY = 86400.0
MOSTLY = 0.5  # of the time; what is red for longer is hardly a failure


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """How good the probabilities of one horizon were."""

    horizon: float  # s
    brier_skill: float  # against the base rate known at the time
    average_precision: float
    calibration_error: float
    base_rate: float


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a backtest; times in seconds."""

    app: str
    rule: str  # what made a failure
    rule_reason: str
    rule_since: float | None  # when it was chosen; None where it held from the start
    start: float
    end: float
    ticks: int
    lines: int
    unparsed: int
    seconds: float  # that the replay took
    failures: int
    predicted: int
    median_lead: float | None
    alarms: int
    false_alarms: int
    known_days: float  # days with a predicted health, that is, not unknown
    red_share: float  # of the ticks under this rule were red by themselves
    horizons: tuple[HorizonScore, ...]

    @property
    def caution(self) -> str:
        """What is odd about the rule of failures, in words; nothing where it will do."""
        if self.red_share < MOSTLY:
            return ""
        return (
            f"it was so in {percent(self.red_share)} of the time: such failures hardly end, and "
            "what does not end does not begin. Name what is rarer"
        )

    @property
    def false_alarms_a_day(self) -> float:
        """False alarms a day, of the days on which a health was told."""
        return self.false_alarms / self.known_days if self.known_days else 0.0


class Evaluation:
    """Collects the predictions of a backtest and scores them at its end.

    What was said before the rule of failures changed is not scored: it was about something else.
    """

    def __init__(self, pipeline: AppPipeline) -> None:
        self.pipeline = pipeline
        self._red = [array("d") for _ in pipeline.horizons]
        self._onsets = bytearray()  # 1 for a tick in which a failure began
        self._known = self._ticks = self._red_ticks = 0
        self._rule_since: float | None = None
        self.lines = self._unparsed = 0
        self._start = self._end = 0.0
        self._began = time.perf_counter()

    def note(self, prediction: Prediction) -> None:
        """Take note of one prediction."""
        if not self._ticks:
            self._start = prediction.time - self.pipeline.app.tick
        self._end = prediction.time
        for told, triple in zip(self._red, prediction.probabilities.values(), strict=True):
            told.append(triple[2])
        self._onsets.append(prediction.onset)
        self._known += prediction.health != Health.UNKNOWN
        self._red_ticks += prediction.observed is Health.RED
        self.lines += prediction.tick.lines
        self._unparsed += prediction.tick.unparsed
        self._ticks += 1
        if prediction.new_rule is not None:
            self._rule_since = prediction.time
            self._red = [array("d") for _ in self._red]
            self._onsets = bytearray()
            self._known = self._red_ticks = 0

    def result(self) -> Result:
        """Return the scores.

        Raises `RnndError` where there was nothing to predict from.
        """
        if not self.lines or not self.pipeline.has_timestamps:
            raise RnndError("no line of the logs has a timestamp: nothing to replay")
        pipeline, tick = self.pipeline, self.pipeline.app.tick
        record = pipeline.scoreboard.alarm
        leads = [lead * tick for lead in record.leads]
        return Result(
            app=pipeline.app.name,
            rule=pipeline.rule,
            rule_reason=pipeline.rule_reason,
            rule_since=self._rule_since,
            start=self._start,
            end=self._end,
            ticks=self._ticks,
            lines=self.lines,
            unparsed=self._unparsed,
            seconds=time.perf_counter() - self._began,
            failures=record.failures,
            predicted=record.predicted,
            median_lead=float(np.median(leads)) if leads else None,
            alarms=record.alarms,
            false_alarms=record.false,
            known_days=self._known * tick / DAY,
            red_share=self._red_ticks / max(1, len(self._onsets)),
            horizons=tuple(self._score(index) for index in range(len(pipeline.horizons))),
        )

    def _score(self, index: int) -> HorizonScore:
        """Return the scores of one horizon, over all ticks whose outcome is known."""
        horizon = self.pipeline.horizons[index]
        red = np.frombuffer(self._red[index])
        onsets = np.concatenate([[0], np.cumsum(np.frombuffer(self._onsets, np.uint8))])
        settled = max(0, len(red) - horizon)
        outcomes = onsets[horizon + 1 :][:settled] > onsets[1 : settled + 1]
        known = settled > 0
        return HorizonScore(
            horizon=self.pipeline.app.horizons[index],
            brier_skill=self.pipeline.scoreboard.brier[index].skill,
            average_precision=average_precision(red[:settled], outcomes) if known else 0.0,
            calibration_error=calibration_error(red[:settled], outcomes) if known else 0.0,
            base_rate=float(outcomes.mean()) if known else 0.0,
        )


def as_json(result: Result) -> dict[str, Any]:
    """Return *result* as what JSON can hold; names end in their unit."""
    return {
        "app": result.app,
        "failure_rule": result.rule,
        "failure_rule_reason": result.rule_reason,
        "failure_rule_since_timestamp_seconds": result.rule_since,
        "start_timestamp_seconds": result.start,
        "end_timestamp_seconds": result.end,
        "ticks": result.ticks,
        "lines": result.lines,
        "lines_unparsed": result.unparsed,
        "replay_seconds": round(result.seconds, 3),
        "lines_per_second": round(result.lines / max(result.seconds, 1e-9), 1),
        "failures": result.failures,
        "failures_predicted": result.predicted,
        "median_lead_seconds": result.median_lead,
        "alarms": result.alarms,
        "false_alarms": result.false_alarms,
        "false_alarms_per_day": round(result.false_alarms_a_day, 6),
        "days_with_known_health": round(result.known_days, 6),
        "horizons": [
            {
                "horizon_seconds": score.horizon,
                "brier_skill": round(score.brier_skill, 6),
                "average_precision": round(score.average_precision, 6),
                "calibration_error": round(score.calibration_error, 6),
                "base_rate": round(score.base_rate, 6),
            }
            for score in result.horizons
        ],
    }
