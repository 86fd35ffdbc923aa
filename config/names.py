"""Names of apps: what may be one, and which one a log gives."""

import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
NAME_EXPECTED = "1 to 64 letters, digits, '-', '_' or '.', the first a letter or digit"

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+", re.ASCII)
_GENERIC = {"", "log", "logs"}


def app_name(pattern: str) -> str:
    """Return the name of an app whose log is the path or glob *pattern*.

    >>> app_name("/var/log/checkout*.log")
    'checkout'
    >>> app_name("/var/log/nginx/*.log")
    'nginx'
    """
    for part in reversed(pattern.split("/")):
        stem = re.sub(r"(\.(log|txt|out|json|gz|bz2|xz))+$", "", part)
        name = _UNSAFE.sub("-", re.sub(r"\[[^]]*\]|[*?]+", "", stem)).strip("-_.")[:64]
        if name.lower() not in _GENERIC:
            return name
    return "app"


def unique_names(patterns: Iterable[str]) -> list[str]:
    """Return a name for each of *patterns*, none twice.

    >>> unique_names(["a/app.log", "b/app.log"])
    ['app', 'app-2']
    """
    names: list[str] = []
    for pattern in patterns:
        name = base = app_name(pattern)
        number = 2
        while name in names:
            name = f"{base[:60]}-{number}"
            number += 1
        names.append(name)
    return names
