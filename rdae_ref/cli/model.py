"""``rdae-ref fit``, ``transform``, ``score`` and ``inspect``: make a model from data, apply it, describe it."""

import argparse
import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._command import INTERRUPTED
from ..data import gaussian
from ..files import printable, written_whole
from ..optimize.quasi_newton import in_words
from ..tables import Table, check_writable_table, read_table, write_table
from .common import Verbs, add_verb, as_seed, check_folder, say
from .history import check_drawable, draw_history, history_text
from .progress import Lines, progress_lines

if TYPE_CHECKING:
    from ..estimator import RateDistortionAutoencoder

MAKE = "rdae-ref fit --example data.csv\n  rdae-ref fit data.csv -o model.npz"
N_EXAMPLE = 100


def _count_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdecimal() else text


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
    "distortion": (float, "bound of Eq. (14); the trade-off is then found automatically"),
    "sigma": (_number_or_word, "kernel size of the inputs, a number or median (default median)"),
    "sigma_xhat": (_number_or_word, "kernel size of the outputs (default: that of the inputs)"),
    "base": (float, "base of the logarithm (default 2)"),
    "method": (str, "how L is computed: auto, paper, exact or low-rank (default auto)"),
    "solver": (str, "lbfgs or ascent (default lbfgs)"),
    "step_size": (float, "step size of the ascent (default: found by a line search)"),
    "momentum": (float, "momentum of the ascent (default 0.0)"),
    "batch_size": (_count_or_word, "largest batch: a number, or auto: up to 600 samples in one (default auto)"),
    "batches": (str, "clustered, as in §4.2, or random (default random)"),
    "max_iter": (int, "iterations of L-BFGS, or passes through the data (default 500)"),
    "tol": (float, "tolerance of the test of convergence (default 0.001)"),
    "init": (str, "start: pca, random, continuation (from 64 times the trade-off down), or auto (default auto)"),
}


def add_fit(verbs: Verbs) -> None:
    """Add the command."""
    what = "Fit an auto-encoder to the rows of a table; exit code 1 if it did not converge, or collapsed."
    fit = add_verb(verbs, "fit", what, MAKE, _fit)
    which = fit.add_mutually_exclusive_group(required=True)
    _add_data(fit, which.add_argument, nargs="?")
    which.add_argument("--example", type=Path, metavar="FILE", help="write example data, those of Figure 1, and exit")
    model = "the model (default: DATA.model.npz, next to the data)"
    fit.add_argument("-o", "--output", type=Path, metavar="MODEL.npz", help=model)
    fit.add_argument("--standardise", action="store_true", help="centre the columns and scale them to variance 1 first")
    for name, (kind, what) in SETTINGS.items():
        fit.add_argument(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS, metavar="X", help=what)
    fit.add_argument("--seed", type=as_seed, default=0, help="seed of the start, batches and example (default 0)")
    fit.add_argument("--quiet", action="store_true", help="print nothing; the exit code is the result")


def _fit(options: argparse.Namespace) -> int:
    if options.data and options.output is None:
        stem = Path(options.data.stem if options.data.suffix.lower() == ".gz" else options.data.name).stem
        options.output = options.data.with_name(f"{stem}.model.npz")
    check_folder(options.output or options.example)
    if options.example:
        check_writable_table(options.example)
        write_table(options.example, gaussian(N_EXAMPLE, np.random.default_rng(options.seed)), ("x1", "x2"))
        return 0
    _check_apart(options.output, options.data)
    if options.output.suffix != ".npz":
        raise ValueError(f"{options.output} must end in .npz: a model is an npz file")
    return _fit_table(options, _read(options))


def _fit_table(options: argparse.Namespace, table: Table) -> int:
    from ..estimator import APPROACH, RateDistortionAutoencoder  # noqa: PLC0415  # loads scikit-learn: a second
    from ..model_file import save_model  # noqa: PLC0415

    settings = {name: value for name, value in vars(options).items() if name in SETTINGS}
    model = RateDistortionAutoencoder(**settings, standardise=options.standardise, random_state=options.seed)
    model.callback = None if options.quiet else progress_lines(model.max_iter, model.mu, APPROACH)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        interrupted = _is_interrupted(model, table)
    if table.columns:
        model.feature_names_in_ = np.array(table.columns, dtype=object)
    save_model(model, options.output)
    if interrupted:
        say(f"interrupted after {model.n_iter_} iterations; the best model so far is in {options.output}")
        return INTERRUPTED
    if not options.quiet:
        for said in caught:
            say(_with_names(str(said.message), table), "yellow")
        print(f"{_summary(model)}\n{options.output}: the model")
    return 1 if model.converged_ is False or model.collapsed_ else 0


def _is_interrupted(model: "RateDistortionAutoencoder", table: Table) -> bool:
    """Fit a model, and return whether Ctrl-C came when there was something to keep."""
    try:
        model.fit(table.values)
    except KeyboardInterrupt:
        if not hasattr(model, "parameters_"):
            raise
        return True
    finally:
        if isinstance(model.callback, Lines):
            model.callback.end()
    return False


