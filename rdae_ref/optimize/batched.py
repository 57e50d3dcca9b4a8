"""Batches: an objective on parts of a sample, and the ascent over them.

`rdae_ref.data.batches` divides a sample into batches: lists of rows. There are two ways to use batches:

* `BatchedObjective`: the batches stay the same, and the objective is the mean over them (§4.2). Entropies are not means
  over samples, so this is another objective, whose largest matrix is that of a batch. All optimisers can maximise it;
  `batch_ascent` takes one step on each batch in turn.
* `MiniBatches`: each pass draws new batches, for objectives that are means over samples and for `adam`.
"""

import copy
import dataclasses
import functools
import hashlib
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_fraction, as_generator, as_positive, as_weights
from ..objective import Objective, distortion_of
from ..pytree import Pytree, tree_map
from ..workers import Workers, mapping
from .checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from .iteration import Ascent, Callback, Result

__all__ = ["BatchedObjective", "MiniBatches", "batch_ascent"]

SHARES = 16  # tasks of an evaluation, however many workers there are, so that the sum has the same bits


class BatchedObjective:
    """The mean Σ_b w_b L_b of objectives on batches, Σ_b w_b = 1.

    §4.2 of the paper: "the Gram matrix […] is approximately block diagonal after reordering the samples by clustering".

    With w_b = N_b/N its distortion is (9) for all N samples. At α = 1 its conditional entropy is that of all samples if
    the Gram matrices of inputs and outputs are block diagonal, since the entropy of the w_b is part of both the joint
    and the output entropy and cancels: S(K_X | K_X̂) = Σ_b w_b S(K_X,b | K_X̂,b).

    Parameters
    ----------
    objectives : sequence of Objective
        L_b, functions of the same parameters.
    sizes : array_like, shape (B,)
        N_b, or any weights above 0, one for each objective; they are divided by their sum.
    workers : int or callable, optional
        Evaluates the batches in parallel, in at most 16 tasks: a number of processes, which live as long as the
        objective, or a ``map``-like callable, such as the ``map`` of an executor. See `rdae_ref.workers`. The
        objectives are sent to the workers, so they must not have workers of their own.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref import RateDistortion, initial_parameters
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 2))
    >>> parts = [RateDistortion(rows, activation="relu", alpha=1.01, mu=2, sigma_x=0.3, sigma_xhat=0.3)
    ...          for rows in np.split(X, [20])]
    >>> batched, start = BatchedObjective(parts, [20, 40]), initial_parameters(2, 8, rng)
    >>> result = batch_ascent(batched, start, step_size=0.02, momentum=0.9, n_epochs=50, rng=rng)
    >>> batched.terms(result.x).distortion < batched.terms(start).distortion
    True
    """

    def __init__(self, objectives: Sequence[Objective], sizes: npt.ArrayLike, workers: Workers = None) -> None:
        self.objectives = list(objectives)
        sizes = as_weights(sizes, "sizes")
        if len(sizes) != len(self.objectives) or not sizes.all():
            count = len(self.objectives)
            raise ValueError(f"sizes must hold a number above 0 for each of {count} objectives, got {sizes}")
        self.weights = sizes / sizes.sum()
        self._map: Callable[..., Iterable[Any]] = map if workers is None else mapping(workers)

    @property
    def mu(self) -> float:
        """The trade-off of the objectives, if they have one."""
        return self.objectives[0].mu  # type: ignore[attr-defined]

    def with_mu(self, mu: float) -> "BatchedObjective":
        """Return a copy with another trade-off and the same workers."""
        other = copy.copy(self)
        other.objectives = [objective.with_mu(mu) for objective in self.objectives]  # type: ignore[attr-defined]
        return other

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return the mean over all batches, and its gradient."""
        value, gradient = self._mean(operator.methodcaller("value_and_gradient", parameters), self._map)
        return float(value), gradient

    def terms(self, parameters: Pytree) -> Any:
        """Return the means of the terms."""
        return tree_map(float, self._mean(operator.methodcaller("terms", parameters), self._map))

    def distortion(self, parameters: Pytree) -> float:
        """Return the mean distortion, without the entropies."""
        # By this process: it takes less time than to send all batches to the workers.
        return float(self._mean(functools.partial(distortion_of, parameters=parameters), map))

    def _mean(self, evaluate: Callable[[Any], Any], workers: Callable[..., Iterable[Any]]) -> Any:
        shares = np.array_split(np.arange(len(self.weights)), min(len(self.weights), SHARES))
        objectives = [self.objectives[share[0] : share[-1] + 1] for share in shares]
        weights = [self.weights[share] for share in shares]
        parts = workers(functools.partial(_weighted_sum, evaluate), objectives, weights)
        return functools.reduce(functools.partial(tree_map, operator.add), parts)


def _weighted_sum(evaluate: Callable[[Any], Any], objectives: Sequence[Objective], weights: Array) -> Any:
    """Return Σ_b w_b times the value of a function of each objective."""
    found = map(evaluate, objectives)
    weighted = (tree_map(functools.partial(operator.mul, w), one) for w, one in zip(weights, found, strict=True))
    return functools.reduce(functools.partial(tree_map, operator.add), weighted)


class MiniBatches:
    """An objective on a few samples at a time: each evaluation takes the next rows of a shuffled sample.

    A pass goes through all N samples, then they are shuffled again; the last batch of a pass may be smaller. If the
    objective is a mean over samples, as (9) is and entropies are not, its expected gradient is that on all samples.

    Parameters
    ----------
    objective : Objective
        A dataclass with the samples as its field ``X``, or a wrapper of one.
    batch_size, rng : int and numpy.random.Generator
        From 1 to N; and what shuffles the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.autoencoder import initial_parameters
    >>> from rdae_ref.models import Reconstruction
    >>> from rdae_ref.optimize import adam
    >>> rng = np.random.default_rng(0)
    >>> objective = Reconstruction(rng.normal(size=(50, 2)), activation="relu")
    >>> batches = MiniBatches(objective, 10, rng)
    >>> adam(batches, initial_parameters(2, 10, rng), n_steps=20).message
    '20 steps done'
    """

    def __init__(self, objective: Any, batch_size: int, rng: np.random.Generator) -> None:
        self.objective, self.rng = objective, as_generator(rng)
        self.n_samples = len(_innermost(objective).X)
        self.batch_size = as_count(batch_size, "batch_size", maximum=self.n_samples)
        self._left = np.arange(0)

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return the value on the next batch, and its gradient."""
        if not self._left.size:
            self._left = self.rng.permutation(self.n_samples)
        rows, self._left = np.split(self._left, [self.batch_size])
        return _on_rows(self.objective, rows).value_and_gradient(parameters)

    def terms(self, parameters: Pytree) -> Any:
        """Return the terms of the objective on all samples."""
        return self.objective.terms(parameters)


