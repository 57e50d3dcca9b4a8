"""The search for what explains a mismatch: no convention, one, two, three, until all arrays fit at once."""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from .arrays import Given, Reading, layouts
from .settings import CONVENTIONS, Convention, Settings
from .variants import Problem, switches, variants_of

__all__ = ["Candidate", "Finding", "Fit", "Search"]

MOST = 3  # conventions at once
ALWAYS = 2  # that many are always tried, more only if their number leaves chance no room
CHANCE = 0.01  # explanations that fit random numbers more often than this are in doubt
LARGEST_SLACK = 1e-3  # eigenvalues that are rounding explain no more than this
WORK = 3e10  # N³ times the eigendecompositions that may be made: ten to twenty seconds


class Fit(NamedTuple):
    """One array compared with ours, or with ours under other conventions."""

    fits: bool
    error: float  # the largest difference over the largest element of ours, or over what that is the rounding of
    index: tuple[int, ...]  # type: ignore[assignment]  # where that is; hides tuple.index, which no fit needs
    yours: float
    ours: float
    allowed: float  # what a difference may be
    layout: str  # empty, or "transposed" and the like


NOT_COMPARED = Fit(False, math.nan, (), math.nan, math.nan, math.nan, "")


class Candidate(NamedTuple):
    """Conventions that are taken together, none of which turns the switch of another."""

    conventions: tuple[Convention, ...]
    settings: Settings


class Finding(NamedTuple):
    """What fits the largest number of arrays."""

    candidates: tuple[Candidate, ...]  # all that fit them with equally few conventions; ours alone, if none fits more
    fits: dict[str, Fit]  # for every array, under the first candidate
    n_tried: int
    chance: float  # how many of those tried would fit random numbers

    @property
    def complete(self) -> bool:
        """Whether it fits everything."""
        return all(fit.fits for fit in self.fits.values())