def _with_names(words: str, table: Table) -> str:
    """Return a warning with the names of the columns, or their numbers from 1, and the flag of the command."""
    names = table.columns or range(1, 1 + table.values.shape[1])
    words = re.sub(r"column '(\d+)'", lambda found: f"column {names[int(found[1])]!r}", words)
    return words.replace("set standardise,", "pass --standardise,")


def add_transform(verbs: Verbs) -> None:
    """Add the command."""
    what = "Write the codes of the rows of a table, or their reconstructions, into another table."
    example = f"{MAKE}\n  rdae-ref transform model.npz data.csv -o code.csv"
    transform = add_verb(verbs, "transform", what, example, _transform)
    _add_application(transform, "codes")
    transform.add_argument("--reconstruct", action="store_true", help="write the reconstructions, not the codes")


def _add_application(parser: argparse.ArgumentParser, what: str) -> None:
    """Add what a command takes that applies a model to a table."""
    parser.add_argument("model", type=Path, metavar="MODEL.npz", help="as rdae-ref fit wrote it")
    _add_data(parser, parser.add_argument)
    help_ = f"a .csv, .tsv, .npy or .npz file for the {what}"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=help_)
    parser.add_argument("--quiet", action="store_true", help="print nothing; the exit code is the result")


def _transform(options: argparse.Namespace) -> int:
    model, table = _checked(options)
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


def add_score(verbs: Verbs) -> None:
    """Add the command."""
    what = "Write the energy |x - xhat|² of each row of a table, which is high for rows unlike those of the fit."
    score = add_verb(verbs, "score", what, f"{MAKE}\n  rdae-ref score model.npz data.csv -o energy.csv", _score)
    _add_application(score, "energies")


def _score(options: argparse.Namespace) -> int:
    model, table = _checked(options)
    energy = -model.score_samples(table.values)
    write_table(options.output, energy[:, None], ["energy"], name="energy")
    if not options.quiet:
        low, median, high = np.quantile(energy, [0, 0.5, 1])
        said = f"mean {energy.mean():.6g}, median {median:.6g}, from {low:.6g} to {high:.6g}"
        print(f"{options.output}: {len(energy)} rows; energy {said}")
    return 0


def add_inspect(verbs: Verbs) -> None:
    """Add the command."""
    what = "Describe a model: its settings, the terms of its objective, and its training history."
    inspect = add_verb(verbs, "inspect", what, f"{MAKE}\n  rdae-ref inspect model.npz --plot history.png", _inspect)
    inspect.add_argument("model", type=Path, metavar="MODEL.npz", help="as rdae-ref fit wrote it")
    inspect.add_argument("--plot", type=Path, metavar="FILE", help="draw the history into a .png, .svg or .pdf file")
    report = "write a report for a browser, which needs no network"
    inspect.add_argument("--html", type=Path, metavar="FILE", help=report)
    inspect.add_argument("--data", type=Path, metavar="DATA", help="samples for the spectra and energies of the report")
    _add_reading(inspect)
    inspect.add_argument("--quiet", action="store_true", help="print nothing; exit code 0 if the file is a model")


def _inspect(options: argparse.Namespace) -> int:
    check_folder(options.plot)
    check_folder(options.html)
    if options.plot:
        check_drawable(options.plot)
    if options.data and not options.html:
        raise ValueError("--data is for the report: give --html FILE, too")
    model, table = _model_and_table(options) if options.data else (_load(options.model), None)
    if options.plot:
        draw_history(model.history_, options.plot)
    if options.html:
        with written_whole(options.html) as file:
            file.write(model.report(None if table is None else table.values))
    if not options.quiet:
        settings = model.get_params()
        width = max(map(len, settings))
        print("settings")
        for name, value in settings.items():
            if name not in ("callback", "verbose"):
                print(f"  {name:{width}}  {'' if value is None else printable(value)}".rstrip())
        names = getattr(model, "feature_names_in_", ())
        if len(names):
            print(f"\ncolumns: {', '.join(map(printable, names))}")
        print(f"\n{_summary(model)}\n\n{history_text(model.history_)}")
    return 0


