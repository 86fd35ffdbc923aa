"""The network beside PyTorch's own modules on a processor: training, live steps, writing.

    make bench BENCH=benchmarks/network.py

Both run in one process, on one thread each, in float32, turn by turn, so that whatever else the
machine does falls on both alike; the time counted is the thread's processor time, and of many turns
the fastest. A turn of training is ten steps in a row, for so training goes: the first after the
other's turn finds nothing of its own in the caches. Each size is trained in a fresh process: where
large arrays have been freed before, malloc keeps what else it would give back to the system and
fetch anew, page by page, which was seen to save PyTorch's RNN 344 page faults and a sixteenth of
its time a step. PyTorch's are nn.RNN, nn.GRU and nn.LSTM in eager mode on one-hot vectors, with
cross-entropy, clipping by norm and Adam: the same sizes, the same step.
"""

# ruff: noqa: E402  threads are set before NumPy and PyTorch are imported

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import torch

from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import Adam
from rnnd.rnn.sampling import Soft, write
from rnnd.rnn.training import Trainer

Name = Literal["rnn", "gru", "lstm"]
CELLS: tuple[Name, ...] = ("rnn", "gru", "lstm")
SYMBOLS = 65
RATE, CLIP = 2e-3, 5.0
MODULES: dict[str, Any] = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
SINGLE: dict[str, Any] = {
    "rnn": torch.nn.RNNCell,
    "gru": torch.nn.GRUCell,
    "lstm": torch.nn.LSTMCell,
}
TRAINING = {  # hidden, length, batch: what is wanted of RNN, GRU, LSTM
    (128, 64, 32): (2.2, 1.7, 1.2),
    (256, 64, 32): (1.6, 1.45, 1.05),
    (100, 25, 1): (7.0, 6.0, 2.0),
    (64, 64, 8): (1.0, 1.0, 1.0),
    (128, 64, 8): (1.0, 1.0, 1.0),
    (256, 64, 8): (1.0, 1.0, 1.0),
}


