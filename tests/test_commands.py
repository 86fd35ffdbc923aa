"""status, explain, config, systemd and completion, as a user types them."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from prometheus_client import CollectorRegistry

from rnnd.codecs.health import Health
from rnnd.config.loading import load_settings
from rnnd.config.passwords import hash_password, parse_hash
from rnnd.daemon.cli import main
from rnnd.daemon.history import Alarm, Line, Recent, Unusual, UnusualLine
from rnnd.daemon.prediction.evidence import Evidence
from rnnd.daemon.prediction.reasons import Reason
from rnnd.daemon.serving.http import HttpServer, Response
from rnnd.daemon.serving.page import Pages
from rnnd.daemon.tally import AppStatus, ServiceStatus, Tally

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]<b>\u202e\r\n\x9b"


def app(name: str, health: Health) -> AppStatus:
    evidence = (Evidence("missing", "heartbeat <*>", 0.0, 60.0), Evidence("new", HOSTILE, 3.0, 0.0))
    reasons = (
        Reason("overdue", 4.0, "heartbeat <*>", "INFO heartbeat 7", 90.0, 10.0, 1772323120.0),
        Reason("more", 2.0, HOSTILE, HOSTILE),
    )
    return AppStatus(
        name=name,
        logs=("/var/log/web.log",),
        health=health,
        reasons=reasons,
        rule="a line of severity error or worse, merged at 10m",
        rule_reason="as configured",
        observed=Health.GREEN,
        probabilities={600.0: (0.1, 0.1, 0.8), 60.0: (0.7, 0.1, 0.2)},
        predicted_at=1772323210.0,
        files=1,
        complaints={HOSTILE: HOSTILE},
        tally=Tally(lines=1234, failures_predicted=3, failures_missed=1, alarms_false=2),
        recent=Recent(
            alarms=(Alarm(1772323210.0, 0.8, "true", 90.0, evidence, reasons),),
            lines=(Line(1772323210.0, Health.RED, HOSTILE),),
            evidence=evidence,
            unusual=(
                Unusual(
                    1772323200.0,
                    (
                        UnusualLine(9.13, "never seen before", "disk sda: 7 sectors remapped"),
                        UnusualLine(8.0, HOSTILE, HOSTILE),
                    ),
                    evidence,
                ),
                Unusual(1772323100.0, (), evidence),
            ),
        ),
    )


@pytest.fixture
def url() -> Iterator[str]:
    apps = (app("calm", Health.GREEN), app("web", Health.RED))
    pages = Pages(lambda: ServiceStatus(apps=apps), CollectorRegistry(), lambda: None)
    server = HttpServer("127.0.0.1", 0, pages)
    server.start()
    yield server.url
    server.stop()


def test_status_lists_the_worst_first(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", url]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"web +■ red +● green +80.0 % +20.0 % +3 +1 +2 +1,234", lines[1])
    assert lines[2].startswith("calm")


def test_status_is_plain_in_a_pipe(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", "--url", url])

    assert "\x1b" not in capsys.readouterr().out


def test_status_and_explain_speak_json_to_programs(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status", "--url", url, "--json"])
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["apps"]] == ["calm", "web"]

    main(["explain", "web", "--url", url, "--json"])
    assert json.loads(capsys.readouterr().out)["name"] == "web"


def test_explain_names_what_stands_out_and_the_lines_behind_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "web", "--url", url]) == 0

    said = capsys.readouterr().out
    assert "A failure within 10m is 80.0 % probable." in said
    assert "missing: 0, usually 60 – heartbeat <*>" in said
    assert "overdue, for 1m30s, usually every 10s: odds × 4.0, since 2026-02-28 23:58:40" in said
    assert "INFO heartbeat 7" in said
    assert "A failure is a line of severity error or worse, merged at 10m (as configured)." in said
    assert "2026-03-01T00:00:10Z at 80.0 %: came true, 90 s later" in said
    assert "never seen before, 9.1 nats: disk sda: 7 sectors remapped" in said
    assert "2026-02-28T23:58:20Z\n    missing: 0, usually 60 – heartbeat <*>" in said


@pytest.mark.parametrize("command", [["status"], ["explain", "web"]])
def test_hostile_text_does_not_steer_the_terminal(
    url: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    main([*command, "--url", url])

    said = capsys.readouterr().out
    assert not re.findall(r"[^\n\x20-\x7e\xa1-\u2fff]", said)
    assert "\u202e" not in said
    assert "[bold red]<b>" in said, "markup is shown, not followed"


def test_explain_of_an_unknown_app_names_the_known_ones(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "wbe", "--url", url]) == 2

    assert "'wbe' is unknown, rnnd watches calm, web" in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b"<html>", b'{"apps": 5}', b"\xff"])
def test_something_else_on_the_port_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    server = HttpServer("127.0.0.1", 0, lambda _: Response(body))
    server.start()

    status = main(["status", "--url", server.url])
    server.stop()

    assert status == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(("url", "status"), [("http://127.0.0.1:1", 1), ("127.0.0.1:1", 2)])
def test_no_daemon_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], url: str, status: int
) -> None:
    assert main(["status", "--url", url]) == status

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_configuration_begun_is_in_order_and_shows_as_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "rnnd.yaml")

    assert main(["config", "init", path]) == 0
    assert main(["config", "check", path]) == 0
    capsys.readouterr()
    assert main(["config", "show", path]) == 0

    shown = capsys.readouterr().out
    assert load_settings(shown, "shown") == load_settings(Path(path).read_text("utf-8"), path)


def test_init_never_writes_over_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rnnd.yaml"
    path.write_text("mine", "utf-8")

    assert main(["config", "init", str(path)]) == 2
    assert path.read_text("utf-8") == "mine"


def test_check_names_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rnnd.yaml"
    path.write_text("apps:\n  - name: web\n    logs: [/a]\n    horizn: 5m\nstat: x\n", "utf-8")

    assert main(["config", "check", str(path)]) == 2

    said = capsys.readouterr().err
    assert f"{path}:4:5: " in said
    assert "did you mean 'horizon'?" in said
    assert f"{path}:5:1: " in said


def test_check_names_what_the_daemon_would_refuse_later_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rnnd.yaml"
    (tmp_path / "crt").write_text("none", "utf-8")
    path.write_text(
        "apps:\n"
        "  - name: web\n"
        "    logs: [/a]\n"
        f"    failures: {tmp_path}/none.csv\n"
        "    red: {patterns: [fine, '(']}\n"
        "http:\n"
        f"  tls: {{certificate: {tmp_path}/crt, key: {tmp_path}/crt}}\n",
        "utf-8",
    )

    assert main(["config", "check", str(path)]) == 2

    said = capsys.readouterr().err
    assert f"{path}:4:15: apps[0].failures: {tmp_path}/none.csv: cannot be read" in said
    assert f"{path}:5:28: apps[0].red.patterns[1]: an unclosed ( in '('" in said
    assert f"{path}:7:8: http.tls: {tmp_path}/crt" in said


def test_check_notes_bad_rows_which_do_not_keep_the_daemon_from_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, rows, path = (tmp_path / name for name in ("web.log", "rows.csv", "rnnd.yaml"))
    log.touch()
    rows.write_text("start\nsoon\n5\n" + "later\n" * 20)
    path.write_text(f"apps: [{{name: web, logs: [{log}], red: {{}}, failures: {rows}}}]\n")

    assert main(["config", "check", str(path)]) == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{path}: note: web: {rows}:2: 'soon' is not a time")
    assert said[0].endswith("; the row will be left out")
    assert said[-2:] == [
        f"{path}: note: web: {rows}: 21 bad rows in all",
        f"{path}: in order (1 app, 1 pattern of logs)",
    ]
    assert len(said) == 12


def test_check_notes_what_is_no_mistake_but_may_be_amiss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rnnd.yaml"
    path.write_text(
        f"apps: [{tmp_path}/*.log, {tmp_path}/*.yaml]\nhttp: {{listen: '0.0.0.0:1', tls: "
        "{certificate: /run/credentials/rnnd.service/crt, key: /nowhere}}\n",
        "utf-8",
    )

    assert main(["config", "check", str(path)]) == 0

    notes = [line for line in capsys.readouterr().out.splitlines() if ": note: " in line]
    assert len(notes) == 3
    assert f"{tmp_path}/*.log: no such file now" in notes[0]
    assert "not for you to read" in notes[1]
    assert "sees lines of your logs" in notes[2]


def test_what_password_prints_goes_into_the_configuration_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("open: sesame \n"))

    assert main(["config", "password", "5"]) == 0

    settings = load_settings(f"apps: [/a]\nhttp:\n  users:\n{capsys.readouterr().out}", "made")
    (user,) = settings.http.users
    assert user.name == "5"
    assert parse_hash(user.password_hash).matches("open: sesame ")


def test_a_password_may_be_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "password", "alice", "--generate"]) == 0

    said = capsys.readouterr()
    password = said.err.removeprefix("the password of alice: ").strip()
    assert len(password) >= 32
    assert password not in said.out
    assert parse_hash(yaml.safe_load(said.out)[0]["password_hash"]).matches(password)


@pytest.mark.parametrize(("name", "typed"), [("a b", "x\n"), ("a", "\n"), ("a", "a\tb\n")])
def test_a_password_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, typed: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    assert main(["config", "password", name]) == 2

    assert capsys.readouterr().out == ""


def test_the_schema_accepts_what_the_daemon_accepts_and_refuses_what_it_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["config", "schema"])
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    main(["config", "init"])
    default = yaml.safe_load(capsys.readouterr().out)
    user = {"name": "a", "password_hash": str(hash_password("x"))}
    secured = {"tls": {"certificate": "/a", "key": "/b"}, "users": [user]}

    assert list(validator.iter_errors(default)) == []
    assert list(validator.iter_errors({"apps": ["/a.log"], "http": secured})) == []
    for broken in (
        {},
        {"apps": []},
        {"apps": [5]},
        {"apps": ["/a"], "http": {"port": 1}},
        {"apps": [{"name": "a"}]},
        {"apps": [{"name": "a", "logs": ["/a"], "horizn": "5m"}]},
        {"apps": [{"name": "a", "logs": ["/a"], "horizon": "5 minutes"}]},
        {"apps": [{"name": "a", "logs": ["/a"], "red": {"severity": "fatal"}}]},
        {"apps": ["/a"], "http": {"tls": {"certificate": "/a"}}},
        {"apps": ["/a"], "http": {"users": [{"name": "a", "password": "b"}]}},
    ):
        assert list(validator.iter_errors(broken)), broken


def test_the_schema_knows_the_keys_of_the_default_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["config", "schema"])
    schema = json.loads(capsys.readouterr().out)
    main(["config", "init"])
    default = yaml.safe_load(capsys.readouterr().out)

    assert set(default) <= set(schema["properties"])
    (app_schema,) = schema["properties"]["apps"]["items"]["anyOf"][1:]
    assert set(default["apps"][0]) <= set(app_schema["properties"])
    assert schema["additionalProperties"] is app_schema["additionalProperties"] is False


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root to install below, and an rnnd that lies in /opt, with its manual."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(subprocess, "run", never)
    monkeypatch.setattr("sys.executable", "/opt/rnnd/bin/python")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(shutil, "which", lambda _: "/opt/rnnd/bin/rnnd")
    manual = tmp_path / "prefix/share/man/man1/rnnd.1"
    manual.parent.mkdir(parents=True)
    manual.write_text("manual", "utf-8")
    root = tmp_path / "root"
    root.mkdir()
    return root


def files_below(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def test_installing_below_a_root_writes_the_files_and_starts_nothing(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["systemd", "install", "--socket", "--root", str(installed)]) == 0

    assert files_below(installed) == {
        "etc/rnnd/rnnd.yaml",
        "etc/systemd/system/rnnd.service",
        "etc/systemd/system/rnnd.service.d/socket.conf",
        "etc/systemd/system/rnnd.socket",
        "usr/local/bin/rnnd",
        "usr/local/share/man/man1/rnnd.1",
    }
    unit = (installed / "etc/systemd/system/rnnd.service").read_text("utf-8")
    assert "ExecStart=/opt/rnnd/bin/rnnd run --config /etc/rnnd/rnnd.yaml" in unit
    assert (installed / "usr/local/bin/rnnd").readlink() == Path("/opt/rnnd/bin/rnnd")


def test_installing_anew_keeps_the_configuration_and_takes_the_socket_away(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["systemd", "install", "--socket", "--root", str(installed)])
    config = installed / "etc/rnnd/rnnd.yaml"
    config.write_text("mine", "utf-8")

    main(["systemd", "install", "--root", str(installed)])

    assert config.read_text("utf-8") == "mine"
    assert not list(installed.rglob("*socket*"))


def test_uninstalling_removes_what_was_installed_and_keeps_what_is_the_users(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["systemd", "install", "--socket", "--root", str(installed)])
    learnt = installed / "var/lib/private/rnnd/app.rnnd"
    learnt.parent.mkdir(parents=True)
    learnt.touch()
    (installed / "var/lib/rnnd").symlink_to("private/rnnd")

    assert main(["systemd", "uninstall", "--root", str(installed)]) == 0
    kept = {"etc/rnnd/rnnd.yaml", "var/lib/private/rnnd/app.rnnd", "var/lib/rnnd"}
    assert files_below(installed) == kept

    assert main(["systemd", "uninstall", "--purge", "--root", str(installed)]) == 0
    assert files_below(installed) == set()
    assert main(["systemd", "uninstall", "--root", str(installed)]) == 0, "nothing is there to do"


def test_a_program_in_the_path_that_is_not_ours_stays(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = installed / "usr/local/bin/rnnd"
    other.parent.mkdir(parents=True)
    other.write_text("mine", "utf-8")

    main(["systemd", "install", "--root", str(installed)])
    main(["systemd", "uninstall", "--root", str(installed)])

    assert other.read_text("utf-8") == "mine"


def test_a_program_that_the_sandbox_hides_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    monkeypatch.setattr(shutil, "which", lambda _: "/home/me/.local/bin/rnnd")

    assert main(["systemd", "install", "--root", str(tmp_path)]) == 2
    assert "/home/me/.local/bin/rnnd" in capsys.readouterr().err


def test_show_prints_the_units_as_they_are_in_the_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["systemd", "show"])

    source = Path(__file__).parent.parent / "systemd" / "rnnd.service"
    assert source.read_text("utf-8") in capsys.readouterr().out


def test_an_app_without_predictions_yet_is_no_trouble(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fresh = replace(app("web", Health.UNKNOWN), probabilities={}, predicted_at=None)
    pages = Pages(lambda: ServiceStatus(apps=(fresh,)), CollectorRegistry(), lambda: None)
    server = HttpServer("127.0.0.1", 0, pages)
    server.start()

    statuses = [
        main(["status", "--url", server.url]),
        main(["explain", "web", "--url", server.url]),
    ]
    server.stop()

    assert statuses == [0, 0]
