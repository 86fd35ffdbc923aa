from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack
from rnnd.rnn.learner import Forecast, Forecaster, ForecasterSettings

SMALL = ForecasterSettings(
    hidden=6, hazards_batch=128, hazards_every=4, memory_every=16, memory_batch=4, room=(500, 500)
)
NOTHING = np.zeros(1, np.int64)


def stream(steps: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return vectors of 5 of which the third grows for 10 steps before each onset."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, 5)).astype(np.float32)
    onset = np.zeros(steps, bool)
    now = 50
    while now < steps:
        onset[now] = True
        x[now - 10 : now, 2] += np.linspace(0, 6, 10, dtype=np.float32)
        now += int(rng.integers(40, 120))
    return x, onset


def play(
    forecaster: Forecaster, x: NDArray[np.float32], onset: NDArray[np.bool_]
) -> list[Forecast]:
    return [forecaster.step(v, np.array([o]), NOTHING) for v, o in zip(x, onset, strict=True)]


def soon(onset: NDArray[np.bool_], horizon: int) -> NDArray[np.bool_]:
    return np.array([onset[t + 1 : t + 1 + horizon].any() for t in range(len(onset))])


def make(horizons: tuple[int, ...] = (8, 30), events: int = 1, seed: int = 0) -> Forecaster:
    return Forecaster(np.zeros(5, np.int64), horizons, events, SMALL, seed)


def test_it_learns_what_comes_before_an_onset() -> None:
    x, onset = stream(3000)

    p = np.array([forecast.probabilities[0, 0] for forecast in play(make(), x, onset)])

    outcome = soon(onset, 8)
    late = slice(1500, 2900)
    rate = outcome[late].mean()
    skill = 1 - ((p - outcome)[late] ** 2).mean() / (rate * (1 - rate))
    assert skill > 0.3


def test_its_probabilities_are_honest() -> None:
    x, onset = stream(3000, seed=1)

    p = np.array([forecast.probabilities[0, 0] for forecast in play(make(), x, onset)])

    outcome = soon(onset, 8)[1500:2900]
    said = p[1500:2900]
    assert said.mean() == pytest.approx(outcome.mean(), rel=0.2)
    sure = said > 0.5
    assert outcome[sure].mean() == pytest.approx(said[sure].mean(), abs=0.15)


def test_without_anything_to_learn_it_tells_the_base_rate() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2500, 5)).astype(np.float32)
    onset = rng.random(2500) < 0.02

    p = np.array([forecast.probabilities[0, 0] for forecast in play(make(), x, onset)])

    assert p[1200:].mean() == pytest.approx(1 - 0.98**8, rel=0.3)
    assert p[1200:].std() < 0.1


def test_a_longer_horizon_is_never_less_probable() -> None:
    x, onset = stream(600)

    for forecast in play(make((30, 2, 8)), x, onset):
        late, early, middle = forecast.probabilities[0]
        assert 0 <= early <= middle <= late <= 1


def test_no_onset_is_expected_while_none_can_come() -> None:
    x, onset = stream(600)
    forecaster = make((8, 30))
    play(forecaster, x, onset)

    immune_for_8 = forecaster.step(x[-1], np.array([False]), np.array([8]))

    assert immune_for_8.probabilities[0, 0] == 0
    assert immune_for_8.probabilities[0, 1] > 0


def test_what_has_never_been_seen_surprises_most() -> None:
    x, onset = stream(1000)
    forecaster = make()
    surprises = [forecast.surprise for forecast in play(forecaster, x, onset)]

    strange = forecaster.step(np.full(5, 40, np.float32), np.array([False]), NOTHING)

    assert strange.surprise > 0.99
    assert 0.3 < np.mean(surprises[300:]) < 0.7


def test_the_same_stream_gives_the_same_forecasts() -> None:
    x, onset = stream(400)

    one, other = (
        [f.probabilities.tolist() for f in play(make(seed=3), x, onset)] for _ in range(2)
    )

    assert one == other


def test_a_restored_forecaster_goes_on_to_the_last_bit() -> None:
    x, onset = stream(600)
    forecaster = make()
    play(forecaster, x[:300], onset[:300])

    data = pack("test", *flatten(forecaster.state()))
    restored = make(seed=9)
    restored.restore(unflatten(*unpack("test", data)))

    def rest(f: Forecaster) -> list[Any]:
        return [(a.probabilities.tolist(), a.surprise) for a in play(f, x[300:], onset[300:])]

    assert rest(restored) == rest(forecaster)


