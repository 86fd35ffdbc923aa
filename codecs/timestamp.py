"""The timestamps that logs carry, and how the one of a log is found by itself.

A `Format` is a regular expression with a group a field. `detect` looks for all formats in a line;
what it finds is adopted as a `Stamp`: the format together with its place, counted in words from the
start of the line, or the JSON key before it. From then on only that place is looked at, so that a
date in the middle of a message is no timestamp.

Every expression is free of nested repetition and sees at most `HEAD` bytes, so that no line,
however hostile, costs more than linear time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rnnd.codecs.clock import DAY, Kind

HEAD = 256  # bytes; where timestamps of plain lines are looked for
HEAD_JSON = 16384  # bytes; the same in JSON, where a key may be anywhere
MAX_KNOWN = 1024  # timestamps whose seconds are kept: many lines have the same
MAX_WORDS = 8  # words before a timestamp at most

MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun",
          b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")  # fmt: skip

FIELDS = {  # what stands for them in the expressions below
    b"{Y}": rb"(?P<Y>(?:19|20)\d\d)",
    b"{y}": rb"(?P<y>\d\d)",
    b"{m}": rb"(?P<m>\d\d?)",
    b"{mm}": rb"(?P<m>0[1-9]|1[0-2])",
    b"{d}": rb"(?P<d>\d\d?)",
    b"{dd}": rb"(?P<d>[0-3]\d)",
    b"{b}": rb"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?",
    b"{hms}": rb"(?P<H>\d\d?)[:.](?P<M>\d\d?)[:.](?P<S>\d\d?)(?:[.,:]\d+)?",
    b"{hm}": rb"(?P<H>\d\d?):(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,]\d+)?)?",
    b"{t}": rb",?[T\t _:-] {0,2}",
    b"{p}": rb"(?: ?(?P<p>[AaPp])\.?[Mm]\.?)?",
    b"{z}": rb" ?(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d)",
    b"{w}": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? +",
}
_BEFORE = rb"(?<![0-9A-Za-z.:/_+-])"  # where a timestamp may begin
_AFTER = rb"(?![0-9A-Za-z])"  # where it may end
_KEYS = (
    rb'"(?:@?timestamp|[tT]imeStamp|Timestamp|time|Time|ts|@t|\$date|date|datetime|DateTime|eventtime|'
    rb"eventTime|event_time|asctime|created|logged_at|t|epochSecond|timeMillis|timestampSeconds|"
    rb"timeUnixNano|__REALTIME_TIMESTAMP|_SOURCE_REALTIME_TIMESTAMP"
    rb'|(?:time|timestamp)"\s{0,4}:\s{0,4}\{\s{0,4}"seconds)"\s{0,4}:\s{0,4}"?'
)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a time: its name, what its seconds count from, and its expression."""

    name: str
    kind: Kind
    body: bytes

    def expression(self) -> bytes:
        """Return the expression of the timestamp alone."""
        expression = self.body
        for name, group in FIELDS.items():
            expression = expression.replace(name, group)
        return expression


