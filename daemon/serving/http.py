"""A small HTTP/1.1 server on one thread, bounded in all that a client may do.

The usual servers hold a thread for each connection, for as long as the other side likes. Here one
thread serves all connections from a selector. A request is at most `MAX_REQUEST` bytes, a
connection lives at most `PATIENCE` seconds, and of more than `MAX_CONNECTIONS` the oldest goes.
Every response closes its connection. With TLS all of this holds too: nothing is waited for, not
even a handshake, and who speaks plain HTTP is sent on to https.
"""

import logging
import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from rnnd.daemon.files import why
from rnnd.errors import RnndError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
MAX_REQUEST = 8192  # bytes, head and body
PATIENCE = 10.0  # s

_HANDSHAKE = b"\x16"  # the first byte of TLS
_HOST = re.compile(r"[A-Za-z0-9_.\[\]:-]{1,255}", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_./-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    method: str
    path: str  # without the query
    headers: Mapping[str, str]  # names in lower case


@dataclass(frozen=True, slots=True)
class Response:
    """What it gets."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, head_only: bool = False) -> bytes:
        """Return the response as HTTP/1.1 writes it."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.kind}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head if head_only else head + self.body


def refuse(status: HTTPStatus, **headers: str) -> Response:
    """Return the response that says *status* and no more."""
    return Response(f"{status.phrase}\n".encode(), status=status, headers=headers)


def redirect(request: Request) -> Response:
    """Return the answer to plain HTTP where TLS is expected: the same address with https."""
    host = request.headers.get("host", "")
    if not (_HOST.fullmatch(host) and _PATH.fullmatch(request.path)):
        return refuse(HTTPStatus.BAD_REQUEST)
    return refuse(HTTPStatus.PERMANENT_REDIRECT, Location=f"https://{host}{request.path}")


def parse_request(data: bytes) -> Request | Response | None:
    """Return the request that *data* holds, None while it is not whole, a refusal when it is bad.

    >>> parse_request(b"GET /metrics?x=1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    Request(method='GET', path='/metrics', headers={'host': 'a'})
    """
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return (
            refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) if len(data) >= MAX_REQUEST else None
        )
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[1].startswith("/") or not words[2].startswith("HTTP/1."):
        return refuse(HTTPStatus.BAD_REQUEST)
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return refuse(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        return refuse(HTTPStatus.BAD_REQUEST)
    if int(length[:9]) > MAX_REQUEST:
        return refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if len(body) < int(length):
        return None
    return Request(words[0], words[1].partition("?")[0], headers)


@dataclass(slots=True, eq=False)
class _Connection:
    """One client; `outgoing` is None until its request is answered."""

    stream: socket.socket
    descriptor: int
    deadline: float
    tls: ssl.SSLContext | None  # expected, but not begun
    clear: bool = False  # the client speaks plain HTTP where TLS is expected
    incoming: bytes = b""
    outgoing: memoryview | None = None

    def encrypt(self) -> None:
        """Speak TLS from now on, unless the client's first byte is none of TLS."""
        first = self.stream.recv(1, socket.MSG_PEEK)
        context, self.tls = self.tls, None
        self.clear = first != _HANDSHAKE
        if context is not None and not self.clear:
            self.stream = context.wrap_socket(
                self.stream, server_side=True, do_handshake_on_connect=False
            )

    def receive(self) -> None:
        """Take in what has come; with TLS that may be more than the kernel still has."""
        while True:
            data = self.stream.recv(MAX_REQUEST)
            if not data:
                raise ConnectionResetError
            self.incoming = (self.incoming + data)[: 2 * MAX_REQUEST]
            if not (isinstance(self.stream, ssl.SSLSocket) and self.stream.pending()):
                return

    def close(self) -> None:
        """Close the connection, with TLS's own goodbye after an answer."""
        if isinstance(self.stream, ssl.SSLSocket) and self.outgoing is not None:
            with suppress(OSError, ValueError):
                self.stream.unwrap()
        self.stream.close()


class HttpServer:
    """Answers requests on *host* and *port* by *handle*, which runs on the server's thread.

    A *listener* that somebody else opened, such as systemd, takes the place of host and port.
    *tls* gives the context for a new connection, or None where it is to be plain HTTP. Raises
    `RnndError` when the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[Request], Response],
        listener: socket.socket | None = None,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        self._handle = handle
        self._tls = tls
        self._listener = _listen(host, port) if listener is None else listener
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._connections: dict[_Connection, None] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_up, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._stopping = False

    @property
    def url(self) -> str:
        """Where the server is found."""
        host, port = self.address
        scheme = "http" if self._tls() is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, drop whoever is connected, and free the address."""
        self._stopping = True
        self._wake_up.send(b"x")
        if self._thread.ident is not None:
            self._thread.join()
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        for one in (self._listener, self._wake_up, self._woken):
            one.close()

    def _serve(self) -> None:
        while not self._stopping:
            timeout = 1.0 if self._connections else None
            for key, _ in self._selector.select(timeout):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Connection):
                    self._turn(key.data)
            now = time.monotonic()
            for connection in list(self._connections):
                if connection.deadline <= now:
                    self._drop(connection)

    def _accept(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except OSError as error:  # the client has left, or descriptors are used up
            log.debug("no connection accepted: %s", error)
            if self._connections:
                self._drop(next(iter(self._connections)))
            return
        stream.setblocking(False)
        try:
            tls = self._tls()
        except RnndError:  # told already: there is no certificate to be had
            stream.close()
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._connections)))
        connection = _Connection(stream, stream.fileno(), time.monotonic() + PATIENCE, tls)
        self._connections[connection] = None
        self._selector.register(connection.descriptor, selectors.EVENT_READ, connection)

    def _turn(self, connection: _Connection) -> None:
        """Read or write what the client is ready for, and wait for what is needed next."""
        if connection not in self._connections:
            return  # dropped after the selector had named it
        wanted = selectors.EVENT_READ
        try:
            if connection.tls is not None:
                connection.encrypt()
            if connection.outgoing is None:
                connection.receive()
                self._answer(connection)
            if connection.outgoing is not None:
                wanted = selectors.EVENT_WRITE
                sent = connection.stream.send(connection.outgoing)
                connection.outgoing = connection.outgoing[sent:]
        except ssl.SSLWantReadError:
            wanted = selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            wanted = selectors.EVENT_WRITE
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if connection.outgoing is not None and not connection.outgoing:
            self._drop(connection)
        else:
            self._selector.modify(connection.descriptor, wanted, connection)

    def _answer(self, connection: _Connection) -> None:
        request = parse_request(connection.incoming)
        if request is None:
            return
        if isinstance(request, Response):
            response, head_only = request, False
        else:
            response = redirect(request) if connection.clear else self._respond(request)
            head_only = request.method == "HEAD"
        connection.outgoing = memoryview(response.encode(head_only))

    def _respond(self, request: Request) -> Response:
        """Return the handler's answer; what goes wrong in it must not end the server."""
        try:
            return self._handle(request)
        except Exception:
            log.exception("%s could not be answered", request.path[:80])
            return refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            del self._connections[connection]
            self._selector.unregister(connection.descriptor)
            connection.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RnndError(f"listen: {host}:{port} cannot be had ({why(error)})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(MAX_CONNECTIONS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise RnndError(
            f"listen: {host}:{port} cannot be had ({why(error)}); give another one with --listen"
        ) from error
    return listener
