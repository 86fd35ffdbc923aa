"""The unit files: systemd's own tools find nothing wrong, and little that is exposed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import needs

UNITS = Path(__file__).parent.parent / "systemd"
DROP_IN = "rnnd.service.d/socket.conf"

pytestmark = needs("systemd-analyze")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, the daemon's path being one that exists here."""
    text = (UNITS / "rnnd.service").read_text(encoding="utf-8")
    (tmp_path / "rnnd.service").write_text(
        text.replace("/usr/local/bin/rnnd", "/bin/true"), encoding="utf-8"
    )
    shutil.copy(UNITS / "rnnd.socket", tmp_path)
    return tmp_path


def without_network(units: Path) -> Path:
    (units / DROP_IN).parent.mkdir()
    shutil.copy(UNITS / DROP_IN, units / DROP_IN)
    return units


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], cwd=units, capture_output=True, text=True, check=False
    )


def test_systemd_finds_nothing_to_complain_about(units: Path) -> None:
    result = analyze(units, "verify", "--man=no", "./rnnd.service", "./rnnd.socket")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_systemd_finds_nothing_to_complain_about_in_the_variant_without_network(
    units: Path,
) -> None:
    without_network(units)

    result = analyze(units, "verify", "--man=no", "./rnnd.service", "./rnnd.socket")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_systemd_would_complain_about_a_misspelt_setting(units: Path) -> None:
    unit = units / "rnnd.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("Nice=", "Nise="), encoding="utf-8")

    result = analyze(units, "verify", "--man=no", "./rnnd.service")

    assert "Nise" in result.stderr


def test_the_service_exposes_at_most_1_2(units: Path) -> None:
    result = analyze(units, "security", "--offline=true", "--threshold=12", "./rnnd.service")

    assert result.returncode == 0, result.stdout


def test_the_variant_without_network_exposes_at_most_0_6(units: Path) -> None:
    without_network(units)

    result = analyze(units, "security", "--offline=true", "--threshold=6", "./rnnd.service")

    assert result.returncode == 0, result.stdout


def test_the_drop_in_is_what_takes_the_network_away(units: Path) -> None:
    result = analyze(units, "security", "--offline=true", "--threshold=6", "./rnnd.service")

    assert result.returncode != 0