class Search:
    """All conventions against all arrays of one reading."""

    def __init__(self, reading: Reading, settings: Settings | None = None) -> None:
        problem = reading.problem
        precisions = {given.precision for given in reading.given}
        coarsest = next((name for name in ("float16", "float32") if name in precisions), "float64")
        self.reading, self.variants = reading, variants_of(problem, coarsest)
        self.ours = Candidate((), settings or Settings(base=problem.base))
        self.switches = {given.name: switches(given.name, problem.alpha) for given in reading.given}
        in_play = {switch for names in self.switches.values() for switch in names}
        self.conventions = [
            convention
            for convention in CONVENTIONS
            if set(convention.change) <= in_play and _applies(convention, problem, self.ours.settings)
        ]
        self.left_out = 0
        self._fits: dict[tuple[object, ...], Fit] = {}
        self._usual: dict[str, float] = {}  # the scale of ours
        self._work = 0.0

    def run(self) -> Finding:
        """Return what explains the arrays."""
        tried, differing = [self.ours], self._differing()
        for level in range(MOST + 1):
            candidates = list(self._level(level))
            tried += candidates if level else []
            if level > ALWAYS and self._chance(len(tried), differing) > CHANCE:
                break  # many conventions at once explain any few numbers
            fitting = [candidate for candidate in candidates if self._fits_all(candidate)]
            if fitting:
                return self._finding(fitting, len(tried))
        return self._most(tried)

    def alone(self, given: Given) -> list[Candidate]:
        """Return the single conventions that would explain one array, if the others were not there."""
        return [candidate for candidate in self._level(1) if self.fit(given, candidate.settings).fits]

    def pattern(self, given: Given, candidate: Candidate) -> tuple[int, float | None]:
        """Return what the elements of an array that does not fit have in common."""
        allowed, layout = self.fit(given, candidate.settings)[-2:]
        ours = self.reading.expected(given.name, self.variants.predict(given.name, candidate.settings).array)
        ours, yours = dict(layouts(ours, given.array.shape))[layout], given.array
        factor = float(np.vdot(ours, yours) / np.vdot(ours, ours)) if ours.any() else 0.0
        common = np.abs(yours - factor * ours).max() <= allowed * max(1.0, abs(factor))
        return int(np.sum(np.abs(yours - ours) > allowed)), factor if common else None

    def unseen(self) -> list[Convention]:
        """Return the conventions under which none of the arrays would be another."""
        sizes = self.variants.sizes(self.ours.settings)
        cheap = [c for c in self._level(1) if self.variants.sizes(c.settings) == sizes]
        return [c.conventions[0] for c in cheap if self._fits_all(c)]

    def fit(self, given: Given, settings: Settings) -> Fit:
        """Compare one array with ours under some settings."""
        key = (given.name, *(getattr(settings, switch) for switch in self.switches[given.name]))
        if key not in self._fits:
            self._fits[key] = self._compare(given, settings)
        return self._fits[key]

    def of_kernels(self) -> list[Candidate]:
        """Return the single conventions that change a kernel's size."""
        found = {self.variants.sizes(one.settings): one for one in self._level(1)}
        found.pop(self.variants.sizes(self.ours.settings), None)
        return list(found.values())

    def affords(self, name: str, settings: Settings) -> bool:
        """Count the work that a prediction needs, or that it is left out; our own kernels are always affordable."""
        work, kernel = self.variants.needs(name, settings) * len(self.reading.problem.X) ** 3, self.variants.kernel
        if kernel(settings) != kernel(self.ours.settings) and self._work + work > WORK:
            self.left_out += 1
            return False
        self._work += work
        return True

    def _level(self, n: int) -> Iterator[Candidate]:
        for chosen in itertools.combinations(self.conventions, n):
            changes: dict[str, Any] = {}
            for convention in chosen:
                changes |= convention.change
            if len(changes) == n:
                yield Candidate(chosen, self.ours.settings._replace(**changes))

    def _fits_all(self, candidate: Candidate) -> bool:
        # In the order of the computation: what costs no eigendecomposition is compared first, and most end there.
        return all(self.fit(given, candidate.settings).fits for given in self.reading.given)

    def _fitted(self, candidate: Candidate) -> frozenset[str]:
        return frozenset(given.name for given in self.reading.given if self.fit(given, candidate.settings).fits)

    def _most(self, candidates: list[Candidate]) -> Finding:
        """Return what fits more arrays than ours do, with as few conventions as will do; or ours."""
        few = [c for c in candidates if len(c.conventions) <= ALWAYS]
        fitted = [self._fitted(c) for c in few]
        number = max(map(len, fitted))
        if len(fitted[0]) == number:
            return self._finding([self.ours], len(candidates))
        best = [(c, names) for c, names in zip(few, fitted, strict=True) if len(names) == number]
        alike = [c for c, names in best if (len(c.conventions), names) == (len(best[0][0].conventions), best[0][1])]
        return self._finding(alike, len(candidates))

    def _finding(self, candidates: list[Candidate], tried: int) -> Finding:
        fits = {given.name: self.fit(given, candidates[0].settings) for given in self.reading.given}
        explained = [given for given in self._differing() if fits[given.name].fits]
        return Finding(tuple(candidates), fits, tried, self._chance(tried, explained) if explained else 0.0)

    def _differing(self) -> list[Given]:
        return [given for given in self.reading.given if not self.fit(given, self.ours.settings).fits]

    @staticmethod
    def _chance(tried: int, explained: list[Given]) -> float:
        # Predictions of conventions lie within a factor of about ten of each other: one of them comes within a relative
        # distance of a random number that often. An array counts as one number, although it is more.
        return min(1.0, tried * math.prod(2 * given.limit for given in explained))

    def _compare(self, given: Given, settings: Settings) -> Fit:
        if not self.affords(given.name, settings):
            return NOT_COMPARED
        array, scale, slack = self.variants.predict(given.name, settings)
        if settings != self.ours.settings:
            # Parts that are large only under other conventions, and cancel, must not make room for any number.
            scale = min(scale, max(self._usual[given.name], float(np.abs(array).max())))
        self._usual.setdefault(given.name, scale)
        allowed = max(given.allowed(scale), min(slack, LARGEST_SLACK * scale))
        ours = self.reading.expected(given.name, array)
        first = None
        for layout, other in layouts(ours, given.array.shape):
            fit = _fit(given.array, other, allowed, layout, scale)
            if fit.fits:
                return fit
            first = first or fit
        assert first is not None  # the shape was checked
        return first


def _fit(yours: Array, ours: Array, allowed: float, layout: str, scale: float) -> Fit:
    difference = np.abs(yours - ours)
    index = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    largest = float(np.abs(ours).max())
    largest = largest if largest > allowed else scale  # where all of ours is rounding, what it is the rounding of
    error = float(difference[index])
    relative = error / largest if largest else float(error > 0)
    return Fit(error <= allowed, relative, index, float(yours[index]), float(ours[index]), allowed, layout)


def _applies(convention: Convention, problem: Problem, ours: Settings) -> bool:
    possible = {
        "eq23": problem.parameters is not None and problem.parameters.c.size == problem.X.shape[1],
        "eigenvalues": problem.alpha < 1,  # for α ≥ 1 those that are rounding add rounding
        "frobenius": problem.alpha == 2,
    }
    if convention.key == "entropy_over_mu" and problem.mu == 0:
        return False
    changes = ours._replace(**convention.change) != ours
    return changes and all(possible.get(switch, True) for switch in convention.change)
