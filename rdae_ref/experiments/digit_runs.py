"""The auto-encoders of §4.2, trained on handwritten digits: what the paper fixes, and what it leaves open."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import paper
from .._validation import Array
from ..activations import LOGSIG
from ..autoencoder import Parameters, backpropagate, forward, initial_parameters
from ..data.batches import clustered_batches, random_batches
from ..data.digits import SMALL, Digits, centred, fingerprint, load_digits
from ..numerics.conditional import FromMatrices, OfOutputs
from ..numerics.distances import GaussianKernel
from ..numerics.entropy import order_of
from ..optimize.ascent import adam_step
from ..optimize.checkpoint import Checkpoint, CheckpointError, previous, read_checkpoint, write_checkpoint
from ..pytree import ravel
from ..workers import Workers
from .claims import Claim
from .filters import Basis, neighbour_correlations, ordered_basis, resemblances, window_shares
from .output import Figure, Folder, Table, write_files
from .protocol import run_tasks
from .runs import Outcome, digest

__all__ = [
    "REGIMES", "STATED", "Batch", "Measures", "Regime", "Result", "Run", "Settings", "Task", "basis_of",
    "forget_checkpoints", "measures", "run", "train_one", "value_and_gradient", "write_runs",
]  # fmt: skip


class Regime(NamedTuple):
    """What is trained: the largest −D' − λ (‖W‖² + ‖A‖²) + S/μ − KL, with D' for noisy inputs and clean targets."""

    mu: float | None = 0.5  # None: without the entropy S, that is, μ = ∞
    noise: float = 0.5  # std of Gaussian noise on the inputs, drawn at each step; the targets are clean
    decay: float = 1e-3  # λ
    clustered: bool = True  # batches by pre-clustering, as §4.2 has them, or random ones, new in each epoch
    sparsity: float = 0.0  # weight of Σ_units KL(0.05 ‖ mean activity in the batch)
    sigma: float = 8.4  # of both kernels


STATED = "rate-distortion"  # Figure 4: the paper's μ, σ and batches
REGIMES = {
    STATED: Regime(),
    "without entropy": Regime(mu=None),
    "without noise": Regime(noise=0.0),
    "without decay": Regime(decay=0.0),
    "plain": Regime(mu=None, noise=0.0, decay=0.0),
    "µ = 0.01, no noise, no decay": Regime(mu=0.01, noise=0.0, decay=0.0),
    "random batches": Regime(clustered=False),
    "random batches, without entropy": Regime(mu=None, clustered=False),
    "random batches, without noise": Regime(noise=0.0, clustered=False),
    "random batches, µ = 0.1": Regime(mu=0.1, clustered=False),
    "sparse code": Regime(mu=None, noise=0.0, decay=0.0, sparsity=0.05),
}
ACTIVITY = 0.05  # of a unit in a sparse code


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on. The paper states N, `n_hidden`, and μ and σ of `STATED`."""

    n_samples: int = 20_000  # N, the first digits
    largest: int = 100  # most samples in a batch
    epochs: int = 30
    n_hidden: int = 200
    alpha: float = 1.01  # close to Shannon's entropy, as in the authors' other work
    base: float = 2
    start: float = 0.01  # std of the normal start: small, so that no noise of it remains in the filters
    step_size: float = 1e-3  # of Adam
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    regimes: tuple[str, ...] = tuple(REGIMES)  # of `--sweep`
    replicated: tuple[str, ...] = (STATED, "without entropy")  # trained for every seed, the others for the first
    seeds: tuple[int, ...] = (0, 1, 2)  # of clustering, start, noise and order of the batches


class Run(NamedTuple):
    """What distinguishes a run from the others with the same settings."""

    regime: str
    seed: int


@dataclass(frozen=True)
class Task:
    """One training run. Neither `source` nor `checkpoints` changes the numbers, nor the name of the run."""

    run: Run
    regime: Regime
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

    def outcomes(self, regime: str = STATED) -> list[Outcome]:
        """Return the outcomes of a regime for all its seeds, or an empty list if it was not trained."""
        return [self.runs[run] for seed in self.settings.seeds if (run := Run(regime, seed)) in self.runs]


class Batch(NamedTuple):
    """Samples, and the entropy of them given their outputs where the objective has it."""

    X: Array
    entropy: OfOutputs | None


def batch_of(X: Array, regime: Regime, alpha: float) -> Batch:
    """Return a batch; the Gram matrix of its inputs is computed now."""
    if regime.mu is None:
        return Batch(X, None)
    return Batch(X, FromMatrices(GaussianKernel(X, regime.sigma), regime.sigma, order_of(alpha, len(X))))


