"""The rate-distortion auto-encoder as an estimator with scikit-learn's conventions.

The base classes are scikit-learn's if it is installed, and otherwise those of `_without_sklearn`. Loading scikit-learn
takes a second, so the package imports this module only when one of its names is used.
"""

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from . import optimize
from ._fit_problem import FitProblem, columns_apart, standardisation
from ._validation import (
    Array,
    as_choice,
    as_count,
    as_fraction,
    as_matrix,
    as_nonnegative,
    as_positive,
    as_samples,
    hints_at_names,
    is_masked,
)
from .activations import Activation
from .autoencoder import Parameters, as_parameters, forward, initial_parameters
from .optimize import DivergenceError, Result, Step
from .optimize.constrained import describe_bound
from .optimize.iteration import Callback, counting_from
from .optimize.quasi_newton import FACTORS

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:  # also if it is older than 1.6, which has no validate_data
    from ._without_sklearn import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        ConvergenceWarning,
        TransformerMixin,
        check_is_fitted,
        validate_data,
    )

__all__ = ["CollapseWarning", "RateDistortionAutoencoder", "ScaleWarning"]

SOLVERS = ("lbfgs", "ascent")
BATCHES = ("clustered", "random")
INITS = ("auto", "pca", "continuation", "random")
START = 0.5  # standard deviation of the normal start, as for the figures
APPROACH = 60  # iterations of L-BFGS at each multiple of μ during the continuation, as for the figures
APPROACH_ALPHA = 2.0  # the order then: it needs no eigenvalues, and leads to higher optima than 1.01 does

GAIN = 1e-3  # of L, relative if that exceeds 1, for which a later start replaces an earlier one: more than rounding
SHOWN = 500  # samples that are kept for the report

# A fit has collapsed if the entropy of its outputs is below a share of the joint entropy, or below so many bits, or if
# its distortion exceeds a share of the variance, which is the distortion of the mean.
LEAST_ENTROPY, LEAST_BITS, LARGEST_DISTORTION = 0.01, 0.001, 0.95


class CollapseWarning(UserWarning):
    """A fitted auto-encoder maps (nearly) all samples to one output."""


class ScaleWarning(UserWarning):
    """The columns of the data differ so much in scale that the small ones do not count."""


