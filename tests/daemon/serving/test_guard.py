"""Who may ask the daemon what."""

import base64
from collections.abc import Callable

import pytest

from rnnd.config.passwords import PasswordHash, hash_password
from rnnd.config.schema import HttpSettings, TlsSettings, UserSettings
from rnnd.daemon.serving import guard as guard_module
from rnnd.daemon.serving.guard import BURST, EVERY, Guard, exposures
from rnnd.daemon.serving.http import Request, Response

ALICE = UserSettings(name="alice", password_hash=str(hash_password("secret: and more")))
BOB = UserSettings(name="bob", password_hash=str(hash_password("other")))
ANSWER = Response(b"answer")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guarded(*users: UserSettings, clock: Clock | None = None) -> Callable[[Request], Response]:
    return Guard(lambda _: ANSWER, lambda: users, clock or Clock())


def ask(path: str = "/metrics", method: str = "GET", **headers: str) -> Request:
    return Request(method, path, {name.replace("_", "-"): text for name, text in headers.items()})


def basic(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return f"Basic {base64.b64encode(data).decode()}"


def test_without_users_everybody_may_ask() -> None:
    assert guarded()(ask()) == ANSWER


def test_the_right_password_opens_and_so_it_does_again() -> None:
    guard = guarded(BOB, ALICE)

    for _ in range(3 * BURST):
        assert guard(ask(authorization=basic("alice:secret: and more"))) == ANSWER
    assert (
        guard(ask(authorization=basic("alice:secret: and more").replace("Basic", "basic")))
        == ANSWER
    )


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Bearer abc",
        basic("alice"),
        basic(b"\xff\xfe:\x80"),
        basic("alice:"),
        basic("alice:secret"),
        basic("bob:secret: and more"),
        basic("eve:secret: and more"),
        basic(":"),
        basic("Alice:secret: and more"),
        basic("alice:secret: and more\0"),
        basic("alice:secret: and more") + " x",
    ],
)
def test_anything_else_is_asked_for_a_name_and_a_password(authorization: str) -> None:
    answer = guarded(ALICE, BOB)(ask(authorization=authorization))

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert b"answer" not in answer.body


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/runbooks", "/nothing"])
def test_no_page_is_open(path: str) -> None:
    assert guarded(ALICE)(ask(path)).status == 401


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_a_load_balancer_need_not_know_a_password(path: str) -> None:
    assert guarded(ALICE)(ask(path)) == ANSWER


def test_a_reload_needs_a_password() -> None:
    assert guarded(ALICE)(ask("/-/reload", "POST")).status == 401


def test_guessing_is_rationed_and_keeps_nobody_out_who_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, checked = Clock(), []
    matches = PasswordHash.matches

    def counted(self: PasswordHash, password: str) -> bool:
        checked.append(password)
        return matches(self, password)

    monkeypatch.setattr(guard_module.PasswordHash, "matches", counted)
    guard = guarded(ALICE, clock=clock)
    assert guard(ask(authorization=basic("alice:secret: and more"))) == ANSWER

    statuses = [guard(ask(authorization=basic(f"alice:{n}"))).status for n in range(20)]

    assert statuses == [401] * (BURST - 1) + [429] * (21 - BURST)
    assert len(checked) == BURST
    assert guard(ask(authorization=basic("alice:secret: and more"))) == ANSWER
    clock.now += EVERY
    assert guard(ask(authorization=basic("alice:0"))).status == 401
    assert guard(ask(authorization=basic("alice:1"))).status == 429
    clock.now += 1000 * EVERY
    assert [guard(ask(authorization=basic("a:b"))).status for _ in range(9)].count(401) == BURST


def test_a_user_that_is_not_there_takes_as_long_as_one_that_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs: list[tuple[int, int, int]] = []

    def counted(self: PasswordHash, _: str) -> bool:
        costs.append((self.log_n, self.r, self.p))
        return False

    monkeypatch.setattr(guard_module.PasswordHash, "matches", counted)
    guard = guarded(ALICE)
    guard(ask(authorization=basic("alice:x")))
    guard(ask(authorization=basic("eve:x")))

    assert costs[0] == costs[1]


def test_a_password_that_was_changed_or_a_user_taken_away_opens_no_more() -> None:
    users = [ALICE, BOB]
    guard = Guard(lambda _: ANSWER, lambda: users, Clock())
    request = ask(authorization=basic("alice:secret: and more"))
    assert guard(request) == ANSWER

    users[0] = UserSettings(name="alice", password_hash=str(hash_password("new")))
    assert guard(request).status == 401
    users[:] = [BOB]
    assert guard(request).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example", "host": "127.0.0.1:7663"},
        {"origin": "null", "host": "127.0.0.1:7663"},
    ],
)
def test_a_page_of_another_site_cannot_ask_for_a_reload(headers: dict[str, str]) -> None:
    assert guarded()(ask("/-/reload", "POST", **headers)).status == 403


def test_links_from_other_sites_and_programs_are_no_trouble() -> None:
    assert guarded()(ask("/", "GET", sec_fetch_site="cross-site")) == ANSWER
    assert guarded()(ask("/-/reload", "POST")) == ANSWER
    own = {"origin": "http://127.0.0.1:7663", "host": "127.0.0.1:7663"}
    assert guarded()(ask("/-/reload", "POST", **own)) == ANSWER


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8", "a.localhost"])
def test_loopback_exposes_nothing(host: str) -> None:
    assert exposures(HttpSettings(), host) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", "fe80::1%eth0"])
def test_listening_beyond_loopback_is_told_of_until_it_is_safe(host: str) -> None:
    tls = TlsSettings(certificate="c", key="k")

    assert len(exposures(HttpSettings(), host)) == 2
    assert "passwords too" in exposures(HttpSettings(users=(ALICE,)), host)[0]
    assert "http.users" in exposures(HttpSettings(tls=tls), host)[0]
    assert exposures(HttpSettings(tls=tls, users=(ALICE,)), host) == []
