"""`rnnd run`: the daemon."""

import argparse
import logging
import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector

from rnnd.config.loading import parse_address
from rnnd.config.names import app_name
from rnnd.config.schema import AppSettings, Settings
from rnnd.config.units import parse_duration
from rnnd.daemon.configuration import read_configuration
from rnnd.daemon.heap import bound_heap
from rnnd.daemon.notify import Notifier
from rnnd.daemon.service import Service
from rnnd.daemon.serving.activation import inherited_listener
from rnnd.daemon.serving.guard import Guard, exposures
from rnnd.daemon.serving.http import HttpServer
from rnnd.daemon.serving.metrics import StatusCollector
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.serving.tls import ServerTls, load_certificate
from rnnd.daemon.tailing.rotation import is_packed
from rnnd.errors import RnndError, UsageError

log = logging.getLogger(__name__)

STATE_HELP = (
    "where what was learnt is kept (as the configuration says; for LOGs, a directory of their own "
    "below $XDG_STATE_HOME, else ~/.local/state)"
)
LISTEN_HELP = (
    "where metrics and the status page are served (as the configuration says, else "
    "127.0.0.1:7663); port 0 is any free one"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd run` takes."""
    parser.add_argument(
        "logs", nargs="*", metavar="LOG", help="a path or a quoted glob; all of them are one app"
    )
    parser.add_argument("--config", metavar="FILE", help="a configuration instead of LOGs")
    parser.add_argument("--state", metavar="DIR", help=STATE_HELP)
    parser.add_argument("--listen", metavar="HOST:PORT", help=LISTEN_HELP)
    parser.add_argument(
        "--checkpoint-every", metavar="DURATION", help="how often the state is saved (1m)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until SIGTERM or SIGINT."""
    bound_heap()
    logging.basicConfig(level=logging.INFO, format="rnnd: %(message)s", stream=sys.stderr)
    settings = read_settings(arguments)
    service = Service(settings, notifier=Notifier.from_environment())

    def reload() -> None:
        try:
            new = read_settings(arguments)
            if new.http.tls is not None:
                load_certificate(new.http.tls)
            _warn(new, parse_address(new.http.listen)[0])
            if (new.http.listen, new.state) != (settings.http.listen, settings.state):
                log.warning("a new http.listen or state takes effect after a restart")
            service.reload(new)
        except RnndError as error:
            log.error("the configuration stays as it was:\n%s", error)
            service.reload_failed(str(error))
            raise

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(StatusCollector(service.status))
    host, port = parse_address(settings.http.listen)
    guard = Guard(
        Pages(service.status, registry, reload), users=lambda: service.settings.http.users
    )
    tls = ServerTls(lambda: service.settings.http.tls)
    tls.context()  # raises where there is no good certificate to begin with
    server = HttpServer(host, port, guard, inherited_listener(), tls.context)
    _warn(settings, server.address[0])
    with _signals(service, reload):
        try:
            log.info("metrics and status on %s, state in %s", server.url, settings.state)
            server.start()
            service.run()
        finally:
            server.stop()
    if service.unsaved:
        log.error(
            "stopped, and not saved: %s; what was read since the last saving is read again",
            ", ".join(service.unsaved),
        )
        return 1
    log.info("saved and stopped")
    return 0


def _warn(settings: Settings, host: str) -> None:
    for text in exposures(settings.http, host):
        log.warning("%s", text)


@contextmanager
def _signals(service: Service, reload: Callable[[], None]) -> Iterator[None]:
    """Stop on SIGTERM and SIGINT, reload on SIGHUP.

    Neither in the handler itself: the signal may have interrupted this thread while it held the
    lock of an event that is to be set.
    """

    def stop(_: int, __: FrameType | None) -> None:
        threading.Thread(target=service.stop, name="stop").start()

    def again(_: int, __: FrameType | None) -> None:
        threading.Thread(target=reload_quietly, name="reload").start()

    def reload_quietly() -> None:
        with suppress(RnndError):  # said already, and counted
            reload()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: again}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings that the command line asks for.

    Raises `UsageError`, and `ConfigError` where the file is wrong.
    """
    if arguments.config and arguments.logs:
        raise UsageError("--config: give either a configuration or LOGs, not both")
    if arguments.config:
        settings = read_configuration(Path(arguments.config))
    elif arguments.logs:
        settings = _from_logs(arguments.logs)
    else:
        raise UsageError("LOG: none given, expected paths, globs or --config FILE")
    changes: dict[str, object] = {}
    if arguments.state:
        changes["state"] = arguments.state
    if arguments.listen:
        try:
            parse_address(arguments.listen)
        except ValueError as error:
            raise UsageError(f"--listen: {error}") from error
        changes["http"] = msgspec.structs.replace(settings.http, listen=arguments.listen)
    if arguments.checkpoint_every:
        try:
            changes["checkpoint_every"] = parse_duration(arguments.checkpoint_every)
        except ValueError as error:
            raise UsageError(f"--checkpoint-every: {error}") from error
    return msgspec.structs.replace(settings, **changes)


def _from_logs(logs: list[str]) -> Settings:
    for path in logs:
        if Path(path).is_dir():
            raise UsageError(f"{path}: is a directory, expected logs such as '{path}/*.log'")
        if path == "-" or is_packed(path):
            raise UsageError(f"{path}: does not grow; `rnnd backtest` reads it")
    app = AppSettings(name=app_name(logs[0]), logs=tuple(logs))
    return Settings(apps=(app,), state=str(default_state(app)))


def default_state(app: AppSettings) -> Path:
    """Return the directory for the state of LOGs without a configuration: one a set of logs."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    paths = sorted(str(Path(path).absolute()) for path in app.logs)
    return Path(base) / "rnnd" / f"{app.name}-{zlib.crc32(chr(0).join(paths).encode()):08x}"
