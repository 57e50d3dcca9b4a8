"""What the estimator needs from scikit-learn, under the same names, where scikit-learn is not installed."""

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_count, as_samples

__all__ = [
    "BaseEstimator", "ClassNamePrefixFeaturesOutMixin", "ConvergenceWarning", "NotFittedError",
    "TransformerMixin", "check_is_fitted", "validate_data",
]  # fmt: skip


class ConvergenceWarning(UserWarning):
    """An optimiser stopped before it converged."""


class NotFittedError(ValueError, AttributeError):
    """An estimator was used before it was fitted."""


class BaseEstimator:
    """Settings by name: the arguments of the constructor."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {name: argument.default for name, argument in inspect.signature(cls).parameters.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name; `deep` has no effect, as no setting has settings of its own."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Any:
        """Change settings, and return the estimator; raise ValueError if there is no setting of a name."""
        unknown = sorted(set(params) - set(self._defaults()))
        if unknown:
            known = ", ".join(self._defaults())
            raise ValueError(f"{type(self).__name__} has no setting {unknown[0]!r}: choose from {known}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        settings = {name: (getattr(self, name), default) for name, default in self._defaults().items()}
        changed = (f"{name}={value!r}" for name, (value, default) in settings.items() if value is not default)
        return f"{type(self).__name__}({', '.join(changed)})"


class TransformerMixin:
    """Fit and transform in one call."""

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Array:
        """Fit to data, then transform it; `y` is ignored."""
        code: Array = self.fit(X, y).transform(X)  # type: ignore[attr-defined]
        return code


class ClassNamePrefixFeaturesOutMixin:
    """Names of the columns that transform returns."""

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the name of the class in small letters with a number from 0 on, for each column."""
        check_is_fitted(self, "_n_features_out")
        name = type(self).__name__.lower()
        count = self._n_features_out  # type: ignore[attr-defined]
        return np.array([f"{name}{i}" for i in range(count)], dtype=np.object_)


def check_is_fitted(estimator: Any, attributes: str) -> None:
    """Raise NotFittedError if an estimator lacks an attribute that fit sets."""
    if not hasattr(estimator, attributes):
        raise NotFittedError(f"this {type(estimator).__name__} is not fitted yet: call fit with data first")


def validate_data(
    estimator: Any, X: npt.ArrayLike, *, reset: bool = True, dtype: type = np.float64, ensure_min_samples: int = 1
) -> Array:
    """Return samples in rows as float64; the number and the names of their columns are set if `reset`, or compared."""
    names = getattr(X, "columns", None)  # of a frame of pandas or polars
    named = None if names is None or not all(isinstance(name, str) for name in names) else list(names)
    fitted = None if reset or named is None else getattr(estimator, "feature_names_in_", None)
    if fitted is not None and list(fitted) != named:
        raise ValueError(f"the columns must be those of the fit in their order, {list(fitted)}, got {named}")
    X = as_samples(X, "X", None if reset else estimator.n_features_in_)
    as_count(len(X), "the number of samples", minimum=ensure_min_samples)
    if reset:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
        if named is not None:
            estimator.feature_names_in_ = np.array(named, dtype=object)
    return X
