"""Builds the sdist and the wheel from a copy of the sources."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEFT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


def build(folder: Path) -> tuple[Path, Path]:
    """Build below *folder* the sdist, and from it the wheel."""
    shutil.copytree(ROOT, folder / "sources", symlinks=True, ignore=LEFT)
    _run(folder / "sources", "build_sdist", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    _run(unpacked, "build_wheel", folder)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def _run(sources: Path, wanted: str, folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, wanted, str(folder)],
        cwd=sources,
        check=True,
        capture_output=True,
    )
