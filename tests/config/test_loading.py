"""Configuration files: what they say, and every way to get one wrong."""

import contextlib
from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.config.loading import load_settings, parse_address
from rnnd.config.schema import AppSettings, Rule, Settings
from rnnd.errors import ConfigError

NAME = "rnnd.yaml"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(text, NAME)
    assert caught.value.exit_status == 2
    return str(caught.value).splitlines()


@contextlib.contextmanager
def suppress_placed() -> Iterator[None]:
    """Let mistakes pass when each has its place."""
    try:
        yield
    except ConfigError as error:
        strays = [line for line in str(error).split("\n") if not line.startswith(f"{NAME}:")]
        if strays:
            raise AssertionError(strays) from error


def app(rest: str) -> str:
    return f"apps:\n- name: a\n  logs: [/l]\n  {rest}\n"


def test_a_whole_configuration_is_read() -> None:
    settings = load_settings(
        """
        apps:
          - name: checkout
            logs: [/var/log/app/checkout*.log, "/srv/x.log"]
            red: {severity: error, patterns: ["No space left on device"]}
            merge: 1h30m
            horizon: 5m
            more_horizons: [1m]
            alarm_budget: 5/week
            tick: 30s
            order: true
            session: order=*
        http: {listen: "0.0.0.0:80"}
        state: /tmp/state
        """,
        NAME,
    )

    (checkout,) = settings.apps
    assert checkout.logs == ("/var/log/app/checkout*.log", "/srv/x.log")
    assert checkout.red == Rule(severity="error", patterns=("No space left on device",))
    assert (checkout.merge, checkout.tick) == (5400.0, 30.0)
    assert checkout.horizons == (300.0, 60.0)
    assert (checkout.order, checkout.session) == (True, "order=*")
    assert checkout.alarm_budget * 7 * 86400 == pytest.approx(5)
    assert settings.http.listen == "0.0.0.0:80"
    assert settings.state == "/tmp/state"


def test_the_default_file_says_the_defaults() -> None:
    text = files("rnnd.config").joinpath("default.yaml").read_text(encoding="utf-8")

    settings = load_settings(text, NAME)

    assert settings == Settings(apps=(AppSettings(name="app", logs=("/var/log/app/*.log",)),))