FORMATS: tuple[Format, ...] = (
    Format("ISO 8601, with zone", Kind.ABSOLUTE, rb"{Y}[-/.]{m}[-/.]{d}{t}{hms}{z}"),
    Format("ISO 8601", Kind.LOCAL, rb"{Y}[-/.]{m}[-/.]{d}{t}{hms}{p}"),
    Format("ISO 8601, compact", Kind.LOCAL, rb"{Y}{mm}{dd}[T _-]?{hms}"),
    Format("ISO 8601, basic", Kind.LOCAL,
           rb"{Y}{mm}{dd}[T _-]?(?P<H>[012]\d)(?P<M>[0-5]\d)(?P<S>[0-6]\d)(?:[.,]\d+)?"),
    Format("YYMMDD HHMMSS", Kind.LOCAL,
           rb"{y}{mm}{dd} (?P<H>[012]\d)(?P<M>[0-5]\d)(?P<S>[0-6]\d)"),
    Format("YYMMDD HH:MM:SS", Kind.LOCAL, rb"{y}{mm}{dd} {1,2}{hms}"),
    Format("web server, with zone", Kind.ABSOLUTE, rb"{d}/{b}/{Y}:{hms}{z}"),
    Format("day month year, with zone", Kind.ABSOLUTE,
           rb"(?:{w})?{d}[ -]?{b}[ -]?{Y}[ :T]:?{hms}{z}"),
    Format("day month year", Kind.LOCAL, rb"(?:{w})?{d}[ /-]?{b}[ /-]?{Y}[ :T]:?{hms}{p}"),
    Format("month day time zone year", Kind.ABSOLUTE, rb"(?:{w})?{b} {1,2}{d} {hms}{z} {Y}"),
    Format("month day time year", Kind.LOCAL, rb"(?:{w})?{b} {1,2}{d} {hms} {Y}"),
    Format("month day year time", Kind.LOCAL, rb"(?:{w})?{b} {1,2}{d},? {Y},? {hms}{p}"),
    Format("syslog", Kind.YEARLESS, rb"(?:{w})?{b} {1,2}{d} {hms}"),
    Format("day month", Kind.YEARLESS, rb"{d} {b} {hms}"),
    Format("year/month/day, two digits", Kind.LOCAL, rb"{y}[/.-]{mm}[/.-]{dd},?[T _-]{hms}{p}"),
    Format("day/month/year", Kind.LOCAL, rb"{d}[/.-]{m}[/.-]{Y},?[T _-]{hms}{p}"),
    Format("month/day/year", Kind.LOCAL, rb"{m}[/.-]{d}[/.-]{Y},?[T _-]{hms}{p}"),
    Format("day/month/year, two digits", Kind.LOCAL, rb"{dd}[/.-]{mm}[/.-]{y},?[T _-]{hms}{p}"),
    Format("month/day/year, two digits", Kind.LOCAL, rb"{mm}[/.-]{dd}[/.-]{y},?[T _-]{hms}{p}"),
    Format("month-day", Kind.YEARLESS, rb"{mm}[-./]{dd}[T _-]{hms}"),
    Format("epoch", Kind.ABSOLUTE, rb"(?P<e>1\d{9}|20\d{8})(?:\d{3}(?:\d{3}){0,2}|\.\d+)?"),
    Format("ISO 8601, minutes, with zone", Kind.ABSOLUTE, rb"{Y}[-/]{m}[-/]{d}[T ]{hm}{z}"),
    Format("ISO 8601, minutes", Kind.LOCAL, rb"{Y}[-/]{m}[-/]{d}[T ]{hm}"),
    Format("time", Kind.DATELESS, rb"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)(?:[.,]\d+)?"),
    Format("time, AM or PM", Kind.DATELESS,
           rb"(?P<H>1[0-2]|0?[1-9]):(?P<M>\d\d)(?::(?P<S>\d\d))? ?(?P<p>[AaPp])[Mm]"),
    Format("TAI64N", Kind.ABSOLUTE, rb"@4000000(?P<x>[0-9a-f]{9})(?:[0-9a-f]{8})?"),
    Format("since boot", Kind.MONOTONIC, rb"\[ {0,12}(?P<u>\d{1,9})\.\d{3}(?:\d{3})?\]"),
)  # fmt: skip
GLOG = Format("glog", Kind.YEARLESS, rb"(?P<m>0[1-9]|1[0-2])(?P<d>[0-3]\d) {hms}")
_VAGUE = (Kind.YEARLESS, Kind.DATELESS, Kind.MONOTONIC)
_WORDS_BEFORE = {Kind.DATELESS: 0, Kind.MONOTONIC: 3}  # at most; of others MAX_WORDS


