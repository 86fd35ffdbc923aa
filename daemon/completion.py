"""What may follow on the command line, for shells to complete and manuals to list."""

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from rnnd.daemon.cli import COMMANDS


@dataclass(frozen=True, slots=True)
class Command:
    """A command or one of its actions, with its parser."""

    words: tuple[str, ...]  # such as `config check`
    summary: str
    parser: argparse.ArgumentParser

    def options(self) -> list[str]:
        """Return its long options."""
        return [
            option
            for action in self.parser._actions
            for option in action.option_strings
            if option.startswith("--")
        ]


def commands() -> Iterator[Command]:
    """Give every command, and after it its actions."""
    for name, summary in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"rnnd {name}", description=summary)
        importlib.import_module(f"rnnd.daemon.commands.{name}").add_arguments(parser)
        yield Command((name,), summary, parser)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for choice in action._choices_actions:
                    inner = action.choices[choice.dest]
                    yield Command((name, choice.dest), choice.help or "", inner)


def bash() -> str:
    """Return the completion for bash; zsh takes it after `autoload bashcompinit; bashcompinit`."""
    known = list(commands())
    cases = []
    for command in sorted(known, key=lambda one: -len(one.words)):  # actions before commands
        first = command.words[0]
        actions = [one.words[1] for one in known if one.words[0] == first and one.words[1:]]
        whole = len(command.words) > 1
        pattern = f'"{" ".join(command.words)}"' if whole else f'"{first} "*'
        words = " ".join([*(() if whole else actions), *command.options()])
        cases.append(f'    {pattern}) words="{words}" ;;')
    ordered = "\n".join(cases)
    return f"""# bash completion for rnnd: source <(rnnd completion bash)
_rnnd() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} words
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{ordered}
    *) words="{" ".join(COMMANDS)} --help --version" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="{" ".join(COMMANDS)} --help --version"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ "${{current#-}}" = "$current" ] && COMPREPLY+=($(compgen -f -- "$current"))
}}
complete -o filenames -F _rnnd rnnd
"""


def fish() -> str:
    """Return the completion for fish."""
    names = " ".join(COMMANDS)
    lines = ["# fish completion for rnnd: rnnd completion fish | source"]
    for command in commands():
        first = command.words[0]
        quoted = command.summary.replace("\\", "\\\\").replace("'", "\\'")
        if len(command.words) == 1:
            condition = f"not __fish_seen_subcommand_from {names}"
        else:
            condition = f"__fish_seen_subcommand_from {first}"
        lines.append(f"complete -c rnnd -n '{condition}' -a {command.words[-1]} -d '{quoted}'")
        seen = f"__fish_seen_subcommand_from {first}"
        lines += [f"complete -c rnnd -n '{seen}' -l {one[2:]}" for one in command.options()]
    return "\n".join(dict.fromkeys(lines)) + "\n"


SHELLS = {"bash": bash, "zsh": bash, "fish": fish}
