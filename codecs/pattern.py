"""The user's patterns: regular expressions that no line can make slow.

Python's own `re` backtracks: an innocent ``(a+)+b`` takes for ever on some lines, and lines are
written by anybody. So patterns are compiled here, to an automaton that looks at each byte once
(Thompson, CACM 1968); its states are made as they are first met, and thrown away when they are
many.

Known are literals, ``.``, classes ``[a-z]`` ``[^,]``, ``\\d \\w \\s`` and their opposites; groups,
``|``, ``* + ? {2,5}``, the anchors ``^`` and ``$`` (of the line), and ``(?i)`` at the start. A
pattern without any of these is a plain text, and found as fast as memory can be searched. Others
are searched for only in lines that contain the longest text which the pattern needs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnd.errors import ConfigError

MAX_REPEAT = 100  # times that {m,n} may ask for
MAX_NODES = 4000  # places in the automaton of one pattern
MAX_STATES = 500  # states kept of one automaton
_SPECIAL = frozenset(b".^$*+?{}[]\\|()")
_REPEATS = frozenset(b"*+?{")
_ALL = (1 << 256) - 1
_NOT_NEWLINE = _ALL & ~(1 << 10)


def _set(values: Iterable[int]) -> int:
    """Return a set of bytes as a number with a bit for each."""
    bits = 0
    for value in values:
        bits |= 1 << value
    return bits


_DIGIT = _set(range(48, 58))
_WORD = _DIGIT | _set(range(65, 91)) | _set(range(97, 123)) | 1 << 95
_SPACE = _set(b" \t\r\f\v")
_CLASSES = {
    ord("d"): _DIGIT,
    ord("w"): _WORD,
    ord("s"): _SPACE,
    ord("D"): _NOT_NEWLINE & ~_DIGIT,
    ord("W"): _NOT_NEWLINE & ~_WORD,
    ord("S"): _NOT_NEWLINE & ~_SPACE,
}
_ESCAPES = {ord("t"): 9, ord("r"): 13, ord("f"): 12, ord("v"): 11, ord("0"): 0, ord("e"): 27}


@dataclass(slots=True)
class _Node:
    """A place in the automaton: bytes that lead to *out*, or ways on that need none."""

    accepts: int = 0
    out: int = -1
    free: list[int] = field(default_factory=list)
    at_start: int = -1  # a way that is free at the start of a line
    at_end: int = -1  # likewise at its end


class Automaton:
    """Matches a regular expression anywhere in a line, in time linear in the line's length."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._text = pattern.encode()
        self._place = 0
        self._nodes: list[_Node] = []
        self._fold = self._text.startswith(b"(?i)")
        if self._fold:
            self._place = 4
        start, end = self._alternatives()
        if self._place < len(self._text):
            self._fail("an unopened )")
        self._end = end
        self._first = self._close({start}, at_start=True)
        self._always = self._close({start}, at_start=False)
        self._steps: dict[frozenset[int], dict[int, frozenset[int]]] = {}

    def matches(self, line: bytes) -> bool:
        """Return whether *line*, without its newline, contains a match."""
        return next(self.ends(line), -1) >= 0

    def ends(self, line: bytes) -> Iterator[int]:
        """Give the places of *line* at which matches end, in order."""
        state = self._first
        for place, byte in enumerate(line):
            if self._end in state:
                yield place
            steps = self._steps.get(state)
            if steps is None:
                if len(self._steps) >= MAX_STATES:
                    self._steps.clear()
                steps = self._steps[state] = {}
            following = steps.get(byte)
            if following is None:
                following = steps[byte] = self._step(state, byte)
            state = following
        if self._end in self._finish(state):
            yield len(line)

    def _step(self, state: frozenset[int], byte: int) -> frozenset[int]:
        bit = 1 << byte
        nodes = self._nodes
        return self._always | self._close(
            {nodes[node].out for node in state if nodes[node].accepts & bit}, at_start=False
        )

    def _finish(self, state: frozenset[int]) -> frozenset[int]:
        """Return *state* with the ways that are free at the end of the line."""
        while True:
            ways = {self._nodes[node].at_end for node in state} - {-1} - state
            if not ways:
                return state
            state |= self._close(ways, at_start=False)

    def _close(self, nodes: set[int], at_start: bool) -> frozenset[int]:
        """Return *nodes* and all that can be reached from them without a byte."""
        reached: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in reached:
                continue
            reached.add(node)
            waiting += self._nodes[node].free
            if at_start and self._nodes[node].at_start >= 0:
                waiting.append(self._nodes[node].at_start)
        return frozenset(reached)

    def _fail(self, problem: str) -> None:
        raise ConfigError(f"pattern: {problem} in {self._pattern!r} at {self._place}")

    def _add(self, node: _Node) -> int:
        if len(self._nodes) >= MAX_NODES:
            self._fail(f"more than {MAX_NODES} places")
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _peek(self) -> int:
        return self._text[self._place] if self._place < len(self._text) else -1

    def _alternatives(self) -> tuple[int, int]:
        """Read ``a|b|c``; return where it begins and ends."""
        start, end = self._add(_Node()), self._add(_Node())
        while True:
            first, last = self._sequence()
            self._nodes[start].free.append(first)
            self._nodes[last].free.append(end)
            if self._peek() != ord("|"):
                return start, end
            self._place += 1

    def _sequence(self) -> tuple[int, int]:
        start = end = self._add(_Node())
        while self._peek() not in (-1, ord("|"), ord(")")):
            first, last = self._repeated()
            self._nodes[end].free.append(first)
            end = last
        return start, end

    def _repeated(self) -> tuple[int, int]:
        """Read one thing and how often it comes."""
        begin = self._place
        atom = self._atom()
        low, high = self._times()
        if self._peek() in _REPEATS:
            self._fail("a repetition of a repetition")
        behind = self._place
        start = end = self._add(_Node())
        for count in range(max(low, high, 1) if high >= 0 else max(low, 1)):
            if count:
                self._place = begin
                atom = self._atom()
            first, last = atom
            self._nodes[end].free.append(first)
            following = self._add(_Node())
            self._nodes[last].free.append(following)
            if count >= low:
                self._nodes[end].free.append(following)
            if high < 0 and count == max(low, 1) - 1:
                self._nodes[last].free.append(first)
            end = following
        self._place = behind
        return (start, end) if high else (end, end)

    def _times(self) -> tuple[int, int]:
        """Read ``* + ? {m,n}``; return how often at least and at most, -1 for without end."""
        sign = self._peek()
        if sign == ord("{"):
            return self._counted()
        times = {ord("*"): (0, -1), ord("+"): (1, -1), ord("?"): (0, 1)}.get(sign)
        if times is None:
            return 1, 1
        self._place += 1
        return times

    def _counted(self) -> tuple[int, int]:
        close = self._text.find(b"}", self._place)
        low, comma, high = self._text[self._place + 1 : close].partition(b",")
        if close < 0 or not low.isdigit() or (high and not high.isdigit()):
            self._fail("a { that is no {m}, {m,} or {m,n} (write \\{ for the character)")
        self._place = close + 1
        most = int(high) if high else (-1 if comma else int(low))
        if max(int(low), most) > MAX_REPEAT or -1 < most < int(low):
            self._fail(f"a repetition outside 0 to {MAX_REPEAT}")
        return int(low), most

    def _atom(self) -> tuple[int, int]:
        byte = self._peek()
        self._place += 1
        if byte == ord("("):
            return self._group()
        if byte in _REPEATS:
            self._fail("nothing to repeat")
        end = self._add(_Node())
        if byte == ord("^"):
            return self._add(_Node(at_start=end)), end
        if byte == ord("$"):
            return self._add(_Node(at_end=end)), end
        accepts = 1 << byte
        if byte == ord("."):
            accepts = _NOT_NEWLINE
        elif byte == ord("["):
            accepts = self._class()
        elif byte == ord("\\"):
            accepts = self._escape()
        return self._add(_Node(accepts=self._folded(accepts), out=end)), end

    def _group(self) -> tuple[int, int]:
        if self._text.startswith(b"?:", self._place):
            self._place += 2
        elif self._peek() == ord("?"):
            self._fail("only (…), (?:…) and (?i) at the start are known, not (?")
        ends = self._alternatives()
        if self._peek() != ord(")"):
            self._fail("an unclosed (")
        self._place += 1
        return ends

    def _escape(self) -> int:
        byte = self._peek()
        self._place += 1
        if byte in _CLASSES:
            return _CLASSES[byte]
        if byte in _ESCAPES:
            return 1 << _ESCAPES[byte]
        if byte < 0 or chr(byte).isalnum():
            self._fail("an unknown escape")
        return 1 << byte

    def _class(self) -> int:
        """Read what follows a ``[``."""
        opposite = self._peek() == ord("^")
        self._place += opposite
        accepts = 0
        first = True
        while first or self._peek() != ord("]"):
            first = False
            low = self._member()
            if self._text[self._place : self._place + 1] == b"-" and self._text[
                self._place + 1 : self._place + 2
            ] not in (b"]", b""):
                self._place += 1
                high = self._member()
                if low.bit_count() != 1 or high.bit_count() != 1 or high < low:
                    self._fail("a range from more to less")
                low = (high << 1) - low
            accepts |= low
        self._place += 1
        accepts = self._folded(accepts)
        return _NOT_NEWLINE & ~accepts if opposite else accepts

    def _member(self) -> int:
        byte = self._peek()
        if byte < 0:
            self._fail("an unclosed [")
        self._place += 1
        return self._escape() if byte == ord("\\") else 1 << byte

    def _folded(self, accepts: int) -> int:
        """Return *accepts* with letters of both cases, where case does not matter."""
        if not self._fold:
            return accepts
        upper, lower = _set(range(65, 91)), _set(range(97, 123))
        return accepts | (accepts & upper) << 32 | (accepts & lower) >> 32


