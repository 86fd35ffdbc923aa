"""Tails logs by polling: finds them, follows them through rotation, gives their lines once."""

import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rnnd.daemon.follower import HEAD, FileKey, Follower, RewrittenError, Signature
from rnnd.daemon.names import Complaints, Names, find_names
from rnnd.daemon.rotation import (
    Candidate,
    Surroundings,
    begins,
    content,
    fits,
    unrotated_names,
)

CHUNK = 1 << 18  # bytes of a turn
MAX_OPEN = 256  # descriptors of files that still have their name
MAX_DONE = 1024  # files that are remembered after they were let go
LINKED_PATIENCE = 60.0  # s that a rotated file may pause before it is let go
UNLINKED_PATIENCE = 10.0  # s that a deleted file may; its disk space is held so long


@dataclass(slots=True)
class Done:
    """A file that was read to its end and let go."""

    source: str
    signature: Signature
    modified: int


# What writers do to their logs, what we see of it, and what may be lost
#
# The names that are asked for are looked up at every poll. A name is only a way to find a file;
# what is followed is the file, known by device and inode. Since the kernel gives an inode a
# second time, and since a file can be emptied and written anew, we also remember its first 256
# bytes (the head) and the 64 before our offset (the marker), and check both when it has changed.
#
# Rename (logrotate's default). The name leads to a new file. The old one stays open and is read
# to its end before, and beside, the new one: writers go on writing to it until they are told to
# reopen. It is let go when it paused for a minute and has a successor. Whether it is compressed
# or deleted meanwhile does not matter, for we hold it open. Rotations that came and went between
# two polls, or while we were not running, are found by their names and times beside the log.
#
# Copy and truncate. The file has become shorter than our offset, or its marker is gone. What we
# had not read stands in the copy: the file beside ours, with a rotated log's name, that has our
# head and our marker, perhaps compressed already. It is read from our offset on. Lost is what
# the writer wrote between the copying and the truncating: nobody has that. A writer that does
# not append leaves a hole of zeros, which is skipped.
#
# `truncate -s`. A shorter file with our head is a piece of what we have read; nothing is new.
#
# Deletion. The open file is read to its end, and let go after ten seconds of silence, so that
# its disk space becomes free. A file of the same name is a new file.
#
# Two names of one file (hard links, symbolic links) are one file. Two files with equal beginnings
# are two, unless the name of one says that it is the other, rotated, and it has our marker too.
#
# What cannot be seen: a file rewritten with the same head and the same marker at the same place;
# what was appended to a deleted file, or to a rotated one, after our patience with it ended; and
# files that came and went between two polls without being anybody's rotated name.


