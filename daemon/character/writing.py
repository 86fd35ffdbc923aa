"""Letting a character model write."""

from collections.abc import Iterable, Iterator

from rnnd.daemon.character.models import Model
from rnnd.rnn.sampling import Choice, read, write


def continue_text(model: Model, prompt: str, choose: Choice) -> Iterator[str]:
    """Give the characters that the model lets follow *prompt*, without end.

    Characters of the prompt that are not in the model's alphabet are left out: the network has no
    input for them. An empty prompt stands for the beginning of a line.
    """
    network, codec = model.network, model.codec
    known = prompt.translate(dict.fromkeys(map(ord, codec.unknown(prompt))))
    if not known and "\n" in codec.alphabet:
        known = "\n"
    state = network.zero_state(dtype=model.weights.vector.dtype)
    logits, state = read(network, model.weights, codec.symbols(known).tolist(), state)
    for symbol in write(network, model.weights, logits, state, choose):
        yield codec.alphabet[symbol]


def until(characters: Iterable[str], stop: str) -> Iterator[str]:
    """Give *characters* until they spell *stop*, which is not given.

    A piece that may be the beginning of *stop* is held back until it is clear that it is not.

    >>> "".join(until("all is well. Or not.", "."))
    'all is well'
    """
    held = ""
    for character in characters:
        held += character
        if held == stop:
            return
        while held and not stop.startswith(held):
            yield held[0]
            held = held[1:]
        if held == stop:
            return
    yield from held
