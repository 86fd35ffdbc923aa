"""The hyper-parameters of a character model: names, defaults and what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal


def option(default: Any, text: str) -> Any:
    """Return a dataclass field that is also an option of `rnnd train`, explained by *text*."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a character model is made and trained.

    Each field is an option of `rnnd train` and, as RNND_ and its name in capitals, an environment
    variable.
    """

    cell: Literal["rnn", "gru", "lstm"] = option("gru", "kind of recurrent cell")
    hidden: int = option(256, "hidden units a layer")
    layers: int = option(1, "recurrent layers")
    length: int = option(64, "steps that are back-propagated through")
    batch: int = option(32, "streams of text read side by side")
    epochs: float = option(0.0, "passes over the text; 0: 15, or more where the text is short")
    optimiser: Literal["adam", "adagrad"] = option("adam", "optimiser")
    rate: float = option(4e-3, "learning rate at its highest")
    warmup: float = option(0.02, "share of the training during which the rate rises")
    floor: float = option(0.02, "share of the rate that is left at the end")
    decay: float = option(0.01, "weight decay (AdamW)")
    dropout: float = option(0.1, "share of each layer's outputs left out while training")
    dropconnect: float = option(0.0, "share of the recurrent weights left out while training")
    clip: float = option(1.0, "largest norm of a gradient")
    precision: Literal["float32", "float64"] = option("float32", "precision of the numbers")
    validation: float = option(0.1, "share of the text, its end, kept to validate on")
    processes: int = option(2, "processes that share the work")
    seed: int = option(0, "seed of all that is random")


SIZES: tuple[tuple[float, Mapping[str, Any]], ...] = (
    (45.0, {"hidden": 128, "rate": 6e-3}),
    (150.0, {"hidden": 192, "rate": 5e-3}),
    (420.0, {"hidden": 384, "rate": 3e-3}),
    (inf, {"hidden": 512, "rate": 2.5e-3}),
)
"""What can be trained in at most so many seconds, on two cores."""

LEFT_OUT: tuple[tuple[float, Mapping[str, Any]], ...] = (
    (150.0, {"dropout": 0.0, "dropconnect": 0.0}),
    (420.0, {"dropout": 0.3, "dropconnect": 0.2}),
    (inf, {"dropout": 0.4, "dropconnect": 0.25}),
)
"""What a training of at most so many seconds for each million characters must leave out: the more
often it reads them, the more, or it learns the text by heart."""


def preset(budget: float | None, characters: int) -> dict[str, Any]:
    """Return the defaults that differ when the time is given, *budget* in seconds.

    >>> preset(60, characters=1_000_000)
    {'hidden': 192, 'rate': 0.005, 'dropout': 0.0, 'dropconnect': 0.0}
    >>> preset(60, characters=100_000)["dropconnect"], preset(None, characters=100_000)
    (0.25, {})
    """
    if budget is None:
        return {}
    each = budget / max(1, characters) * 1e6
    size = next(values for most, values in SIZES if budget <= most)
    left_out = next(values for most, values in LEFT_OUT if each <= most)
    return {**size, **left_out}
