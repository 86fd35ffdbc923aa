"""Finds the word or letter in a line that tells its severity.

A level is written in capitals, or stands in brackets or before a colon, or is the first word in
small letters or a column of its own, or one letter between spaces; "info" in the middle of a
sentence is none, nor "Failed" at its start. A sentence that begins with "Error" is one. Words count
by spaces, so that ``user=bob,db=shop`` is one of them. Most lines have no word that
could be one, and cost a split and a look-up.
"""

import re
from collections.abc import Iterator

from rnnd.codecs.severity import LETTERS, WORDS, Severity

LEVEL_WORDS = 10  # among which the level is looked for
_HEAD = 1024  # bytes within which they stand

_WORD = re.compile(rb"[^\s\[\]():|,=<>\"/]+")
_BETWEEN = bytes.maketrans(b'[]():|,=<>"/', b" " * 12)
_WITHIN = frozenset((b"=", b",", b"/", b'"'))  # behind these goes on what began before
_EQUALS, _COMMA = b"=,"
_SIDES = 4  # words that a list of values may count as one, for the first look
_LEFT = frozenset((b"[", b"(", b"<", b"|"))
_RIGHT = frozenset((b"]", b":", b"|", b">"))
_NO_LETTERS = frozenset((b"A",))  # an article
_SPOKEN = re.compile(rb"(?<!\S)[A-Za-z]+[:,]?\s")  # a word of a sentence: "temperature 54.0 C"
_MEASURED = re.compile(rb"(?:^\s*[-+]?\d+|\d[.,]\d+)\s+$")  # what a letter behind it is a unit of
_UNITS = frozenset((b"C", b"F", b"V", b"W"))
_COUNTED = re.compile(
    rb"=\d|[=:]\s*(?:none|null|nil|false)\s*(?:[,;|]|$)"
    rb"|[=:]\s*\d+\s*(?:$|[,;|]\s*(?:$|[\w.-]+\s*[=:]))"
)
"""What says behind a word how many there were of it, or none: "failed: 0, passed: 9". A number
before a sentence is that of an error: "error: 1045, access denied"."""
THREAD = re.compile(rb"/[\w.-]+\]")  # behind a level: ERROR/MainProcess]
_ORDINARY = frozenset(
    b"all detail hint success config statement fine alert panic abort ee ww".split()
)
"""Words that also occur in capitals, and at the start of a sentence: only a bracket or a colon
makes levels of them."""


_SENTENCE = re.compile(rb"\s*(Error|Warning|Critical|Fatal) ")  # which tells and belongs to it


def _spellings() -> Iterator[bytes]:
    for word in WORDS:
        for spelling in (word, word.upper(), word.title()):
            yield from (spelling, spelling + b"-", spelling + b".", spelling + b"--")
    yield from LETTERS.keys() - _NO_LETTERS
    yield from (letter + b"!" for letter in LETTERS)


_SPELLINGS = frozenset(_spellings())


def find_level(text: bytes, words: int = LEVEL_WORDS) -> tuple[Severity | None, int]:
    """Return the severity that one of the first *words* of *text* names, and where it ends.

    >>> find_level(b"[main] ERROR no stock"), find_level(b"no error today")
    ((<Severity.ERROR: 4>, 12), (None, 0))
    """
    head = text[:_HEAD]
    limit = words * _SIDES if _EQUALS in head or _COMMA in head else words
    if _SPELLINGS.isdisjoint(head.translate(_BETWEEN).split(None, limit)[:limit]):
        return None, 0
    count = -1
    for found in _WORD.finditer(head):
        if count < 0 or head[found.start() - 1 : found.start()] not in _WITHIN:
            count += 1
            if count >= words:
                break
        severity = _level(head, count, found)
        if severity is not None:
            return severity, found.end()
    if title := _SENTENCE.match(head):
        return WORDS[title[1].lower()], 0
    return None, 0


def _level(text: bytes, count: int, found: re.Match[bytes]) -> Severity | None:
    """Return the severity that the word *found*, with *count* words before it, stands for."""
    if found[0] not in _SPELLINGS:
        return None
    left, right = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    word = found[0].rstrip(b".-")
    if len(word) == 1:
        alone = left in (b" ", b"\t", b"") and right in (b" ", b"\t", b"/", b"")
        alone = alone and count <= 3 and not _is_spoken(text[: found.start()], word)
        return LETTERS[word] if alone else None
    if word[1:] == b"!":
        return LETTERS[word[:1]] if count == 0 else None
    lower = word.lower()
    if word == lower and _COUNTED.match(text, found.end()):
        return None
    if b"/" in (left, right):  # with the name of a thread, in brackets
        thread = right == b"]" if left == b"/" else THREAD.match(text, found.end())
        return WORDS[lower] if word.isupper() and thread else None
    if left in _LEFT or right in _RIGHT:
        fatal = lower == b"error" and text[: found.start()].lower().endswith(b"fatal ")
        return Severity.CRITICAL if fatal else WORDS[lower]
    column = word == lower or right in (b"\t", b",") or text[found.end() :][:2] == b"  "
    if lower in _ORDINARY or not (word.isupper() or (count == 0 and column)):
        return None
    return WORDS[lower]


def _is_spoken(before: bytes, letter: bytes) -> bool:
    """Return whether the *letter* behind *before* is one of a sentence, or the unit of a number.

    >>> _is_spoken(b"CPU temperature 54.0 ", b"C"), _is_spoken(b"54 ", b"C")
    (True, True)
    >>> _is_spoken(b"1702 ", b"E"), _is_spoken(b"1702 2395 ", b"F")
    (False, False)
    """
    measured = letter in _UNITS and _MEASURED.search(before)
    return bool(measured or _SPOKEN.search(before))
