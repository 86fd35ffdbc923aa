"""What JSON lines and logfmt say, by the keys that loggers use.

Both are read by expressions rather than parsers, since what is read are signatures, or lines that
were cut off. JSON within JSON, as Docker wraps what a program writes, has its quotes escaped.
"""

import re
from dataclasses import dataclass

from rnnd.codecs.parsed import Number
from rnnd.codecs.severity import LETTERS, WORDS, Severity
from rnnd.codecs.signature import STAMP

_KEYS = (
    rb"(?:(?P<message>message|msg|MESSAGE|Message|short_message|log|@mt?|event|text"
    rb"|MessageTemplate|RenderedMessage|[bB]ody)"
    rb"|(?P<level>[lL]evel|LEVEL|[sS]everity|SEVERITY|lvl|[lL]og[lL]evel|log\.level|levelname|@l|s"
    rb"|log_level|severity_text|[sS]everityText|error_severity|PRIORITY)"
    rb"|(?P<logger>logger|loggerName|logger_name|name|component|module|c|_SYSTEMD_UNIT"
    rb"|SYSLOG_IDENTIFIER|SourceContext)"
    rb"|(?P<status>status|status_code|statusCode|response_code|http_status|DownstreamStatus))"
)


@dataclass(frozen=True, slots=True)
class Field:
    """A key and its value: where both begin in the line, and the value itself."""

    start: int
    value_start: int
    value: bytes


class Fields:
    """The fields of a line that matter: message, level, logger and status."""

    def __init__(self, text: bytes, found: dict[str, Field]) -> None:
        self._text = text
        self._found = found
        self.message = found.get("message")

    @property
    def severity(self) -> Severity | None:
        """The severity that the level names; None where there is none, or a number."""
        level = self._found.get("level")
        if level is None:
            return None
        return WORDS.get(level.value.lower(), LETTERS.get(level.value))

    @property
    def component(self) -> bytes:
        """The name of the logger, empty if it is not given."""
        logger = self._found.get("logger")
        return logger.value if logger else b""

    def number(self, least: Severity) -> Number | None:
        """Return the number that tells the severity: the level, or else the status.

        A status counts beside a level in words too, unless that is only for debugging.
        """
        level, status = self._found.get("level"), self._found.get("status")
        if level is not None and level.value == b"0":
            return Number("level", self._text[level.start : level.value_start], least)
        if status is not None and self.severity != Severity.DEBUG:
            return Number("status", self._text[status.start : status.value_start], least)
        return None


class _Reader:
    """Finds the fields of lines: a key, then a value of the kind that belongs to it."""

    def __init__(self, key: bytes, quote: bytes, text: bytes, bare: bytes) -> None:
        self._key = re.compile(key)
        quoted = quote + b"(" + text + b")" + quote
        maybe = b"(?:" + quote + b")?"
        number = maybe + rb"(0)(?![\w.])"
        either = quoted + (rb"|(" + bare + rb")" if bare else b"")
        self._values = {
            "message": re.compile(either),
            "logger": re.compile(either),
            "level": re.compile(maybe + rb"([A-Za-z]{1,16}+)(?![\w.])|" + number),
            "status": re.compile(number),
        }

    def read(self, text: bytes) -> Fields:
        """Return the fields of *text*, the first of each kind that has a value."""
        found: dict[str, Field] = {}
        for key in self._key.finditer(text):
            name = key.lastgroup
            assert name is not None
            if name in found:
                continue
            value = self._values[name].match(text, key.end())
            if value is not None and value.lastindex is not None:
                index = value.lastindex
                found[name] = Field(key.start(), value.start(index), value[index])
        return Fields(text, found)


_JSON = _Reader(rb'"' + _KEYS + rb'"\s{0,4}:\s{0,4}', b'"', rb'(?:[^"\\]|\\.)*+', b"")
_ESCAPED = _Reader(
    rb'\\"' + _KEYS + rb'\\"\s{0,4}:\s{0,4}', rb'\\"', rb'(?:[^"\\]|\\\\(?:\\"|.))*+', b""
)
_LOGFMT = _Reader(rb"(?<!\S)" + _KEYS + rb"=", b'"', rb'(?:[^"\\]|\\.)*+', rb'[^\s"]\S*+')

_STARTS = re.compile(rb"\s*[\w.@-]++=")  # so a line does that is nothing but keys and values


def read_json(text: bytes) -> Fields:
    r"""Return the fields of the JSON object *text*.

    >>> read_json(b'{"level":"warn","msg":"disk 0 full"}').severity
    <Severity.WARNING: 3>
    >>> read_json(rb'{\"level\":\"warn\",\"msg\":\"disk 0 full\"}').message.value
    b'disk 0 full'
    """
    return (_ESCAPED if text.startswith(b'{\\"') else _JSON).read(text)


def read_logfmt(text: bytes) -> Fields | None:
    """Return the fields of *text*, or None where it has no level, or only a message somewhere.

    >>> read_logfmt(b'ts=0 level=error msg="disk 0 full" n=0').message.value
    b'disk 0 full'
    """
    if b"msg=" not in text and b"message=" not in text and b"level=" not in text:
        return None
    fields = _LOGFMT.read(text)
    message = fields.message
    if fields.severity is None and (message is None or not _STARTS.match(text)):
        return None
    if message is not None and STAMP in message.value:  # auditd's msg=audit(1709971625.123:17)
        return None
    return fields
