"""Heads: what the last linear map's output means, its loss, and the loss's gradient."""

import numpy as np
from numpy.typing import NDArray

from rnnd.rnn import products
from rnnd.rnn.parameters import Array, Indices

SAFE = 60.0
"""The exponentials of smaller logits, in single precision, neither overflow nor vanish."""

BITS = float(np.log2(np.e))
"""What a nat has."""


def softmax(logits: Array) -> Array:
    """Return the probabilities that *logits* stand for, along the last axis.

    >>> softmax(np.log(np.array([1.0, 2.0, 1.0])))
    array([0.25, 0.5 , 0.25])
    """
    p: Array = logits - logits.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def cross_entropy(logits: Array, targets: Indices) -> float:
    """Return the mean surprise, in nats, at *targets* (N,) under *logits* (N, K).

    The logits, which are contiguous, are overwritten with the loss's gradient.
    """
    assert logits.flags.c_contiguous
    count, symbols = logits.shape
    flat = logits.reshape(-1)
    if not (np.maximum.reduce(flat) < SAFE and np.minimum.reduce(flat) > -SAFE):
        logits -= logits.max(axis=1, keepdims=True)
    places = np.arange(0, count * symbols, symbols) + targets
    picked = np.add.reduce(flat.take(places), dtype=np.float64)
    if products.AVX512:  # then NumPy's powers of 2 take less than half the time of those of e
        np.multiply(logits, BITS, logits)
        np.exp2(logits, logits)
    else:
        np.exp(logits, logits)
    totals = logits.dot(np.ones(symbols, logits.dtype))
    loss = (np.add.reduce(np.log(totals), dtype=np.float64) - picked) / count
    totals *= count
    logits *= np.reciprocal(totals)[:, None]  # in less time than to divide
    flat[places] -= 1 / count
    return float(loss)


def softplus(a: Array) -> Array:
    """Return log(1 + exp(a)), without overflow."""
    return np.logaddexp(a, np.zeros((), a.dtype))


def hazard_loss(
    logits: Array, survived: Indices, happened: NDArray[np.bool_], weight: Array | float = 1.0
) -> tuple[float, Array]:
    """Return the survival loss, in nats, and its gradient, for *logits* of hazards, (…, K).

    The time until an event is cut into K bins; sigmoid(logit k) is the hazard of bin k: the
    probability that the event falls into it, given that it did not come earlier. *survived*, of the
    leading shape (…), counts the whole bins seen to pass without the event. *happened* tells
    whether the event then came in the next bin; if not, nothing is known from there on (censored).

    Cox, "Regression models and life-tables", 1972, section 6; as a network's loss Gensheimer &
    Narasimhan, "A scalable discrete-time survival model for neural networks", 2019. The loss is the
    mean over the leading shape of *weight* times the negative log-likelihood.
    """
    count = max(1, survived.size)
    bins = np.arange(logits.shape[-1])
    last = survived[..., None]
    event = (bins == last) & happened[..., None]
    known = (bins < last) | event
    share = np.asarray(weight, logits.dtype)[..., None] / np.asarray(count, logits.dtype)
    scale = known * share
    losses = softplus(logits)
    losses -= event * logits
    losses *= scale
    with np.errstate(over="ignore"):
        gradient = 1 / (1 + np.exp(-logits))
    gradient -= event
    gradient *= scale
    return float(losses.sum(dtype=np.float64)), gradient


def event_probability(logits: Array) -> Array:
    """Return the probability that the event has come by the end of each bin, (…, K).

    It never decreases along the bins.

    >>> event_probability(np.zeros(3))
    array([0.5  , 0.75 , 0.875])
    """
    return -np.expm1(-np.cumsum(softplus(logits), axis=-1))


def squared_error(
    prediction: Array, target: Array, weight: Array | float = 1.0
) -> tuple[float, Array]:
    """Return half the mean squared error and its gradient: the head for numbers.

    *weight* is broadcast against them, so that rows or columns may count more or less.
    """
    error = prediction - target
    gradient = error * np.asarray(weight, error.dtype)
    gradient /= max(1, error.size)
    return float(0.5 * np.vdot(error, gradient)), gradient
