"""Who may ask the daemon what.

Without users in the configuration everybody may ask, but no page of another site may change
anything through the browser of one who is allowed to. With users, all but the two addresses that
say one word to a load balancer ask for a name and a password.

Checking a password takes scrypt a fifth of a second, on the thread that answers everybody. So
whoever was right once is known by a keyed digest from then on, and checks that take long are
rationed: an attacker who guesses cannot make the scrapes of others wait.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from rnnd.config.passwords import CONTROL, DIGEST, LOG_N, SALT, P, PasswordHash, R, parse_hash
from rnnd.config.schema import HttpSettings, UserSettings
from rnnd.daemon.serving.http import Request, Response, refuse

OPEN = ("/-/healthy", "/-/ready")
BURST = 5  # slow checks that may follow each other
EVERY = 2.0  # s after which there may be one more


class Guard:
    """Lets *handle* answer the requests of those who may ask; *users* tells who they are."""

    def __init__(
        self,
        handle: Callable[[Request], Response],
        users: Callable[[], Sequence[UserSettings]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle = handle
        self._users = users
        self._clock = clock
        self._secret = os.urandom(32)
        self._known: dict[UserSettings, bytes] = {}  # the digests of passwords found right
        self._nobody = str(PasswordHash(LOG_N, R, P, os.urandom(SALT), os.urandom(DIGEST)))
        self._ration = float(BURST)
        self._counted_at = clock()

    def __call__(self, request: Request) -> Response:
        """Return the answer to *request*, or a refusal."""
        if request.method not in ("GET", "HEAD") and not _same_site(request.headers):
            return refuse(HTTPStatus.FORBIDDEN)
        users = self._users()
        if users and request.path not in OPEN:
            refusal = self._refusal(request.headers.get("authorization", ""), users)
            if refusal is not None:
                return refusal
        return self._handle(request)

    def _refusal(self, authorization: str, users: Sequence[UserSettings]) -> Response | None:
        credentials = _credentials(authorization)
        if credentials is not None:
            name, password = credentials
            user = next(
                (user for user in users if user.name == name),
                UserSettings(name=name, password_hash=self._nobody),  # who takes as long
            )
            digest = hashlib.blake2b(password.encode(), key=self._secret).digest()
            if hmac.compare_digest(self._known.get(user, b""), digest):
                return None
            if not self._may_check():
                return refuse(HTTPStatus.TOO_MANY_REQUESTS, **{"Retry-After": f"{EVERY:.0f}"})
            if parse_hash(user.password_hash).matches(password):
                self._known = {known: self._known[known] for known in users if known in self._known}
                self._known[user] = digest
                return None
        challenge = 'Basic realm="rnnd", charset="UTF-8"'
        return refuse(HTTPStatus.UNAUTHORIZED, **{"WWW-Authenticate": challenge})

    def _may_check(self) -> bool:
        now = self._clock()
        self._ration = min(float(BURST), self._ration + (now - self._counted_at) / EVERY)
        self._counted_at = now
        if self._ration < 1:
            return False
        self._ration -= 1
        return True


def _same_site(headers: Mapping[str, str]) -> bool:
    """Tell whether a browser says that a page of ours asks; programs do not say anything."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


def _credentials(authorization: str) -> tuple[str, str] | None:
    """Return the name and the password of a header of basic authentication (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    # No control characters, says the RFC; and to scrypt "secret" and "secret\0" are the same.
    return (name, password) if colon and not CONTROL.search(text) else None


def exposures(settings: HttpSettings, host: str) -> list[str]:
    """Return what is to be said against listening on *host* with these settings.

    >>> exposures(HttpSettings(), "127.0.0.1")
    []
    """
    if _is_loopback(host):
        return []
    said = []
    if not settings.users:
        said.append(
            f"http.listen: {host} can be reached from elsewhere, and whoever asks sees lines of "
            "your logs; http.users says who may"
        )
    if settings.tls is None:
        said.append(
            f"http.listen: {host} can be reached from elsewhere, and everybody on the way can "
            f"read {'along, passwords too' if settings.users else 'along'}; http.tls encrypts"
        )
    return said


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
