"""The lines of the simulated application: what its hidden life looks like in the log.

An hour of log is drawn at a time, each stream of lines as columns of random numbers (NumPy) and
then one formatting a line. Every hour has random numbers of its own, so any hour can be had alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnd.daemon.simulator.world import PROCESSES, Floats, World

HOUR = 3600.0
SLOT = 10.0  # s; within one, a stream's rate is constant

PROCESS = {process.kind: process for process in PROCESSES}
USERS = (
    "amelie",
    "bruno",
    "carla",
    "dmitri",
    "elena",
    "farid",
    "greta",
    "hassan",
    "ines",
    "jonas",
    "keiko",
    "liam",
    "mona",
    "nadia",
    "oskar",
    "priya",
    "quentin",
    "rosa",
    "samir",
    "tania",
    "ulrich",
    "vera",
    "wanda",
    "xenia",
    "yusuf",
    "zoe",
)
PATHS = (
    "GET /api/v1/products/%d",
    "GET /api/v1/orders/%d",
    "POST /api/v1/basket/%d/items",
    "GET /static/img/%d.webp",
    "GET /search?page=%d",
    "PUT /api/v1/account/%d",
    "GET /cart/%d",
)
JOBS = ("mail-digest", "price-sync", "search-index", "thumbnails", "invoices")

# Lines of severity ERROR that lead nowhere: what makes a threshold on errors useless.
ERRORS = (
    "shop.mail.Sender - could not deliver to {user}@example.net: 451 greylisted, will retry",
    "shop.pay.CardGateway - card declined for order {number}: insufficient funds",
    "shop.web.Upload - image {hex} rejected: unsupported colour profile",
    "shop.partner.Feed - partner {small} answered 502 Bad Gateway, feed skipped",
    "shop.auth.Login - account {user} locked after 5 failed attempts from {ip}",
    "shop.search.Index - document {number} refused: mapper_parsing_exception",
    "shop.web.Errors - unhandled exception in request {hex}\n"
    "java.lang.IllegalArgumentException: negative quantity: -{small}\n"
    "\tat shop.basket.Basket.add(Basket.java:118)\n"
    "\tat shop.web.BasketController.post(BasketController.java:64)\n"
    "\t... 42 more",
)
# What the first critical line of a failure says, by its kind.
CRITICAL = {
    "latency": "shop.db.Pool - no connection within 30000 ms, pool exhausted (64 in use)",
    "heap": "shop.vm.Memory - java.lang.OutOfMemoryError: Java heap space",
    "disk": "shop.store.Journal - cannot append to journal: No space left on device",
    "retries": "shop.pay.Provider - payment provider unreachable, circuit open",
    "queue": "shop.queue.Broker - broker closed the channel: memory high-water mark",
    "heartbeat": "shop.db.Replica - replica lost, writes refused",
    "order": "shop.db.Transaction - deadlock not resolved, transactions stalled",
    "sudden": "shop.main.Watchdog - worker process exited on signal 11",
}
AFTERMATH = (
    "CRITICAL [main] shop.main.Health - health check failed, error budget used {small} times over",
    "CRITICAL [main] shop.main.Dispatcher - rejecting requests, {number} waiting",
    "ERROR [main] shop.web.Server - request {hex} aborted: service unavailable",
)
RESTART = (
    "WARN  [main] shop.main.Supervisor - restarting application",
    "INFO  [main] shop.main.Boot - starting shop {version} on host app-1",
    "INFO  [main] shop.main.Boot - configuration read from /etc/shop/shop.conf",
    "INFO  [main] shop.db.Pool - 64 connections opened in {small} ms",
    "INFO  [main] shop.web.Server - listening on 0.0.0.0:8080",
    "INFO  [main] shop.main.Boot - ready",
)

Events = tuple[Floats, Iterable[str]]  # times in seconds since the world began, and their messages


@dataclass(frozen=True, slots=True)
class Hour:
    """The random numbers of one hour, and the hours' hidden life."""

    world: World
    start: float  # s since the world began
    random: np.random.Generator

    def arrivals(self, a_minute: float | Floats, *, loaded: bool = False) -> Floats:
        """Return random times at so many a minute, a number for each slot or one for all."""
        slots = self.slots
        rate = np.broadcast_to(a_minute, slots.shape) * (SLOT / 60)
        if loaded:
            rate = rate * self.world.load(slots)
        counts = self.random.poisson(rate)
        times = np.repeat(slots, counts) + self.random.uniform(0, SLOT, counts.sum())
        return np.asarray(np.sort(times))

    def regular(self, every: float, jitter: float) -> Floats:
        """Return times *every* so many seconds, each a little off."""
        times = self.start + np.arange(0.0, HOUR, every)
        return np.asarray(times + every / 2 + self.random.uniform(-jitter, jitter, len(times)))

    @property
    def slots(self) -> Floats:
        """The beginnings of the hour's slots."""
        return np.asarray(self.start + np.arange(0.0, HOUR, SLOT))

    def progress(self, kind: str, times: Floats) -> Floats:
        """Return how far the episode of *kind* has come at each time."""
        return self.world.progress(PROCESS[kind], times)

    def integers(self, low: int, high: int, count: int) -> list[int]:
        """Return *count* random integers from *low* to *high*, both included."""
        return [int(value) for value in self.random.integers(low, high + 1, count).tolist()]

    def users(self, count: int) -> list[str]:
        """Return *count* names, a few of them often."""
        rank = self.random.integers(0, len(USERS), count) * self.random.random(count)
        return [USERS[index] for index in rank.astype(int).tolist()]

    def addresses(self, count: int) -> list[str]:
        """Return *count* addresses of clients."""
        numbers = self.random.integers(1, 255, (count, 3)).tolist()
        return [f"10.{a}.{b}.{c}" for a, b, c in numbers]

    def hexes(self, count: int) -> list[str]:
        """Return *count* identifiers of twelve hexadecimal digits."""
        return [f"{value:012x}" for value in self.random.integers(0, 1 << 48, count).tolist()]

    def fill(self, templates: list[str], times: Floats) -> list[str]:
        """Return every template with its names, numbers and identifiers filled in."""
        count = len(templates)
        columns = (self.users(count), self.addresses(count), self.hexes(count))
        numbers, small = self.integers(10000, 99999, count), self.integers(2, 60, count)
        version = f"4.{np.searchsorted(self.world.deployments, self.start)}.0"
        return [
            template.format(user=u, ip=i, hex=h, number=n, small=s, version=version)
            for template, u, i, h, n, s in zip(templates, *columns, numbers, small, strict=True)
        ]


