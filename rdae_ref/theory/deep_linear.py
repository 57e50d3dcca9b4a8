"""How a deep linear auto-encoder learns: each principal component separately, the strong ones first, in closed form.

Take L layers without units between them, initialised so that each is diagonal in the principal components of centred
data, with the same element a_i in all layers. Gradient ascent on −D_emp with small steps, t = step_size · n_steps,
keeps them so. The strength u_i = a_i^L with which the network passes on the component of variance γ_i² follows ::

    du/dt = 2 L γ² u^(2 − 2/L) (1 − u),      or with w = ln(u/(1 − u))      dw/dt = 2 L γ² u^(1 − 2/L)

L = 1 gives 1 − (1 − u_0) exp(−2γ²t), L = 2 the logistic function (A. M. Saxe, J. L. McClelland, S. Ganguli, ICLR 2014).
From a small u_0 the time until u = ½ is about ln(1/u_0)/(4γ²) for L = 2 and grows as u_0^(2/L − 1) for more layers: the
deeper the network, the farther apart in time its components are learned, and the lower its rank if stopped early.
"""

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

from .._validation import Array, as_count, as_fraction, as_positive, as_weights

__all__ = ["deep_linear_strengths"]

TOLERANCE = 1e-10  # of the integration, in w; the only error for three layers or more
LEARNED = 40.0  # the w from which u is 1 to rounding


def deep_linear_strengths(times: npt.ArrayLike, variances: npt.ArrayLike, initial: float, n_layers: int = 2) -> Array:
    """Return u(t), the singular values of a deep linear auto-encoder along the principal components while it learns.

    For two layers u(t) = 1 / (1 + (1/u_0 − 1) exp(−4γ²t)).

    Parameters
    ----------
    times, variances, initial, n_layers : array_like, shapes (n,) and (d,), float and int
        t ≥ 0; γ_i² of the data along its principal components, divided by N; u_0 of all components, in (0, 1); and L,
        2 for encoder and decoder without linear layers between them.

    Returns
    -------
    Array, shape (n, d)
        u_i at each time.

    Examples
    --------
    >>> print(deep_linear_strengths([0.0, 1.0, 2.0], [2.0, 0.5], 0.01).round(3))
    [[0.01  0.01 ]
     [0.968 0.069]
     [1.    0.355]]
    """
    t, gamma2 = as_weights(times, "times"), as_weights(variances, "variances")
    u0, L = as_positive(as_fraction(initial, "initial"), "initial"), as_count(n_layers, "n_layers")
    with np.errstate(over="ignore"):
        s = np.minimum(np.outer(t, gamma2), 1e300)
    if L == 1:
        return -np.expm1(np.log1p(-u0) - 2 * s)
    if L == 2:
        return expit(logit(u0) + 4 * s)
    # All components run through the same curve at their own speed, s = γ² t. In w the equation is not stiff.

    def slope(_: float, w: Array) -> Array:
        return 2 * L * expit(w) ** (1 - 2 / L)

    def learned(_: float, w: Array) -> float:
        return float(w[0]) - LEARNED

    learned.terminal = True  # type: ignore[attr-defined]
    accuracy = {"rtol": TOLERANCE, "atol": TOLERANCE, "dense_output": True}
    curve = solve_ivp(slope, (0, s.max() + 1), [logit(u0)], "DOP853", events=learned, **accuracy)
    return expit(curve.sol(np.minimum(s, curve.t[-1]).ravel())[0]).reshape(s.shape)
