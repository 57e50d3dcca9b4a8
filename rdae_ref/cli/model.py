"""``rdae-ref fit``, ``rdae-ref transform`` and ``rdae-ref inspect``: make a model from data, apply it, describe it."""

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import gaussian
from ..files import printable
from ..tables import Table, check_writable_table, read_table, write_table
from .common import Verbs, add_verb, as_seed, check_folder
from .history import check_drawable, draw_history, history_text

if TYPE_CHECKING:
    from ..estimator import RateDistortionAutoencoder

MAKE = "rdae-ref fit --example data.csv\n  rdae-ref fit data.csv -o model.npz"
N_EXAMPLE = 100


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


# The settings of the estimator, which checks them; one that is not given has the estimator's default.
SETTINGS: dict[str, tuple[Any, str]] = {
    "n_hidden": (int, "number of units (default 10)"),
    "activation": (str, "linear, logsig, relu, satlin, softplus or tanh (default logsig)"),
    "alpha": (float, "order of the entropy (default 1.01)"),
    "mu": (float, "trade-off of Eq. (25) (default 1.5)"),
    "distortion": (float, "bound of Eq. (14), for which the trade-off is found"),
    "sigma": (_number_or_word, "kernel size of the inputs, a number or median (default median)"),
    "sigma_xhat": (_number_or_word, "that of the outputs (default: that of the inputs)"),
    "base": (float, "of the logarithm (default 2)"),
    "method": (str, "how L is computed: auto, paper, exact or low-rank (default auto)"),
    "solver": (str, "lbfgs or ascent (default lbfgs)"),
    "step_size": (float, "of the ascent (default: found by a line search)"),
    "momentum": (float, "of the ascent (default 0.0)"),
    "batch_size": (int, "most samples in a batch (default: all in one)"),
    "batches": (str, "clustered, as in §4.2, or random (default random)"),
    "max_iter": (int, "iterations of L-BFGS, or passes through the data (default 500)"),
    "tol": (float, "where it has converged (default 0.0001)"),
    "init": (str, "continuation, from 64 times the trade-off down, or random (default continuation)"),
}


def add_fit(verbs: Verbs) -> None:
    """Add the command."""
    fit = add_verb(
        verbs,
        "fit",
        "Fit an auto-encoder to the rows of a table; exit code 1 if it did not converge, or collapsed.",
        MAKE,
    )
    which = fit.add_mutually_exclusive_group(required=True)
    _add_data(fit, which.add_argument, nargs="?")
    which.add_argument("--example", type=Path, metavar="FILE", help="write data of Figure 1 to try it with, and stop")
    fit.add_argument("-o", "--output", type=Path, metavar="MODEL.npz", help="the model")
    for name, (kind, what) in SETTINGS.items():
        fit.add_argument(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, metavar="X", help=what)
    fit.add_argument("--seed", type=as_seed, default=0, help="of the start, of batches, of the example (default 0)")
    fit.add_argument("--quiet", action="store_true", help="print nothing: the exit code tells the result")
    fit.set_defaults(command=_fit)


def _fit(options: argparse.Namespace) -> int:
    check_folder(options.output or options.example)
    if options.example:
        check_writable_table(options.example)
        write_table(options.example, gaussian(N_EXAMPLE, np.random.default_rng(options.seed)), ("x1", "x2"))
        return 0
    if options.output is None:
        raise ValueError("the model needs a file: -o model.npz")
    _check_apart(options.output, options.data)
    if options.output.suffix != ".npz":
        raise ValueError(f"{options.output} must end in .npz: a model is an npz file")
    table = _read(options)

    from ..estimator import RateDistortionAutoencoder  # noqa: PLC0415  # loads scikit-learn, which takes a second
    from ..model_file import save_model  # noqa: PLC0415

    settings = {name: value for name, value in vars(options).items() if name in SETTINGS}
    model = RateDistortionAutoencoder(**settings, random_state=options.seed, verbose=not options.quiet)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        model.fit(table.values)
    if table.columns:
        model.feature_names_in_ = np.array(table.columns, dtype=object)
    save_model(model, options.output)
    if not options.quiet:
        for said in caught:
            print(f"rdae-ref: {printable(said.message)}", file=sys.stderr)
        print(_summary(model))
    return 1 if model.converged_ is False or model.collapsed_ else 0


def add_transform(verbs: Verbs) -> None:
    """Add the command."""
    transform = add_verb(
        verbs,
        "transform",
        "Write the codes of the rows of a table, or their reconstructions, into another table.",
        f"{MAKE}\n  rdae-ref transform model.npz data.csv -o code.csv",
    )
    transform.add_argument("model", type=Path, metavar="MODEL.npz", help="as rdae-ref fit wrote it")
    _add_data(transform, transform.add_argument)
    transform.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="a .csv, .npy or .npz file for the codes"
    )
    transform.add_argument("--reconstruct", action="store_true", help="write the reconstructions, not the codes")
    transform.add_argument("--quiet", action="store_true", help="print nothing: the exit code tells the result")
    transform.set_defaults(command=_transform)


