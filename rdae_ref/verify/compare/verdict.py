"""`compare`: a user's arrays and ours, with a verdict for each."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...activations import Activation
from ...autoencoder import Parameters
from ...matrices import gaussian_gram
from ...numerics.spectrum import eigenvalues
from .arrays import Given, Reading, accept, rounding_limit
from .causes import Cause, cause
from .comparison import VERDICTS, ArrayComparison, Comparison, Explanation
from .diagnosis import NEARER, Account, Diagnosis, conventions_of
from .kernels import LENGTHS, KernelReading, laplacian_size, read_kernel, size_in_words, with_rules
from .outputs import networks
from .search import CHANCE, NOT_COMPARED, Candidate, Finding, Fit, Search
from .settings import Settings
from .variants import GRADIENTS, OFFSET, SLOPES, Problem, Variants, standardised

__all__ = ["compare"]


def compare(
    X: npt.ArrayLike,
    parameters: Parameters | Mapping[str, npt.ArrayLike] | list[Any] | None = None,
    results: Mapping[str, npt.ArrayLike] | None = None,
    *,
    Xhat: npt.ArrayLike | None = None,
    activation: str | Activation | None = None,
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
) -> Comparison:
    """Compare results of another implementation of (25) with ours, and name the causes where they differ.

    Eq. (25) of the paper and its intermediate results.

    The arrays are judged in the order of the computation, from the outputs to the gradient. After the first one that
    differs, the others are judged given that one. Known conventions are tried one, two and three at a time; then
    factors, other orders, kernel sizes, guards against small eigenvalues and mistakes in hand-written gradients. All
    explanations that fit equally well are named.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows. Transposed inputs, here and below, are recognised, and tensors are detached.
    parameters : Parameters or mapping of str to array_like, or a list of these, optional
        W, c, A, b, in this order, under these names, or as the state_dict of two linear layers. With a list the
        results are curves: one value, loss, entropy or distortion for each entry.
    results : mapping of str to array_like
        Any of Xhat, K_X, K_Xhat, distortion, joint_entropy, output_entropy, conditional_entropy, value (that is L) and
        its gradient dXhat, dW, dc, dA, db. Gram matrices are those of trace 1, entropies are in `base`. ``loss`` stands
        for −L, and then the gradients are those of the loss; ``grad_W`` and the like are dW.
    Xhat : array_like, shape (N, d), optional
        Outputs of a model of any kind. Without `parameters`, everything is computed from them.
    activation : str or Activation, optional
        The units g; needed with `parameters`.
    alpha, mu, sigma_x, sigma_xhat, base : float
        As in `rdae_ref.RateDistortion`.

    Returns
    -------
    Comparison
        With ``agrees``, ``verdict``, ``causes``, and a row for each array; as text, a report.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, there is nothing to compare, shapes do not fit, an input is masked, not finite or out of
        range, or there are neither parameters nor outputs.

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
    >>> comparison.verdict, [cause.name for cause in comparison.causes]
    ('explained', ['natural_log'])
    """
    settings: dict[str, Any] = {"activation": activation, "alpha": alpha, "mu": mu, "base": base}
    sizes = {"sigma_x": sigma_x, "sigma_xhat": sigma_xhat}
    found = list[Comparison]()
    for reading in accept(X, parameters, Xhat, results, settings | sizes):
        found.append(_Judge(reading).comparison())
        if found[-1].agrees:
            return found[-1]
    return min(found, key=lambda one: sum(VERDICTS.index(row.verdict) for row in one.arrays))


class _Upstream(NamedTuple):
    """What the person's own earlier arrays say about the point."""

    problem: Problem
    settings: Settings
    causes: tuple[Cause, ...]
    departs: tuple[str, ...]  # the arrays that differ and that later ones are judged given
    chain_known: bool = True


