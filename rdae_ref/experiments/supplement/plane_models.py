"""The models of `plane`: each takes samples of a source to its points of the plane, at all its settings.

One distortion is used throughout, D_emp of Eq. (9): the squared error summed over the coordinates, its mean over the
samples and, where the map is stochastic, over its outputs.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from ... import models
from ..._validation import Array
from ...autoencoder import distortion, initial_parameters
from ...data import GAUSSIAN_COVARIANCE, gaussian, mixture
from ...data.sources import MIXTURE_COVARIANCES, MIXTURE_MEANS, MIXTURE_WEIGHTS
from ...matrices import gaussian_gram, mutual_information
from ...optimize import adam, maximize
from ...theory import annealing_slopes, optimal_manifold, sample_rate_distortion
from ..training import Training, finished, rate_distortion
from .figure_constraint import solve_along

__all__ = ["MODELS", "Settings", "Task", "channel", "density", "grid_source", "samples"]

REACH = 8.0  # of quadrature, in standard deviations
UNIT = "logsig"  # of all auto-encoders but beta-VAE and IRMAE: smooth, and used by the authors of the contractive one


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 200  # N
    trainings: dict[str, Training] = field(  # units, α, σ and start for each source, as in Figures 1 and 2
        default_factory=lambda: {"gaussian": Training(n_hidden=10), "mixture": Training(n_hidden=20)}
    )
    slopes: tuple[float, ...] = tuple(np.geomspace(0.05, 150, 24).round(4).tolist())  # β of lines below R(D), in nats
    tolerance: float = 0.01  # largest distance in bits of these lines to a map that was found
    grid_step: float = 0.25  # of the grid on which the population is taken
    grid_mass: float = 1e-6  # least probability of a point that is kept
    grid_slopes: tuple[float, ...] = (0.07, 0.12, 0.2, 0.4, 0.8, 1.5, 2.5, 4.0)  # β on that grid
    n_points: int = 100  # of the stochastic manifold
    n_slopes: int = 14  # steps of its annealing
    last_slope: float = 60.0  # the end of it
    # 1/β of the beta-VAEs, whose decoders have the variance ½: each run starts where the one before ended.
    vae_slopes: tuple[float, ...] = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
    vae_hidden: int = 16  # units of encoder and decoder
    vae_copies: int = 16  # codes for each sample in training
    vae_iterations: int = 200  # of L-BFGS for each slope
    nodes: int = 10  # of quadrature over each latent, for the rate; see `channel`
    decoder_nodes: int = 97  # likewise for the distortion
    shares: tuple[float, ...] = (0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.75)  # bounds of (14) over the total variance
    rounds: int = 4  # of the method of multipliers, at most
    round_iterations: int = 30  # of L-BFGS in each, at most
    small_start: float = 0.01  # std of the start of the rate-distortion auto-encoder at its collapsed end
    iterations: int = 500  # of L-BFGS for the plain, the denoising and the contractive auto-encoder
    noises: tuple[float, ...] = (0.2, 0.4, 0.8, 1.6)  # std, of the denoising auto-encoder
    n_copies: int = 5  # noisy copies of each sample
    strengths: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)  # λ of the contractive auto-encoder, whose weights are tied
    linear_layers: tuple[int, ...] = (0, 2, 4, 8)  # l of IRMAE
    irmae_hidden: int = 16
    irmae_latents: int = 2
    irmae_steps: int = 2000  # of Adam
    step_size: float = 0.01  # of Adam
    seeds: tuple[int, ...] = (0, 1, 2)  # of data and starts


class Task(NamedTuple):
    """One model on one sample, at all its settings."""

    source: str  # "gaussian" or "mixture"
    model: str  # a key of `MODELS`; "population" for the source on a grid
    seed: int  # of samples, starts and noise
    settings: Settings


def samples(source: str, n_samples: int, seed: int) -> Array:
    """Draw the samples that all models of one seed have in common."""
    rng = np.random.default_rng(seed)
    return gaussian(n_samples, rng) if source == "gaussian" else mixture(n_samples, rng).X


# Shannon's rate


def _sample(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    settings = task.settings
    found = sample_rate_distortion(X, settings.slopes, tolerance=settings.tolerance)
    return {"setting": found.slope, "variances": np.linalg.eigvalsh(np.cov(X.T, bias=True)), **found._asdict()}


def _population(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    settings = task.settings
    x, p = grid_source(task.source, settings.grid_step, settings.grid_mass)
    found = sample_rate_distortion(x, settings.grid_slopes, p_x=p, tolerance=settings.tolerance)
    return {"setting": found.slope, "bound": found.lower_bound(found.distortion), **found._asdict()}


def grid_source(source: str, step: float, least: float) -> tuple[Array, Array]:
    """Return a source on a square grid: points of at least that probability, and probabilities like the density."""
    side = step * np.arange(-round(12 / step), round(12 / step) + 1)
    x = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    p = density(source, x) * step**2
    return x[p > least], p[p > least] / p[p > least].sum()


def density(source: str, x: Array) -> Array:
    """Return the density of a source, (26) or (27), at each point."""
    parts: Iterable[tuple[float, Array, Array]] = [(1.0, np.zeros(2), GAUSSIAN_COVARIANCE)]
    if source == "mixture":
        parts = zip(MIXTURE_WEIGHTS, MIXTURE_MEANS, MIXTURE_COVARIANCES, strict=True)
    total = np.zeros(len(x))
    for weight, mean, covariance in parts:
        squared = np.einsum("ni,ij,nj->n", x - mean, np.linalg.inv(covariance), x - mean)
        total += weight * np.exp(-squared / 2) / (2 * math.pi * math.sqrt(np.linalg.det(covariance)))
    return total


def _manifold(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    settings = task.settings
    slopes = annealing_slopes(X, settings.last_slope, settings.n_slopes)
    stages = optimal_manifold(X, settings.n_points, slopes, rng=rng).stages
    beta, rate, D = np.array([(stage.beta, stage.rate, stage.distortion) for stage in stages]).T
    return {"setting": beta, "rate": rate, "distortion": D}


def _beta_vae(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    """Raise β step by step: the rate that is priced, the information of the channel, and the map of the mean codes."""
    settings = task.settings
    linear, hidden = task.model == "linear beta-VAE", [settings.vae_hidden]
    objective: Any = (
        models.LinearBetaVAE(X, variance=0.5)
        if linear
        else models.BetaVAE(X, activation="tanh", variance=0.5, rng=rng).with_fixed_noise(2, settings.vae_copies)
    )
    parameters = models.initial_vae_parameters(2, 2, rng, hidden=[] if linear else hidden)
    rows = []
    for slope in settings.vae_slopes:
        priced = objective.with_beta(1 / slope)
        parameters = finished(maximize(priced, parameters, max_iterations=settings.vae_iterations)).x
        posterior, rate = objective.encode(parameters), objective.terms(parameters).rate
        decode = functools.partial(objective.decode, parameters)
        information, D = channel(X, posterior, decode, settings.nodes, settings.decoder_nodes)
        rows.append((slope, rate, D, information, *_matrix_point(task, X, objective.reconstruct(parameters))))
    names = ("setting", "rate", "distortion", "information", "mean_distortion", "mean_rate")
    return dict(zip(names, np.array(rows).T, strict=True))


def channel(
    X: Array, posterior: models.Posterior, decode: Callable[[Array], Array], nodes: int, decoder_nodes: int
) -> tuple[float, float]:
    """Return I(X; Z) in bits for the N samples as the source, and the expected squared error, by quadrature.

    I(X; Z) = (1/N) Σ_i E log q(z|x_i)/q(z) with q(z) = (1/N) Σ_j q(z|x_j), and D = (1/N) Σ_i E |x_i − x̂(z)|², both
    expectations over q(z|x_i): the first by Gauss-Hermite quadrature with `nodes` for each latent, the second by the
    trapezoidal rule with `decoder_nodes`, which is more accurate for the steep units of a decoder. `decode` takes codes
    to the decoder's means.
    """
    M, T = posterior
    gauss = _product_rule(*np.polynomial.hermite_e.hermegauss(nodes), M.shape[1])
    z = np.linspace(-REACH, REACH, decoder_nodes)
    trapezoidal = _product_rule(z, np.exp(-(z**2) / 2), M.shape[1])
    information = squared = 0.0
    for x, m, t, i in zip(X, M, T, range(len(X)), strict=True):
        noise, probability = gauss
        log_q = -0.5 * ((m + np.exp(t / 2) * noise - M[:, None]) ** 2 * np.exp(-T)[:, None] + T[:, None]).sum(axis=2)
        information += probability @ (log_q[i] - logsumexp(log_q, axis=0) + math.log(len(X)))
        noise, probability = trapezoidal
        squared += probability @ ((x - decode(m + np.exp(t / 2) * noise)) ** 2).sum(axis=1)
    return float(information / len(X) / math.log(2)), float(squared / len(X))


def _product_rule(node: Array, weight: Array, k: int) -> tuple[Array, Array]:
    """Return nodes, shape (n^k, k), and probabilities of a rule for k independent standard normal variables."""
    noise, w = (np.stack(np.meshgrid(*[v] * k), axis=-1).reshape(-1, k) for v in (node, weight))
    return noise, w.prod(axis=1) / w.prod(axis=1).sum()


# The matrix-based rate


def _matrix_point(task: Task, X: Array, Xhat: Array) -> tuple[float, float]:
    """Return D_emp and I_α(X; X̂) of a deterministic map."""
    training = task.settings.trainings[task.source]
    K_X, K = (gaussian_gram(values, training.sigma) for values in (X, Xhat))
    return distortion(X, Xhat), mutual_information(K_X, K, training.alpha, training.base)


def _matrix_points(task: Task, X: Array, outputs: Iterable[tuple[float, Array]]) -> dict[str, Any]:
    rows = [(setting, *_matrix_point(task, X, Xhat)) for setting, Xhat in outputs]
    return dict(zip(("setting", "distortion", "rate"), np.array(rows).T, strict=True))


def _rate_distortion(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    """Solve (14) along bounds that rise from a reconstruction, and along those that fall from the collapsed end."""
    settings, training = task.settings, task.settings.trainings[task.source]
    bounds, found = X.var(axis=0).sum() * np.array(settings.shares), []
    for way, scale in ((1, training.start), (-1, settings.small_start)):
        start = initial_parameters(2, training.n_hidden, rng, scale=scale)
        objective = rate_distortion(X, UNIT, training)
        found.append(solve_along(objective, start, bounds[::way], settings.rounds, settings.round_iterations))
    every = {name: np.concatenate([out[name] for out in found]) for name in found[0]}
    met = every["success"] == 1
    return {"setting": every["bound"][met]} | {name: every[name][met] for name in ("distortion", "rate", "mu")}


def _autoencoders(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    """Train the plain, the denoising and the contractive auto-encoder, whose start is the same for all settings."""
    settings, training = task.settings, task.settings.trainings[task.source]
    start = initial_parameters(2, training.n_hidden, rng, scale=training.start)
    tied = models.TiedParameters(start.W, start.c, start.b)

    def outputs(objective: Any) -> Array:
        at = tied if isinstance(objective, models.Tied) else start
        found = finished(maximize(objective, at, max_iterations=settings.iterations))
        return objective.reconstruct(found.x)

    objectives: dict[str, Iterable[tuple[float, Any]]] = {
        "plain": [(0.0, models.Reconstruction(X, activation=UNIT))],
        "denoising": [
            (noise, models.Denoising(X, activation=UNIT, noise=noise, rng=rng).with_fixed_noise(settings.n_copies))
            for noise in settings.noises
        ],
        "contractive": [
            (strength, models.Tied(models.Contractive(X, activation=UNIT, strength=strength)))
            for strength in settings.strengths
        ],
    }
    return _matrix_points(task, X, ((setting, outputs(objective)) for setting, objective in objectives[task.model]))


def _irmae(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    settings, objective, outputs = task.settings, models.IRMAE(X, activation="relu"), []
    for count in settings.linear_layers:
        start = models.initial_irmae_parameters(2, settings.irmae_latents, count, rng, hidden=[settings.irmae_hidden])
        found = finished(adam(objective, start, step_size=settings.step_size, n_steps=settings.irmae_steps))
        outputs.append((count, objective.reconstruct(found.x)))
    return _matrix_points(task, X, outputs)


def _pca(task: Task, X: Array, rng: np.random.Generator) -> dict[str, Any]:
    mean = np.broadcast_to(X.mean(axis=0), X.shape)
    return _matrix_points(task, X, [(0, mean), *((k, models.pca(X, k).reconstruct(X)) for k in (1, 2))])


MODELS: dict[str, Callable[[Task, Array, np.random.Generator], dict[str, Any]]] = {
    "sample": _sample,
    "manifold": _manifold,
    "beta-VAE": _beta_vae,
    "linear beta-VAE": _beta_vae,
    "rate-distortion": _rate_distortion,
    "plain": _autoencoders,
    "denoising": _autoencoders,
    "contractive": _autoencoders,
    "IRMAE": _irmae,
    "PCA": _pca,
    "population": _population,
}