class Tailer:
    """Gives the whole lines of all files that *patterns* (paths and globs) find, each once.

    `poll` looks at the files and reads nothing of what is new, `read` gives a source's next
    lines. A source is the name under which a log appeared; its rotated predecessors belong to it.
    `state` is what was given so far: whoever restores it gets what comes after, no less, no more.
    At most *max_open* descriptors are held, and one for each rotated file not yet read.
    """

    def __init__(
        self, patterns: Sequence[str], chunk: int = CHUNK, max_open: int = MAX_OPEN
    ) -> None:
        self.patterns = [os.path.abspath(pattern) for pattern in patterns]  # noqa: PTH100  keeps links
        self.rotations = 0
        self.truncations = 0
        self._chunk = chunk
        self._max_open = max_open
        self._followers: dict[FileKey, Follower] = {}
        self._done: OrderedDict[FileKey, Done] = OrderedDict()
        self._names: dict[str, FileKey] = {}  # the file that each name led to last
        self._copies: dict[FileKey, int] = {}  # sizes of copies of files that we follow
        self._queues: dict[str, list[Follower]] = {}  # what is unread, by source
        self._open: OrderedDict[FileKey, Follower] = OrderedDict()  # the longest unused first
        self._complaints = Complaints()
        self._rank = 0
        self._now = 0.0
        self._surroundings = Surroundings()

    # What the daemon asks

    @property
    def files(self) -> int:
        """How many files are followed."""
        return len(self._followers)

    @property
    def lag(self) -> int:
        """How many bytes there are to be read, as far as was seen."""
        return sum(follower.lag for follower in self._followers.values())

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
        return list(self._queues)

    def read(self, source: str) -> bytes:
        """Return the next whole lines of *source*; empty when there are none now."""
        queue = self._queues[source]
        follower = queue[0]
        try:
            lines = self._read(follower)
        except RewrittenError:
            self._surroundings = Surroundings()
            self._rewritten(follower)
            self._enqueue(source)
            return b""
        except OSError as error:
            self._complaints.note(follower.path, error)
            follower.size = follower.signature.offset
            lines = b""
        while queue and not queue[0].unread:
            queue.pop(0)
        if not queue:
            del self._queues[source]
        return lines

    def poll(self, now: float) -> None:
        """Look at all files; *now* is in seconds on a clock that never goes back."""
        self._now = now
        self._surroundings = Surroundings()
        names = find_names(self.patterns, self._complaints)
        self._attach(names)
        self._look(names)
        self._arrive(names)
        self._let_go()
        self._queues = {}
        for follower in sorted(self._followers.values(), key=lambda follower: follower.rank):
            if follower.unread:
                self._queues.setdefault(follower.source, []).append(follower)

    def state(self) -> dict[str, Any]:
        """Return what must be saved to give exactly what comes next."""
        return {
            "followers": [follower.state() for follower in self._followers.values()],
            "done": [
                [*key, done.source, done.signature.state(), done.modified]
                for key, done in self._done.items()
            ],
            "names": {name: list(key) for name, key in self._names.items()},
            "copies": [[*key, size] for key, size in self._copies.items()],
            "rank": self._rank,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what another tailer's `state` gave."""
        self.close()
        followers = (Follower.of(one) for one in state["followers"])
        self._followers = {follower.key: follower for follower in followers}
        self._done = OrderedDict(
            (FileKey(device, inode), Done(source, Signature.of(signature), modified))
            for device, inode, source, signature, modified in state["done"]
        )
        self._names = {name: FileKey(*key) for name, key in state["names"].items()}
        self._copies = {FileKey(device, inode): size for device, inode, size in state["copies"]}
        self._rank = state["rank"]

    def close(self) -> None:
        """Let go of all files."""
        for follower in self._followers.values():
            follower.close()
        self._open.clear()
        self._queues.clear()

    # Looking

    def _look(self, names: Names) -> None:
        """See how far the files that are followed reach, and which were rewritten."""
        statuses = dict(names.values())
        for follower in list(self._followers.values()):
            before = follower.modified
            try:
                follower.look(self._now, statuses.get(follower.key))
                if follower.is_open:
                    self._note_open(follower)
                if not follower.signature.offset and follower.modified != before:
                    self._look_behind(follower, before)
            except RewrittenError:
                self._rewritten(follower)
            except OSError as error:
                self._complaints.note(follower.path, error)

    def _look_behind(self, follower: Follower, modified: int) -> None:
        """Find what was written to an empty file, copied and truncated between two polls."""
        rank = follower.rank
        present = Candidate(follower.path, follower.key, follower.size, follower.modified)
        self._follow_successors(follower.source, modified, (present,))
        if self._rank > rank:
            self._rank += 1
            follower.rank = self._rank

    def _attach(self, names: Names) -> None:
        """Tell followers their names, and look for those that lost theirs."""
        paths: dict[FileKey, list[str]] = {}
        for path, (key, _) in sorted(names.items()):
            paths.setdefault(key, []).append(path)
        for follower in list(self._followers.values()):
            if follower.key in paths:
                follower.attached = True
                if follower.path not in paths[follower.key]:
                    follower.path = paths[follower.key][0]
            elif follower.attached or not follower.is_open:
                follower.attached = False
                self._open.pop(follower.key, None)
                if not follower.is_open:
                    self._recover(follower)

    def _arrive(self, names: Names) -> None:
        """Begin to follow the files that are new."""
        for path, key in list(self._names.items()):
            found = names.get(path)
            if found is None or (found[0] not in self._followers and not found[1].st_size):
                self._follow_from(path, key, ())
        relatives: dict[str, list[tuple[FileKey, Signature]]] | None = None
        for path, (key, status) in sorted(names.items()):
            if key in self._followers:
                self._names[path] = key
                continue
            if self._copies.get(key) == status.st_size or not status.st_size:
                continue
            if key in self._done and self._resume(path, key, status):
                continue
            if relatives is None:
                relatives = self._relatives()
            new = Candidate(path, key, status.st_size, status.st_mtime_ns)
            if not self._is_copy(new, relatives):
                self._begin(new)

    def _begin(self, new: Candidate) -> None:
        """Follow a file that nothing is known of, after what was rotated away in between."""
        before = self._names.get(new.path)
        self._names[new.path] = new.key
        if before is not None and before != new.key:
            self.rotations += 1
            if self._replaced(before, new):
                return
            self._follow_from(new.path, before, (new,))
        self._follow(Follower(new.path, new.path, new.key, Signature()), new)

    def _follow(self, follower: Follower, found: Candidate) -> None:
        self._rank += 1
        follower.rank = self._rank
        follower.size = found.size if not found.packed else follower.signature.offset + 1
        follower.modified = found.modified
        follower.active = self._now
        self._claim(follower)
        self._complaints.settle(follower.path)

    def _follow_from(self, path: str, key: FileKey, new: tuple[Candidate, ...]) -> None:
        """Follow what came to *path* after the file *key* and went away before *new* came."""
        known = self._followers.get(key) or self._done.get(key)
        if known is None:
            self._names.pop(path, None)
        elif known.source == path:
            self._follow_successors(path, known.modified, new)

    # Rotation

    def _follow_successors(
        self, source: str, modified: int, present: tuple[Candidate, ...]
    ) -> None:
        """Follow the rotated files of *source* that nobody has seen, from time *modified* on.

        Copies of what is followed, or is *present* under the log's own name, are none.
        """
        found = self._surroundings.candidates(source)
        if not found:
            return
        plain = {candidate.path for candidate in found if not candidate.packed}
        signatures = [one.signature for one in self._of_source(source)]
        signatures += filter(None, map(content, present))
        signatures += [
            one.content()
            for one in self._followers.values()
            if one.source == source and one.is_open
        ]
        known = {one.key for one in present}
        for candidate in found:
            key = candidate.key
            if (
                candidate.modified < modified
                or not candidate.size
                or key in known
                or self._is_followed(candidate)
                or self._is_done(candidate)
                or self._copies.get(key) == candidate.size
                or (candidate.packed and candidate.path.rpartition(".")[0] in plain)
            ):
                continue
            if any(begins(candidate, signature) for signature in signatures):
                self._copies[key] = candidate.size
                continue
            self.rotations += 1
            follower = Follower(source, candidate.path, key, Signature())
            follower.attached = False
            follower.packed = follower.final = candidate.packed
            self._follow(follower, candidate)
            self._hold(follower)
            self._names[source] = key  # later ones come after it

    def _of_source(self, source: str) -> Iterator[Follower | Done]:
        yield from (one for one in self._followers.values() if one.source == source)
        yield from (one for one in self._done.values() if one.source == source)

    def _rewritten(self, follower: Follower) -> None:
        """Read the rest of what a truncated file had from its copy, and then the file anew."""
        self.truncations += 1
        if follower.is_open and follower.shortened():
            return
        found = [
            one
            for one in self._surroundings.candidates(follower.source)
            if one.key not in self._followers
        ]
        found.sort(key=lambda candidate: candidate.packed)  # unpacking costs more
        copy = next((one for one in found if fits(one, follower.signature)), None)
        if copy is not None:
            rest = Follower(follower.source, copy.path, copy.key, deepcopy(follower.signature))
            rest.buffer, follower.buffer = follower.buffer, rest.buffer
            rest.pending, follower.pending = follower.pending, b""
            rest.attached, rest.packed, rest.final = False, copy.packed, True
            self._copies.pop(copy.key, None)
            self._follow(rest, copy)
            self._hold(rest)
            if follower.is_open:
                follower.signature = follower.content()  # not to be taken for a successor
            self._follow_successors(follower.source, copy.modified, ())
        else:
            for one in found:  # a copy that ends before our offset has nothing for us
                if begins(one, follower.signature):
                    self._remember(one.key, Done(follower.source, follower.signature, one.modified))
        self._rank += 1
        follower.rank = self._rank
        follower.start_again()

    def _enqueue(self, source: str) -> None:
        mine = [one for one in self._followers.values() if one.source == source and one.unread]
        if mine:
            self._queues[source] = sorted(mine, key=lambda one: one.rank)
        else:
            self._queues.pop(source, None)

    def _recover(self, follower: Follower) -> None:
        """Find a file that lost its name while it was not held open, or what it became."""
        found = self._surroundings.candidates(follower.source)
        same = [one for one in found if one.key == follower.key]
        others = [one for one in found if not self._is_followed(one)]
        for one in same + sorted(others, key=lambda candidate: candidate.packed):
            unread = one in same and not one.packed and not follower.signature.offset
            if unread or fits(one, follower.signature):
                self._move(follower, one)
                follower.attached = False
                follower.packed = one.packed
                follower.final = one.packed
                self._hold(follower)
                return
        follower.size = follower.signature.offset
        follower.final = True

    def _move(self, follower: Follower, found: Candidate) -> None:
        """Let *follower* go on in another file that has what was read."""
        follower.close()
        self._open.pop(follower.key, None)
        del self._followers[follower.key]
        for name in [name for name, key in self._names.items() if key == follower.key]:
            self._names[name] = found.key
        follower.key, follower.path = found.key, found.path
        follower.size = found.size if not found.packed else follower.signature.offset + 1
        follower.modified, follower.active = found.modified, self._now
        self._claim(follower)

    def _replaced(self, before: FileKey, new: Candidate) -> bool:
        """Return whether the file of a name was replaced by a longer copy, and follow that."""
        follower = self._followers.get(before)
        if follower is None or follower.linked():
            return False
        long = follower.signature.offset >= HEAD or before.inode == new.key.inode
        if not (long and fits(new, follower.signature)):
            return False
        self._move(follower, new)
        follower.attached, follower.final, follower.ending = True, False, False
        return True

    def _relatives(self) -> dict[str, list[tuple[FileKey, Signature]]]:
        """Return what is known of the files of each name, to tell copies by."""
        relatives: dict[str, list[tuple[FileKey, Signature]]] = {}
        known: list[tuple[FileKey, Follower | Done]] = [*self._followers.items()]
        known += self._done.items()
        for key, one in known:
            if one.signature.offset:
                path = os.path.realpath(one.source)
                relatives.setdefault(path, []).append((key, one.signature))
        return relatives

    def _is_copy(
        self, new: Candidate, relatives: Mapping[str, list[tuple[FileKey, Signature]]]
    ) -> bool:
        """Return whether *new* copies a file that is followed; then only its rest may be new."""
        directory, name = os.path.split(os.path.realpath(new.path))
        for base in unrotated_names(name):
            for key, signature in relatives.get(f"{directory}/{base}", ()):
                if not begins(new, signature):
                    continue
                if key in self._followers:
                    self._copies[new.key] = new.size
                else:
                    self._remember(new.key, self._done[key])
                return True
        return False

    def _resume(self, path: str, key: FileKey, status: os.stat_result) -> bool:
        """Return whether a file that was let go is still that file; follow it if it has grown."""
        done = self._done[key]
        found = Candidate(path, key, status.st_size, status.st_mtime_ns)
        if not self._is_done(found):
            return False
        if found.size > done.signature.offset:
            del self._done[key]
            self._follow(Follower(done.source, path, key, done.signature), found)
        return True

    def _is_followed(self, found: Candidate) -> bool:
        """Return whether *found* is followed; a file with its inode used again is not."""
        follower = self._followers.get(found.key)
        if follower is None or follower.is_open or not follower.signature.offset:
            return follower is not None
        return fits(found, follower.signature)

    def _claim(self, follower: Follower) -> None:
        """Enter *follower*; one whose file is gone, and its inode used again, makes room."""
        gone = self._followers.get(follower.key)
        if gone is not None and gone is not follower:
            self._open.pop(gone.key, None)
            gone.key = self._rename_gone(gone.key)
            self._followers[gone.key] = gone
        if follower.key in self._done:
            done = self._done.pop(follower.key)
            self._remember(self._rename_gone(follower.key), done)
        self._followers[follower.key] = follower

    def _is_done(self, found: Candidate) -> bool:
        """Return whether *found* was let go; a file with its inode used again was not."""
        done = self._done.get(found.key)
        if done is None:
            return False
        same = (found.size, found.modified) == (done.signature.offset, done.modified)
        if not same and not begins(found, done.signature):
            self._remember(self._rename_gone(found.key), self._done.pop(found.key))
            return False
        return True

    def _rename_gone(self, key: FileKey) -> FileKey:
        """Return a key that no file has, for a file that is gone and its inode used again."""
        self._rank += 1
        unique = FileKey(-1, self._rank)
        for name, known in self._names.items():
            if known == key:
                self._names[name] = unique
        return unique

    # Letting go

    def _let_go(self) -> None:
        for follower in list(self._followers.values()):
            if follower.attached or follower.lag or follower.pending:
                continue
            if follower.final or self._is_over(follower):
                if follower.buffer.held:
                    follower.ending = True
                else:
                    self._finish(follower)

    def _is_over(self, follower: Follower) -> bool:
        idle = self._now - follower.active
        if not follower.linked():
            return idle >= UNLINKED_PATIENCE
        successor = self._names.get(follower.source, follower.key) != follower.key
        return successor and idle >= LINKED_PATIENCE

    def _finish(self, follower: Follower) -> None:
        follower.close()
        self._open.pop(follower.key, None)
        self._followers.pop(follower.key, None)
        self._remember(follower.key, Done(follower.source, follower.signature, follower.modified))

    def _remember(self, key: FileKey, done: Done) -> None:
        self._done[key] = done
        self._done.move_to_end(key)
        while len(self._done) > MAX_DONE:
            self._done.popitem(last=False)

    # Descriptors

    def _read(self, follower: Follower) -> bytes:
        if follower.ending and not follower.lag and not follower.pending:
            lines = follower.buffer.flush()
            follower.ending = False
            self._finish(follower)
            return lines
        lines = follower.read(self._chunk)
        self._note_open(follower)
        return lines

    def _hold(self, follower: Follower) -> None:
        """Open a file that may lose its name, rather than later."""
        try:
            follower.open()
        except RewrittenError:
            follower.final = True
            follower.size = follower.signature.offset
        except OSError as error:
            self._complaints.note(follower.path, error)

    def _note_open(self, follower: Follower) -> None:
        """Keep the descriptors of files that can be opened again within their bound."""
        if not follower.attached or not follower.is_open:
            return
        self._open[follower.key] = follower
        self._open.move_to_end(follower.key)
        while len(self._open) > self._max_open:
            _, oldest = self._open.popitem(last=False)
            oldest.close()
