"""What every codec must keep. Put your own through it by adding a case, or by calling the tests.

A case is a codec that is ready for use, another to restore its state into, and some of its stream.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest

from rnnd.codecs.base import Codec, find_codec
from rnnd.codecs.char import CharCodec
from rnnd.codecs.log import LogCodec
from rnnd.errors import UsageError
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

TEXT = "It was the best of times, it was the wörst of times.\n"
LINES = [
    b"2024-03-09 08:%02d:%02d INFO cart: user %d took %d ms\n" % (i // 60, i % 60, i, i * i % 97)
    for i in range(240)
]


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], Codec[Any]]
    fresh: Callable[[], Codec[Any]]
    stream: list[Any]
    enough: int
    """So many items must be enough for a first vector."""


CASES = [
    Case("char", lambda: CharCodec.of(TEXT), CharCodec, list(TEXT), enough=1),
    Case("log", LogCodec, LogCodec, LINES, enough=12),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_it_is_a_codec(case: Case) -> None:
    assert isinstance(case.make(), Codec)


def test_it_is_known_by_its_name(case: Case) -> None:
    assert isinstance(case.make(), find_codec(case.name))


def test_a_name_nobody_offers_is_refused() -> None:
    with pytest.raises(UsageError, match="'nonesuch' is not installed, one of"):
        find_codec("nonesuch")


def test_every_vector_has_the_size_it_promises_and_is_finite(case: Case) -> None:
    codec = case.make()

    vectors = list(codec.encode(case.stream))

    assert vectors
    for vector in vectors:
        assert vector.shape == (codec.input_size,)
        assert np.isfinite(vector).all()


def test_encoding_is_lazy_as_a_log_has_no_end(case: Case) -> None:
    codec = case.make()
    taken = 0

    def endless() -> Iterator[Any]:
        nonlocal taken
        while True:
            for item in case.stream:
                taken += 1
                yield item

    vectors = list(islice(codec.encode(endless()), 3))

    assert len(vectors) == 3
    assert taken <= 3 * case.enough + 1


def test_decoding_is_lazy(case: Case) -> None:
    codec = case.make()

    def endless() -> Iterator[Any]:
        while True:
            yield np.eye(codec.output_size)[0]

    assert len(list(islice(codec.decode(endless()), 3))) == 3


def test_saved_state_continues_identically(case: Case) -> None:
    codec, restored = case.make(), case.fresh()
    half = len(case.stream) // 2
    list(codec.encode(case.stream[:half]))
    saved = unflatten(*unpack("codec", pack("codec", *flatten(codec.state()))))

    restored.restore(saved)

    assert restored.input_size == codec.input_size
    assert restored.output_size == codec.output_size
    ours, theirs = list(codec.encode(case.stream[half:])), list(restored.encode(case.stream[half:]))
    assert len(ours) == len(theirs)
    for vector, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(other, vector)


def test_the_hard_choice_is_the_most_probable(case: Case) -> None:
    codec = case.make()
    probabilities = np.full(codec.output_size, 0.1)
    probabilities[codec.output_size // 2] = 0.5

    chosen = codec.apply_dist(probabilities, None)

    assert chosen.shape == (codec.output_size,)
    assert int(np.argmax(chosen)) == codec.output_size // 2


def test_the_soft_choice_is_drawn_from_the_distribution(case: Case) -> None:
    codec = case.make()
    probabilities = np.zeros(codec.output_size)
    probabilities[:2] = 0.25, 0.75
    rng = np.random.default_rng(0)

    drawn = [int(np.argmax(codec.apply_dist(probabilities, rng))) for _ in range(400)]

    assert set(drawn) == {0, 1}
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.08)
