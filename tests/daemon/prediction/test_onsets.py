from hypothesis import given
from hypothesis import strategies as st

from rnnd.daemon.prediction.onsets import OnsetDetector


def test_reds_closer_together_than_merge_are_one_failure() -> None:
    detector = OnsetDetector(merge=10)

    onsets = [tick for tick in range(60) if detector.note(tick, bad=tick in (5, 14, 23, 33, 50))]

    assert onsets == [5, 33, 50]


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8))
def test_no_onset_comes_while_immune(bad: list[bool], merge: int) -> None:
    detector = OnsetDetector(merge)
    immune_until = -1

    for tick, is_bad in enumerate(bad):
        onset = detector.note(tick, is_bad)
        assert not (onset and tick <= immune_until)
        immune_until = max(immune_until, tick + detector.immune(tick))


def test_a_bad_tick_right_after_the_immunity_is_an_onset() -> None:
    detector = OnsetDetector(merge=5)
    detector.note(100, bad=True)

    free = 100 + detector.immune(100) + 1

    assert detector.note(free, bad=True)


def test_a_restored_detector_goes_on_identically() -> None:
    detector = OnsetDetector(merge=5)
    detector.note(100, bad=True)
    other = OnsetDetector(merge=5)

    other.restore(detector.state())

    assert not other.note(104, bad=True)
    assert other.immune(104) == 4