def _requests(hour: Hour) -> Events:
    times = hour.arrivals(38.0, loaded=True)
    count = len(times)
    slower = 1 + 6.0 * hour.progress("latency", times) ** 2 + 0.15 * hour.world.wander(1, times)
    busy = 0.8 + 0.25 * hour.world.load(times)
    took = 38 * busy * np.maximum(slower, 0.5) * np.exp(0.6 * hour.random.standard_normal(count))
    status = np.array([200, 200, 200, 304, 201, 404, 403])[
        hour.random.choice(7, count, p=[0.4, 0.2, 0.15, 0.12, 0.08, 0.04, 0.01])
    ]
    columns = (
        hour.integers(1, 32, count),
        [PATHS[index] for index in hour.random.integers(0, len(PATHS), count).tolist()],
        hour.integers(1, 9999, count),
        status.tolist(),
        took.astype(int).tolist(),
        hour.users(count),
        hour.addresses(count),
    )
    return times, (
        f"INFO  [http-{thread}] shop.web.Access - {path % page} {code} {ms} ms user={user} ip={ip}"
        for thread, path, page, code, ms, user, ip in zip(*columns, strict=True)
    )


def _transactions(hour: Hour) -> Events:
    """Four lines a transaction; their order tells of lock trouble, their number tells nothing."""
    began = hour.arrivals(3.2, loaded=True)
    count = len(began)
    gaps = hour.random.exponential(0.03, (count, 4)) + 0.002
    times = began[:, None] + np.cumsum(gaps, axis=1)
    swapped = hour.random.random(count) < 0.04 + 0.7 * (hour.progress("order", began) > 0)
    numbers = hour.integers(100000, 999999, count)
    lines = []
    for number, wrong, rows in zip(
        numbers, swapped.tolist(), hour.integers(1, 9, count), strict=True
    ):
        locks = ("stock", "orders") if wrong else ("orders", "stock")
        head = "DEBUG [tx] shop.db.Transaction -"
        lines += [
            f"{head} begin {number}",
            f"{head} {number} locked table {locks[0]}",
            f"{head} {number} locked table {locks[1]}",
            f"{head} commit {number}, {rows} rows",
        ]
    return times.ravel(), lines


