"""Files of fitted estimators: npz, nothing pickled, and read whole or refused.

The arrays W, c, A, b stand under their names; all that is not an array is JSON text under the name ``about``.
"""

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._validation import as_nonnegative, as_positive
from ._version import __version__
from .activations import ACTIVATIONS, TANH, as_activation
from .autoencoder import Parameters, as_parameters
from .estimator import RateDistortionAutoencoder, check_is_fitted
from .files import ContentError, read_npz, written_whole
from .objective import Terms

__all__ = ["ModelFileError", "load_model", "save_model"]

FORMAT = "rdae_ref model"
VERSION = 2  # of the format: one more with each change that an older reader would misunderstand

LEFT_OUT = ("callback", "verbose")  # they belong to a session
PERHAPS = ("init", "random_state")  # kept unless they are arrays or generators, which matter to a fit only
FITTED = ("mu", "sigma_x", "sigma_xhat", "value", "terms", "history", "message", "converged", "feature_names")


class ModelFileError(ContentError):
    """A file that was read is no whole model; it says what is missing."""


def save_model(model: RateDistortionAutoencoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator into an npz file.

    Parameters
    ----------
    model : RateDistortionAutoencoder
        Fitted. Of its settings the callback and `verbose` are not kept, nor a generator as `random_state` or arrays as
        `init`: in the model that is read these have their defaults.
    path : str or path-like
        Where; an older file is replaced, once the new one is whole.

    Raises
    ------
    NotFittedError, OSError
        If the estimator is not fitted, or the folder cannot be written to.
    ValueError
        If its units are not among those of this package: a file does not keep code.
    """
    check_is_fitted(model, "parameters_")
    about = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"rdae_ref {__version__}",
        "settings": _settings(model),
        "fitted": {
            "mu": model.mu_,
            "sigma_x": model.sigma_x_,
            "sigma_xhat": model.sigma_xhat_,
            "value": model.value_,
            "terms": model.terms_._asdict(),
            "history": model.history_,
            "message": model.message_,
            "converged": model.converged_,
            "feature_names": list(model.feature_names_in_) if hasattr(model, "feature_names_in_") else None,
        },
    }
    with written_whole(path, "wb") as file:
        np.savez(file, about=np.array(json.dumps(about, allow_nan=False)), **model.parameters_._asdict())


def load_model(path: str | os.PathLike[str]) -> RateDistortionAutoencoder:
    """Read an estimator that `save_model` wrote.

    Parameters
    ----------
    path : str or path-like
        The file. Nothing in it is unpickled.

    Returns
    -------
    RateDistortionAutoencoder
        Fitted.

    Raises
    ------
    OSError
        If there is no such file, or it is not to be read.
    ModelFileError, ValueError
        If it is no npz file, or no whole model; with what is missing.
    """
    content = read_npz(path)
    try:
        return _model(content)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # the last from endlessly nested JSON
        raise ModelFileError(f"{path} is no model of rdae_ref that can be read: {error}") from None


def _settings(model: RateDistortionAutoencoder) -> dict[str, Any]:
    settings = {name: _plain(value) for name, value in model.get_params(deep=False).items() if name not in LEFT_OUT}
    activation = as_activation(model.activation)
    if activation is not {**ACTIVATIONS, TANH.name: TANH}.get(activation.name):
        raise ValueError(f"a file does not keep the code of the units {activation.name!r}: pickle the model instead")
    settings["activation"] = activation.name
    for name in PERHAPS:
        if not isinstance(settings[name], (str, int, type(None))):
            del settings[name]
    return settings


def _plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, and infinity, an order of the entropy, as a word that JSON can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if value == np.inf else value


def _model(content: Mapping[str, Any]) -> RateDistortionAutoencoder:
    _check_names(content, ("about", *Parameters._fields), "the file")
    about = _about(content["about"])
    settings, fitted = _part(about, "settings"), _part(about, "fitted")
    known = [name for name in RateDistortionAutoencoder().get_params(deep=False) if name not in LEFT_OUT]
    _check_names(settings, [name for name in known if name not in PERHAPS], "settings")
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"there is no setting {unknown[0]!r}")
    _check_names(fitted, FITTED, "fitted")

    model = RateDistortionAutoencoder(**settings)
    as_activation(model.activation)
    model.alpha = float(model.alpha)  # which may be the word "inf"
    model.parameters_ = as_parameters(Parameters(*(content[name] for name in Parameters._fields)), _width(content["W"]))
    model.n_features_in_ = _width(content["W"])
    if len(model.parameters_.W) != model.n_hidden:
        raise ValueError(f"W must have one row for each of the {model.n_hidden} units, got {len(model.parameters_.W)}")
    model.mu_ = as_nonnegative(fitted["mu"], "mu")
    model.sigma_x_, model.sigma_xhat_ = (as_positive(fitted[name], name) for name in ("sigma_x", "sigma_xhat"))
    model.value_ = _number(fitted["value"], "value")
    terms = _part(fitted, "terms")
    _check_names(terms, Terms._fields, "terms")
    model.terms_ = Terms(*(_number(terms[name], name) for name in Terms._fields))
    model.history_ = _history(fitted["history"])
    model.n_iter_ = len(model.history_)
    model.message_, model.converged_ = str(fitted["message"]), fitted["converged"]
    if model.converged_ not in (True, False, None):
        raise ValueError(f"converged must be true, false or null, got {model.converged_!r}")
    names = fitted["feature_names"]
    if names is not None:
        if not isinstance(names, list) or [type(name) for name in names] != [str] * model.n_features_in_:
            raise ValueError(f"feature_names must be {model.n_features_in_} names, got {names!r}")
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


def _about(array: Any) -> dict[str, Any]:
    if array.dtype.kind != "U" or array.ndim != 0:
        raise ValueError("about must be JSON text")
    about = json.loads(str(array))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if about.get("version") != VERSION:
        raise ValueError(f"its version is {about.get('version')!r}, and this rdae_ref reads {VERSION}")
    return about


def _part(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = about.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"{name} is missing")
    return part


def _check_names(found: Mapping[str, Any], wanted: Any, where: str) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}")


def _width(W: Any) -> int:
    if W.ndim != 2:
        raise ValueError(f"W must be a matrix, got shape {W.shape}")
    return int(W.shape[1])


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def _history(entries: Any) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("history must be a list of the numbers of each iteration")
    for entry in entries:
        _check_names(entry, ("value", "gradient_norm"), "history")
        for name, value in entry.items():
            _number(value, f"{name} in history")
    return entries
