"""Settles a log: finds what became of its files among those beside it with a rotated log's name."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from rnnd.daemon.files import UnfinishedError
from rnnd.daemon.tailing.follower import FileKey, Follower, is_racy
from rnnd.daemon.tailing.poll import Poll
from rnnd.daemon.tailing.rotation import Candidate, Reading
from rnnd.daemon.tailing.signature import HEAD, Signature

if TYPE_CHECKING:  # a lineage lets itself be settled
    from rnnd.daemon.tailing.lineage import Lineage

log = logging.getLogger(__name__)

SLACK = 2_000_000_000  # ns; what copies and packs files may keep their time to the second only


class Settling:
    """What became of the files of *lineage*, as far as *candidates*, seen by *reading*, tell.

    In this order: what was lost is found, what was rewritten is resumed, all others are sorted out.
    """

    def __init__(
        self, lineage: "Lineage", candidates: list[Candidate], reading: Reading, poll: Poll
    ) -> None:
        self._lineage = lineage
        self._candidates = candidates
        self._reading = reading
        self._poll = poll

    def find_lost(self, fresh: Candidate | None) -> None:
        """Let the followers that lost their files go on where the content is now.

        *fresh* is the file that the name leads to, if nobody follows it yet.
        """
        lineage, replaced = self._lineage, [] if fresh is None else [fresh]
        for follower in lineage.lost:
            if not follower.begun:
                self._find_unread(follower)
                continue
            home = self._home(follower, self._candidates)
            if home is None and follower.signature.offset >= HEAD:
                home = self._home(follower, replaced)
            if home is not None:
                lineage.move(follower, home, self._poll)
                continue
            if lineage.unsure:
                continue
            self._note_end(follower)
            follower.give_up()
            follower.gone = follower.final = True
        for follower in lineage.followers:  # a copy took the place of the file, as editors save
            gone = follower.key == lineage.current and follower.is_open and not follower.linked()
            if gone and follower.signature.offset >= HEAD and follower not in lineage.lost:
                home = self._home(follower, replaced)
                if home is not None:
                    self._poll.alive.pop(follower.key, None)
                    lineage.move(follower, home, self._poll)

    def _find_unread(self, follower: Follower) -> None:
        """Let a follower that has read nothing go on under its file's new name, if it has one."""
        size = follower.packed or follower.size
        for one in self._candidates:
            if one.key == follower.key and one.size == size and one.modified == follower.modified:
                self._lineage.move(follower, one, self._poll)
                return
        if not self._lineage.unsure:
            self._lineage.followers.remove(follower)

    def resume(self, follower: Follower) -> bool:
        """Read the rest of a truncated file from its copy; return whether to read it anew."""
        home = self._home(follower, self._candidates)
        if home is None and self._lineage.unsure:
            follower.rewritten = True
            follower.give_up()
            return False
        self._poll.counts["truncations"] += 1
        copy = None if home is None else self._reading.descriptor(home)
        if home is not None:
            rest = Follower(home.path, home.key, follower.signature.copy())
            rest.buffer, follower.buffer = follower.buffer, rest.buffer
            rest.pending, follower.pending = follower.pending, b""
            rest.final = True
            place = self._lineage.followers.index(follower)
            self._lineage.adopt(rest, home, self._poll, place)
        if follower.is_shortened(copy):
            follower.shorten()
            return False
        if home is None:
            self._note_end(follower)
        return True

    def _note_end(self, follower: Follower) -> None:
        """Note that nothing has all that was read of a file; a shorter copy has nothing for us."""
        short = self._piece(follower)
        if short is not None:
            self._lineage.done.remember(short, self._reading, foreign=False)
        else:
            self._note_loss(follower)

    def _home(self, follower: Follower, candidates: list[Candidate]) -> Candidate | None:
        """Return where the content of a follower is now: the same file, or its oldest copy."""
        same = [one for one in candidates if one.key == follower.key]
        others = [one for one in candidates if one.key != follower.key]
        others.sort(key=lambda one: (one.packed, one.modified))
        for one in same + others:
            if (
                self._may_be(one, follower)
                and self._try(one, self._reading.holds, follower.signature)
                and (follower.signature.offset >= HEAD or not self._copies(one, follower))
            ):
                return one
        return None

    def _copies(self, candidate: Candidate, apart_from: Follower) -> bool:
        """Return whether *candidate*, which was opened, is a whole copy of another file we know.

        To begin with the few bytes that were read of a file says less than that.
        """
        size = self._reading.size(candidate)
        signatures = [known.signature for _, known in self._lineage.done.items()]
        signatures += [one.signature for one in self._lineage.followers if one is not apart_from]
        return any(one.offset == size and self._reading.holds(candidate, one) for one in signatures)

    def _may_be(self, candidate: Candidate, follower: Follower) -> bool:
        known = self._lineage.done.get(candidate.key)
        taken = candidate.key in self._poll.alive or (
            known is not None and known.is_still(candidate)
        )
        return not taken and candidate.modified + SLACK >= follower.modified

    def _piece(self, follower: Follower) -> Candidate | None:
        """Return a file that has but the beginning of what was read of *follower*."""
        for one in self._candidates:
            may_be = self._may_be(one, follower)
            if may_be and self._try(one, self._reading.begins, follower.signature):
                return one
        return None

    def sort_out(self, candidate: Candidate, before: FileKey | None) -> None:
        """Follow a file beside the log that nobody knows; *before* is the one that it had."""
        try:
            if candidate.size and not self._lineage.knows(candidate, self._reading, self._poll):
                self._poll.counts["rotations"] += candidate.key != before
                self._lineage.adopt(Follower(candidate.path, candidate.key), candidate, self._poll)
        except PermissionError as error:
            if candidate.modified < self._lineage.floor:
                self._lineage.done.remember(candidate, None)
            else:
                self._trouble(candidate, error)
        except OSError as error:
            self._trouble(candidate, error)

    def _note_loss(self, follower: Follower) -> None:
        if follower.lag and not follower.packed:  # of an archive nobody knows how much was left
            self._poll.counts["lost_bytes"] += follower.lag
            log.warning(
                "%s: %d bytes were gone before they were read", self._lineage.name, follower.lag
            )

    def _try(
        self,
        candidate: Candidate,
        test: Callable[[Candidate, Signature], bool],
        signature: Signature,
    ) -> bool:
        try:
            return test(candidate, signature)
        except OSError as error:
            self._trouble(candidate, error)
            return False

    def _trouble(self, candidate: Candidate, error: OSError) -> None:
        """Look again soon at what could not be read, but not at an archive that stays torn."""
        stamp = (candidate.size, candidate.modified)
        if isinstance(error, UnfinishedError) and not is_racy(candidate.modified):
            if self._lineage.broken.get(candidate.key) == stamp:
                return
            self._lineage.broken[candidate.key] = stamp
        self._lineage.due = True
        if isinstance(error, FileNotFoundError):
            self._lineage.unsure = True  # it was moved while we looked
        else:
            self._poll.complaints.note(candidate.path, error)
