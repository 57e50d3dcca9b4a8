"""The rate-distortion auto-encoder as an estimator: the functions of this package with scikit-learn's conventions.

It adds no mathematics. Where scikit-learn is installed its base classes are those of the estimator, so that pipelines,
grid searches and `set_output` know it; where it is not, a few lines in `_without_sklearn` stand in for them. This file
loads scikit-learn, so the package loads this file only when one of its names is asked for.
"""

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_choice, as_count, as_fraction, as_matrix, as_positive
from .activations import Activation
from .autoencoder import Parameters, as_parameters, forward, initial_parameters
from .data.batches import clustered_batches, random_batches
from .gram import median_distance
from .objective import RateDistortion
from .optimize import (
    BatchedObjective,
    Result,
    Step,
    batch_ascent,
    continuation,
    gradient_ascent,
    maximize,
    maximize_at_distortion,
    progress_bar,
)
from .optimize.iteration import continued
from .optimize.quasi_newton import FACTORS

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:  # also where it is older than 1.6, which has no validate_data
    from ._without_sklearn import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ConvergenceWarning,
        TransformerMixin,
        check_is_fitted,
        validate_data,
    )

__all__ = ["RateDistortionAutoencoder"]

SOLVERS = ("lbfgs", "ascent")
BATCHES = ("clustered", "random")
MEDIAN_OF = 5000  # samples at most: to find the median of their distances takes 600 MB
INITS = ("continuation", "random")
START = 0.5  # standard deviation of the normal start, as for the figures
APPROACH = 60  # iterations of L-BFGS at each multiple of μ on the way down to it, as for the figures


class RateDistortionAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The rate-distortion auto-encoder of (25), or of (14), with scikit-learn's conventions.

    Parameters
    ----------
    n_hidden : int
        p, the number of units.
    activation : str or Activation
        The units g.
    alpha : float
        Order α of the entropy; the paper does not state one.
    mu : float
        Trade-off μ, in units of the entropy over those of the data squared: it fits data of one scale, so scale them
        first. With `distortion`, the multiplier to begin with.
    distortion : float, optional
        The bound D of (14); the multiplier that goes with it is found, and stands in ``mu_``.
    sigma : float or "median"
        Kernel size of the inputs: a number, or the median of their distances (of more than 5000 samples, that of every
        second, third, …). The median is large beside the 0.28 of the paper's figures (1.4 for their Gaussian data),
        and leaves the outputs nearer to the inputs.
    sigma_xhat : float or "median", optional
        Kernel size of the outputs; that of the inputs, if there is none. The median is that of the inputs here, too.
    base : float
        Of the logarithm: 2 for bits.
    solver : str
        ``"lbfgs"``, or ``"ascent"``: the paper's gradient ascent.
    step_size : float, optional
        Of the ascent. Without one a line search finds it.
    momentum : float
        Of the ascent with a `step_size`: from 0 to below 1.
    batch_size : int, optional
        Most samples in a batch. Entropies are no means over samples, so that this is another objective, that of §4.2:
        the mean over batches. But for the median, no matrix of all pairs of samples is formed. The ascent with a
        `step_size` takes one step on each batch in turn, the other ways uphill take theirs on the mean.
    batches : str
        How samples are divided, once. ``"clustered"``: near ones together, by k-means, as the paper has it; for kernels
        so narrow that they see no other cluster. ``"random"``: for wider ones, such as the median.
    max_iter : int
        Iterations of L-BFGS (for (14): in each round), or passes of the ascent through the data.
    tol : float
        L-BFGS stops when no element of the gradient exceeds it, or when L rises, relatively, by less than a thousandth
        of it. The ascent has converged if the norm of the gradient does not exceed it.
    init : str or Parameters
        ``"random"``: a normal start. ``"continuation"``: from there by L-BFGS at 64μ, 32μ, …, 2μ in turn, with
        batches on `batch_size` samples drawn at random; a random start often ends in the collapsed optimum. Or W, c, A,
        b to start from.
    random_state : int, Generator, RandomState or None
        Of the start, and of the batches.
    callback : callable, optional
        Called with a `Step` after each iteration; with batches, after each pass through them.
    verbose : bool
        Draw a progress bar, where stderr is a terminal and tqdm is installed.

    Attributes
    ----------
    parameters_ : Parameters
        W, c, A, b.
    terms_ : Terms
        The parts of L, on all samples; with batches their means over them.
    value_ : float
        L = S_α(K_X | K_X̂) − μ D_emp, likewise.
    mu_, sigma_x_, sigma_xhat_ : float
        Multiplier and kernel sizes that were used.
    history_ : list of dict
        value and gradient_norm after each iteration, or pass through the batches; the ``factor`` by which μ was
        multiplied or, for (14), ``mu``.
    n_iter_ : int
        The number of iterations.
    converged_ : bool or None
        None after steps on one batch after another, where there is nothing to tell it by.
    message_ : str
        Why the optimiser stopped.
    n_features_in_ : int
        d.

    Notes
    -----
    Eqs. (14) and (25) of the paper.

    `score` is minus the distortion, and a larger μ buys a smaller distortion: a search over μ by `score` takes the
    largest. It is no way to choose μ, nor is L, which is not comparable from one μ to another. State the distortion
    that is acceptable (`distortion`), or put the estimator into a pipeline and score what the code is for.

    There is no ``partial_fit``: entropies are those of a sample, not means over its rows, so that samples in portions
    have another objective; `batch_size` says so. To go on from a model, pass its ``parameters_`` as `init`.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref import RateDistortionAutoencoder
    >>> from rdae_ref.data import gaussian
    >>> X = gaussian(60, np.random.default_rng(0))
    >>> model = RateDistortionAutoencoder(activation="linear", sigma=0.28, random_state=0).fit(X)
    >>> model.transform(X).shape, model.inverse_transform(model.transform(X)).shape
    ((60, 10), (60, 2))
    >>> bool(np.isclose(model.score(X), -model.terms_.distortion))
    True
    """

    def __init__(
        self,
        n_hidden: int = 10,
        *,
        activation: str | Activation = "logsig",
        alpha: float = 1.01,
        mu: float = 1.5,
        distortion: float | None = None,
        sigma: float | str = "median",
        sigma_xhat: float | str | None = None,
        base: float = 2,
        solver: str = "lbfgs",
        step_size: float | None = None,
        momentum: float = 0.0,
        batch_size: int | None = None,
        batches: str = "random",
        max_iter: int = 500,
        tol: float = 1e-4,
        init: str | Parameters = "continuation",
        random_state: Any = None,
        callback: Callable[[Step], object] | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_hidden = n_hidden
        self.activation = activation
        self.alpha = alpha
        self.mu = mu
        self.distortion = distortion
        self.sigma = sigma
        self.sigma_xhat = sigma_xhat
        self.base = base
        self.solver = solver
        self.step_size = step_size
        self.momentum = momentum
        self.batch_size = batch_size
        self.batches = batches
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.random_state = random_state
        self.callback = callback
        self.verbose = verbose

    def fit(self, X: npt.ArrayLike, y: object = None) -> "RateDistortionAutoencoder":
        """Fit W, c, A, b to samples.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows, two or more.
        y : object
            Ignored.

        Returns
        -------
        RateDistortionAutoencoder
            Itself.

        Raises
        ------
        TypeError, ValueError
            If a setting is out of its range, or does not go with another one.
        DivergenceError
            If L or its gradient is not finite; it carries the last good parameters.
        KeyboardInterrupt
            At Ctrl-C. The estimator keeps what was reached.

        Warns
        -----
        ConvergenceWarning
            If it did not converge, with what to change.
        """
        samples: Array = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self._check_settings(len(samples))
        rng = _as_generator(self.random_state)
        on = self._objective_on(samples)
        objective = on(samples) if self.batch_size is None else self._batched(samples, on, rng)
        with self._callback() as callback:
            approach = self._approach(samples, objective, on, rng, callback)
            if approach.message == "interrupted":
                result = approach
            else:
                result = self._ascend(objective, approach.x, rng, continued(callback, len(approach.history)))
                result.history = approach.history + result.history
        self._keep(objective, result)
        if result.message == "interrupted":
            raise KeyboardInterrupt
        if self.converged_ is False:
            warnings.warn(self._advice(), ConvergenceWarning, stacklevel=2)
        return self

    def transform(self, X: npt.ArrayLike) -> Array:
        """Return the code Ẑ = g(X Wᵀ + 1 cᵀ).

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.

        Returns
        -------
        Array, shape (N, p)
            Ẑ.
        """
        X = self._samples(X)
        return forward(self.parameters_, X, self.activation).Zhat

    def inverse_transform(self, X: npt.ArrayLike) -> Array:
        """Return what a code stands for: Ẑ Aᵀ + 1 bᵀ.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Codes Ẑ in rows.

        Returns
        -------
        Array, shape (N, d)
            X̂.
        """
        check_is_fitted(self, "parameters_")
        _, _, A, b = self.parameters_
        return as_matrix(X, "the code", (None, A.shape[1])) @ A.T + b

    def reconstruct(self, X: npt.ArrayLike) -> Array:
        """Return the outputs X̂ of the auto-encoder.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.

        Returns
        -------
        Array, shape (N, d)
            X̂.
        """
        X = self._samples(X)
        return forward(self.parameters_, X, self.activation).Xhat

    def score_samples(self, X: npt.ArrayLike) -> Array:
        """Return minus the energy, −|x − x̂|², of each sample.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.

        Returns
        -------
        Array, shape (N,)
            The higher, the nearer a sample is to its reconstruction.
        """
        X = self._samples(X)
        return -np.sum((X - forward(self.parameters_, X, self.activation).Xhat) ** 2, axis=1)

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Return minus the distortion: the mean of `score_samples`. It is no way to choose μ, see the Notes.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.
        y : object
            Ignored.

        Returns
        -------
        float
            −D_emp.
        """
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return len(self.parameters_.W)

    def _samples(self, X: npt.ArrayLike) -> Array:
        check_is_fitted(self, "parameters_")
        samples: Array = validate_data(self, X, reset=False, dtype=np.float64)
        return samples

    def _check_settings(self, n_samples: int) -> None:
        """Refuse what only comes to light after some work."""
        as_choice(self.solver, "solver", SOLVERS)
        if isinstance(self.init, str):
            as_choice(self.init, "init", INITS)
        as_choice(self.batches, "batches", BATCHES)
        if self.batches != "random" and self.batch_size is None:
            raise ValueError(f"there are no batches to be {self.batches}: give a batch_size, too")
        as_count(self.max_iter, "max_iter")
        as_positive(self.tol, "tol")
        if self.distortion is not None:
            as_positive(self.distortion, "distortion")
            if self.solver != "lbfgs":
                raise ValueError(f"a distortion is met by solver='lbfgs' only, got solver={self.solver!r}")
        if self.step_size is not None:
            as_positive(self.step_size, "step_size")
        if as_fraction(self.momentum, "momentum") > 0 and self.step_size is None:
            raise ValueError(f"a line search takes no momentum, got momentum={self.momentum}: give a step_size, too")
        if self.batch_size is not None:
            as_count(self.batch_size, "batch_size", maximum=n_samples)

    @property
    def _batch_by_batch(self) -> bool:
        return self.solver == "ascent" and self.batch_size is not None and self.step_size is not None

    def _objective_on(self, X: Array) -> Callable[[Array], RateDistortion]:
        """Return what makes an objective on some samples, all of which are X."""
        sigma_x = _kernel_size(self.sigma, X, "sigma")
        return functools.partial(
            RateDistortion,
            activation=self.activation,
            alpha=self.alpha,
            mu=self.mu,
            sigma_x=sigma_x,
            sigma_xhat=sigma_x if self.sigma_xhat is None else _kernel_size(self.sigma_xhat, X, "sigma_xhat"),
            base=self.base,
            spectrum="auto",
        )

    def _batched(
        self, X: Array, on: Callable[[Array], RateDistortion], rng: np.random.Generator
    ) -> BatchedObjective:
        assert self.batch_size is not None
        if self.batches == "clustered":
            batches = clustered_batches(X, self.batch_size, rng)
        else:
            alike = np.array_split(np.arange(len(X)), math.ceil(len(X) / self.batch_size))
            batches = random_batches([len(rows) for rows in alike], rng)
        return BatchedObjective([on(X[rows]) for rows in batches], [len(rows) for rows in batches])

    @contextmanager
    def _callback(self) -> Iterator[Callable[[Step], object] | None]:
        """Call the user's callback, and draw the progress, after each iteration."""
        if not self.verbose:
            yield self.callback
            return
        with progress_bar((len(FACTORS) - 1) * APPROACH + self.max_iter, "fit") as bar:
            both = [callback for callback in (bar, self.callback) if callback is not None]
            yield (lambda step: [callback(step) for callback in both]) if both else None

    def _approach(
        self,
        X: Array,
        objective: Any,
        on: Callable[[Array], RateDistortion],
        rng: np.random.Generator,
        callback: Callable[[Step], object] | None,
    ) -> Result:
        """Return where the solver starts, as the result of the way there."""
        if not isinstance(self.init, str):
            given = as_parameters(self.init, X.shape[1])
            if len(given.W) != self.n_hidden:
                raise ValueError(f"init has {len(given.W)} units, but n_hidden is {self.n_hidden}: make them equal")
            return Result(x=given, history=[], message="given")
        start = initial_parameters(X.shape[1], self.n_hidden, rng, scale=START)
        if self.init == "random":
            return Result(x=start, history=[], message="random")
        if self.batch_size is not None:
            objective = on(X[rng.choice(len(X), self.batch_size, replace=False)])
        return continuation(
            objective,
            start,
            factors=FACTORS[:-1],
            max_iterations=min(APPROACH, self.max_iter),
            tolerance=self.tol,
            callback=callback,
        )

    def _ascend(
        self,
        objective: Any,
        start: Parameters,
        rng: np.random.Generator,
        callback: Callable[[Step], object] | None,
    ) -> Result:
        limits: dict[str, Any] = {"max_iterations": self.max_iter, "tolerance": self.tol, "callback": callback}
        steps: dict[str, Any] = {"step_size": self.step_size, "momentum": self.momentum, "callback": callback}
        if self.distortion is not None:
            return maximize_at_distortion(objective, start, self.distortion, **limits)
        if self.solver == "lbfgs":
            result = maximize(objective, start, **limits)
        elif self._batch_by_batch:
            result = batch_ascent(objective, start, n_epochs=self.max_iter, rng=rng, **steps)
        elif self.step_size is not None:
            result = gradient_ascent(objective, start, n_steps=self.max_iter, **steps)
        else:
            searched = steps | {"step_size": 1.0, "line_search": True}
            result = gradient_ascent(objective, start, n_steps=self.max_iter, **searched)
        result.history = [{"factor": 1.0, **entry} for entry in result.history]
        return result

    def _keep(self, objective: Any, result: Result) -> None:
        one: Any = objective.objectives[0] if isinstance(objective, BatchedObjective) else objective
        self.parameters_ = result.x
        self.mu_ = result.get("mu", one.mu)
        self.sigma_x_, self.sigma_xhat_ = one.sigma_x, one.sigma_xhat
        self.terms_ = objective.terms(result.x)
        self.value_ = self.terms_.conditional_entropy - self.mu_ * self.terms_.distortion
        self.history_, self.n_iter_ = result.history, len(result.history)
        self.message_ = result.message
        self.converged_ = self._has_converged(result)

    def _has_converged(self, result: Result) -> bool | None:
        if result.message == "interrupted":
            return False
        if self._batch_by_batch:
            return None
        if self.solver == "lbfgs":
            return bool(result.success)
        return bool(result.history and result.history[-1]["gradient_norm"] <= self.tol)

    def _advice(self) -> str:
        if self.distortion is not None:
            return f"the bound was not met ({self.message_}): raise max_iter, n_hidden or the bound"
        return (
            f"the ascent stopped before it converged ({self.message_}): raise max_iter, now {self.max_iter}, or tol, "
            f"now {self.tol:g}, or scale the data"
        )


def _kernel_size(sigma: float | str, X: Array, name: str) -> float:
    if not isinstance(sigma, str):
        return as_positive(sigma, name)
    as_choice(sigma, name, ("median",))
    size = median_distance(X[:: math.ceil(len(X) / MEDIAN_OF)])
    if size == 0:
        words = "more than half of the pairs of samples are equal, or too near for float64 to square their distance"
        raise ValueError(f"{name}='median' is 0, as {words}: pass a number, or rescale them")
    return size


def _as_generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):  # of which scikit-learn's tools make use
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)
