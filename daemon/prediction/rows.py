"""Rows of a CSV of which one that is broken spoils no other, and the lines at which they begin."""

import csv
from collections.abc import Iterator

MOST_LINES = 500
"""Of a row. Without a limit, quotes that nothing closes would be followed to the end, each one."""


def read_rows(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Give the number of the line at which each row of *text* begins, and its fields.

    A field in quotes may hold newlines. But a quote may also have been opened by mistake; then it
    goes on to the next quote or to the end, and would swallow all rows between. So where what
    follows a closing quote is no comma, or none closes it within `MOST_LINES`, the row ends with
    its line: there is an error in the place of its fields, and the next line begins a row.

    >>> [(line, type(row).__name__) for line, row in read_rows('1,"a,\\nb"\\n2,"c\\n3,"d"')]
    [(1, 'list'), (3, 'Error'), (4, 'list')]
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    begins = 0  # place of the line at which the next row begins
    while begins < len(lines):
        reader = csv.reader(_some(lines, begins), strict=True, skipinitialspace=True)
        row: list[str] | csv.Error
        try:
            row, count = next(reader), reader.line_num
        except csv.Error:
            row, count = _alone(lines[begins]), 1
        yield begins + 1, row
        begins += count


def _some(lines: list[str], place: int) -> Iterator[str]:
    return (lines[number] for number in range(place, min(place + MOST_LINES, len(lines))))


def _alone(line: str) -> list[str] | csv.Error:
    """Return the fields of a *line*, be it sloppy, or what is wrong with it."""
    reader = csv.reader([line, ""], skipinitialspace=True)
    try:
        row = next(reader)
    except csv.Error as error:
        return error
    return row if reader.line_num == 1 else csv.Error("a quote is opened and not closed")
