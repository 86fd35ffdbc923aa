"""How values look on a terminal."""

from rich.text import Text

from rnnd.codecs.health import Health
from rnnd.daemon.words import SHAPES

STYLES = {"green": "green", "orange": "yellow", "red": "bold red", "unknown": "bright_black"}


def health_text(health: str) -> Text:
    """Return the name of a *health* for a terminal: shape, word and colour.

    >>> health_text("red").plain
    '■ red'
    """
    return Text(f"{SHAPES[Health[health.upper()]]} {health}", style=STYLES[health])
