"""How the demo looks: a live view on a terminal, plain lines in a pipe."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from rnnd.codecs.health import Health
from rnnd.config.units import format_duration
from rnnd.daemon.demo import Chronicle, Happening, Moment, Record

COLOURS = {
    Health.UNKNOWN: "bright_black",
    Health.GREEN: "green",
    Health.ORANGE: "yellow",
    Health.RED: "red",
}
BLOCKS = " ▁▂▃▄▅▆▇█"
CELL_TICKS = 12  # ticks that one character of the curve stands for
BAR = 30  # characters
LEARNT, LIVE = 21600, 3600  # s of log between two lines in a pipe


def clock(time: float) -> str:
    """Return the time of day of *time*.

    >>> clock(1772323210.0)
    'Sun 00:00:10'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%a %H:%M:%S")


def describe(happening: Happening) -> str:
    """Return *happening* in words.

    >>> describe(Happening(0.0, "failure", kind="heap", lead=330.0))
    'FAILURE (heap), foretold 5m30s ahead'
    """
    if happening.what == "alarm":
        return f"ALARM: a failure within the horizon, {happening.risk:.0%} probable"
    if happening.what == "false alarm":
        return "an alarm came to nothing"
    if happening.lead is None:
        return f"FAILURE ({happening.kind}), not foretold"
    if happening.lead == 0:
        return f"FAILURE ({happening.kind}), foretold in the last moment"
    return f"FAILURE ({happening.kind}), foretold {format_duration(happening.lead)} ahead"


def summarise(record: Record) -> str:
    """Return *record* in words.

    >>> summarise(Record(failures=7, foretold=5, false_alarms=1))
    '5 of 7 failures foretold, 1 false alarm'
    """
    plural = "" if record.false_alarms == 1 else "s"
    return (
        f"{record.foretold} of {record.failures} failures foretold, "
        f"{record.false_alarms} false alarm{plural}"
    )


class PlainView:
    """Writes a line when something happens, one an hour live, one for each six hours learnt."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._said: int | None = None  # the hour, or while learning the six hours, told of last

    def say(self, text: str) -> None:
        """Write *text*."""
        print(text, file=self._out, flush=True)

    def happened(self, happening: Happening) -> None:
        """Write what happened, with its time."""
        self.say(f"{clock(happening.time)}  {describe(happening)}")

    def show(self, chronicle: Chronicle) -> None:
        """Write how things stand, if that is due."""
        latest = chronicle.latest
        if latest is None:
            return
        learning = latest.time <= chronicle.live_from
        period = int(latest.time // (LEARNT if learning else LIVE))
        if self._said is None:
            self._said = period
        if period == self._said:
            return
        self._said = period
        if learning:
            record = summarise(chronicle.learning)
            self.say(f"{clock(latest.time)}  learning, {latest.health} now; {record}")
        else:
            chances = ", ".join(
                f"{format_duration(horizon)} {red:.1%}"
                for horizon, (_, _, red) in sorted(latest.probabilities.items())
            )
            ahead = format_duration(next(iter(latest.probabilities)))
            said = f"{latest.health} for the next {ahead}; a failure within {chances}"
            self.say(f"{clock(latest.time)}  {said}")


class LiveView:
    """Draws the whole picture several times a second."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, text: str) -> None:
        """Write *text* above the picture."""
        self._live.console.print(text, highlight=False)

    def happened(self, happening: Happening) -> None:
        """Do nothing: the picture shows it."""

    def show(self, chronicle: Chronicle) -> None:
        """Draw the picture anew."""
        self._live.update(picture(chronicle, self._live.console.width), refresh=True)


def live_display(console: Console) -> Live:
    """Return the display that a `LiveView` draws on."""
    return Live(console=console, auto_refresh=False, transient=False)


def picture(chronicle: Chronicle, width: int) -> RenderableType:
    """Return how things stand, to be drawn in *width* characters."""
    latest = chronicle.latest
    if latest is None:
        return Panel("waiting for the first line", title="rnnd demo")
    colour = COLOURS[latest.health]
    head = Text.assemble(
        (f" {str(latest.health).upper()} ", f"bold white on {colour}"),
        f" for the next {format_duration(next(iter(latest.probabilities)))}"
        f"   {latest.app}   {clock(latest.time)}   seen now: {latest.observed}",
    )
    if latest.time <= chronicle.live_from:
        head.append("   learning from history", "bold cyan")
    body = Group(
        head,
        Text(),
        _chances(chronicle),
        Text(),
        *_curve(list(chronicle.moments), max(20, width - 6)),
        Text(),
        _failures(chronicle),
        Text(f"learning  {summarise(chronicle.learning)}", "bright_black"),
        Text(f"live      {summarise(chronicle.live)}", "bold"),
    )
    return Panel(body, title="rnnd demo", border_style=colour, width=min(width, 100))


def _chances(chronicle: Chronicle) -> Table:
    assert chronicle.latest is not None
    table = Table.grid(padding=(0, 1))
    for horizon, (_, orange, red) in sorted(chronicle.latest.probabilities.items()):
        bar = Text("█" * round(red * BAR), "red")
        bar.append("█" * round(orange * BAR), "yellow")
        bar.append("░" * (BAR - len(bar)), "bright_black")
        table.add_row(f"within {format_duration(horizon)}", bar, f"{red:5.1%} red")
    return table


def _curve(moments: Sequence[Moment], width: int) -> list[Text]:
    """Return the probability of red over the last hours, and under it a mark for each failure."""
    cells = min(width, 90)
    shown = moments[-cells * CELL_TICKS :]
    curve, marks = Text(), Text()
    for first in range(0, len(shown), CELL_TICKS):
        cell = shown[first : first + CELL_TICKS]
        height = max(moment.risk for moment in cell) * (len(BLOCKS) - 1)
        curve.append(BLOCKS[round(height)], COLOURS[max(moment.health for moment in cell)])
        marks.append("▲" if any(moment.failure for moment in cell) else " ", "bold red")
    minutes = CELL_TICKS * cells // 6
    title = Text(f"red within the horizon, over the last {minutes} minutes (▲ a failure)")
    return [title, curve, marks]


def _failures(chronicle: Chronicle) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for failure in chronicle.failures:
        style = "green" if failure.lead is not None else "red"
        table.add_row(clock(failure.time), Text(describe(failure), style))
    return table
