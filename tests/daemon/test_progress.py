import logging

import pytest

from rnnd.daemon.progress import WORTH_TELLING, Progress


def test_ten_messages_at_most_tell_how_much_is_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress, size = Progress("shop"), 10 * WORTH_TELLING

    for read in range(0, size + 1, size // 1024):
        progress.note(read, size - read, 0, read // 100)

    first, *others, last = caplog.messages
    assert first.startswith("shop: reading ")
    assert [text.split()[1] for text in others] == [f"{10 * step}%" for step in range(1, 10)]
    assert last == f"shop: 100% of it read, {size // 100:,} lines so far"


def test_what_is_read_within_a_moment_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress("shop")

    progress.note(0, WORTH_TELLING - 1, 0, 0)
    progress.note(WORTH_TELLING - 1, 0, 0, 7)

    assert not caplog.messages


def test_archives_that_unpack_to_more_than_was_thought_do_not_turn_it_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress("shop")

    for read, left, rotated in ((0, 100, 2), (80, 20, 2), (80, 800, 1), (880, 0, 0)):
        progress.note(read, left, rotated, 1)

    assert caplog.messages == [
        "shop: reading 100B with 2 rotated files first",
        "shop: 80% of it read, 1 line so far",
        "shop: 100% of it read, 1 line so far",
    ]
