"""The rooms of the house and the doors between them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("codecs", "rnn", "config", "daemon")
ALLOWED = {
    "codecs": {"rnnd.codecs", "rnnd.errors"},
    "rnn": {"rnnd.rnn", "rnnd.errors"},
    "config": {"rnnd.config", "rnnd.errors"},
    "daemon": {"rnnd.daemon", "rnnd.codecs", "rnnd.rnn", "rnnd.config", "rnnd.errors", "rnnd"},
}
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    ours = {name for name in imports(path) if name.split(".")[0] == "rnnd"}

    strangers = {name for name in ours if ".".join(name.split(".")[:2]) not in ALLOWED[room]}

    assert not strangers, f"{room} may not know {strangers}"


@pytest.mark.parametrize("room", ["codecs", "rnn", "config"])
def test_only_the_daemon_touches_threads_clocks_and_sockets(room: str) -> None:
    worldly = {"threading", "time", "socket", "subprocess", "multiprocessing", "selectors", "os"}

    for path in (ROOT / room).rglob("*.py"):
        assert not imports(path) & worldly, f"{path.name} touches the world"


def test_codecs_has_no_init_so_that_nobody_takes_it_for_the_standard_library() -> None:
    assert not (ROOT / "codecs" / "__init__.py").exists()


@pytest.mark.parametrize("room", ROOMS)
def test_the_import_package_links_to_the_folder_at_the_root(room: str) -> None:
    link = ROOT / "src" / "rnnd" / room

    assert link.is_symlink()
    assert link.readlink() == Path("../..") / room
