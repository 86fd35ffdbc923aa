import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.char import CharCodec
from rnnd.errors import CheckpointError, UsageError

texts = st.text(st.sampled_from("ab\n äß中🎲́\udcff"), min_size=1)


@given(texts)
def test_any_text_comes_back_from_its_symbols(text: str) -> None:
    codec = CharCodec.of(text)

    assert codec.text(codec.symbols(text)) == text


@given(texts)
def test_any_text_comes_back_from_its_vectors(text: str) -> None:
    codec = CharCodec.of(text)

    assert "".join(codec.decode(codec.encode(text))) == text


@given(texts)
def test_symbols_are_the_places_of_the_ones_in_the_vectors(text: str) -> None:
    codec = CharCodec.of(text)

    places = [int(np.argmax(vector)) for vector in codec.encode(text)]

    assert codec.symbols(text).tolist() == places


@given(texts, texts)
def test_an_unknown_character_is_named_and_never_taken_for_another(learnt: str, other: str) -> None:
    codec = CharCodec.of(learnt)

    unknown = codec.unknown(other)

    assert set(unknown) == set(other) - set(learnt)
    known = "".join(character for character in other if character not in unknown)
    assert "".join(codec.decode(codec.encode(other))) == known
    if unknown:
        with pytest.raises(UsageError, match="not in the model's alphabet"):
            codec.symbols(other)


def test_an_unknown_character_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match="'x' in line 3 is not"):
        CharCodec("ab\n").symbols("ab\nab\nabx")


def test_the_empty_text_has_no_symbols() -> None:
    assert CharCodec("ab").symbols("").tolist() == []


def test_a_large_alphabet_gets_wider_symbols() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))

    symbols = CharCodec.of(text).symbols(text)

    assert symbols.dtype == np.uint16
    assert symbols.tolist() == list(range(300))


def test_an_alphabet_with_a_character_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="names a character twice"):
        CharCodec("aba")


def test_a_state_without_an_alphabet_is_refused() -> None:
    with pytest.raises(CheckpointError, match="alphabet: None"):
        CharCodec("ab").restore({})
