"""Reads a configuration file's text into settings, and names all of its mistakes at once."""

import re
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from rnnd.config.names import NAME, NAME_EXPECTED, unique_names
from rnnd.config.nodes import Mistake, compose, describe, mistake_at, nearest
from rnnd.config.passwords import parse_hash
from rnnd.config.schema import (
    AppSettings,
    Duration,
    HttpSettings,
    Rate,
    Rule,
    Settings,
    Share,
    Size,
    UserSettings,
)
from rnnd.config.units import format_duration, parse_duration, parse_rate, parse_share, parse_size
from rnnd.errors import ConfigError, RnndError

MIN_TICK = 1.0  # s
MAX_TICKS = 100_000  # in a horizon

USER = re.compile(r"[^:\x00-\x20\x7f]{1,64}")
USER_EXPECTED = "a name of 1 to 64 characters without spaces and ':'"

_INDEX = re.compile(r"\[[0-9]+\]")

T = TypeVar("T")

Check = Callable[[str, Any], object]


def load_settings(text: str, name: str, check: Check = lambda _, __: None) -> Settings:
    """Return the settings that *text*, the content of the file *name*, says.

    *check* gets every value and the path of its key, such as ``apps[].red.patterns[]``, and raises
    `RnndError` where the value will not do. Raises `ConfigError` with a line
    ``file:line:column: message`` for every mistake.
    """
    composed = compose(text)
    reader = _Reader(check)
    reader.mistakes.extend(composed.mistakes)
    settings = None
    if composed.root is not None:
        settings = reader.read(composed.root, Settings, "")
    elif not composed.mistakes:
        reader.mistakes.append(Mistake(1, 1, "empty, expected at least the key 'apps'"))
    if settings is None or reader.mistakes:
        lines = (f"{name}:{m.line}:{m.column}: {m.message}" for m in sorted(set(reader.mistakes)))
        raise ConfigError("\n".join(lines))
    return settings


class _UnreadableError(Exception):
    """A value that cannot be had; its mistake is written down already."""


