"""Model files: a network, its weights, its alphabet, and what training needs to go on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnnd.codecs.char import CharCodec
from rnnd.daemon.files import try_to_write, why, write_atomically
from rnnd.errors import CheckpointError, RnndError, UsageError
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.parameters import Parameters

KIND = "character model"


@dataclass(frozen=True, slots=True)
class Model:
    """A network that continues texts.

    *training* is what `Training.state` gave: without it the model writes, but cannot be trained on.
    """

    shape: NetworkShape
    weights: Parameters
    codec: CharCodec
    training: Mapping[str, Any]

    @property
    def network(self) -> Network:
        """The network whose weights these are."""
        return Network(self.shape)

    def to_bytes(self) -> bytes:
        """Return the model file's content."""
        state = {
            "network": asdict(self.shape),
            "codec": self.codec.state(),
            "weights": dict(self.weights),
            "training": self.training,
        }
        return pack(KIND, *flatten(state))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Model":
        """Return the model that *data* holds; raises `CheckpointError` when it holds none."""
        state = unflatten(*unpack(KIND, data))
        codec = CharCodec()
        try:
            codec.restore(state["codec"])
            shape = NetworkShape(**state["network"])
            shapes = Network(shape).shapes
            found = state["weights"]
            weights = Parameters(shapes, next(iter(found.values())).dtype)
            for name, wanted in shapes.items():
                if found[name].shape != wanted:
                    raise CheckpointError(f"{name}: shape {found[name].shape}, expected {wanted}")
                weights[name] = found[name]
            symbols = len(codec.alphabet)
            if (shape.input_size, shape.output_size) != (symbols, symbols):
                raise CheckpointError(f"alphabet: {symbols} characters, not {shape.input_size}")
            return cls(shape, weights, codec, state["training"])
        except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
            raise CheckpointError(f"character model: {error!r} where it should be") from error

    def save(self, path: Path) -> None:
        """Write the model file *path*, atomically."""
        try:
            write_atomically(path, self.to_bytes())
        except OSError as error:
            raise RnndError(f"{path}: the model cannot be written: {why(error)}") from error

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Return the model in the file *path*."""
        try:
            return cls.from_bytes(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path}: the model cannot be read: {why(error)}") from error
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error


def check_place(path: Path) -> None:
    """Raise `RnndError` where no model file *path* could be written: before hours of training."""
    try:
        try_to_write(path)
    except OSError as error:
        raise RnndError(f"{path}: the model cannot be written: {why(error)}") from error
