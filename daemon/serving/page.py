"""What the daemon answers over HTTP: metrics, the status as a page and as JSON, health, reload."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rnnd import __version__
from rnnd.config.units import format_duration
from rnnd.daemon.history import Recent
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.serving.http import Request, Response, refuse
from rnnd.daemon.serving.render import POLICY, RUNBOOKS, RUNBOOKS_POLICY, headers, render
from rnnd.daemon.tally import AppStatus, ServiceStatus
from rnnd.daemon.words import situation
from rnnd.errors import RnndError

HTML = "text/html; charset=utf-8"
JSON = "application/json"


class Pages:
    """Answers requests from the newest status; *reload* may raise `RnndError`."""

    def __init__(
        self,
        read: Callable[[], ServiceStatus],
        registry: CollectorRegistry,
        reload: Callable[[], None],
    ) -> None:
        self._read = read
        self._registry = registry
        self._reload = reload
        self._routes: Mapping[str, tuple[str, Callable[[Request], Response]]] = {
            "/": ("GET", self._page),
            "/metrics": ("GET", self._metrics),
            "/runbooks": ("GET", self._runbooks),
            "/api/v1/status": ("GET", self._status),
            "/-/healthy": ("GET", lambda _: Response(b"healthy\n")),
            "/-/ready": ("GET", self._ready),
            "/-/reload": ("POST", self._do_reload),
        }

    def __call__(self, request: Request) -> Response:
        """Return the answer to *request*."""
        if request.path not in self._routes:
            return refuse(HTTPStatus.NOT_FOUND)
        method, answer = self._routes[request.path]
        if request.method not in (method, "HEAD" if method == "GET" else method):
            return refuse(HTTPStatus.METHOD_NOT_ALLOWED, Allow=method)
        return answer(request)

    def _metrics(self, request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), kind)

    def _status(self, _: Request) -> Response:
        return Response(json.dumps(describe(self._read())).encode(), JSON)

    def _ready(self, _: Request) -> Response:
        if self._read().ready:
            return Response(b"ready\n")
        return Response(
            b"still reading what the logs hold\n", status=HTTPStatus.SERVICE_UNAVAILABLE
        )

    def _do_reload(self, _: Request) -> Response:
        try:
            self._reload()
        except RnndError as error:
            return Response(f"{error}\n".encode(), status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return Response(b"reloading\n")

    def _page(self, _: Request) -> Response:
        return Response(render(self._read()).encode(), HTML, headers=headers(POLICY))

    def _runbooks(self, _: Request) -> Response:
        return Response(RUNBOOKS.encode(), HTML, headers=headers(RUNBOOKS_POLICY))


def stamp(seconds: float | None) -> str | None:
    """Return *seconds* since the epoch in ISO 8601.

    >>> stamp(0.0)
    '1970-01-01T00:00:00Z'
    """
    if seconds is None:
        return None
    return datetime.fromtimestamp(round(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(status: ServiceStatus) -> dict[str, Any]:
    """Return *status* as JSON: what `rnnd status` reads."""
    return {
        "version": __version__,
        "ready": status.ready,
        "started": stamp(status.started_at),
        "state": status.state_directory,
        "apps": [_describe_app(app) for app in status.apps],
    }


def _describe_app(app: AppStatus) -> dict[str, Any]:
    tally = app.tally
    return {
        "name": app.name,
        "logs": list(app.logs),
        "health": str(app.health),
        "observed": str(app.observed),
        "probabilities": {
            format_duration(horizon): dict(zip(("green", "orange", "red"), values, strict=True))
            for horizon, values in app.probabilities.items()
        },
        "brier_skill": {format_duration(h): value for h, value in app.brier_skill.items()},
        "surprise": app.surprise,
        "predicted": stamp(app.predicted_at),
        "files": app.files,
        "lag_bytes": app.lag_bytes,
        "catching_up": app.catching_up,
        "rotated_files": {"read": app.rotated_files[0], "total": app.rotated_files[1]},
        "lines": tally.lines,
        "templates": app.templates,
        "alarms": {"true": tally.alarms_true, "false": tally.alarms_false},
        "failures": {"predicted": tally.failures_predicted, "missed": tally.failures_missed},
        "last_failures": [
            {"time": stamp(failure.time), "lead_seconds": failure.lead} for failure in app.failures
        ],
        "red_from_probability": app.threshold if app.threshold < 1 else None,
        "reasons": [_describe_reason(one) for one in app.reasons],
        "failure_rule": app.rule,
        "failure_rule_reason": app.rule_reason,
        "complaints": app.complaints,
        "situation": situation(app),
        **_describe_recent(app.recent),
    }


def _describe_reason(reason: Reason) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(reason)
    return described | {"since": stamp(reason.since)}


def _describe_recent(recent: Recent) -> dict[str, Any]:
    return {
        "recent_alarms": [
            {
                "time": stamp(alarm.time),
                "probability": alarm.probability,
                "outcome": alarm.outcome,
                "lead_seconds": alarm.lead,
                "reasons": [_describe_reason(one) for one in alarm.reasons],
                "evidence": msgspec.to_builtins(alarm.evidence),
            }
            for alarm in recent.alarms
        ],
        "evidence": msgspec.to_builtins(recent.evidence),
        "recent_unusual": [
            {
                "time": stamp(one.time),
                "lines": msgspec.to_builtins(one.lines),
                "evidence": msgspec.to_builtins(one.evidence),
            }
            for one in recent.unusual
        ],
        "recent_lines": [
            {"time": stamp(line.time), "health": str(line.health), "line": line.text}
            for line in recent.lines
        ],
    }
