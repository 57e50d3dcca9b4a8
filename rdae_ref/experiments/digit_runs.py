"""The auto-encoders of §4.2, trained on handwritten digits: what the paper fixes, and what it leaves open."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters, initial_parameters
from ..data.batches import clustered_batches
from ..data.digits import SMALL, Digits, centred, fingerprint, load_digits
from ..models import Reconstruction, WeightDecay
from ..objective import RateDistortion
from ..optimize import BatchedObjective, batch_ascent
from ..optimize.checkpoint import previous
from ..workers import Workers
from .claims import Claim
from .filters import Basis, extents, neighbour_correlations, ordered_basis, resemblances
from .output import write_csv, write_json
from .runs import Outcome, digest, run_all
from .training import finished

__all__ = [
    "Budget",
    "Measures",
    "Result",
    "Run",
    "Settings",
    "Task",
    "basis_of",
    "batched_objective",
    "measures",
    "run",
    "timed_epoch",
    "train_one",
    "write_runs",
]

UNIT = "logsig"


class Budget(NamedTuple):
    """How much a run sees, and for how long.

    Parameters
    ----------
    n_samples : int
        N, the first so many digits.
    largest : int
        Most samples in a batch.
    epochs : int
        How often it goes through all batches.
    """

    n_samples: int
    largest: int
    epochs: int


FULL = Budget(n_samples=20_000, largest=500, epochs=80)
SHORT = Budget(n_samples=5000, largest=250, epochs=40)


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    full : Budget
        Of the figure and of the plain auto-encoder. N is stated, batches and epochs are not.
    n_hidden : int
        p. Stated.
    mu, sigma : float
        Trade-off and both kernel sizes. Stated.
    alpha : float
        Not stated; 1.01 is the habit of the authors' other work.
    base : float
        Of the entropy. Not stated.
    start : float
        Standard deviation of the normal start. Not stated; small, so that noise in the filters is not left from it.
    rate : float
        The step size is rate/μ, so that the distortion has the same step at every trade-off; for the plain
        auto-encoder, which maximises −D, it is the rate itself. Not stated.
    momentum : float
        Not stated.
    sweep : tuple of float
        Further values of μ.
    kernels, kernel_mus : tuple of float
        Smaller kernel sizes σ, and the μ at each of them.
    short : Budget
        Of each run of the sweep, the one at `mu` included, and of those with smaller kernels, decay and noise: a
        quarter of the digits.
    decay : float
        λ of the weight decay λ (|W|² + |A|²).
    noise : float
        Standard deviation of the Gaussian noise that is added to the digits, once.
    seeds : tuple of int
        One clustering, one start and one order of the batches for each. The figure shows the first.
    """

    full: Budget = FULL
    n_hidden: int = 200
    mu: float = 0.5
    sigma: float = 8.4
    alpha: float = 1.01
    base: float = 2
    start: float = 0.01
    rate: float = 0.0025
    momentum: float = 0.9
    sweep: tuple[float, ...] = (2.0, 0.05, 0.01)
    kernels: tuple[float, ...] = (4.2, 2.1)
    kernel_mus: tuple[float, ...] = (0.5, 0.1, 0.02)
    short: Budget = SHORT
    decay: float = 0.02
    noise: float = 0.3
    seeds: tuple[int, ...] = (0, 1, 2)


class Run(NamedTuple):
    """Which run it is, of those with the same settings.

    Parameters
    ----------
    model : str
        ``"rate-distortion"``, ``"plain"``, ``"decay"`` or ``"noise"``.
    mu : float
        Trade-off.
    sigma : float
        Kernel size of inputs and outputs.
    budget : Budget
        Digits, batches and epochs.
    seed : int
        Of clustering, start and order.
    """

    model: str
    mu: float
    sigma: float
    budget: Budget
    seed: int


