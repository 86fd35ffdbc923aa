import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.pattern import MAX_STATES, Automaton, Patterns, needed_text
from rnnd.errors import ConfigError


def rows(patterns: list[str], lines: list[bytes]) -> list[int]:
    data = b"".join(line + b"\n" for line in lines)
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)])[:-1]
    return Patterns(patterns).rows(data, starts)


def test_a_plain_text_is_found_wherever_it_stands() -> None:
    assert rows(["no space"], [b"no space left", b"fine", b"there is no space"]) == [0, 2]


def test_several_patterns_find_each_line_once() -> None:
    assert rows(["disk", "full$"], [b"disk full", b"half full", b"full moon"]) == [0, 1]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("exit (code|status) [1-9]", b"exit status 3", b"exit status 0"),
        ("^FATAL", b"FATAL up", b"so FATAL"),
        ("down$", b"is down", b"down it is"),
        ("(?i)out of memory", b"Out Of Memory", b"out of milk"),
        (r"took \d{4,} ms", b"took 1234 ms", b"took 123 ms"),
        ("a.c", b"abc", b"ac"),
        ("[^a-z]x", b"Ax", b"ax"),
        (r"1\.5", b"1.5", b"125"),
        ("colou?r", b"color", b"colouur"),
        ("(ab)*c|d", b"d", b"e"),
        (r"[]\-]x", b"-x", b"+x"),
        ("x{2}", b"xx", b"x"),
        ("^$", b"", b"x"),
        ("^a{0}b", b"b", b"ab"),
    ],
)
def test_expressions_mean_what_they_usually_mean(
    pattern: str, matching: bytes, other: bytes
) -> None:
    assert rows([pattern], [matching, other]) == [0]


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[a", "a**", "*", "a{x}", "a{3,2}", "a{1000}", r"\b", "(?=a)", "a\\", ""]
)
def test_what_is_not_understood_is_told(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        Patterns([pattern])


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(a*)*b", "a*a*a*a*a*a*b", "(.*)(.*)(.*)b$"]
)
def test_patterns_that_make_backtrackers_hang_look_at_each_byte_once(pattern: str) -> None:
    automaton = Automaton(pattern)

    assert not automaton.matches(b"a" * 20_000)
    assert automaton.matches(b"a" * 20_000 + b"b")
    assert sum(map(len, automaton._steps.values())) < 50


def test_the_states_that_are_kept_are_bounded() -> None:
    automaton = Automaton("(a|b)*a(a|b){12}c")
    rng = np.random.default_rng(7)

    automaton.matches(bytes(rng.choice([97, 98], 20_000).astype(np.uint8)))

    assert len(automaton._steps) <= MAX_STATES


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "1", r"\."])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@given(st.tuples(st.sampled_from(["", "^"]), PATTERNS, st.sampled_from(["", "$"])).map("".join),
       st.lists(st.text("ab1.", max_size=8), max_size=6))  # fmt: skip
def test_the_same_lines_match_as_with_the_standard_library(pattern: str, lines: list[str]) -> None:
    expected = [row for row, line in enumerate(lines) if re.search(pattern, line)]

    assert rows([pattern], [line.encode() for line in lines]) == expected


@given(PATTERNS, st.text("ab1.", max_size=8))
def test_every_match_contains_the_needed_text(pattern: str, line: str) -> None:
    if found := re.search(pattern, line):
        assert needed_text(pattern) in found[0].encode()
