"""What β means: it depends on how a library normalises the two terms of its loss."""

from typing import NamedTuple

from .._validation import as_choice, as_count, as_nonnegative, as_positive

__all__ = ["BETA_CONVENTIONS", "BetaConvention", "convert_beta"]

MISFITS = ("log_likelihood", "half_squared_error", "squared_error")
REDUCTIONS = ("sum", "mean")


class BetaConvention(NamedTuple):
    """How a library writes its loss, reconstruction + β · KL; both are means over samples.

    Examples
    --------
    >>> yours = BetaConvention("half_squared_error", over_features="mean")  # ½ (x − x̂)², a mean over pixels, and Σ KL
    >>> convert_beta(4.0, "this package", yours, n_features=100, n_latents=8, variance=0.5)
    0.02
    """

    # −log p(x | z), |x − x̂|²/(2s²) plus a constant or the cross entropy; "half_squared_error" and "squared_error"
    misfit: str = "log_likelihood"
    over_features: str = "sum"  #: or "mean", also the next
    over_latents: str = "sum"


BETA_CONVENTIONS = {
    "this package": BetaConvention(),
    "normalised": BetaConvention(over_features="mean", over_latents="mean"),
    "half squared error": BetaConvention("half_squared_error"),
    "squared error": BetaConvention("squared_error"),
    "mean squared error": BetaConvention("squared_error", over_features="mean"),
    "mean squared error, mean KL": BetaConvention("squared_error", over_features="mean", over_latents="mean"),
    "mean log likelihood": BetaConvention(over_features="mean"),
}


def convert_beta(
    beta: float,
    source: str | BetaConvention,
    target: str | BetaConvention,
    *,
    n_features: int,
    n_latents: int,
    variance: float = 1.0,
) -> float:
    """Return the β of one convention that has the same optima as a given β of another.

    A loss is r · Σ_features (misfit) + β κ · Σ_latents KL, and only β κ/r matters. For d features, k latents and a
    decoder of variance s² ::

        convention                      loss, mean over samples                β, for β = 1 here
        this package                    Σ −log p  + β Σ KL                     1
        normalised (Higgins et al.)     (1/d) Σ −log p  + β (1/k) Σ KL         k/d
        mean log likelihood             (1/d) Σ −log p  + β Σ KL               1/d
        half squared error              ½ Σ (x − x̂)²  + β Σ KL                 s²
        squared error                   Σ (x − x̂)²  + β Σ KL                   2s²
        mean squared error              (1/d) Σ (x − x̂)²  + β Σ KL             2s²/d
        mean squared error, mean KL     (1/d) Σ (x − x̂)²  + β (1/k) Σ KL       2s²k/d

    Parameters
    ----------
    beta, source, target : float, and str or BetaConvention
        β ≥ 0 in the convention of `source`; and keys of `BETA_CONVENTIONS`, or your own conventions.
    n_features, n_latents, variance : int, int and float
        d, pixels times channels; k; and s² of the Gaussian likelihood, needed where only one side has −log p.

    Returns
    -------
    float
        β in the convention of `target`.

    Examples
    --------
    >>> convert_beta(4.0, "this package", "normalised", n_features=4096, n_latents=10)
    0.009765625
    >>> convert_beta(0.01, "mean squared error", "this package", n_features=784, n_latents=10, variance=0.5)
    7.84
    """
    d, k = as_count(n_features, "n_features"), as_count(n_latents, "n_latents")
    beta, s2 = as_nonnegative(beta, "beta"), as_positive(variance, "variance")
    weights = [_weight(_as_convention(c, name), d, k, s2) for c, name in ((source, "source"), (target, "target"))]
    return as_nonnegative(beta * weights[0] / weights[1], "the converted beta")


def _weight(convention: BetaConvention, d: int, k: int, s2: float) -> float:
    """Return κ s²/r: the weight of the KL, summed over latents, beside s² times −log p, summed over features."""
    squared = {"log_likelihood": s2, "half_squared_error": 1.0, "squared_error": 0.5}
    kappa = 1 / k if convention.over_latents == "mean" else 1.0
    return kappa * squared[convention.misfit] * (d if convention.over_features == "mean" else 1)


def _as_convention(convention: str | BetaConvention, name: str) -> BetaConvention:
    if not isinstance(convention, BetaConvention):
        return BETA_CONVENTIONS[as_choice(convention, name, BETA_CONVENTIONS)]
    for field, choices in zip(BetaConvention._fields, (MISFITS, REDUCTIONS, REDUCTIONS), strict=True):
        as_choice(getattr(convention, field), f"{name}.{field}", choices)
    return convention
