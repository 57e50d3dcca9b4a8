"""Principal component analysis in closed form: what linear units with a bottleneck can reach at best."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_samples
from ..autoencoder import Parameters

__all__ = ["PrincipalComponents", "pca"]


class PrincipalComponents(NamedTuple):
    """The k leading principal components of a sample.

    Parameters
    ----------
    mean : Array, shape (d,)
        Of the data.
    components : Array, shape (k, d)
        Orthonormal directions in rows, that of the largest variance first.
    variances : Array, shape (k,)
        Of the data along them, divided by N.
    distortion : float
        The sum of the variances along all other directions, which is D_emp of the reconstructions.
    """

    mean: Array
    components: Array
    variances: Array
    distortion: float

    def reconstruct(self, X: npt.ArrayLike) -> Array:
        """Return the projections x̂ = m + Vᵀ V (x − m), V having the components in its rows.

        Parameters
        ----------
        X : array_like, shape (M, d)
            Inputs in rows.

        Returns
        -------
        Array, shape (M, d)
            X̂.

        Raises
        ------
        TypeError, ValueError
            If `X` is no finite real matrix of d columns.
        """
        X = as_samples(X, "X", len(self.mean))
        return self.mean + (X - self.mean) @ self.components.T @ self.components

    def as_parameters(self) -> Parameters:
        """Return the auto-encoder with k linear units that has the same outputs: W = V, c = −V m, A = Vᵀ, b = m.

        Returns
        -------
        parameters : Parameters
            To start from, or to compare with.
        """
        V, m = self.components, self.mean
        return Parameters(W=V.copy(), c=-V @ m, A=V.T.copy(), b=m.copy())


def pca(X: npt.ArrayLike, n_components: int) -> PrincipalComponents:
    """Return the principal components, from the singular values of X − 1 mᵀ = U diag(s) V: variances s²/N.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows.
    n_components : int
        k, from 1 to the smaller of N and d.

    Returns
    -------
    PrincipalComponents
        Mean, components, variances and the distortion that they leave. Of v and −v it has the one whose largest
        element is positive.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, or `n_components` out of its range.

    Notes
    -----
    §2 of the paper: for Gaussian data the optimal mapping in the rate-distortion sense.

    Examples
    --------
    >>> from rdae_ref.models import pca
    >>> found = pca([[0.0, 1.0], [4.0, 1.0], [2.0, 0.0], [2.0, 2.0]], n_components=1)
    >>> found.components, found.variances
    (array([[1., 0.]]), array([2.]))
    >>> round(found.distortion, 12)
    0.5
    """
    X = as_samples(X, "X")
    n_components = as_count(n_components, "n_components", maximum=min(X.shape))
    mean = X.mean(axis=0)
    _, s, V = np.linalg.svd(X - mean, full_matrices=False)
    largest = np.take_along_axis(V, np.abs(V).argmax(axis=1)[:, None], axis=1)
    variances = s**2 / len(X)
    return PrincipalComponents(
        mean=mean,
        components=(V * np.sign(largest))[:n_components],
        variances=variances[:n_components],
        distortion=float(variances[n_components:].sum()),
    )
