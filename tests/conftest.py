"""What tests in several folders share."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

CHROMIUM = Path("/usr/bin/chromium")

# Timestamps that name no zone are read in the machine's; tests have one of their own.
os.environ["TZ"] = "UTC"
time.tzset()

# No test judges by the wall clock. In CI the same examples are tried every time, so that a change
# is judged by what it changes; elsewhere hypothesis looks for new ones.
settings.register_profile("rnnd", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("rnnd")


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, as playwright drives it."""
    if not CHROMIUM.exists():
        pytest.skip("without Debian's chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()