@dataclass(frozen=True)
class Task:
    """One training run.

    Parameters
    ----------
    run : Run
        Which one.
    settings : Settings
        What it has in common with the others.
    pixels : str
        A digest of the digits.
    source : str
        Where they are: see `rdae_ref.data.digits.load_digits`.
    checkpoints : str
        The folder for checkpoints. Neither this nor `source` changes the numbers, nor the name of the run.
    """

    run: Run
    settings: Settings
    pixels: str
    source: str = field(repr=False)
    checkpoints: str = field(repr=False)


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    digits : Digits
        The data.
    source : str
        Where they came from.
    runs : dict
        Outcome of each run.
    """

    settings: Settings
    digits: Digits
    source: str
    runs: dict[Run, Outcome]

    @property
    def name(self) -> str:
        """Of the files: digits that are not those of the paper have their own."""
        return "figure4_small" if self.source == SMALL else "figure4"

    def outcomes(
        self,
        model: str = "rate-distortion",
        mu: float | None = None,
        sigma: float | None = None,
        *,
        swept: bool = False,
    ) -> list[Outcome]:
        """Return the runs of a model over all seeds.

        Parameters
        ----------
        model : str
            As in `Run`.
        mu, sigma : float, optional
            Trade-off and kernel size; those of the settings, if there are none.
        swept : bool
            Those of the sweep, which are shorter.

        Returns
        -------
        list of dict
            Empty if there are none.
        """
        s = self.settings
        kind = (model, s.mu if mu is None else mu, s.sigma if sigma is None else sigma, s.short if swept else s.full)
        return [self.runs[run] for seed in s.seeds if (run := Run(*kind, seed)) in self.runs]


def batched_objective(X: Array, task: Task) -> BatchedObjective:
    """Return the objective of a run, on batches by pre-clustering.

    Parameters
    ----------
    X : Array, shape (N, d)
        Centred digits.
    task : Task
        The rest.

    Returns
    -------
    BatchedObjective
        Σ_b (N_b/N) L_b; an epoch of `batch_ascent` goes through its batches.
    """
    batches = clustered_batches(X, task.run.budget.largest, np.random.default_rng([task.run.seed, 0]))
    return BatchedObjective([_objective(X[rows], task) for rows in batches], [len(rows) for rows in batches])


def _objective(X: Array, task: Task) -> Any:
    run, s = task.run, task.settings
    if run.model == "plain":
        return Reconstruction(X, activation=UNIT)
    objective = RateDistortion(
        X, activation=UNIT, alpha=s.alpha, mu=run.mu, sigma_x=run.sigma, sigma_xhat=run.sigma, base=s.base
    )
    return WeightDecay(objective, strength=s.decay) if run.model == "decay" else objective


def timed_epoch(digits: Digits, settings: Settings | None = None) -> Callable[[], Any]:
    """Return a function that goes through all batches once, from the start: for measuring how long an epoch takes.

    Clustering and the Gram matrices of the inputs, which a run has once, are done here and not there. A framework that
    does the same has for each batch: forward pass, distances, kernel, eigenvalues of K and N K_X ∘ K with their
    backward pass, the distortion, and one step of its SGD with momentum.

    Parameters
    ----------
    digits : Digits
        N images.
    settings : Settings, optional
        Those of the figure, if there are none.

    Returns
    -------
    callable
        Without arguments; returns the `Result` of `batch_ascent` after one epoch.
    """
    s, X = settings or Settings(), centred(digits)
    batched = batched_objective(X, Task(Run("rate-distortion", s.mu, s.sigma, s.full, s.seeds[0]), s, "", "", ""))
    start = initial_parameters(X.shape[1], s.n_hidden, np.random.default_rng(1), scale=s.start)

    def epoch() -> Any:
        rng = np.random.default_rng(2)
        return batch_ascent(batched, start, step_size=s.rate / s.mu, momentum=s.momentum, n_epochs=1, rng=rng)

    return epoch


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder, with a checkpoint after each epoch.

    Parameters
    ----------
    task : Task
        What to train.

    Returns
    -------
    dict
        W, c, A, b; values, L of each epoch; distortion, and conditional_entropy unless the model is plain.
    """
    (model, mu, _, budget, seed), s = task.run, task.settings
    X = centred(load_digits(task.source, budget.n_samples))
    if model == "noise":
        X = X + s.noise * np.random.default_rng([seed, 3]).normal(size=X.shape)
    batched = batched_objective(X, task)
    found = finished(
        batch_ascent(
            batched,
            initial_parameters(X.shape[1], s.n_hidden, np.random.default_rng([seed, 1]), scale=s.start),
            step_size=s.rate if model == "plain" else s.rate / mu,
            momentum=s.momentum,
            n_epochs=budget.epochs,
            rng=np.random.default_rng([seed, 2]),
            checkpoint=_checkpoint(task),
        )
    )
    terms = batched.terms(found.x)
    terms = terms.inside if model == "decay" else terms
    kept = {name: getattr(terms, name) for name in ("conditional_entropy", "distortion") if hasattr(terms, name)}
    return {**found.x._asdict(), "values": [entry["value"] for entry in found.history], **kept}


def _checkpoint(task: Task) -> Path:
    return Path(task.checkpoints) / f"{digest(train_one, task)}.checkpoint.npz"