class _Judge:
    """The verdicts on one reading, in the order of the computation."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.broken = [given for given in reading.given if not np.isfinite(given.array).all()]
        whole = reading._replace(given=tuple(given for given in reading.given if np.isfinite(given.array).all()))
        self.ours = self.search = Search(whole)
        self.finding = self.ours.run()
        self.upstream = _Upstream(reading.problem, self.ours.ours.settings, (), ())
        if not self.finding.complete:
            self._judge_given_earlier_arrays(whole)
        self.accounts = {} if self.finding.complete else self._diagnoses()

    def _judge_given_earlier_arrays(self, whole: Reading) -> None:
        """Take the person's own outputs and kernels for the later arrays, if more of them are right then."""
        ways = self._kernels(self._outputs(self.upstream))
        if not ways[0].departs:
            self._try_networks(whole)
            return
        later = tuple(given for given in whole.given if given.name not in ways[0].departs)
        searches = [Search(whole._replace(problem=way.problem, given=later), way.settings) for way in ways]
        plain = [sum(search.fit(given, search.ours.settings).fits for given in later) for search in searches]
        best = max(range(len(ways)), key=plain.__getitem__)
        upstream, search = ways[best], searches[best]
        finding = search.run()
        explained = {one.array for one in upstream.causes}
        now = sum(finding.fits[given.name].fits or self._agrees(given) for given in later) + len(explained)
        if now > sum(fit.fits for fit in self.finding.fits.values()) or not later:
            self.upstream, self.search, self.finding = upstream, search, finding

    def _try_networks(self, whole: Reading) -> None:
        """Try other units, biases and outputs where the outputs were not given."""
        problem, now = self.reading.problem, sum(fit.fits for fit in self.finding.fits.values())
        shown = [given.name for given in whole.given if given.name not in ("K_X", "Xhat")]
        if problem.parameters is None or len(shown) < len(whole.given) - 1 or not shown:
            return
        for network in itertools.takewhile(lambda one: len(one.causes) == 1, networks(problem, shown[0])):
            search = Search(whole._replace(problem=network.problem))
            fits = {given.name: search.fit(given, search.ours.settings) for given in whole.given}
            missing = len(fits) - sum(fit.fits for fit in fits.values())
            if len(fits) - missing > now and missing <= 2 * (network.causes[0].name != "activation"):
                self.upstream = self.upstream._replace(problem=network.problem, causes=network.causes)
                self.search, self.finding = search, Finding((search.ours,), fits, 1, 0.0)
                return

    def _differs(self, name: str) -> Given | None:
        """Return what was given under a name, if it differs from ours."""
        for given in self.ours.reading.given:
            if given.name == name and not self.ours.fit(given, self.ours.ours.settings).fits:
                return given
        return None

    def _outputs(self, start: _Upstream) -> _Upstream:
        given = self._differs("Xhat")
        if given is None:
            return start
        theirs = given.array if given.array.shape == start.problem.X.shape else given.array.T
        for network in networks(start.problem, "Xhat"):
            try:
                other = Variants(network.problem).Xhat
            except ValueError:  # it overflows
                continue
            if np.abs(other - theirs).max() <= given.allowed(float(np.abs(other).max())):
                return start._replace(problem=network.problem, causes=network.causes, departs=("Xhat",))
        return start._replace(problem=start.problem._replace(Xhat=theirs), departs=("Xhat",), chain_known=False)

    def _kernels(self, start: _Upstream) -> list[_Upstream]:
        """Read the kernel off Gram matrices that differ; there may be several ways to go on from them."""
        problem, found, departs = start.problem, dict[str, KernelReading | None](), start.departs
        variants = self.ours.variants if start.problem is self.reading.problem else Variants(start.problem)
        code = {} if variants.forward is None else {"code": variants.forward.Zhat}
        for name, own, other, sigma in (
            ("K_X", problem.X, variants.Xhat, problem.sigma_x),
            ("K_Xhat", variants.Xhat, problem.X, problem.sigma_xhat),
        ):
            given = self._differs(name)
            if given is None or (departs and _close(given, gaussian_gram(own, sigma))):
                continue
            usual = {"standardised": standardised(own)[0], "offset": standardised(own, OFFSET)[0]}
            samples = {"own": own, "kernel_one_side": other, **usual, **code}
            found[name] = read_kernel(name, given.array, samples, sigma, given.allowed(1 / len(own)))
        readings = [one for one in found.values() if one]
        causes = (*start.causes, *(why for one in readings for why in one.causes))
        start = start._replace(causes=causes, departs=(*departs, *found))
        if not readings or len(readings) < len(found) or any(one.change is None for one in readings):
            return [start]
        return [start._replace(settings=start.settings._replace(**change)) for change in self._changes(found)]

    def _changes(self, found: Mapping[str, KernelReading | None]) -> Iterator[dict[str, Any]]:
        """Iterate over changes of the settings that have the kernels found; one that was not given may be like it."""
        p, readings = self.reading.problem, [one for one in found.values() if one]
        given = {one.name for one in self.reading.given}
        sigma = {"K_X": p.sigma_x, "K_Xhat": p.sigma_xhat}
        sizes = {name: one.sigma for name, one in found.items() if one}
        own, theirs = sigma[next(iter(sizes))], next(iter(sizes.values()))
        ways: list[Callable[[float], float]] = [lambda s: s * theirs / own]
        ways += [partial(laplacian_size, length) for length in LENGTHS]
        alike = [size for size in ways if math.isclose(size(own), theirs, rel_tol=1e-6)]
        for size in (lambda s: s, *alike):
            pair = tuple(sizes.get(name, sigma[name] if name in given else size(sigma[name])) for name in sigma)
            yield from with_rules({**(readings[-1].change or {}), "size": pair})

    def _diagnoses(self) -> dict[str, list[Account]]:
        """Return accounts of the arrays that neither agree nor follow from a convention."""
        bases = [(candidate.settings, conventions_of(candidate)) for candidate in self.finding.candidates[:2]]
        bases.append((self.search.ours.settings, ()))
        diagnosis = Diagnosis(self.search, list(dict(bases).items()))
        accounts = {}
        for given in self.search.reading.given:
            right = self._agrees(given) or self.finding.fits[given.name].fits
            unknown = given.name in GRADIENTS and not self.upstream.chain_known
            if not (right or unknown or _singular(self.search, given)):
                accounts[given.name] = diagnosis.accounts(given)
        return self._across_arrays(_in_common(accounts))

    def _across_arrays(self, accounts: dict[str, list[Account]]) -> dict[str, list[Account]]:
        """Add causes that only the gradients together show: a norm that was clipped, a part missing in one array."""
        slopes = [given for given in self.search.reading.given if given.name in GRADIENTS]
        scales = [_scale(accounts.get(given.name, [])) for given in slopes]
        if len(slopes) > 1 and 0 < scales[0] < 1 and np.allclose(scales, scales[0], rtol=1e-6):
            norm = float(np.sqrt(sum(np.sum(given.array**2) for given in slopes)))
            if abs(norm - float(f"{norm:.2g}")) < 1e-5 * norm:  # a number that somebody chose
                for given in slopes:
                    clipped = accounts[given.name][0]._replace(causes=(cause("gradient_clipped", given.name, norm),))
                    accounts[given.name].append(clipped)
        for name, found in accounts.items():
            parts = {one.name for account in found if account.fits for one in account.causes}
            others = [given for given in slopes if given.name not in (name, "db")]
            if parts & {"detached_joint", "detached_output"} and others and all(map(self._agrees, others)):
                found.append(found[0]._replace(causes=(cause("entropy_part_dropped", name),)))
        return accounts

    def _agrees(self, given: Given) -> bool:
        ours = self.ours.fit(given, self.ours.ours.settings)
        return ours.fits and not ours.layout

    def comparison(self) -> Comparison:
        rows, explained, causes = [], [], list(self.upstream.causes)
        for given in self.reading.given:
            if given in self.broken:
                row, why = self._broken_row(given)
            elif given.name in self.upstream.departs:
                words = [one.text for one in self.upstream.causes if one.array == given.name]
                remark = "equal ours with " + " and ".join(words) if words else self._unexplained(given)
                row, why = self._row(given, "explained" if words else "wrong", remark), ()
            else:
                row, why = self._judged(given)
            fit = self.finding.fits.get(given.name)
            named = fit and (fit.layout or self.finding.candidates[0].conventions)
            if row.verdict in ("explained", "undecided") and fit and fit.fits and named and not self._agrees(given):
                explained.append(given.name)
            rows.append(row)
            causes += [one for one in why if all(one.name != c.name or one.number != c.number for c in causes)]
        if explained:
            for candidate in self.finding.candidates:
                known = [one.name for one in causes]
                causes += [one for one in self._of_candidate(candidate, explained[0]) if one.name not in known]
        explanation = _explanation(tuple(explained), self.search, self.finding)
        return Comparison(tuple(rows), explanation, tuple(causes), tuple(self._notes()))

    def _of_candidate(self, candidate: Candidate, array: str) -> Iterator[Cause]:
        """Iterate over conventions as causes, with the kernel size that they amount to where it has a name."""
        yield from (Cause(one.key, array, None, one.sentence) for one in candidate.conventions)
        variants, sigma = self.search.variants, self.reading.problem.sigma_xhat
        size, own = (variants.sizes(settings).xhat for settings in (candidate.settings, self.search.ours.settings))
        if size != own and (words := size_in_words(size, variants.Xhat, sigma)):
            yield cause("kernel_size", array, size, words)

    def _unexplained(self, given: Given) -> str:
        ours = self.ours
        none = Finding((ours.ours,), {}, 0, 0.0)
        return _remark(given, ours.fit(given, ours.ours.settings), none, ours, [])

    def _judged(self, given: Given) -> tuple[ArrayComparison, tuple[Cause, ...]]:
        fit, departs = self.finding.fits[given.name], " and ".join(self.upstream.departs)
        plain = not fit.layout and not self.finding.candidates[0].conventions
        verdict, remark, why = "agrees", "", tuple[Cause, ...]()
        if self._agrees(given):
            pass
        elif fit.fits and departs and plain:
            verdict, remark = "follows", f"right, given your {departs}"
        elif fit.fits and plain:
            verdict, remark = "explained", "equal ours with " + " and ".join(one.text for one in self.upstream.causes)
        elif fit.fits:
            verdict = "explained" if self.finding.chance <= CHANCE else "undecided"
        elif own := self._follows(given):
            verdict, remark = "follows", f"right, given your {own}"
        elif given.name in GRADIENTS and not self.upstream.chain_known:
            verdict, remark = "undecided", "no telling: your Xhat comes from another network"
        else:
            accounts = self.accounts.get(given.name, [])
            verdict = "undecided" if _singular(self.search, given) else "wrong"
            remark = _remark(given, fit, self.finding, self.search, accounts)
            if accounts and accounts[0].fits:
                why = tuple(one for account in accounts for one in account.causes)
                verdict = "explained" if all(one.of_settings for one in why) else "wrong"
        return self._row(given, verdict, remark), why

    def _follows(self, given: Given) -> str:
        """Name the person's own arrays from which one that differs from ours follows."""
        own = {one.name: one.array for one in self.search.reading.given}
        p, variants = self.search.reading.problem, self.search.variants
        both = {"joint_entropy", "output_entropy"} <= own.keys()
        S = own["joint_entropy"] - own["output_entropy"] if both else None
        if given.name == "conditional_entropy" and S is not None:
            return "entropies" if _close(given, S, 1 + float(np.abs(own["joint_entropy"]).max())) else ""
        if given.name == "value":
            S = own.get("conditional_entropy", S)
            D = own.get("distortion", variants.distortions)
            if S is not None and _close(given, S - p.mu * D, 1 + float(np.max(np.abs(S) + p.mu * D))):
                return "entropies and distortion"
        if given.name in GRADIENTS and "dXhat" in own and variants.forward is not None and p.parameters is not None:
            slope = own["dXhat"]
            slope = slope if slope.shape == variants.Xhat.shape else slope.T
            back = variants.backward(slope)[given.name]
            if _close(given, self.search.reading.expected(given.name, back)):
                return "dXhat"
        return ""

    def _row(self, given: Given, verdict: str, remark: str, fit: Fit | None = None) -> ArrayComparison:
        fit = fit or self.ours.fit(given, self.ours.ours.settings)
        worst, numbers = _place(given, fit), (fit.yours, fit.ours)
        return ArrayComparison(given.name, given.precision, fit.error, given.limit, worst, *numbers, verdict, remark)

    def _broken_row(self, given: Given) -> tuple[ArrayComparison, tuple[Cause, ...]]:
        """Say where an array is not finite, and why it may be."""
        ours = self.ours.variants.predict(given.name, self.ours.ours.settings).array
        ours = self.reading.expected(given.name, ours)
        bad = ~np.isfinite(given.array)
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        of_slope = given.name in SLOPES and all(one.name != "value" for one in self.broken)
        why = cause("zero_distance" if of_slope else "negative_eigenvalue", given.name)
        count = f"{int(bad.sum())} of {bad.size} elements are" if bad.size > 1 else "it is"
        right = float(ours[index]) if ours.shape == given.array.shape else float("nan")
        fit = NOT_COMPARED._replace(index=index, yours=float(given.array[index]), ours=right)
        return self._row(given, "wrong", f"{count} not finite; the likely cause is {why.text}", fit), (why,)

    def _notes(self) -> list[str]:
        notes, search = list(self.reading.notes), self.search
        no_convention = not self.finding.candidates[0].conventions and not self.upstream.departs
        if no_convention and self.finding.complete and search.reading.given and (unseen := search.unseen()):
            notes.append("these arrays would be the same with " + "; ".join(c.sentence for c in unseen))
        if search.left_out:
            notes.append(
                f"{search.left_out} comparisons under other kernels were left out: at N = "
                f"{len(self.reading.problem.X)} their eigendecompositions take too long; bring fewer samples"
            )
        return notes


