"""The mistakes of hand-written gradients: each changes the way from ∂S/∂K to one array of (17)–(24)."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from ...activations import ACTIVATIONS, TANH, as_activation
from ...numerics.laplacian import graph_laplacian
from .settings import Settings
from .variants import Parts, Variants

__all__ = ["Structure", "structures"]


class Structure(NamedTuple):
    """A mistake, and what the parts of the arrays are with it."""

    name: str
    parts: dict[str, Parts]
    more: str = ""


def structures(variants: Variants, settings: Settings) -> Iterator[Structure]:
    """Iterate over the mistakes that there can be at a point."""
    if settings.guard is None:  # the literal (15), whose multiple of I a Laplacian does not see, but P itself does
        settings = settings._replace(guard=("eigenvalue_cutoff", len(variants.Xhat) * 1e-17))
    Q, P = variants.edges(settings)
    X, Xhat, N = variants.problem.X, variants.Xhat, len(variants.Xhat)
    dD = -2 / N * (X - Xhat)
    graphs: dict[str, Callable[[Array], Array]] = {
        "adjacency_for_laplacian": lambda M: M,
        "degree_only": lambda M: np.diag(M.sum(axis=1)),
        "adjacency_sign": lambda M: np.diag(M.sum(axis=1)) + M,
        "degree_scalar": lambda M: M[0].sum() - M,
    }
    points = [Xhat]
    if variants.problem.parameters is not None:  # as printed, A Ẑᵀ L Ẑ, which a graph without L 1 = 0 tells apart
        points.append(Xhat - variants.problem.parameters.b)
    for (name, graph), Y in itertools.product(graphs.items(), points):
        yield Structure(name, _all(variants, (-4 * graph(Q) @ Y, -4 * graph(P) @ Y, dD)))

    slopes = (-4 * graph_laplacian(Q) @ Xhat, -4 * graph_laplacian(P) @ Xhat, dD)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.nan_to_num(Q / (N * variants.grams(settings)[0]), posinf=0.0, neginf=0.0)
    for M in (N * plain, plain):
        yield Structure("joint_without_k_x", _all(variants, (-4 * graph_laplacian(M) @ Xhat, *slopes[1:])))
    if variants.forward is not None:
        yield from _of_units(variants, slopes)


def _of_units(variants: Variants, slopes: tuple[Array, Array, Array]) -> Iterator[Structure]:
    assert variants.forward is not None
    run, own = variants.forward, as_activation(variants.problem.activation or "linear")
    yield Structure("missing_gprime", _all(variants, slopes, Gprime=np.ones_like(run.Gprime)))
    Xhat, Zhat = variants.Xhat, run.Zhat
    wrong = {"g′(Ẑ)": own.derivative(Zhat), "Ẑ": Zhat, "Ẑ(1 − Ẑ)": Zhat * (1 - Zhat), "1 − Ẑ²": 1 - Zhat**2}
    others = [(name, g) for name, g in {**ACTIVATIONS, "tanh": TANH}.items() if g.name not in ("linear", own.name)]
    wrong |= {f"g′ of {name}": unit.derivative(run.Z) for name, unit in others}
    for words, Gprime in wrong.items():
        if np.abs(Gprime - run.Gprime).max() > 1e-9:
            yield Structure("wrong_gprime", _all(variants, slopes, Gprime=Gprime), words)
    d, p = Xhat.shape[1], Zhat.shape[1]
    if d in (1, p):
        yield Structure("decoder_dropped", _all(variants, slopes, decoder=np.eye(d) if d == p else np.ones((1, p))))


def _all(
    variants: Variants, slopes: tuple[Array, Array, Array], Gprime: Array | None = None, decoder: Array | None = None
) -> dict[str, Parts]:
    """Propagate the three derivatives with respect to X̂ to the parameters."""
    joint, output, distortion = (variants.backward(slope, Gprime=Gprime, decoder=decoder) for slope in slopes)
    return {name: Parts(joint[name], output[name], distortion[name]) for name in joint}
