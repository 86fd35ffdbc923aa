"""What a line says beside its time: severity, component, and the words of its message.

Everything here is a function of the coarse signature (see `signature`), so it is done once for all
lines that share one. Only numbers that *are* a severity (syslog priority, HTTP status, level of a
JSON logger) must be read from every line: `Parsed.number` tells which.
"""

import re
from typing import NamedTuple

from rnnd.codecs.level import THREAD, find_level
from rnnd.codecs.numbers import MAX_WORDS, numeric_fields
from rnnd.codecs.parsed import MAX_MESSAGE, METHODS, Number, Parsed, split_tokens
from rnnd.codecs.severity import LETTERS, WORDS, Severity
from rnnd.codecs.signature import STAMP
from rnnd.codecs.structured import Fields, read_json, read_logfmt

INFO = Severity.INFO  # of lines that tell none
HEAD = 256  # bytes of a line within which its header stands
MAX_BEFORE = 4096  # words before a message that are counted

_SEPARATORS = b" \t]),|:>-"
_BRACKETED = re.compile(rb"\s*\[(?:[^\[\]]|\[[^\[\]]*\])*+\]")
_COMPONENT = re.compile(rb"\s*([^\s:\[\]]++)(?:\[[^\[\]]*\])?:(?=\s|$)")
_SYSLOG = re.compile(
    rb"\S++ ([^\s:\[\]]++)(?:\[[^\[\]]*\])?(?: \([^\s()]*\)(?:\[[^\[\]]*\])?)?:(?:\s+|$)"
)
_RFC5424 = re.compile(  # host, app, process and message ids, structured data
    rb" \S++ (\S++) \S++ \S++ (?:-|(?:\[(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*+\")*+\])++)(?:\s+|$)"
)
_GLOG = re.compile(rb"\s+\d+ ([^\s:]++):\d+\] ?")
_ANDROID = re.compile(rb"\s*([VDIWEFA])/([^\s()]++)\s*\(\s*\d+\): ?")  # its brief layout
_MONOLOG = re.compile(rb"\]? ([\w-]++)\.([A-Z]{4,9}): ")  # channel and level
_SPRING = re.compile(rb"\d+ --- (?:\[[^\]]*\] ?)+(\S++)\s*+: ")  # process, thread, logger
_CONTAINER = re.compile(rb"\s(?:stdout|stderr) [FP](?:\s+|$)")  # Kubernetes' CRI
_STATUS = re.compile(rb'(?:HTTP/0(?:\.0)?"|"[A-Z]{3,8} [^"]*"|"-") 0(?![\w.])')
_SQUID = re.compile(rb"(T[A-Z_]{3,24}/)0 ")  # how a proxy found it, and the status
_HAPROXY = re.compile(rb" ((?:[+-]?0/){4}[+-]?0 )0 [+]?0 ")  # five times, status, and bytes
_ELB = re.compile(rb' ((?:-?0(?:\.0)? ){3})0 (?:0|-) 0 0 "')  # three times, two statuses, sizes
_W3C = re.compile(  # a web server's columns: method and path; status and further numbers at the end
    rb" (?:" + METHODS + rb") \S++ .*"
    rb" 0*+[^\s0]\S*+ 0((?: 0){2,5})\r?$"
)
_COLUMNS = re.compile(  # the same with tabs: method, host if it is told, path, and status
    rb"\t(?:" + METHODS + rb")((?:\t[^\t/][^\t]*+){0,2}\t/[^\t]*+)\t0\t"
)
_VERBOSITY = re.compile(rb"\[\x01(, {1,2})0(?:\]|, )")  # with the time in brackets
_KLOG = re.compile(
    rb"0 0:0:0\.0\s+0 ([^\s:]++):0\] ?"
)  # its letter and date are a word with digits
_REDIS = re.compile(rb"(?:0:[A-Z]|\[0\]) \x01 ([#*.-]) ")  # process, role, time, sign
_REDIS_SIGNS = {b"#": Severity.WARNING, b"*": Severity.NOTICE}  # others are for debugging
_FACILITY = re.compile(rb"[a-z0]++\s*+:([a-z]++)\s*+: ")  # and level, as dmesg decodes them
_CISCO = re.compile(rb"%([A-Z][A-Z_]*+)-0-[A-Z0_]++: ")  # facility, severity, mnemonic
_QUOTE, _SLASH, _EQUALS, _PERCENT = b'"/=%'
_SAYS = re.compile(rb"[A-Za-z0]")
_IN_QUOTES = Number("status", b'" ')


class _Found(NamedTuple):
    """What a text says, and where its message begins in it."""

    severity: Severity | None
    number: Number | None
    component: bytes
    message: bytes
    offset: int
    keyed: bool = False  # the message stands among fields with names

    def within(self, begin: int) -> "_Found":
        """Return the same in the text in which this one begins at *begin*."""
        return self._replace(offset=self.offset + begin)


