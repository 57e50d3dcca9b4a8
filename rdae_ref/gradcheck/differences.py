"""Differences of a function along a line, extrapolated to step 0, with their own error: what `gradcheck` counts on."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(np.float64).eps)
SWEEP_TOP = 0.1  # the longest step of a sweep, in units of the largest scale
SWEEP_DECADES = 9  # from there down: a kink nearer than the shortest step cannot be told from one at the point
NOISE_POINTS = 16  # values for the noise estimate: 12 fourth differences, of which a kink spoils three
NOISE_LONGEST_STEP = 1e-5  # fourth differences of a smooth function stay below rounding up to here
INCONSISTENT = 10.0  # estimates that differ by this multiple of their errors are of different things
DISTINCT = 4  # values that show how they are rounded
TAYLOR_FLOOR = 30.0  # remainders below this multiple of the noise say nothing


class Slope(NamedTuple):
    """An extrapolated difference quotient and its estimated error."""

    value: float = math.nan
    error: float = math.inf
    step: float = math.nan  # the shortest that it rests on
    noise: float = 0.0  # the part of the error that a longer step would lessen


class Slopes(NamedTuple):
    """The slope through the point, the one from the left and the one from the right."""

    central: Slope
    left: Slope
    right: Slope

    @property
    def jump(self) -> float:
        """How far the slopes on both sides are apart."""
        return abs(self.right.value - self.left.value)

    @property
    def jump_error(self) -> float:
        """The error of the jump."""
        return self.left.error + self.right.error

    def consistent(self) -> "Slopes":
        """Return the slopes with a central one that lies midway, as it does not if it rests on steps across a kink."""
        middle, error = (self.left.value + self.right.value) / 2, self.jump_error / 2
        if abs(middle - self.central.value) <= INCONSISTENT * (error + self.central.error):
            return self
        return self._replace(central=Slope(middle, error, min(self.left.step, self.right.step), error))


@dataclass
class Line:
    """The value on both sides of the point, φ(h) and φ(−h), at descending steps h."""

    phi: Callable[[float], float]
    value: float  # φ(0)
    steps: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)

    def look(self, steps: Iterable[float]) -> "Line":
        """Evaluate at ±steps, and keep the steps at which both values are finite."""
        for step in steps:
            after, before = self.phi(step), self.phi(-step)
            if math.isfinite(after) and math.isfinite(before):
                self.steps.append(step)
                self.after.append(after)
                self.before.append(before)
        return self

    def slopes(self, noise: float) -> Slopes:
        """Return the slope through the point and those on both sides."""
        # Three standard deviations of what the noise leaves after extrapolation: 3/h for a central difference, whose
        # error has only even powers of h; 9/h for a one-sided one, which has them all.
        sides = list(zip(self.steps, self.before, self.after, strict=True))
        central = [(after - before) / (2 * h) for h, before, after in sides]
        left = [(self.value - before) / h for h, before, _ in sides]
        right = [(after - self.value) / h for h, _, after in sides]
        return Slopes(
            extrapolate(self.steps, central, 3 * noise, power=2),
            extrapolate(self.steps, left, 9 * noise, power=1),
            extrapolate(self.steps, right, 9 * noise, power=1),
        ).consistent()

    def remainders(self, analytic: float) -> tuple[tuple[float, float], ...]:
        """Return the steps h with |φ(h) − φ(0) − h φ′(0)|."""
        pairs = zip(self.steps, self.after, strict=True)
        return tuple((h, abs(after - self.value - h * analytic)) for h, after in pairs)

    def taylor_slope(self, analytic: float, noise: float) -> float:
        """Return the order of |φ(h) − φ(0) − h φ′(0)| in h, at the shortest steps where it exceeds the noise."""
        usable = []
        for (h, remainder), after in zip(self.remainders(analytic), self.after, strict=True):
            if remainder > TAYLOR_FLOOR * (noise + EPS * (abs(after) + abs(h * analytic))):
                usable.append((math.log(h), math.log(remainder)))
        if len(usable) < 2:
            return math.nan if usable else math.inf
        (h_long, r_long), (h_short, r_short) = usable[-2:]
        return (r_long - r_short) / (h_long - h_short)


def extrapolate(steps: Sequence[float], quotients: Sequence[float], noise: float, power: int) -> Slope:
    """Extrapolate to step 0 by Neville's scheme in h**power, and return the entry with the least estimated error."""
    # The error of an entry is judged from its two parents as if convergence were only of first order: a kink or a noisy
    # value is not smooth, and must not be believed for the formal order of the scheme.
    best, parents = Slope(), list[float]()
    for k, (h, quotient) in enumerate(zip(steps, quotients, strict=True)):
        row = [quotient]
        for j, parent in enumerate(parents, start=1):
            change = row[-1] - parent
            row.append(row[-1] + change / ((steps[k - j] / h) ** power - 1))
            error = abs(change) / (steps[k - 1] / h - 1) + noise / h
            if error < best.error:
                best = Slope(row[-1], error, h, noise / h)
        parents = row
    return best


def noise_level(phi: Callable[[float], float], step: float) -> float:
    """Estimate the noise of the value from fourth differences; their median overlooks a kink or a jump."""
    values = np.array([phi(k * step) for k in range(1, NOISE_POINTS + 1)])
    if np.unique(values).size <= NOISE_POINTS / 2 and step < NOISE_LONGEST_STEP:
        return noise_level(phi, 100 * step)  # too short to see anything, as where the value is computed in float32
    fourth = np.abs(np.diff(values[np.isfinite(values)], 4))
    return 1.4826 * float(np.median(fourth)) / math.sqrt(70) if fourth.size else 0.0  # 70 = 1 + 16 + 36 + 16 + 1


def quantum(values: Sequence[float]) -> float:
    """Return the distance of neighbouring values, where all are float32 numbers or have few decimals; otherwise 0."""
    seen = np.unique(np.array(values)[np.isfinite(values)])
    if seen.size < DISTINCT:
        return 0.0
    with np.errstate(over="ignore"):
        if np.array_equal(seen.astype(np.float32), seen):
            return float(np.spacing(np.float32(np.abs(seen).max())))
    return next((10.0**-k for k in range(1, 8) if np.array_equal(np.round(seen, k), seen)), 0.0)


def sweep(*scales: float) -> list[float]:
    """Return decades of steps from a tenth of the largest scale (at least 1) to a billionth of the smallest."""
    top = SWEEP_TOP * max(1.0, *scales)
    bottom = SWEEP_TOP * 10.0**-SWEEP_DECADES * max(min(scales), 1e-12)
    return [top * 10.0**-k for k in range(1 + round(math.log10(top / bottom)))]
