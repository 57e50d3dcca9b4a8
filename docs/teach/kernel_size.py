"""Exercise B: how the entropy changes with the kernel size. Fill in the function, and run this file.

The Gram matrix is Gaussian, K_ij = exp(−r_ij² / (2σ²)) / N. Given G = ∂S/∂K and K, return the number ∂S/∂σ.
`check_gradient` compares it with differences of the entropy and is the judge.
"""

import sys

import numpy as np

from rdae_ref import check_gradient, gaussian_gram, renyi_entropy, renyi_entropy_gradient


def slope(G, K, X, sigma):
    """Return ∂S/∂σ."""
    raise NotImplementedError("replace this line with your own")


# The judge, which needs no change.

X = np.random.default_rng(0).normal(size=(12, 2))


def entropy(sigma, alpha=1.01):
    """Return S_α of the Gaussian Gram matrix in bits, and your slope, for an array of one σ."""
    K = gaussian_gram(X, float(sigma[0]))
    return renyi_entropy(K, alpha), np.array([slope(renyi_entropy_gradient(K, alpha), K, X, float(sigma[0]))])


if __name__ == "__main__":
    try:
        report = check_gradient(entropy, np.array([0.7]))
    except NotImplementedError as error:
        sys.exit(f"{__file__}: {error}")
    print(report)
    sys.exit(0 if report.passed else 1)
