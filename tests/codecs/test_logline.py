import pytest

from rnnd.codecs.logline import is_continuation, parse
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
    assert parsed.number.read(pair[1]) == NUMBERS[pair]


MESSAGES = {
    "\x01 INFO [main] shop.Cart: added item 0": (b"shop.Cart", b"added item 0"),
    "\x01 host sshd[0]: closed by 0.0.0.0": (b"sshd", b"closed by 0.0.0.0"),
    "\x01 - INFO  [QuorumPeer[myid=0]/0:Election@0] - started": (b"", b"started"),
    "W\x01    0 cart.go:0] slow": (b"", b"0 cart.go:0] slow"),
    '{"time":"\x01","logger":"cart","msg":"added \\"0\\""}': (b"cart", b'added \\"0\\"'),
    'ts=\x01 level=info msg="added 0" user=bob': (b"", b"added 0"),
    "no time at all": (b"", b"no time at all"),
}


@pytest.mark.parametrize("line", MESSAGES)
def test_component_and_message_are_told_apart(line: str) -> None:
    parsed = parse(line.encode())

    assert (parsed.component, parsed.message) == MESSAGES[line]


def test_indented_and_empty_lines_belong_to_the_line_before() -> None:
    assert is_continuation(b"\tat shop.Cart(Cart.java:0)")
    assert is_continuation(b"")
    assert is_continuation(b"\r")
    assert not is_continuation(b"  \x01 INFO up")
    assert not is_continuation(b"Caused by: disk full")
