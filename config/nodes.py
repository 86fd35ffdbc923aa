"""YAML as a tree of nodes that know their line and column, with YAML's traps taken out.

PyYAML's constructors silently keep the last of two equal keys, take `no` for a boolean, `0644` for
420 and `12:30:00` for 45000, follow an alias bomb and fall over deep nesting. So nothing is
constructed: nodes are composed and read by what the schema expects of them.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import yaml

LIMIT = 1 << 20  # characters of a file
DEPTH = 20  # of nesting; the schema needs five


class Mistake(NamedTuple):
    """Something wrong, and where; lines and columns count from one."""

    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A file's node, unless it is empty, and the mistakes that keep it from being read further."""

    root: yaml.Node | None
    mistakes: tuple[Mistake, ...] = ()


def compose(text: str) -> Composed:
    """Return the nodes of the YAML document *text*, which may have no aliases."""
    if len(text) > LIMIT:
        return Composed(None, (Mistake(1, 1, f"longer than {LIMIT} characters"),))
    try:
        if mistakes := tuple(_traps(text)):
            return Composed(None, mistakes)
        return Composed(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.context, error.problem)))
        return Composed(None, (mistake_at(mark, f"not valid YAML: {message}"),))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        message = f"not valid YAML: the character {chr(error.character)!r} is not allowed"
        return Composed(None, (Mistake(before.count("\n") + 1, column, message),))
    except (
        ValueError,
        OverflowError,
    ) as error:  # PyYAML lets an impossible escape such as "\UFFFFFFFF" through
        return Composed(None, (Mistake(1, 1, f"not valid YAML: {error}"),))


def _traps(text: str) -> Iterable[Mistake]:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            yield mistake_at(
                event.start_mark, f"*{event.anchor}: aliases are not supported, repeat the value"
            )
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                yield mistake_at(event.start_mark, f"nested more than {DEPTH} deep")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class Mark(Protocol):
    """A place in the text, as PyYAML tells it."""

    @property
    def line(self) -> int:
        """The line, counted from zero."""
        ...

    @property
    def column(self) -> int:
        """The column, counted from zero."""
        ...


def mistake_at(mark: Mark | None, message: str) -> Mistake:
    """Return the mistake *message* at *mark*."""
    return Mistake(mark.line + 1, mark.column + 1, message) if mark else Mistake(1, 1, message)


def describe(node: yaml.Node) -> str:
    """Return what *node* is, in words and as YAML takes it."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return "nothing"
    value = node.value if len(node.value) <= 40 else f"{node.value[:40]}…"
    return (
        repr(value) if kind == "str" else f"{value} (which YAML takes for {_KINDS.get(kind, kind)})"
    )


_KINDS = {
    "bool": "a boolean",
    "int": "a whole number",
    "float": "a number",
    "timestamp": "a date",
    "binary": "binary data",
    "merge": "a merge key",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at which of *known* was meant by *name*.

    >>> nearest("horizn", ["horizon", "tick"])
    "did you mean 'horizon'?"
    >>> nearest("colour", ["horizon", "tick"])
    'known are horizon, tick'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
