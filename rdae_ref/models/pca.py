"""Principal component analysis in closed form: the best that linear units with a bottleneck can reach."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_samples
from ..autoencoder import Parameters

__all__ = ["PrincipalComponents", "pca"]


class PrincipalComponents(NamedTuple):
    """The k leading principal components of a sample."""

    mean: Array  #: of the data, shape (d,)
    components: Array  #: orthonormal directions in rows, shape (k, d), that of the largest variance first
    variances: Array  #: of the data along them, divided by N, shape (k,)
    distortion: float  #: the sum of the variances along all other directions: D_emp of the reconstructions

    def reconstruct(self, X: npt.ArrayLike) -> Array:
        """Return the projections x̂ = m + Vᵀ V (x − m) of inputs in rows, V being the components."""
        X = as_samples(X, "X", len(self.mean))
        return self.mean + (X - self.mean) @ self.components.T @ self.components

    def as_parameters(self) -> Parameters:
        """Return the auto-encoder with k linear units that has the same outputs: W = V, c = −V m, A = Vᵀ, b = m."""
        V, m = self.components, self.mean
        return Parameters(W=V.copy(), c=-V @ m, A=V.T.copy(), b=m.copy())


def pca(X: npt.ArrayLike, n_components: int) -> PrincipalComponents:
    """Return the principal components, from the singular values of X − 1 mᵀ = U diag(s) V: variances s²/N.

    For Gaussian data they are the optimal mapping in the rate-distortion sense (§2 of the paper).

    Parameters
    ----------
    X, n_components : array_like, shape (N, d), and int
        Samples in rows; and k, from 1 to the smaller of N and d.

    Returns
    -------
    PrincipalComponents
        Each component signed so that its element of largest magnitude is positive.

    Examples
    --------
    >>> found = pca([[0.0, 1.0], [4.0, 1.0], [2.0, 0.0], [2.0, 2.0]], n_components=1)
    >>> found.components, found.variances, round(found.distortion, 12)
    (array([[1., 0.]]), array([2.]), 0.5)
    """
    X = as_samples(X, "X")
    n_components = as_count(n_components, "n_components", maximum=min(X.shape))
    mean = X.mean(axis=0)
    _, s, V = np.linalg.svd(X - mean, full_matrices=False)
    largest = np.take_along_axis(V, np.abs(V).argmax(axis=1)[:, None], axis=1)
    variances = s**2 / len(X)
    components, left = (V * np.sign(largest))[:n_components], float(variances[n_components:].sum())
    return PrincipalComponents(mean, components, variances[:n_components], distortion=left)
