"""Finds the word or letter in a line that tells its severity.

A level is written in capitals, or stands in brackets or before a colon, or is the first word in
small letters or a column of its own, or one letter between spaces; "info" in the middle of a
sentence is none, nor "Failed" at its start. Most lines have no word that
could be one, and cost a split and a look-up.
"""

import re
from collections.abc import Iterator

from rnnd.codecs.severity import LETTERS, WORDS, Severity

LEVEL_WORDS = 10  # among which the level is looked for
_HEAD = 1024  # bytes within which they stand

_WORD = re.compile(rb"[^\s\[\]():|,=<>\"]+")
_BETWEEN = bytes.maketrans(b'[]():|,=<>"', b" " * 11)
_LEFT = frozenset((b"[", b"(", b"<", b"|"))
_RIGHT = frozenset((b"]", b":", b"|", b">"))
_NO_LETTERS = frozenset((b"A",))  # an article
_ORDINARY = frozenset(b"all detail hint success config statement fine alert panic abort".split())
"""Words that also occur in capitals, and at the start of a sentence: only a bracket or a colon
makes levels of them."""


def _spellings() -> Iterator[bytes]:
    for word in WORDS:
        for spelling in (word, word.upper(), word.title()):
            yield from (spelling, spelling + b"-", spelling + b".", spelling + b"--")
    yield from LETTERS.keys() - _NO_LETTERS


_SPELLINGS = frozenset(_spellings())


def find_level(text: bytes, words: int = LEVEL_WORDS) -> tuple[Severity | None, int]:
    """Return the severity that one of the first *words* of *text* names, and where it ends.

    >>> find_level(b"[main] ERROR no stock"), find_level(b"no error today")
    ((<Severity.ERROR: 4>, 12), (None, 0))
    """
    head = text[:_HEAD]
    if _SPELLINGS.isdisjoint(head.translate(_BETWEEN).split(None, words)[:words]):
        return None, 0
    for count, found in enumerate(_WORD.finditer(head)):
        if count >= words:
            break
        severity = _level(head, count, found)
        if severity is not None:
            return severity, found.end()
    return None, 0


def _level(text: bytes, count: int, found: re.Match[bytes]) -> Severity | None:
    """Return the severity that the word *found*, with *count* words before it, stands for."""
    if found[0] not in _SPELLINGS:
        return None
    left, right = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    word = found[0].rstrip(b".-")
    if len(word) == 1:
        alone = left in (b" ", b"\t", b"") and right in (b" ", b"\t", b"/", b"")
        return LETTERS[word] if alone and count <= 3 else None
    lower = word.lower()
    if left in _LEFT or right in _RIGHT:
        return WORDS[lower]
    column = word == lower or right == b"\t" or text[found.end() : found.end() + 2] == b"  "
    if lower in _ORDINARY or not (word.isupper() or (count == 0 and column)):
        return None
    return WORDS[lower]
