"""Why a failure is probable: the causes that raise the forecast, in words, with lines and times.

The features of a vector are put together to causes that mean something to people: all that is told
of one template, of one number, of one severity. What each adds to the log-odds of a failure within
the alarm's horizon is its Shapley value (rnn/attribution.py): the forecast is imagined with the
cause as usual. A cause has lasted since the moment from which on it has added at least half of what
it adds now.
"""

import math
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.log import LogCodec
from rnnd.codecs.parsed import unpack
from rnnd.codecs.severity import Severity
from rnnd.codecs.tick import TickPart
from rnnd.daemon.prediction.disorder import SPANS
from rnnd.rnn.attribution import shapley
from rnnd.rnn.learner import Forecaster

TOLD = 5  # causes
LOOKED_AT = 10  # causes that are told apart
FACTOR = 1.3  # of the odds, from which on a cause is worth telling
BACK = 360  # ticks that a cause is followed back
LONGEST = 300  # characters of a line
LONG = 1000  # bytes of a text that is not kept: there may be thousands
RED = 0  # the forecaster's event; its first horizon is the alarm's

Kind = Literal[
    "more", "fewer", "overdue", "regular", "number", "rare", "severity", "lines", "new", "order",
    "time", "past",
]  # fmt: skip
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reason:
    """A cause that raises the probability of a failure."""

    kind: Kind
    factor: float  # by which it multiplies the odds
    template: str = ""  # whose lines it is about
    line: str = ""  # such a line, the newest
    value: float | None = None  # a number in the lines; or s for which they are missing
    usual: float | None = None  # its mean; or s between two of them
    since: float | None = None  # s since the epoch; None: for longer than was looked at

    @property
    def pattern(self) -> str:
        """The template, where it is one: a severity has no other than its name."""
        return "" if self.kind == "severity" else self.template


@dataclass(frozen=True, slots=True)
class Cause:
    """Features that are one thing to people."""

    kind: Kind
    index: int  # of the bucket, slot or severity
    features: tuple[int, ...]


_CAUSES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"bucket (\d+) overdue"), "overdue"),
    (re.compile(r"bucket (\d+) "), "more"),
    (re.compile(r"slot (\d+) "), "number"),
    (re.compile(r"severity (?:debug|info)()"), "lines"),  # most of them
    (re.compile(r"severity (\w+)"), "severity"),
    (re.compile(r"lines()"), "lines"),
    (re.compile(r"new templates()"), "new"),
    (re.compile(r"time of day()"), "time"),
    (re.compile(r"time since()"), "past"),
)


def causes(names: Sequence[str]) -> tuple[Cause, ...]:
    """Put the features *names*, in the order of the vector, together to causes.

    The feature behind the last one is the memory of past failures.

    >>> [(cause.kind, cause.features) for cause in causes(["lines", "lines, mean of 1m"])]
    [('lines', (0, 1)), ('past', (2,))]
    """
    found: dict[tuple[Kind, str], list[int]] = {}
    for index, name in enumerate([*names, "time since"]):
        found.setdefault(_cause_of(name), []).append(index)
    return tuple(
        Cause(kind, int(which) if which.isdigit() else 0, tuple(features))
        for (kind, which), features in found.items()
    )


def _cause_of(name: str) -> tuple[Kind, str]:
    """Return the kind of the cause that a feature belongs to, and which of that kind."""
    for pattern, kind in _CAUSES:
        if match := pattern.match(name):
            return kind, match[1]
    return "order", ""


