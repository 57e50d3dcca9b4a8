"""Files of fitted estimators: npz, nothing pickled, read whole or refused; all but arrays is JSON text in ``about``."""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from ._validation import as_choice, as_count, as_nonnegative, as_positive, as_vector
from ._version import __version__
from .activations import ACTIVATIONS, TANH, as_activation
from .autoencoder import Parameters, as_parameters
from .estimator import RateDistortionAutoencoder, check_is_fitted
from .files import ContentError, Header, as_text, parse_json, read_npz, written_whole
from .objective import RateDistortion, Terms
from .optimize.constrained import first_stiffness

__all__ = ["ModelFileError", "load_model", "save_model"]

FORMAT = "rdae_ref model"
VERSION = 4  # of the format: one more with each change that an older reader would misunderstand
READABLE = (2, 3, 4)  # version 2 has the history in the text, and no method; none before 4 has standardised columns

LEFT_OUT = ("callback", "verbose")  # they belong to a session
# Not in every file; arrays and generators matter to a fit only.
PERHAPS = ("init", "random_state", "method", "standardise")
OF_COLUMNS = ("mean", "scale")  # arrays of a model with standardised columns
PLAIN = ("mu", "sigma_x", "sigma_xhat", "value", "message", "converged")  # attributes that are written as they are
LATER = ("collapsed", "variance", "input_entropy", "choices")  # likewise, but not in every file
FITTED = (*PLAIN, "terms", "history", "feature_names")


class ModelFileError(ContentError):
    """A file could be read but is not a complete model; the message says what is missing."""


def save_model(model: RateDistortionAutoencoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator into an npz file.

    Parameters
    ----------
    model : RateDistortionAutoencoder
        Fitted. The settings of the fit are written, whatever `set_params` changed later. The callback, `verbose`, a
        generator as `random_state` and arrays as `init` are not saved: in a loaded model these have their defaults.
    path : str or path-like
        Where; an existing file is replaced once the new one is complete.

    Raises
    ------
    NotFittedError, OSError
        If the estimator is not fitted, or the folder cannot be written to.
    ValueError
        If its activation is not one of this package, as files do not store code; or if `load_model` would refuse it.
    """
    check_is_fitted(model, "parameters_")
    columns = sorted({name for entry in model.history_ for name in entry})
    about = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": f"rdae_ref {__version__}",
        "settings": _settings(getattr(model, "fitted_settings_", model.get_params(deep=False))),
        "fitted": {
            **{name: getattr(model, f"{name}_") for name in (*PLAIN, *LATER)},
            "terms": model.terms_._asdict(),
            "history": columns,
            "feature_names": list(model.feature_names_in_) if hasattr(model, "feature_names_in_") else None,
        },
    }
    history = [[entry.get(name, math.nan) for name in columns] for entry in model.history_]
    content: dict[str, Any] = {
        "history": np.array(history, dtype=np.float64).reshape(len(history), len(columns)),
        **model.parameters_._asdict(),
        **{name: array for name, array in _of_columns(model).items() if array is not None},
    }
    try:
        content["about"] = np.array(json.dumps(about, allow_nan=False))
        _model(content)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"the model cannot be saved: {error}") from None
    with written_whole(path, "wb") as file:
        np.savez(file, **content)


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
        If there is no such file, or it cannot be read.
    ModelFileError
        If it is not an npz file or not a complete model; the message says what is missing. Settings are checked as in
        `fit`.
    """
    try:
        content = read_npz(path, _choose, compressed=False)
    except ContentError as error:
        said = str(error) if str(path) in str(error) else f"{path} is not a model of rdae_ref that can be read: {error}"
        raise ModelFileError(said) from None
    try:
        return _model(content)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"{path} is not a model of rdae_ref that can be read: {error}") from None


def _choose(headers: Mapping[str, Header]) -> Iterable[str]:
    """Refuse other members than those of a model, and shapes that do not fit together."""
    _check_names(headers, ("about", *Parameters._fields), "the file")
    unknown = sorted(set(headers) - {"about", "history", *Parameters._fields, *OF_COLUMNS})
    if unknown:
        raise ContentError(f"a model has no member {unknown[0]!r}")
    p, d = _matrix_shape(headers["W"])
    for name, shape in {"c": (p,), "A": (d, p), "b": (d,), **dict.fromkeys(OF_COLUMNS, (d,))}.items():
        if name in headers and headers[name].shape != shape:
            raise ContentError(f"{name} must have shape {shape}, got {headers[name].shape}")
    return headers


