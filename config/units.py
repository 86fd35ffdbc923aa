"""Units as people write them: durations and rates."""

import re

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
PERIODS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(minute|hour|day|week)", re.ASCII)
_LIMIT = 20  # characters; nobody writes a longer one


def parse_duration(text: str) -> float:
    """Return the seconds that *text* says, a positive number with a unit.

    Raises `ValueError` with a message that says what was expected.

    >>> parse_duration("1h30m")
    5400.0
    """
    text = text.strip()
    if len(text) > _LIMIT or not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:_LIMIT]!r} is not a duration such as 10s, 5m, 1h30m or 7d")
    seconds = sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds <= 0:
        raise ValueError(f"{text!r} is not a positive duration")
    return seconds


def format_duration(seconds: float) -> str:
    """Return *seconds* the way `parse_duration` reads it, to the second.

    >>> format_duration(5400)
    '1h30m'
    >>> format_duration(0.5)
    '0.5s'
    """
    if seconds < 1:
        return f"{seconds:g}s"
    rest = round(seconds)
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_rate(text: str) -> float:
    """Return how many a second *text* says.

    Raises `ValueError` with a message that says what was expected.

    >>> parse_rate("2/day") * 86400
    2.0
    """
    match = _RATE.fullmatch(text.strip()) if len(text) <= _LIMIT else None
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{text[:_LIMIT]!r} is not a positive rate such as 1/day, 5/day or 1/week")
    return float(match[1]) / PERIODS[match[2]]


def format_rate(per_second: float) -> str:
    """Return a rate a second the way `parse_rate` reads it.

    >>> format_rate(1 / 86400)
    '1/day'
    """
    return f"{round(per_second * 86400, 6):g}/day"
