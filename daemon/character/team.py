"""Processes that train one network together, on memory that they share.

BLAS threads gain nothing at the sizes of a small recurrent network; processes do. Each part of a
team reads its own streams and finds its own gradients. Then each adds up one stretch of all
gradients and changes that stretch of the weights. A step has three rounds, and nobody begins one
before all have ended the round before:

    differentiate   the loss on the part's streams         → its gradients
    combine         a stretch of the sum of all gradients  → its share of the squared norm
    update          the same stretch of the weights

Nothing depends on who is faster: the same number of processes gives the same bits.
"""

import atexit
import math
import mmap
import multiprocessing
import os
import signal
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rnnd.daemon.character.training_settings import TrainingSettings
from rnnd.errors import RnndError
from rnnd.rnn.network import Network
from rnnd.rnn.optimisers import AdaGrad, Adam
from rnnd.rnn.parameters import CACHE_LINE, Array, Indices, Parameters, aligned_zeros
from rnnd.rnn.training import Trainer, Windows, mean_loss

VALIDATION_STREAMS = 8
PATIENCE = 0.005  # seconds of waiting before a part lets its processor go


def shared(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return zeros in memory that this process and those forked from it share."""
    count = math.prod(shape)
    memory = mmap.mmap(-1, max(1, count) * np.dtype(dtype).itemsize)
    numbers: Array = np.frombuffer(memory, dtype)
    return numbers[:count].reshape(shape)


def shared_rows(rows: int, size: int, dtype: DTypeLike) -> Array:
    """Return zeros as `shared` does, (*rows*, *size*), of which each row begins a cache line."""
    line = CACHE_LINE // np.dtype(dtype).itemsize
    return shared((rows, -(-size // line) * line), dtype)[:, :size]


@dataclass(frozen=True)
class Common:
    """What all parts of a team see."""

    settings: TrainingSettings
    network: Network
    windows: Windows
    validation: Indices
    weights: Parameters
    gradients: list[Parameters]  # of each part's streams: views of the rows of `all_gradients`
    all_gradients: Array  # (parts, N)
    moments: Array  # the optimiser's memory, (M, N)
    memory: Array  # the states of the streams, (B, S)

    @classmethod
    def allocate(
        cls,
        settings: TrainingSettings,
        network: Network,
        windows: Windows,
        validation: Indices,
        parts: int,
    ) -> "Common":
        """Return shared memory for so many *parts*, all zeros."""
        dtype, shapes = settings.precision, network.shapes
        size = sum(math.prod(shape) for shape in shapes.values())
        slots = Adam.slots if settings.optimiser == "adam" else AdaGrad.slots
        gradients = shared_rows(parts, size, dtype)
        return cls(
            settings,
            network,
            windows,
            validation,
            Parameters(shapes, dtype, shared((size,), dtype)),
            [Parameters(shapes, dtype, row) for row in gradients],
            gradients,
            shared_rows(slots, size, dtype),
            shared((windows.batch, network.state_size), dtype),
        )


class Part:
    """One process's share of the work: the *rank*-th of all."""

    def __init__(self, common: Common, rank: int) -> None:
        self.common = common
        self.rank = rank
        parts = len(common.gradients)
        size, batch = len(common.weights.vector), common.windows.batch
        stretches = (
            np.linspace(0, size, parts + 1).astype(int) // CACHE_LINE * CACHE_LINE
        ).tolist()
        stretches[-1] = size
        streams = np.linspace(0, batch, parts + 1).astype(int).tolist()
        self.stretch = slice(stretches[rank], stretches[rank + 1])
        self.streams = slice(streams[rank], streams[rank + 1])
        self.shares = np.diff(streams) / batch  # of all parts
        self.trainer = Trainer(
            common.network,
            common.weights,
            common.gradients[rank],
            common.memory[self.streams],
        )
        self.optimiser = self._optimiser()
        length = self.stretch.stop - self.stretch.start
        self.gradient: Array = aligned_zeros(length, common.weights.vector.dtype)

    def _optimiser(self) -> Adam | AdaGrad:
        common, stretch = self.common, self.stretch
        size, dtype = stretch.stop - stretch.start, common.settings.precision
        moments = common.moments[:, stretch]
        if common.settings.optimiser == "adagrad":
            return AdaGrad(size, dtype, moments)
        decayed = common.weights.matrices()[stretch]
        return Adam(size, dtype, moments, decay=common.settings.decay, decayed=decayed)

    def differentiate(self, step: int) -> float:
        """Find the gradients on this part's streams and return their share of the loss."""
        settings = self.common.settings
        x, targets = self.common.windows.at(step)
        rng = np.random.default_rng((settings.seed, step, self.rank))
        with np.errstate(all="ignore"):  # what is no number is noticed after the round
            loss = self.trainer.differentiate(
                x[:, self.streams],
                targets[:, self.streams],
                settings.dropout,
                rng,
                settings.dropconnect,
            )
        return float(loss * self.shares[self.rank])

    def combine(self) -> float:
        """Add up this part's stretch of all gradients and return its squared norm."""
        with np.errstate(all="ignore"):
            shares = self.shares.astype(self.gradient.dtype)
            shares.dot(self.common.all_gradients[:, self.stretch], self.gradient)
            return float(np.dot(self.gradient, self.gradient))

    def update(self, step: int, rate: float, scale: float) -> float:
        """Change this part's stretch of the weights."""
        if scale != 1:
            self.gradient *= scale
        if isinstance(self.optimiser, Adam):
            self.optimiser.steps = step
        with np.errstate(over="ignore"):  # the next loss tells
            self.optimiser.update(self.common.weights.vector[self.stretch], self.gradient, rate)
        return 0.0

    def validate(self) -> float:
        """Return this part's share of the loss on the text that was held out."""
        text, parts = self.common.validation, len(self.shares)
        edges = np.linspace(0, len(text) - 1, parts + 1).astype(int)
        start, stop = int(edges[self.rank]), int(edges[self.rank + 1])
        if start == stop:
            return 0.0
        streams = max(1, VALIDATION_STREAMS // parts)
        network, weights = self.common.network, self.common.weights
        with np.errstate(all="ignore"):
            loss = mean_loss(network, weights, text[start : stop + 1], streams)
        return loss * (stop - start) / (len(text) - 1)


class Worker:
    """A further process, which does for its part what it is asked."""

    def __init__(self, part: Part) -> None:
        context = multiprocessing.get_context("fork")
        self._part = part
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(part, theirs, self._connection), daemon=True
        )
        with warnings.catch_warnings():
            # Python warns of forking when BLAS has threads; the child's BLAS does without them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        # Whoever does not take leave: Python waits at its end for those that nobody told of it.
        atexit.register(self.leave)

    def ask(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Let the process begin with the part's method *name*."""
        try:
            self._connection.send((name, arguments))
        except OSError as error:
            raise RnndError("training: a process has died") from error

    def answer(self) -> float:
        """Wait for what the method returns."""
        try:
            _look_out(self._connection, len(self._part.shares))
            return float(self._connection.recv())
        except (EOFError, OSError) as error:
            raise RnndError("training: a process has died") from error

    def leave(self) -> None:
        """Let the process end once the later ones have ended, which hold copies of this end."""
        self._connection.close()
        atexit.unregister(self.leave)

    def join(self) -> None:
        """Wait until the process has ended."""
        self._process.join()


def _serve(part: Part, connection: Connection, theirs: Connection) -> None:
    """Do what is asked until the other end is closed, or its process has died."""
    # Whoever asks decides when to stop, also where all are told to, as `timeout` does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    theirs.close()
    while True:
        try:
            _look_out(connection, len(part.shares))
            name, arguments = connection.recv()
            connection.send(getattr(part, name)(*arguments))
        except (EOFError, OSError):
            return


def _look_out(connection: Connection, parts: int) -> None:
    """Wait for a message, for a moment only, and awake.

    The parts wait for each other several times a step, mostly not for long. A process that sleeps
    must be woken, which on a busy machine takes milliseconds: a third of the time in all.
    """
    if parts > len(os.sched_getaffinity(0)):
        return  # somebody else needs the processor
    patience = time.monotonic() + PATIENCE
    while not connection.poll() and time.monotonic() < patience:
        pass
