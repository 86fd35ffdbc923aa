"""`rnnd systemd`: the unit files that rnnd carries, shown or installed."""

import argparse
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from rnnd.daemon.configuration import default_text
from rnnd.daemon.files import why, write_atomically
from rnnd.errors import RnndError, UsageError

SERVICE = "rnnd.service"
SOCKET = ("rnnd.socket", "rnnd.service.d/socket.conf")
UNITS = Path("etc/systemd/system")
CONFIGURATION = Path("etc/rnnd/rnnd.yaml")
SHIPPED = "/usr/local/bin/rnnd"  # the path that the unit file names
HIDDEN = ("/root", "/home", "/run/user", "/tmp")  # noqa: S108 what the sandbox takes away


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd systemd` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("show", "print the unit files"),
        ("install", "install, enable and start the service"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument(
            "--socket", action="store_true", help="systemd listens; the service has no network"
        )
        if name == "install":
            action.add_argument("--no-start", action="store_true", help="install files only")
            action.add_argument(
                "--root", default="/", metavar="DIR", help="install files below DIR, start nothing"
            )


def run(arguments: argparse.Namespace) -> int:
    """Show or install."""
    units = {name: _text(name) for name in (SERVICE, *(SOCKET if arguments.socket else ()))}
    if arguments.action == "show":
        for name, text in units.items():
            print(f"# {UNITS / name}\n{text}")
        return 0
    units[SERVICE] = units[SERVICE].replace(SHIPPED, _program())
    root = Path(arguments.root)
    for name, text in units.items():
        _write(root / UNITS / name, text)
    if not arguments.socket:
        for name in SOCKET:
            (root / UNITS / name).unlink(missing_ok=True)
    if not (root / CONFIGURATION).exists():
        _write(root / CONFIGURATION, default_text())
    if arguments.root == "/" and not arguments.no_start:
        _start(socket=arguments.socket)
    return 0


def _text(name: str) -> str:
    return files("rnnd").joinpath("systemd", name).read_text(encoding="utf-8")


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


def _start(*, socket: bool) -> None:
    units = ["rnnd.socket", SERVICE] if socket else [SERVICE]
    for command in (["daemon-reload"], ["enable", *units], ["restart", *units]):
        line = ["systemctl", *command]
        print(shlex.join(line))
        try:
            subprocess.run(line, check=True)  # noqa: S603
        except FileNotFoundError as error:
            raise RnndError("systemctl: not found; is this a system with systemd?") from error
        except subprocess.CalledProcessError as error:
            raise RnndError(f"{shlex.join(line)}: failed, see journalctl -u rnnd") from error
