"""Tails logs by polling: finds them, follows them through rotation, gives their lines once."""

import os
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnd.daemon.tailing.follower import Follower, LostError, RewrittenError
from rnnd.daemon.tailing.lineage import NEVER, Lineage
from rnnd.daemon.tailing.names import Complaints, find_names
from rnnd.daemon.tailing.poll import Kinship, Poll
from rnnd.daemon.tailing.rotation import Reading, candidate_of

CHUNK = 1 << 18  # bytes of a turn
MAX_OPEN = 256  # descriptors of files that can be opened again
UNPACKED = 10  # bytes that a byte of an archive is taken for
MAX_GONE = 1000  # logs that are remembered after they have gone


class Tailer:
    """Gives the whole lines of all files that *patterns* (paths and globs) find, each once.

    `poll` looks at the files and reads nothing of what is new, `read` gives a source's next
    lines. A source is the name under which a log appeared; its rotated predecessors belong to it.
    `state` is what was given so far: whoever restores it gets what comes after, no less, no more.
    At most *max_open* descriptors are held, and one for each deleted file not yet read.
    The first look also finds the newest rotated files of each log, up to *history* bytes: they are
    read first. Archives count ten times, for that is about what they unpack to.

    What can happen to files, and what can be lost, is told above `Lineage`.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        chunk: int = CHUNK,
        max_open: int = MAX_OPEN,
        history: int = 0,
    ) -> None:
        self.patterns = [os.path.abspath(pattern) for pattern in patterns]  # noqa: PTH100  keeps links
        self.counts: Counter[str] = Counter()  # rotations, truncations, lost bytes
        self.changes = 0  # how often anything was read, or another file found
        self._chunk = chunk
        self._max_open = max_open
        self._history = history
        self._lineages: dict[str, Lineage] = {}
        self._ready: dict[str, Lineage] = {}  # those with something to read
        self._open: OrderedDict[int, Follower] = OrderedDict()  # the longest unused first
        self._complaints = Complaints()
        self._since = 0  # ns since the epoch: when the first look was

    # What the daemon asks

    @property
    def files(self) -> int:
        """How many files are followed."""
        return sum(len(lineage.followers) for lineage in self._lineages.values())

    @property
    def rotated(self) -> int:
        """How many rotated files there are to be read."""
        return sum(one.unread and not one.attached for one in self._followers())

    @property
    def lag(self) -> int:
        """How many bytes there are to be read, as far as was seen."""
        return sum(follower.lag for follower in self._followers())

    @property
    def errors(self) -> Counter[str]:
        """How many attempts to read failed, by reason; the caller may clear it."""
        return self._complaints.counts

    @property
    def complaints(self) -> dict[str, str]:
        """What is wrong now, by path."""
        return dict(self._complaints.now)

    def ready(self) -> list[str]:
        """Return the sources that have something to read."""
        return list(self._ready)

    def is_ready(self, source: str) -> bool:
        """Return whether *source* has something to read."""
        return source in self._ready

    def read(self, source: str) -> bytes:
        """Return the next whole lines of *source*; empty when there are none now."""
        self.changes += 1
        lineage = self._ready[source]
        follower = next(one for one in lineage.followers if one.unread)
        lines = self._read(lineage, follower)
        if not any(one.unread for one in lineage.followers):
            del self._ready[source]
        return lines

    def poll(self, now: float) -> None:
        """Look at all files; *now* is in seconds on a clock that never goes back."""
        names = find_names(self.patterns, self._complaints)
        kinship = Kinship(self._lineages.values())
        poll = Poll(now, names, self._complaints, self.counts, kinship, self._max_open)
        for lineage in self._lineages.values():
            lineage.look(poll)
        for lineage in self._lineages.values():
            if lineage.due:
                self.changes += 1
                lineage.settle(poll)
        self._arrive(poll)
        for lineage in self._lineages.values():
            lineage.let_go(now)
        self._forget(poll)
        self._ready = {
            name: lineage
            for name, lineage in self._lineages.items()
            if any(follower.unread for follower in lineage.followers)
        }
        self._open = OrderedDict(
            (number, follower) for number, follower in self._open.items() if follower.is_open
        )
        self._bound_open(self._followers())

    def state(self) -> dict[str, Any]:
        """Return what must be saved to give exactly what comes next."""
        return {
            "lineages": [lineage.state() for lineage in self._lineages.values()],
            "since": self._since,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another tailer's `state` gave."""
        self.close()
        lineages = (Lineage.of(one) for one in state["lineages"])
        self._lineages = {lineage.name: lineage for lineage in lineages}
        self._since = state["since"]

    def close(self) -> None:
        """Let go of all files."""
        for lineage in self._lineages.values():
            lineage.close()
        self._open.clear()
        self._ready.clear()

    # Finding

    def _arrive(self, poll: Poll) -> None:
        """Begin to follow the logs that are new."""
        first, rotations = not self._since, self.counts["rotations"]
        self._since = self._since or time.time_ns()
        with Reading() as reading:
            for path, (key, status) in sorted(poll.names.items()):
                if path in self._lineages or key in poll.alive:
                    continue
                try:
                    known = self._knows(path, status, reading, poll)
                except OSError as error:
                    poll.complaints.note(path, error)
                    known = False
                if not known:
                    floor = self._history_from(path, poll) if first else self._since
                    lineage = self._lineages[path] = Lineage(path, poll.real_path(path), floor)
                    self.changes += 1
                    poll.kinship.add(lineage)
                    lineage.settle(poll)
        if first:
            self.counts["rotations"] = rotations  # that was before our time

    def _history_from(self, path: str, poll: Poll) -> int:
        """Return when the oldest of the rotated files that are to be read was modified, in ns."""
        floor, room = NEVER, self._history
        for candidate in reversed(poll.surroundings.candidates(poll.real_path(path))):
            room -= candidate.size * (UNPACKED if candidate.packed else 1)
            if room < 0:
                break
            floor = min(floor, candidate.modified)
        return floor

    def _knows(self, path: str, status: os.stat_result, reading: Reading, poll: Poll) -> bool:
        """Return whether a new name leads to a rotated file, or a copy, of a log that we know."""
        if not status.st_size:
            return False
        candidate = candidate_of(path, status)
        related = poll.kinship.rotated_into(poll.real_path(path))
        related += poll.kinship.done_with(candidate.key)
        return any(one.knows(candidate, reading, poll, asked=True) for one in related)

    def _forget(self, poll: Poll) -> None:
        """Remember logs that have gone, but not without bound."""
        gone = [
            name
            for name, lineage in self._lineages.items()
            if not lineage.followers and name not in poll.names
        ]
        for name in gone[: max(0, len(gone) - MAX_GONE)]:
            del self._lineages[name]

    # Reading

    def _followers(self) -> Iterable[Follower]:
        return (follower for one in self._lineages.values() for follower in one.followers)

    def _read(self, lineage: Lineage, follower: Follower) -> bytes:
        if follower.ending and not follower.lag and not follower.pending:
            lines = follower.buffer.flush()
            follower.ending = False
            lineage.finish(follower)
            return lines
        try:
            lines = follower.read(self._chunk)
        except RewrittenError:
            follower.rewritten = True
        except LostError:
            pass  # the next poll finds it again
        except OSError as error:
            self._complaints.note(follower.path, error)
        else:
            self._bound_open([follower])
            return lines
        follower.give_up()
        return b""

    def _bound_open(self, used: Iterable[Follower]) -> None:
        """Keep the descriptors of files that can be opened again within their bound."""
        for follower in used:
            if follower.is_open:
                self._open[id(follower)] = follower
                self._open.move_to_end(id(follower))
        for _ in range(len(self._open)):  # each is asked once
            if len(self._open) <= self._max_open:
                return
            number, follower = self._open.popitem(last=False)
            if not follower.is_open or follower.can_reopen():
                follower.close()
            else:
                self._open[number] = follower
