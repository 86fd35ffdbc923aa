"""`rnnd systemd`: the units that rnnd carries, shown, installed with what they need, removed."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from rnnd.daemon.configuration import default_text
from rnnd.daemon.files import why, write_atomically
from rnnd.errors import RnndError, UsageError

SERVICE = "rnnd.service"
SOCKET = ("rnnd.socket", "rnnd.service.d/socket.conf")
UNITS = Path("etc/systemd/system")
CONFIGURATION = Path("etc/rnnd/rnnd.yaml")
PROGRAM = Path("usr/local/bin/rnnd")
SHARED = (  # manual pages and completions, below where rnnd is installed and below /usr/local
    "share/man/man1/rnnd.1",
    "share/man/man5/rnnd.yaml.5",
    "share/bash-completion/completions/rnnd",
    "share/zsh/site-functions/_rnnd",
    "share/fish/vendor_completions.d/rnnd.fish",
)
LOCAL = Path("usr/local")
LEARNT = ("etc/rnnd", "var/lib/private/rnnd", "var/lib/rnnd")  # what --purge takes away too
SHIPPED = "/usr/local/bin/rnnd"  # the path that the unit file names
HIDDEN = ("/root", "/home", "/run/user", "/tmp")  # noqa: S108 what the sandbox takes away


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd systemd` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("show", "print the unit files"),
        ("install", "install, enable and start the service"),
        ("uninstall", "stop the service and remove what was installed"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name != "uninstall":
            action.add_argument(
                "--socket", action="store_true", help="systemd listens; the service has no network"
            )
        if name == "install":
            action.add_argument("--no-start", action="store_true", help="install files only")
        if name == "uninstall":
            action.add_argument(
                "--purge", action="store_true", help="the configuration and what was learnt, too"
            )
        if name != "show":
            words = "below DIR alone, without starting or stopping anything"
            action.add_argument("--root", default="/", metavar="DIR", help=words)


def run(arguments: argparse.Namespace) -> int:
    """Show, install or remove."""
    if arguments.action == "show":
        for name in (SERVICE, *(SOCKET if arguments.socket else ())):
            print(f"# {UNITS / name}\n{_text(name)}")
    elif arguments.action == "install":
        if (
            arguments.root == "/"
            and not arguments.socket
            and (Path("/") / UNITS / SOCKET[0]).exists()
        ):
            _systemctl(["disable", "--now", SOCKET[0]], may_fail=True)
        _install(Path(arguments.root), socket=arguments.socket)
        if arguments.root == "/" and not arguments.no_start:
            _start(socket=arguments.socket)
    else:
        if arguments.root == "/":
            _systemctl(["disable", "--now", SERVICE, SOCKET[0]], may_fail=True)
        _uninstall(Path(arguments.root), purge=arguments.purge)
        if arguments.root == "/":
            _systemctl(["daemon-reload"])
        print(f"the program itself is still in {sys.prefix}")
    return 0


def _text(name: str) -> str:
    return files("rnnd").joinpath("systemd", name).read_text(encoding="utf-8")


def _install(root: Path, *, socket: bool) -> None:
    program = _program()
    _write(root / UNITS / SERVICE, _text(SERVICE).replace(SHIPPED, program))
    for name in SOCKET:
        if socket:
            _write(root / UNITS / name, _text(name))
        else:
            (root / UNITS / name).unlink(missing_ok=True)
    if not (root / CONFIGURATION).exists():
        _write(root / CONFIGURATION, default_text())
    _link(root / PROGRAM, program)
    for name in SHARED:
        if Path(sys.prefix, name).exists():
            _write(root / LOCAL / name, Path(sys.prefix, name).read_text("utf-8"))


def _program() -> str:
    """Return the path of the program that the service is to run."""
    beside = Path(sys.executable).with_name("rnnd")
    path = str(beside) if beside.exists() else shutil.which("rnnd")
    if path is None:
        raise RnndError(f"rnnd: not found beside {sys.executable}, nor in PATH")
    if path.startswith(HIDDEN):
        raise UsageError(
            f"{path}: the service cannot see what lies in {', '.join(HIDDEN)}; install rnnd "
            "elsewhere, for instance with python3 -m venv /opt/rnnd"
        )
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
        path.chmod(0o644)
    except OSError as error:
        raise RnndError(f"{path}: could not be written ({why(error)})") from error
    print(f"wrote {path}")


def _link(path: Path, program: str) -> None:
    """Let *path*, which is in everybody's PATH, lead to *program*, unless something is there."""
    if os.path.lexists(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(program)
    except OSError as error:
        raise RnndError(f"{path}: could not be written ({why(error)})") from error
    print(f"linked {path} to {program}")


def _uninstall(root: Path, *, purge: bool) -> None:
    link = root / PROGRAM
    ours = link.is_symlink() and link.readlink() == Path(sys.executable).with_name("rnnd")
    paths = [root / UNITS / name for name in (SERVICE, *SOCKET)]
    paths += [root / LOCAL / name for name in SHARED]
    paths += [link] if ours else []
    paths += [root / name for name in LEARNT] if purge else []
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RnndError(f"{path}: could not be removed ({why(error)})") from error
        print(f"removed {path}")
    with suppress(OSError):  # not there, or not empty: it holds drop-ins of the user's
        (root / UNITS / SOCKET[1]).parent.rmdir()


def _start(*, socket: bool) -> None:
    units = ["rnnd.socket", SERVICE] if socket else [SERVICE]
    for command in (["daemon-reload"], ["enable", *units], ["restart", *units]):
        _systemctl(command)


def _systemctl(command: Sequence[str], *, may_fail: bool = False) -> None:
    line = ["systemctl", *command]
    print(shlex.join(line), flush=True)
    try:
        subprocess.run(line, check=not may_fail, stderr=subprocess.DEVNULL if may_fail else None)  # noqa: S603
    except FileNotFoundError as error:
        raise RnndError("systemctl: not found; is this a system with systemd?") from error
    except subprocess.CalledProcessError as error:
        raise RnndError(f"{shlex.join(line)}: failed, see journalctl -u rnnd") from error
