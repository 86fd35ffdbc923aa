"""Hashed passwords: what matches, and what is no hash."""

import hashlib
from base64 import b64encode

import pytest

from rnnd.config.passwords import hash_password, parse_hash


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    kept = hash_password("correct horse")

    assert kept.matches("correct horse")
    assert not kept.matches("correct horsf")
    assert not kept.matches("")
    assert parse_hash(str(kept)) == kept


def test_the_same_password_is_never_kept_the_same_way() -> None:
    assert str(hash_password("a")) != str(hash_password("a"))


def test_a_hash_of_another_program_is_understood() -> None:
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(b"secret", salt=salt, n=1 << 4, r=8, p=1, dklen=32)

    text = "$".join(
        ["", "scrypt", "ln=4,r=8,p=1"]
        + [b64encode(part).decode().rstrip("=") for part in (salt, digest)]
    )

    assert parse_hash(text).matches("secret")


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$scrypt$ln=14,r=8,p=5$YWJj$YWJj",
        "$scrypt$ln=31,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=14,r=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=14,r=8,p=99$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=0,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_is_no_hash_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"hash|asks for|base64") as caught:
        parse_hash(text)

    assert not text or text not in str(caught.value)
