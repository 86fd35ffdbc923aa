"""Masks what varies in a message, beyond words with digits: names of hosts, paths, dates, sizes.

Works on coarse signatures, in which digits are ``0`` already, and knows no application. All
expressions are possessive or begin where a word begins, so that the time is linear. Most of them
are not even tried: each has conditions, quick to test, without which it cannot match. (To look for
a byte's number takes Python a tenth of the time that it takes to look for `bytes`.)
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_TOKENS = 64  # words that distinguish templates
MAX_TOKEN = 80  # bytes of a word that are compared
VARIABLE = b"0"
"""Stands for a word that varies."""

_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6},? {1,2}0"
_HEXADECIMAL = bytes(ord("a") if byte in b"abcdefABCDEF" else ord(" ") for byte in range(256))
_UNITS = rb"(?:secs?|seconds?|ms|msec|us|mins?|minutes|hours|KB|MB|GB|kB|bytes|B|%)(?!\w)"
_AMOUNT = re.compile(rb"0 ?" + _UNITS)


class _Mask(NamedTuple):
    needs: int | None  # a byte without which a message does not hold the pattern
    possible: Callable[[bytes], object] | None  # what else must be true of it
    pattern: re.Pattern[bytes]
    replacement: bytes = b"0"


def _has_hexadecimal(text: bytes) -> bool:
    return text.translate(_HEXADECIMAL).find(b"aaaaaaaa") >= 0


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
    return any(map(names.count, (b"a.", b".a", b"a0", b"0a")))


_ZERO, _MINUS, _DOT, _SLASH, _BACKSLASH, _EQUALS, _BRACKET = b"0-./\\=("

_MASKS = (
    _Mask(_MINUS, None, re.compile(rb"(?<![A-Za-z0-9)\]])-0")),  # a sign
    _Mask(  # a hexadecimal number without a digit
        None, _has_hexadecimal, re.compile(rb"\b(?:[a-f]{8,}+|[A-F]{8,}+)\b")
    ),
    _Mask(  # key=host.name
        _EQUALS,
        lambda text: _DOT in text,
        re.compile(rb"(?<==)[\w-]++(?:\.[\w-]++)++"),
    ),
    _Mask(  # where other messages give a value in parentheses
        _BRACKET, None, re.compile(rb"\(\)"), b"(0)"
    ),
    _Mask(  # a date
        _ZERO,
        re.compile(_MONTH).search,
        re.compile(
            rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w{0,6},? )?"
            + _MONTH
            + rb"(?:,? 0)?(?: 0:0(?::0)?)?(?: [A-Z]{3,4})?(?: 0)?"
        ),
    ),
    _Mask(  # a path
        None,
        lambda text: _SLASH in text or _BACKSLASH in text,
        re.compile(
            rb"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:,;\"'\])=]++){2,}+[/\\]?"
            rb"|(?<=[\s\"'=(\[])/[^\s:,;\"')\]]++"
        ),
    ),
    _Mask(  # a host, class or package
        _DOT,
        _has_dotted_name,
        re.compile(rb"(?<![\w/\\.-])[\w-]++(?:\.[\w-]++){2,}+(?=[:,;)\]\s\"'/]|$)(?::0)?"),
    ),
    _Mask(  # an address, a time, a version, a decimal
        _ZERO, lambda text: text.count(b"0") >= 2, re.compile(rb"\b0(?:[:.,x/_+-]0)++\b")
    ),
    _Mask(  # a quantity with its unit
        _ZERO, _AMOUNT.search, re.compile(rb"(?<![\w.])[<>~]?-?0 ?" + _UNITS)
    ),
    _Mask(_BRACKET, None, re.compile(rb" \(0\)"), b""),  # the same, written otherwise
    _Mask(  # a list
        _ZERO, re.compile(rb"0[ ,]++0").search, re.compile(rb"\b0(?:[ ,]++0\b)++")
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
    for needs, possible, pattern, replacement in _MASKS:
        if (needs is None or needs in message) and (possible is None or possible(message)):
            message = pattern.sub(replacement, message)
    return tuple(
        [
            word[:MAX_TOKEN]
            if _ZERO not in word or (word != VARIABLE and _LETTER.search(word))
            else VARIABLE
            for word in message.split(None, MAX_TOKENS)[:MAX_TOKENS]
        ]
    )
