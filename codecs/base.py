"""What a codec is: a stream of anything becomes vectors, and vectors become a stream again.

The network knows vectors alone. A codec stands between it and the world, as proposed by Olivier
Wulveryck ("About Recurrent Neural Network, Shakespeare and GO", 2017): characters of a text, lines
of a log, draws of a lottery. A codec of your own is a class with the members of `Codec`, made known
through an entry point in the group ``rnnd.codecs``; tests/codecs/test_contract.py says what
it must keep.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rnnd.errors import UsageError

Vector: TypeAlias = NDArray[np.floating[Any]]
"""One point of a stream; its shape is (size,)."""

State: TypeAlias = Mapping[str, Any]
"""What a codec remembers: a mapping of names to arrays, strings, numbers, lists and mappings."""

GROUP = "rnnd.codecs"

Item = TypeVar("Item")


@runtime_checkable
class Codec(Protocol[Item]):
    """Turns a stream of items into vectors, and vectors back into items.

    `encode` and `decode` are lazy: a log has no end, so nothing may wait for it.
    """

    @property
    def input_size(self) -> int:
        """The size of every vector that `encode` gives: what the network reads."""
        ...

    @property
    def output_size(self) -> int:
        """The size of every vector that `decode` takes: what the network answers."""
        ...

    def encode(self, stream: Iterable[Item]) -> Iterator[Vector]:
        """Give the vectors of *stream*, each of shape (input_size,), as soon as they are known."""
        ...

    def decode(self, vectors: Iterable[Vector]) -> Iterator[Item]:
        """Give the item that each chosen vector, of shape (output_size,), stands for."""
        ...

    def apply_dist(self, probabilities: Vector, rng: np.random.Generator | None) -> Vector:
        """Return the vector chosen from *probabilities*, of shape (output_size,), for `decode`.

        With *rng* the choice is drawn ("soft"); without, it is the most probable one ("hard").
        """
        ...

    def state(self) -> State:
        """Return what must be saved for `encode` to continue identically elsewhere."""
        ...

    def restore(self, state: State) -> None:
        """Take over what another codec's `state` gave."""
        ...


def codec_names() -> list[str]:
    """Return the names of all installed codecs, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find_codec(name: str) -> Any:
    """Return the class of the installed codec *name*.

    Raises `UsageError` when no installed package offers it.
    """
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise UsageError(f"codec: {name!r} is not installed, one of {', '.join(codec_names())}")