def is_continuation(signature: bytes) -> bool:
    """Return whether a line belongs to the one before: no timestamp, and indented or empty."""
    return STAMP not in signature and (signature[:1].isspace() or not signature.strip())


def parse(signature: bytes) -> Parsed:
    """Return what the line with the coarse *signature* says.

    >>> parse(b"\\x01 ERROR [main] shop.Cart: no stock for item 0").message
    b'no stock for item 0'
    """
    found = _read(signature)
    severity = INFO if found.severity is None else found.severity
    words = len(split_tokens(signature[: found.offset], MAX_BEFORE))
    fields: tuple[tuple[int, bytes], ...] = ()
    if found.keyed:
        end = words + len(split_tokens(found.message, MAX_BEFORE))
        fields = numeric_fields(split_tokens(signature, MAX_WORDS), words, end)
    message = found.message[:MAX_MESSAGE]
    return Parsed(severity, found.number, found.component, message, words, fields)


def _read(line: bytes) -> _Found:
    """Return what a whole *line* says, or one that stands in another."""
    if line.lstrip()[:1] == b"{":
        return _read_json(line)
    if _EQUALS in line and (fields := read_logfmt(line)) is not None:
        return _read_fields(line, fields)
    place = line.rfind(STAMP)
    if place == 1 and line[:1] in LETTERS:
        return _read_glog(LETTERS[line[:1]], line)
    if line.startswith(b"<0>"):
        return _read_priority(line, max(place + 1, 3))
    if (status := _status_in(line, place)) is not None:
        return _message(None, status, b"", line, place + 1)
    if place >= 0 and (container := _CONTAINER.match(line, place + 1)):
        begin = container.end()
        return (_read_klog(line, begin) or _read(line[begin:])).within(begin)
    return _read_plain(line, place)


