"""How a deep linear auto-encoder learns: each principal component by itself, the strong ones first, in closed form.

Take L layers without units between them, started so that each is diagonal in the principal components of centred data
and all have the same element a_i there. Gradient ascent on −D_emp with steps going to 0, t = step_size · n_steps, keeps
them so. The strength u_i = a_i^L, with which the network passes on the component of variance γ_i², follows ::

    du/dt = 2 L γ² u^(2 − 2/L) (1 − u),      or with w = ln(u/(1 − u))      dw/dt = 2 L γ² u^(1 − 2/L)

L = 1 gives 1 − (1 − u_0) exp(−2γ²t), L = 2 the logistic function. From a small start the time until u = ½ is about
ln(1/u_0)/(4γ²) for L = 2 and grows as u_0^(2/L − 1) for more: the deeper, the sharper the components are apart, and
stopped at any time the network has the lower rank.
"""

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

from .._validation import Array, as_count, as_fraction, as_positive, as_weights

__all__ = ["deep_linear_strengths"]

TOLERANCE = 1e-10  # of the integration, in w; it is the only error for three layers or more


def deep_linear_strengths(times: npt.ArrayLike, variances: npt.ArrayLike, initial: float, n_layers: int = 2) -> Array:
    """Return u(t), the singular values of a deep linear auto-encoder along the principal components while it learns.

    For two layers u(t) = 1 / (1 + (1/u_0 − 1) exp(−4γ²t)).

    Parameters
    ----------
    times : array_like, shape (n,)
        t ≥ 0: step size times number of steps, of plain gradient ascent on L = −D_emp.
    variances : array_like, shape (d,)
        γ_i² of the data along its principal components, divided by N.
    initial : float
        u_0, the same for all, above 0 and below 1.
    n_layers : int
        L: 2 for encoder and decoder, l + 2 with l linear layers between them.

    Returns
    -------
    Array, shape (n, d)
        u_i at each time.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    A. M. Saxe, J. L. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks, ICLR 2014, for two layers; the power of u for more is from the same balanced start.

    Examples
    --------
    >>> print(deep_linear_strengths([0.0, 1.0, 2.0], [2.0, 0.5], 0.01).round(3))
    [[0.01  0.01 ]
     [0.968 0.069]
     [1.    0.355]]
    """
    t, gamma2 = as_weights(times, "times"), as_weights(variances, "variances")
    u0, L = as_positive(as_fraction(initial, "initial"), "initial"), as_count(n_layers, "n_layers")
    if L == 1:
        return 1 - (1 - u0) * np.exp(-2 * np.outer(t, gamma2))
    if L == 2:
        return 1 / (1 + (1 / u0 - 1) * np.exp(-4 * np.outer(t, gamma2)))
    # All components run through the same curve at their own speed, s = γ² t. In w the equation is not stiff.
    s = np.outer(t, gamma2)

    def slope(_: float, w: Array) -> Array:
        return 2 * L * expit(w) ** (1 - 2 / L)

    curve = solve_ivp(slope, (0, s.max() + 1), [logit(u0)], "DOP853", dense_output=True, rtol=TOLERANCE, atol=TOLERANCE)
    return expit(curve.sol(s.ravel())[0]).reshape(s.shape)
