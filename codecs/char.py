"""The character codec: a text becomes one-hot vectors, and chosen vectors become a text.

The alphabet is built from the text to be learnt and travels with the model. A character outside it
has no vector. It is never taken for another one: `encode` leaves it out, `symbols` refuses it, and
`unknown` names it, so that whoever asks can say so.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnd.codecs.base import Vector
from rnnd.errors import CheckpointError, UsageError


class CharCodec:
    """Turns characters into one-hot vectors over *alphabet*, whose order it keeps.

    >>> codec = CharCodec("ab")
    >>> [vector.tolist() for vector in codec.encode("ba?")]
    [[0.0, 1.0], [1.0, 0.0]]
    >>> "".join(codec.decode(codec.encode("ba?")))
    'ba'
    """

    def __init__(self, alphabet: str = "") -> None:
        if len(set(alphabet)) < len(alphabet):
            raise UsageError(f"alphabet: {alphabet!r} names a character twice")
        self.alphabet = alphabet
        self._index = {character: index for index, character in enumerate(alphabet)}

    @classmethod
    def of(cls, text: str) -> "CharCodec":
        """Return the codec whose alphabet is the characters of *text*, sorted.

        >>> CharCodec.of("hello").alphabet
        'ehlo'
        """
        return cls("".join(sorted(set(text))))

    @property
    def input_size(self) -> int:
        """The number of characters in the alphabet."""
        return len(self.alphabet)

    @property
    def output_size(self) -> int:
        """The number of characters in the alphabet."""
        return len(self.alphabet)

    def unknown(self, text: str) -> str:
        """Return those characters of *text* that are not in the alphabet, each once, sorted.

        >>> CharCodec("ehlo").unknown("hallo, hello")
        ' ,a'
        """
        return "".join(sorted(set(text) - self._index.keys()))

    def symbols(self, text: str) -> NDArray[np.integer[Any]]:
        """Return the characters of *text* by their place in the alphabet, in as few bytes as fit.

        Raises `UsageError` for a character outside it.
        """
        if unknown := self.unknown(text):
            line = text[: text.index(unknown[0])].count("\n") + 1
            raise UsageError(f"text: {unknown[0]!r} in line {line} is not in the model's alphabet")
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        if not len(points):
            return np.zeros(0, np.uint8)
        place = np.zeros(int(points.max()) + 1, np.min_scalar_type(max(1, len(self.alphabet) - 1)))
        for character, index in self._index.items():
            if ord(character) < len(place):
                place[ord(character)] = index
        return place[points]

    def text(self, symbols: Iterable[int]) -> str:
        """Return the text that *symbols* stand for.

        >>> CharCodec("ehlo").text([1, 0, 2, 2, 3])
        'hello'
        """
        return "".join(self.alphabet[symbol] for symbol in symbols)

    def encode(self, stream: Iterable[str]) -> Iterator[Vector]:
        """Give a one-hot vector for each character of the alphabet; others are left out."""
        for piece in stream:
            for character in piece:
                index = self._index.get(character)
                if index is not None:
                    yield self._one_hot(index)

    def decode(self, vectors: Iterable[Vector]) -> Iterator[str]:
        """Give the character at the largest number of each vector."""
        for vector in vectors:
            yield self.alphabet[int(np.argmax(vector))]

    def apply_dist(self, probabilities: Vector, rng: np.random.Generator | None) -> Vector:
        """Return the one-hot vector of a character drawn with *rng*, or of the most probable."""
        if rng is None:
            return self._one_hot(int(np.argmax(probabilities)))
        edges = np.cumsum(probabilities, dtype=np.float64)
        index = int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
        return self._one_hot(min(index, len(edges) - 1))

    def _one_hot(self, index: int) -> Vector:
        vector = np.zeros(len(self.alphabet), np.float32)
        vector[index] = 1
        return vector

    def state(self) -> dict[str, Any]:
        """Return the alphabet: a character's vector depends on nothing else."""
        return {"alphabet": self.alphabet}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over another codec's alphabet."""
        alphabet = state.get("alphabet")
        if not isinstance(alphabet, str):
            raise CheckpointError(f"alphabet: {alphabet!r} is no text")
        other = CharCodec(alphabet)
        self.alphabet, self._index = other.alphabet, other._index
