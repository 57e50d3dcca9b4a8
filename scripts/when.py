"""Measure where the rate-distortion auto-encoder helps: the tables of docs/howto/when.md.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/when.py [--splits 8] [--write]

Every method has its settings chosen on a validation split, table by table and split by split. `--write` puts the tables
into the page. Needs scikit-learn; takes a few minutes.
"""

import argparse
import functools
import itertools
import re
import warnings
from pathlib import Path

import numpy as np
import scipy.stats
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from rdae_ref import RateDistortionAutoencoder, initial_parameters, maximize, median_distance
from rdae_ref.data import mixture
from rdae_ref.models import Denoising

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "when.md"
MOST = 150  # samples of a training or validation split, so that a fit takes tenths of a second
EMPTY = 0.05  # share of the digits below which a pixel that they ink is left out: it may be constant where it is fitted
NOISE = 0.5  # standard deviation, of standardised columns
UNITS, MUS, SIGMAS = (2, 5, 10), (0.5, 3.0), (0.35, 1.0)  # the last relative to the median distance


def tables():
    """Return samples and classes by name."""
    drawn = mixture(600, np.random.default_rng(0))
    loaders = {"iris": load_iris, "wine": load_wine, "breast-cancer": load_breast_cancer, "digits": load_digits}
    found = {name: load(return_X_y=True) for name, load in loaders.items()}
    pixels, digits = found["digits"]
    found["digits"] = pixels[:, (pixels > 0).mean(axis=0) > EMPTY], digits
    return found | {"mixture (27)": (drawn.X, drawn.component)}


