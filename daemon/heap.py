"""What the C library keeps of freed memory for later: little, in a daemon that runs for months.

The GNU C library takes large blocks from the kernel one by one, and gives them back when they are
freed. But once it has seen one freed, it takes all up to that size from its heap, of which only the
end can be given back; a chunk of lines, or a copy of what was learnt, then stays resident in holes.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # in malloc.h
SINGLE = 1 << 20  # bytes from which on a block is the kernel's: above the scratch of many lines
KEPT = 2 << 20  # bytes that may be free at the end of the heap


def bound_heap() -> None:
    """Let the C library give back what was freed; of another one than GNU's ask nothing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, SINGLE)
    mallopt(M_TRIM_THRESHOLD, KEPT)