def _place(given: Given, fit: Fit) -> str:
    """Return the element that differs most, as in dW[3, 1]."""
    return given.name + (str(list(fit.index)) if fit.index else "")


def _close(given: Given, array: npt.ArrayLike, scale: float = 0.0) -> bool:
    array = np.asarray(array)
    array = array if array.shape == given.array.shape else array.T
    return bool(np.abs(given.array - array).max() <= given.allowed(scale + float(np.abs(array).max())))


def _in_common(accounts: dict[str, list[Account]]) -> dict[str, list[Account]]:
    """Keep of several accounts of each array those that are common to all arrays, where there are such."""
    fitting = {name: found for name, found in accounts.items() if found and found[0].fits}
    keys = [{_key(account) for account in found} for found in fitting.values()]
    shared = set.intersection(*keys) if len(keys) > 1 else set()
    return {
        name: [account for account in found if name not in fitting or not shared or _key(account) in shared]
        for name, found in accounts.items()
    }


def _scale(accounts: list[Account]) -> float:
    """Return what multiplies the whole of an array, if that is all that is wrong with it; otherwise NaN."""
    for account in accounts:
        if account.fits and [one.name for one in account.causes] == ["gradient_scale"]:
            return account.causes[0].number or math.nan
    return math.nan


def _key(account: Account) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, "" if one.number is None else f"{one.number:.4g}") for one in account.causes)


