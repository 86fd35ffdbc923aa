"""What the daemon answers over HTTP: metrics, the status as a page and as JSON, health, reload."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rnnd import __version__
from rnnd.config.units import format_duration
from rnnd.daemon.http import Request, Response, refuse
from rnnd.daemon.tally import AppStatus, ServiceStatus
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
        return Response(render(self._read(), time.time()).encode(), HTML)


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
        "lines": tally.lines,
        "templates": app.templates,
        "alarms": {"true": tally.alarms_true, "false": tally.alarms_false},
        "failures": {"predicted": tally.failures_predicted, "missed": tally.failures_missed},
        "last_failures": [
            {"time": stamp(failure.time), "lead_seconds": failure.lead} for failure in app.failures
        ],
        "complaints": app.complaints,
    }


def render(status: ServiceStatus, now: float) -> str:
    """Return the status page; whatever comes from outside is escaped."""
    apps = "".join(_render_app(app) for app in status.apps)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>rnnd</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .1rem 1rem .1rem 0; text-align: left; }}
b {{ padding: 0 .5rem; border-radius: .3rem; color: #fff; background: #666; }}
.green {{ background: #197a36; }} .orange {{ background: #b35c00; }} .red {{ background: #c1121f; }}
</style></head><body><h1>rnnd</h1>
{apps}<p><a href="/metrics">metrics</a> · <a href="/api/v1/status">JSON</a> ·
rnnd {escape(__version__)}, {escape(str(stamp(now)))}</p></body></html>
"""


def _render_app(app: AppStatus) -> str:
    health = str(app.health)
    rows = "".join(
        f"<tr><td>within {format_duration(horizon)}</td><td>{values[2]:.1%}</td></tr>"
        for horizon, values in app.probabilities.items()
    )
    tally = app.tally
    facts = [
        f"{tally.lines:,} lines in {app.files} files, {app.templates} templates",
        f"{tally.failures_predicted} failures foretold, {tally.failures_missed} missed, "
        f"{tally.alarms_false} false alarms",
    ]
    if app.catching_up:
        facts.append(f"catching up, {app.lag_bytes:,} bytes to go")
    facts += [f"{path}: {text}" for path, text in app.complaints.items()]
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f'<h2>{escape(app.name)} <b class="{health}">{health}</b></h2>'
        f"<table><tr><th>failure</th><th>probability</th></tr>{rows}</table><ul>{listed}</ul>"
    )
