"""Tells systemd how the service is, as sd_notify(3) does, without its library."""

import os
import socket
import time


class Notifier:
    """Sends states such as ``READY=1`` to the service manager's *address*; silent without one."""

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address

    @classmethod
    def from_environment(cls) -> "Notifier":
        """Return the notifier that the service manager asks for, if there is one."""
        return cls(os.environ.get("NOTIFY_SOCKET"))

    def send(self, *states: str) -> None:
        """Send *states*, each ``NAME=value``; a manager that does not listen is none of ours."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto("\n".join(states).encode(), self._address)
            except OSError:
                return

    def ready(self, status: str) -> None:
        """Say that start-up, or a reload, is over."""
        self.send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a reload has begun."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self.send("STOPPING=1", "STATUS=saving what was learnt")

    def alive(self) -> None:
        """Say that the worker turns: it is the worker who must call this."""
        self.send("WATCHDOG=1")
