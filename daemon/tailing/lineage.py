"""One log and the files that it was written to, in order: what rotation makes of a name."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Self

from rnnd.daemon.tailing.done import Done, DoneFiles
from rnnd.daemon.tailing.follower import FileKey, Follower, LostError, RewrittenError
from rnnd.daemon.tailing.poll import Poll
from rnnd.daemon.tailing.rotation import Candidate, Reading, candidate_of
from rnnd.daemon.tailing.settling import SLACK, Settling
from rnnd.daemon.tailing.signature import HEAD, Signature

LINKED_PATIENCE = 60.0  # s that a rotated file may pause before it is let go
UNLINKED_PATIENCE = 10.0  # s that a deleted file may; its disk space is held so long
NEVER = (1 << 63) - 1  # ns since the epoch; later than every file


# What writers do to their logs, what we see of it, and what may be lost
#
# The names that are asked for are looked up at every poll. A name is only a way to find a file;
# what is followed is the file, which the kernel calls by device and inode. It gives an inode a
# second time once the file is gone, and a file can be emptied and written anew. So we remember of
# what we have read the first 256 bytes (the head), the last 64 (the marker), and checksums of the
# first 320, 384, 448, … bytes. Head and marker are checked whenever a file has changed, the marker
# with every read. All three are what finds a file again under another name, or in an archive.
#
# A lineage is one name and the files that it led to, the oldest first. As long as the name leads
# to the file that it led to, and that still has what we have read, nothing else needs a look.
# Otherwise the lineage is settled: of each file beside it with a rotated log's name we decide
# whether it is one that we follow, one that we are done with, a copy or an archive of either,
# history from before our time, or a generation that came and went unseen. That is read whole.
#
# Rename (logrotate's default). The name leads to a new file. The old one stays open and is read
# to its end before, and beside, the new one: writers go on writing to it until they are told to
# reopen. It is let go when it paused for a minute and has a successor. Whether it is compressed
# or deleted meanwhile does not matter, for we hold it open. If it was not open (we were not
# running, or had too many files), it is found by inode or by content, packed or not.
#
# Copy and truncate. The file has become shorter than our offset, or its marker is gone. What we
# had not read stands in the copy, which is read from our offset on; then the file is read anew.
# Lost is what the writer wrote between the copying and the truncating: nobody has that, unless we
# had read it before. A writer that does not append leaves a hole of zeros, which is skipped.
# A look may fall between the two: the copy is there, and what it holds stands unread in the log
# yet. Nothing older than such a copy counts as history then, or it would be lost when the log is
# emptied before we read it.
#
# `truncate -s`. A shorter file with our head and sums is a piece of what we have read: nothing is
# new. Shorter than the first sum, it is taken for a new beginning.
#
# Deletion. The open file is read to its end, and let go after ten seconds of silence, so that its
# disk space becomes free. A file of the same name is a new file, unless it has all that we had
# read of the old one (at least a head's length): so editors save.
#
# Two names of one file (hard links, symbolic links) are one file. Two files with equal beginnings
# are two, unless the name of one says that it is the other, rotated, and its content agrees.
#
# What is lost: what was appended to a deleted file after our patience with it ended, or to a
# rotated one, until the log is settled again; a file deleted before we looked; a generation that
# was packed by something we cannot unpack (zstd), or moved to where we do not look (anywhere but
# the log's directory and those directly in it), before we read it; and of a log that holds the
# same lines again and again, without times, what was rewritten so that head and marker agree.
# Of a truncated log that begins with a constant banner, less than a line after the banner. Where
# we know that bytes were lost, a warning says how many, and a metric counts.


class Lineage:
    """Follows the log *name*, from which links led to *place*, through all its files.

    Rotated files that were modified before *floor*, in ns since the epoch, are history.
    """

    def __init__(self, name: str, place: str, floor: int) -> None:
        self.name = name
        self.place = place
        self.followers: list[Follower] = []  # in the order of reading
        self.due = True  # to be settled
        self.floor = floor
        self.current: FileKey | None = None  # the file that the name led to last
        self.done = DoneFiles()
        self.broken: dict[FileKey, tuple[int, int]] = {}  # archives that are not whole
        self.lost: list[Follower] = []
        self.rewritten: list[Follower] = []
        self._directory_modified = -1
        self.unsure = False  # whether all files beside the log were seen
        self._copied = False  # a file of which nothing was read has a copy, as it seems
        self._copied_at = NEVER  # ns; when the oldest copy was made of what may be unread

    # Looking

    def look(self, poll: Poll) -> None:
        """See how far the files reach, and whether the lineage must be settled."""
        self.lost, self.rewritten = [], []
        found = poll.names.get(self.name)
        known = 0  # when what was read of the current file was last modified, if that is all of it
        for follower in self.followers:
            if follower.key == self.current and not follower.lag:
                known = follower.modified
            path = self._name_of(follower, poll)
            follower.attached = path is not None
            status = None
            if path is not None:
                follower.path, status = path, poll.names[path][1]
            is_current = found is not None and found[0] == follower.key
            try:
                self._look_at(follower, poll, is_current, status)
            except OSError as error:
                poll.complaints.note(follower.path, error)
                poll.alive[follower.key] = follower
        if found is not None and (found[0] != self.current or found[0] not in poll.alive):
            self.due = True
        if self.lost or self.rewritten or (self._is_blank(found, poll) and self._stirred(poll)):
            self.due = True
        if known and not self.due:
            self.floor = known

    def _name_of(self, follower: Follower, poll: Poll) -> str | None:
        """Return a name that leads to the file, as far as its inode tells."""
        if follower.packed or follower.gone:
            return None
        if poll.names.get(follower.path, (None,))[0] == follower.key:
            return follower.path
        known = follower.is_open or follower.known  # or else the inode may be another file's now
        return poll.paths.get(follower.key) if known else None

    def _look_at(
        self, follower: Follower, poll: Poll, is_current: bool, status: os.stat_result | None
    ) -> None:
        if follower.gone:
            return
        was_open = follower.is_open
        try:
            follower.look(poll.now, status)
        except LostError:
            self.lost.append(follower)
            return
        except RewrittenError:
            if not was_open and not is_current:  # its inode was used again
                follower.close()
                self.lost.append(follower)
                return
            self.rewritten.append(follower)
        if not was_open and follower.is_open:
            poll.room -= 1
            if poll.room < 0 and follower not in self.rewritten:
                follower.close()
        if not follower.packed or follower.can_reopen():  # an open archive is but its content
            poll.alive[follower.key] = follower

    def _is_blank(self, found: object, poll: Poll) -> bool:
        """Return whether nothing is known by which a change of the current file would show."""
        if found is None or self.current is None:
            return True
        follower = poll.alive.get(self.current)
        return follower is not None and not follower.known

    def _stirred(self, poll: Poll) -> bool:
        modified = poll.surroundings.modified(os.path.dirname(self.place))  # noqa: PTH120
        return self._copied or modified == -1 or modified != self._directory_modified

    # Settling

    def settle(self, poll: Poll) -> None:
        """Find what became of all files; their followers are complete and in order then."""
        found = poll.names.get(self.name)
        places = {self.place}
        if found is not None:
            self.place = poll.real_path(self.name)
            places.add(self.place)
        self._directory_modified = poll.surroundings.modified(os.path.dirname(self.place))  # noqa: PTH120
        self._copied, self._copied_at = False, NEVER
        candidates = [one for place in places for one in poll.surroundings.candidates(place)]
        steady = all(poll.surroundings.are_steady(place) for place in places)
        for one in candidates:
            follower = poll.alive.get(one.key)
            if follower is not None and not follower.attached:
                follower.path = one.path
        candidates = [one for one in candidates if one.key not in poll.alive]
        current = candidate_of(self.name, found[1]) if found is not None else None
        fresh = current if current is not None and current.key not in poll.alive else None
        with Reading() as reading:
            self.due = self.unsure = not steady
            settling = Settling(
                self,  # pyright: ignore[reportArgumentType]  one class, two paths
                candidates, reading, poll,
            )  # fmt: skip
            settling.find_lost(fresh)
            again = [one for one in self.rewritten if settling.resume(one)]
            before = self.current
            latest = None if current is None else self._follow_current(current, poll)
            plain = {one.path for one in candidates if not one.packed}
            for candidate in candidates:
                in_progress = candidate.packed and candidate.path.rpartition(".")[0] in plain
                if candidate.key not in poll.alive and not in_progress:
                    settling.sort_out(candidate, before)
        for follower in again:
            follower.start_again()
            self._to_the_end(follower)
        if latest is not None and latest in self.followers:
            self._to_the_end(latest)
        if current is not None and not self.due:
            self.floor = min(current.modified, self._copied_at)
        self._forget(candidates)

    def _follow_current(self, current: Candidate, poll: Poll) -> Follower:
        """Return who follows the file that the name leads to."""
        if self.current not in (None, current.key):
            poll.counts["rotations"] += 1
        self.current = current.key
        if current.key not in poll.alive:
            known = self._known(current)
            self.adopt(Follower(self.name, current.key, known), current, poll)
        return poll.alive[current.key]

    def _known(self, current: Candidate) -> Signature | None:
        """Return what was read of a file that was let go and is back under its name."""
        known = self.done.get(current.key)
        if known is None or known.foreign:
            return None
        try:
            with Reading() as reading:
                same = reading.holds(current, known.signature)
        except OSError:
            same = True  # opening it will tell
        return known.signature.copy() if same else None

    # Knowing

    def knows(
        self, candidate: Candidate, reading: Reading, poll: Poll, asked: bool = False
    ) -> bool:
        """Return whether *candidate* has nothing new, or is read now; raises `OSError`.

        A file that is *asked* for by its own name is no history.
        """
        family = poll.kinship.family(self)  # pyright: ignore[reportArgumentType]  one class, two paths
        for lineage in family:
            known = lineage.done.get(candidate.key)
            if known is not None and not (asked and known.foreign):
                if known.is_still(candidate):
                    return True
                if not candidate.packed and reading.holds(candidate, known.signature):
                    lineage._grow(candidate, known, reading, poll)
                    return True
        modified = candidate.modified + (SLACK if candidate.packed else 0)
        old = modified < self.floor and not asked
        if old and candidate.packed:
            self.done.remember(candidate, None)
            return True
        if any(lineage._has(candidate, reading, poll, asked) for lineage in family):
            return True
        if old:
            self.done.remember(candidate, reading, foreign=True)
        return old

    def _has(self, candidate: Candidate, reading: Reading, poll: Poll, asked: bool) -> bool:
        """Return whether *candidate* is a copy, or an archive, of one of this lineage's files."""
        for follower in self.followers:
            alive = poll.alive.get(follower.key) is follower and not follower.packed
            if alive and follower.has(reading.descriptor(candidate)):
                self._copied |= not follower.signature.offset
            elif reading.holds(candidate, follower.signature) or (
                alive and reading.begins(candidate, follower.signature)
            ):
                self.due |= alive  # it was truncated since we looked at it
            else:
                continue
            offset = 0 if follower in self.rewritten else follower.signature.offset
            if reading.size(candidate) > offset:
                self._copied_at = min(self._copied_at, candidate.modified)
            return True
        for key, known in self.done.items():
            if asked and known.foreign:
                continue
            if known.was_begun_as(candidate, reading):
                self.done.remember(candidate, reading, foreign=known.foreign)
                return True
            if not reading.holds(candidate, known.signature):
                continue
            more = reading.size(candidate) - known.signature.offset
            if more and known.signature.offset < HEAD:  # two logs may begin so
                continue
            if more and not known.foreign and key not in poll.alive:
                rest = Follower(candidate.path, candidate.key, known.signature.copy())
                self.adopt(rest, candidate, poll)
            else:
                self.done.remember(candidate, reading, foreign=known.foreign)
            return True
        return False

    def _grow(self, candidate: Candidate, known: Done, reading: Reading, poll: Poll) -> None:
        """Go on with a file that was let go, if it has grown."""
        if known.foreign or candidate.size == known.signature.offset:
            self.done.remember(candidate, reading, foreign=known.foreign)
            return
        follower = Follower(candidate.path, candidate.key, known.signature.copy())
        self.adopt(follower, candidate, poll)

    def _forget(self, candidates: Iterable[Candidate]) -> None:
        keys = {candidate.key for candidate in candidates}
        self.broken = {key: stamp for key, stamp in self.broken.items() if key in keys}

    # Following

    def adopt(
        self, follower: Follower, found: Candidate, poll: Poll, place: int | None = None
    ) -> None:
        """Follow a file that was found, as the last one or at a *place*."""
        self.followers.insert(len(self.followers) if place is None else place, follower)
        self._settle_in(follower, found, poll)

    def move(self, follower: Follower, found: Candidate, poll: Poll) -> None:
        """Let *follower* go on in another file that has what was read."""
        follower.close()
        follower.key, follower.path = found.key, found.path
        follower.ending = False
        self._settle_in(follower, found, poll)

    def _settle_in(self, follower: Follower, found: Candidate, poll: Poll) -> None:
        follower.packed = found.size if found.packed else 0
        follower.final = follower.final or found.packed
        follower.size = follower.signature.offset + 1 if found.packed else found.size
        follower.modified, follower.active = found.modified, poll.now
        follower.attached = found.key in poll.paths
        poll.alive[found.key] = follower
        if found.path in poll.names:
            poll.complaints.settle(found.path)
            return
        poll.room -= 1
        if poll.room < 0 or (found.packed and not follower.begun):
            return  # it is unpacked when its turn comes: renamed, it is still the same file
        try:  # rather than later, for it may lose its name
            follower.open()
        except (LostError, RewrittenError):
            self.due = True
        except OSError as error:
            poll.complaints.note(found.path, error)

    def _to_the_end(self, follower: Follower) -> None:
        self.followers.remove(follower)
        self.followers.append(follower)

    # Letting go

    def let_go(self, now: float) -> None:
        """Part with files that were read to their end and that nobody writes to any more."""
        for follower in list(self.followers):
            if follower.attached or follower.lag or follower.pending or follower.rewritten:
                continue
            if follower.final or self._is_over(follower, now):
                if follower.buffer.held:
                    follower.ending = True
                else:
                    self.finish(follower)

    def _is_over(self, follower: Follower, now: float) -> bool:
        idle = now - (now if follower.active is None else follower.active)
        if follower.is_open and not follower.linked():
            return idle >= UNLINKED_PATIENCE
        return self.current not in (None, follower.key) and idle >= LINKED_PATIENCE

    def finish(self, follower: Follower) -> None:
        """Let go of a file for good."""
        follower.close()
        self.followers.remove(follower)
        size = follower.packed or follower.signature.offset
        self.done.keep(
            follower.key, Done(follower.signature, size, follower.modified, foreign=False)
        )

    def close(self) -> None:
        """Let go of all descriptors."""
        for follower in self.followers:
            follower.close()

    # State

    def state(self) -> dict[str, Any]:
        """Return what must be saved to go on exactly here, as JSON."""
        return {
            "name": self.name,
            "place": self.place,
            "followers": [follower.state() for follower in self.followers],
            "floor": self.floor,
            "current": self.current and list(self.current),
            "done": self.done.state(),
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Return the lineage, its files not yet open, that `state` gave."""
        lineage = cls(state["name"], state["place"], state["floor"])
        lineage.followers = [Follower.of(one) for one in state["followers"]]
        lineage.current = FileKey(*state["current"]) if state["current"] else None
        lineage.done = DoneFiles.of(state["done"])
        return lineage
