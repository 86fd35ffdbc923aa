"""Weights of which some are left out while training, so that none can be relied on alone."""

import numpy as np

from rnnd.rnn.network import Network
from rnnd.rnn.parameters import Parameters


class DropConnect:
    """Leaves out a share of the weights that lead from the hidden state to the next one.

    Wan et al., "Regularization of neural networks using DropConnect", 2013; Merity, Keskar &
    Socher, "Regularizing and optimizing LSTM language models", 2018, applied it to the recurrent
    weights. What is left out stays so for a whole window and all its streams: so the memory of a
    window is that of one network, and the loop over time costs no more than without.
    """

    def __init__(self, network: Network, weights: Parameters) -> None:
        self.names = [cell.w_h for cell in network.cells]
        self.weights = weights
        self.thinned = weights.zeros()
        self._masks = weights.zeros()  # of these names; the others stay unused

    def draw(self, share: float, rng: np.random.Generator) -> Parameters:
        """Return the weights as they are now, a *share* (in steps of 1/256) of them left out.

        What is left is made larger, so that sums keep their mean.
        """
        limit = min(255, round(256 * share))
        scale = self.weights.vector.dtype.type(256 / (256 - limit))
        self.thinned.vector[...] = self.weights.vector
        for name in self.names:
            mask = self._masks[name]
            keep = np.frombuffer(rng.bytes(mask.size), np.uint8) >= limit
            np.multiply(keep.reshape(mask.shape), scale, out=mask)
            self.thinned[name] *= mask
        return self.thinned

    def thin(self, gradients: Parameters) -> None:
        """Turn *gradients* of what `draw` gave into those of the weights themselves."""
        for name in self.names:
            gradients[name] *= self._masks[name]
