"""S_α(K_X | K_X̂) and its gradient by the outputs X̂: as printed, and for many samples without N×N matrices.

`from_matrices` is (15) and (16), and the graph Laplacian of (17)–(20). The others give the same, faster: N K_X ∘ K_X̂ is
the Gram matrix of the pairs (x/σ_X, x̂/σ_X̂), so that both matrices can be had by blocks. `from_spectra` takes their
spectra from `kernel_spectrum`, which needs few columns, and sums up the product of the Laplacian with
X̂ tile by tile; `collision` is for α = 2, where no eigenvalue is needed.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .._validation import Array
from ..autoencoder import Forward
from ..entropy import entropy_and_factor, entropy_and_gradient, entropy_of, truncation_error
from ..gram import gram_of, pull_back
from ..workers import Parallel
from .spectrum import Spectrum, kernel_spectrum
from .tiles import GaussianBlocks, Rows, laplacian_products

__all__ = ["ConditionalEntropy", "Spectra", "collision", "from_matrices", "from_spectra", "spectra"]


class ConditionalEntropy(NamedTuple):
    """S_α(K_X | K_X̂) = joint − output, in nats.

    Parameters
    ----------
    joint, output : float
        S_α(N K_X ∘ K_X̂) and S_α(K_X̂).
    gradient : Array, shape (N, d)
        Of their difference, by X̂.
    """

    joint: float
    output: float
    gradient: Array


def from_matrices(K_X: Array, forward_pass: Forward, A: Array, sigma: float, alpha: float) -> ConditionalEntropy:
    """Return the conditional entropy and its gradient −4 L_(Q−P) X̂, from N×N matrices.

    Parameters
    ----------
    K_X : Array, shape (N, N)
        Gram matrix of the inputs.
    forward_pass : Forward
        The forward pass.
    A : Array, shape (d, p)
        Synthesis basis.
    sigma : float
        Kernel size of the outputs.
    alpha : float
        Order α > 0.

    Returns
    -------
    ConditionalEntropy
        In nats.

    Notes
    -----
    Eqs. (13), (15) and (16) of the paper; its (17)–(20) are the gradient here and the chain rule.
    """
    K, dJoint_dK = gram_of(forward_pass.Xhat, sigma), len(forward_pass.Xhat) * K_X  # of N K_X ∘ K_X̂, element by element
    joint, dS_joint = entropy_and_gradient(dJoint_dK * K, alpha)
    output, dS_output = entropy_and_gradient(K, alpha)
    dS_dK = dJoint_dK * dS_joint - dS_output
    if A.shape[1] < A.shape[0]:  # L_P X̂ = (L_P Ẑ) Aᵀ, as L_P 1 = 0: with few units it is less work
        return ConditionalEntropy(joint, output, pull_back(dS_dK, K, forward_pass.Zhat, sigma) @ A.T)
    return ConditionalEntropy(joint, output, pull_back(dS_dK, K, forward_pass.Xhat, sigma))


class Spectra(NamedTuple):
    """The eigendecompositions of both matrices, up to their residuals.

    Parameters
    ----------
    joint, output : Spectrum
        Of N K_X ∘ K_X̂ and of K_X̂.
    """

    joint: Spectrum
    output: Spectrum

    def entropies(self, alpha: float) -> tuple[float, float]:
        """Return S_α(N K_X ∘ K_X̂) and S_α(K_X̂) in nats.

        Parameters
        ----------
        alpha : float
            Order α > 1.

        Returns
        -------
        joint, output : float
            In nats.
        """
        return entropy_of(self.joint, alpha), entropy_of(self.output, alpha)

    def truncation_error(self, alpha: float) -> float:
        """Return a bound on the error of S_α(K_X | K_X̂) in nats.

        Parameters
        ----------
        alpha : float
            Order α > 1.

        Returns
        -------
        float
            The sum of both bounds.
        """
        return sum(truncation_error(one, alpha, math.e) for one in self)


def spectra(inputs: GaussianBlocks, outputs: GaussianBlocks) -> Spectra | None:
    """Return both spectra, if there are few enough eigenvalues to pay.

    Parameters
    ----------
    inputs, outputs : GaussianBlocks
        N K_X and N K_X̂.

    Returns
    -------
    Spectra or None
        None where either rank is too high.
    """
    N = len(inputs)
    joint = kernel_spectrum(lambda rows, columns: inputs(rows, columns) * outputs(rows, columns), N)
    output = None if joint is None else kernel_spectrum(outputs, N)
    return None if joint is None or output is None else Spectra(joint, output)


def from_spectra(
    found: Spectra,
    inputs: GaussianBlocks,
    outputs: GaussianBlocks,
    Xhat: Array,
    alpha: float,
    workers: Parallel | None = None,
) -> ConditionalEntropy:
    """Return the conditional entropy and its gradient −4 L_(Q−P) X̂ from low-rank spectra.

    Parameters
    ----------
    found : Spectra
        Of `inputs` and `outputs`.
    inputs, outputs : GaussianBlocks
        N K_X and N K_X̂.
    Xhat : Array, shape (N, d)
        The outputs.
    alpha : float
        Order α > 1.
    workers : Processes or ExternalMap, optional
        Who works on the tiles.

    Returns
    -------
    ConditionalEntropy
        In nats.
    """
    joint, output = (entropy_and_factor(one, alpha) for one in found)
    edges = _Edges(inputs, outputs, joint.factor, output.factor)
    product = laplacian_products(edges, Xhat, workers).products[0]
    gradient = -2 / len(Xhat) * product / outputs.sigma / outputs.sigma
    return ConditionalEntropy(joint.value, output.value, gradient)


class _Edges(NamedTuple):
    """2Nσ² (Q − P), with Q and P of (16) and (15), up to their diagonals: ∂S/∂K = −B Bᵀ + a multiple of I."""

    inputs: GaussianBlocks
    outputs: GaussianBlocks
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
        return _Edges(
            self.inputs.among(samples), self.outputs.among(samples), self.of_joint[samples], self.of_output[samples]
        )


def collision(
    inputs: GaussianBlocks, outputs: GaussianBlocks, Xhat: Array, workers: Parallel | None = None
) -> ConditionalEntropy:
    """Return the conditional entropy of order 2 and its gradient: S₂(A) = −ln |A|² needs no eigenvalues.

    Parameters
    ----------
    inputs, outputs : GaussianBlocks
        N K_X and N K_X̂.
    Xhat : Array, shape (N, d)
        The outputs; without columns, (N, 0), for the entropies alone.
    workers : Processes or ExternalMap, optional
        Who works on the tiles.

    Returns
    -------
    ConditionalEntropy
        In nats.

    Notes
    -----
    With ∂S₂/∂A = −2 A/|A|² both graphs have the squares of the Gram matrices for weights.
    """
    N = len(Xhat)
    degrees, products = laplacian_products(_Squares(inputs, outputs), Xhat, workers)
    joint, output = (degree.sum() + N for degree in degrees)  # |N K|² with its diagonal of ones
    gradient = 4 * (products[0] / joint - products[1] / output) / outputs.sigma / outputs.sigma
    return ConditionalEntropy(2 * math.log(N) - math.log(joint), 2 * math.log(N) - math.log(output), gradient)


class _Squares(NamedTuple):
    """The squares of the elements of N² K_X ∘ K_X̂ and of N K_X̂."""

    inputs: GaussianBlocks
    outputs: GaussianBlocks

    def __call__(self, rows: slice, columns: slice) -> Sequence[Array]:
        of_outputs = self.outputs(rows, columns)
        of_outputs *= of_outputs
        of_inputs = self.inputs(rows, columns)
        of_inputs *= of_inputs
        of_inputs *= of_outputs
        return of_inputs, of_outputs

    def among(self, samples: Rows) -> "_Squares":
        return _Squares(self.inputs.among(samples), self.outputs.among(samples))
