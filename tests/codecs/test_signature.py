import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.masking import mask_message
from rnnd.codecs.parsed import split_tokens
from rnnd.codecs.signature import Shapes, coarse_signatures, exact_signatures

NONE = np.zeros(0, np.intp)
TEXT = st.text('0123456789abcdefxyz-.:= \t\x01<\r/\\"?', max_size=40).map(str.encode)


def coarse_signature(exact: bytes) -> bytes:
    [coarse] = coarse_signatures([exact])
    return coarse


def exact(line: bytes) -> bytes:
    [signature] = exact_signatures(line + b"\n", NONE, NONE)
    return signature


def test_every_run_of_digits_becomes_one_zero() -> None:
    assert exact(b"disk 95 % of 1000000, sda1") == b"disk 0 % of 0, sda0"


def test_the_shape_of_a_line_is_as_long_as_the_line() -> None:
    lines = np.frombuffer(b"[9:41] up 17\nup 7\n", np.uint8)

    assert Shapes()(lines, NONE, NONE) == [b"[0:00] up 00", b"up 0"]
    assert Shapes()(lines, np.array([1, 13]), np.array([5, 13]))[0] == b"[\1\1\1\1] up 00"


def test_the_timestamp_is_cut_out() -> None:
    lines = b"[2024-03-09] up 7\nup 7\n"

    found = exact_signatures(lines, np.array([1, 18]), np.array([11, 18]))

    assert found == [b"[\x01] up 0", b"up 0"]


def test_timestamps_of_different_lengths_are_cut_out() -> None:
    lines = b"7:08 a1\n12:09 b22\n12:10 c\n"

    found = exact_signatures(lines, np.array([0, 8, 18]), np.array([4, 13, 23]))

    assert found == [b"\x01 a0", b"\x01 b0", b"\x01 c"]


def test_words_with_digits_and_identifiers_are_masked() -> None:
    line = b"req-1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed from web7b to 0x7fed used 3f9"

    assert coarse_signature(exact(line)) == b"req-0 from 0 to 0 used 0"


PATHS = {
    b"GET /cart/blue-shoes/0 HTTP/0.0": b"GET /0/0/0 HTTP/0.0",
    b"GET /search?q=shoes&sort=price HTTP/0.0": b"GET /0=0=0 HTTP/0.0",
    b'"https://shop.example/cart" up': b'"https://0/0" up',
    b"read(/etc/app.conf): full, see /tmp": b"read(/0/0): full, see /0",
    b"path=/var/lib is and/or was": b"path=/0/0 is and/or was",
    b"a / b //": b"a / b //",
    b"src: /0.0.0.0:0 dest": b"src: /0.0.0.0:0 dest",
    rb"open C:\Windows\System\x.dll now": rb"open C:\0\0\0 now",
    rb"a\b is no path": rb"a\b is no path",
    b"/start of line": b"/0 of line",
}


@pytest.mark.parametrize("line", PATHS)
def test_names_in_paths_are_masked(line: bytes) -> None:
    assert coarse_signature(line) == PATHS[line]


HOSTS = {
    b"to db.shop.example:0 refused": b"to 0.0.0:0 refused",
    b"db.shop.example:0": b"0.0.0:0",
    b"(a-b.c0.d_e.org:0)": b"(0.0.0:0)",
    b"org.shop.Cart: 0 items": b"org.shop.Cart: 0 items",
    b"Cart.java:0": b"Cart.java:0",
    b"0.0.0.0:0 up": b"0.0.0.0:0 up",
    b"http://db.shop.example:0/cart": b"http://0:0/cart",
}


@pytest.mark.parametrize("line", HOSTS)
def test_hosts_before_ports_are_masked(line: bytes) -> None:
    assert coarse_signature(line) == HOSTS[line]


def test_a_stretch_longer_than_any_word_is_masked_whole() -> None:
    digits = [b"x" * before + b"0" + b"y" * 200 for before in (0, 63, 64, 65, 128, 200)]

    assert coarse_signatures(digits) == [b"0"] * len(digits)


@given(st.lists(TEXT, max_size=10))
def test_coarse_signatures_do_not_depend_on_the_lines_around(lines: list[bytes]) -> None:
    texts = [exact(line) for line in lines]

    if texts:
        assert coarse_signatures(texts) == [coarse_signature(text) for text in texts]


@given(st.lists(TEXT, max_size=10))
def test_the_signatures_of_a_chunk_are_those_of_its_lines(lines: list[bytes]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    if data:
        assert exact_signatures(data, NONE, NONE) == [exact(line) for line in lines]


@given(TEXT)
def test_a_signature_is_its_own_signature(line: bytes) -> None:
    signature = exact(line)
    coarse = coarse_signature(signature)

    assert exact(signature) == signature
    assert coarse_signature(coarse) == coarse
    assert exact(coarse) == coarse


@given(TEXT)
def test_a_line_and_its_signature_have_the_same_words_in_the_same_places(line: bytes) -> None:
    words, masked = split_tokens(line), split_tokens(coarse_signature(exact(line)))

    assert len(words) == len(masked)
    numbers = [any(48 <= byte < 58 for byte in word) for word in words]
    assert all(b"0" in mask for mask, number in zip(masked, numbers, strict=True) if number)


@given(TEXT)
def test_masking_a_message_leaves_words_of_bounded_length(line: bytes) -> None:
    assert all(0 < len(word) <= 80 for word in mask_message(coarse_signature(exact(line))))