@hints_at_names
class RateDistortionAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The rate-distortion auto-encoder of (25), or of (14), with scikit-learn's conventions.

    Eqs. (14) and (25) of the paper.

    Parameters
    ----------
    n_hidden, activation : int, and str or Activation
        p, the number of units; and the units g.
    alpha : float
        Order α of the entropy; the paper does not state one.
    mu : float
        Trade-off μ, in units of entropy per squared unit of the data. At a fixed μ the scale of the data matters, so
        scale them first or use `standardise`. With `distortion`, the initial multiplier.
    distortion : float, optional
        The bound D of (14); its multiplier is found and stored as ``mu_``.
    sigma : float or "median"
        Kernel size of the inputs: a number, or the median of their distances (estimated from 5000 samples if there are
        more). The median is large compared with the 0.28 of the paper's figures (1.4 for their Gaussian data), and
        leaves the outputs nearer to the inputs.
    sigma_xhat : float or "median", optional
        Kernel size of the outputs; by default that of the inputs. ``"median"`` again means that of the inputs.
    base, method : float and str
        Base of the logarithm, and how L is computed, as in `RateDistortion`.
    solver : str
        ``"lbfgs"``, or ``"ascent"``: the paper's gradient ascent.
    step_size, momentum : float, optional, and float
        Step of the ascent, in the units of the optimiser (see the Notes), by default from a line search; and the
        momentum used with a `step_size`, in [0, 1).
    batch_size : int, "auto" or None
        Largest number of samples in a batch; None: all in one. Entropies are not means over samples, so batches change
        the objective: it becomes the mean over batches of §4.2, and no N×N matrix is formed. The ascent with a
        `step_size` takes one step on each batch in turn; the other optimisers maximise the mean. ``"auto"``: 250 for
        L-BFGS on more than 600 samples, unless few eigenvalues of their Gram matrix are above rounding.
    batches : str
        How samples are divided, once. ``"clustered"``: neighbours together, by k-means, as in the paper; for kernels
        too narrow to reach other clusters. ``"random"``: for wider kernels, such as the median.
    max_iter : int
        Iterations of L-BFGS (for (14): in each round), or passes of the ascent through the data.
    tol : float
        L-BFGS stops when no element of the gradient exceeds it, or when the relative increase of L is below a
        thousandth of it. The ascent has converged if the norm of the gradient does not exceed it.
    init : str or Parameters
        ``"pca"``, for L-BFGS: the principal components, with codes so small that the units are nearly linear.
        ``"random"``: normal parameters; this often ends in the collapsed optimum. ``"continuation"``: from there by
        L-BFGS at 64μ, 32μ, …, 2μ in turn, at order 2; with batches, on `batch_size` samples drawn at random.
        ``"auto"``: PCA for wide kernels and no more units than features (or more than 200 samples); otherwise PCA and
        continuation, and the better result is kept; see ``choices_``. Or W, c, A, b to start from.
    standardise : bool
        Subtract the mean of each column and divide by its standard deviation. The outputs of `reconstruct` and
        `inverse_transform` are in the units of X; parameters, terms, kernel sizes and scores belong to the
        standardised columns.
    random_state : int, Generator, RandomState or None
        Source of randomness for the start and the batches.
    callback, verbose : callable, optional, and bool
        Called with a `Step` after each iteration, or with batches after each pass through them; and whether to draw a
        progress bar, if stderr is a terminal and tqdm is installed.

    Attributes
    ----------
    parameters_ : Parameters
        W, c, A, b.
    terms_, value_ : Terms and float
        The parts of L, and L = S_α(K_X | K_X̂) − μ D_emp, on all samples; with batches, means over the batches.
    mu_, sigma_x_, sigma_xhat_ : float
        Multiplier and kernel sizes that were used.
    history_ : list of dict
        value and gradient_norm after each iteration, or pass through the batches; the ``factor`` by which μ was
        multiplied (values at factors other than 1 are of order 2) or, for (14), ``mu``.
    n_iter_, converged_ : int, and bool or None
        The number of iterations, from the start that was kept if several were tried; and None after steps on single
        batches, which have no test of convergence.
    collapsed_ : bool
        Whether the outputs carry no entropy (less than 1 % of the joint entropy, or less than 0.001 bits), or the
        distortion exceeds 95 % of the variance of the data.
    message_, choices_ : str and dict of str
        Why the optimiser stopped; and what ``"auto"`` chose, with the reason, by the name of the setting.
    mean_, scale_ : Array or None
        Mean and standard deviation of the columns, with `standardise`.
    variance_, input_entropy_ : float
        Sum of the variances of the columns, and S_α(K_X), on the same samples as ``terms_``.
    n_features_in_, fitted_settings_ : int and dict
        d, the number of features; and the settings that were used, which `save_model` keeps.

    Notes
    -----
    The optimiser works on (X − m)/r, where m is the mean and r the root mean square of the deviations from it;
    parameters and terms are returned in the units of X. So a fit does not depend on the origin of the data, nor on
    their unit if `sigma` and `mu` (or `distortion`) are converted with it: X → sX, σ → sσ, μ → μ/s². As hundreds of
    iterations would amplify the rounding of data far from the origin, the optimiser works with settings and data
    (relative to r, or to the kernel size if that is smaller) rounded to 24 bits. So the values of `history_` have seven
    digits, while ``terms_`` and ``value_`` belong to the unrounded X. `tol`, `step_size` and the ``gradient_norm`` of
    the history are in the units of the optimiser.

    Data of any real type, float32 included, are converted to float64, and so are all results.

    `score` is minus the distortion, and a larger μ gives a smaller distortion: a search over μ by `score` always picks
    the largest. Neither `score` nor L, which is not comparable across values of μ, can choose μ; nor can `score` choose
    the kernel size. State the acceptable distortion (`distortion`), or put the estimator into a pipeline and score the
    downstream task. `score` can choose `n_hidden` and the start, with all else equal; `score_samples` ranks samples by
    how well they are reconstructed.

    There is no ``partial_fit``: entropies belong to a sample as a whole, so fitting in portions would change the
    objective (`batch_size`). To continue from a model, pass its ``parameters_`` as `init`.

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
        method: str = "auto",
        solver: str = "lbfgs",
        step_size: float | None = None,
        momentum: float = 0.0,
        batch_size: int | str | None = "auto",
        batches: str = "random",
        max_iter: int = 500,
        tol: float = 1e-3,
        init: str | Parameters = "auto",
        standardise: bool = False,
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
        self.method = method
        self.solver = solver
        self.step_size = step_size
        self.momentum = momentum
        self.batch_size = batch_size
        self.batches = batches
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.standardise = standardise
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
            If a setting is out of range, or conflicts with another one.
        DivergenceError
            If L or its gradient is not finite; it carries the last good parameters.
        KeyboardInterrupt
            At Ctrl-C. The estimator keeps the best parameters so far.

        Warns
        -----
        ConvergenceWarning
            If it did not converge, with what to change.
        CollapseWarning
            If the outputs have collapsed, with what to change.
        ScaleWarning
            If standard deviations of the columns differ by more than a factor of 100, with `standardise` off.
        """
        samples = self._checked(X, reset=True, ensure_min_samples=2)
        self._check_settings(len(samples))
        self._set_scale(samples)
        samples = self._scaled(samples)
        rng = _as_generator(self.random_state)
        problem = FitProblem(self, samples, rng)
        total = (len(FACTORS) - 1) * APPROACH + int(self.max_iter)
        with optimize.progress_bar(total, "fit") if self.verbose else nullcontext() as bar:
            result = self._best(problem, rng, bar)
        self._keep(problem, result)
        if result.message == "interrupted":
            raise KeyboardInterrupt
        if self.converged_ is False:
            warnings.warn(self._advice(), ConvergenceWarning, stacklevel=2)
        if self.collapsed_:
            warnings.warn(self._advice_on_collapse(), CollapseWarning, stacklevel=2)
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
        return forward(self.parameters_, X, self.fitted_settings_["activation"]).Zhat

    def inverse_transform(self, X: npt.ArrayLike) -> Array:
        """Return the outputs for given codes: Ẑ Aᵀ + 1 bᵀ.

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
        return self._unscaled(as_matrix(X, "the code", (None, A.shape[1])) @ A.T + b)

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
        return self._unscaled(forward(self.parameters_, X, self.fitted_settings_["activation"]).Xhat)

    def score_samples(self, X: npt.ArrayLike) -> Array:
        """Return minus the energy, −|x − x̂|², of each sample.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.

        Returns
        -------
        Array, shape (N,)
            The higher, the closer a sample is to its reconstruction.
        """
        X = self._samples(X)
        return -np.sum((X - forward(self.parameters_, X, self.fitted_settings_["activation"]).Xhat) ** 2, axis=1)

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Return minus the distortion, the mean of `score_samples`; it cannot choose μ (see the Notes).

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

    def report(self, X: npt.ArrayLike | None = None) -> str:
        """Return a report on the model as one HTML page that needs no network; matplotlib draws its figures.

        Parameters
        ----------
        X : array_like, shape (N, d), optional
            Samples for the spectra, the outputs and the energies; by default at most 500 of those used in the fit,
            which the estimator and a pickle of it keep, but not a file from `save_model`.

        Returns
        -------
        str
            Settings, history, spectra, inputs and outputs on two principal components, energies.
        """
        from .model_report import report_page  # noqa: PLC0415  # loads what draws figures

        check_is_fitted(self, "parameters_")
        samples = getattr(self, "_shown", None) if X is None else self._samples(X)
        outputs = None if samples is None else forward(self.parameters_, samples, self.fitted_settings_["activation"])
        said = [self._advice()] if self.converged_ is False else []
        said += [self._advice_on_collapse()] if self.collapsed_ and getattr(self, "variance_", None) else []
        return report_page(self, samples, None if outputs is None else outputs.Xhat, said)

    @property
    def _n_features_out(self) -> int:
        return len(self.parameters_.W)

    def _samples(self, X: npt.ArrayLike) -> Array:
        """Return samples as the auto-encoder takes them."""
        check_is_fitted(self, "parameters_")
        return self._scaled(self._checked(X))

    def _checked(self, X: npt.ArrayLike, *, reset: bool = False, ensure_min_samples: int = 1) -> Array:
        if is_masked(X):
            as_samples(X, "X")  # refuses it: scikit-learn would drop the mask
        try:
            samples = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=ensure_min_samples)
        except OverflowError as error:  # of an integer beyond 1e308
            raise ValueError(f"X must hold numbers that float64 can hold: {error}") from error
        return np.ascontiguousarray(as_samples(samples, "X"))  # the same bits from a frame, which is in columns

    def _set_scale(self, X: Array) -> None:
        self.mean_: Any = None
        self.scale_: Any = None
        if self.standardise:
            self.mean_, self.scale_ = standardisation(X)
        elif (apart := columns_apart(X)) is not None:
            names = [repr(str(name)) for name in getattr(self, "feature_names_in_", range(X.shape[1]))]
            words = f"column {names[apart[0]]} varies {apart[2]:.3g} times as much as column {names[apart[1]]}"
            advice = "which hardly counts: set standardise, or bring the columns to one scale"
            warnings.warn(f"{words}, {advice}", ScaleWarning, stacklevel=3)

    def _scaled(self, X: Array) -> Array:
        return X if getattr(self, "mean_", None) is None else (X - self.mean_) / self.scale_

    def _unscaled(self, outputs: Array) -> Array:
        return outputs if getattr(self, "mean_", None) is None else outputs * self.scale_ + self.mean_

    def _check_settings(self, n_samples: int) -> None:
        """Refuse settings that would otherwise be refused only after some work."""
        as_choice(self.solver, "solver", SOLVERS)
        as_count(self.n_hidden, "n_hidden")
        if isinstance(self.init, str):
            as_choice(self.init, "init", INITS)
            if self.init == "pca" and self.solver != "lbfgs":
                raise ValueError(f"init='pca' is for solver='lbfgs' only, got solver={self.solver!r}")
        as_choice(self.batches, "batches", BATCHES)
        if not isinstance(self.standardise, (bool, np.bool_)):
            raise TypeError(f"standardise must be True or False, got {self.standardise!r:.80}")
        if self.batches != "random" and self.batch_size in (None, "auto"):
            raise ValueError(f"batches={self.batches!r} has no effect on a single batch: give a batch_size, too")
        as_count(self.max_iter, "max_iter")
        as_positive(self.tol, "tol")
        as_nonnegative(self.mu, "mu")
        if self.distortion is not None:
            as_positive(self.distortion, "distortion")
            if self.solver != "lbfgs":
                raise ValueError(f"a distortion is met by solver='lbfgs' only, got solver={self.solver!r}")
        if self.step_size is not None:
            as_positive(self.step_size, "step_size")
        if as_fraction(self.momentum, "momentum") > 0 and self.step_size is None:
            raise ValueError(f"a line search takes no momentum, got momentum={self.momentum}: give a step_size, too")
        if isinstance(self.batch_size, str):
            as_choice(self.batch_size, "batch_size", ("auto",))
        elif self.batch_size is not None:
            as_count(self.batch_size, "batch_size", maximum=n_samples)

    @property
    def _batch_by_batch(self) -> bool:
        return self.solver == "ascent" and self.batch_size not in (None, "auto") and self.step_size is not None

    def _best(self, problem: FitProblem, rng: np.random.Generator, bar: Callback | None) -> Result:
        """Return the best result of all starts, as far as they were tried before a Ctrl-C, in the units of the data."""
        best: Result | None = None
        before = 0
        for start in problem.starts:
            result = self._fitted_from(start, problem, rng, bar, before)
            before += len(result.history)
            interrupted = result.message == "interrupted"
            at_mu = [entry.get("factor") for entry in result.history[-1:]] == [1.0]  # there values compare
            if best is None or (at_mu and result.fun > best.fun + GAIN * max(1.0, abs(best.fun))):
                best = result
            if len(problem.starts) > 1:
                problem.choices["init"] += f"; {start} {'reached' if interrupted else 'ended at'} L = {result.fun:.6g}"
            if interrupted:
                best.message = "interrupted"
                break
        assert best is not None
        return best

    def _fitted_from(
        self, start: str, problem: FitProblem, rng: np.random.Generator, bar: Callback | None, before: int
    ) -> Result:
        try:
            callback = counting_from(self._callback(bar, problem, start, APPROACH_ALPHA), before)
            result = self._approach(start, problem, rng, callback)
            if result.message != "interrupted":
                approach = result.history
                callback = counting_from(self._callback(bar, problem, start, None), before + len(approach))
                result = self._ascend(start, problem, result.x, rng, callback)
                result.history = approach + result.history
        except DivergenceError as error:
            last = error.parameters
            raise DivergenceError(str(error), None if last is None else problem.leave(last, start)) from error
        result.x = problem.leave(result.x, start)
        return result

    def _callback(self, bar: Callback | None, problem: FitProblem, start: str, alpha: float | None) -> Callback | None:
        """Return what draws the progress and passes each step on to the user's callback."""
        user = self.callback
        if bar is None and user is None:
            return None

        def both(step: Step) -> None:
            if bar is not None:
                bar(step)
            if user is not None:
                user(problem.step(step, start, alpha))

        return both

    def _approach(self, start: str, problem: FitProblem, rng: np.random.Generator, callback: Callback | None) -> Result:
        """Return where the solver starts, the result of the initialisation."""
        d = problem.X.shape[1]
        if not isinstance(self.init, str):
            given = as_parameters(self.init, d)
            if len(given.W) != self.n_hidden:
                raise ValueError(f"init has {len(given.W)} units, but n_hidden is {self.n_hidden}: make them equal")
            return Result(x=problem.frame.enter(given), history=[], message="given")
        if start == "pca":
            assert problem.variables is not None
            return Result(x=problem.variables.start(rng), history=[], message="pca")
        normal = initial_parameters(d, self.n_hidden, rng, scale=START)
        if start == "random":
            return Result(x=normal, history=[], message="random")
        few = problem.of_few(rng, APPROACH_ALPHA)
        limits: dict[str, Any] = {"max_iterations": min(APPROACH, self.max_iter), "tolerance": self.tol}
        return optimize.continuation(few, normal, factors=FACTORS[:-1], callback=callback, **limits)

    def _ascend(
        self, name: str, problem: FitProblem, start: Parameters, rng: np.random.Generator, callback: Callback | None
    ) -> Result:
        scale = problem.frame.scale
        objective: Any = problem.in_variables if name == "pca" else problem.objective
        limits: dict[str, Any] = {"max_iterations": self.max_iter, "tolerance": self.tol, "callback": callback}
        steps: dict[str, Any] = {"step_size": self.step_size, "momentum": self.momentum, "callback": callback}
        if problem.bound is not None:
            result = optimize.maximize_at_distortion(objective, start, problem.bound, **limits)
            result.mu = result.mu / scale / scale
            result.history = [entry | {"mu": entry["mu"] / scale / scale} for entry in result.history]
            return result
        if self.solver == "lbfgs":
            result = optimize.maximize(objective, start, **limits)
        elif self._batch_by_batch:
            result = optimize.batch_ascent(objective, start, n_epochs=self.max_iter, rng=rng, **steps)
        elif self.step_size is not None:
            result = optimize.gradient_ascent(objective, start, n_steps=self.max_iter, **steps)
        else:
            searched = steps | {"step_size": 1.0, "line_search": True}
            result = optimize.gradient_ascent(objective, start, n_steps=self.max_iter, **searched)
        result.history = [{"factor": 1.0, **entry} for entry in result.history]
        return result

    def _keep(self, problem: FitProblem, result: Result) -> None:
        """Store what was found, in the units of the data."""
        self.parameters_ = result.x
        self.sigma_x_, self.sigma_xhat_ = problem.sigma_x, problem.sigma_xhat
        self.mu_ = float(result.get("mu", self.mu))
        self.terms_ = problem.in_units.terms(self.parameters_)
        self.value_ = self.terms_.conditional_entropy - self.mu_ * self.terms_.distortion
        self.variance_ = float(problem.X.var(axis=0).sum())
        self.input_entropy_ = problem.input_entropy
        self.choices_ = problem.choices
        self.history_, self.n_iter_ = result.history, len(result.history)
        self.message_ = result.message
        if self.distortion is not None and result.message != "interrupted":
            self.message_ = describe_bound(self.terms_.distortion, self.distortion, self.mu_)
        self.converged_ = self._has_converged(result)
        self.collapsed_ = self._has_collapsed()
        self._shown = problem.X[np.sort(np.random.default_rng(0).permutation(len(problem.X))[:SHOWN])]
        self.fitted_settings_ = self.get_params(deep=False)

    def _has_converged(self, result: Result) -> bool | None:
        if result.message == "interrupted":
            return False
        if self._batch_by_batch:
            return None
        if self.solver == "lbfgs":
            return bool(result.success)
        return bool(result.history and result.history[-1]["gradient_norm"] <= self.tol)

    def _has_collapsed(self) -> bool:
        least = max(LEAST_ENTROPY * self.terms_.joint_entropy, LEAST_BITS * math.log(2, self.base))
        return self.terms_.output_entropy <= least or self.terms_.distortion > LARGEST_DISTORTION * self.variance_

    def _advice(self) -> str:
        if self.distortion is not None:
            return f"the bound was not met ({self.message_}): raise max_iter, n_hidden or the bound"
        return (
            f"the ascent stopped before it converged ({self.message_}): raise max_iter, now {self.max_iter}, or tol, "
            f"now {self.tol:g}, or scale the data"
        )

    def _advice_on_collapse(self) -> str:
        entropy, distortion = self.terms_.output_entropy, self.terms_.distortion
        found = f"the outputs have collapsed: their entropy is {entropy:.3g}, and the distortion is {distortion:.3g} "
        found += f"for data of variance {self.variance_:.3g}; "
        if distortion <= self.variance_ / 2:
            size, data = max(self.sigma_x_, self.sigma_xhat_), math.sqrt(2 * self.variance_)
            words = f"{size:.3g} with distances of about {data:.3g} between samples, so the entropies hardly count"
            return f"{found}the kernel is too wide, {words}: lower sigma, or take sigma='median'"
        units, d = self.parameters_.W.shape
        spread = np.linalg.eigvalsh(np.atleast_2d(np.cov(self._shown.T))) if hasattr(self, "_shown") else np.ones(1)
        if spread[: max(d - units, 0)].sum() > LARGEST_DISTORTION * spread.sum():
            return f"{found}{units} units cannot do better on {d} features: raise n_hidden"
        change = f"raise mu, now {self.mu:g}" if self.distortion is None else f"lower the bound {self.distortion:g}"
        if self.init == "random":
            change += ", use init='auto'"
        return f"{found}{change}, or change the kernel size, now {self.sigma_x_:.3g}"


def _as_generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):  # scikit-learn's tools pass it
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)
