"""The numbers in messages that may tell something: a latency, a percentage, a size.

A number is known by its place among the words of its message, or by the name of its field where a
line has such beside its message. Numbers that name things (addresses,
ports, process and request ids) are left out where the word before says so; what is left is judged
by its values (see `slots`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

MAX_WORDS = 96  # words of a line among which numbers are looked for
LONGEST = 64  # bytes of a word that may be a number
MAX_NUMBERS = 8  # numbers read from one line
MAX_DIGITS = 15  # of a number, before its point; longer ones are names

_ZERO = ord("0")
_NUMERIC = frozenset({b"0", b"0.0", b"0.0-0"})  # the last as in 1.5e-05
_NAMING = frozenset(
    b"id pid tid uid gid port host ip addr user session seq serial thread job line offset version"
    b" request req task handle build index node rank block container ppid".split()
)
_NOMINAL = frozenset(b"level severity status code v version lineno epoch".split())
_NAME = re.compile(rb"[A-Za-z_@][A-Za-z_@.-]{0,39}")
_NO_ID = frozenset(
    b"paid unpaid prepaid valid invalid void avoid mid grid raid said bid solid".split()
)
_VALUE = re.compile(
    rb"[~$#]?([+-]?\d{1,%d}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?)"
    rb"[A-Za-z%%/]{0,4}(?:/s)?\.?(?:\\n)?" % MAX_DIGITS
)


def numeric_places(tokens: Sequence[bytes]) -> tuple[int, ...]:
    """Return the places of the words, of a coarse signature, that are numbers worth reading.

    >>> numeric_places((b"GET", b"0", b"in", b"0.0", b"from", b"0.0.0.0", b"port", b"0"))
    (1, 3)
    """
    numeric = [
        place
        for place, token in enumerate(tokens)
        if _ZERO in token and token.strip(b"%$~#+-.") in _NUMERIC
    ]
    told = [place for place in numeric if not (place and _names_a_thing(tokens[place - 1]))]
    return tuple(told[:MAX_NUMBERS])


def numeric_fields(tokens: Sequence[bytes], begin: int, end: int) -> tuple[tuple[int, bytes], ...]:
    """Return the places and names of the fields, of a coarse signature, that are worth reading.

    The message is among the words from *begin* up to *end*, which hold no fields.

    >>> numeric_fields((b"level", b"0", b"msg", b"paid", b"0", b"ms", b"0.0", b"pid", b"0"), 3, 5)
    ((6, b'ms'),)
    """
    found: dict[bytes, int] = {}
    for place in range(1, len(tokens)):
        if begin <= place < end or tokens[place].strip(b"\\").lstrip(b"-") not in _NUMERIC:
            continue
        name = tokens[place - 1].strip(b"\\")
        if _NAME.fullmatch(name) and name.lower() not in _NOMINAL and not _names_a_thing(name):
            found.setdefault(name, place)
    return tuple([(place, name) for name, place in found.items()])[:MAX_NUMBERS]


@lru_cache(maxsize=4096)
def _names_a_thing(word: bytes) -> bool:
    """Return whether a number behind *word* is a name rather than a value."""
    word = word.lower()
    if word in _NO_ID:
        return False
    return word in _NAMING or word.endswith((b"id", b"_no", b"port")) or word.count(b".") >= 2


def value_of(word: bytes) -> float | None:
    """Return the number that *word* is, apart from a sign, a unit, and a newline in JSON.

    >>> value_of(b"38ms"), value_of(b"-1.5"), value_of(b"97%"), value_of(b"0x1f")
    (38.0, -1.5, 97.0, None)
    """
    if word.isdigit() and len(word) <= MAX_DIGITS:
        return float(word)
    return _value_in(word) if len(word) <= LONGEST else None


@lru_cache(maxsize=4096)
def _value_in(word: bytes) -> float | None:
    found = _VALUE.fullmatch(word)
    return float(found[1]) if found else None