class _Reader:
    """Reads nodes by the types of the schema and writes down what does not fit."""

    def __init__(self, check: Check) -> None:
        self.mistakes: list[Mistake] = []
        self._check = check

    def read(self, node: yaml.Node, kind: type[T], where: str) -> T | None:
        """Return what *node* says as a *kind*; None when it has a mistake."""
        try:
            value: T = self._value(node, kind, where)
            self._check(_INDEX.sub("[]", where), value)
        except _UnreadableError:
            return None
        except RnndError as error:
            self._fail(node, where, str(error))
            return None
        return value

    def _fail(self, node: yaml.Node, where: str, message: str) -> _UnreadableError:
        text = f"{where}: {message}" if where else message
        self.mistakes.append(mistake_at(node.start_mark, text))
        return _UnreadableError()

    def _value(self, node: yaml.Node, kind: Any, where: str) -> Any:
        origin = get_origin(kind)
        if kind is Duration:
            return self._parsed(node, parse_duration, where, "a duration such as 10s or 5m")
        if kind is Rate:
            return self._parsed(node, parse_rate, where, "a rate such as 1/day")
        if kind is Share:
            return self._parsed(node, parse_share, where, "a share such as 5%")
        if kind is Size:
            return self._parsed(node, parse_size, where, "a size such as 1GiB or 0B")
        if origin is Literal:
            return self._choice(node, get_args(kind), where)
        if origin in (Union, types.UnionType):
            (inner,) = (option for option in get_args(kind) if option is not type(None))
            return None if node.tag.endswith(":null") else self._value(node, inner, where)
        if origin is tuple:
            return self._tuple(node, get_args(kind)[0], where)
        if issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, where)
        if kind is bool:
            return self._switch(node, where)
        assert kind is str, kind
        return self._text(node, where)

    def _switch(self, node: yaml.Node, where: str) -> bool:
        if not isinstance(node, yaml.ScalarNode) or node.value not in ("true", "false"):
            raise self._fail(node, where, f"{describe(node)} is neither true nor false")
        return bool(node.value == "true")

    def _text(self, node: yaml.Node, where: str, expected: str = "text") -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            quotes = isinstance(node, yaml.ScalarNode) and expected == "text" and node.value
            hint = f', write "{node.value}" in quotes' if quotes else ""
            raise self._fail(node, where, f"{describe(node)} is not {expected}{hint}")
        text: str = node.value
        if not text.strip() or "\0" in text:
            raise self._fail(node, where, f"{describe(node)} is empty, expected {expected}")
        return text

    def _parsed(
        self, node: yaml.Node, parse: Callable[[str], float], where: str, expected: str
    ) -> float:
        text = self._text(node, where, expected)
        try:
            return parse(text)
        except ValueError as error:
            raise self._fail(node, where, str(error)) from error

    def _choice(self, node: yaml.Node, options: tuple[str, ...], where: str) -> str:
        text = self._text(node, where, f"one of {', '.join(options)}")
        if text not in options:
            raise self._fail(node, where, f"{text!r} is unknown, {nearest(text, options)}")
        return text

    def _tuple(self, node: yaml.Node, kind: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._fail(node, where, f"{describe(node)} is not a list")
        if kind is AppSettings:
            return self._apps(node, where)
        values = [self.read(item, kind, f"{where}[{i}]") for i, item in enumerate(node.value)]
        if None in values:
            raise _UnreadableError
        return tuple(values)

    def _struct(self, node: yaml.Node, kind: type[msgspec.Struct], where: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            raise self._fail(node, where, f"{describe(node)} is not a mapping")
        hints = get_type_hints(kind, include_extras=True)
        before = len(self.mistakes)
        values: dict[str, Any] = {}
        nodes: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str) or key not in hints:
                hint = nearest(key, hints) if isinstance(key, str) else "expected a name"
                self._fail(key_node, where, f"{describe(key_node)} is an unknown key, {hint}")
            elif key in nodes:
                first = nodes[key].start_mark.line + 1
                self._fail(key_node, where, f"{key!r} is given twice, first in line {first}")
            else:
                nodes[key] = key_node
                values[key] = self.read(value_node, hints[key], f"{where}.{key}".lstrip("."))
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in nodes:
                self._fail(node, where, f"the key {field.name!r} is missing")
        if len(self.mistakes) > before:
            raise _UnreadableError
        settings = kind(**values)
        for key, message in _contradictions(settings):
            self._fail(nodes.get(key, node), f"{where}.{key}".lstrip("."), message)
        if len(self.mistakes) > before:
            raise _UnreadableError
        return settings

    def _apps(self, node: yaml.SequenceNode, where: str) -> tuple[AppSettings, ...]:
        """Read apps; a bare path or glob is an app of its own, named after it."""
        if not node.value:
            raise self._fail(node, where, "the list is empty, expected at least one app")
        apps: list[AppSettings | None] = []
        bare: dict[int, str] = {}
        for index, item in enumerate(node.value):
            place = f"{where}[{index}]"
            if isinstance(item, yaml.ScalarNode):
                bare[index] = self.read(item, str, place) or ""
                apps.append(None)
            else:
                apps.append(self.read(item, AppSettings, place))
        for (index, pattern), name in zip(bare.items(), unique_names(bare.values()), strict=True):
            apps[index] = AppSettings(name=name, logs=(pattern,))
        names: set[str] = set()
        for item, app in zip(node.value, apps, strict=True):
            if app is not None and app.name in names:
                self._fail(item, where, f"two apps have the name {app.name!r}")
            elif app is not None:
                names.add(app.name)
        if None in apps:
            raise _UnreadableError
        return tuple(app for app in apps if app is not None)


def _contradictions(settings: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Give the key and the fault of each value that has the right type but no sense."""
    if isinstance(settings, AppSettings):
        if not NAME.fullmatch(settings.name):
            yield "name", f"{settings.name[:70]!r} is not a name: {NAME_EXPECTED}"
        if not settings.logs:
            yield "logs", "the list is empty, expected paths or globs"
        if settings.red == Rule() and settings.failures is None:
            yield "red", "names neither severity nor patterns: nothing would be a failure"
        if settings.session is not None:
            before, _, after = settings.session.partition("*")
            if not before.strip() or after or not settings.session.endswith("*"):
                yield "session", f"{settings.session!r} is no text that ends in *, as request=* is"
            elif not settings.order:
                yield "session", "is only of use with order: true"
        yield from _bad_times(settings)
    elif isinstance(settings, UserSettings):
        yield from _bad_user(settings)
    elif isinstance(settings, Settings) and settings.checkpoint_every < 1:
        yield "checkpoint_every", "shorter than 1s"
    elif isinstance(settings, HttpSettings):
        try:
            parse_address(settings.listen)
        except ValueError as error:
            yield "listen", str(error)
        names = [user.name for user in settings.users]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "users", f"two users have the name {name!r}"


def _bad_user(user: UserSettings) -> Iterator[tuple[str, str]]:
    if not USER.fullmatch(user.name):
        yield "name", f"{user.name[:70]!r} is not {USER_EXPECTED}"
    try:
        parse_hash(user.password_hash)
    except ValueError as error:
        yield "password_hash", str(error)


def _bad_times(app: AppSettings) -> Iterator[tuple[str, str]]:
    if app.tick < MIN_TICK:
        yield "tick", f"{format_duration(app.tick)} is shorter than {format_duration(MIN_TICK)}"
        return
    for key, horizons in (("horizon", (app.horizon,)), ("more_horizons", app.more_horizons)):
        for horizon in horizons:
            written = format_duration(horizon)
            if horizon < app.tick:
                yield key, f"{written} is shorter than a tick, {format_duration(app.tick)}"
            elif horizon / app.tick > MAX_TICKS:
                yield (
                    key,
                    f"{written} is more than {MAX_TICKS} ticks of {format_duration(app.tick)}",
                )


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and the port of *text*, an address to listen on; port 0 is any free one.

    Raises `ValueError` with a message that says what was expected.

    >>> parse_address("[::1]:7663")
    ('::1', 7663)
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text[:80]!r} is not an address such as 127.0.0.1:7663")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text[:80]!r} is not an address; an IPv6 host stands in brackets")
    return host, int(port)