def _sessions(hour: Hour) -> Events:
    times = hour.arrivals(3.0, loaded=True)
    count = len(times)
    verbs = [("opened", "renewed", "closed")[i] for i in hour.integers(0, 2, count)]
    columns = (verbs, hour.hexes(count), hour.users(count), hour.addresses(count))
    return times, (
        f"INFO  [auth] shop.auth.Session - session {key} {verb} for {user} from {ip}"
        for verb, key, user, ip in zip(*columns, strict=True)
    )


def _cache(hour: Hour) -> Events:
    times = hour.arrivals(2.2, loaded=True)
    evicted, ratio = hour.integers(10, 900, len(times)), hour.integers(80, 97, len(times))
    return times, (
        f"DEBUG [cache] shop.cache.Lru - evicted {n} entries, hit ratio {r}%"
        for n, r in zip(evicted, ratio, strict=True)
    )


def _queries(hour: Hour) -> Events:
    times = hour.arrivals(1.5, loaded=True)
    slower = 1 + 2.0 * hour.progress("latency", times)
    took = slower * hour.random.lognormal(5.6, 0.5, len(times))
    columns = (took.tolist(), hour.integers(0, 500, len(times)), hour.hexes(len(times)))
    return times, (
        f"INFO  [db] shop.db.SlowLog - statement {key} took {ms / 1000:.3f} s, {rows} rows"
        for ms, rows, key in zip(*columns, strict=True)
    )


def _collections(hour: Hour) -> Events:
    times = hour.regular(20.0, 6.0)
    count = len(times)
    usual = 44 + 6 * hour.world.wander(2, times) + 3 * hour.random.standard_normal(count)
    grown = (94 - usual) * np.minimum(hour.progress("heap", times), 1.1) ** 1.5
    used = np.clip(usual + grown, 5, 99).astype(int).tolist()
    pauses = hour.random.gamma(3.0, 6.0, count).tolist()
    return times, (
        f"INFO  [gc] shop.vm.Memory - collection done, heap {percent}% used, paused {pause:.1f} ms"
        for percent, pause in zip(used, pauses, strict=True)
    )


def _disk(hour: Hour) -> Events:
    times = hour.regular(60.0, 0.4)
    usual = 52 + 22 * ((times / HOUR - 3) % 24) / 24 + 3 * hour.world.wander(3, times)
    grown = (97 - usual) * hour.progress("disk", times)
    used = np.clip(usual + grown, 1, 99)
    free = (400 * (100 - used) / 100).tolist()
    return times, (
        f"INFO  [store] shop.store.Volume - /var/data {percent}% used, {gb:.1f} GB free"
        for percent, gb in zip(used.astype(int).tolist(), free, strict=True)
    )


def _retries(hour: Hour) -> Events:
    grown = 20.0 * hour.progress("retries", hour.slots) ** 2
    wandering = np.exp(0.3 * hour.world.wander(4, hour.slots))
    times = hour.arrivals(1.2 * wandering * (1 + grown))
    orders, attempts = hour.integers(10000, 99999, len(times)), hour.integers(2, 4, len(times))
    return times, (
        f"INFO  [pay] shop.pay.Provider - retrying authorisation of order {order}, attempt {n}"
        for order, n in zip(orders, attempts, strict=True)
    )


def _queue(hour: Hour) -> Events:
    grown = 20.0 * hour.progress("queue", hour.slots) ** 2
    wandering = np.exp(0.3 * hour.world.wander(5, hour.slots))
    times = hour.arrivals(0.7 * wandering * (1 + grown))
    count = len(times)
    depth = 400 * np.exp(0.7 * hour.random.standard_normal(count))
    names = [("orders", "mails", "events")[i] for i in hour.integers(0, 2, count)]
    return times, (
        f"WARN  [queue] shop.queue.Broker - consumer of {name} is {behind} messages behind"
        for name, behind in zip(names, depth.astype(int).tolist(), strict=True)
    )


def _heartbeats(hour: Hour) -> Events:
    times = hour.regular(15.0, 1.5)
    silent = ~np.isnan(hour.world.under_way("heartbeat", times)[0])
    silent |= _soon_after(hour.world.deployments, times, 75.0)
    times = times[~silent]
    positions = (1e9 + 917.3 * times).astype(int).tolist()
    return times, (f"DEBUG [repl] shop.db.Replica - heartbeat ok, lsn {lsn}" for lsn in positions)


def _schedule(hour: Hour) -> Events:
    times = hour.regular(60.0, 0.05)
    jobs = [JOBS[index] for index in hour.integers(0, len(JOBS) - 1, len(times))]
    columns = (jobs, hour.integers(40, 2500, len(times)))
    return times, (
        f"INFO  [cron] shop.jobs.Runner - job {job} finished in {ms} ms"
        for job, ms in zip(*columns, strict=True)
    )


