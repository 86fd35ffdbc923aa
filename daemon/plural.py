"""How a number of things is said."""


def counted(number: int, thing: str) -> str:
    """Return *number* of *thing*.

    >>> counted(1, "alarm"), counted(1200, "line")
    ('1 alarm', '1,200 lines')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
