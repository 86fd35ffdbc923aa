"""Masks what varies in a message, beyond words with digits: names of hosts, paths, dates, sizes.

Works on coarse signatures, in which digits are ``0`` already, and knows no application. All
expressions are possessive or begin where a word begins, so that the time is linear. Most of them
are not even tried: each has a condition, quick to test, without which it cannot match.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_TOKENS = 64  # words that distinguish templates
MAX_TOKEN = 80  # bytes of a word that are compared
VARIABLE = b"0"
"""Stands for a word that varies."""

_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6},? {1,2}0"
_HEXADECIMAL = bytes(
    ord("a") if byte in b"abcdef" else ord("A") if byte in b"ABCDEF" else ord(" ")
    for byte in range(256)
)
_UNITS = rb"(?:secs?|seconds?|ms|msec|us|mins?|minutes|hours|KB|MB|GB|kB|bytes|B|%)(?!\w)"
_AMOUNT = re.compile(rb"0 ?" + _UNITS)


class _Mask(NamedTuple):
    possible: Callable[[bytes], object]
    pattern: re.Pattern[bytes]
    replacement: bytes = b"0"


def _has_hexadecimal(text: bytes) -> bool:
    letters = text.translate(_HEXADECIMAL)
    return b"aaaaaaaa" in letters or b"AAAAAAAA" in letters


_NAMES = bytes(
    ord("a") if (chr(byte).isalpha() and byte < 128) or byte in b"_-" or byte >= 128
    else byte if byte in b"0." else ord(" ")
    for byte in range(256)
)  # fmt: skip


def _has_dotted_name(text: bytes) -> bool:
    """Return whether there is more with dots than addresses, which are masked all the same."""
    if text.count(b".") < 2:
        return False
    names = text.translate(_NAMES)
    return b"a." in names or b".a" in names or b"a0" in names or b"0a" in names


_MASKS = (
    _Mask(lambda text: b"-0" in text, re.compile(rb"(?<![A-Za-z0-9)\]])-0")),  # a sign
    _Mask(  # a hexadecimal number without a digit
        _has_hexadecimal, re.compile(rb"\b(?:[a-f]{8,}+|[A-F]{8,}+)\b")
    ),
    _Mask(  # key=host.name
        lambda text: b"=" in text and b"." in text,
        re.compile(rb"(?<==)[\w-]++(?:\.[\w-]++)++"),
    ),
    _Mask(  # where other messages give a value in parentheses
        lambda text: b"()" in text, re.compile(rb"\(\)"), b"(0)"
    ),
    _Mask(  # a date
        re.compile(_MONTH).search,
        re.compile(
            rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w{0,6},? )?"
            + _MONTH
            + rb"(?:,? 0)?(?: 0:0(?::0)?)?(?: [A-Z]{3,4})?(?: 0)?"
        ),
    ),
    _Mask(  # a path
        lambda text: b"/" in text or b"\\" in text,
        re.compile(
            rb"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:,;\"'\])=]++){2,}+[/\\]?"
            rb"|(?<=[\s\"'=(\[])/[^\s:,;\"')\]]++"
        ),
    ),
    _Mask(  # a host, class or package
        _has_dotted_name,
        re.compile(rb"(?<![\w/\\.-])[\w-]++(?:\.[\w-]++){2,}+(?=[:,;)\]\s\"'/]|$)(?::0)?"),
    ),
    _Mask(  # an address, a time, a version, a decimal
        lambda text: text.count(b"0") >= 2, re.compile(rb"\b0(?:[:.,x/_+-]0)++\b")
    ),
    _Mask(  # a quantity with its unit
        _AMOUNT.search, re.compile(rb"(?<![\w.])[<>~]?-?0 ?" + _UNITS)
    ),
    _Mask(lambda text: b" (0)" in text, re.compile(rb" \(0\)"), b""),  # the same, written otherwise
    _Mask(  # a list
        lambda text: b"0," in text or b"0 0" in text or b"0  " in text,
        re.compile(rb"\b0(?:[ ,]++0\b)++"),
    ),
)

_LETTER = re.compile(rb"[A-Za-z]")


def mask_message(message: bytes) -> tuple[bytes, ...]:
    """Return the words of *message*, what varies replaced by ``0``.

    A word without a letter, but with a number, is nothing but a variable.

    >>> mask_message(b"sent 0 bytes (0.0 KB) to web.shop.example:0 from /var/log/shop in 0.0 s")
    (b'sent', b'0', b'to', b'0', b'from', b'0', b'in', b'0', b's')
    >>> mask_message(b"[0] node-0")
    (b'0', b'node-0')
    """
    for possible, pattern, replacement in _MASKS:
        if possible(message):
            message = pattern.sub(replacement, message)
    return tuple(
        [
            word[:MAX_TOKEN]
            if b"0" not in word or (word != VARIABLE and _LETTER.search(word))
            else VARIABLE
            for word in message.split(None, MAX_TOKENS)[:MAX_TOKENS]
        ]
    )
