"""The real things: a line in a log → rnnd → Prometheus → a rule → Alertmanager → a webhook."""

import queue
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.servers import alertmanager, fetch, needs, prometheus, query, rnnd, wait_for, webhook

pytestmark = needs("prometheus", "prometheus-alertmanager")


def write(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")


def next_alert(alerts: "queue.Queue[dict[str, Any]]", name: str, status: str) -> dict[str, Any]:
    while True:
        alert = alerts.get(timeout=60)
        if (alert["labels"]["alertname"], alert["status"]) == (name, status):
            return alert


def test_a_failure_in_a_log_reaches_the_webhook_within_30_seconds_and_so_does_its_end(
    tmp_path: Path,
) -> None:
    log = tmp_path / "shop.log"
    write(log, "INFO shop: started")

    with (
        webhook() as (hook, alerts),
        alertmanager(tmp_path, hook) as manager,
        rnnd(tmp_path, str(log)) as daemon,
        prometheus(tmp_path, daemon, manager) as server,
    ):
        wait_for(lambda: query(server, 'rnnd_health_observed{rnnd_health_observed="green"} == 1'))

        begun = time.monotonic()
        write(log, "CRITICAL shop: no space left on device")
        fired = next_alert(alerts, "RnndAppFailing", "firing")
        told = time.monotonic() - begun

        mended = time.monotonic()
        write(log, "INFO shop: space again")
        next_alert(alerts, "RnndAppFailing", "resolved")
        cleared = time.monotonic() - mended

        assert fired["labels"]["app"] == "shop"
        assert fired["annotations"]["summary"] == "shop is failing"
        print(f"told after {told:.1f} s, cleared after {cleared:.1f} s")
        # The promise, and no measure of speed: of these 30 s a tick alone takes 10.
        assert told < 30
        assert cleared < 30
        assert "shop" in fetch(f"{daemon}/")
