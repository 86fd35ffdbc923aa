"""Rows of a CSV of which one that is broken spoils no other, and the lines at which they begin."""

import csv
from collections.abc import Iterator


def read_rows(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Give the number of the line at which each row of *text* begins, and its fields.

    A field in quotes may hold newlines. But a quote may also have been opened by mistake; then it
    goes on to the next quote or to the end, and would swallow all rows between. So where what
    follows a closing quote is no comma, or none closes it, the row ends with its line: there is an
    error in the place of its fields, and the next line begins a row.

    >>> [(line, type(row).__name__) for line, row in read_rows('1,"a,\\nb"\\n2,"c\\n3,"d"')]
    [(1, 'list'), (3, 'Error'), (4, 'list')]
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    begins = 0  # place of the line at which the next row begins
    while begins < len(lines):
        skipped = begins
        reader = csv.reader(_from(lines, begins), strict=True, skipinitialspace=True)
        try:
            for row in reader:
                yield begins + 1, row
                begins = skipped + reader.line_num
        except csv.Error:
            yield begins + 1, _alone(lines[begins])
            begins += 1


def _from(lines: list[str], place: int) -> Iterator[str]:
    return (lines[number] for number in range(place, len(lines)))


def _alone(line: str) -> list[str] | csv.Error:
    """Return the fields of a *line*, be it sloppy, or what is wrong with it."""
    reader = csv.reader([line, ""], skipinitialspace=True)
    try:
        row = next(reader)
    except csv.Error as error:
        return error
    return row if reader.line_num == 1 else csv.Error("a quote is opened and not closed")
