"""What a line says beside its time: severity, component, and the words of its message.

Everything here is a function of the coarse signature (see `signature`), so it is done once a kind
of line. Only numbers that *are* a severity (syslog priority, HTTP status, level of a JSON logger)
must be read from every line: `Parsed.number` tells which.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rnnd.codecs.severity import LETTERS, WORDS, Severity, from_level, from_priority, from_status
from rnnd.codecs.signature import STAMP

LEVEL_WORDS = 10  # words from the timestamp on among which the level is looked for
MAX_TOKENS = 64  # words of a message that distinguish templates

_SEPARATORS = b" \t]),|:>-"
_DELIMITERS = bytes.maketrans(b"=:,;()[]{}<>\"'|\t\r\x01", b" " * 18)
_JSON_MESSAGE = re.compile(
    rb'"(?:message|msg|MESSAGE|log|@m|event|text)"\s*:\s*"((?:[^"\\]|\\.)*+)"'
)
_JSON_LEVEL = re.compile(
    rb'"(?:level|severity|lvl|loglevel|log\.level|levelname|@l|s|log_level|severity_text)"'
    rb'\s*:\s*"([A-Za-z]+)"', re.IGNORECASE
)  # fmt: skip
_JSON_LOGGER = re.compile(
    rb'"(?:logger|name|component|module|c|_SYSTEMD_UNIT|SYSLOG_IDENTIFIER)"\s*:\s*"([^"]*)"'
)
_FMT_MESSAGE = re.compile(rb'(?:^|\s)(?:msg|message)=(?:"((?:[^"\\]|\\.)*+)"|(\S+))')
_FMT_LEVEL = re.compile(rb'(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]+)', re.IGNORECASE)
_BRACKETED = re.compile(rb"\s*\[(?:[^\[\]]|\[[^\[\]]*\])*+\]")
_COMPONENT = re.compile(rb"\s*([^\s:\[\]]++)(?:\[[^\[\]]*\])?:(?=\s|$)")
_SYSLOG = re.compile(
    rb"\S++ ([^\s:\[\]]++)(?:\[[^\[\]]*\])?(?: \([^\s()]*\)(?:\[[^\[\]]*\])?)?:(?:\s|$)"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A severity told by a number: where it stands in the raw line, and what it means."""

    pattern: re.Pattern[bytes]
    meaning: Callable[[int], Severity]

    def read(self, line: bytes) -> Severity:
        """Return the severity that the number in *line* tells."""
        found = self.pattern.search(line)
        return self.meaning(int(found[1])) if found else Severity.INFO


_STATUS = Number(re.compile(rb'" (\d{3})(?!\d)'), from_status)
_PRIORITY = Number(re.compile(rb"^<(\d{1,3})>"), from_priority)
_LEVEL = Number(
    re.compile(rb'"(?:level|severity|lvl|PRIORITY|log_level)"\s*:\s*"?(\d{1,4})', re.IGNORECASE),
    from_level,
)
_STATUS_PLACE = re.compile(rb'(?:HTTP/0(?:\.0)?"|"[A-Z]{3,8} [^"]*") 0(?![\w.])')