class Peer:
    """What PyTorch's user would write."""

    def __init__(self, name: Name, hidden: int) -> None:
        self.recurrent = MODULES[name](SYMBOLS, hidden)
        self.output = torch.nn.Linear(hidden, SYMBOLS)
        self.parameters = [*self.recurrent.parameters(), *self.output.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, RATE)
        self.one_hot = torch.eye(SYMBOLS)
        self.state: Any = None

    def step(self, x: Any, targets: Any) -> float:
        """Learn from a window, carry the state on, and return the loss."""
        self.optimiser.zero_grad()
        h, state = self.recurrent(self.one_hot[x], self.state)
        loss = torch.nn.functional.cross_entropy(self.output(h).flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimiser.step()
        self.state = (
            tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        )
        return float(loss.item())


def network(name: Name, hidden: int, seed: int = 0) -> tuple[Network, Any]:
    """Return a network and fresh weights."""
    net = Network(NetworkShape(name, SYMBOLS, hidden, SYMBOLS))
    return net, net.initial(np.random.default_rng(seed))


def fastest(functions: Sequence[Callable[[], object]], turns: int, repeat: int) -> list[float]:
    """Return each function's least seconds a call; they take turns, *repeat* calls in each."""
    best = [float("inf")] * len(functions)
    for turn in range(turns + 2):
        for index, function in enumerate(functions):
            start = time.thread_time()
            for _ in range(repeat):
                function()
            if turn >= 2:  # the first are to warm up
                best[index] = min(best[index], (time.thread_time() - start) / repeat)
    return best


def peak() -> float:
    """Return the machine's own float32 matrix product, operations a second on one thread."""
    a = np.ones((1024, 1024), np.float32)
    out = np.empty_like(a)
    (seconds,) = fastest([lambda: np.matmul(a, a, out=out)], 15, 1)
    return float(2 * 1024**3 / seconds)


def operations(name: Name, hidden: int, characters: int) -> float:
    """Return the operations of the matrix products in one training step."""
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[name]
    return 3.0 * 2 * characters * hidden * (gates * hidden + SYMBOLS)


def step_seconds(name: Name, hidden: int, length: int, batch: int) -> list[float]:
    """Return the seconds of a training step, ours and PyTorch's."""
    one_thread()
    rng = np.random.default_rng(0)
    x, targets = rng.integers(0, SYMBOLS, (2, length, batch))
    net, weights = network(name, hidden)
    trainer, adam = Trainer.alone(net, weights, batch), Adam(len(weights.vector))
    peer = Peer(name, hidden)
    tx, tt = torch.from_numpy(x), torch.from_numpy(targets)
    turns, repeat = (12, 10) if batch > 1 else (15, 30)
    return fastest(
        [lambda: trainer.step(x, targets, adam, RATE, CLIP), lambda: peer.step(tx, tt)],
        turns,
        repeat,
    )


def training() -> None:
    """Print training throughput beside PyTorch's."""
    machine = peak()
    print(f"float32 matrix product of this machine: {machine / 1e9:.0f} GFLOP/s on one thread\n")
    print("training, characters a second     ours   PyTorch   ratio  wanted   of peak")
    with get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        for (hidden, length, batch), wanted in TRAINING.items():
            for name, goal in zip(CELLS, wanted, strict=True):
                mine, other = fresh.apply(step_seconds, (name, hidden, length, batch))
                size = length * batch
                share = operations(name, hidden, size) / mine / machine
                print(
                    f"{name:4} batch {batch:2}, length {length}, hidden {hidden:3} "
                    f"{size / mine:8,.0f} {size / other:9,.0f} {other / mine:7.2f} {goal:7.2f} "
                    f"{share:8.0%}",
                    flush=True,
                )


def live() -> None:
    """Print the time of one live step beside PyTorch's faster form, of many in a row."""
    print("\none live step, µs                  ours   PyTorch   ratio  wanted")
    for hidden in (64, 100, 128):
        for name in CELLS:
            net, weights = network(name, hidden)
            step, state = net.cells[0].stepper(weights), net.zero_state()
            module, single = MODULES[name](SYMBOLS, hidden), SINGLE[name](SYMBOLS, hidden)
            x = torch.eye(SYMBOLS)[:1]
            h = torch.zeros(1, hidden)
            given = (h, h) if name == "lstm" else h
            with torch.inference_mode():
                mine, *others = fastest(
                    [
                        lambda step=step, s=state: step(7, s),
                        lambda m=module, x=x: m(x),
                        lambda m=single, x=x, s=given: m(x, s),
                    ],
                    25,
                    400,
                )
            other = min(others)
            goal = "   5.00" if hidden == 128 else "       "
            print(
                f"{name:4} hidden {hidden:3}             {mine * 1e6:13.1f} {other * 1e6:9.1f} "
                f"{other / mine:7.2f} {goal}",
                flush=True,
            )


def writing() -> None:
    """Print the characters a second that are drawn and written, one at a time."""
    print("\nwriting, characters a second       ours   PyTorch   ratio  wanted")
    count = 500
    for name in CELLS:
        net, weights = network(name, 128)
        peer = Peer(name, 128)

        def ours(net: Network = net, w: Any = weights) -> object:
            choose = Soft(np.random.default_rng(0))
            logits = np.zeros(SYMBOLS, np.float32)
            return list(islice(write(net, w, logits, net.zero_state(), choose), count))

        def theirs(peer: Peer = peer) -> object:
            state, symbol, text = None, 0, []
            with torch.inference_mode():
                for _ in range(count):
                    h, state = peer.recurrent(peer.one_hot[symbol : symbol + 1], state)
                    p = torch.softmax(peer.output(h[0]), 0)
                    symbol = int(torch.multinomial(p, 1))
                    text.append(symbol)
            return text

        mine, other = fastest([ours, theirs], 20, 1)
        print(
            f"{name:4} hidden 128             {count / mine:13,.0f} {count / other:9,.0f} "
            f"{other / mine:7.2f}    7.00",
            flush=True,
        )


def copy_weights(name: Name, weights: Any, peer: Peer) -> None:
    """Give *peer* our weights."""
    order = {"rnn": [0], "gru": [0, 1, 2], "lstm": [1, 2, 3, 0]}[name]
    w_x, w_h, b = (weights[f"layer0.{part}"] for part in ("w_x", "w_h", "b"))
    w_h = w_h[:, [1, 2, 0]] if name == "gru" else w_h
    values = {
        "weight_ih_l0": np.concatenate([w_x[:, gate].T for gate in order]),
        "weight_hh_l0": np.concatenate([w_h[:, gate].T for gate in order]),
        "bias_ih_l0": np.concatenate([b[gate] for gate in order]),
        "bias_hh_l0": np.zeros(b.size, np.float32),
    }
    with torch.no_grad():
        for key, value in values.items():
            getattr(peer.recurrent, key).copy_(torch.from_numpy(value))
        peer.output.weight.copy_(torch.from_numpy(weights["output.w"].T.copy()))
        peer.output.bias.copy_(torch.from_numpy(weights["output.b"]))


def learning(steps: int = 400) -> None:
    """Print the losses of both on the same sequence, from the same weights."""
    print(f"\nloss, nats, after {steps * 32 * 64:,} characters of a made-up language")
    print("                                   ours   PyTorch")
    for name in CELLS:
        rng = np.random.default_rng(1)
        table = rng.dirichlet(np.full(SYMBOLS, 0.05), (SYMBOLS, 4))  # a Markov chain with a mode
        edges = table.cumsum(axis=-1)
        symbols = np.zeros((steps * 64 + 1, 32), np.int64)
        for t in range(1, len(symbols)):
            drawn = rng.random((32, 1)) * 0.999999
            symbols[t] = (edges[symbols[t - 1], (t // 7) % 4] < drawn).sum(axis=1)
        net, weights = network(name, 128)
        trainer, adam = Trainer.alone(net, weights, 32), Adam(len(weights.vector))
        peer = Peer(name, 128)
        copy_weights(name, weights, peer)
        losses = []
        for step in range(steps):
            x, y = symbols[step * 64 : step * 64 + 64], symbols[step * 64 + 1 : step * 64 + 65]
            mine = trainer.step(x, y, adam, RATE, CLIP)
            losses.append((mine, peer.step(torch.from_numpy(x), torch.from_numpy(y))))
        ours, theirs = np.mean(losses[-50:], axis=0)
        print(f"{name:4} hidden 128             {ours:13.3f} {theirs:9.3f}", flush=True)


def one_thread() -> None:
    """Let PyTorch work on one thread, and begin with the same numbers."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


def main() -> int:
    """Run all parts."""
    one_thread()
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, one thread each\n")
    training()
    live()
    writing()
    learning()
    return 0


if __name__ == "__main__":
    sys.exit(main())
