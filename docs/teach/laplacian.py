"""Exercise A: the gradient of the entropy for the Laplacian kernel. Fill in the function, and run this file.

The Gram matrix is K_ij = exp(−r_ij / σ) / N with r_ij = |x̂_i − x̂_j|. Given G = ∂S/∂K, return ∂S/∂X̂, of shape (N, d).
`check_gradient` compares every element with finite differences of the entropy and is the judge.
"""

import sys

import numpy as np

from rdae_ref import check_gradient, graph_laplacian, renyi_entropy, renyi_entropy_gradient  # noqa: F401


def pullback(G, K, Xhat, sigma):
    """Return ∂S/∂X̂. Note that r_ii = 0: the diagonal of K is constant."""
    raise NotImplementedError("replace this line with your own")


# The judge, which needs no change.


def entropy(Xhat, sigma=0.7, alpha=1.01):
    """Return S_α of the Laplacian Gram matrix in bits, and your gradient."""
    r = np.sqrt(np.sum((Xhat[:, None] - Xhat) ** 2, axis=2))
    K = np.exp(-r / sigma) / len(Xhat)
    return renyi_entropy(K, alpha), pullback(renyi_entropy_gradient(K, alpha), K, Xhat, sigma)


if __name__ == "__main__":
    try:
        report = check_gradient(entropy, np.random.default_rng(0).normal(size=(12, 2)))
    except NotImplementedError as error:
        sys.exit(f"{__file__}: {error}")
    print(report)
    sys.exit(0 if report.passed else 1)
