"""`rnnd status` and `rnnd explain` find the daemon: over TLS, with a password, by configuration."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from rnnd.config.passwords import hash_password
from rnnd.config.schema import UserSettings
from rnnd.daemon import client
from rnnd.daemon.cli import main
from rnnd.daemon.serving.guard import Guard
from rnnd.daemon.serving.http import HttpServer, Response
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.serving.tls import load_certificate
from rnnd.daemon.tally import AppStatus, ServiceStatus
from tests.certificates import Certificate, make_certificate
from tests.servers import needs

pytestmark = needs("openssl")
USER = UserSettings(name="alice", password_hash=str(hash_password("sesame")))
STATUS = ServiceStatus(apps=(AppStatus(name="web", logs=("/a.log",)),))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def server(certificate: Certificate) -> Iterator[HttpServer]:
    """A daemon's pages over TLS, for alice alone."""
    context = load_certificate(certificate.settings)
    pages = Pages(lambda: STATUS, CollectorRegistry(), lambda: None)
    guard = Guard(pages, lambda: (USER,))
    server = HttpServer("127.0.0.1", 0, guard, tls=lambda: context)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text("sesame\n", "utf-8")
    return str(path)


def configuration(folder: Path, server: HttpServer, certificate: Certificate) -> Path:
    host, port = server.address
    http = {
        "listen": f"{host}:{port}",
        "tls": {"certificate": str(certificate.certificate), "key": str(certificate.key)},
    }
    path = folder / "rnnd.yaml"
    path.write_text(json.dumps({"apps": ["/a.log"], "http": http}), "utf-8")
    return path


def test_status_and_explain_go_through_tls_with_a_password(
    server: HttpServer, certificate: Certificate, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--url", server.url, "--ca", str(certificate.certificate)]
    who = ["--user", "alice", "--password-file", secret]

    assert main(["status", *where, *who]) == 0
    assert "web" in capsys.readouterr().out
    assert main(["explain", "web", *where, *who]) == 0


def test_the_password_may_stand_in_the_environment(
    server: HttpServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNND_PASSWORD", "sesame")
    where = ["--url", server.url, "--ca", str(certificate.certificate)]

    assert main(["status", *where, "--user", "alice"]) == 0


def test_on_a_terminal_the_password_is_asked_for(
    server: HttpServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RNND_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: "sesame")
    where = ["--url", server.url, "--ca", str(certificate.certificate)]

    assert main(["status", *where, "--user", "alice"]) == 0


def test_the_configuration_says_where_the_daemon_is_and_which_certificate_is_its_own(
    server: HttpServer, certificate: Certificate, secret: str, tmp_path: Path
) -> None:
    path = configuration(tmp_path, server, certificate)
    arguments = SimpleNamespace(url=None, ca=None, user="alice", password_file=secret)

    found = client.find_daemon(arguments, str(path))  # type: ignore[arg-type]  # a stand-in

    assert found.url == server.url
    assert [app["name"] for app in client.fetch_status(found)["apps"]] == ["web"]


def test_another_certificate_than_the_configured_one_is_not_trusted(
    server: HttpServer, tmp_path: Path, secret: str
) -> None:
    path = configuration(tmp_path, server, make_certificate(tmp_path, "other"))
    arguments = SimpleNamespace(url=None, ca=None, user="alice", password_file=secret)
    found = client.find_daemon(arguments, str(path))  # type: ignore[arg-type]  # a stand-in

    with pytest.raises(client.RnndError, match="not trusted"):
        client.fetch_status(found)


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:99", "http://127.0.0.1:99"),
        ("[::]:99", "http://[::1]:99"),
        ("rnnd.example.org:99", "http://rnnd.example.org:99"),
    ],
)
def test_an_address_for_everybody_is_asked_on_loopback(
    tmp_path: Path, listen: str, url: str
) -> None:
    path = tmp_path / "rnnd.yaml"
    path.write_text(json.dumps({"apps": ["/a.log"], "http": {"listen": listen}}), "utf-8")
    arguments = SimpleNamespace(url=None, ca=None, user=None, password_file=None)

    assert client.find_daemon(arguments, str(path)).url == url  # type: ignore[arg-type]


def test_without_a_configuration_the_usual_address_is_asked(tmp_path: Path) -> None:
    arguments = SimpleNamespace(url=None, ca=None, user=None, password_file=None)

    found = client.find_daemon(arguments, str(tmp_path / "none"))  # type: ignore[arg-type]

    assert found.url == client.URL


REFUSED = [
    (1, [], "wants to know who asks; see --user"),
    (1, ["--user", "alice", "--password-file", "{wrong}"], "refuses the user 'alice'"),
    (2, ["--user", "alice"], "--user: no password; see --password-file"),
    (2, ["--password-file", "{wrong}"], "expected together with --user"),
    (2, ["--user", "alice", "--password-file", "{none}"], "cannot be read (no such file"),
    (2, ["--ca", "{none}"], "cannot be read (no such file"),
    (2, ["--ca", "{wrong}"], "holds no certificate"),
]


@pytest.mark.parametrize(("status", "options", "said"), REFUSED)
def test_a_refusal_is_one_clear_line(
    server: HttpServer,
    certificate: Certificate,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.delenv("RNND_PASSWORD", raising=False)
    (tmp_path / "wrong").write_text("open", "utf-8")
    paths = {"wrong": str(tmp_path / "wrong"), "none": str(tmp_path / "none")}
    where = ["--url", server.url, "--ca", str(certificate.certificate)]

    assert main(["status", *where, *(option.format(**paths) for option in options)]) == status

    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_certificate_that_nobody_vouches_for_is_told_of(
    server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--url", server.url]) == 1

    assert "a certificate that is not trusted (self-signed certificate); see --ca" in (
        capsys.readouterr().err
    )


def test_plain_http_to_a_daemon_with_tls_names_the_right_address(
    server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--url", server.url.replace("https", "http")]) == 1

    assert f"is elsewhere: '{server.url}/api/v1/status'" in capsys.readouterr().err


def test_a_password_in_the_address_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["status", "--url", "https://alice:sesame@localhost:1"]) == 2

    assert "sesame" not in capsys.readouterr().err


def test_a_password_follows_no_redirection(tmp_path: Path, secret: str) -> None:
    asked = []

    def away(_: object) -> Response:
        return Response(b"", status=client.http.HTTPStatus(302), headers={"Location": other.url})

    def note(request: object) -> Response:
        asked.append(request)
        return Response(b"")

    other = HttpServer("127.0.0.1", 0, note)
    server = HttpServer("127.0.0.1", 0, away)
    other.start()
    server.start()

    status = main(["status", "--url", server.url, "--user", "alice", "--password-file", secret])
    other.stop()
    server.stop()

    assert status == 1
    assert asked == []
