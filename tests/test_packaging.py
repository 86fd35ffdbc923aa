"""What is built from the sources holds all of the program: links and data files get lost easily."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(link.name for link in (ROOT / "src" / "rnnd").iterdir() if link.is_symlink())
LEFT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests")
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


def files_of_the_rooms() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("packaging")
    shutil.copytree(ROOT, folder / "rnnd", symlinks=True, ignore=LEFT)
    for wanted in ("build_sdist", "build_wheel"):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", BUILD, wanted, str(folder)],
            cwd=folder / "rnnd",
            check=True,
            capture_output=True,
        )
    return folder


def test_the_wheel_holds_every_file_of_the_rooms(built: Path) -> None:
    (wheel,) = built.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    missing = {name for name in files_of_the_rooms() if f"rnnd/{name}" not in names}
    assert not missing
    assert {"rnnd/__init__.py", "rnnd/__main__.py", "rnnd/py.typed"} <= names


def test_the_sdist_holds_every_file_of_the_rooms(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")

    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    missing = {
        name
        for name in files_of_the_rooms()
        if name not in names and f"src/rnnd/{name}" not in names
    }
    assert not missing
    assert {"README.md", "LICENSE", "pyproject.toml"} <= names


def test_the_wheel_runs_from_where_it_was_unpacked(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import rnnd.daemon.page as p"
    result = subprocess.run(
        [sys.executable, "-I", "-c", f"{program}; print(p.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert result.stdout.startswith(str(tmp_path))
