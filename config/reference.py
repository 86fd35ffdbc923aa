"""The configuration's keys in words, and as a JSON schema for editors."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from rnnd.config.schema import AppSettings, Duration, Rate, Rule, Settings, Share, Size
from rnnd.config.units import format_duration, format_rate, format_share, format_size

Json = dict[str, Any]

WORDS = {
    "apps": "What to watch: a list of apps, or of paths and globs that each become one.",
    "apps[].name": "What the app is called in metrics: 1 to 64 letters, digits, `-`, `_` or `.`.",
    "apps[].logs": "Paths and globs of its logs; `*` matches no dot files, `**` any depth.",
    "apps[].red": "Which lines are a failure; without it, the most severe level that is rare.",
    "apps[].red.severity": "Lines of this severity or worse.",
    "apps[].red.patterns": "Lines that match one of these regular expressions.",
    "apps[].orange": "Which lines are worrying; without it, error, or what is next to `red`.",
    "apps[].orange.severity": "Lines of this severity or worse.",
    "apps[].orange.patterns": "Lines that match one of these regular expressions.",
    "apps[].failures": "A CSV file with the starts of failures; it replaces what `red` finds.",
    "apps[].merge": "Failures closer together than this are one.",
    "apps[].horizon": "How far ahead health and alarms look.",
    "apps[].more_horizons": "Probabilities are given for these horizons too.",
    "apps[].alarm_budget": "How many false alarms you will put up with; it sets the threshold.",
    "apps[].unusual_budget": "How often unusual lines alone may make it orange.",
    "apps[].history": "How many bytes of rotated files are read first, at the first start.",
    "apps[].cpu_budget": "The share of one core that learning may take.",
    "apps[].tick": "The stretch of time that is taken as one; a prediction is made after each.",
    "apps[].order": "Whether the order of lines is read too; it costs time, see docs/surprise.md.",
    "apps[].session": "What ties lines together, as `request=*`; found by itself if not given.",
    "apps[].timezone": "Of times that name none, also in `failures`: `local`, `UTC`, `+01:00`, …",
    "apps[].timestamp": "How timestamps are written, where rnnd does not find that by itself.",
    "apps[].timestamp.layout": "As strptime has it: `%d;%m;%Y %H:%M:%S`, or `%s`, the epoch.",
    "apps[].timestamp.after": "A regular expression: what stands in the line before the timestamp.",
    "http": "Where metrics and the status page are served.",
    "http.listen": "Host and port to listen on; port 0 takes any free one.",
    "http.tls": "Speak HTTPS with this certificate; without it, HTTP.",
    "http.tls.certificate": "A PEM file: the certificate, then those that lead to the authority.",
    "http.tls.key": "A PEM file: its key, without a password, not readable by everybody.",
    "http.users": "Who may ask (basic authentication); with an empty list, everybody.",
    "http.users[].name": "What the user is called: 1 to 64 characters, no space, no `:`.",
    "http.users[].password_hash": "What `rnnd config password` makes of the user's password.",
    "state": "The directory of what was learnt, one file an app.",
    "checkpoint_every": "How often that is saved; every `10m` where no lines come.",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key that the configuration may have."""

    path: str  # such as `apps[].horizon`
    kind: Any  # its type in the schema
    default: Any  # msgspec.NODEFAULT where it must be given

    @property
    def words(self) -> str:
        """What it means."""
        return WORDS[self.path]

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is msgspec.NODEFAULT

    @property
    def written_default(self) -> str:
        """Its default as people write it."""
        return _written(self.default, self.kind)


def keys(kind: type[msgspec.Struct] = Settings, path: str = "") -> Iterator[Key]:
    """Give every key in the order of the schema, those of a part after the part.

    >>> [key.path for key in keys()][:3]
    ['apps', 'apps[].name', 'apps[].logs']
    """
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        where = f"{path}{field.name}"
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Key(where, hint, default)
        many = get_origin(hint) is tuple
        inner = get_args(hint)[0] if many else _required(hint)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from keys(inner, f"{where}[]." if many else f"{where}.")


