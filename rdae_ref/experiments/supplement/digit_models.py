"""Every model of the package on handwritten digits: trained on some, its choices made on others, measured on new ones.

What is measured on the test digits: the error; the rank of the codes; decoded codes halfway between two digits, and
decoded codes that are drawn; a linear classifier of the codes, from a few labels; Shannon's rate where the map is
stochastic, and the matrix-based rate of what comes out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...activations import LOGSIG
from ...autoencoder import Parameters, distortion, forward
from ...data.digits import fingerprint, load_digits
from ...matrices import gaussian_gram, mutual_information
from ...measures import effective_rank, gaussian_codes, latent_singular_values
from ...models import pca
from ...theory import alphabet_rate_distortion, gaussian_rate_distortion
from ...workers import Workers
from .. import digit_runs
from ..output import Folder
from ..protocol import Result, run_tasks
from ..runs import Outcome
from .deep_training import DIGITS, DeepTask, DeepTraining, network, train
from .figure_irmae import digit_tasks

__all__ = [
    "Measurement", "Model", "Settings", "Splits", "Trained", "accuracies", "drawn_from_mixture", "measure", "models",
    "recall", "run", "splits",
]  # fmt: skip


Labels: TypeAlias = npt.NDArray[np.int64]


class Model(NamedTuple):
    """A model at one setting."""

    family: str  # "IRMAE", "beta-VAE", "rate-distortion", "plain", "denoising" or "PCA"
    setting: float  # l, β, μ, nothing, std of the noise, or number of components

    @property
    def is_deep(self) -> bool:
        """Whether it is one of those with hidden layers, of which IRMAE with l = 0 is the plain one."""
        return self.family in ("IRMAE", "beta-VAE")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    training: DeepTraining = DIGITS  # of IRMAE and beta-VAE
    shallow: digit_runs.Settings = field(  # of those with one layer, like that of (25)
        default_factory=lambda: digit_runs.Settings(n_hidden=32, epochs=20, step_size=4e-3)
    )
    n_linear: tuple[int, ...] = (0, 2, 4, 8)  # l of IRMAE
    betas: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)  # of the beta-VAE, L = −D − β R in nats
    mus: tuple[float, ...] = (0.02, 0.05, 0.1, 0.5)  # of the rate-distortion auto-encoder
    noises: tuple[float, ...] = (0.25, 0.5, 1.0)  # std, of the denoising auto-encoder
    components: tuple[int, ...] = (2, 4, 8, 16, 32)  # of PCA
    n_validation: int = 5000  # digits after those to train on, for the strength of the classifier
    labels: tuple[int, ...] = (100, 1000)  # of digits to train on, that the classifier sees
    n_label_draws: int = 6
    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)  # of its ridge
    n_judged: int = 1000  # midpoints, drawn codes, and test digits beside them
    n_neighbours: int = 3  # of precision and recall
    n_clusters: int = 30  # of the mixture of Gaussians that codes are drawn from
    n_plane: int = 1000  # test digits, of the rates
    slopes: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14)  # β of R(D) of these digits, in nats
    n_shown: int = 8  # images in a row
    seeds: tuple[int, ...] = (0, 1, 2)


class Splits(NamedTuple):
    """Pixels, less the mean of those to train on, and labels."""

    X: Array  # to train on
    y: Labels
    X_validation: Array
    y_validation: Labels
    X_test: Array
    y_test: Labels


class Trained(NamedTuple):
    """A trained model."""

    codes: Callable[[Array], Array]
    decode: Callable[[Array], Array]
    rate: Callable[[Array], float]  # Shannon's, in bits; NaN where the map is deterministic
    prior: Callable[[int, np.random.Generator], Array] | None = None  # what new codes are drawn from, if it has that


@dataclass(frozen=True)
class Measurement:
    """The measurements on one model; `model`, `seed` and `settings` determine its `outcome`."""

    model: Model
    seed: int
    settings: Settings
    digits: str  # their fingerprint
    source: str = field(repr=False)
    outcome: Outcome = field(repr=False)  # of the training; empty for PCA


def splits(settings: Settings, source: str) -> Splits:
    """Return digits to train on, to choose on, and to measure on, which share none."""
    n = settings.training.n_samples
    drawn, test = load_digits(source, n + settings.n_validation), load_digits(source, settings.training.n_test, "test")
    X, y, mean = drawn.pixels, drawn.labels, drawn.pixels[:n].mean(axis=0)
    return Splits(X[:n] - mean, y[:n], X[n:] - mean, y[n:], test.pixels - mean, test.labels)


def models(settings: Settings) -> list[Model]:
    """Return all models, in the order of the tables."""
    families = {
        "IRMAE": settings.n_linear,
        "beta-VAE": settings.betas,
        "rate-distortion": settings.mus,
        "plain": (0.0,),
        "denoising": settings.noises,
        "PCA": settings.components,
    }
    return [Model(family, float(setting)) for family, all_of_it in families.items() for setting in all_of_it]


def run(
    settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None, source: str
) -> Result:
    """Train all models, and measure them; keys are those of `Model`, and the seed. ``curve`` has R(D) of the digits."""
    s = settings or Settings()
    read = load_digits(source, s.training.n_samples), load_digits(source, s.training.n_test, "test")
    digits = "".join(map(fingerprint, read))
    deep = {
        (*Model("IRMAE", float(task.n_linear)), task.seed): task
        for task in digit_tasks(s.training, s.n_linear, s.seeds, folder, source)
    } | {
        ("beta-VAE", beta, seed): DeepTask("beta-vae", 0, seed, replace(s.training, beta=beta), digits, source, folder)
        for beta in s.betas
        for seed in s.seeds
    }
    shallow = {
        (*model, seed): _shallow_task(model, seed, s, fingerprint(read[0]), source, folder)
        for model in models(s)
        if not model.is_deep and model.family != "PCA"
        for seed in s.seeds
    }
    trained = run_tasks(train, deep, folder, workers, "digits, deep networks")
    trained |= run_tasks(digit_runs.train_one, shallow, folder, workers, "digits, one layer")
    digit_runs.forget_checkpoints(shallow.values())
    tasks = {
        (*model, seed): Measurement(model, seed, s, digits, source, trained.get((*model, seed), {}))
        for model in models(s)
        for seed in s.seeds
    }
    curve = {("curve", 0.0, 0): Measurement(Model("curve", 0.0), 0, s, digits, source, {})}
    return Result(s, run_tasks(measure, tasks | curve, folder, workers, "digits"))


def _shallow_task(
    model: Model, seed: int, settings: Settings, pixels: str, source: str, folder: Folder
) -> digit_runs.Task:
    """Return the training of an auto-encoder of one layer of logsig units, in random batches, without decay."""
    regime = digit_runs.Regime(
        mu=model.setting if model.family == "rate-distortion" else None,
        noise=model.setting if model.family == "denoising" else 0.0,
        decay=0.0,
        clustered=False,
    )
    shallow = replace(settings.shallow, n_samples=settings.training.n_samples)
    name = f"{model.family} {model.setting:g}"
    return digit_runs.Task(digit_runs.Run(name, seed), regime, shallow, pixels, source, f"{folder}/.runs")


def _trained(task: Measurement, X: Array) -> Trained:
    """Return codes, outputs and rate of a model, as functions."""
    s, (family, setting) = task.settings, task.model
    if family == "PCA":
        mean, V, *_ = pca(X, int(setting))
        return Trained(lambda X: (X - mean) @ V.T, lambda Z: Z @ V + mean, lambda _: np.nan)
    if not task.model.is_deep:
        p = Parameters(*(task.outcome[name] for name in Parameters._fields))
        return Trained(lambda X: forward(p, X, LOGSIG).Zhat, lambda Z: Z @ p.A.T + p.b, lambda _: np.nan)
    kind, n_linear = ("irmae", int(setting)) if family == "IRMAE" else ("beta-vae", 0)
    training = s.training if family == "IRMAE" else replace(s.training, beta=setting)
    net = network(DeepTask(kind, n_linear, task.seed, training, source=task.source), task.outcome)
    if family == "IRMAE":
        return Trained(net.codes, net.decode, lambda _: np.nan)

    def rate(X: Array) -> float:
        return float(replace(net.objective, X=X).terms(net.parameters).rate)

    return Trained(net.codes, net.decode, rate, lambda n, rng: rng.normal(size=(n, s.training.n_latents)))


def measure(task: Measurement) -> dict[str, Any]:
    """Measure one model on test digits; for "curve", R(D) of the first ones and its bounds."""
    s, data = task.settings, splits(task.settings, task.source)
    plane = data.X_test[: s.n_plane]
    if task.model.family == "curve":
        return _curve(plane, s.slopes)
    trained, rng = _trained(task, data.X), np.random.default_rng([task.seed, 3])
    Z, Z_test = trained.codes(data.X), trained.codes(data.X_test)
    Xhat, n = trained.decode(Z_test), s.n_judged
    judged = data.X_test[-n:]
    one, other = Z_test[:n], Z_test[n : 2 * n]
    drawn = {
        "gaussian": gaussian_codes(Z[: len(judged)], n, rng),
        "mixture": drawn_from_mixture(Z, s.n_clusters, n, rng),
    } | ({"prior": trained.prior(n, rng)} if trained.prior else {})
    images = {name: trained.decode(codes) for name, codes in drawn.items()}
    images["midpoints"] = trained.decode((one + other) / 2)
    K_X, K = (gaussian_gram(part, digit_runs.REGIMES[digit_runs.STATED].sigma) for part in (plane, Xhat[: s.n_plane]))
    values = latent_singular_values(Z_test)
    return {
        "singular_values": values,
        "rank": effective_rank(values),
        "test_distortion": distortion(data.X_test, Xhat),
        "distortion": distortion(plane, Xhat[: s.n_plane]),
        "variance": data.X_test.var(axis=0).sum(),
        "shannon_rate": trained.rate(plane),
        "matrix_rate": mutual_information(K_X, K, s.shallow.alpha, 2),
        **accuracies(Z, trained.codes(data.X_validation), Z_test, data, s, task.seed),
        **{f"precision_{name}": recall(images[name], judged, s.n_neighbours) for name in images},
        **{f"recall_{name}": recall(judged, images[name], s.n_neighbours) for name in drawn},
        "paths": np.stack([trained.decode((1 - t) * one[:4] + t * other[:4]) for t in np.linspace(0, 1, s.n_shown)], 1),
        "drawn": images["mixture"][: 4 * s.n_shown],
    }


def _curve(X: Array, slopes: tuple[float, ...]) -> dict[str, Any]:
    """Return R(D) of digits whose reproductions are digits, the bound for any, and that of a Gaussian source.

    Of all sources with its covariance the Gaussian one has the largest R(D).
    """
    found = alphabet_rate_distortion(X, slopes)
    D = np.linspace(0.02, 1, 60) * X.var(axis=0).sum()
    gaussian = gaussian_rate_distortion(pca(X, min(X.shape)).variances, D).rate
    anywhere = found.lower_bound_anywhere(D)
    return {"distortion": found.distortion, "rate": found.rate, "D": D, "anywhere": anywhere, "gaussian": gaussian}


def recall(X: Array, drawn: Array, n_neighbours: int) -> float:
    """Return the share of images X within reach of one of the others.

    The reach of an image is its distance to its k-th neighbour among the others. With true images and drawn ones it is
    the recall of T. Kynkäänniemi, T. Karras, S. Laine, J. Lehtinen, T. Aila: Improved precision and recall metric for
    assessing generative models, NeurIPS 2019, and with the two exchanged the precision; here on pixels.
    """
    reach = np.sort(cdist(drawn, drawn), axis=1)[:, n_neighbours]  # the first is the image itself
    return float(np.mean((cdist(X, drawn) <= reach).any(axis=1)))


def drawn_from_mixture(Z: Array, n_clusters: int, n_samples: int, rng: np.random.Generator) -> Array:
    """Draw codes from Gaussians, one with the mean and covariance of each cluster, as k-means finds them."""
    _, labels = kmeans2(Z, n_clusters, minit="++", rng=rng)
    clusters = [Z[labels == k] for k in np.unique(labels)]
    counts = rng.multinomial(n_samples, [len(part) / len(Z) for part in clusters])
    drawn = [gaussian_codes(part, count, rng) for part, count in zip(clusters, counts, strict=True) if count]
    return rng.permutation(np.concatenate(drawn))


def accuracies(
    Z: Array, Z_validation: Array, Z_test: Array, data: Splits, settings: Settings, seed: int
) -> dict[str, Array]:
    """Return the accuracy of a linear classifier, each of shape (numbers of labels, draws of them).

    Ridge regression of the ten indicators on standardised codes; its strength is the best on the validation digits, the
    test digits are used once.
    """
    scale = np.where(Z.std(axis=0) > 0, Z.std(axis=0), 1)
    codes, chosen, new = ((part - Z.mean(axis=0)) / scale for part in (Z, Z_validation, Z_test))
    found = np.zeros((2, len(settings.labels), settings.n_label_draws))
    for i, draw in np.ndindex(found.shape[1:]):
        rows = np.random.default_rng([seed, 4, settings.labels[i], draw]).permutation(len(Z))[: settings.labels[i]]
        fits = [_ridge(codes[rows], data.y[rows], strength) for strength in settings.strengths]
        scores = [float(np.mean(fit(chosen) == data.y_validation)) for fit in fits]
        best = int(np.argmax(scores))
        found[:, i, draw] = scores[best], np.mean(fits[best](new) == data.y_test)
    return {"validation_accuracy": found[0], "accuracy": found[1]}


def _ridge(Z: Array, y: Labels, strength: float) -> Callable[[Array], Array]:
    mean, target = Z.mean(axis=0), np.eye(10)[y]
    U, s, V = np.linalg.svd(Z - mean, full_matrices=False)
    B = V.T @ ((s / (s**2 + strength * len(Z)))[:, None] * (U.T @ (target - target.mean(axis=0))))
    return lambda new: np.argmax((new - mean) @ B + target.mean(axis=0), axis=1)


def measured(result: Result) -> Iterator[tuple[Model, int, Outcome]]:
    """Yield model, seed and outcome of all runs but the curve."""
    for (family, setting, seed), out in result.runs.items():
        if family != "curve":
            yield Model(family, setting), seed, out
