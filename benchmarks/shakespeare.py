"""Character models of Shakespeare: how low the loss gets, in how much processor time.

    make bench BENCH=benchmarks/shakespeare.py
    .venv/bin/python benchmarks/shakespeare.py --long      also 5 and 15 minutes, and two processes

The text is tinyshakespeare (github.com/karpathy/char-rnn), 1.1 MB, in $RNND_DATA/shakespeare; the
last tenth is held out and its loss, in nats a character, is what is printed. Time is processor time
of this process, so that whatever else the machine does counts little; with two processes both take
the same. BLAS has one thread.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from min_char_rnn import MinCharRNN

from rnnd.codecs.char import CharCodec
from rnnd.daemon.character.models import Model
from rnnd.daemon.character.training import Training
from rnnd.daemon.character.training_loop import Loop, Plan, fingerprint
from rnnd.daemon.character.training_report import Silence
from rnnd.daemon.character.training_settings import TrainingSettings, preset
from rnnd.daemon.character.writing import continue_text
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import AdaGrad
from rnnd.rnn.sampling import Soft
from rnnd.rnn.training import Trainer, Windows, mean_loss

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def read_text() -> str | None:
    """Return the text, or None where it is missing."""
    path = Path(os.environ.get("RNND_DATA", FOLDER)) / "shakespeare" / "input.txt"
    return path.read_text(encoding="utf-8") if path.exists() else None


def beside_min_char_rnn(whole: str, seconds: float) -> None:
    """Print speed and loss of the simplest model, ours beside the well-known program's."""
    symbols = CharCodec.of(whole).symbols(whole)
    edge = len(symbols) * 9 // 10
    text, unseen = symbols[:edge], symbols[edge:]
    baseline = MinCharRNN(int(symbols.max()) + 1)
    network = Network(NetworkShape("rnn", baseline.symbols, 100, baseline.symbols))
    weights = network.initial(np.random.default_rng(0))
    trainer, adagrad = Trainer.alone(network, weights, 1), AdaGrad(len(weights.vector))
    windows = Windows(text, 1, 25)
    speeds, steps = [0.0, 0.0], 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        for _ in range(100):
            trainer.step(*windows.at(steps), adagrad, 0.1 if steps < 40_000 else 0.03)
            steps += 1
    speeds[0] = steps * 25 / (time.process_time() - start)
    start, count = time.process_time(), 0
    integers = text.astype(np.intp)
    while time.process_time() - start < seconds / 4:
        baseline.step(integers)
        count += 1
    speeds[1] = count * 25 / (time.process_time() - start)
    print(f"tanh, hidden 100, length 25, AdaGrad, batch 1, {seconds:.0f} s of processor time")
    print(
        f"  ours                 {speeds[0]:9,.0f} characters/s, loss "
        f"{mean_loss(network, weights, unseen, 1):.3f} (wanted: 2.05)"
    )
    print(
        f"  min-char-rnn         {speeds[1]:9,.0f} characters/s, loss "
        f"{baseline.mean_loss(unseen[:20_000].astype(np.intp)):.3f} after a quarter of the time"
    )
    print(f"  ratio                {speeds[0] / speeds[1]:9.1f} (wanted: 5)", flush=True)


def defaults(text: str, seconds: float, processes: int, wanted: float) -> None:
    """Print what `rnnd train --for` leaves in the model file with its defaults."""
    codec = CharCodec.of(text)
    settings = replace(TrainingSettings(**preset(seconds, len(text))), processes=processes)
    with ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / "model"
        plan = Plan(path, seconds, save_every=seconds)
        training = Training(settings, len(codec.alphabet), codec.symbols(text))
        stack.enter_context(training)
        loop = Loop(training, codec, plan, time.process_time, Silence(), fingerprint(text))
        loop.run()
        model = Model.load(path)
    epochs = training.taken / training.windows.epoch
    speed = training.taken * training.characters / seconds
    print(
        f"{seconds:.0f} s on {processes} of the machine's cores, {settings.cell} "
        f"{settings.hidden}: {epochs:.1f} epochs at {speed:,.0f} characters/s, "
        f"loss {loop.best_loss:.3f} (wanted: {wanted}), {training.loss:.3f} on the text itself",
        flush=True,
    )
    sample = continue_text(model, "", Soft(np.random.default_rng(1), temperature=0.8))
    print("".join("    | " + line for line in "".join(islice(sample, 400)).splitlines(True)))


def two_processes(text: str, seconds: float) -> None:
    """Print how much faster two processes are than one, by the clock on the wall."""
    codec = CharCodec.of(text)
    symbols, speeds = codec.symbols(text), []
    for processes in (1, 2):
        settings = TrainingSettings(hidden=384, processes=processes)
        with Training(settings, len(codec.alphabet), symbols) as training:
            training.step(0.5)
            start, first = time.monotonic(), training.taken
            while time.monotonic() - start < seconds:
                training.step(0.5)
            steps = training.taken - first
            speeds.append(steps * training.characters / (time.monotonic() - start))
    print(
        f"gru 384: {speeds[0]:,.0f} characters/s in one process, {speeds[1]:,.0f} in two: "
        f"{speeds[1] / speeds[0]:.2f} times (wanted: 1.75; by the wall clock, so the machine "
        "must have nothing else to do)",
        flush=True,
    )


PARTS: dict[str, Callable[[str, float], None]] = {
    "simple": beside_min_char_rnn,
    "short": lambda text, seconds: defaults(text, seconds, processes=1, wanted=1.67),
    "two": lambda text, seconds: two_processes(text, seconds / 4),
    "5min": lambda text, _: defaults(text, 300.0, processes=2, wanted=1.53),
    "15min": lambda text, _: defaults(text, 900.0, processes=2, wanted=1.50),
}
"""The parts of the benchmark by name; those of minutes are run with --long."""


def main() -> int:
    """Run all parts."""
    parser = argparse.ArgumentParser(description="Character models of Shakespeare.")
    parser.add_argument("--long", action="store_true", help="also 5 and 15 minutes")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the short parts")
    parser.add_argument("--only", choices=list(PARTS), help="this part alone")
    arguments = parser.parse_args()
    text = read_text()
    if text is None:
        print("shakespeare: no data (set RNND_DATA; see benchmarks/README.md)")
        return 0
    for name, part in PARTS.items():
        if name == arguments.only or (not arguments.only and (arguments.long or "min" not in name)):
            part(text, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
