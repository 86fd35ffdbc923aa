"""Takes over the socket that systemd listens on, as sd_listen_fds(3) does, without its library."""

import os
import socket
from collections.abc import MutableMapping

FIRST = 3  # the first descriptor that is handed over


def inherited_listener(
    environment: MutableMapping[str, str] = os.environ, first: int = FIRST
) -> socket.socket | None:
    """Return the socket handed to this very process, if there is one.

    The variables that tell of it are taken out of *environment*, so that no child believes them.
    """
    process = environment.pop("LISTEN_PID", "")
    number = environment.pop("LISTEN_FDS", "0")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not number.isdecimal() or int(number) < 1:
        return None
    os.set_inheritable(first, False)
    listener = socket.socket(fileno=first)
    listener.setblocking(False)
    return listener