@dataclass(frozen=True, slots=True)
class Stamp:
    """A format at its place: after *words* words, or after a JSON *key* where *words* is -1."""

    format: Format
    words: int
    pattern: re.Pattern[bytes]
    key: bytes = b""
    known: dict[bytes, int | None] = field(default_factory=dict, compare=False, repr=False)

    def find(self, line: bytes, start: int = 0, stop: int | None = None) -> re.Match[bytes] | None:
        """Return where the timestamp stands in the line of *line* from *start* to *stop*."""
        stop = len(line) if stop is None else stop
        head = HEAD_JSON if self.words < 0 else HEAD
        found = self.pattern.match(line, start, min(stop, start + head))
        return found if found and self.seconds(found) is not None else None

    def seconds(self, found: re.Match[bytes]) -> int | None:
        """Return the seconds of the timestamp *found*, or None where there is no such time."""
        text = found["stamp"]
        if "S" in found.re.groupindex:  # fractions make no difference
            whole = found.end("S") - found.start("stamp")
            text = text[:whole] + text[whole:].lstrip(b".,:0123456789")
        if text not in self.known:
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[text] = _seconds(found)
        return self.known[text]


def stamp_of(format_: Format, words: int, key: bytes = b"") -> Stamp:
    """Return *format_* at the place *words*, or behind *key*, as the log writes it."""
    body = b"(?P<stamp>" + format_.expression() + b")" + _AFTER
    if format_ is GLOG:
        prefix = rb"[IWEFDV]"
    elif words < 0:
        prefix = rb"\s*+\{.*?" + re.escape(key)
    else:
        prefix = rb"\s*+" + rb"\S++\s++" * words + rb"(?:\S*?" + _BEFORE + rb")?"
    pattern = re.compile(prefix + body, re.DOTALL if words < 0 else 0)
    return Stamp(format_, words, pattern, key)


def seconds_of(fields: Mapping[str, Any]) -> Any:
    """Return the seconds that *fields* say: numbers, or arrays of numbers for many lines at once.

    Where there is no year it is 2000; where there is no date the seconds are those of the day.

    >>> seconds_of({"Y": 2001, "m": 9, "d": 9, "H": 1, "M": 46, "S": 40})
    1000000000
    """
    for since in ("e", "u", "x"):  # the epoch, an unknown time, or the epoch again
        if since in fields:
            return fields[since]
    clock = fields["H"] * 3600 + fields["M"] * 60 + fields.get("S", 0)
    if "d" not in fields:
        return clock
    year = fields.get("Y", 2000)
    return (_days(year, fields["m"], fields["d"]) * DAY + clock) - fields.get("z", 0)


def _days(year: Any, month: Any, day: Any) -> Any:
    """Return the days from 1970-01-01 to a date, by counting years that begin in March."""
    early = month <= 2
    year = year - early
    march = month + 12 * early - 3
    return (
        365 * year + year // 4 - year // 100 + year // 400 + (153 * march + 2) // 5 + day - 719469
    )


LIMITS = {"m": (1, 12), "d": (1, 31), "H": (0, 24), "M": (0, 59), "S": (0, 60)}
"""What the fields of a real timestamp lie within."""


def _seconds(found: re.Match[bytes]) -> int | None:
    """Return the seconds of the timestamp *found*, or None if its fields cannot be."""
    fields = {
        name: field_value(name, text)
        for name, text in found.groupdict().items()
        if text is not None and name != "stamp"
    }
    if "y" in fields:
        fields["Y"] = century(fields.pop("y"))
    if "b" in fields:
        fields["m"] = fields.pop("b")
    if (half := fields.pop("p", None)) is not None:
        fields["H"] = fields["H"] % 12 + half
    if any(not low <= fields.get(name, low) <= high for name, (low, high) in LIMITS.items()):
        return None
    seconds = int(seconds_of(fields))
    # A stamp without a year counts from 2000, a leap year.
    return seconds - 946684800 if "d" in fields and "Y" not in fields else seconds


def century(year: Any) -> Any:
    """Return the whole of a *year* of two digits.

    >>> century(99), century(26)
    (1999, 2026)
    """
    return year + 2000 - 100 * (year >= 70)


