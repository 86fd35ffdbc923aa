import numpy as np
import pytest

from rnnd.codecs.logline import is_continuation, parse
from rnnd.codecs.parsed import Number, split_tokens, unpack
from rnnd.codecs.severity import Severity
from rnnd.codecs.signature import coarse_signatures

SPELLINGS = {
    "\x01 INFO up": Severity.INFO,
    "\x01 WARN up": Severity.WARNING,
    "\x01 [error] up": Severity.ERROR,
    "\x01 0 FATAL up": Severity.CRITICAL,
    "[\x01] [core:error] up": Severity.ERROR,
    "\x01 - DEBUG [main] - up": Severity.DEBUG,
    "[\x01][ERROR][o.e.n.Node] up": Severity.ERROR,
    "\x01|WARN|up": Severity.WARNING,
    "\x01, Info   CBS  up": Severity.INFO,
    "\x01  0  0 E Cart: up": Severity.ERROR,
    "\x01  0  0 V Cart: up": Severity.DEBUG,
    "W\x01    0 cart.go:0] up": Severity.WARNING,
    "\x01 UTC [0] LOG:  up": Severity.INFO,
    "\x01 UTC [0] PANIC:  up": Severity.CRITICAL,
    "\x01 0 [Note] up": Severity.NOTICE,
    "\x01 host app[0]: error: disk full": Severity.ERROR,
    "\x01 host app[0]: an error is not a level here": Severity.INFO,
    "\x01 the user asked for info": Severity.INFO,
    "SEVERE: up": Severity.ERROR,
    "WARNING: up": Severity.WARNING,
    'time="\x01" level=warning msg="up"': Severity.WARNING,
    "level=error ts=\x01 caller=main.go:0 msg=up": Severity.ERROR,
    '{"time":"\x01","level":"ERROR","msg":"up"}': Severity.ERROR,
    '{"t":{"$date":"\x01"},"s":"E","msg":"up"}': Severity.ERROR,
    '{"time":"\x01","severity":"critical","message":"up"}': Severity.CRITICAL,
    "ERROR \x01 [main] up": Severity.ERROR,
    "WARN:shop.Cart: \x01 up": Severity.WARNING,
    "E/Cart(0): up": Severity.ERROR,
    "\x01 W/Cart ( 0): up": Severity.WARNING,
    "\x01 error up": Severity.ERROR,
    "\x01 Error up": Severity.ERROR,
    "\x01 host app[0]: \x01 [main] WARN up": Severity.WARNING,
    "\x01 host sshd[0]: Failed password for bob": Severity.INFO,
    "\x01 stdout F up": Severity.INFO,
    "\x01 stderr F ERROR up": Severity.ERROR,
    '\x01 stdout F {"level":"warn","msg":"up"}': Severity.WARNING,
    '\x01 host app[0]: {"level":"error","msg":"up"}': Severity.ERROR,
    '{"log":"\x01 ERROR up\\n","stream":"stdout"}': Severity.ERROR,
    '{"log":"{\\"level\\":\\"error\\",\\"msg\\":\\"up\\"}\\n","time":"\x01"}': Severity.ERROR,
    '{"level":"info","msg":"ERROR is but a word here"}': Severity.INFO,
    '{"Level":"Warning","Message":"up"}': Severity.WARNING,
    '{"@t":"\x01","@l":"Fatal","@mt":"up"}': Severity.CRITICAL,
    "\x01 ERROR no answer, message=none": Severity.ERROR,
    "[\x01] production.ERROR: up": Severity.ERROR,
    "type=AVC msg=audit(\x01:0): avc:  denied": Severity.INFO,
    "\x01 the TLS ALERT was sent": Severity.INFO,
    "\x01 [alert] up": Severity.CRITICAL,
    "panic: up": Severity.CRITICAL,
    "Alert rules were read": Severity.INFO,
    "\x01 up": Severity.INFO,
    "": Severity.INFO,
}


def coarse_signature(exact: bytes) -> bytes:
    [coarse] = coarse_signatures([exact])
    return coarse


@pytest.mark.parametrize("line", SPELLINGS)
def test_severities_are_recognised_in_many_spellings(line: str) -> None:
    parsed = parse(coarse_signature(line.encode()))

    assert parsed.severity == SPELLINGS[line]
    assert parsed.number is None