def test_what_it_learns_of_outcomes_does_not_depend_on_how_many_vectors_it_keeps() -> None:
    x, onset = stream(600)

    few, many = (
        Forecaster(
            np.zeros(5, np.int64), (8, 30), 1,
            replace(SMALL, memory_every=10_000, memory_recent=recent), 0,
        )
        for recent in (16, 512)
    )  # fmt: skip

    for one, other in zip(play(few, x, onset), play(many, x, onset), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_two_kinds_of_onset_are_told_apart() -> None:
    x, onset = stream(2500)
    rng = np.random.default_rng(3)
    other = rng.random(2500) < 0.01
    forecaster = make(events=2)
    both = np.stack([onset, other], axis=1)

    p = np.array([forecaster.step(v, o, np.zeros(2, np.int64)).probabilities[:, 0]
                  for v, o in zip(x, both, strict=True)])  # fmt: skip

    outcome = soon(onset, 8)[1500:2400]
    assert p[1500:2400, 0][outcome].mean() > 2 * p[1500:2400, 0][~outcome].mean()
    assert p[1500:2400, 1].mean() == pytest.approx(1 - 0.99**8, rel=0.5)


def before_an_onset() -> Forecaster:
    """Return a forecaster that was stopped in the middle of what announces an onset."""
    x, onset = stream(3000)
    last = int(np.flatnonzero(onset)[-1])
    forecaster = make()
    play(forecaster, x[: last - 2], onset[: last - 2])
    return forecaster


def test_with_nothing_as_usual_it_forecasts_what_it_forecast() -> None:
    forecaster = before_an_onset()
    forecast = forecaster.step(np.zeros(5, np.float32), np.array([False]), NOTHING)

    imagined = forecaster.what_if(np.zeros((1, forecaster.causes), bool))

    assert imagined[0, 0] == pytest.approx(forecast.probabilities, rel=0.1)


def test_what_announces_an_onset_is_what_would_have_made_the_difference() -> None:
    forecaster = before_an_onset()

    imagined = forecaster.what_if(np.eye(forecaster.causes, dtype=bool))[0, :, 0, 0]

    assert imagined.argmin() == 2
    assert imagined[2] < 0.5 * np.delete(imagined, 2).min()


def test_when_a_cause_began_is_told_by_imagining_earlier_steps_without_it() -> None:
    forecaster = before_an_onset()
    with_and_without = np.zeros((2, forecaster.causes), bool)
    with_and_without[1, 2] = True

    given, without = forecaster.what_if(with_and_without, 30)[:, :, 0, 0].T

    gain = np.log(given / without)
    assert gain[-3:].mean() > 0.3 > gain[:15].mean()


def test_imagining_changes_nothing() -> None:
    one, other = before_an_onset(), before_an_onset()

    one.what_if(np.eye(one.causes, dtype=bool))
    one.what_if(np.eye(one.causes, dtype=bool), 20)

    assert pack("test", *flatten(one.state())) == pack("test", *flatten(other.state()))


def signed(length: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Onsets of which one in two, and no other step, comes after a sign in the last feature."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(length, 5)).astype(np.float32)
    x[:, 4] = 0
    onset = np.zeros(length, bool)
    for number, now in enumerate(range(100, length, 100)):
        onset[now] = True
        if number % 2:
            x[now - 6 : now, 4] = 0.6
    return x, onset


def test_a_sign_that_all_but_always_comes_before_an_onset_is_enough() -> None:
    x, onset = signed(1200)
    shy, bold = (
        Forecaster(np.zeros(5, np.int64), (8, 30), 1, SMALL, 0, sign) for sign in (None, 4)
    )

    said = [np.array([f.probabilities[0] for f in play(one, x, onset)]) for one in (shy, bold)]

    late = np.flatnonzero(x[:, 4] > 0)[-12:]
    calm = np.flatnonzero(x[:, 4] == 0)
    assert said[1][late, 0].min() > 0.75
    assert said[0][late, 0].min() < 0.6
    assert (said[0][calm] == said[1][calm]).all()
    assert (np.diff(said[1], axis=1) >= 0).all()


def test_without_its_sign_a_cause_says_nothing() -> None:
    x, onset = signed(1195)
    forecaster = Forecaster(np.zeros(5, np.int64), (8, 30), 1, SMALL, 0, 4)
    play(forecaster, x, onset)
    given = np.zeros((2, forecaster.causes), bool)
    given[1, 4] = True
    for sign in (0.0, 0.6):
        forecaster.step(np.array([0, 0, 0, 0, sign], np.float32), np.array([False]), NOTHING)

    before, now = forecaster.what_if(given, 2)[:, :, 0, 0]

    assert now[0] > 0.7
    assert now[1] < now[0] - 0.3
    assert before[0] < now[0] - 0.3


def test_a_sign_of_longer_ago_than_is_remembered_is_not_made_up() -> None:
    forecaster = Forecaster(np.zeros(5, np.int64), (2, 6), 1, SMALL, 0, 4)
    x = np.zeros((150, 5), np.float32)
    x[-5:, 4] = 0.6
    play(forecaster, x, np.zeros(150, bool))
    given = np.zeros((2, forecaster.causes), bool)
    given[1, 4] = True

    told = forecaster.what_if(given, 100)[:, :, 0, 0]

    acted = told[:, 0] > told[:, 1] + 0.005
    assert acted[-5:].all()
    assert not acted[:-5].any()


def test_a_forecaster_with_a_cause_goes_on_identically() -> None:
    x, onset = signed(900)
    one, other = (Forecaster(np.zeros(5, np.int64), (8, 30), 1, SMALL, 0, 4) for _ in range(2))
    play(one, x[:597], onset[:597])  # in the middle of a sign

    other.restore(unflatten(*unpack("test", pack("test", *flatten(one.state())))))

    for a, b in zip(
        play(one, x[597:], onset[597:]), play(other, x[597:], onset[597:]), strict=True
    ):
        np.testing.assert_array_equal(a.probabilities, b.probabilities)
