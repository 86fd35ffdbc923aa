import queue

import numpy as np
import pytest

from rnnd.daemon.character.background import BackgroundTraining
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.optimisers import Adam
from rnnd.rnn.parameters import Parameters
from rnnd.rnn.sampling import hard
from rnnd.rnn.training import Trainer, Windows

SYMBOLS = np.tile([0, 1, 2, 2, 3], 60)  # hello
WINDOWS = Windows(SYMBOLS, 4, 20)


def network() -> tuple[Network, Parameters]:
    net = Network(NetworkShape("gru", 4, 16, 4))
    return net, net.initial(np.random.default_rng(0))


def background(net: Network, weights: Parameters, room: int = 16) -> BackgroundTraining:
    return BackgroundTraining(net, weights, 4, Adam(len(weights.vector)), 0.02, room)


def test_what_is_fed_is_learnt_and_predicted_from_an_empty_memory() -> None:
    net, weights = network()

    with background(net, weights) as training:
        for step in range(150):
            training.feed(WINDOWS.at(step))
    assert hard(training.predict([0, 1, 2])) == 2
    assert hard(training.predict([0, 1, 2, 2])) == 3


def test_it_learns_what_a_training_in_the_foreground_does() -> None:
    net, weights = network()
    _, others = network()
    trainer, adam = Trainer.alone(net, others, 4), Adam(len(others.vector))

    with background(net, weights, room=2) as training:
        for step in range(10):
            training.feed(WINDOWS.at(step))
    for step in range(10):
        trainer.step(*WINDOWS.at(step), adam, 0.02)

    np.testing.assert_array_equal(weights.vector, others.vector)


def test_losses_come_without_waiting_and_the_oldest_give_way() -> None:
    net, weights = network()
    training = background(net, weights, room=3)

    assert training.losses() == []
    with training:
        for step in range(10):
            training.feed(WINDOWS.at(step))

    losses = training.losses()
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert training.losses() == []


def test_a_full_queue_does_not_grow() -> None:
    net, weights = network()
    training = background(net, weights, room=2)  # its thread was never started

    training.feed(WINDOWS.at(0))
    training.feed(WINDOWS.at(1))

    with pytest.raises(queue.Full):
        training.feed(WINDOWS.at(2), timeout=0)


def test_a_backup_restored_elsewhere_predicts_the_same() -> None:
    net, weights = network()
    with background(net, weights) as training:
        for step in range(20):
            training.feed(WINDOWS.at(step))
    _, fresh = network()
    other = background(net, fresh)

    other.restore(training.backup())

    np.testing.assert_array_equal(other.predict([0, 1]), training.predict([0, 1]))


def test_an_error_in_the_background_reaches_the_one_who_feeds() -> None:
    net, weights = network()

    def run() -> None:
        with background(net, weights, room=1) as training:
            for _ in range(5):
                training.feed((np.full((2, 4), 9), np.zeros((2, 4), int)))

    with pytest.raises(IndexError, match="symbol 9"):
        run()
