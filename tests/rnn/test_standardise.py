import numpy as np

from rnnd.rnn.standardise import Standardiser


def feed(standardiser: Standardiser, x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[
    np.ndarray[tuple[int], np.dtype[np.float32]]
]:  # fmt: skip
    return [standardiser.step(row.astype(np.float32)) for row in x]


def test_features_come_out_with_mean_0_and_deviation_1() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal([100, -3], [20, 0.1], size=(5000, 2))

    out = np.array(feed(Standardiser(2), x))[2000:]

    np.testing.assert_allclose(out.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=0.1)


def test_a_new_feature_begins_without_influence() -> None:
    standardiser = Standardiser(1)
    feed(standardiser, np.zeros((1000, 1)))

    first = standardiser.step(np.array([5.0], np.float32))

    assert first[0] == 0.0
    later = feed(standardiser, np.random.default_rng(0).normal(size=(5, 1)))
    assert np.abs(later).max() < 0.5


def test_outliers_are_clipped() -> None:
    standardiser = Standardiser(1, limit=4.0)
    feed(standardiser, np.random.default_rng(0).normal(size=(1000, 1)))

    assert standardiser.step(np.array([1e6], np.float32))[0] == 4.0


def test_a_feature_that_never_changes_says_nothing() -> None:
    out = feed(Standardiser(1), np.full((500, 1), 7.0))

    assert np.abs(out[1:]).max() < 0.2


def test_a_restored_standardiser_goes_on_identically() -> None:
    x = np.random.default_rng(1).normal(size=(200, 3))
    one, other = Standardiser(3), Standardiser(3)
    feed(one, x[:100])

    other.restore(one.state())

    np.testing.assert_array_equal(feed(one, x[100:]), feed(other, x[100:]))