@dataclass(frozen=True, slots=True)
class Parsed:
    """A kind of line: its severity or the number that tells it, its component and message."""

    severity: Severity
    number: Number | None
    component: bytes
    message: bytes

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The words of the message."""
        return split_tokens(self.message)


def split_tokens(message: bytes, limit: int = MAX_TOKENS) -> tuple[bytes, ...]:
    """Return the first *limit* words of *message*, split at spaces and most punctuation.

    >>> split_tokens(b"took=0 ms (user bob)")
    (b'took', b'0', b'ms', b'user', b'bob')
    """
    return tuple(message.translate(_DELIMITERS).split(None, limit)[:limit])


def is_continuation(signature: bytes) -> bool:
    """Return whether a line belongs to the one before: no timestamp, and indented or empty."""
    return STAMP not in signature and (signature[:1].isspace() or not signature.strip())


def parse(signature: bytes) -> Parsed:
    """Return what the line with the coarse *signature* says.

    >>> parse(b"\\x01 ERROR [main] shop.Cart: no stock for item 0").message
    b'no stock for item 0'
    """
    before, _, rest = signature.rpartition(STAMP) if STAMP in signature else (b"", b"", signature)
    if signature.lstrip()[:1] == b"{":
        return _parse_json(signature)
    if found := _FMT_MESSAGE.search(signature):
        level = _FMT_LEVEL.search(signature)
        named = WORDS.get(level[1].lower(), Severity.INFO) if level else Severity.INFO
        return Parsed(named, None, b"", found[1] if found[1] is not None else found[2])
    rest = rest.lstrip(_SEPARATORS)
    if before[-1:] and before[-1:] in LETTERS and len(before.split()) == 1 and len(before) == 1:
        return _parse_message(LETTERS[before], rest)  # glog
    number = None
    if before.startswith(b"<0>"):
        number = _PRIORITY
    elif _STATUS_PLACE.search(rest):
        number = _STATUS
    severity, after = _find_level(rest)
    if severity is not None and number is None:
        return _parse_message(severity, after)
    host = _SYSLOG.match(rest) if STAMP in signature else None
    if host is not None:
        message = rest[host.end() :].lstrip()
        inner, _ = _find_level(message, words=2)
        return Parsed(inner if inner is not None else Severity.INFO, number, host[1], message)
    return Parsed(severity if severity is not None else Severity.INFO, number, b"", rest)


def _parse_json(signature: bytes) -> Parsed:
    """Return what a JSON line says; a value that is itself a log line is parsed in its turn."""
    word = _JSON_LEVEL.search(signature)
    number = _LEVEL if word is None and _LEVEL.pattern.search(signature) else None
    severity = WORDS.get(word[1].lower()) if word else None
    if word and severity is None:
        severity = LETTERS.get(word[1])
    found = _JSON_MESSAGE.search(signature)
    message = found[1] if found else signature
    if severity is None and number is None:
        severity, _ = _find_level(message)
    logger = _JSON_LOGGER.search(signature)
    return Parsed(
        severity if severity is not None else Severity.INFO,
        number,
        logger[1] if logger else b"",
        message,
    )


def _parse_message(severity: Severity, rest: bytes) -> Parsed:
    """Return the parts of what follows the level: threads in brackets, component, message."""
    rest = rest.lstrip(_SEPARATORS)
    while (found := _BRACKETED.match(rest)) and rest[found.end() :].strip(_SEPARATORS + b"\r"):
        rest = rest[found.end() :].lstrip(_SEPARATORS)
    component = b""
    if (found := _COMPONENT.match(rest)) and rest[found.end() :].strip():
        component, rest = found[1], rest[found.end() :]
    return Parsed(severity, None, component, rest.lstrip(_SEPARATORS))


_WORD = re.compile(rb"[^\s\[\]():|,=<>\"]+")


def _find_level(text: bytes, words: int = LEVEL_WORDS) -> tuple[Severity | None, bytes]:
    """Return the severity that one of the first *words* of *text* names, and what follows it.

    A level is written in capitals, or stands in brackets or before a colon, or is one letter
    between spaces; "info" in the middle of a sentence is none.
    """
    for count, found in enumerate(_WORD.finditer(text, 0, 1024)):
        if count >= words:
            break
        word = found[0].rstrip(b".-")
        left, right = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        if len(word) == 1:
            alone = left in (b" ", b"\t", b"") and right in (b" ", b"\t", b"/")
            if alone and word in LETTERS and word != b"A" and count <= 3:
                return LETTERS[word], text[found.end() :]
            continue
        severity = WORDS.get(word.lower())
        if severity is None or word == b"ALL":
            continue
        if word.isupper() and word.lower() not in _ORDINARY:
            return severity, text[found.end() :]
        if left in (b"[", b"(", b"<", b"|") or right in (b"]", b":", b"|", b">") or count == 0:
            return severity, text[found.end() :]
    return None, text


_ORDINARY = frozenset({b"all", b"detail", b"hint", b"success", b"config", b"statement", b"fine"})
