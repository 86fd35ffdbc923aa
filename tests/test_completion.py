"""Completion of the command line, by the shells themselves."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnd.daemon.cli import COMMANDS
from rnnd.daemon.completion import Command, commands
from rnnd.daemon.shells import SHELLS, bash, fish, zsh
from tests.servers import needs

KNOWN = list(commands())
TYPED = [
    ("sta", {"status"}),
    ("config ch", {"check"}),
    ("config ", {"check", "show", "init", "schema", "password"}),
    ("status --ur", {"--url"}),
    ("systemd install --so", {"--socket"}),
    ("completion ", {"bash", "zsh", "fish"}),
    ("train --cell ", {"rnn", "gru", "lstm"}),
    ("train --cell l", {"lstm"}),
    ("monitoring show fl", {"fleet"}),
    ("backtest one.", {"one.log"}),
    ("backtest --json on", {"one.log"}),
    ("run --state f", {"folder/"}),
    ("run --listen on", set()),
    ("nonsense ", set()),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to complete in."""
    (tmp_path / "one.log").touch()
    (tmp_path / "folder").mkdir()
    for name, script in SHELLS.items():
        (tmp_path / f".{name}").write_text(script(), "utf-8")
    return tmp_path


def by_bash(folder: Path, typed: str) -> set[str]:
    words = ["rnnd", *typed.split(" ")]
    array = " ".join(f"'{word}'" for word in words)
    result = subprocess.run(
        ["bash", "-c", f'source .bash; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _rnnd; '
         'for one in "${COMPREPLY[@]}"; do [ -d "$one" ] && one+=/; echo "$one"; done'],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    return {word for word in result.stdout.split() if not word.startswith("-") or "-" in typed}


def by_fish(folder: Path, typed: str) -> set[str]:
    result = subprocess.run(
        ["fish", "--no-config", "-c", f"source .fish; complete -C 'rnnd {typed}'"],
        capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, "HOME": "/tmp"},
    )  # fmt: skip
    return {line.split("\t")[0] for line in result.stdout.splitlines()}


class Zsh:
    """An interactive zsh on a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.process, self.terminal = pty.fork()
        if self.process == 0:  # pragma: no cover  the shell's side
            os.chdir(folder)
            os.environ.update(TERM="dumb", ZDOTDIR=str(folder), HOME=str(folder), COLUMNS="200")
            os.execlp("zsh", "zsh", "-f", "-i")
        self.type("PS1=; unsetopt zle_bracketed_paste 2>/dev/null; autoload -Uz compinit\n")
        self.type("fpath=($PWD $fpath); compinit -u -d .dump; source .zsh; setopt NO_LIST_BEEP\n")
        self.type("zstyle ':completion:*' list-prompt ''; LISTMAX=-1; print re''ady\n")
        self.until("ready")

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, text: str) -> str:
        said = ""
        end = time.monotonic() + 30
        while text not in said:
            assert select.select([self.terminal], [], [], end - time.monotonic())[0], said
            said += os.read(self.terminal, 65536).decode(errors="replace")
        return said

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.process, 0)


@needs("bash")
@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_bash_completes(folder: Path, typed: str, offered: set[str]) -> None:
    assert by_bash(folder, typed) == offered


@needs("fish")
@pytest.mark.parametrize(("typed", "offered"), TYPED)
def test_fish_completes(folder: Path, typed: str, offered: set[str]) -> None:
    assert by_fish(folder, typed) == offered


@needs("zsh")
def test_zsh_completes(folder: Path) -> None:
    shell = Zsh(folder)
    try:
        for typed, offered in TYPED:
            for word in offered:
                shell.type(f"\x15rnnd {typed}\t")
                shell.until(word.removesuffix("/"))
    finally:
        shell.close()


def options() -> Iterator[tuple[Command, str]]:
    for command in KNOWN:
        for action in command.parser._actions:
            if action.option_strings and action.help != "==SUPPRESS==":
                yield command, action.option_strings[-1]


@needs("fish")
@pytest.mark.parametrize("command", KNOWN, ids=lambda one: " ".join(one.words))
def test_every_option_of_every_command_is_offered(folder: Path, command: Command) -> None:
    typed = f"{' '.join(command.words)} --"
    known = {option for one, option in options() if one == command}

    assert known <= by_bash(folder, typed)
    assert known <= by_fish(folder, typed)
    function = zsh().partition(f"\n_rnnd_{'_'.join(command.words)}() {{")[2].partition("\n}\n")[0]
    assert all(f"{option}[" in function or f"{option}=[" in function for option in known)


def test_every_command_is_offered() -> None:
    (words,) = re.findall(r'    "\) words="(.*)"', bash().replace('""', '"'))
    assert set(COMMANDS) < set(words.split())
    assert all(f" -a {command} " in fish() for command in COMMANDS)
    assert all(f"'{command}:" in zsh() for command in COMMANDS)
