"""How well is an abnormal session told from a normal one, by a model that saw only normal ones?

The blocks of a Hadoop file system (HDFS): a session is the events of one block. Everything is
learnt from the 4,855 normal sessions of DeepLog's training set, and so are all thresholds: a fifth
of them at a time is held out, and what surprised there more than all but one in 4,000 is the
threshold. False positives are scaled from the sample to all 553,366 normal sessions. The test
sessions are not unseen: see docs/surprise.md.

    python benchmarks/sequences.py [--epochs 40] [--no-torch]
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from rnnd.rnn.sequences import SequenceModel, SequenceSettings

Session = tuple[int, ...]
NORMAL = 553_366  # normal test sessions in all
EVENTS = 29
FOLDS = 5
FALSE_ALARMS = 1 / 4000  # of the normal sessions held out
GRAM, WINDOW, CANDIDATES = 3, 10, 9  # DeepLog's window and candidates


def read_sessions(path: Path) -> list[Session]:
    """Return the sessions of a file, one a line, as event numbers."""
    return [tuple(map(int, line.split())) for line in path.read_text().splitlines()]


def print_row(
    name: str, abnormal: Sequence[bool], normal: Sequence[bool], whole: int, extra: str = ""
) -> None:
    """Print a detector's scores, given which sessions it took for abnormal."""
    found = sum(abnormal) / len(abnormal) * whole
    false = sum(normal) / len(normal) * NORMAL
    precision, recall = found / max(1, found + false), found / whole
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(
        f"{name:<44}{precision:>10.4f}{recall:>8.4f}{f1:>8.4f}{sum(normal):>8}   {extra}",
        flush=True,
    )


def grams(session: Session) -> frozenset[Session]:
    """Return all stretches of three events, the session's edges included."""
    edged = (0, 0, *session, 0)
    return frozenset(edged[i : i + GRAM] for i in range(len(edged) - GRAM + 1))


def unseen(train: Sequence[Session]) -> Iterator[tuple[str, Callable[[Session], bool]]]:
    """Give the trivial detectors: whatever was not there in training is abnormal."""
    seen_grams = frozenset().union(*map(grams, train))
    seen_counts = {tuple(sorted(session)) for session in train}
    seen_sets = {frozenset(session) for session in train}
    yield "an n-gram of 3 unseen in training", lambda s: not grams(s) <= seen_grams
    yield "a count vector unseen in training", lambda s: tuple(sorted(s)) not in seen_counts
    yield "a set of events unseen in training", lambda s: frozenset(s) not in seen_sets


def greatest(model: SequenceModel, sessions: Sequence[Session]) -> np.ndarray:
    """Return the most surprising moment of each session."""
    return np.array([surprises.max() for surprises in model.read(sessions)])


def threshold_of(train: Sequence[Session], settings: SequenceSettings, epochs: int) -> float:
    """Return the surprise that all but a few held-out sessions stay below."""
    order = np.random.default_rng(0).permutation(len(train))
    held_out = []
    for fold in range(FOLDS):
        model = SequenceModel(settings, seed=fold)
        model.fit([train[i] for i in order[np.arange(len(order)) % FOLDS != fold]], epochs)
        held_out.append(greatest(model, [train[i] for i in order[fold::FOLDS]]))
    scores = np.sort(np.concatenate(held_out))
    return float(scores[-1 - int(FALSE_ALARMS * len(scores))])


def rnnd_row(
    data: dict[str, list[Session]], whole: int, epochs: int, settings: SequenceSettings
) -> None:
    """Train, choose the threshold, and only then read the test sessions."""
    train = data["train"]
    threshold = threshold_of(train, settings, epochs)
    model = SequenceModel(settings)
    begin = perf_counter()
    model.fit(train, epochs)
    training = perf_counter() - begin
    begin = perf_counter()
    flags = {name: greatest(model, data[name]) > threshold for name in ("abnormal", "normal")}
    rate = (len(data["abnormal"]) + len(data["normal"])) / (perf_counter() - begin)
    print_row(
        f"rnnd, {epochs} pass{'es' if epochs > 1 else ''}",
        flags["abnormal"].tolist(),
        flags["normal"].tolist(),
        whole,
        f"threshold {threshold:.2f}, trained in {training:.0f} s, {rate:,.0f} sessions/s",
    )


def torch_row(
    data: dict[str, list[Session]], whole: int, epochs: int, settings: SequenceSettings
) -> None:
    """The same for an LSTM in the manner of DeepLog: is the next event among the likeliest nine?"""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.LSTM(EVENTS + 1, settings.hidden, batch_first=True)
            self.output = torch.nn.Linear(settings.hidden, EVENTS + 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            one_hot = torch.nn.functional.one_hot(x, EVENTS + 1).float()
            return self.output(self.cell(one_hot)[0][:, -1])

    def windows(sessions: Sequence[Session]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        rows, targets, owners = [], [], []
        for owner, session in enumerate(sessions):
            edged = (*(0,) * WINDOW, *session)
            for i in range(WINDOW, len(edged)):
                rows.append(edged[i - WINDOW : i])
                targets.append(edged[i])
                owners.append(owner)
        return torch.tensor(rows), torch.tensor(targets), owners

    net = Net()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    x, y, _ = windows(data["train"])
    begin = perf_counter()
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(1024):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[some]), y[some]).backward()
            optimiser.step()
    training = perf_counter() - begin
    begin = perf_counter()
    flags = {}
    for name in ("abnormal", "normal"):
        distinct = sorted(set(data[name]))
        x, y, owners = windows(distinct)
        with torch.no_grad():
            logits = torch.cat([net(some) for some in x.split(8192)])
        rank = (logits > logits.gather(1, y[:, None])).sum(1)
        bad = {distinct[owners[i]] for i in torch.nonzero(rank >= CANDIDATES).flatten().tolist()}
        flags[name] = [session in bad for session in data[name]]
    rate = (len(data["abnormal"]) + len(data["normal"])) / (perf_counter() - begin)
    extra = f"top {CANDIDATES} of {WINDOW}, trained in {training:.0f} s, {rate:,.0f} sessions/s"
    name = f"LSTM like DeepLog's (PyTorch), {epochs} passes"
    print_row(name, flags["abnormal"], flags["normal"], whole, extra)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=40, help="passes over the training sessions")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    arguments = parser.parse_args()
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RNND_DATA", beside)) / "hdfs"
    if not folder.is_dir():
        print(f"{folder}: no data (see benchmarks/README.md)")
        return 0
    data = {
        "train": read_sessions(folder / "train.txt"),
        "abnormal": read_sessions(folder / "abnormal_dev.txt"),
        "normal": read_sessions(folder / "normal_dev.txt"),
    }
    whole = 2 * len(data["abnormal"])  # the file holds half of them
    print(f"{'detector':<44}{'precision':>10}{'recall':>8}{'F1':>8}{'false':>8}")
    for name, flag in unseen(data["train"]):
        print_row(name, [*map(flag, data["abnormal"])], [*map(flag, data["normal"])], whole)
    settings = SequenceSettings(symbols=EVENTS + 1)
    if not arguments.no_torch:
        torch_row(data, whole, 10, settings)
    for epochs in (1, arguments.epochs):
        rnnd_row(data, whole, epochs, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