def _status_in(line: bytes, place: int) -> Number | None:
    """Return the status of a web request that *line*, whose timestamp is at *place*, tells."""
    if _QUOTE in line:
        if b'0 "' in line and (balanced := _ELB.search(line, max(place, 0))):
            return Number("status", b" " + balanced[1])
        if b'" 0' in line and _STATUS.search(line, place + 1):
            return _IN_QUOTES
    if _SLASH in line:
        if b"0/0 0 " in line and (balanced := _HAPROXY.search(line, max(place, 0))):
            return Number("status", balanced[1])
        if place == 0 and b"/0 " in line and (proxied := _SQUID.search(line, 0, HEAD)):
            return Number("status", proxied[1])
    if place >= 0 and b" 0 0" in line and (served := _W3C.search(line, place)):
        return Number("last status", b"%d" % (len(served[1]) // 2))
    if b"\t/" in line and (served := _COLUMNS.search(line, max(place, 0))):
        return Number("column status", b"%d" % served[1].count(b"\t"))
    return None


def _read_klog(text: bytes, begin: int) -> _Found | None:
    """Return what a line of klog's says that stands in another, *text*, from *begin* on."""
    found = _KLOG.match(text, begin)
    if found is None:
        return None
    letter = Number("letter", text[max(0, begin - 10) : begin])
    return _Found(None, letter, found[1], text[found.end() :], found.end() - begin)


def _read_plain(line: bytes, place: int) -> _Found:
    """Return what a line says whose timestamp stands at *place*, if not at -1."""
    if brief := _ANDROID.match(line, place + 1):
        return _Found(LETTERS[brief[1]], None, brief[2], line[brief.end() :], brief.end())
    if (channel := _MONOLOG.match(line, place + 1)) and channel[2].lower() in WORDS:
        named = WORDS[channel[2].lower()]
        return _Found(named, None, channel[1], line[channel.end() :], channel.end())
    if place == 1 and (verbose := _VERBOSITY.match(line)):
        return _message(None, Number("verbosity", verbose[1]), b"", line, verbose.end())
    if place > 1:
        if not _SAYS.search(line, place + 1):  # then the time is what was said last
            return _read_plain(line[:place], -1)
        if sign := _REDIS.match(line):
            return _read_redis(line, sign)
        severity = _level_before(line[:place])
        if severity is not None:
            return _behind_level(severity, line, place + 1)
    if _PERCENT in line and (device := _CISCO.search(line, max(place, 0))):
        number = Number("level", b"%" + device[1] + b"-")
        return _Found(None, number, device[1], line[device.start() :], device.start())
    header = _SYSLOG.match(line, _skip(line, place + 1)) if place >= 0 else None
    if header is not None and find_level(line[place + 1 : header.end()])[0] is None:
        return _behind_header(line, header)
    severity, length = find_level(line[place + 1 :])
    if severity is not None:
        return _behind_level(severity, line, place + 1 + length)
    return _payload(_message(None, None, b"", line, place + 1))


def _level_before(text: bytes) -> Severity | None:
    """Return the severity that *text*, before the timestamp, names."""
    if facility := _FACILITY.match(text):
        return WORDS.get(facility[1])
    return find_level(text, words=3)[0]


def _read_redis(line: bytes, sign: re.Match[bytes]) -> _Found:
    """Return what a line of Redis's says, whose severity is a *sign*."""
    named, _ = find_level(line[sign.end() :], words=1)
    told = _REDIS_SIGNS.get(sign[1], Severity.DEBUG)
    return _message(told if named is None else max(named, told), None, b"", line, sign.end())


def _read_priority(line: bytes, begin: int) -> _Found:
    """Return what a line with a syslog priority says; its header goes on at *begin*."""
    header = _RFC5424.match(line, begin) or _SYSLOG.match(line, _skip(line, begin))
    found = _behind_header(line, header) if header else _read_plain(line, begin - 1)
    if found.number is not None:
        return found
    return found._replace(severity=None, number=Number("priority", b"<", _least(found.severity)))


def _least(severity: Severity | None) -> Severity:
    """Return the least that a line can mean whose words name *severity* and whose number is low.

    Whatever forwards the output of a program gives all of it the same priority, mostly info.
    """
    return Severity.DEBUG if severity is None or severity <= INFO else severity


def _read_glog(severity: Severity, line: bytes) -> _Found:
    if header := _GLOG.match(line, 2):
        return _Found(severity, None, header[1], line[header.end() :], header.end())
    return _behind_level(severity, line, 2)


def _behind_header(line: bytes, header: re.Match[bytes]) -> _Found:
    """Return what the message behind a *header* that names its component says."""
    message = line[header.end() :]
    severity, end = find_level(message)
    if severity is None:
        return _payload(_Found(None, None, header[1], message, header.end()))
    inner = _behind_level(severity, message, end)
    return inner._replace(component=inner.component or header[1]).within(header.end())


def _behind_level(severity: Severity, text: bytes, begin: int) -> _Found:
    """Return the parts of what follows the level: threads in brackets, component, message."""
    if thread := THREAD.match(text, begin):
        begin = thread.end()
    begin = _skip(text, begin)
    if spring := _SPRING.match(text, begin):
        return _payload(_Found(severity, None, spring[1], text[spring.end() :], spring.end()))
    while (found := _BRACKETED.match(text, begin)) and text[found.end() :].strip(
        _SEPARATORS + b"\r"
    ):
        begin = _skip(text, found.end())
    component = b""
    if (found := _COMPONENT.match(text, begin)) and text[found.end() :].strip():
        component, begin = found[1], found.end()
    return _payload(_message(severity, None, component, text, begin))


def _message(
    severity: Severity | None, number: Number | None, component: bytes, text: bytes, begin: int
) -> _Found:
    """Return what is said, with the rest of *text* from *begin* on for the message."""
    offset = _skip(text, begin)
    return _Found(severity, number, component, text[offset:], offset)


def _skip(text: bytes, begin: int) -> int:
    """Return where *text* goes on behind the separators at *begin*."""
    return len(text) - len(text[begin:].lstrip(_SEPARATORS))


def _payload(found: _Found) -> _Found:
    """Return what was *found*, with what its message says where that is JSON."""
    if found.message[:1] != b"{" or b'"' not in found.message:
        return found
    inner = _read_json(found.message)
    if inner.severity is None and inner.number is None:
        inner = inner._replace(severity=found.severity)
    return inner._replace(component=inner.component or found.component).within(found.offset)


def _read_json(text: bytes) -> _Found:
    """Return what the JSON object *text* says; a message may be a line of log, or JSON, itself."""
    fields = read_json(text)
    severity = fields.severity
    if fields.message is None:
        return _Found(severity, fields.number(_least(severity)), fields.component, text, 0)
    message = fields.message.value.removesuffix(rb"\n")
    inner = _Found(severity, None, b"", message, 0)
    if severity is None:  # then the message may tell
        begin = fields.message.value_start
        inner = _read_klog(text[: begin + len(message)], begin) or _read_message(message)
    number = inner.number or fields.number(_least(inner.severity))
    component = fields.component or inner.component
    return _Found(
        None if number else inner.severity,
        number,
        component,
        inner.message,
        fields.message.value_start + inner.offset,
        keyed=True,
    )


def _read_message(message: bytes) -> _Found:
    """Return what a *message* says that stands in JSON without a level."""
    if message.startswith(b"{"):
        return _read_json(message)
    severity, end = find_level(message)
    if severity is None:
        return _Found(None, None, b"", message, 0)
    return _behind_level(severity, message, end)


def _read_fields(line: bytes, fields: Fields) -> _Found:
    """Return what the *fields* of a logfmt line say."""
    if fields.message is not None:
        message, offset = fields.message.value, fields.message.value_start
        return _Found(fields.severity, None, fields.component, message, offset, keyed=True)
    return _message(fields.severity, None, fields.component, line, line.rfind(STAMP) + 1)
