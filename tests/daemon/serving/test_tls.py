"""The HTTP server with TLS: what it answers, what clients cannot do to it, renewed certificates."""

import http.client
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rnnd.config.schema import TlsSettings
from rnnd.daemon.serving import tls as tls_module
from rnnd.daemon.serving.http import MAX_CONNECTIONS, HttpServer, Request, Response
from rnnd.daemon.serving.tls import ServerTls, load_certificate
from rnnd.errors import UsageError
from tests.certificates import Certificate, make_certificate
from tests.servers import needs

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

pytestmark = needs("openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[HttpServer]:
    def answer(request: Request) -> Response:
        return Response(b"x" * 5_000_000 if request.path == "/huge" else b"hello\n")

    context = load_certificate(certificate.settings)
    server = HttpServer("127.0.0.1", 0, answer, tls=lambda: context)
    server.start()
    yield server
    server.stop()


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.certificate)


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def secure(server: HttpServer, certificate: Certificate) -> ssl.SSLSocket:
    return trusting(certificate).wrap_socket(connect(server), server_hostname="localhost")


def everything(stream: socket.socket) -> bytes:
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_a_request_is_answered_over_tls(server: HttpServer, certificate: Certificate) -> None:
    host, port = server.address
    client = http.client.HTTPSConnection(host, port, context=trusting(certificate), timeout=30)

    client.request("GET", "/huge")

    assert len(client.getresponse().read()) == 5_000_000
    assert server.url == f"https://{host}:{port}"
    client.close()


def test_the_end_of_an_answer_is_no_torn_connection(
    server: HttpServer, certificate: Certificate
) -> None:
    context = trusting(certificate)
    stream = context.wrap_socket(
        connect(server), server_hostname="localhost", suppress_ragged_eofs=False
    )

    with stream:
        stream.sendall(HELLO)
        assert everything(stream).endswith(b"hello\n")


def test_a_request_may_come_byte_by_byte_over_tls(
    server: HttpServer, certificate: Certificate
) -> None:
    with secure(server, certificate) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HELLO:
            stream.sendall(bytes([byte]))
        assert everything(stream).endswith(b"hello\n")


def test_a_request_longer_than_may_be_is_refused_over_tls(
    server: HttpServer, certificate: Certificate
) -> None:
    with secure(server, certificate) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 16_000)
        assert stream.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_handshakes_that_never_end_hold_no_thread_and_keep_nobody_waiting(
    server: HttpServer, certificate: Certificate
) -> None:
    threads = threading.active_count()
    slow = [connect(server) for _ in range(3 * MAX_CONNECTIONS)]
    try:
        for stream in slow:
            with suppress(OSError):  # dropped already
                stream.sendall(b"\x16\x03\x01\x02\x00\x01")
        with secure(server, certificate) as stream:
            stream.sendall(HELLO)
            assert everything(stream).endswith(b"hello\n")
        assert threading.active_count() == threads
        assert slow[0].recv(1) == b"", "the oldest was dropped"
    finally:
        for stream in slow:
            stream.close()


@pytest.mark.parametrize("data", [b"\x16" * 600, b"\x16\x03\x01\x00\x02\xff\xff", b"\x16"])
def test_what_only_looks_like_tls_ends_the_connection_and_nothing_else(
    server: HttpServer, certificate: Certificate, data: bytes
) -> None:
    with connect(server) as stream:
        stream.sendall(data)
        with suppress(OSError):  # the server may have left already
            stream.shutdown(socket.SHUT_WR)
            everything(stream)

    with secure(server, certificate) as stream:
        stream.sendall(HELLO)
        assert everything(stream).endswith(b"hello\n")


