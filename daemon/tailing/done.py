"""The files of a log that there is nothing to read from, and what is remembered of them."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rnnd.daemon.tailing.follower import FileKey
from rnnd.daemon.tailing.rotation import Candidate, Reading
from rnnd.daemon.tailing.signature import FIRST_SUM, Signature

MAX_DONE = 256  # files of a log that are remembered after they were let go


@dataclass(frozen=True, slots=True)
class Done:
    """A file that there is nothing to read from, unless it grows."""

    signature: Signature
    size: int  # on disk
    modified: int  # ns since the epoch
    foreign: bool  # never ours to read: it was there before us

    def state(self) -> list[Any]:
        """Return it as JSON."""
        return [self.signature.state(), self.size, self.modified, self.foreign]

    @classmethod
    def of(cls, state: Sequence[Any]) -> Self:
        """Return what `state` gave."""
        signature, size, modified, foreign = state
        return cls(Signature.of(signature), size, modified, foreign)

    def is_still(self, candidate: Candidate) -> bool:
        """Return whether *candidate*, of the same name for the kernel, is as it was."""
        return (self.size, self.modified) == (candidate.size, candidate.modified)

    def was_begun_as(self, candidate: Candidate, reading: Reading) -> bool:
        """Return whether *candidate* was made of the file before that was complete.

        So it is with an archive when the writer goes on while its log is packed.
        """
        if not reading.begins(candidate, self.signature):
            return False
        return reading.size(candidate) >= FIRST_SUM or candidate.modified <= self.modified


class DoneFiles:
    """Remembers the files of one log that were let go, the newest `MAX_DONE` of them."""

    def __init__(self) -> None:
        self._files: OrderedDict[FileKey, Done] = OrderedDict()

    def get(self, key: FileKey) -> Done | None:
        """Return what is remembered of the file called *key*."""
        return self._files.get(key)

    def items(self) -> Iterator[tuple[FileKey, Done]]:
        """Give all files, the longest remembered first; they may change meanwhile."""
        return iter(list(self._files.items()))

    def __iter__(self) -> Iterator[FileKey]:
        return iter(self._files)

    def remember(
        self, candidate: Candidate, reading: Reading | None, *, foreign: bool = True
    ) -> None:
        """Remember that *candidate* has nothing for us; with *reading*, by its content too."""
        signature = Signature() if reading is None else reading.signature(candidate)
        self.keep(candidate.key, Done(signature, candidate.size, candidate.modified, foreign))

    def keep(self, key: FileKey, done: Done) -> None:
        """Remember *done*, and the file that had its inode before: a copy of it may turn up."""
        before = self._files.pop(key, None)
        if before is not None and before.signature.marker != done.signature.marker:
            self._set_aside(before)
        self._files[key] = done
        while len(self._files) > MAX_DONE:
            self._files.popitem(last=False)

    def _set_aside(self, done: Done) -> None:
        number = 0
        while (key := FileKey(-1, number)) in self._files:
            number += 1
        self._files[key] = done

    def state(self) -> list[list[Any]]:
        """Return the files as JSON."""
        return [[*key, *done.state()] for key, done in self._files.items()]

    @classmethod
    def of(cls, state: Sequence[Sequence[Any]]) -> Self:
        """Return the files that `state` gave."""
        files = cls()
        for device, inode, *done in state:
            files._files[FileKey(device, inode)] = Done.of(done)
        return files
