"""What is counted of an app from its first day on; saved with the state, shown as metrics."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from rnnd.codecs.health import Health
from rnnd.daemon.history import Recent
from rnnd.daemon.prediction.pipeline import Prediction
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.prediction.scoring import Outcomes

LEAD_BUCKETS = (30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0)  # s


@dataclass(slots=True)
class Tally:
    """Counts that only grow, and survive the daemon."""

    lines: int = 0
    bytes: int = 0
    lines_unparsed: int = 0
    lines_late: int = 0
    lines_cut: int = 0  # longer than is kept
    new_templates: int = 0
    returned_templates: int = 0
    alarms: int = 0
    alarms_true: int = 0
    alarms_false: int = 0
    unusual_alarms: int = 0
    failures_predicted: int = 0
    failures_missed: int = 0
    lead_seconds: float = 0.0
    leads: list[int] = field(default_factory=lambda: [0] * (len(LEAD_BUCKETS) + 1))  # a bucket
    rotations: int = 0
    truncations: int = 0
    lost_bytes: int = 0
    read_errors: dict[str, int] = field(default_factory=dict)  # by reason

    def note(self, prediction: Prediction, tick: float) -> None:
        """Count what one tick of *tick* seconds brought."""
        self.lines_unparsed += prediction.tick.unparsed
        self.lines_late += prediction.tick.late
        self.lines_cut += prediction.tick.cut
        self.new_templates += prediction.tick.new_templates
        self.returned_templates += len(prediction.tick.absences)
        self.unusual_alarms += prediction.unusual_alarm
        self.note_outcomes(prediction.outcomes, tick)

    def note_outcomes(self, outcomes: Outcomes, tick: float) -> None:
        """Count what became known of alarms and failures; a tick has *tick* seconds."""
        self.alarms += outcomes.alarms
        self.alarms_true += outcomes.true
        self.alarms_false += outcomes.false
        if outcomes.failure and outcomes.lead is not None:
            self.failures_predicted += 1
            lead = outcomes.lead * tick
            self.lead_seconds += lead
            place = sum(lead > bound for bound in LEAD_BUCKETS)
            self.leads[place] += 1
        elif outcomes.failure:
            self.failures_missed += 1

    def state(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return dict(msgspec.to_builtins(self))

    @classmethod
    def of(cls, state: dict[str, Any]) -> "Tally":
        """Return the counts that `state` gave."""
        return msgspec.convert(state, cls)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that was seen, for people to look at."""

    time: float  # s since the epoch: the end of its tick
    lead: float | None  # s that it was foretold; None where it was not


@dataclass(frozen=True, slots=True)
class AppStatus:
    """What other threads may know of an app: values that nobody changes any more."""

    name: str
    logs: tuple[str, ...]
    health: Health = Health.UNKNOWN
    observed: Health = Health.UNKNOWN
    probabilities: dict[float, tuple[float, float, float]] = field(default_factory=dict)
    brier_skill: dict[float, float] = field(default_factory=dict)
    surprise: float = 0.0
    predicted_at: float | None = None  # s since the epoch
    last_line_at: float | None = None
    templates: int = 0
    training_loss: float | None = None  # of the newest stretch learnt from
    training_steps: int = 0  # since the app was new
    training_seconds: float = 0.0  # of a processor, since the start
    files: int = 0
    lag_bytes: int = 0
    catching_up: bool = False
    rotated_files: tuple[int, int] = (0, 0)  # read before the logs themselves, and in all
    complaints: dict[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()  # the newest last
    warming_up: bool = False
    failures_known: int = 0  # seen under the rule that is in force
    threshold: float = 1.0  # the probability within the alarm's horizon from which on it is red
    failed_at: float | None = None  # when the failure began that further reds would belong to
    reasons: tuple[Reason, ...] = ()  # what raises the probability now, the most important first
    rule: str = ""  # what makes a failure
    rule_reason: str = ""
    recent: Recent = field(default_factory=Recent)
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What other threads may know of the whole daemon."""

    apps: tuple[AppStatus, ...] = ()
    started_at: float = 0.0
    ready: bool = False
    state_directory: str = ""
    checkpoint_at: dict[str, float] = field(default_factory=dict)  # by app
    checkpoint_bytes: dict[str, int] = field(default_factory=dict)
    checkpoint_failures: int = 0
    reload_success: bool = True
    reload_at: float = 0.0
    reload_error: str = ""