def standardised(train, *others):
    """Return samples less the mean of the first, over its standard deviations."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1
    return [(X - mean) / scale for X in (train, *others)]


def autoencoders(X):
    """Return fitted auto-encoders of all settings; two tasks have the same samples."""
    return _autoencoders(X.tobytes(), X.shape)


@functools.cache
def _autoencoders(content, shape):
    return list(_fitted(np.frombuffer(content).reshape(shape)))


def _fitted(X):
    for p, mu, sigma in itertools.product(UNITS, MUS, SIGMAS):
        init = "continuation" if X.shape[1] < 4 else "pca"  # the one that "auto" would end with at most of these
        settings = {"n_hidden": p, "mu": mu, "sigma": sigma * median_distance(X), "init": init, "max_iter": 100}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield RateDistortionAutoencoder(**settings, random_state=0).fit(X)


def projections(X):
    """Yield PCA with all numbers of components that the auto-encoders have units, and that there are."""
    for k in sorted({min(k, *X.shape) for k in (1, *UNITS)}):
        yield PCA(k).fit(X)


def denoisers(X):
    """Yield the reconstructions by denoising auto-encoders."""
    rng, many = np.random.default_rng(0), np.tile(X, (5, 1))  # five corruptions of each sample
    for p, noise in itertools.product((*UNITS, 20), (NOISE / 2, NOISE)):
        objective = Denoising(many, activation="logsig", noise=noise, rng=rng).with_fixed_noise()
        start = initial_parameters(X.shape[1], p, rng, scale=0.5)
        found = maximize(objective, start, max_iterations=150, tolerance=1e-4)
        yield lambda Y, objective=objective, x=found.x: objective.reconstruct(x, Y)


def chosen(candidates, score):
    """Return what does best on the validation split, by (validation, test) scores."""
    return max((score(candidate) for candidate in candidates), key=lambda pair: pair[0])[1]


def split(rng, classes, shares=(0.4, 0.3)):
    """Return the rows to fit, to validate and to test."""
    order = rng.permutation(len(classes))
    cuts = np.cumsum([round(share * len(order)) for share in shares])
    train, validation, test = np.split(order, cuts)
    return train[:MOST], validation[:MOST], test[: 2 * MOST]


def anomalies(X, y, number, rng):
    """AUC of energies: fitted to one class, the others are anomalies."""
    kinds = np.unique(y)
    normal = rng.permutation(np.flatnonzero(y == kinds[number % len(kinds)]))
    other = rng.permutation(np.flatnonzero(y != kinds[number % len(kinds)]))
    n = len(normal)
    train, rest, apart = normal[: n // 2][:MOST], np.array_split(normal[n // 2 :], 2), np.array_split(other, 2)
    rows = [np.append(own[:MOST], strange[:MOST]) for own, strange in zip(rest, apart, strict=True)]
    fit, validation, test = standardised(X[train], X[rows[0]], X[rows[1]])
    is_other = [np.isin(part, other) for part in rows]

    def auc(energy):
        return tuple(roc_auc_score(truth, energy(Y)) for truth, Y in zip(is_other, (validation, test), strict=True))

    forests = (IsolationForest(random_state=0, max_samples=m).fit(fit) for m in (0.5, 1.0))
    return {
        "auto-encoder": chosen(autoencoders(fit), lambda m: auc(lambda Y: -m.score_samples(Y))),
        "PCA": chosen(
            projections(fit), lambda m: auc(lambda Y: ((Y - m.inverse_transform(m.transform(Y))) ** 2).sum(axis=1))
        ),
        "isolation forest": chosen(forests, lambda m: auc(lambda Y: -m.score_samples(Y))),
        "distance to the mean": auc(lambda Y: (Y**2).sum(axis=1))[1],
    }


def denoising(X, y, number, rng):
    """Share of the noise that is left: mean squared error of the reconstruction of noisy samples over that of noise."""
    fit, validation, test = standardised(*(X[rows] for rows in split(rng, y)))
    noisy = [Y + NOISE * rng.normal(size=Y.shape) for Y in (validation, test)]

    def left(clean):
        error = [((clean(Y) - true) ** 2).mean() for Y, true in zip(noisy, (validation, test), strict=True)]
        return -error[0], error[1] / NOISE**2

    return {
        "auto-encoder": chosen(autoencoders(fit), lambda m: left(m.reconstruct)),
        "PCA": chosen(projections(fit), lambda m: left(lambda Y: m.inverse_transform(m.transform(Y)))),
        "denoising auto-encoder": chosen(denoisers(fit), left),
        "mean": left(np.zeros_like)[1],
    }


def codes(X, y, number, rng):
    """Accuracy of logistic regression on the codes."""
    rows = split(rng, y)
    fit, validation, test = standardised(*(X[part] for part in rows))

    def accuracy(encode):
        scale = encode(fit).std(axis=0) + 1e-12
        linear = LogisticRegression(max_iter=2000).fit(encode(fit) / scale, y[rows[0]])
        pairs = zip((validation, test), rows[1:], strict=True)
        return tuple(linear.score(encode(Y) / scale, y[part]) for Y, part in pairs)

    return {
        "auto-encoder": chosen(autoencoders(fit), lambda m: accuracy(m.transform)),
        "PCA": chosen(projections(fit), lambda m: accuracy(m.transform)),
        "all features": accuracy(lambda Y: Y)[1],
    }


def interval(values):
    """Return mean and half the width of the 95 % interval of Student's t over the splits."""
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def table(task, n_splits, higher):
    """Measure one task on all tables, and return its rows in Markdown."""
    rows = []
    for name, (X, y) in tables().items():
        found = [task(X, y, number, np.random.default_rng(number)) for number in range(n_splits)]
        methods = list(found[0])
        scores = {method: np.array([one[method] for one in found]) for method in methods}
        cells = ["{:.3f} ± {:.3f}".format(*interval(scores[method])) for method in methods]
        others = {method: scores[method].mean() for method in methods[1:]}
        best = (max if higher else min)(others, key=others.get)
        gain = interval((scores[methods[0]] - scores[best]) * (1 if higher else -1))
        verdict = "better than" if gain[0] > gain[1] else "worse than" if gain[0] < -gain[1] else "no difference from"
        rows.append(f"| {name} | {' | '.join(cells)} | {gain[0]:+.3f} ± {gain[1]:.3f}: {verdict} {best} |")
        print(rows[-1], flush=True)
    head = ["table", *methods, "gain over the best other"]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def main():
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args()
    for task, higher in ((anomalies, True), (denoising, False), (codes, True)):
        text = table(task, options.splits, higher)
        if options.write:
            page, between = PAGE.read_text("utf-8"), rf"(?<=<!-- {task.__name__} -->\n).*?(?=<!-- end -->)"
            before, after = re.split(between, page, maxsplit=1, flags=re.DOTALL)
            PAGE.write_text(before + text + "\n" + after, encoding="utf-8")


if __name__ == "__main__":
    main()
