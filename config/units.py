"""Units as people write them: durations, rates, sizes and shares."""

import re

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZES: dict[str, int] = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    unit: 1024**power for power, unit in enumerate(("ki", "Mi", "Gi", "Ti"), 1)
}
PERIODS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(minute|hour|day|week)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?)B", re.ASCII)
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
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


def parse_size(text: str) -> int:
    """Return the bytes that *text* says; none are allowed.

    Raises `ValueError` with a message that says what was expected.

    >>> parse_size("1GiB"), parse_size("1.5 MB"), parse_size("0B")
    (1073741824, 1500000, 0)
    """
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _LIMIT else None
    if not match or match[2] not in SIZES:
        raise ValueError(f"{text[:_LIMIT]!r} is not a size such as 500MB, 1GiB or 0B")
    return round(float(match[1]) * SIZES[match[2]])


def format_size(size: int) -> str:
    """Return *size* bytes the way `parse_size` reads it, rounded to what people want to know.

    >>> format_size(1 << 30), format_size(1500000), format_size(0)
    ('1GiB', '1.5MB', '0B')
    """
    for unit in ("Ti", "Gi", "Mi", "ki"):
        if size and size % SIZES[unit] == 0:
            return f"{size // SIZES[unit]}{unit}B"
    unit = next((unit for unit in ("T", "G", "M", "k") if size >= SIZES[unit]), "")
    return f"{size / SIZES[unit]:.4g}{unit}B"


def parse_share(text: str) -> float:
    """Return the part of 1 that *text* says.

    Raises `ValueError` with a message that says what was expected.

    >>> parse_share("5%"), parse_share("0.25 %")
    (0.05, 0.0025)
    """
    match = _SHARE.fullmatch(text.strip()) if len(text) <= _LIMIT else None
    if not match or not 0 < float(match[1]) <= 100:
        raise ValueError(f"{text[:_LIMIT]!r} is not a share such as 5% or 0.5%, up to 100%")
    return float(match[1]) / 100


def format_share(share: float) -> str:
    """Return *share* the way `parse_share` reads it.

    >>> format_share(0.05)
    '5%'
    """
    return f"{round(share * 100, 6):g}%"
