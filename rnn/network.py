"""A network: recurrent layers one above the other, and a linear map to what is answered.

Like its layers it holds no numbers: weights and state are arguments. The states of all layers lie
side by side in one array, of shape (B, S) for B streams or (S,) for one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from rnnd.rnn.cell import Trace
from rnnd.rnn.cells import CELLS
from rnnd.rnn.linear import Linear
from rnnd.rnn.parameters import Array, Indices, Parameters, aligned
from rnnd.rnn.products import Turned

NetworkStep: TypeAlias = "Callable[[Array | int, Array], tuple[Array, Array]]"
"""Gives the logits, (K,), and the next state, (S,), from one more vector or symbol and a state."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What must be known to make a network; enough to read another's weights."""

    cell: Literal["rnn", "gru", "lstm"]
    input_size: int
    hidden_size: int
    output_size: int
    layers: int = 1


class Tape:
    """The traces of all layers over a window, and the logits, of shape (T, B, K)."""

    def __init__(self, traces: list[Trace], logits: Array, turned: Turned) -> None:
        self.traces = traces
        self.turned = turned  # for the gradient of the output's weights
        self.logits = logits
        self.masks: list[Array] = []
        self.dh = aligned(
            (traces[-1].ahead, *logits.shape[1:-1], traces[-1].h.shape[-1]), logits.dtype
        )
        self.top: Array = traces[-1].outputs

    @property
    def state(self) -> Array:
        """The state of all layers after the window, of shape (B, S)."""
        states = [trace.state for trace in self.traces]
        return states[0].copy() if len(states) == 1 else np.concatenate(states, axis=1)


class Network:
    """Recurrent layers and a linear map: vectors or symbols in, logits out."""

    def __init__(self, shape: NetworkShape) -> None:
        self.shape = shape
        sizes = [shape.input_size] + [shape.hidden_size] * (shape.layers - 1)
        cell = CELLS[shape.cell]
        self.cells = [cell(size, shape.hidden_size, f"layer{i}") for i, size in enumerate(sizes)]
        self.output = Linear(shape.hidden_size, shape.output_size, "output")
        self.state_size = sum(cell.state_size for cell in self.cells)
        self.shapes = self.output.shapes.copy()
        for layer in self.cells:
            self.shapes |= layer.shapes

    def initial(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        """Return weights drawn anew."""
        p = Parameters(self.shapes, dtype)
        for cell in self.cells:
            cell.initialise(p, rng)
        self.output.initialise(p, rng)
        return p

    def zero_state(self, *batch: int, dtype: DTypeLike = np.float32) -> Array:
        """Return an empty memory, of shape (S,), or (B, S) when *batch* is given."""
        return np.zeros((*batch, self.state_size), dtype)

    def tape(self, times: int, batch: int, dtype: DTypeLike = np.float32) -> Tape:
        """Return work space for windows of *times* steps of *batch* streams."""
        traces = [cell.trace(times, batch, dtype) for cell in self.cells]
        turned = self.output.turned(times * batch, traces[-1].ahead * batch, dtype)
        return Tape(traces, aligned((times, batch, self.shape.output_size), dtype), turned)

    def forward(
        self, p: Parameters, x: Array | Indices, state: Array, tape: Tape | None = None
    ) -> Tape:
        """Run over *x*, of shape (T, B, I) or as symbols (T, B), from *state*, of shape (B, S).

        What is returned is *tape*, filled, or a new one.
        """
        tape = self.tape(x.shape[0], x.shape[1], p.vector.dtype) if tape is None else tape
        tape.masks = []
        return self._forward(p, x, state, tape)

    def forward_dropout(
        self,
        p: Parameters,
        x: Array | Indices,
        state: Array,
        tape: Tape,
        share: float,
        rng: np.random.Generator,
    ) -> Tape:
        """Run over a window as `forward` does, with a *share* of each layer's outputs left out.

        Which ones is drawn for each stream once a window (Gal & Ghahramani, "A theoretically
        grounded application of dropout in recurrent neural networks", 2016), and the connections
        within a layer stay whole (Zaremba et al., "Recurrent neural network regularization", 2014).
        """
        size = (len(self.cells), x.shape[1], self.shape.hidden_size)
        keep = rng.random(size, dtype=np.float32) >= share
        tape.masks = list(keep.astype(p.vector.dtype) / p.vector.dtype.type(1 - share))
        return self._forward(p, x, state, tape)

    def _forward(self, p: Parameters, x: Array | Indices, state: Array, tape: Tape) -> Tape:
        start = 0
        for index, (cell, trace) in enumerate(zip(self.cells, tape.traces, strict=True)):
            cell.forward(p, x, state[:, start : start + cell.state_size], trace)
            start += cell.state_size
            x = trace.outputs * tape.masks[index] if tape.masks else trace.outputs
            tape.top = x
        self.output.forward(p, tape.top, out=tape.logits)
        return tape

    def backward(self, p: Parameters, tape: Tape, dlogits: Array, gradients: Parameters) -> None:
        """Write the gradients of all weights, given that of the logits, (T, B, K)."""
        hidden, last = self.shape.hidden_size, len(self.cells) - 1
        self.output.bias_backward(dlogits, gradients)
        tape.turned.begin(tape.top.reshape(-1, hidden), dlogits.reshape(-1, dlogits.shape[2]))
        way_back = self.output.way_back(p, tape.dh.size // hidden)

        def dh(times: slice) -> Array:
            some = tape.dh[: times.stop - times.start]
            way_back(dlogits[times], some)
            tape.turned.add(times.start * dlogits.shape[1])
            if tape.masks:
                some *= tape.masks[last]
            return some

        self.cells[last].backward(p, tape.traces[last], dh, gradients)
        tape.turned.end(gradients[self.output.w])
        for index in range(last, 0, -1):
            dx = self.cells[index].input_gradient(p, tape.traces[index])
            if tape.masks:
                dx *= tape.masks[index - 1]
            self.cells[index - 1].backward(p, tape.traces[index - 1], dx.__getitem__, gradients)

    def step(self, p: Parameters, x: Array | int, state: Array) -> tuple[Array, Array]:
        """Return the logits, (K,), and the next state, (S,), after one more vector or symbol."""
        parts, start = [], 0
        for cell in self.cells:
            part = cell.step(p, x, state[start : start + cell.state_size])
            start += cell.state_size
            x = part[: cell.hidden_size]
            parts.append(part)
        logits: Array = np.matmul(x, p[self.output.w])
        logits += p[self.output.b]
        return logits, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def stepper(self, p: Parameters) -> NetworkStep:
        """Return `step` for weights that stay as they are: it takes half the time.

        Its arguments are x and the state. One thread at a time: it has a work space.
        """
        layers = [(cell.stepper(p), cell.state_size, cell.hidden_size) for cell in self.cells]
        w, b = aligned(p[self.output.w].shape, p.vector.dtype), p[self.output.b].copy()
        w[...] = p[self.output.w]
        advance, hidden = layers[0][0], self.shape.hidden_size
        whole = self.state_size == hidden

        def single(x: Array | int, state: Array) -> tuple[Array, Array]:
            state = advance(x, state)
            logits: Array = (state if whole else state[:hidden]).dot(w)
            return np.add(logits, b, logits), state

        def several(x: Array | int, state: Array) -> tuple[Array, Array]:
            parts, start = [], 0
            for layer, size, hidden in layers:
                parts.append(layer(x, state[start : start + size]))
                start += size
                x = parts[-1][:hidden]
            return parts[-1][: self.shape.hidden_size].dot(w) + b, np.concatenate(parts)

        return single if len(layers) == 1 else several