def _summary(model: "RateDistortionAutoencoder") -> str:
    unit = {2: "bits", np.e: "nats"}.get(model.base, f"units of log base {model.base:g}")
    ended = {True: "converged", False: "did not converge", None: "no test of convergence with batches"}
    collapse = "collapsed: the outputs are (nearly) one point" if model.collapsed_ else "the outputs have not collapsed"
    rows = [
        ("objective", f"{model.value_:.6g}", f"conditional entropy − {model.mu_:.6g} · distortion"),
        ("conditional entropy", f"{model.terms_.conditional_entropy:.6g}", f"{unit}, of the inputs given the outputs"),
        ("joint entropy", f"{model.terms_.joint_entropy:.6g}", unit),
        ("output entropy", f"{model.terms_.output_entropy:.6g}", unit),
        ("distortion D", f"{model.terms_.distortion:.6g}", "mean of the squared distance"),
        *_of_data(model, unit),
        ("kernel sizes", f"{model.sigma_x_:.6g}, {model.sigma_xhat_:.6g}", "of inputs and outputs"),
        ("iterations", f"{model.n_iter_}", f"{ended[model.converged_]}: {printable(in_words(model.message_))}"),
        ("collapse", "yes" if model.collapsed_ else "no", collapse),
    ]
    head = f"{model.n_features_in_} features, {len(model.parameters_.W)} units"
    chosen = [f"  {printable(name)}: {printable(why)}" for name, why in model.choices_.items()]
    return "\n".join([head, *(f"  {name:19}  {value:>18}  {what}" for name, value, what in rows), *chosen])


def _of_data(model: "RateDistortionAutoencoder", unit: str) -> list[tuple[str, str, str]]:
    """Return the rows that need what files of earlier versions do not have."""
    rows = []
    if model.variance_:
        share = model.terms_.distortion / model.variance_
        rows.append(("D / variance", f"{share:.4g}", f"of the variance {model.variance_:.6g} of the data"))
    if model.input_entropy_ is not None:
        rate = model.input_entropy_ - model.terms_.conditional_entropy
        what = f"{unit}, what the outputs reveal about the inputs ({model.input_entropy_:.6g})"
        rows.append(("rate", f"{rate:.6g}", what))
    return rows


def _add_data(parser: argparse.ArgumentParser, add: Any, **kwargs: Any) -> None:
    add("data", type=Path, metavar="DATA", help="samples in rows: a csv, tsv, npy or npz file", **kwargs)
    _add_reading(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    reading = parser.add_argument_group("how the data is read")
    delimiter = "a character, tab, or whitespace (default: detected automatically)"
    reading.add_argument("--delimiter", metavar="C", help=delimiter)
    names = "separated by commas: names, or numbers from 1"
    reading.add_argument("--columns", action="append", metavar="NAMES", help=f"the columns to read, {names}")
    reading.add_argument("--drop", action="append", metavar="NAMES", help=f"columns to leave out, {names}")
    reading.add_argument("--index", action="store_true", help="the first column is an index: leave it out")
    reading.add_argument("--decimal", choices=(".", ","), default=".", metavar="C", help="the decimal sign (default .)")
    ways, missing = ("refuse", "mean", "drop"), "missing numbers (default refuse)"
    reading.add_argument("--missing", choices=ways, default="refuse", help=missing)
    header = "whether line 1 has the names of the columns (default: detected automatically)"
    reading.add_argument("--header", action=argparse.BooleanOptionalAction, help=header)
    reading.add_argument("--key", metavar="NAME", help="the array of an npz file (default: the only one)")


def _checked(options: argparse.Namespace) -> tuple["RateDistortionAutoencoder", Table]:
    """Return a model and the table that it is applied to, once the output is known to be writable."""
    check_folder(options.output)
    check_writable_table(options.output)
    _check_apart(options.output, options.model, options.data)
    return _model_and_table(options)


def _model_and_table(options: argparse.Namespace) -> tuple["RateDistortionAutoencoder", Table]:
    """Return a model and the columns that it was fitted to; where one of the two has no names, their order counts."""
    model = _load(options.model)
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        del model.feature_names_in_  # scikit-learn would miss them in the array
    table = _read(options, None if names is None or options.columns is not None else list(names))
    if table.values.shape[1] != model.n_features_in_:
        words = f"{table.values.shape[1]} columns, and the model was fitted to {model.n_features_in_}"
        raise ValueError(f"{options.data} has {words}: choose them, --columns or --drop")
    return model, table


def _check_apart(output: Path, *inputs: Path) -> None:
    if output.resolve() in [path.resolve() for path in inputs]:
        raise ValueError(f"{output} is the file to read: name another file to write")


def _read(options: argparse.Namespace, wanted: Sequence[str] | None = None) -> Table:
    given = {name: getattr(options, name) for name in ("delimiter", "header", "key", "index", "decimal", "missing")}
    columns = None if options.columns is None else _names(options.columns)
    table = read_table(options.data, columns=columns, drop=_names(options.drop or ()), wanted=wanted, **given)
    if not options.quiet:
        print(f"{options.data}: {table.detected}")
        for note in table.notes:
            say(note, "yellow")
    return table


def _names(given: Sequence[str]) -> list[str]:
    """Return the names in lists of them; one with a comma must be quoted."""
    return [name for text in given for name in next(csv.reader([text], skipinitialspace=True), [])]


def _load(path: Path) -> "RateDistortionAutoencoder":
    from ..model_file import load_model  # noqa: PLC0415  # loads scikit-learn, which takes a second

    return load_model(path)