def test_plain_http_is_sent_on_to_https(server: HttpServer) -> None:
    with connect(server) as stream:
        stream.sendall(b"GET /metrics HTTP/1.1\r\nHost: example.org:7663\r\n\r\n")
        answer = everything(stream)

    assert answer.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nLocation: https://example.org:7663/metrics\r\n" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET /\nX: HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET //evil.example\\ HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_nothing_of_a_request_gets_into_the_head_of_an_answer(
    server: HttpServer, request_bytes: bytes
) -> None:
    with connect(server) as stream:
        stream.sendall(request_bytes)
        assert everything(stream).startswith(b"HTTP/1.1 400 ")


def test_stopping_leaves_no_descriptor_of_tls_open(certificate: Certificate) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    context = load_certificate(certificate.settings)
    before = descriptors()
    for _ in range(2):
        server = HttpServer("127.0.0.1", 0, lambda _: Response(b""), tls=lambda: context)
        server.start()
        with secure(server, certificate), connect(server) as half:
            half.sendall(b"\x16\x03")
            server.stop()

    assert descriptors() == before


def test_a_renewed_certificate_is_taken_over_without_a_restart(tmp_path: Path) -> None:
    now = 0.0
    old = make_certificate(tmp_path, "old")
    new = make_certificate(tmp_path, "new")
    used = TlsSettings(certificate=str(tmp_path / "c"), key=str(tmp_path / "k"))
    shutil.copy(old.certificate, used.certificate)
    shutil.copy(old.key, used.key)
    tls = ServerTls(lambda: used, clock=lambda: now)
    first = tls.context()

    shutil.copy(new.certificate, used.certificate)
    shutil.copy(new.key, used.key)

    assert tls.context() is first, "the files are not looked at for every connection"
    now += tls_module.LOOK
    second = tls.context()
    assert second is not first
    server = HttpServer("127.0.0.1", 0, lambda _: Response(b""), tls=tls.context)
    server.start()
    try:
        with trusting(new).wrap_socket(connect(server), server_hostname="localhost") as stream:
            assert stream.version() in {"TLSv1.2", "TLSv1.3"}
    finally:
        server.stop()


def test_a_certificate_renewed_badly_leaves_the_one_before_in_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    made = make_certificate(tmp_path)
    tls = ServerTls(lambda: made.settings, clock=lambda: now)
    first = tls.context()

    made.certificate.write_text("torn", "utf-8")
    for _ in range(3):
        now += tls_module.LOOK
        assert tls.context() is first

    assert len(caplog.records) == 1, "said once"


def test_tls_is_switched_on_and_off_by_the_settings_in_force(certificate: Certificate) -> None:
    settings: list[TlsSettings | None] = [None]
    tls = ServerTls(lambda: settings[-1])

    assert tls.context() is None
    settings.append(certificate.settings)
    assert tls.context() is not None
    settings.append(None)
    assert tls.context() is None


def test_older_versions_of_tls_are_not_spoken(certificate: Certificate) -> None:
    context = load_certificate(certificate.settings)

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_cannot_be_used_is_one_clear_line(
    tmp_path: Path, certificate: Certificate
) -> None:
    other = make_certificate(tmp_path, "other")
    locked = make_certificate(tmp_path, "locked", "-passout", "pass:secret")
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\0garbage")
    garbage.chmod(0o600)
    public = tmp_path / "public.key"
    shutil.copy(certificate.key, public)
    public.chmod(0o644)
    cert, key = str(certificate.certificate), str(certificate.key)
    cases = [
        (str(tmp_path / "none"), key, "none: cannot be read"),
        (cert, str(tmp_path / "none"), "none: cannot be read"),
        (cert, str(tmp_path), "cannot be read (is a directory)"),
        (cert, str(other.key), "is not the key of"),
        (str(garbage), key, "no certificate and key in PEM"),
        (cert, str(garbage), "no certificate and key in PEM"),
        (cert, str(public), "everybody can read this key"),
        (str(locked.certificate), str(locked.key), "the key has a password"),
    ]

    for certificate_path, key_path, said in cases:
        with pytest.raises(UsageError) as caught:
            load_certificate(TlsSettings(certificate=certificate_path, key=key_path))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
