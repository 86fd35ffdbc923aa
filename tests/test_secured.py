"""The daemon with TLS and users: a real process, scraped by a real Prometheus as documented."""

import json
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.servers import ROOT, free_port, needs, query, running, wait_for

pytestmark = needs("openssl", "prometheus")


def hashed(name: str, password: str) -> str:
    """Return what `rnnd config password` prints for the configuration."""
    result = subprocess.run(
        [sys.executable, "-m", "rnnd", "config", "password", name],
        input=f"{password}\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    return result.stdout


@pytest.mark.timeout(180)
def test_prometheus_scrapes_over_tls_with_a_password_as_the_sample_says(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    port = free_port()
    log = tmp_path / "app.log"
    log.write_text("2026-03-01T00:00:00Z INFO app: started\n", "utf-8")
    configuration = tmp_path / "rnnd.yaml"
    configuration.write_text(
        f"apps: [{log}]\nstate: {tmp_path / 'state'}\nhttp:\n  listen: 127.0.0.1:{port}\n"
        f"  tls:\n    certificate: {made.certificate}\n    key: {made.key}\n"
        f"  users:\n{hashed('prometheus', 'open sesame')}",
        "utf-8",
    )
    secret = tmp_path / "password"
    secret.write_text("open sesame", "utf-8")
    sample = (ROOT / "config/prometheus/scrape-tls.yaml").read_text("utf-8")
    for told, here in {
        "/etc/prometheus/rnnd/ca.crt": made.certificate,
        "/etc/prometheus/rnnd/password": secret,
        "rnnd.example.org:7663": f"localhost:{port}",
        "interval: 5s": "interval: 1s",
    }.items():
        assert told in sample
        sample = sample.replace(told, str(here))
    (tmp_path / "prometheus.yml").write_text(sample, "utf-8")
    address = f"127.0.0.1:{free_port()}"

    with (
        running(
            tmp_path / "rnnd.log",
            *(sys.executable, "-m", "rnnd", "run", "--config", str(configuration)),
        ),
        running(
            tmp_path / "prometheus.log",
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=tsdb",
            f"--web.listen-address={address}",
        ),
    ):
        wait_for(lambda: query(f"http://{address}", 'up{job="rnnd"} == 1'), 60)
        status = subprocess.run(
            [sys.executable, "-m", "rnnd", "status", "--json", "--url", f"https://localhost:{port}",
             "--ca", made.certificate, "--user", "prometheus", "--password-file", secret],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        context = ssl.create_default_context(cafile=made.certificate)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"https://localhost:{port}/", context=context)

    assert json.loads(status.stdout)["apps"][0]["name"] == "app"
    assert f"https://127.0.0.1:{port}" in (tmp_path / "rnnd.log").read_text("utf-8")
