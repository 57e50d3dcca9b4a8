"""Figure 1 by the paper's own means: plain gradient ascent on (25), by the functions of `rdae_ref.paper` alone.

The paper says only "gradient ascent". There are three ways to read it: first on −D alone, to a good reconstruction, and
then on L; the same with the gradients (15) and (16) as printed, without 1/ln 2, so that L is in nats and μ = 1.5 acts
like 2.16 in bits; and on L from the random start.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ... import paper
from ...activations import as_activation
from ...autoencoder import initial_parameters
from ...data import gaussian
from ...workers import Workers
from ..claims import Claim, claim
from ..figure1 import NAMES, UNITS, alignment_claims
from ..output import Figure, Folder, draw_outputs, new_figure, terms_table
from ..protocol import Result, Task, run_tasks, write_result

__all__ = ["Result", "Settings", "Task", "claims", "draw", "run", "train_one", "write"]

WAYS = {"bits": "first on −D", "nats": "first on −D, (15) and (16) as printed", "direct": "from the random start"}


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on. Data, units, `mu` and `sigma` are those of Figure 1."""

    n_samples: int = 200  # N, not stated
    n_hidden: int = 10
    alpha: float = 1.01
    mu: float = 1.5
    sigma: float = 0.2 * 2**0.5
    start: float = 0.5  # std of the normal start
    first_step: float = 0.02  # of the ascent on −D, without momentum
    first_steps: int = 2000
    step: float = 0.01  # of the ascent on L
    steps: int = 500
    momentum: float = 0.9
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


def train_one(task: Task[Settings]) -> dict[str, Any]:
    """Ascend; return X, Xhat, and L and its terms in bits."""
    s, (way, unit, seed) = task.settings, task.key
    rng, g = np.random.default_rng(seed), as_activation(unit)
    X = gaussian(s.n_samples, rng)
    parameters = paper.Parameters(*initial_parameters(2, s.n_hidden, rng, scale=s.start))

    def reconstruct(at: paper.Parameters) -> list[paper.Array]:
        return [-dD for dD in paper.distortion_gradients(paper.forward(at, X, g), at, X, X)]

    def uphill(at: paper.Parameters) -> paper.Parameters:
        base = math.e if way == "nats" else 2
        return paper.value_and_gradient(at, X, g, s.alpha, s.mu, s.sigma, s.sigma, base)[1]

    if way != "direct":
        parameters = paper.ascend(reconstruct, parameters, s.first_step, s.first_steps)
    parameters = paper.ascend(uphill, parameters, s.step, s.steps, s.momentum)
    Xhat = paper.forward(parameters, X, g).Xhat
    entropy = paper.conditional_entropy(paper.gaussian_gram(X, s.sigma), paper.gaussian_gram(Xhat, s.sigma), s.alpha)
    D = paper.distortion(X, Xhat)
    return {"X": X, "Xhat": Xhat, "L": entropy - s.mu * D, "conditional_entropy": entropy, "distortion": D}


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Ascend in each way with every unit; keys are (way, unit, seed)."""
    settings = settings or Settings()
    tasks = {key: Task(key, settings) for key in product(WAYS, UNITS, settings.seeds)}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "ascent"))


def draw(result: Result) -> Figure:
    """Draw the outputs over the inputs: the units of Figure 1 in columns, a row for each way."""
    with new_figure(7.2, 7.0) as figure:
        panels = figure.subplots(len(WAYS), len(UNITS), sharex=True, sharey=True)
        for row, (way, title) in zip(panels, WAYS.items(), strict=True):
            for axes, unit in zip(row, UNITS, strict=True):
                draw_outputs(axes, result.first(way, unit))
                axes.set(aspect="equal")
            row[0].set_ylabel(f"{title.replace(', ', chr(10))}\n$x_2$")
        for column, unit in zip(panels.T, UNITS, strict=True):
            column[0].set_title(f"{NAMES[unit]} units")
            column[-1].set_xlabel("$x_1$")
        panels[0, 0].legend(loc="upper left", handletextpad=0.2, borderaxespad=0)
    return figure


START = "left open: where the ascent starts"


def claims(result: Result) -> list[Claim]:
    """Compare the claims of Figure 1, and the collapse without a reconstruction first, with the runs."""
    rows: list[Claim] = []
    for way, unit in product(("bits", "nats"), UNITS):
        rows += alignment_claims("ascent", result.over_seeds(way, unit), f"{NAMES[unit]}, {WAYS[way]}")
    bounds = {"linear": {"at_least": 0.5}, "relu": {"at_least": 0.5}, "logsig": {"at_most": 0.1}}
    for unit, bound in bounds.items():
        spread = [_spread(out["Xhat"]) / _spread(out["X"]) for out in result.over_seeds("direct", unit)]
        quantity = f"{NAMES[unit]}, {WAYS['direct']}: total std of the outputs over that of the inputs"
        rows.append(claim("ascent", START, quantity, spread, **bound))
    return rows


def _spread(X: paper.Array) -> float:
    return float(np.sqrt(X.var(axis=0).sum()))


COLUMNS = ("way", "unit", "seed", "sample", "x1", "x2", "xhat1", "xhat2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write ascent.png and .json; on demand the outputs as ascent.csv."""
    rows = (
        (*key, sample, *map(float, x), *map(float, xhat))
        for key, outcome in result.runs.items()
        for sample, (x, xhat) in enumerate(zip(outcome["X"], outcome["Xhat"], strict=True))
    )
    runs = [{"way": way} | terms_table([(unit, seed, out)])[0] for (way, unit, seed), out in result.runs.items()]
    more: dict[str, Any] = {"long_tables": {"ascent": (COLUMNS, rows)}, "all_files": all_files, "runs": runs}
    return write_result(result, folder, "ascent", claims(result), draw(result), {}, **more)
