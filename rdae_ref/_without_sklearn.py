"""What the estimator takes from scikit-learn, in the few lines that it needs of it where that is not installed.

The names are scikit-learn's, so that the estimator does not know which of the two it stands on.
"""

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_count, as_samples

__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ConvergenceWarning",
    "NotFittedError",
    "TransformerMixin",
    "check_is_fitted",
    "validate_data",
]


class ConvergenceWarning(UserWarning):
    """An optimiser stopped before it converged."""


class NotFittedError(ValueError, AttributeError):
    """An estimator was used before it was fitted."""


class BaseEstimator:
    """Settings by name, which are the arguments of the constructor."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {name: argument.default for name, argument in inspect.signature(cls).parameters.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name.

        Parameters
        ----------
        deep : bool
            Without a meaning here, where no setting has settings of its own.

        Returns
        -------
        dict
            Names and values.
        """
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Any:
        """Change settings.

        Parameters
        ----------
        **params : object
            Names and values.

        Returns
        -------
        BaseEstimator
            Itself.

        Raises
        ------
        ValueError
            If there is no setting of that name.
        """
        unknown = sorted(set(params) - set(self._defaults()))
        if unknown:
            known = ", ".join(self._defaults())
            raise ValueError(f"{type(self).__name__} has no setting {unknown[0]!r}; known are {known}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = {name: getattr(self, name) for name, default in self._defaults().items()}
        said = (f"{name}={value!r}" for name, value in changed.items() if value is not self._defaults()[name])
        return f"{type(self).__name__}({', '.join(said)})"


class TransformerMixin:
    """Fit and transform in one call."""

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Array:
        """Fit to data, then transform it.

        Parameters
        ----------
        X : array_like, shape (N, d)
            Samples in rows.
        y : object
            Ignored.

        Returns
        -------
        Array, shape (N, p)
            What transform returns.
        """
        code: Array = self.fit(X, y).transform(X)  # type: ignore[attr-defined]
        return code


class ClassNamePrefixFeaturesOutMixin:
    """Names of the columns that transform returns: that of the class, and a number."""

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns that transform returns.

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        Array of str, shape (p,)
            The class in small letters, and a number from 0 on.
        """
        check_is_fitted(self, "_n_features_out")
        name = type(self).__name__.lower()
        count = self._n_features_out  # type: ignore[attr-defined]
        return np.array([f"{name}{i}" for i in range(count)], dtype=np.object_)


def check_is_fitted(estimator: Any, attributes: str) -> None:
    """Refuse an estimator that has not been fitted.

    Parameters
    ----------
    estimator : object
        To be used.
    attributes : str
        What it has once it is fitted.

    Raises
    ------
    NotFittedError
        If it does not have it.
    """
    if not hasattr(estimator, attributes):
        raise NotFittedError(f"this {type(estimator).__name__} is not fitted yet: call fit with data first")


def validate_data(
    estimator: Any, X: npt.ArrayLike, *, reset: bool = True, dtype: type = np.float64, ensure_min_samples: int = 1
) -> Array:
    """Return N samples in rows, with as many columns as those that the estimator was fitted to.

    Parameters
    ----------
    estimator : object
        It gets, or has, ``n_features_in_``.
    X : array_like, shape (N, d)
        Samples in rows.
    reset : bool
        Whether the samples are to be fitted, and d is new.
    dtype : type
        Always float64 here.
    ensure_min_samples : int
        The smallest N.

    Returns
    -------
    Array, shape (N, d)
        The samples as float64.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, too short, or has another number of columns.
    """
    X = as_samples(X, "X", None if reset else estimator.n_features_in_)
    as_count(len(X), "the number of samples", minimum=ensure_min_samples)
    if reset:
        estimator.n_features_in_ = X.shape[1]
    return X
