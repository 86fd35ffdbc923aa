"""One app of the daemon: its files, its pipeline, its state, taken turn by turn."""

import json
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from rnnd.codecs.health import Health
from rnnd.codecs.zone import parse_zone
from rnnd.config.schema import AppSettings
from rnnd.daemon.history import History
from rnnd.daemon.prediction.incident_list import IncidentList
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.progress import Progress
from rnnd.daemon.sources import Readers, ReadingOrder
from rnnd.daemon.state import Snapshot, StateFile
from rnnd.daemon.tailing.tail import Tailer
from rnnd.daemon.tally import AppStatus, Failure, Tally
from rnnd.daemon.words import clock
from rnnd.errors import CheckpointError

log = logging.getLogger(__name__)

TURN_BYTES = 4 << 20  # read from an app before the next one has its turn
TURN_TICKS = 512  # closed at once, so that a long silence does not delay the end
FAILURES_SHOWN = 20
BAD_ROW = "bad_incident"  # among the reasons of reading errors
EXPLAIN_EVERY = 5.0  # s; an explanation takes some 50 ms of a processor
EXPLAIN_CALM_EVERY = 60.0  # s; of an app that is neither orange nor red


class Pipeline(Protocol):
    """The road from lines to predictions; `AppPipeline` is the real one."""

    def feed(self, source: str, data: bytes, arrival: float) -> None:
        """Parse whole lines of one *source*."""
        ...

    def tick_of(self, source: str) -> int | None:
        """Return the newest tick of *source*; None before its first event."""
        ...

    @property
    def next_tick(self) -> int | None:
        """The tick that is closed next; None before the first event."""
        ...

    def close(self, before: int) -> list[Prediction]:
        """Close all ticks before *before*, silent ones too, and return what was predicted."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on identically."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what another pipeline's `state` gave."""
        ...


