"""Handwritten digits: what the codes of every model are good for, and one rate–distortion plane of all of them.

Two files. In digits.png: interpolations, decoded codes that are drawn, and a linear classifier of the codes from a few
labels. In digits_plane.png: rate over distortion on the same test digits. Shannon's rates are those of stochastic maps,
compared with R(D) of these digits; the matrix-based rates are finite for deterministic maps, and depend on α, σ and N.
Bits of one panel cannot be compared with those of the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..._validation import Array
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, Table, legend_below, new_figure
from ..protocol import Result, write_result
from .digit_models import Model, Settings, measured, run
from .figure_irmae import DEPTH_COLOURS
from .figure_plane import MINIMAL

__all__ = ["Result", "Settings", "claims", "draw", "draw_plane", "run", "write"]

TASKS = "We demonstrate the validity of the method on several image generation and representation learning tasks"
FAMILY_COLOURS = {
    "IRMAE": "vermilion", "beta-VAE": "green", "rate-distortion": "blue", "plain": "grey", "denoising": "purple",
    "PCA": "black",
}  # fmt: skip
SYMBOLS = {"IRMAE": "l", "beta-VAE": r"\beta", "rate-distortion": r"\mu", "denoising": "s", "PCA": "k"}
QUALITIES = {
    "precision_midpoints": "midpoints:\nprecision", "precision_mixture": "drawn:\nprecision",
    "recall_mixture": "drawn:\nrecall",
}  # fmt: skip


def name(model: Model) -> str:
    """Return the name of a model in the figure."""
    if model == Model("IRMAE", 0.0):
        return "plain, deep"
    symbol = SYMBOLS.get(model.family)
    return f"{model.family}, ${symbol}$ = {model.setting:g}" if symbol else "plain, one layer"


def chosen(result: Result) -> list[Model]:
    """Return IRMAE with every l, and of the other families the setting that is best on the validation digits.

    Best by the mean accuracy over all labels, draws and seeds.
    """
    scores: dict[Model, list[float]] = {}
    for model, _, out in measured(result):
        scores.setdefault(model, []).append(float(out["validation_accuracy"].mean()))
    of_irmae = [model for model in scores if model.family == "IRMAE"]
    others = dict.fromkeys(model.family for model in scores if model.family != "IRMAE")
    of_family = {family: [model for model in scores if model.family == family] for family in others}
    return of_irmae + [max(rows, key=lambda model: float(np.mean(scores[model]))) for rows in of_family.values()]


def draw(result: Result) -> Figure:
    """Draw interpolations and drawn codes of four models, and the numbers of those that were chosen."""
    table = chosen(result)
    best = {model.family: model for model in table if model.family in ("beta-VAE", "rate-distortion")}
    middle = [model for model in table if model.family == "IRMAE"][len(result.settings.n_linear) // 2]
    with new_figure(7.2, 5.6) as figure:
        images, numbers = figure.subfigures(2, 1, height_ratios=[2.1, 3.4])
        for column, model in zip(images.subplots(2, 4).T, (Model("IRMAE", 0.0), middle, *best.values()), strict=True):
            out = result.first(*model)
            _show(column[0], out["paths"])
            _show(column[1], out["drawn"].reshape(out["paths"].shape))
            column[0].set_title(name(model), fontsize=8)
        for axes, words in zip(images.axes[::4], ("(a) between digits", "(b) drawn codes"), strict=True):
            axes.set_ylabel(words, fontsize=8)
        quality, *probes = numbers.subplots(1, 3, width_ratios=[1.3, 1, 1])
        _draw_bars(quality, result, table)
        for axes, i in zip(probes, range(len(result.settings.labels)), strict=True):
            _draw_accuracies(axes, result, table, i)
        legend_below(numbers, quality, ncols=5, fontsize=7)
    return figure


def _show(axes: Any, images: Array) -> None:
    """Show images of shape (rows, columns, pixels) beside one another, dark on light."""
    size = round(images.shape[2] ** 0.5)
    tiles = images.reshape(*images.shape[:2], size, size).transpose(0, 2, 1, 3)
    axes.imshow(tiles.reshape(images.shape[0] * size, -1), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def colour(result: Result, model: Model) -> str:
    """Return the colour of a model: of IRMAE by its l."""
    if model.family != "IRMAE":
        return COLOURS.get(FAMILY_COLOURS[model.family], "black")
    return COLOURS[DEPTH_COLOURS[result.settings.n_linear.index(int(model.setting)) % len(DEPTH_COLOURS)]]


def _draw_bars(axes: Any, result: Result, table: Sequence[Model]) -> None:
    """Draw a group of bars for each quality: the median over seeds, and a dot for each."""
    width = 0.85 / len(table)
    for k, model in enumerate(table):
        rows = np.array([[float(out[key]) for key in QUALITIES] for out in result.over_seeds(*model)])
        at = np.arange(len(QUALITIES)) + (k - (len(table) - 1) / 2) * width
        hatch = "///" if model.family == "plain" else None
        look = {"color": colour(result, model), "label": name(model), "hatch": hatch, "edgecolor": "white", "lw": 0}
        axes.bar(at, np.median(rows, axis=0), width, **look)
        axes.plot(np.tile(at, (len(rows), 1)), rows, ".", ms=1.8, color="black")
    axes.set_xticks(range(len(QUALITIES)), [*QUALITIES.values()], fontsize=7)
    axes.set(title="(c) share of images", ylim=(0, 1.05))


def _draw_accuracies(axes: Any, result: Result, table: Sequence[Model], i: int) -> None:
    """Draw the errors of the classifier: a dot for each draw of the labels and each seed, a bar at the median."""
    for k, model in enumerate(table):
        values = 100 * np.concatenate([1 - out["accuracy"][i] for out in result.over_seeds(*model)])
        axes.plot(np.full(values.size, k), values, ".", ms=3, color=colour(result, model))
        axes.plot([k - 0.35, k + 0.35], [np.median(values)] * 2, color="black", lw=1)
    axes.set_xticks(range(len(table)), [name(model) for model in table], rotation=90, fontsize=6)
    letter, labels = "de"[i % 2], result.settings.labels[i]
    axes.set(title=f"({letter}) error with {labels} labels, %", ylim=0)


def draw_plane(result: Result) -> Figure:
    """Draw both panels of the plane; the first seed of every model."""
    curve = result.runs["curve", 0.0, 0]
    with new_figure(7.2, 4.2) as figure:
        shannon, matrix = figure.subplots(1, 2)
        shannon.plot(curve["D"], curve["gaussian"], color="black", lw=0.8, label="Gaussian source (water-filling)")
        digits = "these digits, reproduced by digits"
        shannon.plot(curve["distortion"], curve["rate"], "k.-", lw=0.8, ms=4, label=digits)
        shannon.plot(curve["D"], curve["anywhere"], "k:", lw=1, label="lower bound, any reproductions")
        for axes, rate in ((shannon, "shannon_rate"), (matrix, "matrix_rate")):
            for family, colour_ in FAMILY_COLOURS.items():
                models = [model for model, seed, _ in measured(result) if model.family == family]
                points = [result.first(*model) for model in dict.fromkeys(models)]
                D, R = (np.array([float(out[name]) for out in points]) for name in ("distortion", rate))
                if np.isfinite(R).any():
                    axes.plot(D, R, "o-", ms=3.5, lw=0.7, color=COLOURS.get(colour_, "black"), label=family)
            axes.set(xlabel="$D$, test digits", xlim=0, ylim=0)
        n, most = (
            result.settings.n_plane,
            max(float(np.nan_to_num(out["shannon_rate"])) for *_, out in measured(result)),
        )
        shannon.set_ylim(0, 1.3 * most)
        shannon.set(title=f"Shannon's rate, {n} test digits", ylabel="$R$, bits")
        matrix.set(title=rf"matrix-based rate, the same {n} digits", ylabel=r"$I_\alpha(X; \hat X)$, bits")
        legend_below(figure, [shannon, matrix], ncols=3)
    return figure


def claims(result: Result) -> list[Claim]:
    """Compare what the abstract of the IRMAE paper says about its uses, and (14), with the models."""
    return [*_task_claims(result), *_plane_claims(result)]


def _task_claims(result: Result) -> Iterator[Claim]:
    s, deep = result.settings, result.over_seeds("IRMAE", 0.0)
    vae = next(model for model in chosen(result) if model.family == "beta-VAE")
    rivals = {"that of l = 0": deep, "that of the beta-VAE": result.over_seeds(*vae)}
    for than, theirs in rivals.items():
        for n_linear in s.n_linear[1:]:
            ours = result.over_seeds("IRMAE", float(n_linear))
            for key, words in QUALITIES.items():
                more = [float(a[key] - b[key]) for a, b in zip(ours, theirs, strict=True)]
                quantity = f"l = {n_linear}, {words} minus {than}".replace("\n", " ")
                yield claim("digits", TASKS, quantity, more, at_least=0)
            for i, labels in enumerate(s.labels):  # a number for each draw of the labels, the mean over the seeds
                more = np.mean([a["accuracy"][i] - b["accuracy"][i] for a, b in zip(ours, theirs, strict=True)], axis=0)
                yield claim(
                    "digits", TASKS, f"l = {n_linear}, accuracy with {labels} labels minus {than}", more, at_least=0
                )


def _plane_claims(result: Result) -> Iterator[Claim]:
    s = result.settings
    points = [result.first("PCA", float(k)) for k in sorted(s.components, reverse=True)]
    # PCA is the same for every seed; its last point is the mean of all digits, which has no rate.
    D = [*(float(out["distortion"]) for out in points), float(points[0]["variance"])]
    R = [*(float(out["matrix_rate"]) for out in points), 0.0]
    for mu in s.mus:
        outs = result.over_seeds("rate-distortion", mu)
        more = [float(out["matrix_rate"]) - float(np.interp(out["distortion"], D, R)) for out in outs]
        quantity = f"µ = {mu:g}: I_α of the rate-distortion auto-encoder minus that of PCA at its D, bits"
        yield claim("digits", MINIMAL, quantity, more, at_most=0)


NUMBERS = (
    "rank", "test_distortion", "distortion", "variance", "shannon_rate", "matrix_rate", *QUALITIES,
    "precision_gaussian", "recall_gaussian", "precision_prior", "recall_prior",
)  # fmt: skip


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write digits.png, digits_plane.png, digits.csv, digits_curve.csv and digits.json."""
    s, curve = result.settings, result.runs["curve", 0.0, 0]
    accuracy = (f"accuracy_{n}_{k}" for n in s.labels for k in range(s.n_label_draws))
    columns = ("family", "setting", "seed", *NUMBERS, *accuracy)
    rows = (
        (*model, seed, *(float(out.get(number, np.nan)) for number in NUMBERS), *map(float, out["accuracy"].ravel()))
        for model, seed, out in measured(result)
    )
    bounds = zip(*(map(float, curve[key]) for key in ("D", "gaussian", "anywhere")), strict=True)
    found = zip(*(map(float, curve[key]) for key in ("distortion", "rate")), strict=True)
    tables: dict[str, Table] = {
        "digits": (columns, rows),
        "digits_curve": (("distortion", "gaussian", "lower_bound"), bounds),
        "digits_blahut_arimoto": (("distortion", "rate"), found),
    }
    more: dict[str, Any] = {"all_files": all_files, "figures": {"digits_plane": draw_plane(result)}}
    more["chosen"] = [model._asdict() for model in chosen(result)]
    return write_result(result, folder, "digits", claims(result), draw(result), tables, **more)
