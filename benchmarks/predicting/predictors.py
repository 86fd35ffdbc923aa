"""The predictors: rnnd, and those it is measured beside. All of them see the same ticks."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import lightgbm
import numpy as np
import pandas
from river import linear_model, optim, preprocessing
from sklearn.linear_model import LogisticRegression

from predicting.stream import Bools, Floats, Stream
from rnnd.daemon.prediction.unusual import SIGN
from rnnd.rnn.learner import Forecaster, ForecasterSettings

warnings.filterwarnings("ignore")  # of what the peers will call otherwise one day

RATES = (0.1, 0.03, 0.01, 0.003)  # of learning, from which River's regression may choose
LOT = 60  # ticks that River learns at once
THINNED = 8  # of the ticks without a failure one in so many is fitted to, weighing so much


def rnnd(stream: Stream, change: Callable[[Forecaster], None] = lambda _: None) -> Floats:
    """Return what rnnd says, prequentially; *change* may take a part away."""
    sign = len(stream.names) - 1 if stream.names[-1] == SIGN else None
    forecaster = Forecaster(
        stream.groups, stream.horizons.tolist(), stream.onset.shape[1], ForecasterSettings(), 0,
        sign,
    )  # fmt: skip
    change(forecaster)
    rows = zip(stream.vector, stream.onset, stream.immune, strict=True)
    return np.array(
        [
            forecaster.step(vector.astype(np.float32), onset, immune).probabilities[0, 0]
            for vector, onset, immune in rows
        ]
    )


def base_rate(stream: Stream) -> Floats:
    """Return the share of earlier ticks that a failure followed."""
    settled = np.concatenate([np.zeros(stream.horizon), stream.outcome[: -stream.horizon]])
    return np.asarray((np.cumsum(settled) + 0.5) / (np.arange(len(settled)) + 100))


def error_rate(stream: Stream) -> Floats:
    """Return the lines of severity error or worse in the last 5 minutes, scaled to 0 to 1."""
    wanted = ("severity error, mean of 5m", "severity critical, mean of 5m")
    columns = np.isin(stream.names, wanted)
    mean = stream.vector[:, columns].sum(axis=1, dtype=np.float64)
    return np.asarray(mean / (mean.max() + 1))


def refitted(stream: Stream, first: Sequence[int]) -> dict[str, Floats]:
    """Return what peers say that are fitted anew, again and again, on all that came before.

    They are fitted in the ticks *first*, and regularly from the first tick on that is scored.
    """
    outcome, rng = stream.outcome, np.random.default_rng(0)
    names = ("logistic regression", "LightGBM", "their log-odds averaged")
    said = {name: base_rate(stream) for name in names}
    later = range(stream.start, len(outcome), stream.refit)
    fits = [*(tick for tick in first if tick < stream.start), *later]
    for now, until in pairwise([*fits, len(outcome)]):
        known = np.flatnonzero(stream.possible[: now - stream.horizon])
        chosen = known[outcome[known] | (rng.random(len(known)) < 1 / THINNED)]
        if not outcome[chosen].any():
            continue
        weight = np.where(outcome[chosen], 1.0, THINNED)
        past = stream.vector[: now - stream.horizon : THINNED].astype(np.float32)
        mean, deviation = past.mean(axis=0), past.std(axis=0) + np.float32(1e-3)
        x, ahead = scaled(stream.vector[chosen], mean, deviation), slice(now, until)
        models = (fit_logistic(x, outcome[chosen], weight), fit_trees(x, outcome[chosen], weight))
        rows = scaled(stream.vector[ahead], mean, deviation)
        odds = [log_odds(model.predict_proba(rows)[:, 1]) for model in models]
        for name, values in zip(names, (*odds, (odds[0] + odds[1]) / 2), strict=True):
            said[name][ahead] = stream.possible[ahead] / (1 + np.exp(-values))
    return said


def scaled(rows: Any, mean: Any, deviation: Any) -> Floats:
    """Return *rows* standardised, and clipped at 4 deviations."""
    return np.clip((rows - mean) / deviation, -4, 4)


def log_odds(p: Floats) -> Floats:
    """Return log-odds, those of 0 and 1 kept finite."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)))