def _transform(options: argparse.Namespace) -> int:
    check_folder(options.output)
    check_writable_table(options.output)
    _check_apart(options.output, options.model, options.data)
    model, table = _load(options.model), _read(options)
    _check_columns(model, table, options)
    if options.reconstruct:
        values, name = model.reconstruct(table.values), "Xhat"
        columns = table.columns or [f"xhat{i + 1}" for i in range(values.shape[1])]
    else:
        values, name = model.transform(table.values), "code"
        columns = [f"code{i + 1}" for i in range(values.shape[1])]
    write_table(options.output, values, columns, name=name)
    if not options.quiet:
        distortion = -model.score(table.values)
        print(f"{options.output}: {values.shape[0]} rows, {values.shape[1]} columns; distortion {distortion:.6g}")
    return 0


def add_inspect(verbs: Verbs) -> None:
    """Add the command."""
    inspect = add_verb(
        verbs,
        "inspect",
        "Describe a model: its settings, the terms of its objective, and its training history.",
        f"{MAKE}\n  rdae-ref inspect model.npz --plot history.png",
    )
    inspect.add_argument("model", type=Path, metavar="MODEL.npz", help="as rdae-ref fit wrote it")
    inspect.add_argument("--plot", type=Path, metavar="FILE", help="draw the history into a .png, .svg or .pdf file")
    inspect.add_argument("--quiet", action="store_true", help="print nothing: the exit code says whether it is a model")
    inspect.set_defaults(command=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    check_folder(options.plot)
    if options.plot:
        check_drawable(options.plot)
    model = _load(options.model)
    if options.plot:
        draw_history(model.history_, options.plot)
    if not options.quiet:
        settings = model.get_params()
        width = max(map(len, settings))
        print("settings")
        for name, value in settings.items():
            if name not in ("callback", "verbose"):
                print(f"  {name:{width}}  {'' if value is None else printable(value)}".rstrip())
        if hasattr(model, "feature_names_in_"):
            print(f"\ncolumns: {', '.join(map(printable, model.feature_names_in_))}")
        print(f"\n{_summary(model)}\n\n{history_text(model.history_)}")
    return 0


def _summary(model: "RateDistortionAutoencoder") -> str:
    unit = {2: "bits", np.e: "nats"}.get(model.base, f"units of log base {model.base:g}")
    ended = {True: "converged", False: "did not converge", None: "no test of convergence with batches"}
    rows = [
        ("objective", f"{model.value_:.6g}", f"conditional entropy − {model.mu_:.6g} · distortion"),
        ("conditional entropy", f"{model.terms_.conditional_entropy:.6g}", f"{unit}, of the inputs given the outputs"),
        ("joint entropy", f"{model.terms_.joint_entropy:.6g}", unit),
        ("output entropy", f"{model.terms_.output_entropy:.6g}", unit),
        ("distortion", f"{model.terms_.distortion:.6g}", "mean of the squared distance"),
        ("kernel sizes", f"{model.sigma_x_:.6g}, {model.sigma_xhat_:.6g}", "of inputs and outputs"),
        ("iterations", f"{model.n_iter_}", f"{ended[model.converged_]}: {printable(model.message_)}"),
    ]
    head = f"{model.n_features_in_} features, {len(model.parameters_.W)} units"
    return "\n".join([head, *(f"  {name:19}  {value:>18}  {what}" for name, value, what in rows)])


def _add_data(parser: argparse.ArgumentParser, add: Any, **kwargs: Any) -> None:
    add("data", type=Path, metavar="DATA", help="samples in rows: a csv, npy or npz file", **kwargs)
    reading = parser.add_argument_group("how the data is read")
    reading.add_argument(
        "--delimiter", metavar="C", help="a character, tab, or whitespace (default: detected automatically)"
    )
    reading.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether line 1 has the names of the columns (default: detected automatically)",
    )
    reading.add_argument("--key", metavar="NAME", help="the array of an npz file (default: the only one)")


def _check_columns(model: "RateDistortionAutoencoder", table: Table, options: argparse.Namespace) -> None:
    """Refuse columns of other names than those of the fit; where one of the two has no names, their order counts."""
    fitted = getattr(model, "feature_names_in_", None)
    if fitted is None:
        return
    del model.feature_names_in_  # scikit-learn would miss them in the array
    if table.columns is None or len(fitted) != len(table.columns):
        return
    for number, (wanted, found) in enumerate(zip(fitted, table.columns, strict=True), 1):
        if wanted != found:
            words = f"column {number} is {found!r}, but {options.model} was fitted to {wanted!r} there"
            raise ValueError(
                f"{options.data}: {words}: bring the columns into the order {', '.join(map(repr, fitted))}"
            )


def _check_apart(output: Path, *inputs: Path) -> None:
    if output.resolve() in [path.resolve() for path in inputs]:
        raise ValueError(f"{output} is what is read: name another file to write")


def _read(options: argparse.Namespace) -> Table:
    return read_table(options.data, delimiter=options.delimiter, header=options.header, key=options.key)


def _load(path: Path) -> "RateDistortionAutoencoder":
    from ..model_file import load_model  # noqa: PLC0415  # loads scikit-learn, which takes a second

    return load_model(path)
