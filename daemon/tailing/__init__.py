"""From file events to whole lines: which files there are, what became of them, what is new."""
