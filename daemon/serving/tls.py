"""TLS for the HTTP server, with a certificate that may be renewed while it runs."""

import logging
import os
import ssl
import stat
import time
from collections.abc import Callable
from pathlib import Path

from rnnd.config.schema import TlsSettings
from rnnd.daemon.files import why
from rnnd.errors import UsageError

log = logging.getLogger(__name__)

LOOK = 10.0  # s between two looks at the files

Stamp = tuple[tuple[int, int, int], ...]


def load_certificate(settings: TlsSettings) -> ssl.SSLContext:
    """Return the server's side of TLS with the certificate that *settings* name.

    Raises `UsageError` where it cannot be had, or everybody may read its key.
    """
    _check_files(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # TLS 1.2 or newer
    try:
        context.load_cert_chain(settings.certificate, settings.key, _no_password)
    except ssl.SSLError as error:
        raise UsageError(f"http.tls: {_fault(error, settings)}") from error
    except OSError as error:
        raise UsageError(f"http.tls: {settings.certificate}: {why(error)}") from error
    return context


def _check_files(settings: TlsSettings) -> None:
    for path in (settings.certificate, settings.key):
        try:
            with Path(path).open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            raise UsageError(f"http.tls: {path}: cannot be read ({why(error)})") from error
    if mode & stat.S_IROTH:
        raise UsageError(f"http.tls: {path}: everybody can read this key; chmod o= {path}")


def _no_password() -> str:
    raise UsageError("http.tls: the key has a password, and nobody is there to type it")


def _fault(error: ssl.SSLError, settings: TlsSettings) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{settings.key} is not the key of {settings.certificate}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"{settings.certificate}, {settings.key}: no certificate and key in PEM ({reason})"


class ServerTls:
    """Gives the context for the next connection, or None for plain HTTP.

    *read* tells the settings in force. The files are looked at again every `LOOK` seconds, so that
    a renewed certificate needs no restart; one that is no good leaves the one before in use.
    """

    def __init__(
        self, read: Callable[[], TlsSettings | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._settings: TlsSettings | None = None
        self._context: ssl.SSLContext | None = None
        self._stamp: Stamp | None = None
        self._next_look = 0.0

    def context(self) -> ssl.SSLContext | None:
        """Return the context of the newest good certificate."""
        settings = self._read()
        if settings is None:
            self._settings = self._context = None
            return None
        if settings == self._settings and self._clock() < self._next_look:
            return self._context
        self._next_look = self._clock() + LOOK
        stamp = _stamp_of(settings)
        if settings != self._settings or stamp != self._stamp:
            self._renew(settings, stamp)
        return self._context

    def _renew(self, settings: TlsSettings, stamp: Stamp | None) -> None:
        renewed = self._context is not None
        self._settings, self._stamp = settings, stamp
        try:
            self._context = load_certificate(settings)
        except UsageError as error:
            log.error("the certificate stays as it was: %s", error)
            if self._context is None:
                raise
            return
        if renewed:
            log.info("took over the certificate %s", settings.certificate)


def _stamp_of(settings: TlsSettings) -> Stamp | None:
    """Return what changes when one of the files is replaced or written to."""
    try:
        found = [Path(path).stat() for path in (settings.certificate, settings.key)]
    except OSError:
        return None
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)