def _noise(hour: Hour) -> Events:
    """Errors that lead nowhere: a few all the time, and bursts of one of them every few hours."""
    random = hour.random
    parts = [hour.arrivals(0.25, loaded=True)]
    kinds = [random.integers(0, len(ERRORS), len(parts[0]))]
    for _ in range(random.poisson(0.5)):
        began, lasts = hour.start + random.uniform(0, HOUR - 400), random.uniform(30, 400)
        count = int(random.integers(15, 80))
        parts.append(np.sort(began + random.uniform(0, lasts, count)))
        kinds.append(np.full(count, random.integers(0, len(ERRORS))))
    times, which = np.concatenate(parts), np.concatenate(kinds).tolist()
    return times, hour.fill([f"ERROR [worker] {ERRORS[index]}" for index in which], times)


def _batch(hour: Hour) -> Events:
    """Every night at two a batch job complains for forty minutes, and means nothing by it."""
    clock = hour.slots % 86400.0
    busy = (clock >= 2 * HOUR) & (clock < 2 * HOUR + 2400)
    times = hour.arrivals(np.where(busy, 60.0, 0.0))
    rows, codes = hour.integers(1, 99999, len(times)), hour.integers(100, 104, len(times))
    return times, (
        f"WARN  [batch] shop.batch.Ledger - row {row} has no counterpart, code E{code}"
        for row, code in zip(rows, codes, strict=True)
    )


def _deployments(hour: Hour) -> Events:
    """A new version goes live without an interruption that anybody would notice."""
    times = [np.zeros(0)]
    lines: list[str] = []
    deployments = hour.world.deployments
    for start in deployments[(deployments >= hour.start) & (deployments < hour.start + HOUR)]:
        times.append(start + np.cumsum(hour.random.uniform(0.2, 4.0, len(RESTART))))
        lines += RESTART
    moments = np.concatenate(times)
    return moments, hour.fill(lines, moments)


def _failures(hour: Hour) -> Events:
    """The failures' own lines; one that began in the hour before may end in this one."""
    times = [np.zeros(0)]
    lines: list[str] = []
    for failure in hour.world.failures:
        if not hour.start - HOUR <= failure.start < hour.start + HOUR:
            continue
        random = np.random.default_rng([hour.world.seed, 3, int(failure.start)])
        count = int(random.integers(3, 11))
        after = np.sort(random.uniform(0.3, 60.0, count))
        back = failure.end + np.cumsum(random.uniform(0.1, 3.0, len(RESTART)))
        times += [np.array([failure.start]), failure.start + after, back]
        lines += [f"CRITICAL [main] {CRITICAL[failure.kind]}"]
        lines += [AFTERMATH[index] for index in random.integers(0, len(AFTERMATH), count)]
        lines += RESTART
    moments = np.concatenate(times)
    filled = hour.fill(lines, moments)
    inside = (moments >= hour.start) & (moments < hour.start + HOUR)
    return moments[inside], [line for line, keep in zip(filled, inside, strict=True) if keep]


def _soon_after(moments: Floats, times: Floats, within: float) -> NDArray[np.bool_]:
    """Return whether one of the *moments* lies at most *within* seconds before each time."""
    last = np.concatenate([[-np.inf], moments])[np.searchsorted(moments, times, side="right")]
    return np.asarray(times - last < within)


# What stops while the application is down, and what goes on.
SERVICE: tuple[Callable[[Hour], Events], ...] = (
    _requests,
    _transactions,
    _sessions,
    _cache,
    _queries,
    _collections,
    _retries,
    _queue,
    _heartbeats,
    _noise,
    _batch,
)
HOST: tuple[Callable[[Hour], Events], ...] = (_disk, _schedule, _deployments, _failures)


def hour_of_lines(world: World, number: int) -> tuple[Floats, list[str]]:
    """Return the times, ascending, and the messages of hour *number* of the *world*."""
    hour = Hour(world, number * HOUR, np.random.default_rng([world.seed, 2, number]))
    times: list[Floats] = []
    lines: list[str] = []
    for stream in (*SERVICE, *HOST):
        moments, messages = stream(hour)
        times.append(
            np.where(world.down(moments), np.nan, moments) if stream in SERVICE else moments
        )
        lines += messages
    moments = np.concatenate(times)
    order = np.argsort(moments, kind="stable")
    order = order[: np.count_nonzero(moments < hour.start + HOUR)]  # NaN sorts last
    return moments[order], [lines[index] for index in order.tolist()]
