"""``python -m rnnd`` is the command ``rnnd``."""

import sys

from rnnd.daemon.cli import main

if __name__ == "__main__":
    sys.exit(main())
