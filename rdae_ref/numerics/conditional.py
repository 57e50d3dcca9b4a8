"""S_α(K_X | K_X̂) of (13) and its gradient −4 L_(Q−P) X̂ with respect to X̂, in nats, in three ways.

`FromMatrices` decomposes N×N matrices. The others never form one, since both matrices can be computed block by block:
N K_X ∘ K_X̂ is the Gram matrix of the pairs (x/σ_x, x̂/σ_x̂). `FromFactors` uses low-rank spectra; `FromSquares`, for
α = 2, needs no eigenvalues.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from .._validation import Array
from ..threads import thread_map
from ..workers import Parallel
from .distances import GaussianKernel, Rows, gaussian_gram
from .entropy import Order, entropy_and_gradient, entropy_and_weights, entropy_of_spectrum, factor, renyi_entropy
from .laplacian import laplacian_product_of_spectrum, laplacian_products, pull_back
from .low_rank import kernel_spectrum, truncation_error
from .spectrum import Spectrum

T = TypeVar("T")

TILES_TO_RANK = 3  # samples over features and rank: beyond it, products in the eigenbasis take less time than tiles
NARROW = 30  # spread of the outputs over σ: beyond it, rounding of the diagonal, which cancels, could be seen there

__all__ = ["ConditionalEntropy", "Entropies", "FromFactors", "FromMatrices", "FromSquares", "OfOutputs"]


class Entropies(NamedTuple):
    """S_α(N K_X ∘ K_X̂) and S_α(K_X̂); S_α(K_X | K_X̂) is their difference."""

    joint: float
    output: float


class ConditionalEntropy(NamedTuple):
    """Both entropies, and the gradient of their difference with respect to X̂."""

    joint: float
    output: float
    gradient: Array


class OfOutputs(Protocol):
    """The conditional entropy of fixed inputs as a function of the outputs."""

    def entropies(self, Xhat: Array) -> Entropies:
        """Return both entropies."""
        ...

    def with_gradient(self, Xhat: Array) -> ConditionalEntropy:
        """Return both entropies and the gradient."""
        ...

    def truncation_error(self, Xhat: Array) -> float:
        """Return a bound on the error of the conditional entropy due to omitted eigenvalues."""
        return 0.0


class FromMatrices(OfOutputs):
    """From N×N matrices, by (15) and (16)."""

    def __init__(self, inputs: GaussianKernel, sigma: float, order: Order) -> None:
        self.joint_per_output, self.sigma, self.order = inputs.matrix(), sigma, order  # N K_X

    def entropies(self, Xhat: Array) -> Entropies:
        K = gaussian_gram(Xhat, self.sigma)
        return Entropies(*self._for_both(renyi_entropy, K))

    def with_gradient(self, Xhat: Array) -> ConditionalEntropy:
        K = gaussian_gram(Xhat, self.sigma)
        (joint, dS_joint), (output, dS_output) = self._for_both(entropy_and_gradient, K)
        dS_joint *= self.joint_per_output
        dS_joint -= dS_output
        return ConditionalEntropy(joint, output, pull_back(dS_joint, K, Xhat, self.sigma))

    def _for_both(self, function: Callable[[Array, Order], T], K: Array) -> list[T]:
        """Return a function of the joint matrix and of K, in two threads."""
        return thread_map(lambda A: function(A, self.order), (self.joint_per_output * K, K), rows=len(K))


class FromFactors(OfOutputs):
    """From the eigenvalues above rounding error, for α > 1, with the Laplacian tile by tile."""

    def __init__(self, inputs: GaussianKernel, sigma: float, order: Order, workers: Parallel | None = None) -> None:
        self.inputs, self.sigma, self.order, self.workers = inputs, sigma, order, workers

    @functools.cached_property
    def exact(self) -> FromMatrices:
        """The fallback where either rank is too high."""
        return FromMatrices(self.inputs, self.sigma, self.order)

    def at(self, Xhat: Array) -> OfOutputs:
        """Return the spectra of both matrices up to their residuals, or the fallback."""
        outputs, N = GaussianKernel(Xhat, self.sigma), len(Xhat)
        joint = kernel_spectrum(lambda rows, columns: self.inputs(rows, columns) * outputs(rows, columns), N)
        output = None if joint is None else kernel_spectrum(outputs, N)
        return self.exact if joint is None or output is None else _Factors(self, outputs, joint, output)

    def entropies(self, Xhat: Array) -> Entropies:
        return self.at(Xhat).entropies(Xhat)

    def with_gradient(self, Xhat: Array) -> ConditionalEntropy:
        return self.at(Xhat).with_gradient(Xhat)

    def truncation_error(self, Xhat: Array) -> float:
        return self.at(Xhat).truncation_error(Xhat)


class _Factors(OfOutputs):
    """`FromFactors` at the outputs whose spectra these are."""

    def __init__(self, where: FromFactors, outputs: GaussianKernel, joint: Spectrum, output: Spectrum) -> None:
        self.where, self.outputs, self.joint, self.output = where, outputs, joint, output

    def entropies(self, Xhat: Array) -> Entropies:
        return Entropies(*(entropy_of_spectrum(one, self.where.order) for one in (self.joint, self.output)))

    def with_gradient(self, Xhat: Array) -> ConditionalEntropy:
        joint, output = (entropy_and_weights(one, self.where.order) for one in (self.joint, self.output))
        sigma, rank = self.where.sigma, len(joint.weights) + len(output.weights)
        if len(Xhat) > TILES_TO_RANK * Xhat.shape[1] * rank and np.ptp(Xhat, axis=0).max() < NARROW * sigma:
            product = _in_eigenbasis(self.joint, joint.weights, Xhat)
            product -= _in_eigenbasis(self.output, output.weights, Xhat)
        else:
            factors = factor(self.joint.vectors, joint.weights), factor(self.output.vectors, output.weights)
            edges = _Edges(self.where.inputs, self.outputs, *factors)
            product = laplacian_products(edges, Xhat, self.where.workers).products[0] / len(Xhat)
        return ConditionalEntropy(joint.value, output.value, -2 * product / sigma / sigma)

    def truncation_error(self, Xhat: Array) -> float:
        return sum(truncation_error(one, self.where.order.alpha, math.e) for one in (self.joint, self.output))


def _in_eigenbasis(decomposition: Spectrum, weights: Array, Xhat: Array) -> Array:
    return laplacian_product_of_spectrum(decomposition.vectors, weights, decomposition.values, Xhat)


class FromSquares(OfOutputs):
    """For α = 2: S₂(A) = −ln |A|² is a sum over elements, and ∂S₂/∂A = −2 A/|A|²."""

    def __init__(self, inputs: GaussianKernel, sigma: float, workers: Parallel | None = None) -> None:
        self.inputs, self.sigma, self.workers = inputs, sigma, workers

    def entropies(self, Xhat: Array) -> Entropies:
        nothing = Xhat[:, :0]
        joint, output, _ = self._sums(Xhat, nothing)
        return Entropies(joint, output)

    def with_gradient(self, Xhat: Array) -> ConditionalEntropy:
        return self._sums(Xhat, Xhat)

    def _sums(self, Xhat: Array, Y: Array) -> ConditionalEntropy:
        N, squares = len(Xhat), _Squares(self.inputs, GaussianKernel(Xhat, self.sigma))
        degrees, products = laplacian_products(squares, Y, self.workers)
        joint, output = (degree.sum() + N for degree in degrees)  # |N K|² with its diagonal of ones
        gradient = 4 * (products[0] / joint - products[1] / output) / self.sigma / self.sigma
        return ConditionalEntropy(2 * math.log(N) - math.log(joint), 2 * math.log(N) - math.log(output), gradient)


class _Edges(NamedTuple):
    """2Nσ² (Q − P), with Q and P of (16) and (15), up to their diagonals: ∂S/∂K = −B Bᵀ + a multiple of I."""

    inputs: GaussianKernel
    outputs: GaussianKernel
    of_joint: Array  # B of the joint entropy
    of_output: Array

    def __call__(self, rows: slice, columns: slice) -> Sequence[Array]:
        weights = self.of_output[rows] @ self.of_output[columns].T
        of_joint = self.of_joint[rows] @ self.of_joint[columns].T
        of_joint *= self.inputs(rows, columns)
        weights -= of_joint
        weights *= self.outputs(rows, columns)
        return (weights,)

    def among(self, samples: Rows) -> "_Edges":
        inputs, outputs = self.inputs.among(samples), self.outputs.among(samples)
        return _Edges(inputs, outputs, self.of_joint[samples], self.of_output[samples])


class _Squares(NamedTuple):
    """The squares of the elements of N² K_X ∘ K_X̂ and of N K_X̂."""

    inputs: GaussianKernel
    outputs: GaussianKernel

    def __call__(self, rows: slice, columns: slice) -> Sequence[Array]:
        of_outputs = self.outputs(rows, columns)
        of_outputs *= of_outputs
        of_inputs = self.inputs(rows, columns)
        of_inputs *= of_inputs
        of_inputs *= of_outputs
        return of_inputs, of_outputs

    def among(self, samples: Rows) -> "_Squares":
        return _Squares(self.inputs.among(samples), self.outputs.among(samples))
