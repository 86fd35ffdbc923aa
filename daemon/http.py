"""A small HTTP/1.1 server on one thread, bounded in all that a client may do.

The usual servers hold a thread for each connection, for as long as the other side likes. Here one
thread serves all connections from a selector. A request is at most `MAX_REQUEST` bytes, a
connection lives at most `PATIENCE` seconds, and of more than `MAX_CONNECTIONS` the oldest goes.
Every response closes its connection.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from rnnd.daemon.files import why
from rnnd.errors import RnndError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
MAX_REQUEST = 8192  # bytes, head and body
PATIENCE = 10.0  # s


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


@dataclass(slots=True)
class _Connection:
    """One client; `outgoing` is None until its request is answered."""

    stream: socket.socket
    deadline: float
    incoming: bytes = b""
    outgoing: memoryview | None = None


class HttpServer:
    """Answers requests on *host* and *port* by *handle*, which runs on the server's thread.

    A *listener* that somebody else opened, such as systemd, takes the place of host and port.
    Raises `RnndError` when the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[Request], Response],
        listener: socket.socket | None = None,
    ) -> None:
        self._handle = handle
        self._listener = _listen(host, port) if listener is None else listener
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._connections: dict[socket.socket, _Connection] = {}  # the oldest first
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
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, drop whoever is connected, and free the address."""
        self._stopping = True
        self._wake_up.send(b"x")
        if self._thread.ident is not None:
            self._thread.join()
        for connection in list(self._connections.values()):
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
            for connection in list(self._connections.values()):
                if connection.deadline <= now:
                    self._drop(connection)

    def _accept(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except OSError as error:  # the client has left, or descriptors are used up
            log.debug("no connection accepted: %s", error)
            if self._connections:
                self._drop(next(iter(self._connections.values())))
            return
        stream.setblocking(False)
        if len(self._connections) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        connection = _Connection(stream, time.monotonic() + PATIENCE)
        self._connections[stream] = connection
        self._selector.register(stream, selectors.EVENT_READ, connection)

    def _turn(self, connection: _Connection) -> None:
        """Read or write what the client is ready for."""
        try:
            if connection.outgoing is None:
                self._receive(connection)
            else:
                sent = connection.stream.send(connection.outgoing)
                connection.outgoing = connection.outgoing[sent:]
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if connection.outgoing is not None and not connection.outgoing:
            self._drop(connection)

    def _receive(self, connection: _Connection) -> None:
        data = connection.stream.recv(MAX_REQUEST)
        if not data:
            self._drop(connection)
            return
        connection.incoming = (connection.incoming + data)[: 2 * MAX_REQUEST]
        request = parse_request(connection.incoming)
        if request is None:
            return
        response = request if isinstance(request, Response) else self._handle(request)
        head_only = isinstance(request, Request) and request.method == "HEAD"
        connection.outgoing = memoryview(response.encode(head_only))
        self._selector.modify(connection.stream, selectors.EVENT_WRITE, connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.stream, None) is not None:
            self._selector.unregister(connection.stream)
            connection.stream.close()


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