def run(
    settings: Settings | None = None,
    *,
    folder: str | os.PathLike[str] = "figures",
    workers: Workers = None,
    source: str,
    sweep: bool = False,
) -> Result:
    """Train the auto-encoder of the figure; with `sweep` the control, other μ and σ, and with decay and noise.

    Parameters
    ----------
    settings : Settings, optional
        Those of the figure, if there are none.
    folder : path-like
        Finished runs, and checkpoints of those that are not, are kept in its subfolder ``.runs``.
    workers : int, callable or None
        See `rdae_ref.experiments.runs.run_all`.
    source : str
        Where the digits are: see `rdae_ref.data.digits.load_digits`.
    sweep : bool
        All runs, and not only that of the figure.

    Returns
    -------
    Result
        The outcome of each run.
    """
    s, kept = settings or Settings(), Path(folder) / ".runs"
    digits = load_digits(source, s.full.n_samples)
    kinds = [("rate-distortion", s.mu, s.sigma, s.full)]
    if sweep:
        kinds += [("plain", s.mu, s.sigma, s.full)]
        kinds += [("rate-distortion", mu, s.sigma, s.short) for mu in (s.mu, *s.sweep)]
        kinds += [("rate-distortion", mu, sigma, s.short) for sigma in s.kernels for mu in s.kernel_mus]
        kinds += [(model, s.mu, s.sigma, s.short) for model in ("decay", "noise")]
    pixels = fingerprint(digits)
    tasks = [Task(Run(*kind, seed), s, pixels, source, str(kept)) for kind in kinds for seed in s.seeds]
    outcomes = run_all(train_one, tasks, folder=kept, workers=workers, description="figure 4")
    for task in tasks:  # whose outcomes are on the disk
        for path in (_checkpoint(task), previous(_checkpoint(task))):
            path.unlink(missing_ok=True)
    return Result(s, digits, source, {task.run: outcome for task, outcome in zip(tasks, outcomes, strict=True)})


def basis_of(outcome: Outcome) -> Basis:
    """Return both bases of a run, sorted and in one sign convention.

    Parameters
    ----------
    outcome : dict
        With W, c, A, b.

    Returns
    -------
    Basis
        As `ordered_basis` makes it.
    """
    return ordered_basis(Parameters(*(outcome[name] for name in Parameters._fields)))


class Measures(NamedTuple):
    """What a basis is like: means over its filters, weighted by the energy of the unit's synthesis filter.

    Units that have hardly left the start, as most do at large distortion, then say as little here as in the outputs.

    Parameters
    ----------
    extent : float
        How far a filter reaches, over how far a digit does.
    smoothness : float
        The correlation of neighbouring pixels.
    likeness : float
        |cos| of the angle to the nearest of 2000 digits.
    """

    extent: float
    smoothness: float
    likeness: float


N_COMPARED = 2000  # digits, of which one is the nearest to a filter


def measures(digits: Digits, basis: Basis, kind: str) -> Measures:
    """Measure one basis of an auto-encoder.

    Parameters
    ----------
    digits : Digits
        The data.
    basis : Basis
        Both.
    kind : str
        ``"analysis"`` or ``"synthesis"``.

    Returns
    -------
    Measures
        Weighted means over units.
    """
    energy = np.sum(basis.synthesis**2, axis=1)
    extent, *others = (
        float(np.average(column, weights=energy)) for column in filter_columns(digits, getattr(basis, kind))
    )
    return Measures(extent / float(np.median(extents(digits.pixels[:N_COMPARED], digits.shape))), *others)


def filter_columns(digits: Digits, filters: Array) -> tuple[Array, Array, Array]:
    """Return, for each filter: its extent in pixels, correlation of neighbours, likeness to the nearest digit."""
    shape, compared = digits.shape, centred(digits)[:N_COMPARED]
    return extents(filters, shape), neighbour_correlations(filters, shape), resemblances(filters, compared)


COLUMNS = ("model", "mu", "sigma", *Budget._fields, "seed")
MEASURED = ("unit", "basis", "norm", "extent", "neighbour_correlation", "digit_resemblance")


def write_runs(
    result: Result, folder: str | os.PathLike[str], name: str, runs: Sequence[Run], table: Sequence[Claim]
) -> None:
    """Write NAME.csv, the measures of every filter; NAME_history.csv, L of every epoch; NAME.json.

    Parameters
    ----------
    result : Result
        Of `run`.
    folder : path-like
        Made if it is not there.
    name : str
        Without ending.
    runs : sequence of Run
        Which of them.
    table : sequence of Claim
        For the JSON file.
    """
    write_csv(folder, name, (*COLUMNS, *MEASURED), _measured(result, runs))
    history = (
        (*_said(run), epoch, float(value)) for run in runs for epoch, value in enumerate(result.runs[run]["values"], 1)
    )
    write_csv(folder, f"{name}_history", (*COLUMNS, "epoch", "L"), history)
    ended = [
        dict(zip(COLUMNS, _said(run), strict=True))
        | {term: float(value) for term, value in result.runs[run].items() if np.ndim(value) == 0}
        for run in runs
    ]
    data = {"digits": "scikit-learn" if result.source == SMALL else "MNIST", "pixels": fingerprint(result.digits)}
    write_json(folder, name, asdict(result.settings) | {"units": "bits"} | data, table, runs=ended)


def _said(run: Run) -> tuple[object, ...]:
    return run.model, run.mu, run.sigma, *run.budget, run.seed


def _measured(result: Result, runs: Sequence[Run]) -> Iterator[tuple[object, ...]]:
    for run in runs:
        for kind, filters in basis_of(result.runs[run])._asdict().items():
            columns = np.linalg.norm(filters, axis=1), *filter_columns(result.digits, filters)
            for unit, numbers in enumerate(zip(*columns, strict=True)):
                yield *_said(run), unit, kind, *(float(f"{number:.5g}") for number in numbers)