def field_value(name: str, text: bytes) -> int:
    """Return the value of the field *name* as *text* gives it; months by name, zones in seconds.

    TAI64 labels (Bernstein, "TAI64, TAI64N, and TAI64NA") count seconds in hexadecimal digits.

    >>> field_value("z", b"-03:30"), field_value("b", b"Feb"), field_value("p", b"P")
    (-12600, 2, 12)
    """
    if name == "b":
        return MONTHS.index(text[:3].lower()) + 1
    if name == "x":  # International Atomic Time was 10 s ahead of the epoch's
        return int(text, 16) - 10
    if name == "p":
        return 12 if text in b"Pp" else 0
    if name != "z":
        return int(text)
    if text[:1] not in b"+-":
        return 0
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[:1] == b"-" else seconds


def stamp_seconds(found: re.Match[bytes]) -> int:
    """Return the seconds of a timestamp that `Stamp.find` found."""
    seconds = _seconds(found)
    assert seconds is not None
    return seconds


def detect(line: bytes, arrival: float) -> Stamp | None:
    """Return the timestamp of *line* in whatever format, or None.

    Of several, the first one with a date and a year wins; an epoch must agree with a written date
    beside it, for many a number looks like one. Of several readings of one text (is 02/03 in
    February or March?) it is the one nearest to *arrival*, the time when the line came, if known.
    """
    candidates = list(_json_candidates(line) if line.lstrip()[:1] == b"{" else _candidates(line))
    written = [s for f, s, _ in candidates if f.kind not in _VAGUE and f.name != "epoch"]
    best: tuple[tuple[int, int, bool, float, int], Stamp] | None = None
    for order, (format_, seconds, found) in enumerate(candidates):
        if format_.name == "epoch" and written and abs(seconds - written[0]) > 26 * 3600:
            continue
        vague = format_.kind in _VAGUE
        known = arrival > 0 and not vague
        distance = abs(arrival - seconds) if known else 0.0
        future = known and seconds > arrival + 2 * DAY
        start = found.start("stamp")
        rank = (
            vague + (format_.kind == Kind.MONOTONIC),
            start,
            future,
            distance if _is_ambiguous(format_) else 0.0,
            order,
        )
        if best is None or rank < best[0]:
            words = -1 if line.lstrip()[:1] == b"{" else len(line[:start].split())
            if line[start - 1 : start].strip() and words > 0:
                words -= 1
            best = rank, stamp_of(format_, words, line[found.start() : start] if words < 0 else b"")
    return best[1] if best else None


def _is_ambiguous(format_: Format) -> bool:
    return "day/" in format_.name or "/day" in format_.name


def _search(prefix: bytes) -> tuple[tuple[Format, re.Pattern[bytes]], ...]:
    return tuple(
        (f, re.compile(prefix + b"(?P<stamp>" + f.expression() + b")" + _AFTER)) for f in FORMATS
    )


_ANYWHERE = _search(_BEFORE)
_KEYED = _search(_KEYS)
_GLOG = stamp_of(GLOG, 0)


def _candidates(line: bytes) -> Iterator[tuple[Format, int, re.Match[bytes]]]:
    """Give what looks like a timestamp in the words at the start of *line*."""
    head = line[:HEAD]
    if (found := _GLOG.find(head)) is not None:
        yield GLOG, stamp_seconds(found), found
    for format_, pattern in _ANYWHERE:
        limit = _WORDS_BEFORE.get(format_.kind, MAX_WORDS)
        for found in pattern.finditer(head):
            seconds = _seconds(found)
            before = head[: found.start()].strip(b"[(<")
            if seconds is not None and len(before.split()) <= limit:
                yield format_, seconds, found
                break


def _json_candidates(line: bytes) -> Iterator[tuple[Format, int, re.Match[bytes]]]:
    """Give the timestamps that stand behind the usual keys of the JSON object *line*."""
    for format_, pattern in _KEYED:
        if (found := pattern.search(line, 0, HEAD_JSON)) and (seconds := _seconds(found)):
            yield format_, seconds, found