class App:
    """Tails one app's logs into its pipeline and keeps count.

    The source whose newest tick is the lowest is read next, and a tick is closed once all sources
    with something to read are past it. When everything is read, time closes ticks: *grace*
    seconds after their end, for writers do not write at once.
    """

    def __init__(
        self,
        settings: AppSettings,
        pipeline: Pipeline,
        file: StateFile,
        grace: float,
        listeners: Sequence[Callable[[Prediction], None]] = (),
    ) -> None:
        self.settings = settings
        self.pipeline = pipeline
        self.file = file
        self.tailer = Tailer(settings.logs, history=settings.history)
        self._incidents = None
        if settings.failures is not None:
            zone = parse_zone(settings.timezone)
            self._incidents = IncidentList(settings.failures, settings.merge, zone)
        self.tally = Tally()
        codec = getattr(pipeline, "codec", None)
        self.history = History(settings, codec.templates.text if codec else str)
        self.catching_up = True
        self._progress = Progress(settings.name)
        self._bytes_before = 0  # read before this start
        self._grace = grace
        self._listeners = listeners
        self._last: Prediction | None = None
        self._failures: deque[Failure] = deque(maxlen=FAILURES_SHOWN)
        self._last_line_at: float | None = None
        self._readers = Readers()
        self._newest: int | None = None  # tick
        self._monotonic = 0.0
        self._reasons: tuple[Reason, ...] = ()
        self._explained: tuple[float, float] | None = None  # the tick's end, and when
        self._seconds = 0.0  # of a processor, spent on ticks
        self._late = 0  # failures that became known late
        self._status: AppStatus | None = None  # the newest, while it is true
        self._seen: tuple[object, ...] = ()  # what there was to see of the files then

    def load(self) -> None:
        """Go on from the saved state, if there is one; raises `CheckpointError`."""
        state = self.file.load()
        if state is None:
            log.info("%s begins anew", self.settings.name)
            return
        shape = self._shape()
        saved = state.get("shape", shape)
        if changed := [name for name in shape if saved.get(name) != shape[name]]:
            log.warning(
                "%s begins anew, as what was learnt does not fit another %s; it is kept as %s",
                self.settings.name, " and ".join(changed), self.file.set_aside(),
            )  # fmt: skip
            return
        try:
            self._restore(state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.file.path}: saved by another version of rnnd ({error!r}); "
                "move it away to begin anew, or use the rnnd that wrote it"
            ) from error
        log.info("%s goes on after %d lines", self.settings.name, self.tally.lines)

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.pipeline.restore(state["pipeline"])
        self.tailer.restore(json.loads(bytes(state["tailer"])))
        self.tally = Tally.of(state["tally"])
        self._bytes_before = self.tally.bytes
        self.history.restore(state["history"])
        if state["pipeline"].get("rule") != getattr(self.pipeline, "rule", None):
            self.history.forget_open()
        self._newest = state["newest"]
        self._readers.names = dict(state["sources"])
        self._failures.extend(Failure(time, lead) for time, lead in state["failures"])

    def _shape(self) -> dict[str, Any]:
        """Return those settings without which what was learnt means nothing."""
        settings = self.settings
        return {
            "tick": settings.tick,
            "horizon": settings.horizon,
            "more_horizons": list(settings.horizons[1:]),
            "order": settings.order,
        }

    @property
    def changes(self) -> int:
        """Grows with all that comes from outside; what time alone does is not counted."""
        return self.tailer.changes + self._late

    def snapshot(self) -> Snapshot:
        """Return the state, all of it as of one moment."""
        self._count_files()
        # In one piece: of 10,000 files there are half a million values.
        tailer = json.dumps(self.tailer.state()).encode()
        return Snapshot.of(
            {
                "shape": self._shape(),
                "pipeline": self.pipeline.state(),
                "tailer": np.frombuffer(tailer, np.uint8),
                "tally": self.tally.state(),
                "history": self.history.state(),
                "newest": self._newest,
                "sources": self._readers.names,
                "failures": [(failure.time, failure.lead) for failure in self._failures],
            }
        )

    def close(self) -> None:
        """Let go of all files."""
        self.tailer.close()

    def turn(self, now: float, monotonic: float) -> bool:
        """Look at the files, read, close ticks; return whether there is more to do at once.

        *now* is the time of the logs' writers, *monotonic* a clock that never goes back.
        """
        self._monotonic = monotonic
        self.tailer.poll(monotonic)
        if self.catching_up:
            self._tell_progress()
        self._look_at_incidents()
        done = 0
        order = ReadingOrder(self.tailer, self._readers, self.pipeline.tick_of)
        while done < TURN_BYTES and order:
            reader, data = order.read()
            done += max(len(data), 1)
            if data:
                self._feed(reader, data, now)
            order.note()
            if order and order.lowest > -math.inf and not self._close_until(int(order.lowest)):
                return True
        if order:
            return True
        if self.catching_up:
            self._tell_progress()
        done = self._close_until(self._tick_by_time(now))
        if done:
            self.catching_up = False
        return not done

    def _look_at_incidents(self) -> None:
        """Take over what the list of failures has to say, if there is one."""
        if self._incidents is None or not isinstance(self.pipeline, AppPipeline):
            return
        starts = self._incidents.poll()
        if self._incidents.bad:
            errors = self.tally.read_errors
            errors[BAD_ROW] = errors.get(BAD_ROW, 0) + self._incidents.bad
            self._incidents.bad = 0
            self._status = None
        for late in self.pipeline.take_incidents(starts) if starts is not None else ():
            lead = None if late.outcomes.lead is None else late.outcomes.lead * self.settings.tick
            self._late += 1
            self._status = None
            self.tally.note_outcomes(late.outcomes, self.settings.tick)
            self.history.note_late(late.time)
            self._failures.append(Failure(late.time, lead))
            log.info("%s: a failure of %s UTC became known", self.settings.name, clock(late.time))

    def _tell_progress(self) -> None:
        tailer, tally = self.tailer, self.tally
        read = tally.bytes - self._bytes_before
        self._progress.note(read, tailer.lag, tailer.rotated, tally.lines)

    def _feed(self, reader: str, data: bytes, now: float) -> None:
        self.tally.lines += data.count(b"\n")
        self.tally.bytes += len(data)
        self._last_line_at = now
        self.pipeline.feed(reader, data, now)
        tick = self.pipeline.tick_of(reader)
        if tick is not None:
            self._newest = tick if self._newest is None else max(self._newest, tick)

    def _tick_by_time(self, now: float) -> int:
        """Return the first tick that may still get lines, when all that is written was read.

        Where the logs are ahead of our clock, they are right about their own time.
        """
        tick = self.settings.tick
        by_clock = math.floor((now - self._grace) / tick)
        if self._newest is not None and self._newest > math.floor(now / tick):
            return max(by_clock, self._newest)
        return by_clock

    def _close_until(self, before: int) -> bool:
        """Close ticks before *before*, at most `TURN_TICKS`; return whether that was all."""
        start = self.pipeline.next_tick
        if start is None or start >= before:
            return True
        stop = min(before, start + TURN_TICKS)
        begun = time.thread_time()
        predictions = self.pipeline.close(stop)
        self._seconds += time.thread_time() - begun
        for prediction in predictions:
            self._note(prediction)
        return stop == before

    def _note(self, prediction: Prediction) -> None:
        self._last = prediction
        self._status = None
        self.tally.note(prediction, self.settings.tick)
        self.history.note(prediction)
        if prediction.onset:
            lead = prediction.outcomes.lead
            seconds = None if lead is None else lead * self.settings.tick
            self._failures.append(Failure(prediction.time, seconds))
        if prediction.new_rule is not None:
            log.info("%s: a failure is %s from now on", self.settings.name, prediction.new_rule)
        for listener in self._listeners:
            listener(prediction)

    def _count_files(self) -> None:
        tailer, tally = self.tailer, self.tally
        if tailer.counts or tailer.errors:
            self._status = None
        tally.rotations += tailer.counts["rotations"]
        tally.truncations += tailer.counts["truncations"]
        tally.lost_bytes += tailer.counts["lost_bytes"]
        tally.read_errors = dict(tailer.errors + Counter(tally.read_errors))
        tailer.counts.clear()
        tailer.errors.clear()

    def status(self) -> AppStatus:
        """Return values for other threads: nobody changes them any more."""
        self._count_files()
        tailer, reasons, complaints = self.tailer, self._explain(), self._complaints()
        seen = (
            self.changes, tailer.files, tailer.lag, self._progress.rotated, tailer.rotated,
            self.catching_up, reasons, complaints,
        )  # fmt: skip
        if self._status is None or seen != self._seen:
            self._status, self._seen = self._make_status(reasons, complaints), seen
        return self._status

    def _make_status(self, reasons: tuple[Reason, ...], complaints: dict[str, str]) -> AppStatus:
        last = self._last
        forecaster = getattr(self.pipeline, "forecaster", None)
        scoreboard = getattr(self.pipeline, "scoreboard", None)
        return AppStatus(
            name=self.settings.name,
            logs=self.settings.logs,
            health=_health(last) if last else Health.UNKNOWN,
            observed=last.observed if last else Health.UNKNOWN,
            probabilities=last.probabilities if last else {},
            brier_skill=self._skill(),
            surprise=last.surprise if last else 0.0,
            predicted_at=last.time if last else None,
            last_line_at=self._last_line_at,
            templates=last.tick.templates if last else 0,
            training_loss=forecaster.loss if forecaster else None,
            training_steps=forecaster.updates if forecaster else 0,
            training_seconds=self._seconds,
            files=self.tailer.files,
            lag_bytes=self.tailer.lag,
            catching_up=self.catching_up,
            rotated_files=(self._progress.rotated - self.tailer.rotated, self._progress.rotated),
            complaints=complaints,
            failures=tuple(self._failures),
            warming_up=getattr(self.pipeline, "warming_up", False),
            failures_known=scoreboard.alarm.failures if scoreboard else 0,
            threshold=last.threshold if last else 1.0,
            failed_at=self._failures[-1].time if last and last.failing and self._failures else None,
            reasons=reasons,
            rule=getattr(self.pipeline, "rule", ""),
            rule_reason=getattr(self.pipeline, "rule_reason", ""),
            recent=self.history.recent(),
            tally=Tally.of(self.tally.state()),
        )

    def _complaints(self) -> dict[str, str]:
        """Return what cannot be read now, and why."""
        found = self.tailer.complaints
        if self._incidents is not None and self._incidents.complaint is not None:
            found[self._incidents.path] = self._incidents.complaint
        return found

    def _explain(self) -> tuple[Reason, ...]:
        """Return what raises the probability of a failure, where it is raised; not too often."""
        last = self._last
        explain = getattr(self.pipeline, "reasons", None)
        if last is None or explain is None or self.catching_up or not last.raised:
            return ()
        if self._explained is not None:
            time, at = self._explained
            every = EXPLAIN_EVERY if _health(last) > Health.GREEN else EXPLAIN_CALM_EVERY
            if time == last.time or self._monotonic - at < every:
                return self._reasons
        self._explained = last.time, self._monotonic
        self._reasons = explain()
        return self._reasons

    def _skill(self) -> dict[float, float]:
        scoreboard = getattr(self.pipeline, "scoreboard", None)
        if scoreboard is None:
            return {}
        values = (float(score.skill) for score in scoreboard.brier)
        return dict(zip(self.settings.horizons, values, strict=True))


def _health(prediction: Prediction) -> Health:
    """Return the health to tell: observed red is red, whatever is predicted, or unknown."""
    return Health.RED if prediction.observed is Health.RED else prediction.health
