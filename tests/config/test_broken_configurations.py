"""Configurations that are wrong, each in its own way: the mistake is named with its place."""

import re

import pytest

from rnnd.config.loading import load_settings
from rnnd.errors import ConfigError

APP = "apps: [{name: web, logs: [/a.log]%s}]\n"


def in_app(text: str) -> str:
    return APP % f", {text}"


def top(text: str) -> str:
    return APP % "" + text + "\n"


DURATIONS = {
    "10": "10s", "ten": "not a duration", "10 s": "not a duration", "-5s": "not a duration",
    "0s": "not a positive", "1.5.2s": "not a duration", "5y": "not a duration",
    "10S": "not a duration", "s": "not a duration", "''": "empty", "1e3s": "not a duration",
    "10sm": "not a duration", "[10s]": "a list", "{a: 10s}": "a mapping", "null": "nothing",
    "true": "a boolean", "12:30:00": "", "2026-01-01": "a date", "0x10": "", "010": "", ".5s": "",
    "10s 5m": "not a duration", "1h30": "not a duration", "∞": "not a duration",
    "١٠s": "not a duration", "99999999999999999999s": "",
}  # fmt: skip
RATES = {
    "1": "1/day", "1/": "not a", "/day": "not a", "1/fortnight": "not a", "1 per day": "not a",
    "0/day": "positive", "-1/day": "not a", "daily": "not a", "1/day/day": "not a",
    "[1/day]": "a list", "{}": "a mapping", "null": "nothing", "yes": "a boolean", "''": "empty",
    "1/second": "not a", "1,5/day": "", "1/Day": "not a",
}  # fmt: skip
NAMES = {
    "''": "empty", "' '": "empty", "-a": "not a name", "a b": "not a name", "a/b": "not a name",
    "é": "not a name", "'a\"b'": "not a name", "'a{b'": "not a name", "[a]": "a list",
    "{a: b}": "a mapping", "null": "nothing", "no": "a boolean", "1.10": "a number", "0644": "",
    "'a\\b'": "not a name", '"a\\nb"': "not a name", '"a\\eb"': "not a name", ".a": "not a name",
    "_a": "not a name", "a" * 65: "not a name", "'<b>'": "not a name", "2026-01-01": "a date",
}  # fmt: skip
SEVERITIES = ("fatal", "CRITICAL", "crit", "warn", "5", "''", "[error]", "{a: b}", "true", "Error")
LISTS = ("/a.log", "{a: b}", "5", "null", "true", "[5]", "[[/a.log]]", "[{a: b}]", "[null]", "['']")
ADDRESSES = (
    "7663", "':7663'", "127.0.0.1", "'127.0.0.1:'", "127.0.0.1:http", "127.0.0.1:65536",
    "127.0.0.1:-1", "'::1:7663'", "'[::1]'", "''", "[a]", "{a: b}", "null", "'127.0.0.1:7663 '",
    "'127.0.0.1:٧'",
)  # fmt: skip
MISSPELT = {
    "nmae": "name", "log": "logs", "Red": "red", "oranje": "orange", "merg": "merge",
    "horizn": "horizon", "more_horizon": "more_horizons", "alarm-budget": "alarm_budget",
    "tik": "tick", "failure": "failures",
}  # fmt: skip
MISSPELT_ON_TOP = {
    "app": "apps", "htpp": "http", "State": "state", "checkpoint_evry": "checkpoint_every",
}  # fmt: skip
HASH = "$scrypt$ln=14,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43


def users(*names: str) -> str:
    listed = ", ".join(f"{{name: {name}, password_hash: '{HASH}'}}" for name in names)
    return f"{{users: [{listed}]}}"


