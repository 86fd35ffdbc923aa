"""The command line itself: help, typing errors, and readers of its output that leave."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnd import __version__
from rnnd.daemon.cli import COMMANDS, main

RNND = (sys.executable, "-m", "rnnd")


def leave(*arguments: str) -> int:
    """Return the status with which the program ends."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("statsu", "rnnd: COMMAND: 'statsu' is unknown, did you mean 'status'?"),
        ("--verison", "rnnd: '--verison' is unknown, did you mean '--version'?"),
        ("status --ulr x", "rnnd status: '--ulr' is unknown, did you mean '--url'?"),
        ("status --url=x --jsn", "rnnd status: '--jsn' is unknown, did you mean '--json'?"),
        ("status --js", "rnnd status: '--js' is unknown, did you mean '--json'?"),
        ("run a --lisen=b", "rnnd run: '--lisen=b' is unknown, did you mean '--listen'?"),
        ("config chekc", "rnnd config: ACTION: 'chekc' is unknown, did you mean 'check'?"),
        ("monitoring show rule", "FILE: 'rule' is unknown, did you mean 'rules'?"),
        ("completion bsh", "SHELL: 'bsh' is unknown, did you mean 'bash'?"),
        ("config check a b", "rnnd config check: 'b' is unknown"),
        ("help statsu", "did you mean 'status'?"),
        ("explain", "rnnd explain: the following arguments are required: APP"),
        ("xyzzy", "known are run, backtest"),
    ],
)
def test_a_typing_error_is_one_line_that_says_what_was_meant(
    capsys: pytest.CaptureFixture[str], typed: str, meant: str
) -> None:
    assert leave(*typed.split()) == 2

    said = capsys.readouterr()
    assert meant in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_nothing_typed_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave() == 2

    said = capsys.readouterr().err
    assert all(f"    {command} " in said for command in COMMANDS)
    assert "rnnd demo" in said.partition("begin with:")[2]


@pytest.mark.parametrize("typed", ["--help", "-h", "help"])
def test_help_fits_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    assert leave(typed) == 0

    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert leave(command, "--help") == 0
    plain = capsys.readouterr().out
    assert leave("help", command) == 0

    assert capsys.readouterr().out == plain
    assert plain.startswith(f"usage: rnnd {command} ")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--version") == 0

    assert capsys.readouterr().out == f"rnnd {__version__}\n"


def test_a_reader_who_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [*RNND, "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert said == b""
    assert process.returncode in {0, 141}


@pytest.mark.parametrize(
    "typed", ["config init", "--help", "help train", "run --help", "--version"]
)
def test_a_full_disk_under_standard_output_is_told_in_one_line(typed: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*RNND, *typed.split()], stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 1
    said = b"rnnd: standard output: cannot be written (no space left on device)\n"
    assert done.stderr == said


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "latin-1", "the C locale"],
)
def test_what_the_encoding_of_the_output_cannot_say_is_escaped(
    tmp_path: Path, setting: dict[str, str]
) -> None:
    log = tmp_path / "app.log"
    log.write_text("2026-03-01T00:00:00Z INFO café ☕ \N{FULL BLOCK} opened\n" * 9)

    done = subprocess.run(
        [*RNND, "templates", str(log)],
        env={**os.environ, **setting},
        capture_output=True,
    )

    assert done.returncode == 0, done.stderr
    assert b"\\u2615" in done.stdout


@pytest.mark.parametrize(
    "raised", [MemoryError(), OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))]
)
def test_too_little_memory_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: Exception
) -> None:
    def run(_: object) -> int:
        raise raised

    monkeypatch.setattr("rnnd.daemon.commands.config.run", run)

    assert leave("config", "init") == 1
    assert capsys.readouterr().err == "rnnd: there is not enough memory for what was asked\n"


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_reason_to_end_with_a_traceback(tmp_path: Path, closed: int) -> None:
    missing = tmp_path / "missing.log"
    command = [*RNND, "config", "init"] if closed == 1 else [*RNND, "backtest", str(missing)]

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command], capture_output=True
    )

    assert done.returncode == (0 if closed == 1 else 2)
    assert (done.stdout, done.stderr) == (b"", b"")
