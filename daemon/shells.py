"""Completion of the command line for bash, zsh and fish, made from the parsers themselves."""

import argparse
from collections.abc import Iterable, Iterator

from rnnd.daemon.cli import COMMANDS
from rnnd.daemon.completion import Command, commands

PATHS = ("FILE", "CSV", "LOG", "TEXT")
DIRECTORIES = ("DIR",)


def _options(command: Command) -> Iterator[argparse.Action]:
    return (
        action
        for action in command.parser._actions
        if action.option_strings and action.help != argparse.SUPPRESS
    )


def _positionals(command: Command) -> Iterator[argparse.Action]:
    return (
        action
        for action in command.parser._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
    )


def _long(action: argparse.Action) -> str:
    return action.option_strings[-1]


def _value(action: argparse.Action) -> str:
    """Return what the value of *action* is called; nothing where it takes none."""
    if action.nargs == 0:
        return ""
    return str(action.metavar or action.dest.upper())


def _choices(action: argparse.Action) -> list[str]:
    """Return what the value may be, which the metavar `rnn|gru|lstm` says too."""
    if not action.choices and "|" in _value(action):
        return _value(action).split("|")
    return [str(choice) for choice in action.choices or ()]


def _help(command: Command, action: argparse.Action) -> str:
    return command.parser._get_formatter()._expand_help(action) if action.help else ""


def _actions_of(first: str, known: Iterable[Command]) -> list[Command]:
    return [one for one in known if one.words[0] == first and len(one.words) > 1]


# bash


def bash() -> str:
    """Return the completion for bash."""
    known = list(commands())
    cases = "\n".join(_bash_case(command, known) for command in known)
    names = " ".join([*COMMANDS, "--help", "--version"])
    return f"""# bash completion for rnnd: source <(rnnd completion bash)
_rnnd() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  local command="${{COMP_WORDS[1]}}" paths="" words=""
  case "$command" in
    {"|".join(_with_actions(known))})
      [ "$COMP_CWORD" -gt 2 ] && command+=" ${{COMP_WORDS[2]}}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && command=
  case "$command" in
    "") words="{names}" ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$paths" ] && [ "${{current#-}}" = "$current" ]; then
    COMPREPLY+=($(compgen "-$paths" -- "$current"))
  fi
}}
complete -o filenames -F _rnnd rnnd
"""


def _with_actions(known: Iterable[Command]) -> list[str]:
    return list(dict.fromkeys(one.words[0] for one in known if len(one.words) > 1))


def _bash_case(command: Command, known: list[Command]) -> str:
    first, *action = command.words
    inner = [] if action else _actions_of(first, known)
    positionals = list(_positionals(command))
    words = [one.words[1] for one in inner]
    words += [choice for one in positionals for choice in _choices(one)]
    words += [_long(option) for option in _options(command)]
    paths = "f" if any(_value(one) in PATHS for one in positionals) else ""
    cases = []
    for option in _options(command):
        if _choices(option):
            said = f'words="{" ".join(_choices(option))}"; paths='
        elif _value(option) in PATHS + DIRECTORIES:
            said = f"words=; paths={'d' if _value(option) in DIRECTORIES else 'f'}"
        else:
            said = "words=; paths="
        if _value(option):
            cases.append(f"        {'|'.join(option.option_strings)}) {said} ;;\n")
    values = f'      case "$previous" in\n{"".join(cases)}      esac ;;' if cases else "      ;;"
    name = " ".join(command.words)
    return f'    "{name}") words="{" ".join(words)}"; paths={paths}\n{values}'


# zsh


def zsh() -> str:
    """Return the completion for zsh."""
    known = list(commands())
    functions = [
        _zsh_function(command, _actions_of(command.words[0], known))
        for command in known
        if len(command.words) == 1
    ]
    functions += [_zsh_function(command, []) for command in known if len(command.words) > 1]
    names = _zsh_described((name, summary) for name, summary in COMMANDS.items())
    return (
        "#compdef rnnd\n"
        '# zsh completion for rnnd: rnnd completion zsh >"${fpath[1]}/_rnnd"\n'
        + _zsh_dispatch("_rnnd", "command", names, ["--version[print the version]"])
        + "".join(functions)
        + 'if [ "$funcstack[1]" = _rnnd ]; then _rnnd "$@"; else compdef _rnnd rnnd; fi\n'
    )


