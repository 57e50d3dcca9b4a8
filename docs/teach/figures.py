"""Draw the pictures of the slides, one panel each and large enough to project: ``python docs/teach/figures.py``."""

import argparse
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from rdae_ref import gaussian_gram, gram_pullback, product_entropy_gradient, renyi_entropy_gradient

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "teach" / "pictures"
OUTPUT, INPUT, PULL = "#D55E00", "#999999", "#0072B2"
LOOK = {"font.size": 20, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 4}
x = np.array([[0.0], [1.0], [3.0]])


@contextmanager
def panel(name: str, width: float = 10, height: float = 5.2) -> Iterator[Any]:
    """Yield the axes of one picture, which is written when the block ends."""
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
        yield axes
        figure.savefig(FOLDER / f"{name}.png", dpi=100, metadata={"Software": None})
        plt.close(figure)


def eigenvalues() -> None:
    """Draw the eigenvalues of three points that are equal, 0, 1, 3, and far apart."""
    with panel("eigenvalues") as axes:
        for k, (points, said) in enumerate(((0 * x, "equal"), (x, "0, 1, 3"), (10 * x, "far apart"))):
            values = np.linalg.eigvalsh(gaussian_gram(points, 1))[::-1]
            axes.bar(4 * k + np.arange(3), values, color=PULL)
            axes.text(4 * k + 1, -0.12, said, ha="center")
        axes.set(xticks=[], ylim=(0, 1), yticks=[0, 0.5, 1], ylabel="eigenvalues")


def springs() -> None:
    """Draw the gradient of the entropy at α = 2 on three points."""
    K = gaussian_gram(x, 1)
    push = gram_pullback(renyi_entropy_gradient(K, 2), K, x, 1)
    with panel("springs", height=2.6) as axes:
        axes.plot(x, 0 * x, "o", color=OUTPUT, ms=22, clip_on=False)
        axes.quiver(x, 0 * x, push, 0 * x, angles="xy", scale_units="xy", scale=1, width=0.008, zorder=3)
        axes.set(xlim=(-1, 4), ylim=(-1, 1), yticks=[], xticks=[0, 1, 3])
        axes.spines[:].set_visible(False)


def sweep() -> None:
    """Draw the outputs of 0, 1 and 3 over a falling price, as the tutorial computes them."""
    K, xhat, prices, path = gaussian_gram(x, 1), x.copy(), np.geomspace(8, 0.1, 60), []
    for mu in prices:
        for _ in range(300):
            K_xhat = gaussian_gram(xhat, 1)
            dS_dK = product_entropy_gradient(K, K_xhat, 2) - renyi_entropy_gradient(K_xhat, 2)
            xhat = xhat + 0.2 * (gram_pullback(dS_dK, K_xhat, xhat, 1) + 2 * mu / 3 * (x - xhat))
        path.append(xhat.ravel())
    with panel("sweep") as axes:
        axes.plot(np.log2(prices), path, color=OUTPUT)
        axes.set_xticks([3, 2, 1, 0, -1, -2, -3], labels=["8", "4", "2", "1", "1/2", "1/4", "1/8"])
        axes.set(xlim=(3, -3.3), xlabel="price μ, falling", ylabel="outputs", yticks=[0, 1, 3])


def outputs(name: str, unit: str) -> None:
    """Draw one unit of Figure 1 or 2 from its table."""
    with (ROOT / "figures" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["unit"] == unit and row["seed"] == "0"]
    X, Xhat = (np.array([[float(row[f"{kind}{k}"]) for k in (1, 2)] for row in rows]) for kind in ("x", "xhat"))
    with panel(name) as axes:
        axes.plot(*X.T, "o", color=INPUT, alpha=0.6, ms=8, mew=0)
        axes.plot(*Xhat.T, "o", color=OUTPUT, ms=9, mew=0)
        axes.set(aspect="equal", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help does nothing else
    eigenvalues()
    springs()
    sweep()
    outputs("figure1", "logsig")
    outputs("figure2", "logsig")
