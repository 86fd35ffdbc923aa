"""Timestamps that the user describes, for logs whose own are not recognised.

The description is a strptime layout, and a regular expression for what stands before it. The
expression is one of `pattern`, so that no line can make it slow.
"""

import re
from dataclasses import dataclass

from rnnd.codecs.clock import Kind
from rnnd.codecs.pattern import Automaton
from rnnd.codecs.timestamp import FIELDS, HEAD, Format, Stamp
from rnnd.errors import ConfigError

_DIRECTIVES = {
    "Y": rb"(?P<Y>\d{4})", "y": rb"(?P<y>\d\d)", "m": rb"(?P<m>\d\d?)", "d": rb"(?P<d>\d\d?)",
    "b": FIELDS[b"{b}"], "B": FIELDS[b"{b}"], "H": rb"(?P<H>\d\d?)", "I": rb"(?P<H>\d\d?)",
    "M": rb"(?P<M>\d\d?)", "S": rb"(?P<S>\d\d?)", "f": rb"\d{1,9}", "p": rb"(?P<p>[AaPp])[Mm]",
    "z": rb"(?P<z>Z|[+-]\d\d:?\d\d)", "s": rb"(?P<e>\d{9,10})", "a": rb"[A-Za-z]{3}",
    "A": rb"[A-Za-z]{3,9}", "%": rb"%",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DescribedStamp(Stamp):
    """A timestamp that stands behind a match of *after*, or at the start of the line."""

    after: Automaton | None = None

    def find(self, line: bytes, start: int = 0, stop: int | None = None) -> re.Match[bytes] | None:
        """Return where the timestamp stands in the line of *line* from *start* to *stop*."""
        stop = min(len(line) if stop is None else stop, start + HEAD)
        places = self.after.ends(line[start:stop]) if self.after else (0,)
        for place in places:
            found = self.pattern.match(line, start + place, stop)
            if found and self.seconds(found) is not None:
                return found
        return None


def described_stamp(after: str, layout: str) -> DescribedStamp:
    """Return the timestamp with the strptime *layout* behind what matches *after*.

    Known are the directives %Y %y %m %d %b %B %H %I %M %S %f %p %z %s %a %A %%; of *after*, what
    patterns know. An empty *after* is the start of the line.
    """
    body = b""
    for directive, space, literal in re.findall(r"%(.?)|(\s+)|([^%\s]+)", layout):
        if literal:
            body += re.escape(literal.encode())
        elif space:
            body += rb"\s{1,8}"
        elif directive in _DIRECTIVES:
            body += _DIRECTIVES[directive]
        else:
            raise ConfigError(f"timestamp: unknown directive %{directive} in {layout!r}")
    try:
        pattern = re.compile(b"(?P<stamp>" + body + b")")
    except re.error:
        raise ConfigError(f"timestamp: {layout!r} tells a part of the time twice") from None
    kind = _kind(set(pattern.groupindex), layout)
    format_ = Format("timestamp setting", kind, body)
    return DescribedStamp(format_, 0, pattern, after=Automaton(after) if after else None)


def _kind(fields: set[str], layout: str) -> Kind:
    """Return what a timestamp with the *fields* of *layout* counts from."""
    if "e" in fields:
        return Kind.ABSOLUTE
    if "H" not in fields:
        raise ConfigError(
            f"timestamp: {layout!r} tells neither the hour (%H, %I) nor the epoch (%s)"
        )
    if not fields & {"Y", "y", "m", "b", "d", "z"}:
        return Kind.DATELESS
    if "d" not in fields or not fields & {"m", "b"}:
        raise ConfigError(f"timestamp: {layout!r} tells not the whole date: day (%d), month (%m)")
    if not fields & {"Y", "y"}:
        return Kind.YEARLESS
    return Kind.ABSOLUTE if "z" in fields else Kind.LOCAL