def _remark(given: Given, fit: Fit, finding: Finding, search: Search, accounts: list[Account]) -> str:
    """Say what is known about an array that nothing explains."""
    size, alpha = given.array.size, search.reading.problem.alpha
    under = f" with {_sentence(finding.candidates[0], search)}" if finding.candidates[0].conventions else ""
    where = _place(given, fit)
    parts = [f"no convention explains it; {where} is {fit.yours:.9g}, ours{under} {fit.ours:.9g}"]
    explained = accounts and accounts[0].fits
    if explained:
        several = [" and ".join(one.text for one in account.causes) for account in accounts[:4]]
        parts = [f"equal ours with {', or '.join(several)}", f"{where} is {fit.yours:.9g}, ours {fit.ours:.9g}"]
    if size > 1:
        n_differ, factor = search.pattern(given, finding.candidates[0])
        parts.append(f"{n_differ} of {size} elements differ")
        parts += [] if factor is None else [f"each is {factor:.6g} times ours"]
    limits = ((one, rounding_limit(one.name, "float32", alpha)) for one in search.reading.given)
    as_float32 = all(search.fit(one, search.ours.settings).error <= limit for one, limit in limits)
    if not explained and given.precision == "float64" and as_float32:
        parts.append("an error of this size is what float32 leaves")
    if given.name in SLOPES and given.name != "db" and _singular(search, given):
        parts = [f"at α = {alpha:g} the derivative at a singular Gram matrix is infinite", *parts]
    elif accounts and not accounts[0].fits and accounts[0].error < NEARER * fit.error:
        words = " and ".join(one.text for one in accounts[0].causes)
        parts.append(f"nearest: with {words} the error falls from {fit.error:.1e} to {accounts[0].error:.1e}")
    alone = search.alone(given)
    if alone and len(search.reading.given) > 1 and 2 * given.limit * len(search.conventions) <= CHANCE:
        parts.append(f"alone it would equal ours with {alone[0].conventions[0].sentence}; other arrays contradict that")
    return "; ".join(parts)


def _singular(search: Search, given: Given) -> bool:
    """Tell whether the derivatives of the entropies are infinite, as far as the precision can tell."""
    problem = search.reading.problem
    if problem.alpha > 1 or given.name not in SLOPES or given.name == "db":
        return False
    values = eigenvalues(gaussian_gram(search.variants.Xhat, problem.sigma_xhat))
    eps = {"float32": 1.2e-7, "float16": 1e-3, "bfloat16": 8e-3}.get(given.precision, 2.3e-16)
    return bool(values[0] <= len(values) * eps * values[-1])


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
