"""Masks what varies in a message, beyond words with digits: names of hosts, paths, dates, sizes.

Works on coarse signatures, in which digits are ``0`` already, and knows no application. All
expressions are possessive or begin where a word begins, so that the time is linear.
"""

import re

MAX_TOKENS = 64  # words that distinguish templates
MAX_TOKEN = 80  # bytes of a word that are compared

_MASKS: tuple[tuple[re.Pattern[bytes], bytes], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rb"(?<![A-Za-z0-9)\]])-0", b"0"),  # a sign
        (rb"\b(?:[a-f]{8,}+|[A-F]{8,}+)\b", b"0"),  # a hexadecimal number without a digit
        (rb"(?<==)[\w-]++(?:\.[\w-]++)++", b"0"),  # key=host.name
        (rb"\(\)", b"(0)"),  # where other messages give a value in parentheses
        (  # a date
            rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w{0,6},? )?"
            rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6},? {1,2}0"
            rb"(?:,? 0)?(?: 0:0(?::0)?)?(?: [A-Z]{3,4})?(?: 0)?",
            b"0",
        ),
        (  # a path
            rb"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:,;\"'\])=]++){2,}+[/\\]?"
            rb"|(?<=[\s\"'=(\[])/[^\s:,;\"')\]]++",
            b"0",
        ),
        (  # a host, class or package
            rb"(?<![\w/\\.-])[\w-]++(?:\.[\w-]++){2,}+(?=[:,;)\]\s\"'/]|$)(?::0)?",
            b"0",
        ),
        (rb"\b0(?:[:.,x/_+-]0)++\b", b"0"),  # an address, a time, a version, a decimal
        (  # a quantity with its unit
            rb"(?<![\w.])[<>~]?-?0 ?(?:secs?|seconds?|ms|msec|us|mins?|minutes|hours"
            rb"|KB|MB|GB|kB|bytes|B|%)(?!\w)",
            b"0",
        ),
        (rb" \(0\)", b""),  # the same quantity, written otherwise
        (rb"\b0(?:[ ,]++0\b)++", b"0"),  # a list
    )
)

_LETTER = re.compile(rb"[A-Za-z]")


def mask_message(message: bytes) -> tuple[bytes, ...]:
    """Return the words of *message*, what varies replaced by ``0``.

    >>> mask_message(b"sent 0 bytes (0.0 KB) to web.shop.example:0 from /var/log/shop in 0.0 s")
    (b'sent', b'0', b'to', b'0', b'from', b'0', b'in', b'0', b's')
    """
    for pattern, replacement in _MASKS:
        message = pattern.sub(replacement, message)
    words = message.split(None, MAX_TOKENS)[:MAX_TOKENS]
    return tuple(word[:MAX_TOKEN] for word in words)


def is_variable(word: bytes) -> bool:
    """Return whether a masked *word* is nothing but a variable.

    >>> is_variable(b"[0]"), is_variable(b"node-0"), is_variable(b"ok")
    (True, False, False)
    """
    return b"0" in word and not _LETTER.search(word)
