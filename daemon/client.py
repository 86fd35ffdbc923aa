"""Asks a running daemon for its status: where it listens, over TLS and with a password."""

import argparse
import base64
import getpass
import http.client
import ipaddress
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnd.config.loading import parse_address
from rnnd.config.schema import TlsSettings
from rnnd.daemon.configuration import CONFIGURATION, read_configuration
from rnnd.daemon.files import why
from rnnd.errors import RnndError, UsageError

URL = "http://127.0.0.1:7663"
LIMIT = 64 << 20  # bytes of an answer
PATIENCE = 10.0  # s
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  told from, not listened on


@dataclass(frozen=True, slots=True)
class Daemon:
    """Where a daemon is to be found, and how it is to be spoken to."""

    url: str
    context: ssl.SSLContext | None = None
    user: str | None = None
    password: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a daemon is found."""
    parser.add_argument(
        "--url", metavar="URL", help=f"where rnnd listens (as {CONFIGURATION} says, else {URL})"
    )
    parser.add_argument(
        "--ca", metavar="FILE", help="certificates to trust, in PEM, in place of the system's"
    )
    parser.add_argument("--user", metavar="NAME", help="who asks, where rnnd wants to know")
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="the password of NAME, else $RNND_PASSWORD, else it is asked for",
    )


def find_daemon(arguments: argparse.Namespace, configuration: str = CONFIGURATION) -> Daemon:
    """Return the daemon that the command line means; raises `UsageError`."""
    if arguments.password_file and not arguments.user:
        raise UsageError("--password-file: expected together with --user NAME")
    context = None
    if arguments.url is None:
        url, context = _configured(configuration)
    else:
        url = _checked(arguments.url)
    if arguments.ca:
        context = _trusting(arguments.ca)
    password = _password(arguments) if arguments.user else ""
    return Daemon(url, context, arguments.user, password)


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url: {url!r} is not an address such as {URL}")
    if parts.username is not None or parts.password is not None:
        raise UsageError("--url: holds a password that others may see; see --user")
    return url.rstrip("/")


def _configured(path: str) -> tuple[str, ssl.SSLContext | None]:
    """Return the address that the service's configuration names, where there is one."""
    try:
        settings = read_configuration(Path(path)).http
    except UsageError:  # none, not for us to read, or wrong: the service has the usual address
        return URL, None
    host, port = parse_address(settings.listen)
    host = ANY.get(host, host)
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if settings.tls is None:
        return f"http://{netloc}", None
    return f"https://{netloc}", _pinned(settings.tls)


def _pinned(tls: TlsSettings) -> ssl.SSLContext | None:
    """Return a context that trusts the daemon's own certificate and nothing else.

    It was read from this machine's configuration, so it need not name this machine.
    """
    try:
        context = _trusting(tls.certificate)
    except UsageError:  # not for us to read: then the system's authorities must do
        return None
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _trusting(path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise UsageError(f"--ca: {path}: holds no certificate in PEM") from error
    except OSError as error:
        raise UsageError(f"--ca: {path}: cannot be read ({why(error)})") from error
    return context


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password_file:
        try:
            text = Path(arguments.password_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = why(error) if isinstance(error, OSError) else "not UTF-8"
            raise UsageError(
                f"--password-file: {arguments.password_file}: cannot be read ({reason})"
            ) from error
        return text.removesuffix("\n").removesuffix("\r")
    password = os.environ.get("RNND_PASSWORD")
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise UsageError("--user: no password; see --password-file")
    return getpass.getpass(f"password of {arguments.user}: ")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nobody: a password is for the one that it was meant for."""

    def redirect_request(
        self, req: object, fp: object, code: int, msg: str, headers: object, newurl: str
    ) -> None:
        """Refuse."""


def fetch_status(daemon: Daemon) -> dict[str, Any]:
    """Return what *daemon* says of itself; raises `RnndError`."""
    request = urllib.request.Request(f"{daemon.url}/api/v1/status")  # noqa: S310 checked above
    if daemon.user is not None:
        encoded = base64.b64encode(f"{daemon.user}:{daemon.password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if _is_here(daemon.url):
        handlers.append(urllib.request.ProxyHandler({}))
    if daemon.url.startswith("https:"):
        context = daemon.context or ssl.create_default_context()
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            status = json.loads(answer.read(LIMIT))
    except urllib.error.HTTPError as error:
        raise RnndError(_refusal(daemon, error)) from error
    except urllib.error.URLError as error:
        raise RnndError(_silence(daemon.url, error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RnndError(f"{daemon.url} does not answer as rnnd does ({error})") from error
    if not isinstance(status, dict) or not isinstance(status.get("apps"), list):
        raise RnndError(f"{daemon.url} does not answer as rnnd does")
    return status


def _is_here(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(daemon: Daemon, error: urllib.error.HTTPError) -> str:
    if error.code == 401 and daemon.user is None:
        return f"{daemon.url} wants to know who asks; see --user"
    if error.code == 401:
        return f"{daemon.url} refuses the user {daemon.user!r} or the password"
    if error.code == 429:
        return f"{daemon.url} has been given too many wrong passwords; wait some seconds"
    if 300 <= error.code < 400:
        return (
            f"{daemon.url} is elsewhere: {error.headers.get('Location', 'it does not say where')!r}"
        )
    return f"{daemon.url} answers {error.code}: no rnnd is there"


def _silence(url: str, error: urllib.error.URLError) -> str:
    reason = error.reason
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"{url} has a certificate that is not trusted ({reason.verify_message}); see --ca"
    if isinstance(reason, ssl.SSLError):
        return f"{url} does not speak TLS as expected ({reason.reason or reason})"
    said = why(reason) if isinstance(reason, OSError) else reason
    return f"{url} does not answer ({said}); is rnnd running? see --url"