def _of_columns(model: RateDistortionAutoencoder) -> dict[str, Any]:
    return {name: getattr(model, f"{name}_") for name in OF_COLUMNS}


def _settings(of_fit: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: _plain(value) for name, value in of_fit.items() if name not in LEFT_OUT}
    activation = as_activation(of_fit["activation"])
    if activation is not {**ACTIVATIONS, TANH.name: TANH}.get(activation.name):
        raise ValueError(f"a file does not keep the code of the units {activation.name!r}: pickle the model instead")
    settings["activation"] = activation.name
    for name in PERHAPS:
        if not isinstance(settings[name], (str, int, type(None))):
            del settings[name]
    return settings


def _plain(value: Any) -> Any:
    """Return a number as JSON can hold it: infinity, an order of the entropy, as a word."""
    if isinstance(value, Real) and not isinstance(value, (int, float)):
        value = int(value) if isinstance(value, Integral) else float(value)
    return str(value) if value == np.inf else value


def _model(content: Mapping[str, Any]) -> RateDistortionAutoencoder:
    about = _about(content["about"])
    model = _with_settings(_part(about, "settings"))
    fitted, (p, d) = _part(about, "fitted"), _matrix_shape(content["W"])
    _check_names(fitted, FITTED, "fitted")
    model.parameters_ = as_parameters(Parameters(*(content[name] for name in Parameters._fields)), d)
    model.n_features_in_ = d
    if p != model.n_hidden:
        raise ValueError(f"W must have one row for each of the {model.n_hidden} units, got {p}")
    model.mu_ = as_nonnegative(fitted["mu"], "mu")
    model.sigma_x_, model.sigma_xhat_ = (as_positive(fitted[name], name) for name in ("sigma_x", "sigma_xhat"))
    _check_given(model)
    _add_columns(model, content)
    model.value_ = _number(fitted["value"], "value")
    terms = _part(fitted, "terms")
    _check_names(terms, Terms._fields, "terms")
    model.terms_ = Terms(*(_number(terms[name], name) for name in Terms._fields))
    of_text = about["version"] == 2
    model.history_ = _history(fitted["history"] if of_text else _entries(fitted["history"], content.get("history")))
    model.n_iter_ = len(model.history_)
    if not isinstance(fitted["message"], str):
        raise ValueError(f"message must be text, got {fitted['message']!r:.80}")
    model.message_ = fitted["message"]
    model.converged_, model.collapsed_ = fitted["converged"], fitted.get("collapsed", False)
    if not isinstance(model.converged_, (bool, type(None))):
        raise ValueError(f"converged must be true, false or null, got {model.converged_!r:.80}")
    if not isinstance(model.collapsed_, bool):
        raise ValueError(f"collapsed must be true or false, got {model.collapsed_!r:.80}")
    model.choices_ = _choices(fitted.get("choices", {}))
    for name in ("variance", "input_entropy"):  # None in older files
        setattr(model, f"{name}_", None if fitted.get(name) is None else _number(fitted[name], name))
    names = fitted["feature_names"]
    if names is not None:
        if not isinstance(names, list) or [type(name) for name in names] != [str] * d:
            raise ValueError(f"feature_names must be {d} names, got {names!r:.200}")
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


def _add_columns(model: RateDistortionAutoencoder, content: Mapping[str, Any]) -> None:
    """Set mean and scale of the columns, which a model has if it standardises them."""
    found = [name for name in OF_COLUMNS if name in content]
    if found != (list(OF_COLUMNS) if model.standardise else []):
        raise ValueError(f"standardise is {model.standardise}, and the file has {' and '.join(found) or 'no scale'}")
    for name in OF_COLUMNS:
        setattr(model, f"{name}_", as_vector(content[name], name, model.n_features_in_) if found else None)
    if found and not (model.scale_ > 0).all():
        raise ValueError("scale must be above 0 in each column")