def _innermost(objective: Any) -> Any:
    return _innermost(objective.objective) if hasattr(objective, "objective") else objective


def _on_rows(objective: Any, rows: npt.NDArray[np.intp]) -> Any:
    if hasattr(objective, "objective"):
        return dataclasses.replace(objective, objective=_on_rows(objective.objective, rows))
    return dataclasses.replace(objective, X=objective.X[rows])


def batch_ascent(
    batched: BatchedObjective,
    parameters: Pytree,
    *,
    step_size: float,
    momentum: float,
    n_epochs: int,
    rng: np.random.Generator,
    checkpoint: str | os.PathLike[str] | None = None,
    callback: Callback | None = None,
) -> Result:
    """Maximise one batch at a time by v ← momentum · v + B w_b ∇L_b, θ ← θ + step_size · v.

    §3.2 and §4.2 of the paper, which state neither step nor start.

    An epoch goes through all B batches in random order. A batch of the mean size has B w_b = 1.

    Parameters
    ----------
    batched, parameters : BatchedObjective and pytree
        The function to maximise, and where to start.
    step_size, momentum : float
        Above 0; and from 0 to below 1.
    n_epochs, rng : int and numpy.random.Generator
        How many epochs, including those of the checkpoint; and what draws the order of the batches.
    checkpoint : path-like, optional
        An ``.npz`` file, written after every epoch. If it exists the run resumes from it, and gives the same bits as an
        uninterrupted run (on the same machine with the same number of threads). The previous checkpoint is kept as
        ``.previous.npz``.
    callback : callable, optional
        Called with a `Step` after each epoch; its value is that of the epoch.

    Returns
    -------
    Result
        As for `gradient_ascent`, with epochs for steps; fun is Σ_b w_b L_b, each as evaluated during the last epoch.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged, or of a run with another start or other settings.
    DivergenceError
        If a value or gradient is not finite; it carries the parameters after the last whole epoch.
    """
    step_size, momentum = as_positive(step_size, "step_size"), as_fraction(momentum, "momentum")
    n_epochs, rng = as_count(n_epochs, "n_epochs"), as_generator(rng)
    ascent = _Epochs(batched, parameters, step_size, momentum, rng, callback)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        ascent.resume(path)
    try:
        while len(ascent.history) < n_epochs:
            ascent.epoch()
            if path is not None:
                write_checkpoint(path, ascent.checkpoint())
    except KeyboardInterrupt:
        return ascent.result(False, "interrupted")
    return ascent.result(True, f"{n_epochs} epochs done")


