"""What is found beside a log."""

import gzip
from pathlib import Path

import pytest

from rnnd.daemon.tailing.rotation import Reading, candidate_of


def test_an_archive_that_grew_since_it_was_found_is_not_taken_for_what_it_was(
    tmp_path: Path,
) -> None:
    archive = tmp_path / "app.log.1.gz"
    archive.touch()
    found = candidate_of(str(archive), archive.stat())
    archive.write_bytes(gzip.compress(b"a line\n"))

    with Reading() as reading, pytest.raises(FileNotFoundError):
        reading.descriptor(found)