def value_and_gradient(
    parameters: Parameters, batch: Batch, inputs: Array, regime: Regime, base: float
) -> tuple[float, Parameters]:
    """Return what is maximised on a batch, L/μ of (25) with noise and penalties, and its gradient."""
    W, _, A, _ = parameters
    forward_pass, N = paper.forward(parameters, inputs, LOGSIG), len(inputs)
    error = batch.X - forward_pass.Xhat
    value, dXhat = -float(np.sum(error**2)) / N, 2 / N * error
    if batch.entropy is not None and regime.mu is not None:
        joint, output, dS = batch.entropy.with_gradient(forward_pass.Xhat)
        unit = math.log(base) * regime.mu
        value, dXhat = value + (joint - output) / unit, dXhat + dS / unit
    gradient = backpropagate(dXhat, forward_pass, parameters, inputs)
    value -= regime.decay * float(np.sum(W**2) + np.sum(A**2))
    gradient = gradient._replace(W=gradient.W - 2 * regime.decay * W, A=gradient.A - 2 * regime.decay * A)
    if regime.sparsity:
        q, r = forward_pass.Zhat.mean(axis=0), ACTIVITY
        value -= regime.sparsity * float(np.sum(r * np.log(r / q) + (1 - r) * np.log((1 - r) / (1 - q))))
        dZ = -regime.sparsity / N * ((1 - r) / (1 - q) - r / q) * forward_pass.Gprime
        gradient = gradient._replace(W=gradient.W + dZ.T @ inputs, c=gradient.c + dZ.sum(axis=0))
    return value, gradient


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder by Adam, with a checkpoint after each epoch."""
    # The outcome has W, c, A, b; values, what is maximised, of each epoch; distortion, without noise.
    s = task.settings
    training = _Training(task, centred(load_digits(task.source, s.n_samples)))
    path = _checkpoint(task)
    training.resume(path)
    while len(training.values) < s.epochs:
        training.epoch()
        write_checkpoint(path, training.checkpoint())
    found = training.unravel(training.x)
    distortion = paper.distortion(training.X, forward(found, training.X, LOGSIG).Xhat)
    return {**found._asdict(), "values": training.values, "distortion": distortion}


class _Training:
    """Adam over batches: the parameters and both moments, one vector each."""

    def __init__(self, task: Task, X: Array) -> None:
        (self.regime, s), seed = (task.regime, task.settings), task.run.seed
        self.X, self.settings, self.name = X, s, digest(train_one, task)
        start = initial_parameters(X.shape[1], s.n_hidden, np.random.default_rng([seed, 1]), scale=s.start)
        self.x, self.unravel = ravel(start)
        self.m, self.v, self.values = np.zeros_like(self.x), np.zeros_like(self.x), list[float]()
        self.rng, self.steps = np.random.default_rng([seed, 2]), 0
        self.batches = [
            batch_of(X[rows], self.regime, s.alpha)
            for rows in clustered_batches(X, s.largest, np.random.default_rng([seed, 0]))
            if self.regime.clustered
        ]

    def epoch(self) -> None:
        batches, value = self.batches or self._random(), 0.0
        for k in self.rng.permutation(len(batches)):
            batch, share = batches[k], len(batches[k].X) / len(self.X)
            noise = self.regime.noise
            inputs = batch.X + noise * self.rng.normal(size=batch.X.shape) if noise else batch.X
            one, gradient = value_and_gradient(self.unravel(self.x), batch, inputs, self.regime, self.settings.base)
            self._step(share * len(batches) * ravel(gradient)[0])  # a batch of the mean size has weight 1
            value += share * one
        self.values.append(value)

    def _random(self) -> list[Batch]:
        sizes = [len(rows) for rows in np.array_split(self.X, -(-len(self.X) // self.settings.largest))]
        return [batch_of(self.X[rows], self.regime, self.settings.alpha) for rows in random_batches(sizes, self.rng)]

    def _step(self, g: Array) -> None:
        s, self.steps = self.settings, self.steps + 1
        self.x = adam_step(self.x, g, (self.m, self.v), self.steps, s.step_size, s.betas, s.epsilon)

    def checkpoint(self) -> Checkpoint:
        state, values = dict(self.rng.bit_generator.state), np.array(self.values)
        x, velocity = np.concatenate([self.x, self.m]), np.concatenate([self.v, np.full_like(self.x, self.steps)])
        return Checkpoint(self.name, x, velocity, values, np.zeros_like(values), state)

    def resume(self, path: Path) -> None:
        found = read_checkpoint(path)
        if found is None:
            return
        if found.run != self.name or len(found.x) != 2 * len(self.x):
            raise CheckpointError(f"{path} is of a run with another start, batches or settings: use another file")
        (self.x, self.m), (self.v, steps) = np.split(found.x, 2), np.split(found.velocity, 2)
        self.steps, self.values, self.rng.bit_generator.state = int(steps[0]), found.values.tolist(), found.generator


def _checkpoint(task: Task) -> Path:
    return Path(task.checkpoints) / f"{digest(train_one, task)}.checkpoint.npz"


def run(
    settings: Settings | None = None,
    *,
    folder: Folder = "figures",
    workers: Workers = None,
    source: str,
    sweep: bool = False,
) -> Result:
    """Train the auto-encoder of the figure; with `sweep` those of the other regimes, too."""
    # Checkpoints of unfinished runs are kept beside the finished runs.
    s, kept = settings or Settings(), Path(folder) / ".runs"
    digits = load_digits(source, s.n_samples)
    pixels, names = fingerprint(digits), s.regimes if sweep else (STATED,)
    runs = [Run(name, seed) for name in names for seed in (s.seeds if name in s.replicated else s.seeds[:1])]
    tasks = {run: Task(run, REGIMES[run.regime], s, pixels, source, str(kept)) for run in runs}
    outcomes = run_tasks(train_one, tasks, folder, workers, "figure 4")
    forget_checkpoints(tasks.values())
    return Result(s, digits, source, outcomes)


def forget_checkpoints(tasks: Iterable[Task]) -> None:
    """Delete the checkpoints of finished runs, whose outcomes are on the disk."""
    for task in tasks:
        for path in (_checkpoint(task), previous(_checkpoint(task))):
            path.unlink(missing_ok=True)


def basis_of(outcome: Outcome) -> Basis:
    """Return both bases of a run, as `ordered_basis` sorts them."""
    return ordered_basis(Parameters(*(outcome[name] for name in Parameters._fields)))


class Measures(NamedTuple):
    """What a basis looks like."""

    local: float  # share of the filters with above `LOCAL` of their energy in one window
    window: float  # median over the filters of that share of energy
    smoothness: float  # mean correlation of neighbouring pixels
    similarity: float  # mean |cos| to the nearest digit of the twenty filters of the largest synthesis norm


LOCAL = 0.6
N_COMPARED = 2000  # digits, among which the nearest to a filter is found


def measures(digits: Digits, basis: Basis, kind: str) -> Measures:
    """Measure one basis of an auto-encoder, ``"analysis"`` or ``"synthesis"``."""
    window, smoothness, similarity = filter_columns(digits, getattr(basis, kind))
    local = float(np.mean(window > LOCAL))
    return Measures(local, float(np.median(window)), float(smoothness.mean()), float(similarity[:20].mean()))


def filter_columns(digits: Digits, filters: Array) -> tuple[Array, Array, Array]:
    """Return, for each filter: its energy in the best window, correlation of neighbours, similarity to a digit."""
    shape, compared = digits.shape, centred(digits)[:N_COMPARED]
    return window_shares(filters, shape), neighbour_correlations(filters, shape), resemblances(filters, compared)


COLUMNS = ("regime", "seed")
MEASURED = ("unit", "basis", "norm", "window_share", "neighbour_correlation", "digit_resemblance")


def write_runs(
    result: Result,
    folder: Folder,
    name: str,
    runs: Sequence[Run],
    table: Sequence[Claim],
    figures: Mapping[str, Figure],
    *,
    long: bool = False,
    all_files: bool,
) -> Sequence[Claim]:
    """Write figures, NAME.csv, the measures of every filter, NAME_history.csv, values of every epoch, and NAME.json."""
    history = ((*run, epoch, float(value)) for run in runs for epoch, value in enumerate(result.runs[run]["values"], 1))
    ended = [
        run._asdict()
        | REGIMES[run.regime]._asdict()
        | {"distortion": float(result.runs[run]["distortion"])}
        | {kind: measures(result.digits, basis_of(result.runs[run]), kind)._asdict() for kind in Basis._fields}
        for run in runs
    ]
    data = {"digits": "scikit-learn" if result.source == SMALL else "MNIST", "pixels": fingerprint(result.digits)}
    measured: dict[str, Table] = {name: ((*COLUMNS, *MEASURED), _measured(result, runs))}
    return write_files(
        folder,
        table,
        settings=asdict(result.settings) | {"units": "bits"} | data,
        figures=figures,
        tables={f"{name}_history": ((*COLUMNS, "epoch", "value"), history), **({} if long else measured)},
        long_tables=measured if long else {},
        all_files=all_files,
        runs=ended,
    )


def _measured(result: Result, runs: Sequence[Run]) -> Iterator[tuple[object, ...]]:
    for run in runs:
        for kind, filters in basis_of(result.runs[run])._asdict().items():
            columns = np.linalg.norm(filters, axis=1), *filter_columns(result.digits, filters)
            for unit, numbers in enumerate(zip(*columns, strict=True)):
                yield *run, unit, kind, *(float(f"{number:.5g}") for number in numbers)
