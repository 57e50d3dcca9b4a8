"""A fitted model as one HTML page that needs no network: how it was fitted, and what it does to samples."""

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ._validation import Array
from ._version import __version__
from .experiments.output import COLOURS, Figure, new_figure
from .matrices import gaussian_gram

__all__ = ["SHOWN", "report_page"]

SHOWN = 500  # samples in the spectra and the scatter plot, drawn at random if there are more
WORST = 5  # rows of the table of energies

STYLE = """:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem;
margin: 2rem auto; padding: 0 1rem } table { border-collapse: collapse } th, td { text-align: left; padding: .2rem 1rem
.2rem 0; border-bottom: 1px solid #8886; vertical-align: top; overflow-wrap: anywhere } th { white-space: nowrap }
figure { margin: 1rem 0; overflow-x: auto } img { min-width: 40rem; width: 100%; background: white }
.warn { padding-left: 1rem; border-left: .3rem solid #D55E00 }"""


def report_page(model: Any, samples: Array | None, outputs: Array | None, warnings: Iterable[str] = ()) -> str:
    """Return the page of a fitted estimator, and of samples and outputs in the units of its fit if there are any."""
    title = f"Rate-distortion auto-encoder: {model.n_features_in_} features, {len(model.parameters_.W)} units"
    parts = [f"<h1>{title}</h1>", *(f'<p class="warn">{html.escape(text)}</p>' for text in warnings)]
    parts += [_table("Result", results(model)), *_history(model.history_)]
    if samples is not None and outputs is not None:
        parts += _of_samples(model, samples, outputs)
    settings = {name: value for name, value in model.fitted_settings_.items() if name not in ("callback", "verbose")}
    parts += [_table("Settings", settings), f"<p>rdae_ref {__version__}</p>"]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    page = ["<!DOCTYPE html>", f'<html lang="en"><head>{head}<style>{STYLE}</style></head>', "<body><main>", *parts]
    return "\n".join([*page, "</main></body></html>", ""])


def results(model: Any) -> dict[str, str]:
    """Return what the fit reached, by name."""
    unit = {2: "bits", math.e: "nats"}.get(model.base, f"units of log base {model.base:g}")
    terms, ended = model.terms_, {True: "converged", False: "did not converge", None: "no test of convergence"}
    found = {
        "L": f"{model.value_:.6g} = conditional entropy − {model.mu_:.4g} · distortion",
        "conditional entropy": f"{terms.conditional_entropy:.6g} {unit}, of the inputs given the outputs",
        "output entropy": f"{terms.output_entropy:.6g} {unit}",
        "distortion": f"{terms.distortion:.6g}",
        "kernel sizes": f"{model.sigma_x_:.6g} for inputs, {model.sigma_xhat_:.6g} for outputs",
        "iterations": f"{model.n_iter_}; {ended[model.converged_]}",
    }
    variance, entropy = getattr(model, "variance_", None), getattr(model, "input_entropy_", None)
    if variance:
        found["distortion"] += f", {terms.distortion / variance:.2%} of the variance"
    if entropy is not None:
        found["rate"] = f"{entropy - terms.conditional_entropy:.6g} {unit}, I(X; X̂)"
    return found | {f"chosen {name}": why for name, why in getattr(model, "choices_", {}).items()}


def _table(title: str, rows: Mapping[str, object]) -> str:
    shown = {html.escape(str(name)): "" if value is None else html.escape(str(value)) for name, value in rows.items()}
    lines = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in shown.items())
    return f"<h2>{title}</h2><table>{lines}</table>"


def _history(history: list[dict[str, float]]) -> list[str]:
    if not history:
        return []
    with new_figure(7, 2.6) as figure:
        left, right = figure.subplots(1, 2)
        last = [entry["value"] for entry in history if entry.get("factor") == history[-1].get("factor")]
        left.plot(range(len(history) - len(last) + 1, len(history) + 1), last, ".-", ms=3, color=COLOURS["blue"])
        left.set(xlabel="iteration", ylabel="L in the last stage")
        right.semilogy([entry["gradient_norm"] for entry in history], color=COLOURS["vermilion"])
        right.set(xlabel="iteration", ylabel="norm of the gradient")
        told = f"L goes from {last[0]:.4g} to {last[-1]:.4g} in the last {len(last)} of {len(history)} iterations."
        return ["<h2>History</h2>", _image(figure, told)]


def _of_samples(model: Any, samples: Array, outputs: Array) -> list[str]:
    energies = np.sum((samples - outputs) ** 2, axis=1)
    rows = np.sort(np.random.default_rng(0).permutation(len(samples))[:SHOWN])
    worst = np.argsort(energies)[: -WORST - 1 : -1]
    text = f"Of {len(samples)} samples, {len(rows)} are drawn." if len(rows) < len(samples) else ""
    with new_figure(9, 2.9) as figure:
        left, middle, right = figure.subplots(1, 3)
        ranks = _draw_spectra(left, model, samples[rows], outputs[rows])
        _draw_components(middle, samples[rows], outputs[rows])
        right.hist(energies, bins=30, color=COLOURS["blue"])
        right.set(xlabel="energy |x − x̂|²", ylabel="samples")
        told = (
            f"Left: eigenvalues, largest first; {ranks[0]} of the Gram matrix of the outputs and {ranks[1]} of the "
            "joint one exceed a thousandth of the largest. Middle: inputs and outputs on the first two principal "
            "components of the inputs. Right: energies, "
            f"{energies.min():.3g} to {energies.max():.3g}, mean {energies.mean():.3g}."
        )
        image = _image(figure, told)
    largest = {f"row {row}": f"{energies[row]:.4g}" for row in worst}
    return ["<h2>Samples</h2>", f"<p>{text}</p>", image, _table("Largest energies", largest)]


def _draw_spectra(ax: Any, model: Any, X: Array, Xhat: Array) -> list[int]:
    K_X, K = gaussian_gram(X, model.sigma_x_), gaussian_gram(Xhat, model.sigma_xhat_)
    ranks = []
    for name, matrix, colour in (("K of the outputs", K, "orange"), ("joint", len(X) * K_X * K, "blue")):
        values = np.linalg.eigvalsh(matrix)[::-1]
        values = values[values > 1e-12 * values[0]]
        ax.semilogy(np.arange(1, len(values) + 1), values, label=name, color=COLOURS[colour])
        ranks.append(int((values > 1e-3 * values[0]).sum()))
    ax.set(xlabel="rank", ylabel="eigenvalue")
    ax.legend()
    return ranks


def _draw_components(ax: Any, X: Array, Xhat: Array) -> None:
    centre = X.mean(axis=0)
    axes = np.linalg.svd(X - centre, full_matrices=False)[2][:2]
    inputs, outputs = ((points - centre) @ axes.T for points in (X, Xhat))
    inputs, outputs = (np.pad(points, [(0, 0), (0, 2 - points.shape[1])]) for points in (inputs, outputs))
    ax.plot(*inputs.T, ".", ms=3, color=COLOURS["grey"], label="inputs")
    ax.plot(*outputs.T, "x", ms=3, color=COLOURS["vermilion"], label="outputs")
    ax.set(xlabel="first component", ylabel="second component")
    ax.legend()


def _image(figure: Figure, told: str) -> str:
    with io.BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
        data = base64.b64encode(file.getvalue()).decode()
    text = html.escape(told)
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'
