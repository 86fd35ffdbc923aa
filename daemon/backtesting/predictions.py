"""Predictions as CSV: a row a tick and horizon."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rnnd.daemon.prediction.pipeline import Prediction

HEADER = "time,app,horizon_seconds,p_green,p_orange,p_red,health\n"
UNITS = 10**8  # a probability is written as so many parts, so that the three sum to 1 as printed


def format_time(seconds: float) -> str:
    """Return ISO 8601 in UTC, with milliseconds where they are not 0.

    >>> format_time(1772323210.0)
    '2026-03-01T00:00:10Z'
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def csv_rows(prediction: Prediction) -> Iterator[str]:
    """Give the lines of one prediction, the alarm's horizon first."""
    time = format_time(prediction.time)
    for horizon, (_, orange, red) in prediction.probabilities.items():
        red_parts = round(red * UNITS)
        orange_parts = min(round(orange * UNITS), UNITS - red_parts)
        green_parts = UNITS - red_parts - orange_parts
        yield (
            f"{time},{prediction.app},{horizon:g},{green_parts / UNITS:.8f},"
            f"{orange_parts / UNITS:.8f},{red_parts / UNITS:.8f},{prediction.healths[horizon]}\n"
        )


def csv_lines(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Give the header and the lines of all *predictions*."""
    yield HEADER
    for prediction in predictions:
        yield from csv_rows(prediction)
