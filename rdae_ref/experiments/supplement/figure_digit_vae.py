"""The beta-VAE on binarised digits: rate, distortion and evidence lower bound over β, in the plane of Alemi et al.

In nats: D = −E log p(x|z), R = E KL, both on digits that were not trained on. Every model has D + R ≥ H, the entropy of
the digits, which their negative log likelihood bounds from above.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ..._validation import Array
from ...data.digits import binarised, fingerprint, load_digits
from ...measures import linear_probe
from ...models import BetaVAE, initial_vae_parameters
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, new_figure
from ..protocol import Result, run_tasks, write_result
from .staged import train_in_stages

__all__ = ["DigitTask", "Result", "Settings", "claims", "draw", "run", "train_one", "write"]

ACTIVE = 0.1  # nats: latents with a higher rate are counted
N_IMAGES = 6


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    betas: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
    n_train: int = 20_000
    n_test: int = 10_000
    hidden: tuple[int, ...] = (256, 256)
    n_latents: int = 32
    stages: tuple[tuple[float, int], ...] = (*((1e-3, 2000),) * 2, (3e-4, 1000), (1e-4, 1000))
    batch_size: int = 100
    n_draws: int = 500  # of the importance weighting, at β = 1
    binarisation: int = 0  # the seed of the binary digits, the same for all
    seeds: tuple[int, ...] = (0, 1, 2)  # of start, batches and noise: all at β = 1, the first at the others


@dataclass(frozen=True)
class DigitTask:
    """One training."""

    beta: float
    seed: int
    settings: Settings
    digits: str  # their fingerprint
    source: str = field(repr=False)  # where they are
    folder: Folder = field(repr=False)  # of the checkpoints


def train_one(task: DigitTask) -> dict[str, Any]:
    """Train one model, and measure it on the test digits."""
    s, bits = task.settings, np.random.default_rng(task.settings.binarisation)
    train, test = (load_digits(task.source, n, part) for n, part in ((s.n_train, "training"), (s.n_test, "test")))
    X, X_test, rng = binarised(train, bits), binarised(test, bits), np.random.default_rng(task.seed)
    common: dict[str, Any] = {"activation": "relu", "likelihood": "bernoulli", "base": np.e, "rng": rng}
    objective, start = (
        BetaVAE(X, beta=task.beta, **common),
        initial_vae_parameters(X.shape[1], s.n_latents, rng, hidden=s.hidden),
    )
    x = train_in_stages(objective, start, s.stages, s.batch_size, rng, folder=task.folder)
    measured = BetaVAE(X_test, **common)
    terms, codes = measured.terms(x), measured.encode(x).M
    out = {"rate": terms.rate, "distortion": -terms.log_likelihood, "elbo": terms.log_likelihood - terms.rate}
    out |= {
        "active": int(np.sum(terms.rates > ACTIVE)),
        "probe": float(linear_probe(codes, np.eye(10)[test.labels]).scores.mean()),
    }
    if task.beta == 1:
        out["nll"] = -float(measured.importance_log_likelihood(x, n_draws=s.n_draws, rng=rng).mean())
    images = measured.reconstruct(x, X_test[:N_IMAGES]), measured.decode(x, rng.normal(size=(N_IMAGES, s.n_latents)))
    return out | {"images": np.stack([X_test[:N_IMAGES], *images])}


def run(
    settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None, source: str = "sklearn"
) -> Result:
    """Train all models; keys are (β, seed)."""
    s = settings or Settings()
    keys = [(beta, seed) for beta in s.betas for seed in (s.seeds if beta == 1 else s.seeds[:1])]
    digits = fingerprint(load_digits(source, s.n_train)) + fingerprint(load_digits(source, s.n_test, "test"))
    tasks = {key: DigitTask(*key, s, digits, source, f"{folder}/.runs") for key in keys}
    return Result(s, run_tasks(train_one, tasks, folder, workers, "digit-vae"))


def draw(result: Result) -> Figure:
    """Draw the plane, the bound over β, and reconstructions and samples."""
    betas, outs = result.settings.betas, [result.first(beta) for beta in result.settings.betas]
    with new_figure(7.2, 6.2) as figure:
        upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.2])
        panels = lower.subplots(2, -(-len(betas) // 2), squeeze=False)
        plane, bound = upper.subplots(1, 2)
        rates, distortions = (np.array([float(out[name]) for out in outs]) for name in ("rate", "distortion"))
        plane.plot(distortions, rates, "o-", ms=3.5, color=COLOURS["blue"])
        for beta, D, R in zip(betas, distortions, rates, strict=True):
            plane.annotate(f"{beta:g}", (D, R), textcoords="offset points", xytext=(4, 3), fontsize=7)
        entropy = entropy_bound(result)
        plane.plot([0, entropy], [entropy, 0], color="black", lw=0.8, label=f"D + R = H, at most {entropy:.1f} nats")
        plane.plot(0, entropy, "^", color="black", clip_on=False, label="auto-encoding limit")
        plane.plot(entropy, 0, "v", color="black", clip_on=False, label="auto-decoding limit")
        plane.set(title=r"(a) test digits; numbers are $\beta$", xlabel="$D$, nats", ylabel="$R$, nats", xlim=0, ylim=0)
        plane.legend(fontsize=7)
        bound.semilogx(betas, [float(out["elbo"]) for out in outs], "o-", ms=3.5, color=COLOURS["vermilion"])
        bound.set(title="(b) evidence lower bound", xlabel=r"$\beta$", ylabel="nats")
        for axes, beta, out in zip(panels.flat, betas, outs, strict=False):
            axes.imshow(_tiled(out["images"]), cmap="gray_r", vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(rf"$\beta$ = {beta:g}", fontsize=8)
        lower.supxlabel("rows: test digits, reconstructions from the mean codes, samples of the prior", fontsize=8)
    return figure


def _tiled(images: Array) -> Array:
    rows, columns, pixels = images.shape
    size = round(pixels**0.5)
    return images.reshape(rows, columns, size, size).transpose(0, 2, 1, 3).reshape(rows * size, columns * size)


def entropy_bound(result: Result) -> float:
    """Return the least upper bound on the entropy of the digits that the models have."""
    return min(float(out.get("nll", -out["elbo"])) for out in result.runs.values())


def claims(result: Result) -> list[Claim]:
    """Compare the essay's sentence about large β with the test digits."""
    s, table = result.settings, []
    sentence = "a large β … higher-distortion, lower-rate codes to encourage interpretability"
    for name, sign in (("distortion", 1), ("rate", -1)):
        values = [float(result.first(beta)[name]) for beta in s.betas]
        least = min(sign * (after - before) for before, after in pairwise(values))
        said = f"binarised digits: least {'rise' if sign > 0 else 'fall'} of the {name} from one β to the next, nats"
        table.append(claim("digit-vae", sentence, said, [least], at_least=0))
    probes = {beta: float(result.first(beta)["probe"]) for beta in s.betas}
    said = f"binarised digits: R² of the labels from the codes at β = {s.betas[-1]:g}, minus that at β = 1"
    table.append(claim("digit-vae", sentence, said, [probes[s.betas[-1]] - probes[1.0]], at_least=0))
    return table


COLUMNS = ("beta", "seed", "rate", "distortion", "elbo", "nll", "active_latents", "probe")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write digit_vae.png, .csv and .json."""
    rows = [
        (
            *key,
            *(float(out[n]) for n in COLUMNS[2:5]),
            float(out["nll"]) if "nll" in out else "",
            int(out["active"]),
            float(out["probe"]),
        )
        for key, out in result.runs.items()
    ]
    more: dict[str, Any] = {"units": "nats", "all_files": all_files}
    return write_result(
        result, folder, "digit_vae", claims(result), draw(result), {"digit_vae": (COLUMNS, rows)}, **more
    )
