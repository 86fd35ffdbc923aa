"""The daemon: everything that touches threads, clocks, sockets and disks."""
