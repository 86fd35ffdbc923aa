import numpy as np
from numpy.typing import NDArray

from rnnd.rnn.additive import AdditiveHazards

EDGES = np.array([4])
FEATURES = 30


def claims(thrift: float) -> NDArray[np.float32]:
    """Return what each feature adds at two deviations; the first comes before 40 onsets."""
    rng = np.random.default_rng(0)
    hazards = AdditiveHazards(FEATURES, 1, EDGES, 5.0, 50.0, thrift=thrift)
    x = rng.normal(size=(400, FEATURES)).astype(np.float32)
    x[:40, 0] += 3
    until = np.where(np.arange(400) < 40, 2, 5)[:, None]
    usual, ones = np.full((1, 1), -2.2, np.float32), np.ones(400, np.float32)
    for _ in range(600):
        hazards.learn(x, until, np.zeros_like(until), usual, ones, 400.0, 0.01)
    nothing = hazards.claim(np.zeros(FEATURES, np.float32))
    told: NDArray[np.float32] = hazards.claim(2 * np.eye(FEATURES, dtype=np.float32)) - nothing
    return told[:, 0, 0]


def test_thrift_silences_features_that_mean_nothing_and_not_the_sign() -> None:
    lavish, thrifty = claims(0.0), claims(2.0)

    assert np.abs(thrifty[1:]).mean() < 0.5 * np.abs(lavish[1:]).mean()
    assert thrifty[0] > 0.6 * lavish[0] > 0
