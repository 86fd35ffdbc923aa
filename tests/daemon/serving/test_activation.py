import os
import socket
import urllib.request

import pytest

from rnnd.daemon.serving.activation import inherited_listener
from rnnd.daemon.serving.http import HttpServer, Response


@pytest.fixture
def handed_over() -> int:
    """The descriptor of a listening socket, as systemd would hand it over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return os.dup(listener.fileno())


def test_the_socket_that_systemd_hands_over_is_served(handed_over: int) -> None:
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "rnnd"}

    listener = inherited_listener(environment, handed_over)
    server = HttpServer("ignored", 1, lambda _: Response(b"here\n"), listener)
    server.start()
    with urllib.request.urlopen(server.url, timeout=10) as answer:
        body = answer.read()
    server.stop()

    assert body == b"here\n"
    assert environment == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
        {"LISTEN_PID": str(os.getpid())},
    ],
)
def test_a_socket_for_somebody_else_is_left_alone(environment: dict[str, str]) -> None:
    assert inherited_listener(environment) is None
    assert environment == {}
