"""The package itself."""

import math
import os
import tempfile
from dataclasses import replace

import numpy as np

from rdae_ref import RateDistortion, RateDistortionAutoencoder
from rdae_ref.experiments import load
from rdae_ref.models import BetaVAE, FixedDenoising, Reconstruction
from rdae_ref.optimize import BatchedObjective, MiniBatches, adam
from rdae_ref.pytree import leaves, tree_map
from rdae_ref.workers import cores

from .cases import MOMENTUM, RATE


def objective(X, case, workers=None):
    """Return the objective of a case on these data."""
    settings = {"activation": case.activation, "alpha": case.alpha, "mu": case.mu, "method": case.method}
    return RateDistortion(X, sigma_x=case.sigma, sigma_xhat=case.sigma, workers=workers, **settings)


def gradient(case, workers=None):
    """Evaluate L and its gradient."""
    L, parameters = objective(case.data(), case, workers), case.parameters()
    return lambda: L.value_and_gradient(parameters)[1]


def blas_threads(case):
    """Return the number of threads that the environment asks for, or 0."""
    return lambda: [int(os.environ.get("OPENBLAS_NUM_THREADS", "0"))]


def error_bound(case):
    """Bound the error of L due to a low-rank spectrum, in bits."""
    L, parameters = objective(case.data(), case), case.parameters()
    return lambda: [L.truncation_error(parameters)]


def gradient_together(case):
    """Evaluate them with the tiles in one process for each core."""
    return gradient(case, cores())


def fit(case):
    """Fit the estimator with its defaults."""
    X = case.data()
    return lambda: RateDistortionAutoencoder(random_state=0).fit(X).parameters_


def fit_value(case):
    """Return L of the fit on all samples, in bits."""
    X = case.data()
    model = RateDistortionAutoencoder(random_state=0).fit(X)
    L = RateDistortion(X, activation=model.activation, alpha=model.alpha, mu=model.mu, sigma=model.sigma_x_)
    return lambda: [L.value_and_gradient(model.parameters_)[0]]


def batches(case, workers=None):
    """Evaluate the mean over all batches, and its gradient."""
    parts, parameters = case.batches(), case.parameters()
    L = BatchedObjective([objective(X, case) for X in parts], [len(X) for X in parts], workers)
    return lambda: L.value_and_gradient(parameters)[1]


def batches_together(case):
    """Evaluate them with the batches in one process for each core."""
    return batches(case, cores())


def epoch(case):
    """Ascend through all batches, one step on each."""
    objectives, start = [objective(X, case) for X in case.batches()], case.parameters()

    def ascend():
        parameters, velocity = start, tree_map(lambda x: 0 * x, start)
        for L in objectives:
            _, uphill = L.value_and_gradient(parameters)
            velocity = tree_map(lambda v, g: MOMENTUM * v + g, velocity, uphill)
            parameters = tree_map(lambda x, v: x + RATE * v, parameters, velocity)
        return parameters

    return ascend


def vae(case):
    """Train the beta-VAE; return ELBOs of the batches, and the parameters."""
    rng, start = case.rng(), case.parameters()
    L = BetaVAE(case.data(), activation="relu", beta=case.beta, likelihood="bernoulli", base=math.e, rng=rng)

    def train():
        rng.bit_generator.state = case.rng().bit_generator.state  # the same batches and noise each time
        found = adam(MiniBatches(L, case.batch, rng), start, step_size=case.step_size, n_steps=case.n_steps)
        return [np.array([step["value"] for step in found.history]), *(array for _, array in leaves(found.x))]

    return train


def figure(case):
    """Make all runs of a figure for one seed; return how often each objective was evaluated."""
    experiment = load(case.figure)
    settings = experiment.Settings(seeds=(0,))
    if case.quick:
        training = replace(settings.training, max_iterations=(1,) * len(settings.training.factors), plain_iterations=2)
        others = {name: 1 for name in ("sweep_iterations", "noise_iterations") if hasattr(settings, name)}
        settings = replace(settings, n_samples=20, training=training, **others)
    counts = {}
    for objective in (RateDistortion, Reconstruction, FixedDenoising):
        objective.value_and_gradient = _counted(objective.value_and_gradient, counts, objective.__name__)

    def run():
        counts.clear()
        with tempfile.TemporaryDirectory() as folder:  # a fresh one: no run is read back
            experiment.run(settings, folder=folder, workers=map)
        return [counts.get(name, 0) for name in ("RateDistortion", "Reconstruction", "FixedDenoising")]

    return run


def _counted(method, counts, name):
    def value_and_gradient(self, parameters):
        counts[name] = counts.get(name, 0) + 1
        return method(self, parameters)

    return value_and_gradient
