"""Passwords as the configuration keeps them: hashed with scrypt, never as they are.

A hash is written ``$scrypt$ln=14,r=8,p=5$salt$digest``, the form in which many programs write it
(PHC string format). scrypt (Percival, "Stronger key derivation via sequential memory-hard
functions", BSDCan 2009) makes a guess cost time and memory: here 16 MiB and a fifth of a second.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

SALT = 16  # bytes
DIGEST = 32  # bytes
LOG_N, R, P = 14, 8, 5
MAX_MEMORY = 64 << 20  # bytes that a check may take
MAX_P = 16

CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # what no password may hold

_FORM = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What is kept of a password."""

    log_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def matches(self, password: str) -> bool:
        """Tell whether *password* is the one, in a time that does not depend on how wrong it is."""
        return hmac.compare_digest(self.digest, self._digest_of(password))

    def _digest_of(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode(),
            salt=self.salt,
            n=1 << self.log_n,
            r=self.r,
            p=self.p,
            maxmem=2 * MAX_MEMORY,
            dklen=len(self.digest),
        )

    def __str__(self) -> str:
        cost = f"ln={self.log_n},r={self.r},p={self.p}"
        return f"$scrypt${cost}${_written(self.salt)}${_written(self.digest)}"


def hash_password(password: str) -> PasswordHash:
    """Return what is to be kept of *password*, with a salt of its own."""
    empty = PasswordHash(LOG_N, R, P, secrets.token_bytes(SALT), bytes(DIGEST))
    return PasswordHash(LOG_N, R, P, empty.salt, empty._digest_of(password))


def parse_hash(text: str) -> PasswordHash:
    """Return the hash that *text* is.

    Raises `ValueError`, whose message never repeats *text*: it may be a password in clear.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("is no hash as `rnnd config password` makes them ($scrypt$…)")
    log_n, r, p = (int(number) for number in match.group(1, 2, 3))
    if not (min(log_n, r, p) >= 1 and p <= MAX_P and 128 * r << log_n <= MAX_MEMORY):
        raise ValueError(
            f"asks for ln={log_n}, r={r}, p={p}; a check may take {MAX_MEMORY >> 20} MiB and p=16"
        )
    try:
        salt, digest = (_read(part) for part in match.group(4, 5))
    except binascii.Error as error:
        raise ValueError("has a salt or digest that is not base64") from error
    return PasswordHash(log_n, r, p, salt, digest)


def _written(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
