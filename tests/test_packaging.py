"""What is built from the sources holds all of the program: links and data files get lost easily."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.building import ROOT, build

ROOMS = sorted(link.name for link in (ROOT / "src" / "rnnd").iterdir() if link.is_symlink())


def files_of_the_rooms() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel made of it."""
    return build(tmp_path_factory.mktemp("packaging"))


def names_in(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_holds_every_file_of_the_rooms(built: tuple[Path, Path]) -> None:
    _, wheel = built

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    missing = {name for name in files_of_the_rooms() if f"rnnd/{name}" not in names}
    assert not missing
    assert {"rnnd/__init__.py", "rnnd/__main__.py", "rnnd/py.typed"} <= names


def test_the_wheel_brings_manual_pages_and_completions(built: tuple[Path, Path]) -> None:
    _, wheel = built

    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".data/data/")[2] for name in archive.namelist()}

    assert {
        "share/man/man1/rnnd.1",
        "share/man/man5/rnnd.yaml.5",
        "share/bash-completion/completions/rnnd",
        "share/zsh/site-functions/_rnnd",
        "share/fish/vendor_completions.d/rnnd.fish",
    } <= names


def test_the_sdist_holds_every_file_of_the_rooms(built: tuple[Path, Path]) -> None:
    sdist, _ = built
    names = names_in(sdist)

    missing = {
        name
        for name in files_of_the_rooms()
        if name not in names and f"src/rnnd/{name}" not in names
    }
    assert not missing


def test_the_sdist_holds_documentation_tests_and_benchmarks(built: tuple[Path, Path]) -> None:
    sdist, _ = built
    names = names_in(sdist)

    known = {
        path.relative_to(ROOT).as_posix()
        for folder in ("docs", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not known - names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml"} <= names


def test_the_wheel_runs_from_where_it_was_unpacked(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import rnnd.daemon.serving.page as p"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", f"{program}; print(p.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert result.stdout.startswith(str(tmp_path))
