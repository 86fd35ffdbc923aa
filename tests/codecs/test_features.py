import copy

import numpy as np
import pytest

from rnnd.codecs import numbers
from rnnd.codecs.buckets import SETTLED, Buckets
from rnnd.codecs.log import LogCodec, LogSettings
from rnnd.codecs.overdue import GAP_SAMPLES, Overdue
from rnnd.codecs.signatures import Kinds
from rnnd.codecs.slots import SLOT_SAMPLES, SURE, Slots
from rnnd.codecs.tick import Tick, TickPart


def run(
    lines: dict[int, list[bytes]], settings: LogSettings, until: int
) -> tuple[LogCodec, list[Tick]]:
    """Return the ticks of ten seconds from 0 to *until*, with *lines* in some of them."""
    codec = LogCodec(settings)
    ticks = []
    for number in range(until):
        data = b"".join(
            b"%d %s\n" % (1_700_000_000 + 10 * number, s) for s in lines.get(number, [])
        )
        parts = codec.reader("app.log").feed(data, 0.0)
        ticks.append(codec.encode_tick(170_000_000 + number, parts))
    return codec, ticks


SMALL = LogSettings(buckets=8, slots=4)


def column(codec: LogCodec, ticks: list[Tick], name: str) -> list[float]:
    place = codec.feature_names.index(name)
    return [float(tick.vector[place]) for tick in ticks]


def test_a_recurring_message_gets_a_bucket_of_its_own_and_one_that_came_once_does_not() -> None:
    buckets = Buckets(8, 10)
    for template in (1, 2):
        buckets.place(template, b"%d" % template)

    for _ in range(SETTLED):
        buckets.count([1])
    buckets.count([2])

    assert buckets.of[1] == 0
    assert buckets.of[2] >= buckets.owned == 6


def test_a_template_that_is_joined_leaves_its_bucket_to_the_older_one() -> None:
    buckets = Buckets(8, 10)
    for _ in range(SETTLED):
        buckets.count([2])

    buckets.join(2, 1)

    assert buckets.of[1] == 0
    assert buckets.owners[0] == 1


def test_the_dog_that_did_not_bark_is_overdue() -> None:
    beats = {number: [b"INFO heartbeat"] for number in range(0, 300, 3)}

    codec, ticks = run(beats, SMALL, 320)

    overdue = column(codec, ticks, "bucket 0 overdue")
    assert max(overdue[:300]) < 0.5
    assert overdue[302] > 1.0
    assert overdue[319] > overdue[302]


def test_what_comes_at_random_is_never_overdue() -> None:
    rng = np.random.default_rng(7)
    beats = {int(number): [b"INFO order"] for number in np.cumsum(rng.geometric(0.1, 100))}

    codec, ticks = run(beats, SMALL, 1200)

    assert max(column(codec, ticks, "bucket 0 overdue")) < 0.5


def test_nothing_is_overdue_before_its_gaps_are_known() -> None:
    overdue, late = Overdue(1), np.zeros((GAP_SAMPLES + 1, 1))

    for beat in range(GAP_SAMPLES):
        overdue.update(3 * beat, {0}, late[beat])
    overdue.update(1000, set(), late[GAP_SAMPLES])

    assert np.max(late) == 0


def test_one_outage_does_not_make_a_heartbeat_irregular() -> None:
    overdue, late = Overdue(1), np.zeros(1)
    for beat in (*range(0, 300, 3), *range(5000, 5030, 3)):
        overdue.update(beat, {0}, late)

    overdue.update(5040, set(), late)

    assert late[0] > 1.0


def test_a_rising_number_is_seen_in_its_slot_and_held() -> None:
    rng = np.random.default_rng(7)
    lines = {n: [b"INFO disk is %d %% full" % (40 + rng.integers(0, 5))] for n in range(200)}
    lines[200] = [b"INFO disk is 97 % full"]

    codec, ticks = run(lines, SMALL, 210)

    values = column(codec, ticks, "slot 0 value")
    assert values[: SLOT_SAMPLES - 2] == [0.0] * (SLOT_SAMPLES - 2)
    assert max(np.abs(values[:200])) < 2
    assert values[200] > 2.5
    assert values[209] == values[200]
    assert column(codec, ticks, "slot 0 trend")[200] > 0.3


def test_a_number_twice_as_far_from_its_mean_is_told_as_twice_as_far_and_never_without_bound() -> (
    None
):
    slots, rng = Slots(np.zeros(4), np.zeros(4), 10), np.random.default_rng(7)
    for value in rng.normal(100.0, 10.0, 1000):
        slots.update([6], [value], look=False)

    told = []
    for value in (114.0, 128.0, 1e8):
        slots.update([6], [value], look=False)
        told.append(float(slots.values[0]))

    assert told[1] == pytest.approx(2 * told[0], rel=0.1)
    assert told[1] > 2.5
    assert told[2] < 10


@pytest.mark.parametrize("step", [1, 17])
def test_a_counter_is_no_slot(step: int) -> None:
    slots = Slots(np.zeros(4), np.zeros(4), 10)

    for value in range(0, 200 * step, step):
        slots.update([6], [float(value)], look=False)

    assert (slots.owners == -1).all()


