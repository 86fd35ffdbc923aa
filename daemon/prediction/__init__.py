"""From ticks to health: what a failure is, how probable the next one, what colour, and why."""
