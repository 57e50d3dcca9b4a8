"""`compare`: a person's arrays beside ours, with a verdict for each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...activations import Activation
from ...autoencoder import Parameters
from ...matrices import gaussian_gram
from ...numerics.spectrum import eigenvalues
from .arrays import Given, Reading, accept, rounding_limit
from .comparison import ArrayComparison, Comparison, Explanation
from .search import CHANCE, Candidate, Finding, Fit, Search

__all__ = ["compare"]


def compare(
    X: npt.ArrayLike,
    parameters: Parameters | Mapping[str, npt.ArrayLike],
    results: Mapping[str, npt.ArrayLike],
    *,
    activation: str | Activation,
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
) -> Comparison:
    """Compare results of another implementation of (25) with ours, and explain where they differ.

    Where something differs, the known conventions are tried: alone, in pairs, in threes, until all arrays fit at once;
    all that fit equally well are named. If nothing fits everything, what fits most is taken and the rest called wrong.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows. Transposed inputs, here and below, are recognised.
    parameters : Parameters or mapping of str to array_like
        W, c, A, b, in this order or under these names.
    results : mapping of str to array_like
        Any of Xhat, K_X, K_Xhat, distortion, joint_entropy, output_entropy, conditional_entropy, value (that is L) and
        its gradient dW, dc, dA, db. Gram matrices are those of trace 1, entropies are in `base`.
    activation : str or Activation
        The units g.
    alpha : float
        Order α > 0 of the entropy.
    mu : float
        Trade-off μ ≥ 0.
    sigma_x, sigma_xhat : float
        Kernel sizes for inputs and outputs.
    base : float
        Of the logarithm: 2 for bits.

    Returns
    -------
    Comparison
        With ``agrees``, ``verdict``, a row for each array, and the explanation; as text, a report.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, nothing is to be compared, shapes do not fit, or something is masked, bound to an
        automatic derivative, not finite or out of range.

    Notes
    -----
    Eq. (25) of the paper, with everything on the way to it.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref import RateDistortion, initial_parameters
    >>> from rdae_ref.verify.compare import compare
    >>> rng = np.random.default_rng(0)
    >>> X, parameters = rng.normal(size=(20, 2)), initial_parameters(2, 5, rng)
    >>> settings = {"activation": "logsig", "alpha": 1.01, "mu": 1.5, "sigma_x": 0.5, "sigma_xhat": 0.5}
    >>> value, gradient = RateDistortion(X, base=np.e, **settings).value_and_gradient(parameters)
    >>> comparison = compare(X, parameters, {"value": value, "dW": gradient.W}, **settings)
    >>> comparison.verdict, comparison.explanation.alternatives
    ('explained', (('natural_log',),))
    """
    settings: dict[str, Any] = {"activation": activation, "alpha": alpha, "mu": mu, "base": base}
    readings = accept(X, parameters, results, settings | {"sigma_x": sigma_x, "sigma_xhat": sigma_xhat})
    first: Comparison | None = None
    for reading in readings:
        search = Search(reading)
        finding = search.run()
        if finding.complete or first is None:
            comparison = _report(reading, search, finding)
            if finding.complete:
                return comparison
            first = comparison
    assert first is not None
    return first


def _report(reading: Reading, search: Search, finding: Finding) -> Comparison:
    rows, explained = [], []
    for given in reading.given:
        ours, fit = search.fit(given, search.ours.settings), finding.fits[given.name]
        if fit.fits and not (ours.fits and not ours.layout):
            explained.append(given.name)
        verdict = _verdict(given, ours, fit, finding, search)
        rows.append(
            ArrayComparison(
                name=given.name,
                precision=given.precision,
                relative_error=ours.error,
                limit=given.limit,
                worst=given.name + (str(list(ours.index)) if ours.index else ""),
                yours=ours.yours,
                ours=ours.ours,
                verdict=verdict,
                remark="" if fit.fits else _remark(given, fit, finding, search),
            )
        )
    notes = list(reading.notes)
    if not finding.candidates[0].conventions and finding.complete and (unseen := search.unseen()):
        notes.append("these arrays would be the same with " + "; ".join(c.sentence for c in unseen))
    if search.left_out:
        notes.append(
            f"{search.left_out} comparisons under other kernels were left out: at N = {len(reading.problem.X)} their "
            "eigendecompositions take too long; bring fewer samples"
        )
    return Comparison(tuple(rows), _explanation(tuple(explained), search, finding), tuple(notes))


def _verdict(given: Given, ours: Fit, fit: Fit, finding: Finding, search: Search) -> str:
    if ours.fits and fit.fits and not ours.layout:
        return "agrees"
    if fit.fits:
        return "explained" if finding.chance <= CHANCE else "undecided"
    return "undecided" if given.name in ("dW", "dc", "dA") and _singular(search, given.precision) else "wrong"


def _remark(given: Given, fit: Fit, finding: Finding, search: Search) -> str:
    """Say what is known about an array that nothing explains."""
    size, alpha = given.array.size, search.reading.problem.alpha
    under = f" with {_sentence(finding.candidates[0], search)}" if finding.candidates[0].conventions else ""
    where = given.name + (str(list(fit.index)) if fit.index else "")
    parts = [f"no convention explains it; {where} is {fit.yours:.9g}, ours{under} {fit.ours:.9g}"]
    if size > 1:
        n_differ, factor = search.pattern(given, finding.candidates[0])
        parts.append(f"{n_differ} of {size} elements differ")
        parts += [] if factor is None else [f"each is {factor:.6g} times ours"]
    if given.precision == "float64" and fit.error <= rounding_limit(given.name, "float32", alpha):
        parts.append("an error of this size is what float32 leaves")
    if given.name in ("dW", "dc", "dA") and _singular(search, given.precision):
        parts = [f"at α = {alpha:g} the derivative at a singular Gram matrix is infinite", *parts]
    alone = search.alone(given)
    if alone and len(search.reading.given) > 1 and 2 * given.limit * len(search.conventions) <= CHANCE:
        parts.append(f"alone it would equal ours with {alone[0].conventions[0].sentence}; other arrays contradict that")
    return "; ".join(parts)


def _singular(search: Search, precision: str) -> bool:
    """Tell whether the derivatives of the entropies are infinite, as far as the precision can tell."""
    problem = search.reading.problem
    if problem.alpha > 1:
        return False
    values = eigenvalues(gaussian_gram(search.variants.forward.Xhat, problem.sigma_xhat))
    return bool(values[0] <= len(values) * np.finfo(precision).eps * values[-1])


def _explanation(explained: tuple[str, ...], search: Search, finding: Finding) -> Explanation | None:
    if not explained:
        return None
    moved = tuple(f"{name} {fit.layout}" for name, fit in finding.fits.items() if fit.fits and fit.layout)
    return Explanation(
        explains=explained,
        alternatives=tuple(tuple(c.key for c in candidate.conventions) for candidate in finding.candidates),
        sentences=tuple(_sentence(candidate, search, moved) for candidate in finding.candidates),
        layouts=moved,
        error=max(finding.fits[name].error for name in explained),
        n_tried=finding.n_tried,
        chance=finding.chance,
        strong=finding.chance <= CHANCE,
    )


def _sentence(candidate: Candidate, search: Search, moved: tuple[str, ...] = ()) -> str:
    words = [convention.sentence for convention in candidate.conventions]
    if candidate.settings.kernel != search.ours.settings.kernel:
        sizes = search.variants.sizes(candidate.settings)
        words = [
            f"{word} (as our kernel with sigma_x = {sizes.x:.6g}, sigma_xhat = {sizes.xhat:.6g})"
            if "kernel" in convention.change
            else word
            for word, convention in zip(words, candidate.conventions, strict=True)
        ]
    return " and ".join([*words, *moved])
