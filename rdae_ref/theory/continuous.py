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

from .._validation import Array, as_positive, as_vector
from .blahut_arimoto import blahut_arimoto
from .sample import dual_bound

__all__ = ["LagrangianBounds", "continuous_bounds"]

NODES = 20  # of Gauss and Legendre's rule, in each cell
TOLERANCE = 1e-5  # bits, of the finite problems
EMPTY = 1e-290  # mass of a cell that is left out: far below rounding, and its mean could lose digits


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
    widths = np.diff(cells)
    if not widths.size or (widths <= 0).any():
        raise ValueError(f"edges must be two numbers or more, each above the one before, got {cells}: sort them")
    width = float(widths.max())
    if beta * width * width >= 2:
        raise ValueError(f"slope must be below 2/width² = {2 / width / width:.3g} for the widest cell, got {beta:g}")
    bounds = [_of_component(p, cells, beta, width) for p in densities]
    return LagrangianBounds(*np.sum(bounds, axis=0).tolist())


def _of_component(density: Callable[[Array], Array], cells: Array, beta: float, width: float) -> tuple[float, float]:
    inner, tails = _moments(density, cells)
    inside = float(inner[0].sum())
    total = inside + float(tails[0].sum())
    if not abs(total - 1) < 1e-6:
        raise ValueError(f"densities must have integral 1, got {total:.9g}: normalise them, or take finer cells")
    if inner[0].min() < 0:
        raise ValueError(f"densities must not be negative, got the mass {inner[0].min():.3g} in a cell")
    if inside <= EMPTY:
        raise ValueError("edges must enclose some of the mass, got cells where a density is 0: move them")
    steeper, (p, points) = beta * (1 - beta * width**2 / 2), _source(inner)
    letters = p @ blahut_arimoto(p, cdist(points, points, "sqeuclidean"), steeper, tolerance=TOLERANCE).conditional
    lower = dual_bound(points, points, letters / letters.sum(), steeper, p_x=p, tolerance=TOLERANCE) * math.log(2)
    inner[:, 0] += tails[:, 0]  # the outer cells have no end here
    inner[:, -1] += tails[:, 1]
    q, means = _source(inner)
    found = blahut_arimoto(q, cdist(means, means, "sqeuclidean"), beta, tolerance=TOLERANCE)
    variance = float(inner[2].sum() - inner[0].sum() * (q @ means[:, 0] ** 2))
    return inside * lower, found.rate * math.log(2) + beta * (found.distortion + variance)


def _source(moments: Array) -> tuple[Array, Array]:
    """Return the probabilities and the means, shape (n, 1), of the cells that are not empty."""
    mass, first, _ = moments[:, moments[0] > EMPTY]
    return mass / mass.sum(), (first / mass)[:, None]


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
