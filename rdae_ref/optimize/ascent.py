"""Gradient ascent: the paper's, with momentum or a line search, and Adam."""

import math
from collections.abc import Sequence

import numpy as np

from .._validation import Array, as_count, as_fraction, as_nonnegative, as_positive
from ..objective import Objective
from ..pytree import Pytree
from .iteration import Ascent, Callback, DivergenceError, Point, Result

__all__ = ["adam", "gradient_ascent"]

HALVINGS = 60  # of a line search: 1e-18 of the first step changes nothing


def gradient_ascent(
    objective: Objective,
    parameters: Pytree,
    *,
    step_size: float,
    n_steps: int,
    momentum: float = 0.0,
    line_search: bool = False,
    callback: Callback | None = None,
) -> Result:
    """Maximise by v ← momentum · v + step_size · ∇L, θ ← θ + v, the algorithm of the paper.

    §3.2 of the paper, which states neither step nor start.

    Parameters
    ----------
    objective, parameters : Objective and pytree
        The function to maximise, and where to start.
    step_size, n_steps : float and int
        Above 0; with `line_search` the first step to try, and after that twice the last one accepted. And how many.
    momentum : float
        From 0 (none) to below 1.
    line_search : bool
        Halve each step until L rises by at least 10⁻⁴ of what the gradient predicts (Armijo's rule). Requires a
        deterministic objective and no momentum.
    callback : callable, optional
        Called with a `Step` after each one.

    Returns
    -------
    Result
        x (the parameters), fun (L), nit, success, message, history; after Ctrl-C those of the last step. If L or its
        gradient is not finite, a `DivergenceError` carries the last good parameters: so it is for all optimisers.
    """
    step_size, n_steps = as_positive(step_size, "step_size"), as_count(n_steps, "n_steps")
    if not 0 <= as_nonnegative(momentum, "momentum") < 1:
        raise ValueError(f"momentum must be below 1, got {momentum}")
    if line_search and momentum > 0:
        raise ValueError(f"a line search takes no momentum, got momentum={momentum}: choose one of the two")

    ascent = Ascent(objective, parameters, callback)
    x, value, gradient = ascent.start
    velocity = np.zeros_like(x)
    try:
        for _ in range(n_steps):
            if line_search:
                accepted = _backtrack(ascent, x, value, gradient, step_size)
                if accepted is None:
                    at_top = float(np.linalg.norm(gradient)) <= 1e-6 * max(1.0, abs(value))
                    return ascent.result(at_top, "no step along the gradient increases the objective")
                step_size, (x, value, gradient) = accepted
            else:
                velocity = momentum * velocity + step_size * gradient
                x, value, gradient = ascent.evaluate(x + velocity)
            ascent.accept(x, value, gradient)
    except KeyboardInterrupt:
        return ascent.result(False, "interrupted")
    return ascent.result(True, f"{n_steps} steps done")


def _backtrack(ascent: Ascent, x: Array, value: float, gradient: Array, step_size: float) -> tuple[float, Point] | None:
    """Return twice the accepted step, and the point there; None if no step helps."""
    predicted = float(gradient @ gradient)
    if predicted == 0:
        return None
    # At least a step that shows in the parameters, and a rise that shows in the value.
    step_size = max(step_size, 1e-8 * float(np.linalg.norm(x)) / math.sqrt(predicted), 1e-10 * abs(value) / predicted)
    for _ in range(HALVINGS):
        try:
            point = ascent.evaluate(x + step_size * gradient)
        except DivergenceError:  # too far: that is what the search is for
            pass
        else:
            if point.value > value and point.value - value >= 1e-4 * step_size * predicted:
                return 2 * step_size, point
        step_size /= 2
    return None


def adam(
    objective: Objective,
    parameters: Pytree,
    *,
    step_size: float = 1e-3,
    n_steps: int,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    decay: float = 0.0,
    callback: Callback | None = None,
) -> Result:
    """Maximise by Adam, or with `decay` by AdamW.

    With the gradient g, element by element, and t = 1, 2, …::

        m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
        θ ← θ + step_size · (m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) − decay · θ)

    Parameters
    ----------
    objective, parameters : Objective and pytree
        The function to maximise, which may be random, such as `MiniBatches`; and where to start.
    step_size, n_steps : float and int
        About the distance that each parameter moves in a step, above 0; and how many.
    betas, epsilon : (float, float) and float
        β₁ and β₂, each from 0 to below 1; and ε > 0.
    decay : float
        Decoupled weight decay, 0 or above, of all parameters. A penalty in L instead, as `WeightDecay` has, would be
        divided by √v: parameters without a gradient would then move by whole steps towards 0, and others hardly.
    callback : callable, optional
        Called with a `Step` after each one.

    Returns
    -------
    Result
        As for `gradient_ascent`; fun is L as last evaluated, on one batch if there are batches.

    Notes
    -----
    D. P. Kingma, J. Ba: Adam: a method for stochastic optimization, ICLR 2015, Algorithm 1, with its defaults.
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization, ICLR 2019, Algorithm 2 with the schedule in the
    step size.

    Examples
    --------
    >>> import numpy as np
    >>> class Parabola:
    ...     def value_and_gradient(self, x):
    ...         return -float(x @ x), -2 * x
    >>> print(adam(Parabola(), np.array([1.0, -3.0]), step_size=0.1, n_steps=500).x.round(6) + 0)
    [0. 0.]
    """
    step_size, n_steps = as_positive(step_size, "step_size"), as_count(n_steps, "n_steps")
    if not isinstance(betas, Sequence) or len(betas) != 2:
        raise TypeError(f"betas must be a pair of numbers, got {betas!r}")
    beta1, beta2 = (as_fraction(beta, f"betas[{i}]") for i, beta in enumerate(betas))
    epsilon, decay = as_positive(epsilon, "epsilon"), as_nonnegative(decay, "decay")

    ascent = Ascent(objective, parameters, callback)
    x, value, g = ascent.start
    m, v = np.zeros_like(x), np.zeros_like(x)
    try:
        for t in range(1, n_steps + 1):
            x, value, g = ascent.evaluate(adam_step(x, g, (m, v), t, step_size, (beta1, beta2), epsilon, decay))
            ascent.accept(x, value, g)
    except KeyboardInterrupt:
        return ascent.result(False, "interrupted")
    return ascent.result(True, f"{n_steps} steps done")


def adam_step(
    x: Array, g: Array, moments: tuple[Array, Array], t: int, step_size: float, betas: tuple[float, float],
    epsilon: float, decay: float = 0.0,
) -> Array:  # fmt: skip
    """Return the parameters after step t of Adam from x, where the gradient is g; the moments are updated in place.

    What divides m and v is a factor of the step size and of ε: Kingma and Ba, the end of Section 2.
    """
    (m, v), (beta1, beta2), scale = moments, betas, math.sqrt(1 - betas[1] ** t)
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g**2
    step = np.sqrt(v)
    step += scale * epsilon
    np.divide(m, step, out=step)
    step *= step_size * scale / (1 - beta1**t)
    step += (1 - step_size * decay) * x if decay else x
    return step
