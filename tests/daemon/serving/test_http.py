"""The HTTP server: what it answers, and what clients cannot do to it."""

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.daemon.serving import http as http_module
from rnnd.daemon.serving.http import (
    MAX_CONNECTIONS,
    MAX_REQUEST,
    HttpServer,
    Request,
    Response,
    parse_request,
)
from rnnd.errors import RnndError

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    def answer(request: Request) -> Response:
        return Response(b"x" * 5_000_000 if request.path == "/huge" else b"hello\n")

    server = HttpServer("127.0.0.1", 0, answer)
    server.start()
    yield server
    server.stop()


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def everything(stream: socket.socket) -> bytes:
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_request_is_answered_and_the_connection_closed(server: HttpServer) -> None:
    with connect(server) as stream:
        stream.sendall(HELLO)
        head, _, body = everything(stream).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in head
    assert body == b"hello\n"


def test_a_request_may_come_byte_by_byte(server: HttpServer) -> None:
    with connect(server) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HELLO:
            stream.sendall(bytes([byte]))
        assert everything(stream).endswith(b"hello\n")


def test_the_head_alone_has_the_length_of_the_whole(server: HttpServer) -> None:
    with connect(server) as stream:
        stream.sendall(HELLO.replace(b"GET", b"HEAD"))
        head, _, body = everything(stream).partition(b"\r\n\r\n")

    assert b"Content-Length: 6" in head
    assert body == b""


def test_a_client_that_reads_slowly_gets_all_and_holds_up_nobody(server: HttpServer) -> None:
    with connect(server) as slow, connect(server) as quick:
        slow.sendall(HELLO.replace(b"/ ", b"/huge "))
        quick.sendall(HELLO)
        assert everything(quick).endswith(b"hello\n")
        assert len(everything(slow)) > 5_000_000


def test_idle_clients_hold_no_thread_and_the_oldest_makes_room(server: HttpServer) -> None:
    threads = threading.active_count()
    idle = [connect(server) for _ in range(3 * MAX_CONNECTIONS)]
    try:
        with connect(server) as stream:
            stream.sendall(HELLO)
            assert everything(stream).endswith(b"hello\n")
        assert threading.active_count() == threads
        assert idle[0].recv(1) == b""  # dropped
    finally:
        for stream in idle:
            stream.close()


def test_a_client_that_says_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "PATIENCE", 0.0)
    server = HttpServer("127.0.0.1", 0, lambda _: Response(b""))
    server.start()
    try:
        with connect(server) as stream:
            assert everything(stream) == b""
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST, 431),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
    ],
)
def test_a_bad_request_is_refused(server: HttpServer, request_bytes: bytes, status: int) -> None:
    with connect(server) as stream:
        stream.sendall(request_bytes)
        assert int(stream.recv(65536).split()[1]) == status


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_a_refusal_or_not_yet_whole(data: bytes) -> None:
    parsed = parse_request(data + b"\r\n\r\n")

    assert parsed is None or isinstance(parsed, Request | Response)


def test_a_body_is_waited_for() -> None:
    head = b"POST /-/reload HTTP/1.1\r\nContent-Length: 3\r\n\r\n"

    assert parse_request(head + b"ab") is None
    assert isinstance(parse_request(head + b"abc"), Request)


def test_a_port_in_use_is_one_clear_line(server: HttpServer) -> None:
    host, port = server.address

    with pytest.raises(RnndError, match=rf"listen: {host}:{port} cannot be had \(address already"):
        HttpServer(host, port, lambda _: Response(b""))


def test_a_host_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(RnndError, match=r"listen: no\.such\.host\.invalid:1 cannot be had"):
        HttpServer("no.such.host.invalid", 1, lambda _: Response(b""))


def test_stopping_frees_the_port_and_all_descriptors() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(2):
        server = HttpServer("127.0.0.1", 0, lambda _: Response(b""))
        server.start()
        with connect(server):
            server.stop()

    assert descriptors() == before


def test_the_standard_library_understands_the_answers(server: HttpServer) -> None:
    client = http.client.HTTPConnection(*server.address, timeout=30)
    client.request("GET", "/huge")

    assert len(client.getresponse().read()) == 5_000_000
    client.close()
