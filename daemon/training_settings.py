"""The hyper-parameters of a character model: names, defaults and what they mean."""

from dataclasses import dataclass, field
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
    epochs: float = option(15.0, "passes over the text")
    optimiser: Literal["adam", "adagrad"] = option("adam", "optimiser")
    rate: float = option(4e-3, "learning rate at its highest")
    warmup: float = option(0.02, "share of the training during which the rate rises")
    floor: float = option(0.02, "share of the rate that is left at the end")
    decay: float = option(0.01, "weight decay (AdamW)")
    dropout: float = option(0.1, "share of each layer's outputs left out while training")
    clip: float = option(1.0, "largest norm of a gradient")
    precision: Literal["float32", "float64"] = option("float32", "precision of the numbers")
    validation: float = option(0.1, "share of the text, its end, kept to validate on")
    processes: int = option(2, "processes that share the work")
    seed: int = option(0, "seed of all that is random")