NUMBERS = {
    (
        "<0>\x01 host app[0]: ERROR up",
        b"<14>Mar  9 08:07:05 host app[17]: ERROR up",
    ): Severity.ERROR,
    ('{"PRIORITY":"0","MESSAGE":"WARN up"}', b'{"PRIORITY":"6","MESSAGE":"WARN up"}'): (
        Severity.WARNING
    ),
    (
        '{"log":"{\\"level\\":0,\\"msg\\":\\"up\\"}\\n"}',
        b'{"log":"{\\"level\\":50,\\"msg\\":\\"up\\"}\\n"}',
    ): Severity.ERROR,
    (
        "\x01    0 0.0.0.0 TCP_MISS/0 0 GET",
        b"1.2    17 10.0.0.7 TCP_MISS/503 1 GET",
    ): Severity.ERROR,
    (
        "Mar 0 0:0:0 lb haproxy[0]: 0.0.0.0:0 [\x01] in shop/0 0/0/-0/0/0 0 0 - - ----",
        b"Mar 9 8:07:05 lb haproxy[7]: 10.0.0.7:9 [x] in shop/1 10/0/-1/30/69 503 27 - - ----",
    ): Severity.ERROR,
    ('{"status":0,"uri":"/"}', b'{"status":503,"uri":"/"}'): Severity.ERROR,
    ('0.0.0.0 - - [\x01] "-" 0 0', b'1.2.3.4 - - [x] "-" 400 0'): Severity.NOTICE,
    ("<0>\x01 host app[0]: up", b"<11>Mar  9 08:07:05 host app[17]: up"): Severity.ERROR,
    ("<0>0 \x01 host app - - - up", b"<14>1 2024-03-09T08:07:05Z host app - - - up"): Severity.INFO,
    ('{"level":0,"time":\x01,"msg":"up"}', b'{"level":50,"time":1709971625,"msg":"up"}'): (
        Severity.ERROR
    ),
    ('{"PRIORITY":"0","MESSAGE":"up"}', b'{"PRIORITY":"4","MESSAGE":"up"}'): Severity.WARNING,
    ('0.0.0.0 - - [\x01] "GET /a HTTP/0.0" 0 0', b'1.2.3.4 - - [x] "GET /a HTTP/1.1" 502 1'): (
        Severity.ERROR
    ),
    ('0.0.0.0 - - [\x01] "GET /a HTTP/0.0" 0 0', b'1.2.3.4 - - [x] "GET /a HTTP/1.1" 404 1'): (
        Severity.NOTICE
    ),
}


@pytest.mark.parametrize("pair", NUMBERS)
def test_severities_told_by_numbers_are_read_from_the_line(pair: tuple[str, bytes]) -> None:
    parsed = parse(coarse_signature(pair[0].encode()))

    assert parsed.number is not None
    starts, ends = np.zeros(1, np.intp), np.array([len(pair[1])])
    assert parsed.number.read_all(pair[1], starts, ends) == [NUMBERS[pair]]


def test_numbers_are_read_from_each_of_many_lines() -> None:
    data = b'1 "GET /" 200 7\n2 nothing\n3 "GET /" 503 "GET /" 404\n'
    starts = np.array([0, 16, 26])
    ends = np.array([15, 25, len(data) - 1])

    severities = Number("status", b'" ', least=Severity.DEBUG).read_all(data, starts, ends)

    assert severities.tolist() == [Severity.INFO, Severity.INFO, Severity.ERROR]


MESSAGES = {
    "\x01 INFO [main] shop.Cart: added item 0": (b"shop.Cart", b"added item 0"),
    "\x01 host sshd[0]: closed by 0.0.0.0": (b"sshd", b"closed by 0.0.0.0"),
    "\x01 - INFO  [QuorumPeer[myid=0]/0:Election@0] - started": (b"", b"started"),
    "W\x01    0 cart.go:0] slow": (b"cart.go", b"slow"),
    '{"time":"\x01","logger":"cart","msg":"added \\"0\\""}': (b"cart", b'added \\"0\\"'),
    'ts=\x01 level=info msg="added 0" user=bob': (b"", b"added 0"),
    "<0>0 \x01 host app 0 0 - disk full": (b"app", b"disk full"),
    '<0>0 \x01 host app 0 0 [id@0 a="b ] c"][x] disk full': (b"app", b"disk full"),
    "\x01 host app[0]: ERROR disk full": (b"app", b"disk full"),
    "\x01 stdout F INFO disk full": (b"", b"disk full"),
    '{"log":"INFO disk full\\n","time":"\x01"}': (b"", b"disk full"),
    'level=info logger=cart msg="added 0"': (b"cart", b"added 0"),
    "[\x01] production.ERROR: disk full": (b"production", b"disk full"),
    "\x01  INFO 0 --- [exec-0] shop.Cart     : disk full": (b"shop.Cart", b"disk full"),
    "type=AVC msg=audit(\x01:0): denied": (b"", b"0): denied"),
    "no time at all": (b"", b"no time at all"),
}


@pytest.mark.parametrize("line", MESSAGES)
def test_component_and_message_are_told_apart(line: str) -> None:
    parsed = parse(line.encode())

    assert (parsed.component, parsed.message) == MESSAGES[line]


@pytest.mark.parametrize("line", [*SPELLINGS, *MESSAGES, *(line for line, _ in NUMBERS)])
def test_what_a_line_says_can_be_packed(line: str) -> None:
    parsed = parse(line.encode())

    assert unpack(parsed.pack()) == parsed


@pytest.mark.parametrize("line", MESSAGES)
def test_the_words_before_the_message_are_counted(line: str) -> None:
    parsed = parse(line.encode())

    words = split_tokens(line.replace("\\n", "").encode())[parsed.words :]

    assert words[: len(parsed.tokens)] == parsed.tokens


def test_lines_that_differ_in_what_says_nothing_are_packed_alike() -> None:
    bob = parse(b'{"id":"0","user":"bob","level":"info","msg":"added 0"}')
    eve = parse(b'{"id":"0","user":"eve","level":"info","msg":"added 0"}')

    assert bob.pack() == eve.pack()


def test_indented_and_empty_lines_belong_to_the_line_before() -> None:
    assert is_continuation(b"\tat shop.Cart(Cart.java:0)")
    assert is_continuation(b"")
    assert is_continuation(b"\r")
    assert not is_continuation(b"  \x01 INFO up")
    assert not is_continuation(b"Caused by: disk full")
