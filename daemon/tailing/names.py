"""The names of logs: which files paths and globs find now, and what is wrong with the others."""

import glob
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterable

from rnnd.daemon.files import why
from rnnd.daemon.tailing.follower import FileKey, key_of
from rnnd.daemon.tailing.rotation import is_packed

log = logging.getLogger(__name__)

Names = dict[str, tuple[FileKey, os.stat_result]]

_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "missing",
    NotADirectoryError: "missing",
    PermissionError: "permission",
    IsADirectoryError: "not_a_file",
}


class Complaints:
    """What is wrong with which path: logged once, counted at every attempt but for a wait."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}  # by path
        self.counts: Counter[str] = Counter()  # by reason

    def note(self, path: str, error: OSError) -> None:
        """Write down that *error* befell *path*."""
        reason = _REASONS.get(type(error), "io")
        if reason != "missing" or path not in self.now:
            self.counts[reason] += 1
        text = why(error)
        if self.now.get(path) != text:
            self.now[path] = text
            log.warning("%s: %s; trying again", path, text)

    def settle(self, path: str) -> None:
        """Forget what was wrong with *path*: it is well again."""
        self.now.pop(path, None)


def find_names(patterns: Iterable[str], complaints: Complaints) -> Names:
    """Return the regular files that *patterns* find, with their status, by name.

    Archives are left out: nobody appends to them.
    """
    names: Names = {}
    for pattern in patterns:
        literal = not glob.has_magic(pattern)
        paths = [pattern] if literal else glob.iglob(pattern, recursive=True)  # noqa: PTH207
        for path in paths:
            if path in names or is_packed(path):
                if literal and path not in names:
                    complaints.note(path, IsADirectoryError(21, "Is an archive"))
                continue
            try:
                status = os.stat(path)  # noqa: PTH116  cheaper than a Path
            except OSError as error:
                if literal:
                    complaints.note(path, error)
                continue
            if stat.S_ISREG(status.st_mode):
                names[path] = key_of(status), status
            elif literal:
                complaints.note(path, IsADirectoryError(21, "Is not a file"))
    return names
