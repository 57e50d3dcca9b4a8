"""Certified bounds on min I + β D of a source with a density, squared error, any reproductions: Eqs. (2) and (3).

The line is divided into cells. P_k, m_k and v_k are the mass, mean and variance of the source in a cell of width h_k,
F(β) is the minimum of I + β E |X − X̂|² in nats, and F_cells(β) that of the finite source of the m_k with
probabilities P_k:

    F_cells(β̃)  ≤  F(β)  ≤  F_cells(β) + β Σ P_k v_k        β̃ = β (1 − β h²/2), h the largest h_k

Upper bound: the map of the finite source, applied to the mean of a sample's cell. Lower bound: numbers λ_k with
Σ P_k λ_k exp(−β̃ (m_k − y)²) ≤ 1 for all y give F_cells(β̃) ≥ Σ P_k log λ_k, which is its dual, and by Hoeffding's lemma

    E exp(−β (X − y)²)  ≤  exp(−β (m − y)²) E exp(−2β (m − y)(X − m))  ≤  exp(−β (1 − βh²/2) (m − y)²)   in a cell

so they are feasible for the continuous source, too. `dual_bound` bounds the supremum over all y. The mass P_0 outside
the cells has λ = 1: it adds at most P_0 to the sum, and the bound becomes (1 − P_0) F_cells.

The bounds of independent components add up: their λ multiply.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.integrate import quad
from scipy.spatial.distance import cdist

from .._validation import Array, as_increasing, as_positive, as_vector
from .blahut_arimoto import blahut_arimoto
from .sample import dual_bound

__all__ = ["LagrangianBounds", "continuous_bounds"]

NODES = 20  # of Gauss and Legendre's rule, in each cell
TOLERANCE = 1e-5  # bits, of the finite problems


class LagrangianBounds(NamedTuple):
    """lower ≤ min I + β D ≤ upper, in nats."""

    lower: float
    upper: float


def continuous_bounds(
    densities: Sequence[Callable[[Array], Array]], edges: npt.ArrayLike, slope: float
) -> LagrangianBounds:
    """Return bounds on min I + β E |X − X̂|² for independent components with given densities, whatever the map.

    Moments in the cells are computed by quadrature, so the densities must be smooth in each cell.

    Parameters
    ----------
    densities : sequence of callables
        p(x) of each component, from an array of any shape to one of the same shape, of integral 1.
    edges : array_like, shape (n + 1,)
        The increasing edges of n cells, which must hold nearly all of the mass. The bounds differ by about (β h)² D/2.
    slope : float
        β, in nats per unit of squared distance, below 2/h².

    Returns
    -------
    LagrangianBounds
        In nats.

    Examples
    --------
    >>> normal = lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    >>> bounds = continuous_bounds([normal], np.linspace(-7, 7, 201), slope=2.0)
    >>> print(f"{bounds.lower:.3f} <= {0.5 * np.log(4) + 0.5:.3f} <= {bounds.upper:.3f}")  # ½ log(1/D) + βD at D = 1/4
    1.190 <= 1.193 <= 1.194
    """
    beta, cells = as_positive(slope, "slope"), as_vector(edges, "edges")
    width = float(np.diff(as_increasing(cells - cells.min() + 1, "edges, shifted above 0,")).max())
    as_positive(1 - beta * width * width / 2, "1 − slope · width²/2, for the widest cell,")
    bounds = [_of_component(p, cells, beta, width) for p in densities]
    return LagrangianBounds(*np.sum(bounds, axis=0).tolist())


def _of_component(density: Callable[[Array], Array], cells: Array, beta: float, width: float) -> tuple[float, float]:
    inner, tails = _moments(density, cells)
    inside = float(inner[0].sum())
    as_positive(1e-6 - abs(inside + float(tails[0].sum()) - 1), "1e-6 less what the integral of a density is off 1 by")
    steeper, p = beta * (1 - beta * width**2 / 2), inner[0] / inside
    points = (inner[1] / inner[0])[:, None]
    letters = p @ blahut_arimoto(p, cdist(points, points, "sqeuclidean"), steeper, tolerance=TOLERANCE).conditional
    lower = dual_bound(points, points, letters / letters.sum(), steeper, p_x=p, tolerance=TOLERANCE) * math.log(2)
    inner[:, 0] += tails[:, 0]  # the outer cells have no end here
    inner[:, -1] += tails[:, 1]
    means = (inner[1] / inner[0])[:, None]
    found = blahut_arimoto(inner[0] / inner[0].sum(), cdist(means, means, "sqeuclidean"), beta, tolerance=TOLERANCE)
    variance = float(inner[2].sum() - inner[0] @ means[:, 0] ** 2)
    return inside * lower, found.rate * math.log(2) + beta * (found.distortion + variance)


def _moments(density: Callable[[Array], Array], cells: Array) -> tuple[Array, Array]:
    """Return ∫ p, ∫ x p and ∫ x² p over each cell, shape (3, n), and below and above all cells, (3, 2)."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half, middle = np.diff(cells)[:, None] / 2, (cells[1:] + cells[:-1])[:, None] / 2
    x = middle + half * nodes
    masses = half * weights * density(x)
    ends = ((-math.inf, float(cells[0])), (float(cells[-1]), math.inf))

    def moment(t: float, k: int) -> float:
        return t**k * float(density(np.asarray(t)))

    tails = [[quad(moment, *end, args=(k,))[0] for end in ends] for k in range(3)]
    return np.array([(masses * x**k).sum(axis=1) for k in range(3)]), np.array(tails)