def test_apps_may_be_a_bare_list_of_globs() -> None:
    settings = load_settings("apps: [/var/log/a.log, /srv/a.log, '/var/log/nginx/*.log']", NAME)

    assert [app.name for app in settings.apps] == ["a", "a-2", "nginx"]
    assert settings.apps[2].logs == ("/var/log/nginx/*.log",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: empty"),
        ("# nothing\n", "1:1: empty"),
        ("just text", "1:1: 'just text' is not a mapping"),
        ("[a]", "1:1: a list is not a mapping"),
        ("{}", "1:1: the key 'apps' is missing"),
        ("apps:\n", "1:6: apps: nothing is not a list"),
        ("apps: []", "1:7: apps: the list is empty"),
        ("apps: /var/log/x", "1:7: apps: '/var/log/x' is not a list"),
        ("apps: [a, {name: a}]", "1:11: apps[1]: the key 'logs' is missing"),
        ("apps: [1]", '1:8: apps[0]: 1 (which YAML takes for a whole number) is not text, '
         'write "1" in quotes'),
        ("apps: [a]\nsate: /x", "2:1: 'sate' is an unknown key, did you mean 'state'?"),
        ("apps: [a]\nzzz: /x", "2:1: 'zzz' is an unknown key, known are apps, http, state"),
        ("apps: [a]\n? [b]\n: c", "2:3: a list is an unknown key, expected a name"),
        ("apps: [a]\nstate: /x\nstate: /y", "3:1: 'state' is given twice, first in line 2"),
        ("apps: [a]\nstate: ''", "2:8: state: '' is empty"),
        ("apps: [a]\nstate: \"\\0\"", "2:8: state: '\\x00' is empty"),
        ("apps: [a]\nstate: no", '2:8: state: no (which YAML takes for a boolean) is not text, '
         'write "no" in quotes'),
        ("apps: [a]\nstate: 0644", "2:8: state: 0644 (which YAML takes for a whole number)"),
        ("apps: [a]\nstate: 2001-01-01", "2:8: state: 2001-01-01 (which YAML takes for a date)"),
        ("apps: [a]\nhttp: {listen: 7663}", "2:16: http.listen: 7663"),
        ("apps: [a]\nhttp: {listen: 12:30:00}", "2:16: http.listen: 12:30:00 (which YAML"),
        ("apps: [a]\nhttp: {listen: localhost}", "2:8: http.listen: 'localhost' is not an address"),
        ("apps: [a]\nhttp: {listen: 'a:99999'}", "2:8: http.listen: 'a:99999' is not an address"),
        ("apps: [a]\nhttp: {listen: '::1:80'}", "2:8: http.listen: '::1:80' is not an address"),
        ("apps: [a]\ncheckpoint_every: 0.5s", "2:1: checkpoint_every: shorter than 1s"),
        (app("horizon: 10"), "4:12: apps[0].horizon: 10 (which YAML takes for a "
         "whole number) is not a duration such as 10s or 5m"),
        (app("horizon: 12:30:00"), "4:12: apps[0].horizon: 12:30:00"),
        (app("horizon: [10m]"), "4:12: apps[0].horizon: a list is not a duration"),
        (app("horizon: 10 parsecs"), "4:12: apps[0].horizon: '10 parsecs' is not a duration"),
        (app("horizon: -5s"), "4:12: apps[0].horizon: '-5s' is not a duration"),
        (app("horizon: 1s"), "4:3: apps[0].horizon: 1s is shorter than a tick, 10s"),
        (app("more_horizons: [1m, 1s]"), "4:3: apps[0].more_horizons: 1s is shorter than a tick"),
        (app("more_horizons: [1m, 1]"), "4:23: apps[0].more_horizons[1]: 1 (which"),
        (app("more_horizons: 1m"), "4:18: apps[0].more_horizons: '1m' is not a list"),
        (app("horizon: 9000w"), "4:3: apps[0].horizon: 63000d is more than 100000 ticks of 10s"),
        (app("tick: 0.5s"), "4:3: apps[0].tick: 0.5s is shorter than 1s"),
        (app("alarm_budget: 1"), "4:17: apps[0].alarm_budget: 1 (which YAML takes for a "
         "whole number) is not a rate such as 1/day"),
        (app("alarm_budget: 0/day"), "4:17: apps[0].alarm_budget: '0/day' is not a positive rate"),
        (app("order: maybe"), "4:10: apps[0].order: 'maybe' is neither true nor false"),
        (app("session: req=*"), "4:3: apps[0].session: is only of use with order: true"),
        (app("session: 'a*b'"), "4:3: apps[0].session: 'a*b' is no text that ends in *, "
         "as request=* is"),
        (app("red: error"), "4:8: apps[0].red: 'error' is not a mapping"),
        (app("red: {severity: criticl}"), "4:19: apps[0].red.severity: 'criticl' is unknown, "
         "did you mean 'critical'?"),
        (app("red: {severty: error}"), "4:9: apps[0].red: 'severty' is an unknown key"),
        (app("red: {patterns: oops}"), "4:19: apps[0].red.patterns: 'oops' is not a list"),
        (app("red: {patterns: [{}]}"), "4:20: apps[0].red.patterns[0]: a mapping is not text"),
        ("apps: [{name: 'a/b', logs: [l]}]", "1:9: apps[0].name: 'a/b' is not a name"),
        ("apps: [{name: '../../etc', logs: [l]}]", "1:9: apps[0].name: '../../etc' is not a name"),
        ("apps: [{name: a, logs: []}]", "1:18: apps[0].logs: the list is empty"),
        ("apps: [{name: a, logs: [l]}, {name: a, logs: [m]}]",
         "1:30: apps: two apps have the name 'a'"),
        ("apps: [a\n", "not valid YAML"),
        ("apps: 'a", "not valid YAML"),
        ("apps: [a]\n\tstate: x", "2:1: not valid YAML"),
        ("apps: [a]\n---\napps: [b]", "2:1: not valid YAML"),
        ("apps: [a]\nstate: \x07", "2:8: not valid YAML: the character '\\x07' is not allowed"),
        ('apps: ["\\UFFFFFFFF"]', "not valid YAML"),
        ("apps: &x [a]\nstate: *x", "2:8: *x: aliases are not supported"),
        ("apps: " + "[" * 5000, "1:26: nested more than 20 deep"),
        ("a" * (1 << 20) + "b", "1:1: longer than 1048576 characters"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_what_was_expected(text: str, expected: str) -> None:
    (line,) = mistakes(text)

    assert line.startswith(f"{NAME}:")
    assert expected in line


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file() -> None:
    lines = mistakes(
        "apps:\n"
        "  - name: a\n"
        "    logs: [/x]\n"
        "    horizn: 5m\n"
        "    tick: fast\n"
        "  - logs: nothing\n"
        "htp: {}\n"
    )

    assert [line.split(": ", 1)[0] for line in lines] == [
        "rnnd.yaml:4:5", "rnnd.yaml:5:11", "rnnd.yaml:6:5", "rnnd.yaml:6:11", "rnnd.yaml:7:1",
    ]  # fmt: skip


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert "aliases are not supported" in mistakes(bomb)[0]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    with suppress_placed():
        load_settings(text, NAME)


@given(
    st.recursive(
        st.sampled_from(["a", "10s", "1/day", "no", "0x1", "~", "error", "[]", "{}"]),
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
            | st.dictionaries(
                st.sampled_from(
                    ["apps", "name", "logs", "red", "severity", "tick", "horizon", "http"]
                ),
                inner,
                max_size=4,
            ).map(lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}")
        ),
        max_leaves=12,
    )
)
def test_any_structure_is_read_or_refused_with_a_place(text: str) -> None:
    with suppress_placed():
        load_settings(text, NAME)


@pytest.mark.parametrize("text", ["[::1]:7663", "localhost:0", "127.0.0.1:65535"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    host, port = parse_address(text)

    assert text.replace("[", "").replace("]", "") == f"{host}:{port}"
