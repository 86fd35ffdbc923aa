"""What `rnnd train` shows on a terminal while it works; in a pipe it is silent."""

from contextlib import AbstractContextManager
from math import log

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rnnd.daemon.character.training import Training

WIDE, NARROW = 100, 75  # columns of a terminal with room for everything, or for a short form


def bits(nats: float) -> float:
    """Return *nats* in bits.

    >>> round(bits(1.0), 3)
    1.443
    """
    return nats / log(2)


def columns(width: int) -> list[ProgressColumn]:
    """Return what the progress line shows on a terminal of so many columns; always the time left.

    >>> [len(columns(width)) for width in (120, 80, 40)]
    [8, 6, 4]
    """
    epoch, left = TextColumn("epoch {task.fields[epoch]:.2f}"), TextColumn("left")
    loss = "loss {task.fields[loss]:.3f} nats"
    both, speed = loss + ", {task.fields[bits]:.3f} bits", "{task.fields[speed]:,.0f}"
    if width < NARROW:
        return [epoch, TextColumn(loss), left, TimeRemainingColumn(compact=True)]
    bar, text = (None, "characters/s") if width >= WIDE else (6, "chars/s")
    return [
        epoch,
        BarColumn(bar_width=bar),
        TextColumn(both),
        TextColumn(f"{speed} {text}"),
        *([TextColumn("after"), TimeElapsedColumn()] if width >= WIDE else []),
        left,
        TimeRemainingColumn(compact=width < WIDE),
    ]


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
        self._progress = Progress(*columns(console.width), console=console, transient=True)
        self._task = self._progress.add_task(
            "", total=1.0, epoch=0.0, loss=0.0, bits=0.0, speed=0.0, visible=False
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
            visible=True,
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
