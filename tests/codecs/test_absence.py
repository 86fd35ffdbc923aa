from rnnd.codecs.absence import AWAY, Absences
from rnnd.codecs.log import LogCodec, LogSettings

HOUR = 3600.0


def absences_at(hours: list[int]) -> list[dict[int, int]]:
    absences = Absences(tick=HOUR, limit=4)
    return [absences.note(hour, [2]) for hour in hours]


def test_a_template_that_was_away_for_long_is_told_with_its_absence() -> None:
    assert absences_at([0, 1, 100]) == [{}, {}, {2: 99}]


def test_a_nightly_template_is_told_at_most_once() -> None:
    nights = [24 * night + night % 2 for night in range(30)]

    told = [night for night, back in enumerate(absences_at(nights)) if back]

    assert told == [1]


def test_an_absence_of_a_day_is_none() -> None:
    assert absences_at([0, 1, 1 + round(AWAY / HOUR)]) == [{}, {}, {}]


def test_a_template_is_new_once_and_back_later_and_the_two_are_told_apart() -> None:
    codec = LogCodec(LogSettings(tick=HOUR))
    reader = codec.reader("app.log")
    lines = [
        (1, "disk full"), (1, "all is well"), (2, "all is well"),
        (3, "all is well"), (4, "disk full"), (4, "all is well"),
    ]  # fmt: skip
    text = "".join(f"2026-03-{day:02}T01:00:00Z INFO {said}\n" for day, said in lines)

    parts = reader.feed(text.encode(), 0.0) + reader.flush()
    ticks = [codec.encode_tick(part.tick, [part]) for part in parts]

    assert [tick.new_templates for tick in ticks] == [2, 0, 0, 0]
    assert [list(tick.absences.values()) for tick in ticks] == [[], [], [], [72]]


def test_what_is_known_of_absences_survives_a_restart() -> None:
    before, after = Absences(tick=HOUR, limit=4), Absences(tick=HOUR, limit=4)
    before.note(0, [2])

    after.restore(before.state(known=3))

    assert after.note(50, [2]) == {2: 50}


def test_a_template_joined_to_another_leaves_it_its_past() -> None:
    absences = Absences(tick=HOUR, limit=4)
    absences.note(0, [1])
    absences.note(90, [2])

    absences.join(2, older=1)

    assert absences.note(100, [1]) == {}