def test_a_counter_is_looked_at_now_and_then_only_when_it_is_sure_to_be_one() -> None:
    slots = Slots(np.zeros(4), np.zeros(4), 10)

    wanted = [not slots.update([6], [float(value)], look=False) for value in range(SURE)]

    assert wanted == [True] * (SURE - 1) + [False]
    assert not slots.wants(6)
    assert slots.wants(6, counters=True)


@pytest.mark.parametrize("every", [1, 2, 6, 60])
def test_a_leak_that_fills_steadily_until_a_restart_empties_it_is_no_counter(every: int) -> None:
    lines = {every * n: [b"INFO heap: %d kB used" % (3000 + 17 * (n % 300))] for n in range(1200)}

    codec, ticks = run(lines, SMALL, every * 1200)

    last = column(codec, ticks, "slot 0 value")[every * 900 :]
    assert last[0] < -1.0  # just emptied
    assert last[-1] > 1.0  # full


def test_a_counter_that_goes_on_for_ever_stays_one() -> None:
    lines = {n: [b"INFO wrote block %d" % n, b"INFO sum is %d" % (7 * n)] for n in range(2000)}

    codec, _ = run(lines, SMALL, 2000)

    assert (codec.features.slots.owners == -1).all()


def test_bytes_in_use_are_a_number_however_large() -> None:
    slots, rng = Slots(np.zeros(4), np.zeros(4), 10), np.random.default_rng(7)
    used = 3e9 + np.cumsum(rng.normal(0, 1e7, 200))

    for value in used:
        slots.update([6], [float(int(value))], look=False)

    assert slots.values[0] != 0.0


def test_a_number_that_never_changed_is_read_on_for_it_may_yet() -> None:
    slots = Slots(np.zeros(4), np.zeros(4), 10)

    wanted = [not slots.update([6], [5.0], look=False) for _ in range(10 * SURE)]
    slots.update([6], [9.0], look=False)

    assert all(wanted)
    assert slots.values[0] > 1.0


def test_a_counter_in_a_log_does_not_hide_the_numbers_beside_it() -> None:
    rng = np.random.default_rng(7)
    lines = {n: [b"INFO sent %d of %d" % (rng.integers(90, 110), n)] for n in range(2 * SURE)}
    lines[2 * SURE] = [b"INFO sent 150 of 7"]

    codec, ticks = run(lines, SMALL, 2 * SURE + 1)

    assert column(codec, ticks, "slot 0 value")[-1] > 2.5
    assert (codec.features.slots.owners >= 0).sum() == 1


def test_huge_numbers_are_identifiers() -> None:
    slots, rng = Slots(np.zeros(4), np.zeros(4), 10), np.random.default_rng(7)

    for value in rng.integers(10**10, 10**12, 100):
        slots.update([6], [float(value)], look=False)

    assert (slots.owners == -1).all()


def test_every_feature_is_bounded_whatever_the_numbers() -> None:
    rng = np.random.default_rng(7)
    lines = {
        n: [b"INFO took %d ms" % int(rng.lognormal(3, 4))] * int(rng.integers(1, 5))
        for n in range(300)
    }

    _, ticks = run(lines, SMALL, 300)

    assert max(np.abs(tick.vector).max() for tick in ticks) < 20


def test_smoothed_counts_rise_at_once_and_fall_slowly() -> None:
    codec, ticks = run({n: [b"INFO up"] for n in range(60)}, SMALL, 120)

    quick = column(codec, ticks, "lines, mean of 1m")
    slow = column(codec, ticks, "lines, mean of 15m")
    assert quick[59] > 0.99 * np.log(2)
    assert quick[119] < 0.01
    assert slow[119] > 0.1


def test_which_number_gets_the_last_slot_does_not_depend_on_how_a_tick_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(7)

    def line(second: int, message: bytes) -> bytes:
        return b"%d.0 INFO %s\n" % (1_700_000_000 + second, message % rng.integers(100))

    alpha, beta = b"alpha took %d ms", b"beta used queue %d deep now"
    whole = LogCodec(LogSettings(tick=10.0, slots=1))
    parts: dict[int, list[TickPart]] = {}
    for second in range(0, 290, 10):
        for part in whole.reader("").feed(line(second, alpha) + line(second, beta), 0.0):
            parts.setdefault(part.tick, []).append(part)
    begun = whole.reader("").feed(line(290, alpha), 0.0)[-1]
    for tick in sorted(parts):
        whole.encode_tick(tick, parts[tick])
    restored = LogCodec(whole.settings)
    restored.restore(copy.deepcopy(whole.state()))
    saved = whole.save_part(begun)
    whole.kinds = Kinds()  # as when a table is full
    owners = []
    for codec, first in ((whole, begun), (restored, restored.load_part(saved))):
        rest = codec.reader("").feed(line(292, beta) + line(293, alpha), 0.0)
        cut = [first] if first.add(rest[0]) else [first, rest[0]]
        codec.encode_tick(first.tick, cut)
        owners.append((len(cut), codec.features.slots.owners.tolist()))

    assert [number for number, _ in owners] == [2, 1]
    assert owners[0][1] == owners[1][1] != [-1]


def test_a_word_longer_than_any_number_is_none_and_is_not_remembered() -> None:
    before = numbers._value_in.cache_info().currsize

    assert numbers.value_of(b"x" * 16_000) is None
    assert numbers.value_of(b"7" * 16_000) is None

    assert numbers._value_in.cache_info().currsize == before
