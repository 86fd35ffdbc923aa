"""What tests in several folders share."""

import os
from pathlib import Path

import pytest


def data_dir() -> Path | None:
    """Return the folder of real logs, or None: $RNND_DATA, else ../shared/data by the checkout."""
    folder = Path(os.environ.get("RNND_DATA", Path(__file__).parents[2] / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real logs; tests that want it are skipped where it is missing."""
    folder = data_dir()
    if folder is None:
        pytest.skip("real logs: no data (set RNND_DATA)")
    return folder
