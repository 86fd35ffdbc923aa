"""What the daemon tells over HTTP: metrics, the status page, and to whom."""
