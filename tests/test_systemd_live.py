"""The service under a real systemd, booted in namespaces of its own, with every restriction."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BOOT = ROOT / "tests" / "boot.sh"
SYSTEMD = Path("/lib/systemd/systemd")

PREPARE = """#!/bin/bash
exec 2>&1
set -x
mkdir -p /etc/rnnd /var/log/app
echo "$(date -u +%FT%TZ) INFO app: started" >/var/log/app/app.log
chown root:adm /var/log/app/app.log
chmod 0640 /var/log/app/app.log
cat >/etc/rnnd/rnnd.yaml <<YAML
apps: [{name: app, logs: [/var/log/app/app.log]}]
checkpoint_every: 1s
YAML
ask() { curl -sf --retry 20 --retry-all-errors --retry-delay 1 "http://127.0.0.1:7663$1"; }
state() { systemctl show rnnd -p "$1" --value; }
until_so() { for _ in $(seq 120); do "$@" && break; sleep 0.5; done; }
"""
WATCH = """
systemctl start rnnd
echo "started: $(state ActiveState), $(state NRestarts) restarts"
ask /-/ready
echo "says: $(state StatusText)"
ask /metrics >/mnt/metrics
for thread in /proc/$(state MainPID)/task/*; do cat $thread/status; done >/mnt/proc
"""
AFTER = """
systemctl reload rnnd
until_so grep -q "took over the configuration" /mnt/log
until_so systemctl is-active --quiet rnnd
ask /-/healthy
echo "reloaded: $(state ActiveState)"
kill -STOP $(state MainPID)
restarted() { [ "$(state NRestarts)" = 1 ]; }
until_so restarted
echo "hung: $(state NRestarts) restart, $(state Result)"
ask /-/healthy
systemctl stop rnnd
echo "stopped: $(state ActiveState), $(state Result), $(state ExecMainStatus)"
find /var/lib/private/rnnd -printf '%f %m\\n'
cat /mnt/log
"""
MISTAKE = """
echo 'apps: [{nam: app}]' >/etc/rnnd/rnnd.yaml
systemctl start rnnd
echo "mistaken: $(state ActiveState), $(state ExecMainStatus), $(state NRestarts) restarts"
"""


def can_boot() -> bool:
    """Whether namespaces and overlays may be made here."""
    tools = ("unshare", "ip", "curl", "pivot_root")
    return os.geteuid() == 0 and SYSTEMD.exists() and all(map(shutil.which, tools))


pytestmark = pytest.mark.skipif(not can_boot(), reason="no systemd can be booted here")


def boot(folder: Path, program: str, *drop_ins: str) -> str:
    """Run *program* beside a booted systemd that has our units; return what it printed."""
    units = folder / "units"
    shutil.copytree(ROOT / "systemd", units)
    if "socket" not in drop_ins:
        shutil.rmtree(units / "rnnd.service.d")
        (units / "rnnd.socket").unlink()
    (units / "rnnd.service.d").mkdir(exist_ok=True)
    python = f"/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    (units / "rnnd.service.d" / "test.conf").write_text(
        "[Unit]\nDefaultDependencies=no\n"
        f"[Service]\nExecStart=\nExecStart={python} -m rnnd run --config /etc/rnnd/rnnd.yaml\n"
        "Environment=PYTHONPATH=/opt/rnnd/src:/opt/site PYTHONDONTWRITEBYTECODE=1 "
        "LD_LIBRARY_PATH=/opt/python/lib\n"
        "WatchdogSec=10s\nRestartSec=100ms\nNice=0\nCPUWeight=1000\n"
        "StandardOutput=append:/mnt/log\nStandardError=append:/mnt/log\n",
        "utf-8",
    )
    (folder / "binds").write_text(
        f"{sys.base_prefix} /opt/python\n{sysconfig.get_path('purelib')} /opt/site\n"
        f"{ROOT} /opt/rnnd\n",
        "utf-8",
    )
    script = folder / "program.sh"
    script.write_text(program, "utf-8")
    script.chmod(0o755)
    subprocess.run([BOOT, folder, "/mnt/program.sh"], check=True, timeout=250)
    return (folder / "out").read_text("utf-8")


@pytest.mark.timeout(300)
def test_the_service_lives_under_every_restriction_of_its_unit(tmp_path: Path) -> None:
    said = boot(tmp_path, PREPARE + WATCH + AFTER)

    assert "started: active, 0 restarts" in said, said
    assert "says: watching" in said, said
    assert 'rnnd_lines_total{app="app"} 1.0' in (tmp_path / "metrics").read_text("utf-8")
    assert "reloaded: active" in said, said
    assert "hung: 1 restart" in said, said
    assert "stopped: inactive, success, 0" in said, said
    process = (tmp_path / "proc").read_text("utf-8")
    assert "Seccomp:\t2" in process, "a filter of system calls is in force"
    assert "NoNewPrivs:\t1" in process
    assert "CapEff:\t0000000000000000" in process


@pytest.mark.timeout(300)
def test_the_variant_without_network_answers_on_the_socket_that_systemd_opened(
    tmp_path: Path,
) -> None:
    program = PREPARE + "systemctl start rnnd.socket\n" + WATCH
    program += "echo links: $(nsenter -t $(state MainPID) -n ip -o link | cut -d: -f2)\n"

    said = boot(tmp_path, program, "socket")

    assert "started: active, 0 restarts" in said, said
    assert 'rnnd_lines_total{app="app"} 1.0' in (tmp_path / "metrics").read_text("utf-8")
    assert "links: lo\n" in said, said


@pytest.mark.timeout(300)
def test_a_mistake_in_the_configuration_is_not_tried_again(tmp_path: Path) -> None:
    said = boot(tmp_path, PREPARE + MISTAKE)

    assert "mistaken: failed, 2, 0 restarts" in said, said
