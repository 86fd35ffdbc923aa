"""How bad a line says it is: six severities, recognised in their many spellings."""

from collections.abc import Callable
from enum import IntEnum


class Severity(IntEnum):
    """The severities, ascending; a line that names none counts as INFO.

    >>> max(Severity.INFO, Severity.ERROR)
    <Severity.ERROR: 4>
    >>> str(Severity.WARNING)
    'warning'
    """

    DEBUG = 0
    INFO = 1
    NOTICE = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5

    def __str__(self) -> str:
        return self.name.lower()


WORDS: dict[bytes, Severity] = {
    word.encode(): severity
    for severity, words in {
        Severity.DEBUG: (
            "trace trac verbose debug debu dbug dbg finest finer fine all debug1 debug2"
        ),
        Severity.INFO: "info information informational inf config log statement hint detail",
        Severity.NOTICE: "notice note ntc success",
        Severity.WARNING: "warning warn wrn caution ww",
        Severity.ERROR: "error erro err eror fail failure failed severe fault ee",
        Severity.CRITICAL: (
            "critical crit crt fatal fata ftl alert emergency emerg panic abort dpanic"
        ),
    }.items()
    for word in words.split()
}
"""Lower-case words that stand for a severity where a level is expected."""

LETTERS: dict[bytes, Severity] = {
    b"V": Severity.DEBUG,
    b"D": Severity.DEBUG,
    b"T": Severity.DEBUG,
    b"I": Severity.INFO,
    b"N": Severity.NOTICE,
    b"W": Severity.WARNING,
    b"E": Severity.ERROR,
    b"F": Severity.CRITICAL,
    b"C": Severity.CRITICAL,
    b"A": Severity.CRITICAL,
}
"""Single letters, as Android, glog and many loggers print them."""

_SYSLOG = (
    Severity.CRITICAL,  # emergency
    Severity.CRITICAL,  # alert
    Severity.CRITICAL,
    Severity.ERROR,
    Severity.WARNING,
    Severity.NOTICE,
    Severity.INFO,
    Severity.DEBUG,
)


_HUNDREDS = (
    Severity.DEBUG,
    Severity.DEBUG,
    Severity.INFO,
    Severity.NOTICE,
    Severity.WARNING,
    Severity.ERROR,
    Severity.CRITICAL,
)


def from_priority(priority: int) -> Severity:
    """Return the severity of a syslog *priority* (facility × 8 + severity).

    >>> from_priority(34)
    <Severity.CRITICAL: 5>
    """
    return _SYSLOG[priority % 8]


def from_status(status: int) -> Severity:
    """Return the severity of an HTTP *status*: 5xx is the server's error, 4xx the client's.

    >>> from_status(503), from_status(404)
    (<Severity.ERROR: 4>, <Severity.NOTICE: 2>)
    """
    if 500 <= status < 600:
        return Severity.ERROR
    return Severity.NOTICE if 400 <= status < 500 else Severity.INFO


def from_level(level: int) -> Severity:
    """Return the severity of a logger's level number.

    Below 8 it is syslog's; the hundreds are Google's, the ten thousands Logback's; else the tens of
    Node's bunyan and pino and of Python's logging, which name 30 differently: it is taken for
    pino's INFO, because Python prints words.

    >>> [str(from_level(level)) for level in (50, 30, 3, 500, 30000)]
    ['error', 'info', 'error', 'error', 'warning']
    """
    if level < 8:
        return _SYSLOG[level]
    if level >= 1000:
        level = level // 1000 + 10  # 20000 is Logback's INFO, 30 here
    elif level >= 100:
        return _HUNDREDS[min(level // 100, 6)]
    for bound, severity in ((30, Severity.DEBUG), (40, Severity.INFO), (50, Severity.WARNING)):
        if level < bound:
            return severity
    return Severity.ERROR if level < 60 else Severity.CRITICAL


def from_verbosity(verbosity: int) -> Severity:
    """Return the severity of a line that is written from a *verbosity* on: 0 is always written.

    >>> [str(from_verbosity(verbosity)) for verbosity in (0, 1, 2, 3, 10)]
    ['error', 'warning', 'notice', 'info', 'debug']
    """
    if verbosity >= 10:
        return Severity.DEBUG
    return Severity(max(Severity.ERROR - verbosity, Severity.INFO))


MEANINGS: dict[str, Callable[[bytes], Severity]] = {
    "priority": lambda text: from_priority(int(text)),
    "status": lambda text: from_status(int(text)),
    "last status": lambda text: from_status(int(text)),
    "column status": lambda text: from_status(int(text)),
    "verbosity": lambda text: from_verbosity(int(text)),
    "level": lambda text: from_level(int(text)) if text.isdigit() else Severity.DEBUG,
    "letter": lambda text: LETTERS[text],
}
"""What numbers and letters that tell a severity are called."""
