"""What explains an array that no convention does: factors, orders, kernel sizes, guards, mistakes made by hand."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from .arrays import Given
from .causes import CAUSES, Cause, Factors, cause, general_factors, known_factors, product
from .guards import GUARDS
from .kernels import named_sizes
from .search import Search
from .settings import Settings
from .structures import structures
from .variants import SLOPES, SPECTRAL, Parts

__all__ = ["Account", "Diagnosis"]

ORDERS = (1.0, 2.0, 0.5, 1.01, 1.001, 1.1, 1.5, 3.0, 5.0, math.inf)
DECADES = tuple(10.0**-k for k in range(2, 17, 2))
MANTISSAS = (1.0, 2.0, 5.0, 1.1920929, 2.220446)  # the last two of the machine numbers of float32 and float64
FREE = 6  # numbers that an array must have for three fitted factors to mean anything
NEARER = 0.1  # a reading is worth telling if it leaves less of the error than that
GUARDS_UP_TO = 400  # samples; beyond, guards are tried on numbers alone, since each takes two products of N×N matrices


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
        self.known = list(known_factors(p.base, p.mu, self.N, self.d))
        self.tried = 0

    def accounts(self, given: Given) -> list[Account]:
        """Return the explanations with the fewest causes that fit, or the nearest one."""
        found = list[Account]()
        for level in (self._bases, self._hypotheses, self._structures):
            for account in level(given):
                self.tried += 1
                found.append(account)
            fitting = [account for account in found if account.fits]
            if fitting:
                fewest = min(len(account.causes) for account in fitting)
                simplest = [account for account in fitting if len(account.causes) == fewest]
                if self._is_weak(given):
                    return []
                self._remember(simplest[0])
                return simplest
        return sorted((one for one in found if one.causes), key=lambda one: one.error)[:1]

    def _remember(self, account: Account) -> None:
        new = tuple(one for one in account.causes if account.settings != self.bases[0][0] and _of_settings(one))
        if new and all(account.settings != settings for settings, _ in self.bases):
            self.bases.insert(0, (account.settings, new))

    def _is_weak(self, given: Given) -> bool:
        """Tell whether random numbers would fit as well."""
        return self.tried * len(self.known) * 2 * given.limit ** min(given.array.size, 3) > 0.01

    def _bases(self, given: Given) -> Iterator[Account]:
        for settings, causes in self.bases:
            yield from self._under(given, settings, causes)

    def _hypotheses(self, given: Given) -> Iterator[Account]:
        """Try another order, other kernel sizes, and guards, each on its own."""
        if given.name not in SPECTRAL:
            return
        settings, causes = self.bases[-1]
        alpha = self.variants.alpha(settings)
        for other in ORDERS:
            if other != alpha:
                yield from self._under(
                    given, settings._replace(alpha=other), (*causes, cause("alpha", given.name, other))
                )
        if given.name in SLOPES:
            wrong = settings._replace(guard=("exponent", 0.0))
            yield from self._under(given, wrong, (*causes, cause("exponent", given.name)))
        for size, number, words in self._sizes(settings):
            more = (*causes, cause("kernel_size", given.name, number, words))
            yield from self._under(given, settings._replace(size=size), more)
        if given.name not in SLOPES or self.N <= GUARDS_UP_TO:
            for rule in GUARDS:
                yield from self._guard(given, settings, causes, rule)

    def _sizes(self, settings: Settings) -> Iterator[tuple[tuple[float, float], float, str]]:
        p, (x, xhat, _) = self.search.reading.problem, self.variants.sizes(settings)
        ours, theirs = (named_sizes(Y, s) for Y, s in ((p.X, p.sigma_x), (self.variants.Xhat, p.sigma_xhat)))
        for words in ours:
            if words in theirs:
                yield (ours[words], theirs[words]), theirs[words], words + ", for both"
                yield (x, theirs[words]), theirs[words], words + ", of the outputs"
                yield (ours[words], xhat), ours[words], words + ", of the inputs"

    def _guard(self, given: Given, settings: Settings, causes: tuple[Cause, ...], rule: str) -> Iterator[Account]:
        """Try one guard, its number first by decades and then as near as it can be told."""

        def at(eps: float) -> list[Account]:
            number = (*causes, cause(rule, given.name, eps))
            return list(self._under(given, settings._replace(guard=(rule, eps)), number))

        def best(eps: float) -> Account:
            none = Account(causes, settings, math.inf, False)
            return min(at(eps), key=lambda one: (not one.fits, one.error), default=none)

        coarse = {eps: best(eps) for eps in DECADES}
        centre = min(coarse, key=lambda eps: coarse[eps].error)
        fine = {m * centre * 10.0**k: best(m * centre * 10.0**k) for m in MANTISSAS for k in (-2, -1, 0, 1)}
        every = coarse | fine
        nice = [account for account in every.values() if account.fits]
        if nice:
            yield from nice[:1]
            return
        low, high = (math.log(min(every, key=lambda e: every[e].error)) + step for step in (-1.2, 1.2))
        for _ in range(25):  # golden section
            left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
            if best(math.exp(left)).error < best(math.exp(right)).error:
                high = right
            else:
                low = left
        last = best(math.exp((low + high) / 2))
        yield last._replace(fits=last.fits and given.array.size >= FREE)  # any one number can be fitted

    def _structures(self, given: Given) -> Iterator[Account]:
        if given.name not in SLOPES or given.name == "db":
            return
        for settings, causes in self.bases:
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
        if plain.fits:
            return
        used = sizes > 0
        if not used.any():
            return
        scaled = columns[:, used] / sizes[used]
        fitted, _, rank, _ = np.linalg.lstsq(scaled, yours, rcond=1e-9)
        free = np.ones(3)
        free[used] = fitted / sizes[used]
        if account(free, ()).error * largest > 100 * given.allowed(float(sizes @ np.abs(free)) + largest):
            yield from self._other(given, columns, plain, causes, settings)
            return
        for factors in self.known:
            vector = product(factors)
            if np.abs((vector - free)[used]).max() <= 1e-2 * (1 + np.abs(vector).max()) or rank < used.sum():
                found = account(vector, tuple(_as_cause(one, given) for one in factors))
                if found.fits:
                    yield found
        if yours.size >= FREE and rank == used.sum():
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
        p, name = self.search.reading.problem, given.name
        joint, output = (
            float(self.variants.predict(f"{which}_entropy", settings).array) for which in ("joint", "output")
        )
        if not math.isfinite(joint + output):
            return
        u, D, S_X = math.log(p.base), self.variants.distortion, self.variants.input_entropy(settings) / math.log(p.base)
        forms: list[tuple[float, tuple[Cause, ...]]] = [
            (joint - output, ()),
            (joint - S_X, (cause("reversed_conditional", name),)),
            (S_X + output - joint, (cause("mutual_information", name),)),
            (output - joint, (cause("mutual_information", name),)),
            (joint, (cause("joint_alone", name),)),
            (0.0, (cause("detached_entropy", name),)),
        ]
        if abs(u - 1) > 1e-12:
            forms += [
                (u * joint - output, (cause("natural_log_joint", name),)),
                (joint - u * output, (cause("natural_log_output", name),)),
                *((u * S, (*why, cause("wrong_factor_entropy", name, u, "nats"))) for S, why in list(forms)),
            ]
        scales: list[tuple[float, tuple[Cause, ...]]] = [
            (1.0, ()),
            (-1.0, (cause("distortion_sign", name),)),
            (0.0, (cause("detached_distortion", name),)),
            *((k, (cause("distortion_scale", name, k),)) for k in (self.N, 1 / self.d, 0.5, 2.0, 1 / self.N)),
        ]
        if p.mu and p.mu != 1:
            scales.append((1 / p.mu, (cause("mu_missing", name),)))
        size = abs(joint) + abs(output) + 1
        for S, first in forms:
            for k, second in scales:
                L = S - k * p.mu * D
                for sign, third in ((1, ()), (-1, (cause("gradient_scale", name, -1.0, "the sign of a loss"),))):
                    error = abs(float(given.array) - sign * L)
                    fits = error <= given.allowed(size + abs(k) * p.mu * D)
                    if fits or not (first or second or third):
                        whole = (*causes, *first, *second, *third)
                        yield Account(whole, settings, error / max(abs(L), 1e-300), fits)


def _as_cause(factors: Factors, given: Given) -> Cause:
    name = factors.name if factors.name in CAUSES else "wrong_factor"
    return cause(name, given.name, factors.number, factors.more)


def _of_settings(one: Cause) -> bool:
    return one.name in GUARDS or one.name in ("alpha", "kernel_size", "exponent")
