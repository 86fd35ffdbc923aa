import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs import template
from rnnd.codecs.masking import mask_message
from rnnd.codecs.template import FEW, OVERFLOW, TemplateTable

NAMES = [b"ann", b"bob", b"cid", b"dan", b"eve", b"fay", b"gus", b"hal"]


def find(table: TemplateTable, message: bytes, component: bytes = b"") -> int:
    return int(table.joined[table.find(component, mask_message(message), message)])


def test_messages_that_differ_in_masked_words_are_one_template() -> None:
    table = TemplateTable()

    assert find(table, b"added 0 items for 0.0.0.0:0 in 0 ms") == find(
        table, b"added 0 items for web.shop.example in 0.0 ms"
    )


def test_a_few_different_words_at_a_place_tell_templates_apart() -> None:
    table = TemplateTable()

    opened = find(table, b"session opened for user root by 0")
    closed = find(table, b"session closed for user root by 0")

    assert opened != closed
    assert table.text(opened) == "session opened for user root by <*>"


def test_many_different_words_at_a_place_are_a_variable() -> None:
    table = TemplateTable()

    first = [find(table, b"user %s logged in from 0.0.0.0" % name) for name in NAMES]
    second = [find(table, b"user %s logged in from 0.0.0.0" % name) for name in NAMES]

    assert len(set(first[:FEW])) == FEW
    assert set(second) == {first[0]}
    assert table.text(first[0]) == "user <*> logged in from <*>"
    assert len(table.joins) == FEW - 1


def test_templates_are_joined_only_where_they_no_longer_differ() -> None:
    table = TemplateTable()

    for name in NAMES:
        for way in (b"in", b"out"):
            find(table, b"user %s logged %s after 0.0 seconds" % (name, way))

    came = find(table, b"user ann logged in after 0.0 seconds")
    assert came == find(table, b"user zoe logged in after 0.0 seconds")
    assert came != find(table, b"user zoe logged out after 0.0 seconds")


def test_components_keep_their_messages_apart() -> None:
    table = TemplateTable()

    assert find(table, b"started", b"cart") != find(table, b"started", b"shop")


def test_when_the_table_is_full_the_rest_is_one_template() -> None:
    table = TemplateTable(limit=3)

    found = [find(table, message) for message in (b"one", b"two", b"three", b"four", b"one")]

    assert found == [1, 2, OVERFLOW, OVERFLOW, 1]
    assert len(table) == 3
    assert table.text(OVERFLOW) == "(all other messages)"


WORDS = st.sampled_from(
    [b"user", b"ann", b"bob", b"eve", b"in", b"out", b"0", b"a.b.c", b"/x/y", b"x=0"]
)
MESSAGES = st.lists(st.lists(WORDS, max_size=4).map(b" ".join), max_size=60)


@given(MESSAGES)
def test_leaders_compared_one_by_one_and_together_give_the_same(messages: list[bytes]) -> None:
    alone, together = TemplateTable(), TemplateTable()

    found = [find(alone, message) for message in messages]
    with pytest.MonkeyPatch.context() as context:
        context.setattr(template, "COMPARED_ALONE", 1)
        assert [find(together, message) for message in messages] == found


@given(MESSAGES, st.integers(0, 60))
def test_a_message_keeps_its_template_whatever_comes_later(
    messages: list[bytes], limit: int
) -> None:
    table = TemplateTable(limit + 2)

    first = [table.find(b"", mask_message(message)) for message in messages]
    later = [table.find(b"", mask_message(message)) for message in messages]

    assert [int(table.joined[template]) for template in first if template != OVERFLOW] == [
        int(table.joined[template])
        for template, before in zip(later, first, strict=True)
        if before != OVERFLOW
    ]


@given(MESSAGES, MESSAGES)
def test_templates_are_stable_under_restart(before: list[bytes], after: list[bytes]) -> None:
    table, other = TemplateTable(20), TemplateTable(20)
    for message in before:
        find(table, message)

    other.restore(table.state())

    assert [find(other, message) for message in before] == [find(table, m) for m in before]
    assert [find(other, message) for message in after] == [find(table, m) for m in after]
    assert [other.text(t) for t in range(len(other))] == [table.text(t) for t in range(len(table))]
