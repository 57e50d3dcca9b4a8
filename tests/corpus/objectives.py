"""Objectives with right and with wrong gradients, of the kinds that people have, for gradient checkers.

`CORPUS` maps a name to an `Entry`: a function of one vector that returns value and gradient, the point, whether the
gradient is right, and the kind. Everything is NumPy and deterministic; `as_json` lists the entries for other tools.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Entry(NamedTuple):
    """One objective at one point."""

    function: Callable[[Any], tuple[float, Any]]
    point: Any
    right: bool
    kind: str


def _network(activation, derivative):
    def make(rng):
        X, Y = rng.normal(size=(15, 2)), rng.normal(size=(15, 2))
        shapes = ((3, 2), (3,), (2, 3), (2,))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

        def function(theta):
            W, c, A, b = (part.reshape(s) for part, s in zip(np.split(theta, ends[:-1]), shapes, strict=True))
            Z = X @ W.T + c
            H = activation(Z)
            E = H @ A.T + b - Y
            dZ = E @ A * derivative(Z)
            parts = (dZ.T @ X, dZ.sum(0), E.T @ H, E.sum(0))
            return float((E**2).sum() / 2), np.concatenate([part.ravel() for part in parts])

        return function, rng.normal(size=ends[-1])

    return make


def _quadratic(rng):
    Q = rng.normal(size=(6, 6))
    Q = Q @ Q.T
    return lambda x: (float(x @ Q @ x / 2), Q @ x), rng.normal(size=6)


def _badly_scaled(rng):
    scale = 10.0 ** np.linspace(-4, 4, 6)
    return lambda x: (float(np.sin(x / scale).sum()), np.cos(x / scale) / scale), scale * rng.normal(size=6)


def _logsumexp(rng):
    def function(x):
        w = np.exp(x - x.max())
        return float(x.max() + np.log(w.sum())), w / w.sum()

    return function, 3 * rng.normal(size=6)


def _with_offset(size):
    def make(rng):
        return lambda x: (size + float(np.exp(x).sum()), np.exp(x)), rng.normal(size=6)

    return make


def _float32(offset=0.0):
    def make(rng):
        def function(x):
            narrow = x.astype(np.float32)
            return float(np.float32(offset) + np.sum(np.exp(narrow), dtype=np.float32)), np.exp(x)

        return function, rng.normal(size=6)

    return make


def _rounded(decimals):
    def make(rng):
        return lambda x: (round(float(np.exp(x).sum()), decimals), np.exp(x)), rng.normal(size=6)

    return make


def _noisy(size):
    def make(rng):
        def function(x):
            seed = int.from_bytes(np.ascontiguousarray(x).tobytes()[-8:], "little")
            return float(np.exp(x).sum() + size * np.random.default_rng(seed).normal()), np.exp(x)

        return function, rng.normal(size=6)

    return make


def _near_the_edge(rng):
    def function(x):
        if x.min() <= 0:
            raise ValueError("outside of the domain")
        return float(np.log(x).sum()), 1 / x

    return function, np.r_[1e-4, 0.01, rng.uniform(0.5, 2, size=4)]


def _kinked(rng):
    return lambda x: (float(np.abs(x).sum() + np.exp(x).sum()), np.sign(x) + np.exp(x)), rng.normal(size=6)


def _entropy(rng):
    X = rng.normal(size=(8, 2))

    def function(y):
        Y = y.reshape(8, 2)
        K = np.exp(-((Y[:, None] - Y[None]) ** 2).sum(2)) / 8 * np.exp(-((X[:, None] - X[None]) ** 2).sum(2))
        values, V = np.linalg.eigh(K / np.trace(K))
        dK = -2 * (V * values) @ V.T / (values**2).sum()
        P = dK * K / np.trace(K)
        return -float(np.log((values**2).sum())), -4 * ((np.diag(P.sum(1)) - P) @ Y).ravel()

    return function, 0.5 * rng.normal(size=16)


def _saturated(rng):
    def function(x):
        t = np.tanh(x)
        return float(np.sum(t * np.arange(1, 7))), np.arange(1, 7) / np.cosh(x) ** 2

    return function, 4 * rng.normal(size=6)


def _rosenbrock(rng):
    def function(x):
        a, b = x[:-1], x[1:]
        gradient = np.zeros_like(x)
        gradient[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
        gradient[1:] += 200 * (b - a**2)
        return float(np.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)), gradient

    return function, rng.normal(size=6)


KINDS = {
    "quadratic": _quadratic,
    "log-sum-exp": _logsumexp,
    "Rosenbrock": _rosenbrock,
    "badly scaled": _badly_scaled,
    "offset 1e6": _with_offset(1e6),
    "offset 1e10": _with_offset(1e10),
    "float32": _float32(),
    "float32, offset 1e3": _float32(1e3),
    "rounded to 6 decimals": _rounded(6),
    "noise 1e-8": _noisy(1e-8),
    "near the edge": _near_the_edge,
    "kinked": _kinked,
    "relu network": _network(lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "satlin network": _network(lambda z: np.clip(z, 0, 1), lambda z: 1.0 * (z > 0) * (z < 1)),
    "tanh network": _network(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "matrix entropy": _entropy,
    "saturated": _saturated,
}


def _element(factor):
    def spoil(gradient, n):
        gradient = np.array(gradient)
        k = int(np.argsort(np.abs(gradient))[-1 - n % 2])  # the largest, or the one after it
        gradient[k] *= factor
        return gradient

    return spoil


MISTAKES = {
    "a factor 2": lambda gradient, n: 2 * gradient,
    "a sign": lambda gradient, n: -gradient,
    "a missing 1/ln 2": lambda gradient, n: gradient * np.log(2),
    "one element dropped": _element(0.0),
    "one element by 10 %": _element(1.1),
    "one element by 1 %": _element(1.01),
    "reversed": lambda gradient, n: gradient[::-1].copy(),
}


def _spoilt(function, mistake, n):
    def wrong(x):
        value, gradient = function(x)
        return value, mistake(gradient, n)

    return wrong


def _corpus():
    found = {}
    for kind, make in KINDS.items():
        for seed in range(6):
            function, x = make(np.random.default_rng(seed))
            found[f"{kind}, seed {seed}"] = Entry(function, x, True, kind)
        for seed, (name, mistake) in enumerate(MISTAKES.items()):
            function, x = make(np.random.default_rng(seed))
            found[f"{kind}, {name}"] = Entry(_spoilt(function, mistake, seed), x, False, kind)
    return found


CORPUS = _corpus()


def as_json():
    """Return the entries as data: name, kind, whether right, point, value and gradient there."""
    rows = []
    for name, entry in CORPUS.items():
        value, gradient = entry.function(entry.point)
        rows.append(
            {
                "name": name,
                "kind": entry.kind,
                "right": entry.right,
                "point": entry.point.tolist(),
                "value": value,
                "gradient": np.asarray(gradient, dtype=float).tolist(),
            }
        )
    return json.dumps(rows)


if __name__ == "__main__":
    print(as_json())
