"""The service under a real systemd, booted in namespaces of its own, with every restriction."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from shutil import which

import pytest

from tests.building import build
from tests.certificates import make_certificate
from tests.servers import needs

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

SECURED = """
install -m 0600 /mnt/tls.crt /mnt/tls.key /root
cat >/etc/rnnd/rnnd.yaml <<YAML
apps: [{name: app, logs: [/var/log/app/app.log]}]
http:
  tls:
    certificate: /run/credentials/rnnd.service/crt
    key: /run/credentials/rnnd.service/key
YAML
cat >/etc/systemd/system/rnnd.service.d/tls.conf <<UNIT
[Service]
LoadCredential=crt:/root/tls.crt
LoadCredential=key:/root/tls.key
UNIT
systemctl daemon-reload
systemctl start rnnd
echo "started: $(state ActiveState), $(state NRestarts) restarts"
curl -sf --retry 20 --retry-all-errors --retry-delay 1 --cacert /mnt/tls.crt https://localhost:7663/-/ready
cat /mnt/log
"""
INSTALL = """
/opt/python/bin/python3 -m venv --without-pip /opt/rnnd
site=$(/opt/rnnd/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo /opt/site >$site/dependencies.pth
/opt/rnnd/bin/python -m pip install --quiet --no-index --no-deps --ignore-installed /mnt/rnnd-*.whl
/opt/rnnd/bin/rnnd systemd install
echo "installed: $(state ActiveState), $(systemctl is-enabled rnnd)"
ask /-/ready >/dev/null
ask /metrics >/mnt/metrics
rnnd status
echo "found: $(command -v rnnd), $(MANPATH= man -w rnnd)"
/opt/rnnd/bin/rnnd systemd install --socket
echo "with socket: $(state ActiveState), $(systemctl is-active rnnd.socket)"
ask /-/healthy
/opt/rnnd/bin/rnnd systemd install
echo "without: $(state ActiveState), $(systemctl is-active rnnd.socket)"
ask /-/healthy
rnnd systemd uninstall
echo "uninstalled: $(systemctl is-active rnnd), $(find /etc/systemd /usr/local -name '*rnnd*')."
/opt/rnnd/bin/rnnd systemd uninstall --purge
find /etc /var/lib /usr/local -name '*rnnd*' -printf 'left: %p\n'
echo over
"""


@pytest.fixture(scope="module", autouse=True)
def bootable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip, with the reason, where no systemd can be booted; most containers forbid it."""
    if not SYSTEMD.exists():
        pytest.skip("without Debian's systemd")
    if missing := [tool for tool in ("unshare", "ip", "curl", "pivot_root") if not which(tool)]:
        pytest.skip(f"no systemd can be booted here: {', '.join(missing)} not found")
    if os.geteuid() != 0:
        pytest.skip("no systemd can be booted here: only root may")
    folder = tmp_path_factory.mktemp("probe")
    (folder / "units").mkdir()
    try:
        said = run(folder, "#!/bin/bash\necho booted\n", patience=60)
    except subprocess.SubprocessError as error:
        output = getattr(error, "stderr", None) or str(error)
        pytest.skip(f"no systemd can be booted here: {output.strip().splitlines()[-1]}")
    assert said == "booted\n"


def boot(folder: Path, program: str, *drop_ins: str) -> str:
    """Run *program* beside a booted systemd that has our units; return what it printed."""
    prepare_units(folder / "units", drop_ins)
    return run(folder, program)


def prepare_units(units: Path, drop_ins: Sequence[str]) -> None:
    shutil.copytree(ROOT / "systemd", units)
    if "socket" not in drop_ins:
        shutil.rmtree(units / "rnnd.service.d")
        (units / "rnnd.socket").unlink()
    (units / "rnnd.service.d").mkdir(exist_ok=True)
    python = f"/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    (units / "rnnd.service.d" / "test.conf").write_text(
        "[Unit]\nDefaultDependencies=no\n"
        f"[Service]\nExecStart=\nExecStart={python} -m rnnd run --config /etc/rnnd/rnnd.yaml\n"
        "Environment=PYTHONPATH=/opt/checkout/src:/opt/site PYTHONDONTWRITEBYTECODE=1 "
        "LD_LIBRARY_PATH=/opt/python/lib\n"
        "WatchdogSec=10s\nRestartSec=100ms\nNice=0\nCPUWeight=1000\n"
        "StandardOutput=append:/mnt/log\nStandardError=append:/mnt/log\n",
        "utf-8",
    )


def run(folder: Path, program: str, patience: float = 250) -> str:
    """Run *program* beside a booted systemd with the units in *folder*."""
    (folder / "binds").write_text(
        f"{sys.base_prefix} /opt/python\n{sysconfig.get_path('purelib')} /opt/site\n"
        f"{ROOT} /opt/checkout\n",
        "utf-8",
    )
    script = folder / "program.sh"
    script.write_text(program, "utf-8")
    script.chmod(0o755)
    subprocess.run(
        [BOOT, folder, "/mnt/program.sh"],
        check=True,
        timeout=patience,
        stderr=subprocess.PIPE,
        text=True,
    )
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


@pytest.mark.timeout(300)
def test_two_commands_install_a_wheel_as_a_service_and_one_removes_it(tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    _, wheel = build(tmp_path / "built")
    shutil.copy(wheel, tmp_path)
    drop_in = tmp_path / "units" / "rnnd.service.d" / "test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(
        "[Unit]\nDefaultDependencies=no\n[Service]\nEnvironment=LD_LIBRARY_PATH=/opt/python/lib\n",
        "utf-8",
    )

    said = run(tmp_path, PREPARE + INSTALL)

    assert "installed: active, enabled" in said, said
    assert 'rnnd_lines_total{app="app"} 1.0' in (tmp_path / "metrics").read_text("utf-8")
    assert re.search("found: /usr/local/bin/rnnd, /usr/local/.*man/man1/rnnd.1", said), said
    assert "with socket: active, active" in said, said
    assert "without: active, inactive" in said, said
    assert "uninstalled: inactive, /etc/systemd/system/rnnd.service.d" in said, said
    assert "over" in said, said


@needs("openssl")
@pytest.mark.timeout(300)
def test_systemd_hands_the_service_a_certificate_that_only_root_can_read(tmp_path: Path) -> None:
    make_certificate(tmp_path)

    said = boot(tmp_path, PREPARE + SECURED)

    assert "started: active, 0 restarts" in said, said
    assert "\nready\n" in said, said
    assert "https://127.0.0.1:7663" in said, said