def _choices(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"choices must be text for each setting, got {value!r:.200}")
    return value


def _check_given(model: RateDistortionAutoencoder) -> None:
    """Refuse settings that the fit cannot have had: other numbers than it used, or out of proportion to its data."""
    given = {"sigma": (model.sigma, model.sigma_x_), "sigma_xhat": (model.sigma_xhat, model.sigma_xhat_)}
    if model.distortion is None:
        given["mu"] = (model.mu, model.mu_)
    else:  # in units of the kernel size
        sigma = model.sigma_x_
        first_stiffness(model.mu * sigma * sigma, model.distortion / sigma / sigma)
    for name, (setting, used) in given.items():
        if isinstance(setting, Real) and setting != used:
            raise ValueError(f"{name} is {setting!r:.80} in the settings, and the fit used {used!r:.80}")


def _about(array: Any) -> dict[str, Any]:
    if array.dtype.kind != "U" or array.ndim != 0:
        raise ValueError("about must be JSON text")
    about = parse_json(as_text(array, "about"), "about")
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if about.get("version") not in READABLE:
        readable = " and ".join(map(str, READABLE))
        raise ValueError(f"its version is {about.get('version')!r:.80}, and this rdae_ref reads {readable}")
    return about


def _with_settings(settings: dict[str, Any]) -> RateDistortionAutoencoder:
    """Return an estimator with settings that have passed the checks of a fit."""
    known = [name for name in RateDistortionAutoencoder().get_params(deep=False) if name not in LEFT_OUT]
    _check_names(settings, [name for name in known if name not in PERHAPS], "settings")
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"there is no setting {unknown[0]!r:.80}")
    model = RateDistortionAutoencoder(**settings | {"alpha": math.inf} if settings["alpha"] == "inf" else settings)
    as_count(model.n_hidden, "n_hidden")
    model._check_settings(sys.maxsize)
    if not isinstance(model.init, str):
        raise ValueError(f"init must be a word, got {model.init!r:.80}")
    if model.random_state is not None:
        as_count(model.random_state, "random_state", minimum=0, maximum=2**128)
    sizes = {"sigma": model.sigma, "sigma_xhat": model.sigma if model.sigma_xhat is None else model.sigma_xhat}
    sigma_x, sigma_xhat = (_kernel_size(size, name) for name, size in sizes.items())
    given = {name: getattr(model, name) for name in ("activation", "alpha", "mu", "base", "method")}
    RateDistortion(np.eye(2), sigma_x=sigma_x, sigma_xhat=sigma_xhat, **given)  # refuses what it cannot use
    model.fitted_settings_ = model.get_params(deep=False)
    return model


def _kernel_size(size: Any, name: str) -> float:
    """Return a kernel size; one of any size for the median."""
    if isinstance(size, str):
        as_choice(size, name, ("median",))
        return 1.0
    return as_positive(size, name)


def _part(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = about.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"{name} is missing")
    return part


def _check_names(found: Mapping[str, Any], wanted: Any, where: str) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ContentError(f"{where} lacks {', '.join(missing)}")


def _matrix_shape(W: Any) -> tuple[int, int]:
    if len(W.shape) != 2:
        raise ContentError(f"W must be a matrix, got shape {W.shape}")
    return W.shape[0], W.shape[1]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise ValueError(f"{name:.80} must be a finite number, got {value!r:.80}")
    return float(value)


def _entries(columns: Any, values: Any) -> list[dict[str, float]]:
    """Return a history from the names and the values of its columns; NaN stands for what an entry does not have."""
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise ValueError("history must be the names of the columns of the array history")
    shape = None if values is None else values.shape
    if shape is None or len(shape) != 2 or shape[1] != len(columns) or values.dtype != np.float64:
        raise ValueError(f"the file must have an array history of {len(columns)} columns, got shape {shape}")
    rows = values.tolist()
    return [{n: v for n, v in zip(columns, row, strict=True) if not math.isnan(v)} for row in rows]


def _history(entries: Any) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("history must be a list of the numbers of each iteration")
    for entry in entries:
        _check_names(entry, ("value", "gradient_norm"), "history")
        for name, value in entry.items():
            _number(value, f"{name} in history")
    return entries
