"""Replays: what rnnd would have said about the logs that there are."""
