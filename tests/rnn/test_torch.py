"""The same weights give PyTorch's values and gradients."""

from typing import Any, Literal

import numpy as np
import pytest

from rnnd.rnn.dropconnect import DropConnect
from rnnd.rnn.heads import cross_entropy
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.parameters import Array, Parameters
from rnnd.rnn.training import Trainer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

INPUTS, HIDDEN, TIMES, BATCH = 5, 7, 6, 3


def blocks(kind: str, w: Array) -> Array:
    """Our weights (I, G, H) in PyTorch's layout (G H, I), ours being o, i, f, g in the LSTM."""
    order = {"rnn": [0], "gru": [0, 1, 2], "lstm": [1, 2, 3, 0]}[kind]
    return np.concatenate([w[:, gate].T for gate in order])


def torch_weights(kind: str, p: Parameters, layer: int) -> dict[str, Array]:
    name = f"layer{layer}"
    w_h, b = p[f"{name}.w_h"], p[f"{name}.b"]
    recurrent = w_h[:, [1, 2, 0]] if kind == "gru" else w_h  # ours are m, r, z
    loop = np.zeros_like(b)
    if kind == "gru":
        loop[2] = p[f"{name}.b_m"]
    return {
        f"weight_ih_l{layer}": blocks(kind, p[f"{name}.w_x"]),
        f"weight_hh_l{layer}": blocks(kind, recurrent),
        f"bias_ih_l{layer}": blocks(kind, b[None]).ravel(),
        f"bias_hh_l{layer}": blocks(kind, loop[None]).ravel(),
    }


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_values_and_gradients_are_pytorchs(
    kind: Literal["rnn", "gru", "lstm"], layers: int
) -> None:
    rng = np.random.default_rng(2)
    network = Network(NetworkShape(kind, INPUTS, HIDDEN, INPUTS, layers))
    p = network.initial(rng, np.float64)
    p.vector[...] += rng.normal(0, 0.1, len(p.vector))
    module: Any = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    peer = module(INPUTS, HIDDEN, layers).double()
    output = torch.nn.Linear(HIDDEN, INPUTS).double()
    with torch.no_grad():
        for layer in range(layers):
            for name, values in torch_weights(kind, p, layer).items():
                getattr(peer, name).copy_(torch.from_numpy(values))
        output.weight.copy_(torch.from_numpy(p["output.w"].T))
        output.bias.copy_(torch.from_numpy(p["output.b"]))
    x, targets = rng.integers(0, INPUTS, (TIMES, BATCH)), rng.integers(0, INPUTS, TIMES * BATCH)

    logits = output(peer(torch.eye(INPUTS).double()[torch.from_numpy(x)])[0])
    torch.nn.functional.cross_entropy(
        logits.reshape(-1, INPUTS), torch.from_numpy(targets)
    ).backward()
    tape = network.forward(p, x, network.zero_state(BATCH, dtype=np.float64))
    ours = tape.logits.copy()
    cross_entropy(tape.logits.reshape(-1, INPUTS), targets)
    gradients = p.zeros()
    network.backward(p, tape, tape.logits, gradients)

    np.testing.assert_allclose(ours, logits.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(gradients["output.w"].T, output.weight.grad.numpy(), atol=1e-10)
    for layer in range(layers):
        found = torch_weights(kind, gradients, layer)
        for name, values in found.items():
            if kind == "gru" and name.startswith("bias_hh"):
                values[: 2 * HIDDEN] = found[f"bias_ih_l{layer}"][: 2 * HIDDEN]
            elif name.startswith("bias_hh"):
                values = found[f"bias_ih_l{layer}"]
            np.testing.assert_allclose(
                values, getattr(peer, name).grad.numpy(), atol=1e-10, err_msg=name
            )


def test_gradients_under_dropconnect_are_pytorchs() -> None:
    rng = np.random.default_rng(2)
    network = Network(NetworkShape("gru", INPUTS, HIDDEN, INPUTS))
    learner = Trainer.alone(network, network.initial(rng, np.float64), BATCH)
    p = learner.weights
    thinned = DropConnect(network, p).draw(0.4, np.random.default_rng(1)).copy()
    kept = torch.from_numpy(blocks("gru", thinned["layer0.w_h"][:, [1, 2, 0]]) != 0)
    weights = {
        name.removesuffix("_l0"): torch.from_numpy(values.copy()).requires_grad_()
        for name, values in torch_weights("gru", p, 0).items()
    }
    thin = {**weights, "weight_hh": weights["weight_hh"] * kept * (256 / (256 - round(256 * 0.4)))}
    cell, output = torch.nn.GRUCell(INPUTS, HIDDEN).double(), torch.from_numpy(p["output.w"])
    x, targets = rng.integers(0, INPUTS, (2, TIMES, BATCH))

    h, loss = torch.zeros(BATCH, HIDDEN).double(), torch.zeros(())
    for symbols, wanted in zip(torch.from_numpy(x), torch.from_numpy(targets), strict=True):
        h = torch.func.functional_call(cell, thin, (torch.eye(INPUTS).double()[symbols], h))
        loss = loss + torch.nn.functional.cross_entropy(h @ output, wanted) / TIMES
    loss.backward()
    ours = learner.differentiate(x, targets, rng=np.random.default_rng(1), dropconnect=0.4)

    assert ours == pytest.approx(loss.item(), abs=1e-10)
    np.testing.assert_allclose(
        torch_weights("gru", learner.gradients, 0)["weight_hh_l0"],
        weights["weight_hh"].grad.numpy(),
        atol=1e-10,
    )
