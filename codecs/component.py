"""Who wrote a line: the component, logger or program that it names."""

import re

from rnnd.codecs.parsed import Parsed

_LOGGER = re.compile(rb"([A-Za-z_][\w$]*(?:\.[\w$]+)+) - ")


def component_of(parsed: Parsed) -> bytes:
    r"""Return who wrote the lines that say *parsed*; empty where they do not tell.

    >>> from rnnd.codecs.parsed import unpack
    >>> component_of(unpack(b"1 1\n\nshop.Cart\nno stock for item 0"))
    b'shop.Cart'
    >>> component_of(unpack(b"1 1\n\n\nshop.db.Pool - lent connection 0"))
    b'shop.db.Pool'
    """
    if parsed.component:
        return parsed.component
    found = _LOGGER.match(parsed.message)
    return found[1] if found else b""
