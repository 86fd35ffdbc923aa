"""What `rnnd train` shows on a terminal while it works; in a pipe it is silent."""

from contextlib import AbstractContextManager
from math import log

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from rnnd.daemon.training import Training


def bits(nats: float) -> float:
    """Return *nats* in bits.

    >>> round(bits(1.0), 3)
    1.443
    """
    return nats / log(2)


class Silence(AbstractContextManager["Silence"]):
    """Shows nothing."""

    def stepped(self, training: Training, share: float) -> None:
        """Hear of a step."""

    def validated(self, training: Training, loss: float) -> None:
        """Hear of the loss on the text that was held out."""

    def sampled(self, text: str) -> None:
        """See what the model writes."""

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""


class Terminal(AbstractContextManager["Terminal"]):
    """Shows a bar with loss, bits and characters a second, and what the model writes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]:.2f}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f} nats, {task.fields[bits]:.3f} bits"),
            TextColumn("{task.fields[speed]:,.0f} characters/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(
            "", total=1.0, epoch=0.0, loss=0.0, bits=0.0, speed=0.0
        )
        self._first: int | None = None

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stepped(self, training: Training, share: float) -> None:
        """Move the bar."""
        if self._first is None:
            self._first = training.taken
        elapsed = self._progress.tasks[0].elapsed or 0.0
        learnt = (training.taken - self._first) * training.characters
        self._progress.update(
            self._task,
            completed=share,
            epoch=training.taken / training.windows.epoch,
            loss=training.loss,
            bits=bits(training.loss),
            speed=learnt / elapsed if elapsed else 0.0,
        )

    def validated(self, training: Training, loss: float) -> None:
        """Print a line."""
        epoch = training.taken / training.windows.epoch
        self._console.print(
            f"epoch {epoch:6.2f}   loss {training.loss:.3f}   on unseen text {loss:.3f} nats, "
            f"{bits(loss):.3f} bits a character",
            highlight=False,
        )

    def sampled(self, text: str) -> None:
        """Print the sample."""
        self._console.print(Panel(Text(text), title="a sample", border_style="dim"))
