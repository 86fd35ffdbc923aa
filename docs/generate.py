"""Writes the pages that are made of the code: python docs/generate.py

docs/configuration.md    every key of the configuration, from the schema
docs/commands.md         every command with its options, from the parsers
docs/man/rnnd.1          the same as a manual page
docs/man/rnnd.yaml.5     the configuration as a manual page
docs/completions/        what bash, zsh and fish need to complete the command line
config/prometheus/runbooks.html    docs/runbooks.md as one page without anything from outside
"""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

os.environ["COLUMNS"] = "100"

from markdown_it import MarkdownIt

from rnnd import __version__
from rnnd.config.reference import keys, kind_words
from rnnd.daemon.completion import Command, commands
from rnnd.daemon.configuration import default_text
from rnnd.daemon.shells import bash, fish, zsh

DOCS = Path(__file__).parent


def configuration() -> str:
    """Return the reference of the configuration."""
    rows = "\n".join(
        f"| `{key.path}` | {kind_words(key.kind)} | "
        f"{'**required**' if key.required else f'`{key.written_default}`' if key.written_default else ''}"
        f" | {key.words} |"
        for key in keys()
    )
    return f"""# The configuration

`rnnd run --config FILE` and the service (`/etc/rnnd/rnnd.yaml`) read it. Only `apps` must be given.
`rnnd config init` prints a commented file to begin with, `rnnd config check FILE` names every mistake
with its line and column, `rnnd config show FILE` prints what is in force, defaults included, and
`rnnd config schema` prints a JSON schema for editors.

Durations are written `10s`, `5m`, `1h30m` or `7d`; rates `1/day` or `5/week`. A key that is unknown or
given twice is a mistake, and so are YAML's traps: a name that YAML takes for a number or a boolean
stands in quotes.

| key | type | default | meaning |
| --- | --- | --- | --- |
{rows}

## The whole of it

```yaml
{default_text().rstrip()}
```

## Taking over changes

`systemctl reload rnnd` (SIGHUP, or `POST /-/reload`) reads the file again. Apps that did not change keep
everything they have learnt; one whose settings changed is saved, closed and opened with the new ones.
What was learnt does not fit another `tick`, `horizon`, `more_horizons` or `order`: such an app begins anew with
what its logs hold, as at its first start, and its state is kept as `APP.rnnd.before`. Of such states three are kept (`.before.2`,
`.before.3`); a further one takes the place of that which has learnt from the fewest lines. To go on from one, stop rnnd, give the app back the
settings of then, and move the file to `APP.rnnd`. An app whose state cannot be used is left out; the others go on.
Users and certificates change at once, `http.listen` and `state` at the next start. A file with mistakes is refused: the configuration before it stays in force, the mistakes are in the
journal, and `rnnd_config_reload_success` is 0.
"""


def reference() -> str:
    """Return the reference of the command line."""
    parts = [
        "# The command line\n",
        "Exit status: 0 done, 1 the work failed, 2 wrong usage or configuration. Mistakes are told in one "
        "line.\n",
    ]
    for command in commands():
        parts.append(f"{'#' * (len(command.words) + 1)} rnnd {' '.join(command.words)}\n")
        parts.append(f"{_sentence(command.summary)}\n")
        parts.append(f"```text\n{_help(command)}\n```\n")
    return "\n".join(parts)