def _zsh_function(command: Command, inner: list[Command]) -> str:
    name = f"_rnnd_{'_'.join(command.words)}"
    if inner:
        described = _zsh_described((one.words[1], one.summary) for one in inner)
        return _zsh_dispatch(name, "action", described, [])
    specs = [_zsh_option(command, action) for action in _options(command)]
    specs += [_zsh_positional(command, action) for action in _positionals(command)]
    return f"{name}() {{\n  _arguments -S \\\n    " + " \\\n    ".join(specs) + "\n}\n"


def _zsh_dispatch(name: str, thing: str, described: str, options: list[str]) -> str:
    quoted = "".join(f"{_quoted(option)} " for option in ["(- *)--help[help]", *options])
    return (
        f"{name}() {{\n"
        "  local context state state_descr line\n  typeset -A opt_args\n"
        f"  _arguments -C {quoted}'1:{thing}:->first' '*::argument:->rest'\n"
        "  case $state in\n"
        f"    first) local -a known=({described}); _describe {thing} known ;;\n"
        f"    rest) (( $+functions[{name}_$line[1]] )) && {name}_$line[1] ;;\n"
        "  esac\n}\n"
    )


def _zsh_described(described: Iterable[tuple[str, str]]) -> str:
    return " ".join(_quoted(f"{name}:{text}") for name, text in described)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_plain(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())


def _zsh_values(action: argparse.Action) -> str:
    if _choices(action):
        return f"({' '.join(_choices(action))})"
    if _value(action) in DIRECTORIES:
        return "_files -/"
    return "_files" if _value(action) in PATHS else " "


def _zsh_option(command: Command, action: argparse.Action) -> str:
    text = f"[{_zsh_plain(_help(command, action))}]"
    many = "*" if isinstance(action, argparse._AppendAction) else ""
    if not _value(action):
        return _quoted(f"{many}{_long(action)}{text}")
    values = f":{_zsh_plain(_value(action))}:{_zsh_values(action)}"
    return _quoted(f"{many}{_long(action)}={text}{values}")


def _zsh_positional(command: Command, action: argparse.Action) -> str:
    optional = ":" if action.nargs == "?" else ""
    many = "*" if action.nargs in ("*", "+") else ""
    return _quoted(f"{many}:{optional}{_zsh_plain(_value(action))}:{_zsh_values(action)}")


# fish


def fish() -> str:
    """Return the completion for fish."""
    lines = [
        "# fish completion for rnnd: rnnd completion fish | source",
        "complete -c rnnd -f",
        "complete -c rnnd -n __fish_use_subcommand -l version -d 'print the version'",
        "complete -c rnnd -l help -d help",
    ]
    known = list(commands())
    for command in known:
        first = command.words[0]
        seen = f"__fish_seen_subcommand_from {first}"
        inner = " ".join(one.words[1] for one in _actions_of(first, known))
        if len(command.words) == 1:
            condition = "__fish_use_subcommand"
            within = seen
        else:
            condition = f"{seen}; and not __fish_seen_subcommand_from {inner}"
            within = f"{seen}; and __fish_seen_subcommand_from {command.words[1]}"
        summary = _fish_quoted(command.summary)
        lines.append(f"complete -c rnnd -n '{condition}' -a {command.words[-1]} -d {summary}")
        lines += [_fish_option(command, action, within) for action in _options(command)]
        for action in _positionals(command):
            lines += _fish_positional(action, within)
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(command: Command, action: argparse.Action, within: str) -> str:
    if not _value(action):
        takes = ""
    elif _choices(action):
        takes = f" -x -a '{' '.join(_choices(action))}'"
    elif _value(action) in DIRECTORIES:
        takes = " -x -a '(__fish_complete_directories)'"
    else:
        takes = " -r -F" if _value(action) in PATHS else " -x"
    text = _fish_quoted(_help(command, action))
    return f"complete -c rnnd -n '{within}' -l {_long(action)[2:]}{takes} -d {text}"


def _fish_positional(action: argparse.Action, within: str) -> Iterator[str]:
    if _choices(action):
        yield f"complete -c rnnd -n '{within}' -a '{' '.join(_choices(action))}'"
    elif _value(action) in PATHS:
        yield f"complete -c rnnd -n '{within}' -F"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
