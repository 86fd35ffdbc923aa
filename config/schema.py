"""Every setting, with its type, its default and what it means.

Durations are in seconds and rates in events a second here; people write them as `config.units`
reads them. Settings are frozen: they are made once, at the edge, and handed on as values.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

SeverityName = Literal["debug", "info", "notice", "warning", "error", "critical"]

Duration: TypeAlias = Annotated[float, "duration"]
"""Seconds; written `10s`, `5m`, `1h30m`, `7d`."""

Rate: TypeAlias = Annotated[float, "rate"]
"""Events a second; written `1/day`, `5/week`."""

Size: TypeAlias = Annotated[int, "size"]
"""Bytes; written `500MB`, `1GiB`, `0B`."""

Share: TypeAlias = Annotated[float, "share"]
"""A part of 1; written `5%`, `0.5%`."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which lines make a health: those of a severity or worse, and those that match a pattern."""

    severity: SeverityName | None = None
    patterns: tuple[str, ...] = ()


class Timestamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a log writes its timestamps, where rnnd does not find that by itself."""

    layout: str  # as strptime has it
    after: str | None = None  # a regular expression: what stands before the timestamp


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named group of log files with one health."""

    name: str
    logs: tuple[str, ...]  # paths and globs
    red: Rule | None = (
        None  # what a failure is; None: the log decides, see daemon/prediction/rule.py
    )
    orange: Rule | None = None  # likewise; beside a red that is given: severity error
    failures: str | None = None  # a CSV of incidents that replaces the failures found in lines
    merge: Duration = 600.0  # reds closer together than this are one failure
    horizon: Duration = 600.0  # of health and alarms
    more_horizons: tuple[Duration, ...] = (60.0, 3600.0)  # probabilities for these too
    alarm_budget: Rate = 1 / 86400  # false red alarms that the user will put up with
    unusual_budget: Rate = 1 / 86400  # oranges for nothing but being unusual
    history: Size = 1 << 30  # bytes of rotated files that are read first, at the first start
    cpu_budget: Share = 0.05  # of one core, that learning may take
    tick: Duration = 10.0  # the stretch of time that the network takes as one
    order: bool = False  # whether the order of lines becomes part of the prediction
    session: str | None = None  # the identifier that ties lines together, such as `request=*`
    timezone: str = "local"  # of timestamps that name none: local, UTC, an offset or a place
    timestamp: Timestamp | None = None  # how they are written; found by itself if not given

    @property
    def horizons(self) -> tuple[float, ...]:
        """All horizons in seconds, the alarm's first, none twice."""
        return tuple(dict.fromkeys((self.horizon, *self.more_horizons)))


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """With which certificate the server speaks TLS; both are PEM files."""

    certificate: str  # with the certificates between it and the authority after it
    key: str


class UserSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who may ask, by basic authentication."""

    name: str
    password_hash: str  # as `config.passwords` writes it


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where metrics and the status are served, and to whom."""

    listen: str = "127.0.0.1:7663"  # 7663 spells RNND on a telephone
    tls: TlsSettings | None = None  # without it, plain HTTP
    users: tuple[UserSettings, ...] = ()  # without any, everybody may ask


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a configuration file says."""

    apps: tuple[AppSettings, ...]
    http: HttpSettings = HttpSettings()
    state: str = "/var/lib/rnnd"  # directory of one state file an app
    checkpoint_every: Duration = 60.0  # between two savings of the state