def _help(command: Command) -> str:
    command.parser.prog = f"rnnd {' '.join(command.words)}"
    command.parser.description = None
    return command.parser.format_help().strip()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def manual() -> str:
    """Return rnnd(1)."""
    lines = [
        f'.TH RNND 1 "" "rnnd {__version__}" "User Commands"',
        ".SH NAME",
        "rnnd \\- predict the health of applications from their logs",
        ".SH SYNOPSIS",
        ".B rnnd",
        ".I command",
        ".RI [ options ]",
        ".SH DESCRIPTION",
        _roff(
            "rnnd tails the logs of applications, learns online what the lines before a failure look "
            "like, and tells Prometheus how likely the next failure is within each horizon. "
            "Nobody labels anything; what a failure is, the configuration says."
        ),
        ".SH COMMANDS",
    ]
    for command in commands():
        lines += [f".SS rnnd {' '.join(command.words)}", _roff(_sentence(command.summary))]
        lines += _options(command.parser)
    lines += [
        ".SH SIGNALS",
        _roff("SIGTERM and SIGINT save what was learnt and stop. SIGHUP reads the configuration again."),
        ".SH FILES",
        ".TP\n.I /etc/rnnd/rnnd.yaml\nThe configuration of the service.",
        ".TP\n.I /var/lib/rnnd\nWhat the service has learnt, one file an app.",
        ".TP\n.I ~/.local/state/rnnd\nThe same for rnnd run LOG, unless $XDG_STATE_HOME says otherwise.",
        ".SH EXIT STATUS",
        "0 done, 1 the work failed, 2 wrong usage or configuration.",
        ".SH SEE ALSO",
        ".BR rnnd.yaml (5),",
        ".BR systemd (1)",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            continue
        if action.help == argparse.SUPPRESS:
            continue
        value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
        if action.choices:
            value = "|".join(map(str, action.choices))
        value = value if isinstance(value, str) else " ".join(value)
        names = ", ".join(action.option_strings)
        head = f"{names} {value if action.nargs != 0 else ''}".strip()
        text = parser._get_formatter()._expand_help(action) if action.help else ""
        yield f".TP\n.B {_roff(head)}\n{_roff(text)}"


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())  # fmt: skip


def manual_of_configuration() -> str:
    """Return rnnd.yaml(5)."""
    lines = [
        f'.TH RNND.YAML 5 "" "rnnd {__version__}" "File Formats"',
        ".SH NAME",
        "rnnd.yaml \\- the configuration of rnnd",
        ".SH DESCRIPTION",
        _roff(
            "A YAML file. Durations are written 10s, 5m, 1h30m or 7d; rates 1/day or 5/week. Unknown "
            "keys and keys given twice are mistakes; rnnd config check names all of them with their "
            "place."
        ),
        ".SH KEYS",
    ]
    for key in keys():
        default = "required" if key.required else f"default {key.written_default or 'see below'}"
        lines += [
            f".TP\n.B {_roff(key.path)}",
            _roff(f"{key.words} ({kind_words(key.kind)}, {default})"),
        ]
    lines += [".SH EXAMPLE", ".nf", _roff(default_text().rstrip()), ".fi"]
    lines += [".SH SEE ALSO", ".BR rnnd (1)"]
    return "\n".join(lines) + "\n"


RUNBOOK_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 50rem; padding: 1rem; font: 1rem/1.6 system-ui, sans-serif; }
h2 { margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 1px solid #8888; overflow-wrap: anywhere; }
h2:target { border-top: 3px solid #d55e00; }
nav ul { columns: 15rem; padding-left: 1.2rem; }
code { font: .9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
"""


def runbooks() -> str:
    """Return the runbooks as a page that needs nothing else: Prometheus and rnnd itself serve it."""
    text = (DOCS / "runbooks.md").read_text(encoding="utf-8")
    text = re.sub(r"\[([^\]]+)\]\(\w+\.md(?:#[\w-]+)?\)", r"*\1* in the documentation", text)
    names = re.findall(r"^## (\w+)$", text, re.M)
    body = MarkdownIt().render(text)
    for name in names:
        body = body.replace(f"<h2>{name}<", f'<h2 id="{name.lower()}">{name}<')
    listed = "".join(f'<li><a href="#{name.lower()}">{name}</a></li>' for name in names)
    body = body.replace("</p>", f"</p>\n<nav><ul>{listed}</ul></nav>", 1)
    assert "{{" not in body, "Prometheus would take it for a template"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<title>Runbooks – rnnd</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{RUNBOOK_STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


PAGES = {
    "../config/prometheus/runbooks.html": runbooks,
    "configuration.md": configuration,
    "commands.md": reference,
    "man/rnnd.1": manual,
    "man/rnnd.yaml.5": manual_of_configuration,
    "completions/rnnd": bash,
    "completions/_rnnd": zsh,
    "completions/rnnd.fish": fish,
}


if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
