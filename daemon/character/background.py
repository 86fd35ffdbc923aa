"""Training in the background, fed and asked from other threads without ever waiting for them.

The shape comes from Olivier Wulveryck's article of 2017, where two channels joined a training
goroutine to its caller: one for the data, one for the loss. Here windows go in through a queue of
bounded length, and losses come out through another, the oldest making room when nobody reads them.
"""

import contextlib
import queue
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TypeAlias

from rnnd.rnn.network import Network
from rnnd.rnn.optimisers import Optimiser
from rnnd.rnn.parameters import Array, Indices, Parameters
from rnnd.rnn.sampling import read
from rnnd.rnn.training import Trainer

Window: TypeAlias = tuple[Indices, Indices]
"""Symbols, (T, B), and those that follow them."""


class BackgroundTraining(AbstractContextManager["BackgroundTraining"]):
    """Trains *weights* on a thread of its own, on the windows that it is fed.

    Leaving the context ends the thread after the window at hand. An error on the thread is raised
    by the next `feed`, or on leaving.
    """

    def __init__(
        self,
        network: Network,
        weights: Parameters,
        batch: int,
        optimiser: Optimiser,
        rate: float,
        room: int = 16,
    ) -> None:
        self._trainer = Trainer.alone(network, weights, batch)
        self._optimiser = optimiser
        self._rate = rate
        self._windows: queue.Queue[Window | None] = queue.Queue(room)
        self._losses: queue.Queue[float] = queue.Queue(room)
        self._lock = threading.Lock()  # held while the weights change or are read
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def __enter__(self) -> "BackgroundTraining":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._windows.put(None)
        self._thread.join()
        self._raise()

    def feed(self, window: Window, timeout: float | None = None) -> None:
        """Hand over a window, waiting while the queue is full.

        Raises `queue.Full` when there was no room for *timeout* seconds.
        """
        self._raise()
        self._windows.put(window, timeout=timeout)

    def losses(self) -> list[float]:
        """Return the losses since the last call, oldest first; never waits."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._losses.get_nowait())
        return found

    def backup(self) -> Parameters:
        """Return a copy of the weights as they are between two windows."""
        with self._lock:
            copy = self._trainer.weights.zeros()
            copy.vector[...] = self._trainer.weights.vector
        return copy

    def restore(self, weights: Parameters) -> None:
        """Go on from other *weights*, such as those of a model trained before."""
        with self._lock:
            self._trainer.weights.vector[...] = weights.vector

    def predict(self, symbols: Iterable[int]) -> Array:
        """Return the logits of what follows *symbols*, read from an empty memory."""
        weights = self.backup()
        network = self._trainer.network
        return read(network, weights, symbols, network.zero_state(dtype=weights.vector.dtype))[0]

    def _work(self) -> None:
        try:
            while (window := self._windows.get()) is not None:
                with self._lock:
                    loss = self._trainer.step(*window, self._optimiser, self._rate)
                self._report(loss)
        except BaseException as error:  # raised again where somebody can see it
            self._error = error
            while self._windows.get() is not None:  # so that nobody waits for room
                pass

    def _report(self, loss: float) -> None:
        while True:
            try:
                return self._losses.put_nowait(loss)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._losses.get_nowait()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
