"""What explains an array that no convention does: factors, orders, kernel sizes, guards, mistakes made by hand."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from .arrays import Given
from .causes import CAUSES, Cause, Factors, cause, general_factors, known_factors, product
from .guards import GUARDS
from .kernels import other_kernels
from .search import Candidate, Search
from .settings import Settings
from .structures import structures
from .variants import SLOPES, SPECTRAL, Parts

__all__ = ["Account", "Diagnosis", "conventions_of"]

ORDERS = (1.0, 2.0, 0.5, 1.01, 1.001, 1.1, 1.5, 3.0, 5.0, math.inf, 0.9, 0.99, 1.005, 1.02, 1.05, 1.2, 1.25, 4.0, 10.0)
DECADES = tuple(10.0**-k for k in range(2, 17))
MANTISSAS = (1.0, 2.0, 3.0, 5.0, 1.1920929, 2.220446)  # the last two of the machine numbers of float32 and float64
FREE = 6  # numbers that an array must have for three fitted factors to mean anything
WORTHWHILE = 0.9  # a guard is looked at more closely if it leaves less of the error than that
FINEST = 30  # steps in which its number is fitted
NEARER = 0.1  # a reading is worth telling if it leaves less of the error than that
FEW = 150  # samples up to which guards are tried on a fine grid, and beside other kernels
GUARDS_UP_TO = 400  # samples; beyond, guards are tried on arrays only where each costs less than a product of matrices


class Account(NamedTuple):
    """One explanation of one array."""

    causes: tuple[Cause, ...]
    settings: Settings
    error: float  # what is left, relative to the largest element
    fits: bool


class Diagnosis:
    """Explains arrays one after the other; what explained one is tried first on the next."""

    def __init__(self, search: Search, bases: list[tuple[Settings, tuple[Cause, ...]]]) -> None:
        self.search, self.variants, self.bases = search, search.variants, bases
        p = search.reading.problem
        self.N, self.d = p.X.shape
        self.weights = np.array([1 / math.log(p.base), -1 / math.log(p.base), -p.mu])
        self.known = known_factors(True, p.base, p.mu, self.N, self.d)
        self.vectors = np.array([product(factors)[[0, 1, 3]] for factors in self.known])
        self.known_sums = known_factors(False, p.base, p.mu, self.N, self.d)
        self.sums = np.array([product(factors) for factors in self.known_sums]) * (1, -1, 1, -1)
        self.tried = 0
        self.hopeless = set[bool]()  # kinds of arrays, slopes or not, on which no other setting told anything

    def accounts(self, given: Given) -> list[Account]:
        """Return the explanations with the fewest causes that fit, or the nearest one."""
        found = list[Account]()
        for level in (self._bases, self._hypotheses, self._structures):
            found += level(given)
            if any(account.fits for account in found):
                return self._simplest(given, found)
        nearest = self._nearest(given, found)
        for one in nearest:  # what is left may have a cause of its own
            readings = self._readings if self.N <= FEW else self._orders_and_guards
            found += readings(given, one.settings, one.causes)
        return self._simplest(given, found) or self._nearest(given, found)

    def _simplest(self, given: Given, found: list[Account]) -> list[Account]:
        """Return the fitting ones with the fewest causes, unless random numbers would fit as well."""
        fitting = [account for account in found if account.fits]
        fewest = min((len(account.causes) for account in fitting), default=0)
        simplest = [account for account in fitting if len(account.causes) == fewest]
        self.tried += len(found)
        if self.tried * len(self.known) * 2 * given.limit ** min(given.array.size, 3) > 0.01:
            return []
        for account in simplest[:3]:
            self._remember(account)
        return simplest

    def _nearest(self, given: Given, found: list[Account]) -> list[Account]:
        """Return the other settings that leave the least error, if it is less than chance leaves."""
        before = self.search.fit(given, self.search.ours.settings).error
        readings = [one for one in found if one.causes and all(why.of_settings for why in one.causes)]
        nearest = min(readings, key=lambda one: one.error, default=None)
        if nearest is None or nearest.error > NEARER * before:
            return []
        return [nearest] if len(found) * (nearest.error / before) ** min(given.array.size, 3) < 1 else []

    def _remember(self, account: Account) -> None:
        """Try the settings of an account first on later arrays; its factors, as of a logarithm, are fitted again."""
        of_factors = {one.name for factors in (*self.known, *self.known_sums) for one in factors}
        new = tuple(one for one in account.causes if not one.array or one.name not in of_factors)
        if new and all(account.settings != settings for settings, _ in self.bases):
            self.bases.insert(0, (account.settings, new))

    def _bases(self, given: Given) -> Iterator[Account]:
        for settings, causes in self.bases:
            yield from self._under(given, settings, causes)

    def _hypotheses(self, given: Given) -> Iterator[Account]:
        """Try other orders, kernels and guards, alone and beside the kernel sizes of the conventions."""
        kind = given.name in SLOPES
        if given.name not in SPECTRAL or kind in self.hopeless:
            return
        self.hopeless.add(kind)
        settings, causes = self.bases[-1]
        yield from self._readings(given, settings, causes)
        for candidate in self.search.of_kernels() if self.N <= FEW else []:
            more = (*causes, *conventions_of(candidate))
            yield from self._orders_and_guards(given, candidate.settings, more)

    def _readings(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        """Try one more setting: another order, guard or kernel."""
        yield from self._orders_and_guards(given, settings, causes)
        problem, kind = self.search.reading.problem, given.name in SLOPES
        for change, name, number, words in other_kernels(problem, self.variants, settings, kind):
            more = (*causes, cause(name, given.name, number, words))
            yield from self._within(given, settings._replace(**change), more)

    def _orders_and_guards(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        yield from self._orders(given, settings, causes)
        for rule in GUARDS:
            yield from self._guard(given, settings, causes, rule)

    def _orders(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        """Try other orders, and a mistake in the exponent: all from one spectrum."""
        literal = settings._replace(guard=("eigenvalue_cutoff", self.N * 1e-16))
        for other in ORDERS:
            if other != self.variants.alpha(settings):
                more = (*causes, cause("alpha", given.name, other))
                yield from self._within(given, literal._replace(alpha=other), more)
        if given.name in SLOPES:
            wrong = settings._replace(guard=("exponent", 0.0))
            yield from self._within(given, wrong, (*causes, cause("exponent", given.name)))

    def _within(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        """Try other settings, unless their eigendecompositions take too long."""
        if self.search.affords(given.name, settings):
            yield from self._under(given, settings, causes)

    def _guard(self, given: Given, settings: Settings, causes: tuple[Cause, ...], rule: str) -> Iterator[Account]:
        """Try one guard, its number first by decades and then as near as it can be told."""
        found, cheap = dict[float, Account](), self.N <= GUARDS_UP_TO or given.name not in SLOPES
        first = settings._replace(guard=(rule, DECADES[0]))
        if not self.search.affords(given.name, first) or not (cheap or self.variants.is_linear(first)):
            return

        def best(eps: float) -> Account:
            if eps not in found:
                number = (*causes, cause(rule, given.name, eps))
                tried = self._under(given, settings._replace(guard=(rule, eps)), number)
                none = Account(causes, settings, math.inf, False)
                found[eps] = min(tried, key=_rank, default=none)
            return found[eps]

        plain = min((one.error for one in self._under(given, settings, causes)), default=math.inf)
        alone = not causes
        grid = [m * eps for m in MANTISSAS[: 4 if alone and self.N <= FEW else 1] for eps in DECADES]
        centre = min(grid, key=lambda eps: best(eps).error)
        if found[centre].error > (WORTHWHILE if alone else NEARER) * plain:
            return
        for mantissa, k in itertools.product(MANTISSAS, (-2, -1, 0, 1)):
            if best(mantissa * centre * 10.0**k).fits:
                break
        if not any(one.fits for one in found.values()):
            if given.array.size < FREE:  # any one number can be fitted
                return
            low, high = (math.log(min(found, key=lambda eps: found[eps].error)) + step for step in (-1.2, 1.2))
            for _ in range(FINEST):  # golden section
                left, right = (math.exp(low + share * (high - low)) for share in (0.382, 0.618))
                if best(left).error < best(right).error:
                    high = math.log(right)
                else:
                    low = math.log(left)
        yield min(found.values(), key=_rank)

    def _structures(self, given: Given) -> Iterator[Account]:
        if given.name not in SLOPES or given.name == "db":
            return
        for settings, causes in self.bases:
            if (settings.power, settings.samples, settings.after) != (2.0, "own", ""):
                continue  # P is that of our kernel
            for name, parts, more in structures(self.variants, settings):
                if given.name in parts:
                    here = (*causes, cause(name, given.name, None, more))
                    yield from self._factors(given, parts[given.name], settings, here)

    def _under(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        """Compare with ours under some settings, and with combinations of its parts."""
        if given.name in SLOPES:
            yield from self._factors(given, self.variants.parts(given.name, settings), settings, causes)
        elif given.name == "value":
            yield from self._value(given, settings, causes)
        else:
            fit = self.search.fit(given, settings)
            yield Account(causes, settings, fit.error, fit.fits and math.isfinite(fit.ours))

    def _factors(self, given: Given, parts: Parts, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        arrays = [self.search.reading.expected(given.name, part) for part in parts]
        if arrays[0].shape != given.array.shape:
            arrays = [array.T for array in arrays]
        columns = np.column_stack([w * array.ravel() for w, array in zip(self.weights, arrays, strict=True)])
        yours, sizes = given.array.ravel(), np.abs(columns).max(axis=0)
        if not np.isfinite(sizes).all():
            return
        largest = float(np.abs(columns.sum(axis=1)).max()) or 1.0

        def account(vector: Array, more: tuple[Cause, ...]) -> Account:
            error = float(np.abs(yours - columns @ vector).max())
            allowed = given.allowed(float(sizes @ np.maximum(np.abs(vector), 1e-300)))
            return Account((*causes, *more), settings, error / largest, error <= allowed)

        plain = account(np.ones(3), ())
        yield plain
        if plain.fits or not sizes.any():
            return
        free, determined = _least_squares(columns, yours, sizes)
        if account(free, ()).error * largest > 100 * given.allowed(float(sizes @ np.abs(free)) + largest):
            yield from self._other(given, columns, plain, causes, settings)
            return
        distance = np.abs((self.vectors - free)[:, sizes > 0]).max(axis=1)
        near = (distance <= 1e-2 * (1 + np.abs(self.vectors).max(axis=1))) | (not determined)
        words = {k: tuple(_as_cause(one, given) for one in self.known[k]) for k in np.flatnonzero(near)}
        known = [one for one in (account(self.vectors[k], more) for k, more in words.items()) if one.fits]
        ours = columns.sum(axis=1)
        scale = float(ours @ yours / (ours @ ours)) if ours.any() else 0.0
        if not known and yours.size > 2 and scale:
            known = [account(np.full(3, scale), (cause("gradient_scale", given.name, scale),))]
        yield from known
        if not any(one.fits for one in known) and yours.size >= FREE and determined:
            general = general_factors(free)
            yield account(free, (_as_cause(general, given),) * (1 if general.number is not None else 2))

    def _other(
        self, given: Given, columns: Array, plain: Account, causes: tuple[Cause, ...], settings: Settings
    ) -> Iterator[Account]:
        """Try weight decay, and elements that were clipped."""
        ours, yours = columns.sum(axis=1), given.array.ravel()
        parameters, name = self.search.reading.problem.parameters, given.name[1:]
        allowed = given.allowed(float(np.abs(columns).max(axis=0).sum()))
        if parameters is not None and name in parameters._fields and yours.size > 2:
            theta = getattr(parameters, name)
            theta = (theta if theta.shape == given.array.shape else theta.T).ravel()
            number = float(theta @ (ours - yours) / (theta @ theta)) if theta.any() else 0.0
            error = float(np.abs(yours - ours + number * theta).max())
            if error <= allowed + 1e-12 * abs(number) * np.abs(theta).max():
                yield Account((*causes, cause("weight_decay", given.name, number)), settings, error, True)
        limit = float(np.abs(yours).max())
        if np.sum(np.abs(yours) >= limit * (1 - 1e-12)) > 1:
            error = float(np.abs(yours - np.clip(ours, -limit, limit)).max())
            clipped = cause("gradient_clipped_elements", given.name, limit)
            yield Account((*causes, clipped), settings, error, error <= allowed)

    def _value(self, given: Given, settings: Settings, causes: tuple[Cause, ...]) -> Iterator[Account]:
        """Compare L with other sums of the entropies and the distortion."""
        p = self.search.reading.problem
        pair = [self.variants.predict(f"{which}_entropy", settings).array for which in ("joint", "output")]
        S_X = self.variants.input_entropy(settings) / math.log(p.base) * np.ones_like(pair[0])
        terms = np.stack([*pair, S_X, p.mu * self.variants.distortions])
        if not np.isfinite(terms).all():
            return
        L = np.tensordot(self.sums, terms, 1)
        error = np.abs(given.array - L).reshape(len(L), -1).max(axis=1)
        sizes = np.abs(terms[:2]).sum(axis=0).max() + 1 + np.abs(self.sums[:, 3]) * terms[3].max()
        for k in np.flatnonzero((error <= given.allowed(sizes)) | (np.arange(len(L)) == 0)):
            whole = (*causes, *(_as_cause(one, given) for one in self.known_sums[k]))
            largest = max(float(np.abs(L[k]).max()), 1e-300)
            yield Account(whole, settings, float(error[k]) / largest, bool(error[k] <= given.allowed(sizes)[k]))


def _least_squares(columns: Array, yours: Array, sizes: Array) -> tuple[Array, bool]:
    """Return factors of the columns, 1 for those that are zero, and whether there is only one choice."""
    used, free = sizes > 0, np.ones(len(sizes))
    fitted, _, rank, _ = np.linalg.lstsq(columns[:, used] / sizes[used], yours, rcond=1e-9)
    free[used] = fitted / sizes[used]
    return free, bool(rank == used.sum())


def _rank(account: Account) -> tuple[bool, int, float]:
    """Order accounts: those that fit first, then by the number of causes, then by the error."""
    return not account.fits, len(account.causes) if account.fits else 0, account.error


def _as_cause(factors: Factors, given: Given) -> Cause:
    name = factors.name if factors.name in CAUSES else "wrong_factor"
    return cause(name, given.name, factors.number, factors.more)


def conventions_of(candidate: Candidate) -> tuple[Cause, ...]:
    """Return the conventions of a candidate as causes."""
    return tuple(Cause(one.key, "", None, one.sentence) for one in candidate.conventions)