def _required(kind: Any) -> Any:
    """Return *kind* without None."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    (inner,) = (one for one in get_args(kind) if one is not type(None))
    return inner


def kind_words(kind: Any) -> str:
    """Return how people call the type of a key.

    >>> kind_words(Duration)
    'duration'
    """
    if kind is Duration:
        return "duration"
    if kind is Rate:
        return "rate"
    if kind is Size:
        return "size"
    if kind is Share:
        return "share"
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(f"`{one}`" for one in get_args(kind))
    if origin in (Union, types.UnionType):
        return kind_words(_required(kind))
    if origin is tuple:
        inner = get_args(kind)[0]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return f"list of mappings{', or of globs' if inner is AppSettings else ''}"
        return {"text": "list of texts", "duration": "list of durations"}[kind_words(inner)]
    if issubclass(kind, msgspec.Struct):
        return "mapping"
    return {str: "text", bool: "true or false", int: "whole number", float: "number"}[kind]


def _written(value: Any, kind: Any) -> str:
    if value is None and _required(kind) is Rule:
        return "automatic"
    if value is None or value is msgspec.NODEFAULT:
        return "none"
    if kind is Duration:
        return format_duration(value)
    if kind is Rate:
        return format_rate(value)
    if kind is Size:
        return format_size(value)
    if kind is Share:
        return format_share(value)
    if isinstance(value, tuple):
        inner = get_args(kind)[0]
        return f"[{', '.join(_written(one, inner) for one in value)}]"
    return "" if isinstance(value, msgspec.Struct) else str(value)


def as_written(settings: msgspec.Struct) -> Json:
    """Return *settings* as the mapping that a configuration file would hold."""
    hints = get_type_hints(type(settings), include_extras=True)
    written = {
        name: _plain(getattr(settings, name), hints[name]) for name in settings.__struct_fields__
    }
    return {name: value for name, value in written.items() if value is not None}


def _plain(value: Any, kind: Any) -> Any:
    if value is not None and kind in (Duration, Rate, Share, Size):
        return _written(value, kind)
    if isinstance(value, msgspec.Struct):
        return as_written(value)
    if isinstance(value, tuple):
        return [_plain(one, get_args(kind)[0]) for one in value]
    return value


def json_schema() -> Json:
    """Return the JSON schema of the configuration, for editors that check YAML by one."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rnnd.yaml",
        **_object(Settings, ""),
    }


def _object(kind: type[msgspec.Struct], path: str) -> Json:
    hints = get_type_hints(kind, include_extras=True)
    fields = msgspec.structs.fields(kind)
    properties = {
        field.name: _schema(hints[field.name], f"{path}{field.name}")
        | {"description": WORDS[f"{path}{field.name}"]}
        for field in fields
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in fields if field.required],
        "properties": properties,
    }


def _schema(kind: Any, path: str) -> Json:
    if kind is Duration:
        return {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?[smhdw])+$"}
    if kind is Rate:
        return {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? */ *(minute|hour|day|week)$"}
    if kind is Share:
        return {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *%$"}
    if kind is Size:
        return {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *[kMGT]?i?B$"}
    origin = get_origin(kind)
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(_required(kind), path), {"type": "null"}]}
    if origin is tuple:
        inner = get_args(kind)[0]
        if inner is AppSettings:
            choices = [{"type": "string"}, _object(inner, f"{path}[].")]
            return {"type": "array", "minItems": 1, "items": {"anyOf": choices}}
        return {"type": "array", "items": _schema(inner, f"{path}[]")}
    if issubclass(kind, msgspec.Struct):
        return _object(kind, f"{path}.")
    return {"type": {str: "string", bool: "boolean", int: "integer", float: "number"}[kind]}
