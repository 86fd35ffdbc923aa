"""What one look at the disk knows, for all logs, and which may have files of one another."""

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnd.daemon.tailing.follower import FileKey, Follower
from rnnd.daemon.tailing.names import Complaints, Names
from rnnd.daemon.tailing.rotation import Surroundings, unrotated_names

if TYPE_CHECKING:  # a lineage is asked by the polls that it takes part in
    from rnnd.daemon.tailing.lineage import Lineage


@dataclass(slots=True)
class Poll:
    """What one look at the disk knows, for all lineages."""

    now: float  # s on a clock that never goes back
    names: Names
    complaints: Complaints
    counts: Counter[str]
    kinship: "Kinship"
    room: int = 1000  # files that may still be opened
    surroundings: Surroundings = field(default_factory=Surroundings)
    paths: dict[FileKey, str] = field(default_factory=dict)  # a name that leads to each file
    alive: dict[FileKey, Follower] = field(default_factory=dict)  # whose file is there
    real_paths: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(self.names, reverse=True):
            self.paths[self.names[path][0]] = path

    def real_path(self, path: str) -> str:
        """Return where links lead from *path*, as `os.path.realpath` does, each asked once."""
        if path not in self.real_paths:
            self.real_paths[path] = self._find_real_path(path)
        return self.real_paths[path]

    def _find_real_path(self, path: str) -> str:
        directory, name = os.path.split(path)
        if directory not in self.real_paths:
            self.real_paths[directory] = os.path.realpath(directory)
        plain = os.path.join(self.real_paths[directory], name)  # noqa: PTH118
        try:
            is_link = stat.S_ISLNK(os.lstat(plain).st_mode)
        except OSError:
            is_link = False
        return os.path.realpath(plain) if is_link else plain


class Kinship:
    """Which lineages may have files of one another; an index, made when it is first asked."""

    def __init__(self, lineages: Iterable["Lineage"]) -> None:
        self._lineages = list(lineages)
        self._indexed = 0
        self._by_place: dict[str, list[Lineage]] = {}
        self._by_base: dict[str, list[Lineage]] = {}
        self._by_done: dict[FileKey, list[Lineage]] = {}

    def add(self, lineage: "Lineage") -> None:
        """Take in a new one."""
        self._lineages.append(lineage)

    def _index(self) -> None:
        for lineage in self._lineages[self._indexed :]:
            self._by_place.setdefault(lineage.place, []).append(lineage)
            for base in bases(lineage.place):
                self._by_base.setdefault(base, []).append(lineage)
            for key in lineage.done:
                self._by_done.setdefault(key, []).append(lineage)
        self._indexed = len(self._lineages)

    def family(self, lineage: "Lineage") -> list["Lineage"]:
        """Return *lineage* and those that a glob has made of its rotated files."""
        self._index()
        return [lineage, *self._by_base.get(lineage.place, ())]

    def rotated_into(self, path: str) -> list["Lineage"]:
        """Return the lineages of which the real *path* may be a rotated file."""
        self._index()
        return [one for base in bases(path) for one in self._by_place.get(base, ())]

    def done_with(self, key: FileKey) -> list["Lineage"]:
        """Return the lineages that were done with a file called *key* when first asked."""
        self._index()
        return list(self._by_done.get(key, ()))


def bases(path: str) -> list[str]:
    """Return the paths of the logs that *path* may be a rotated file of."""
    directory, name = os.path.split(path)
    return [f"{directory}/{base}" for base in unrotated_names(name)]