def needed_text(pattern: str) -> bytes:
    """Return the longest text that every match of *pattern* contains, as far as is easily seen.

    >>> needed_text("out of memory: .*killed"), needed_text("a|b")
    (b'out of memory: ', b'')
    """
    if pattern.startswith("(?i)") or "|" in pattern:
        return b""
    best = run = b""
    depth, text, place = 0, pattern.encode(), 0
    while place <= len(text):
        byte = text[place] if place < len(text) else -1
        width = 1
        if byte == ord("\\") and place + 1 < len(text) and not chr(text[place + 1]).isalnum():
            byte, width = text[place + 1], 2
            plain = True
        else:
            plain = byte >= 0 and byte not in _SPECIAL
        if plain and depth == 0:
            if text[place + width : place + width + 1] in (b"*", b"?", b"{"):
                plain = False
            else:
                run += bytes([byte])
        if not plain or depth:
            best, run = max(best, run, key=len), b""
            if byte == ord("["):
                place = max(text.find(b"]", place + 2), place)
            depth += (byte == ord("(")) - (byte == ord(")"))
            if byte == ord("\\") and width == 1:
                width = 2
            elif byte == ord("{"):
                place = max(text.find(b"}", place), place)
        place += width
    return max(best, run, key=len)


class Patterns:
    """Finds the lines that match one of some patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._plain: list[bytes] = []
        self._searched: list[tuple[bytes, Automaton]] = []
        for pattern in patterns:
            if not pattern:
                raise ConfigError(
                    "pattern: '' matches every line; a text or expression is expected"
                )
            if _SPECIAL.isdisjoint(pattern.encode()):
                self._plain.append(pattern.encode())
            else:
                self._searched.append((needed_text(pattern), Automaton(pattern)))

    def rows(self, data: bytes, starts: NDArray[np.intp]) -> list[int]:
        """Return which of the lines of *data*, beginning at *starts*, match, in order."""
        rows = {row for text in self._plain for row in _rows_with(text, data, starts)}
        for text, automaton in self._searched:
            for row in _rows_with(text, data, starts):
                if row not in rows:
                    stop = int(starts[row + 1]) if row + 1 < len(starts) else len(data)
                    if automaton.matches(data[int(starts[row]) : stop].rstrip(b"\r\n")):
                        rows.add(row)
        return sorted(rows)


def _rows_with(text: bytes, data: bytes, starts: NDArray[np.intp]) -> Iterator[int]:
    """Give the lines of *data* that contain *text*."""
    place = data.find(text) if len(starts) else -1
    while place >= 0:
        row = int(np.searchsorted(starts, place, "right")) - 1
        yield row
        if row + 1 == len(starts):
            return
        place = data.find(text, int(starts[row + 1]))