HTTP = {
    "{tls: true}": "http.tls",
    "{tls: /etc/tls.crt}": "http.tls",
    "{tls: []}": "http.tls",
    "{tls: {}}": "'certificate' is missing",
    "{tls: {certificate: /a.crt}}": "'key' is missing",
    "{tls: {key: /a.key}}": "'certificate' is missing",
    "{tls: {cert: /a.crt, key: /a.key}}": "'certificate'",
    "{tls: {certificate: [/a.crt], key: /a.key}}": "http.tls.certificate",
    "{tls: {certificate: /a.crt, key: ''}}": "http.tls.key: '' is empty",
    "{users: alice}": "http.users",
    "{users: [alice]}": "http.users[0]",
    "{users: {alice: secret}}": "http.users",
    "{users: [{}]}": "'name' is missing",
    "{users: [{name: alice}]}": "'password_hash' is missing",
    "{users: [{name: alice, password: secret}]}": "'password_hash'",
    "{users: [{name: alice, password_hash: secret}]}": "is no hash",
    "{users: [{name: alice, password_hash: ''}]}": "empty",
    users("'a:b'"): "is not a name",
    users("'a b'"): "is not a name",
    users("5"): "in quotes",
    users("a", "a"): "two users",
    users("a").replace("14", "25"): "64 MiB",
    "{lisen: 'a:1'}": "'listen'",
    "{user: []}": "'users'",
}
STRUCTURES = {
    "": "empty",
    "# nothing but a comment\n": "empty",
    "null\n": "",
    "[]\n": "a list",
    "web\n": "",
    "5\n": "",
    "{}\n": "'apps' is missing",
    "http: {}\n": "'apps' is missing",
    "apps:\n": "nothing",
    "apps: []\n": "empty",
    "apps: {}\n": "a mapping",
    "apps: web\n": "",
    "apps: [[]]\n": "a list",
    "apps: [5]\n": "",
    "apps: [null]\n": "nothing",
    "apps: [true]\n": "",
    "apps: ['']\n": "empty",
    "apps: [{}]\n": "'name' is missing",
    "apps: [{name: web}]\n": "'logs' is missing",
    "apps: [{logs: [/a.log]}]\n": "'name' is missing",
    "apps: [{name: web, logs: []}]\n": "empty",
    "apps: [{name: web, logs: [/a], red: {}}]\n": "nothing would be a failure",
    "apps: [{name: a, logs: [/a]}, {name: a, logs: [/b]}]\n": "two apps",
    "apps: [{name: a, name: b, logs: [/a]}]\n": "twice",
    "apps: [/a]\napps: [/b]\n": "twice",
    "apps: [/a]\nhttp: {listen: 'a:1', listen: 'a:2'}\n": "twice",
    "apps: &a [/a]\nmore: *a\n": "aliases",
    "a: &a [x, x]\nb: &b [*a, *a]\napps: [*b, *b]\n": "aliases",
    "apps: [/a\n": "not valid YAML",
    "apps: [/a]]\n": "not valid YAML",
    "apps: 'web\n": "not valid YAML",
    "apps:\n\t- /a\n": "not valid YAML",
    "apps: [/a]\n  b: c\n": "not valid YAML",
    "apps: @a\n": "not valid YAML",
    "%TAG\n": "not valid YAML",
    "apps: [/a]\n---\napps: [/b]\n": "not valid YAML",
    "apps: [!!python/name:os.system /a]\n": "",
    "apps: !!set {a}\n": "",
    "apps: [/a]\n<<: {http: {}}\n": "",
    "? [a]\n: b\n": "",
    "5: [/a]\n": "",
    "apps: [\x07]\n": "not valid YAML",
    'apps: ["\\UFFFFFFFF"]\n': "not valid YAML",
    'apps: ["/a\\0"]\n': "",
    "[" * 50 + "]" * 50: "deep",
    "{a: " * 50 + "}" * 50: "deep",
    "apps: " + "[" * 30 + "]" * 30: "deep",
    "x" * (2 << 20): "longer",
}

BROKEN = [
    *(
        (in_app(f"{key}: {value}"), said)
        for key in ("horizon", "merge", "tick")
        for value, said in DURATIONS.items()
    ),
    *((in_app(f"more_horizons: [1m, {value}]"), said) for value, said in DURATIONS.items()),
    *((in_app(f"alarm_budget: {value}"), said) for value, said in RATES.items()),
    *((f"apps: [{{name: {value}, logs: [/a.log]}}]\n", said) for value, said in NAMES.items()),
    *(
        (in_app(f"{rule}: {{severity: {value}}}"), "severity")
        for rule in ("red", "orange")
        for value in SEVERITIES
    ),
    *((f"apps: [{{name: web, logs: {value}}}]\n", "logs") for value in LISTS),
    *((in_app(f"red: {{patterns: {value}}}"), "patterns") for value in LISTS),
    *((in_app(f"red: {value}"), "red") for value in ("critical", "[critical]", "5", "true")),
    *((in_app(f"failures: {value}"), "failures") for value in ("5", "[a]", "{a: b}", "true", "''")),
    *((top(f"http: {{listen: {value}}}"), "listen") for value in ADDRESSES),
    *((top(f"http: {value}"), said) for value, said in HTTP.items()),
    *(
        (top(f"http: {value}"), "http")
        for value in ("7663", "[a]", "null", "listen", "{port: 7663}")
    ),
    *((top(f"state: {value}"), "state") for value in ("5", "[a]", "{a: b}", "null", "true", "''")),
    *(
        (top(f"checkpoint_every: {value}"), "checkpoint_every")
        for value in ("5", "0s", "0.5s", "[a]", "null", "soon")
    ),
    *((in_app(f"{wrong}: 1"), f"'{right}'") for wrong, right in MISSPELT.items()),
    *((top(f"{wrong}: 1"), f"'{right}'") for wrong, right in MISSPELT_ON_TOP.items()),
    (in_app("tick: 1h"), "horizon"),
    (in_app("tick: 20m"), "horizon"),
    (in_app("horizon: 52w"), "horizon"),
    (in_app("more_horizons: [1s]"), "more_horizons"),
    (in_app("tick: 0.01s"), "tick"),
    *STRUCTURES.items(),
]


@pytest.mark.parametrize(
    ("text", "said"), BROKEN, ids=[f"{n}: {text[:60]!r}" for n, (text, _) in enumerate(BROKEN)]
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(text, "rnnd.yaml")

    lines = str(caught.value).splitlines()
    assert all(re.match(r"rnnd\.yaml:[1-9]\d*:[1-9]\d*: .+", line) for line in lines), lines
    assert said in str(caught.value)


def test_a_password_in_the_place_of_its_hash_is_never_repeated() -> None:
    text = top("http: {users: [{name: alice, password_hash: hunter2}]}")

    with pytest.raises(ConfigError) as caught:
        load_settings(text, "rnnd.yaml")

    assert "hunter2" not in str(caught.value)


def test_there_are_enough_of_them() -> None:
    assert len({text for text, _ in BROKEN}) >= 150


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "apps:\n  - name: a b\n    logs: []\n    horizn: 5m\nhttp: {listen: x}\nstat: y\n"

    with pytest.raises(ConfigError) as caught:
        load_settings(text, "rnnd.yaml")

    places = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert [place.split(":")[1] for place in places] == sorted(p.split(":")[1] for p in places)
    assert {"4", "5", "6"} <= {place.split(":")[1] for place in places}
