"""The auto-encoders of §4.2, trained on handwritten digits: what the paper fixes, and what it leaves open."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from .output import Figure, Table, write_files
from .protocol import run_tasks
from .runs import Outcome, digest
from .training import finished

__all__ = [
    "Budget", "Measures", "Result", "Run", "Settings", "Task", "basis_of", "batched_objective", "measures",
    "run", "timed_epoch", "train_one", "write_runs",
]  # fmt: skip

UNIT = "logsig"


class Budget(NamedTuple):
    """How much a run sees, and for how long."""

    n_samples: int  # N, the first digits
    largest: int  # most samples in a batch
    epochs: int


FULL = Budget(n_samples=20_000, largest=500, epochs=80)
SHORT = Budget(n_samples=5000, largest=250, epochs=40)


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on. The paper states N, `n_hidden`, `mu` and `sigma`."""

    full: Budget = FULL  # of the figure and of the plain auto-encoder
    n_hidden: int = 200
    mu: float = 0.5
    sigma: float = 8.4
    alpha: float = 1.01  # close to Shannon's entropy, as in the authors' other work
    base: float = 2
    start: float = 0.01  # std of the normal start: small, so that no noise of it remains in the filters
    # The step size is rate/μ, so that the distortion has the same step at every trade-off; for the plain auto-encoder,
    # which maximises −D, it is the rate itself.
    rate: float = 0.0025
    momentum: float = 0.9
    sweep: tuple[float, ...] = (2.0, 0.05, 0.01)  # further values of μ
    kernels: tuple[float, ...] = (4.2, 2.1)  # smaller σ
    kernel_mus: tuple[float, ...] = (0.5, 0.1, 0.02)  # μ at each of them
    short: Budget = SHORT  # of the sweep, also at `mu`, and of the runs with smaller kernels, decay and noise
    decay: float = 0.02  # λ of the weight decay λ (|W|² + |A|²)
    noise: float = 0.3  # std of Gaussian noise that is added to the digits, once
    seeds: tuple[int, ...] = (0, 1, 2)  # of clustering, start and order of the batches


class Run(NamedTuple):
    """What distinguishes a run from the others with the same settings."""

    model: str  # "rate-distortion", "plain", "decay" or "noise"
    mu: float
    sigma: float
    budget: Budget
    seed: int


@dataclass(frozen=True)
class Task:
    """One training run. Neither `source` nor `checkpoints` changes the numbers, nor the name of the run."""

    run: Run
    settings: Settings
    pixels: str  # a digest of the digits
    source: str = field(repr=False)  # where they are: see `rdae_ref.data.digits.load_digits`
    checkpoints: str = field(repr=False)  # a folder


class Result(NamedTuple):
    """All runs of the figure."""

    settings: Settings
    digits: Digits
    source: str  # where the digits came from
    runs: dict[Run, Outcome]

    @property
    def name(self) -> str:
        """The name of the files, which differs for digits that are not those of the paper."""
        return "figure4_small" if self.source == SMALL else "figure4"

    def outcomes(
        self,
        model: str = "rate-distortion",
        mu: float | None = None,
        sigma: float | None = None,
        *,
        swept: bool = False,
    ) -> list[Outcome]:
        """Return the outcomes of a model for all seeds, at the stated μ and σ unless others are given.

        With `swept` those of the shorter runs of the sweep; an empty list if there are none.
        """
        s = self.settings
        kind = (model, s.mu if mu is None else mu, s.sigma if sigma is None else sigma, s.short if swept else s.full)
        return [self.runs[run] for seed in s.seeds if (run := Run(*kind, seed)) in self.runs]