class Reasons:
    """Explains the forecasts of one app, whose vectors have the features *names*."""

    def __init__(self, names: Sequence[str], tick: float) -> None:
        self._tick = tick
        self._causes = causes(names)
        self._names = (*names, "time since")
        self._groups = np.zeros((len(self._causes), len(self._names)), bool)
        for row, cause in enumerate(self._causes):
            self._groups[row, list(cause.features)] = True
        # Of each template, the newest last: a line, or else the text of its kind; and its severity.
        self._lines: dict[int, tuple[bytes, bool, int]] = {}
        self._strangest: deque[tuple[float, int]] = deque(maxlen=max(1, round(SPANS[-1] / tick)))

    def note(self, parts: list[TickPart], strangest: tuple[float, int]) -> None:
        """Remember a line of each template of a tick, and which was least in order."""
        for part in reversed(parts):
            of_each = (part.table.templates[part.kinds], part.table.severities[part.kinds])
            for kind, template, severity in zip(
                reversed(part.kinds.tolist()),
                *(reversed(one.tolist()) for one in of_each),
                strict=True,
            ):
                self._lines.pop(template, None)
                if template < 0:
                    continue
                text, line = part.table.texts[kind], part.newest.get(kind)
                if not line and len(text) > LONG:
                    self._lines[template] = _message(text)[:LONGEST], True, severity
                elif line:
                    self._lines[template] = line[:LONGEST], True, severity
                else:
                    self._lines[template] = text, False, severity
        self._strangest.append(strangest)

    def find(self, forecaster: Forecaster, codec: LogCodec, number: int) -> tuple[Reason, ...]:
        """Return what raises the newest forecast, made at the end of tick *number*, most first."""

        def log_odds(usual: Bools) -> NDArray[np.float64]:
            return _log_odds(forecaster.what_if(usual)[0, :, RED, 0])

        values = shapley(log_odds, self._groups, LOOKED_AT, np.random.default_rng(0))
        order = np.argsort(-values, kind="stable")[:TOLD]
        order = order[values[order] >= math.log(FACTOR)]
        if not len(order):
            return ()
        total = [self._causes[row].kind == "lines" for row in order.tolist()]
        order = order[np.argsort(total, kind="stable")]  # it says less than what the lines are
        begins = self._begins(forecaster, self._groups[order])
        reasons = []
        for row, ago in zip(order.tolist(), begins, strict=True):
            since = None if ago is None else (number - ago) * self._tick
            factor = math.exp(min(float(values[row]), 50.0))
            reasons.append(
                self._describe(self._causes[row], factor, since, forecaster, codec, number)
            )
        return tuple(reasons)

    def _begins(self, forecaster: Forecaster, groups: Bools) -> list[int | None]:
        """Return since how many ticks each of *groups* has been adding half of what it adds."""
        usual = np.concatenate([np.zeros((1, groups.shape[1]), bool), groups])
        odds = _log_odds(forecaster.what_if(usual, BACK)[:, :, RED, 0])  # (T, 1 + G)
        gains = odds[:, :1] - odds[:, 1:]
        enough = gains >= np.maximum(0.5 * gains[-1], 1e-9)
        found: list[int | None] = []
        for one in enough.T[:, ::-1]:
            run = len(one) if one.all() else int(one.argmin())
            found.append(None if run == len(one) else max(run - 1, 0))
        return found

    def _describe(
        self,
        cause: Cause,
        factor: float,
        since: float | None,
        forecaster: Forecaster,
        codec: LogCodec,
        number: int,
    ) -> Reason:
        features = codec.features
        kind: Kind = cause.kind
        template = value = usual = None
        if kind in ("more", "overdue"):
            owned = cause.index < features.buckets.owned
            template = int(features.buckets.owners[cause.index]) if owned else None
            if not owned:
                kind, template = "rare", self._newest_in(cause.index, codec)
            elif kind == "overdue":
                missing, gap = features.overdue.gap(cause.index, number)
                value, usual = missing * self._tick, gap * self._tick
                kind = kind if missing > gap else "regular"
            elif forecaster.deviations[list(cause.features)].sum() < 0:
                kind = "fewer"
        elif kind == "number" and features.slots.owners[cause.index] >= 0:
            template, value, usual = features.slots.number(cause.index)
        text = codec.templates.text(template)[:LONGEST] if template is not None else ""
        if kind == "number" and template is not None:
            field = codec.readings.field_in(cause.index)
            text += f", {field}=<*>" if field else ""
        if kind == "severity":
            text = self._names[cause.features[0]].removeprefix("severity ")
            severity = Severity[text.upper()]
            line = self._line(lambda _, its: its == severity, codec)
        elif kind == "order":
            _, out_of_order = max(self._strangest)
            line = self._line(lambda one, _: one == out_of_order, codec)
        else:
            line = "" if template is None else self._line(lambda one, _: one == template, codec)
        return Reason(kind, factor, text, line, value, usual, since)

    def _newest_in(self, bucket: int, codec: LogCodec) -> int | None:
        """Return the template that came last of those that share *bucket*."""
        found: list[int] = []

        def wanted(template: int, _: int) -> bool:
            if codec.features.buckets.of[template] == bucket:
                found.append(template)
            return bool(found)

        self._line(wanted, codec)
        return found[0] if found else None

    def _line(self, wanted: Callable[[int, int], bool], codec: LogCodec) -> str:
        """Return the newest line of a *wanted* template and severity, without its timestamp."""
        for template, (text, is_line, severity) in reversed(self._lines.items()):
            if wanted(int(codec.templates.joined[template]), severity):
                line = text if is_line else _message(text)[:LONGEST]
                return line.decode("utf-8", "replace").strip()
        return ""


def _message(text: bytes) -> bytes:
    """Return the message of a kind of lines; nothing where its numbers were put to 0."""
    message = unpack(text).message
    return b"" if b"0" in message else message


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    odds: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return odds
