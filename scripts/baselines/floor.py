"""The operations that no implementation of the same path can avoid."""

import numpy as np
import scipy.linalg

from rdae_ref import gaussian_gram
from rdae_ref.autoencoder import forward

TILE = 1000


def eigh(case):
    """Decompose N K_X ∘ K_X̂ and K_X̂; return their eigenvalues."""
    X = case.data()
    K = gaussian_gram(forward(case.parameters(), X, case.activation).Xhat, case.sigma)
    matrices = case.N * gaussian_gram(X, case.sigma) * K, K
    return lambda: [scipy.linalg.eigh(A, driver="evd")[0] for A in matrices]


def products(case):
    """Multiply, in tiles, what a gradient at α = 2 multiplies: half of X Xᵀ, half of X̂ X̂ᵀ, and P X̂, each once."""
    X = case.data()
    Xhat = forward(case.parameters(), X, case.activation).Xhat
    starts = range(0, case.N, TILE)

    def multiply():
        PX = np.zeros_like(Xhat)
        for i in (slice(start, start + TILE) for start in starts):
            for j in (slice(start, start + TILE) for start in starts if start <= i.start):
                _ = X[i] @ X[j].T
                P = Xhat[i] @ Xhat[j].T
                PX[i] += P @ Xhat[j]
                if i != j:
                    PX[j] += P.T @ Xhat[i]
        return PX[:TILE]

    return multiply
