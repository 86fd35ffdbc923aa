"""The daemon's worker: one thread that owns the files, the codecs and the networks."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rnnd.codecs.zone import parse_zone
from rnnd.config.schema import AppSettings, Settings
from rnnd.daemon.app import App, Pipeline
from rnnd.daemon.clock import Clock, SystemClock
from rnnd.daemon.files import why
from rnnd.daemon.notify import Notifier
from rnnd.daemon.prediction.incidents import ignore, load_incidents
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.saving import Saved, Saver
from rnnd.daemon.state import StateDirectory
from rnnd.daemon.tailing.watch import Watcher
from rnnd.daemon.tally import ServiceStatus
from rnnd.errors import RnndError

log = logging.getLogger(__name__)

POLL = 1.0  # s between two looks at the files when nothing wakes us
PAUSE = 0.05  # s after a wake-up, so that a busy log wakes us 20 times a second, not 3,000
REST = 4  # times as long as a look took is the pause at least: there may be 40,000 files
WATCH = 10.0  # s between two looks at which directories to watch; the poll needs no watching
GRACE = 3.0  # s after a tick's end in which its lines may still be written


def pipeline_of(app: AppSettings) -> AppPipeline:
    """Return a new pipeline; raises `UsageError` where the app's list of failures is no such.

    A bad row in it is no reason not to start.
    """
    incidents = None
    if app.failures:
        incidents = load_incidents(app.failures, app.merge, parse_zone(app.timezone), ignore)
    return AppPipeline(app, incidents=incidents)


class Service:
    """Runs all apps of *settings* until `stop`; tells others by `status` alone.

    `run` is the worker's thread. `stop`, `reload` and `status` may be called from any thread, or
    from a signal handler. A *clock* that runs faster, with a *grace* to match, makes a demo.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
        grace: float = GRACE,
        make_pipeline: Callable[[AppSettings], Pipeline] = pipeline_of,
        listeners: Sequence[Callable[[Prediction], None]] = (),
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._notifier = notifier or Notifier(None)
        self._grace = grace
        self._make_pipeline = make_pipeline
        self._listeners = listeners
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._next_settings: Settings | None = None
        self.unsaved: list[str] = []  # apps whose state could not be saved at the end
        self._apps: dict[str, App] = {}
        self._saver = Saver(self._wake)
        now = self._clock.now()
        self._status = ServiceStatus(started_at=now, reload_at=now, state_directory=settings.state)

    def status(self) -> ServiceStatus:
        """Return the newest status; it never changes any more."""
        return self._status

    def stop(self) -> None:
        """Let `run` save everything and return, soon."""
        self._stop.set()
        self._wake.set()

    def reload(self, settings: Settings) -> None:
        """Let the worker take over *settings*: unchanged apps keep everything."""
        self._next_settings = settings
        self._wake.set()

    def reload_failed(self, error: str) -> None:
        """Let it be known that a configuration was refused; nothing else changes."""
        self._status = replace(self._status, reload_success=False, reload_error=error)

    def run(self) -> None:
        """Work until `stop`.

        Raises `RnndError` when the state directory cannot be had, or holds what must not be
        written over.
        """
        with ExitStack() as stack:
            directory = stack.enter_context(StateDirectory(Path(self.settings.state)))
            stack.enter_context(self._saver)
            stack.callback(self._close_apps)
            for app in self.settings.apps:
                self._apps[app.name] = self._open(app, self._make_pipeline(app), directory)
            watcher = Watcher(self._wake)
            stack.callback(watcher.stop)
            watcher.start()
            self._work(directory, watcher)
            self._notifier.stopping()
            self._save_all()

    def _work(self, directory: StateDirectory, watcher: Watcher) -> None:
        self._notifier.ready("reading what the logs hold")
        watcher.watch(self._patterns())
        saved = watched = self._clock.monotonic()
        while not self._stop.is_set():
            if self._next_settings is not None:
                self._take_over(self._next_settings, directory)
                watcher.watch(self._patterns())
            self._wake.clear()
            began, busy = self._clock.monotonic(), False
            for app in self._apps.values():
                busy |= app.turn(self._clock.now(), self._clock.monotonic())
                self._notifier.alive()
                if self._stop.is_set():
                    return
            now = self._clock.monotonic()
            if now - saved >= self.settings.checkpoint_every:
                self._saver.ask(self._apps, now)
                saved = now
            if now - watched >= WATCH:
                watcher.watch(self._patterns())
                watched = now
            self._note(self._saver.turn(self._apps, now))
            self._publish()
            rest = min(max(PAUSE, REST * (self._clock.monotonic() - began)), POLL)
            if not busy and self._clock.wait(self._wake, POLL):
                self._clock.wait(self._stop, rest)

    def _patterns(self) -> list[str]:
        return [pattern for app in self._apps.values() for pattern in app.tailer.patterns]

    def _open(self, settings: AppSettings, pipeline: Pipeline, directory: StateDirectory) -> App:
        app = App(
            settings,
            pipeline,
            directory.file(settings.name),
            self._grace,
            self._listeners,
        )
        try:
            app.load()
        except BaseException:
            app.close()
            raise
        failures = self._status.checkpoint_failures + app.file.refused
        self._status = replace(self._status, checkpoint_failures=failures)
        return app

    def _close_apps(self) -> None:
        for app in self._apps.values():
            app.close()

    def _publish(self) -> None:
        apps = tuple(app.status() for app in self._apps.values())
        ready = not any(app.catching_up for app in apps)
        if ready and not self._status.ready:
            self._notifier.ready("watching")
        self._status = replace(self._status, apps=apps, ready=self._status.ready or ready)

    # Reloading

    def _take_over(self, settings: Settings, directory: StateDirectory) -> None:
        """Open the apps that are new, close those that have gone, keep the unchanged ones."""
        self._next_settings = None
        self._notifier.reloading()
        wanted = {app.name: app for app in settings.apps}
        same = {name for name, app in self._apps.items() if wanted.get(name) == app.settings}
        try:
            pipelines = {
                name: self._make_pipeline(app) for name, app in wanted.items() if name not in same
            }
        except RnndError as error:
            log.error("the configuration stays as it was: %s", error)
            self.reload_failed(str(error))
            self._notifier.ready("watching")
            return
        for name, app in list(self._apps.items()):
            if name not in same:
                self._save(app)
                app.close()
                del self._apps[name]
        apps, errors = {}, []
        for name, app_settings in wanted.items():
            try:
                apps[name] = self._apps.get(name) or self._open(
                    app_settings, pipelines[name], directory
                )
            except RnndError as error:  # its state cannot be used: no reason to end the others
                log.error("%s is left out: %s", name, error)
                errors.append(str(error))
        self._apps = apps
        self.settings = settings
        self._status = replace(
            self._status,
            reload_success=not errors,
            reload_error="; ".join(errors),
            reload_at=self._clock.now(),
        )
        log.info("took over the configuration: %s", ", ".join(apps))
        self._notifier.ready("watching")

    # Saving

    def _save(self, app: App) -> bool:
        """Save *app* before going on; return whether that was possible."""
        saved = self._saver.save(app, self._clock.monotonic())
        self._note(saved)
        return saved[-1].error is None

    def _note(self, saved: Iterable[Saved]) -> None:
        for one in saved:
            status = self._status
            if one.error is not None:
                log.error("%s: the state could not be saved (%s)", one.app, why(one.error))
                failures = status.checkpoint_failures + 1
                self._status = replace(status, checkpoint_failures=failures)
                continue
            self._status = replace(
                status,
                checkpoint_at={**status.checkpoint_at, one.app: self._clock.now()},
                checkpoint_bytes={**status.checkpoint_bytes, one.app: one.size},
            )

    def _save_all(self) -> None:
        self.unsaved = [name for name, app in self._apps.items() if not self._save(app)]