def fit_logistic(x: Floats, outcome: Bools, weight: Floats) -> LogisticRegression:
    """Return a logistic regression whose penalty does best on the newest fifth."""
    cut = len(x) * 4 // 5
    best, least = 1e-3, np.inf
    for penalty in (1e-4, 1e-3, 1e-2):
        if not 0 < outcome[:cut].sum() < cut:
            break
        trial = LogisticRegression(C=penalty, max_iter=100)
        trial.fit(x[:cut], outcome[:cut], sample_weight=weight[:cut])
        p = trial.predict_proba(x[cut:])[:, 1]
        loss = float(np.average((p - outcome[cut:]) ** 2, weights=weight[cut:]))
        if loss < least:
            best, least = penalty, loss
    return LogisticRegression(C=best, max_iter=100).fit(x, outcome, sample_weight=weight)


def fit_trees(x: Floats, outcome: Bools, weight: Floats) -> lightgbm.LGBMClassifier:
    """Return boosted trees that stop growing in number where the newest fifth has its optimum."""
    settings = {
        "num_leaves": 15, "learning_rate": 0.05, "min_child_samples": 100, "subsample": 0.6,
        "subsample_freq": 1, "colsample_bytree": 0.4, "reg_lambda": 10, "verbose": -1, "n_jobs": 1,
    }  # fmt: skip
    cut, trees = len(x) * 4 // 5, 50
    if 0 < outcome[:cut].sum() < cut and outcome[cut:].any():
        trial = lightgbm.LGBMClassifier(n_estimators=200, **settings)
        trial.fit(
            x[:cut], outcome[:cut], sample_weight=weight[:cut],
            eval_set=[(x[cut:], outcome[cut:])], eval_sample_weight=[weight[cut:]],
            callbacks=[lightgbm.early_stopping(30, verbose=False)],
        )  # fmt: skip
        trees = max(10, trial.best_iteration_ or 200)
    return lightgbm.LGBMClassifier(n_estimators=trees, **settings).fit(
        x, outcome, sample_weight=weight
    )


def river(stream: Stream) -> Floats:
    """Return what River's logistic regression says, learning online, every outcome once known.

    Several rates of learning run beside each other; that with the least loss so far answers.
    """
    names = [str(name) for name in stream.names]
    scaler = preprocessing.StandardScaler()
    models = [linear_model.LogisticRegression(optim.SGD(rate), l2=1e-4) for rate in RATES]
    losses = np.zeros(len(models))
    said = base_rate(stream)
    scaled: list[pandas.DataFrame] = []
    guesses: list[Floats] = []
    behind = -(-stream.horizon // LOT)  # lots whose outcome is not known yet
    for number, now in enumerate(range(0, len(said), LOT)):
        ahead = slice(now, now + LOT)
        rows = pandas.DataFrame(stream.vector[ahead].astype(np.float64), columns=names)
        scaler.learn_many(rows)
        x = scaler.transform_many(rows).clip(-4, 4)
        p = np.array([chance(model, x) for model in models])
        scaled.append(x)
        guesses.append(p)
        said[ahead] = p[int(np.argmin(losses))] * stream.possible[ahead]
        if number >= behind:
            old = slice((number - behind) * LOT, (number - behind + 1) * LOT)
            y, mask = stream.outcome[old], stream.possible[old]
            losses += ((guesses[number - behind] - y) ** 2)[:, mask].sum(axis=1)
            learn(models, scaled[number - behind][mask], y[mask])
            scaled[number - behind] = pandas.DataFrame()
    return said


def chance(model: linear_model.LogisticRegression, x: pandas.DataFrame) -> Floats:
    """Return the probabilities of the rows *x*; half where the model has seen nothing."""
    p = model.predict_proba_many(x)
    return p[True].to_numpy() if True in p else np.full(len(x), 0.5)


def learn(models: Sequence[linear_model.LogisticRegression], x: pandas.DataFrame, y: Bools) -> None:
    """Let every model learn from rows whose outcome is known."""
    if len(x):
        for model in models:
            model.learn_many(x, pandas.Series(y, index=x.index))