def batched_objective(X: Array, task: Task) -> BatchedObjective:
    """Return Σ_b (N_b/N) L_b over batches by pre-clustering: the objective of a run on centred digits."""
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
    """Return a function that goes through all batches once from the start, to measure how long an epoch takes.

    Clustering and the Gram matrices of the inputs are computed once per run, so they are computed here. A framework
    that does the same has for each batch: forward pass, distances, kernel, eigenvalues of K and N K_X ∘ K with their
    backward pass, the distortion, and one step of its SGD with momentum.
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

    The outcome has W, c, A, b; values, L of each epoch; distortion, and conditional_entropy unless the model is plain.
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

    Checkpoints of unfinished runs are kept beside the finished runs.
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
    runs = [Run(*kind, seed) for kind in kinds for seed in s.seeds]
    tasks = {run: Task(run, s, pixels, source, str(kept)) for run in runs}
    outcomes = run_tasks(train_one, tasks, folder, workers, "figure 4")
    for task in tasks.values():  # their outcomes are on the disk
        for path in (_checkpoint(task), previous(_checkpoint(task))):
            path.unlink(missing_ok=True)
    return Result(s, digits, source, outcomes)


def basis_of(outcome: Outcome) -> Basis:
    """Return both bases of a run, as `ordered_basis` sorts them."""
    return ordered_basis(Parameters(*(outcome[name] for name in Parameters._fields)))


class Measures(NamedTuple):
    """Means over the filters of a basis, weighted by the energy of the unit's synthesis filter.

    Units that have hardly left the start, as most do at large distortion, have as little weight here as in the outputs.
    """

    extent: float  # of a filter over that of a digit
    smoothness: float  # correlation of neighbouring pixels
    similarity: float  # |cos| of the angle to the nearest digit


N_COMPARED = 2000  # digits, among which the nearest to a filter is found


def measures(digits: Digits, basis: Basis, kind: str) -> Measures:
    """Measure one basis of an auto-encoder, ``"analysis"`` or ``"synthesis"``."""
    energy = np.sum(basis.synthesis**2, axis=1)
    extent, *others = (
        float(np.average(column, weights=energy)) for column in filter_columns(digits, getattr(basis, kind))
    )
    return Measures(extent / float(np.median(extents(digits.pixels[:N_COMPARED], digits.shape))), *others)


def filter_columns(digits: Digits, filters: Array) -> tuple[Array, Array, Array]:
    """Return, for each filter: its extent in pixels, correlation of neighbours, similarity to the nearest digit."""
    shape, compared = digits.shape, centred(digits)[:N_COMPARED]
    return extents(filters, shape), neighbour_correlations(filters, shape), resemblances(filters, compared)


COLUMNS = ("model", "mu", "sigma", *Budget._fields, "seed")
MEASURED = ("unit", "basis", "norm", "extent", "neighbour_correlation", "digit_resemblance")


def write_runs(
    result: Result,
    folder: str | os.PathLike[str],
    name: str,
    runs: Sequence[Run],
    table: Sequence[Claim],
    figures: Mapping[str, Figure],
    *,
    long: bool = False,
    all_files: bool,
) -> Sequence[Claim]:
    """Write figures, NAME.csv, the measures of every filter, NAME_history.csv, L of every epoch, and NAME.json."""
    history = (
        (*_said(run), epoch, float(value)) for run in runs for epoch, value in enumerate(result.runs[run]["values"], 1)
    )
    ended = [
        dict(zip(COLUMNS, _said(run), strict=True))
        | {term: float(value) for term, value in result.runs[run].items() if np.ndim(value) == 0}
        for run in runs
    ]
    data = {"digits": "scikit-learn" if result.source == SMALL else "MNIST", "pixels": fingerprint(result.digits)}
    measured: dict[str, Table] = {name: ((*COLUMNS, *MEASURED), _measured(result, runs))}
    return write_files(
        folder,
        table,
        settings=asdict(result.settings) | {"units": "bits"} | data,
        figures=figures,
        tables={f"{name}_history": ((*COLUMNS, "epoch", "L"), history), **({} if long else measured)},
        long_tables=measured if long else {},
        all_files=all_files,
        runs=ended,
    )


def _said(run: Run) -> tuple[object, ...]:
    return run.model, run.mu, run.sigma, *run.budget, run.seed


def _measured(result: Result, runs: Sequence[Run]) -> Iterator[tuple[object, ...]]:
    for run in runs:
        for kind, filters in basis_of(result.runs[run])._asdict().items():
            columns = np.linalg.norm(filters, axis=1), *filter_columns(result.digits, filters)
            for unit, numbers in enumerate(zip(*columns, strict=True)):
                yield *_said(run), unit, kind, *(float(f"{number:.5g}") for number in numbers)
