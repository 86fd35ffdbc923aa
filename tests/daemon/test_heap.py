"""What was freed goes back to the kernel."""

import platform
import subprocess
import sys

import pytest

BURST = """
from pathlib import Path
import numpy as np
from rnnd.daemon.heap import bound_heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

bound_heap()
np.zeros(6 << 20, np.uint8)  # freed at once: from now on the library would keep such blocks
before = resident()
blocks, pins = [], []
for _ in range(40):
    blocks.append(np.ones(4 << 20, np.uint8))
    pins.append(bytearray(5000))  # small ones in between, which stay
del blocks
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_memory_of_a_burst_goes_back_to_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, check=True)

    assert int(done.stdout) < 20_000_000  # of 160 million bytes