class _Epochs(Ascent):
    """An ascent whose iterations are epochs."""

    def __init__(
        self,
        batched: BatchedObjective,
        parameters: Pytree,
        step_size: float,
        momentum: float,
        rng: np.random.Generator,
        callback: Callback | None,
    ) -> None:
        self.batch = _Current(batched)
        super().__init__(self.batch, parameters, callback)
        self.step_size, self.momentum, self.rng = step_size, momentum, rng
        self.x, self.velocity = self.start.x, np.zeros_like(self.start.x)
        settings = repr((step_size, momentum, rng.bit_generator.state)).encode()
        self.run = hashlib.sha256(settings + batched.weights.tobytes() + self.x.tobytes()).hexdigest()

    def epoch(self) -> None:
        weights, value, mean = self.batch.batched.weights, 0.0, np.zeros_like(self.x)
        x, velocity = self.x, self.velocity
        for b in self.rng.permutation(len(weights)):
            self.batch.index = b
            point = self.evaluate(x)
            velocity = self.momentum * velocity + len(weights) * weights[b] * point.gradient
            x = x + self.step_size * velocity
            value += weights[b] * point.value
            mean += weights[b] * point.gradient
        self.x, self.velocity = x, velocity
        self.accept(x, float(value), mean)

    def checkpoint(self) -> Checkpoint:
        values, norms = (np.array([entry[name] for entry in self.history]) for name in ("value", "gradient_norm"))
        return Checkpoint(self.run, self.x, self.velocity, values, norms, dict(self.rng.bit_generator.state))

    def resume(self, path: Path) -> None:
        found = read_checkpoint(path)
        if found is None:
            return
        generator = self.rng.bit_generator.state["bit_generator"]
        if (found.run, found.x.shape, found.generator["bit_generator"]) != (self.run, self.x.shape, generator):
            raise CheckpointError(f"{path} is of a run with another start, batches or settings: use another file")
        self.x, self.velocity = found.x, found.velocity
        for value, norm in zip(found.values.tolist(), found.gradient_norms.tolist(), strict=True):
            self.history.append({"value": value, "gradient_norm": norm})
        self.rng.bit_generator.state = found.generator
        self.reached = self.start._replace(x=self.x, value=self.history[-1]["value"])


class _Current:
    """The objective of one batch at a time, under one name."""

    def __init__(self, batched: BatchedObjective) -> None:
        self.batched, self.index = batched, 0
        self.terms = batched.terms

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        return self.batched.objectives[self.index].value_and_gradient(parameters)
