"""Deep linear networks: their singular values over the time of training, beside the closed form."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import distortion
from ...data import gaussian_with_covariance
from ...models.mlp import Layer, LayeredObjective, Layers, backward_layers, forward_layers
from ...optimize import gradient_ascent
from ...theory import deep_linear_strengths
from ..claims import Claim, claim
from ..output import COLOURS, Table
from ..protocol import Result
from ..training import finished

__all__ = [
    "STARTS", "Chain", "ChainTask", "DeepLinear", "chain_claims", "chains_table", "draw_chain", "follow",
    "initial_chain", "network_strengths", "when_half_learned",
]  # fmt: skip

COMPONENT_COLOURS = ("blue", "vermilion", "green")
STARTS = ("aligned", "orthogonal")
DESCENT = "gradient descent learning in multi-layer linear networks leads to minimum-rank solutions"
EVERY = 4  # record is written and drawn as a dot: enough for the curve


@dataclass(frozen=True)
class Chain:
    """Settings of the deep linear networks."""

    variances: tuple[float, ...] = (2.0, 1.0, 0.5)  # γ_i² of the data
    n_layers: tuple[int, ...] = (1, 2, 4, 10)  # L: l + 2 with l linear layers between encoder and decoder
    initial: float = 0.01  # u_0, the singular values of the whole network at the start
    time: float = 6.0  # where the drawing ends: step size times number of steps
    n_steps: int = 7200  # of gradient ascent, a multiple of `n_records`
    n_records: int = 160  # of the singular values
    n_samples: int = 40  # N, of data whose covariance is exact


class ChainTask(NamedTuple):
    """One deep linear network."""

    start: str  # "aligned" or "orthogonal", see `initial_chain`
    n_layers: int  # L
    seed: int  # of data and start
    chain: Chain


@dataclass(frozen=True, eq=False)
class DeepLinear(LayeredObjective):
    """The objective −D_emp of layers without units between them, x̂ = M_L … M_1 x, on centred inputs."""

    activation: str = "linear"

    def value_and_gradient(self, layers: Layers) -> tuple[float, Layers]:
        """Return −D_emp and its gradient; the offsets stay at 0, since the inputs are centred."""
        forward_pass = forward_layers(layers, self.X, "linear")
        gradient, _ = backward_layers(layers, forward_pass, 2 / len(self.X) * (self.X - forward_pass.Y))
        return -distortion(self.X, forward_pass.Y), gradient


def initial_chain(start: str, axes: Array, n_layers: int, initial: float, rng: np.random.Generator) -> Layers:
    """Return layers that are u_0^(1/L) times orthogonal matrices, so that all singular values of their product are u_0.

    With the start "aligned" the product is u_0 I, and so diagonal in the principal components of the data, the columns
    of `axes`: the start of the closed form. With "orthogonal" each matrix is drawn at random.
    """
    d = len(axes)
    turns = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(n_layers)]
    if start == "aligned":
        # The turns between the layers cancel in the product, which goes from the axes to the axes.
        between = [axes, *turns[1:], axes]
        turns = [after @ before.T for before, after in pairwise(between)]
    return tuple(Layer(initial ** (1 / n_layers) * turn, np.zeros(d)) for turn in turns)


def follow(task: ChainTask) -> dict[str, Any]:
    """Train one deep linear network by gradient ascent with small steps, and record its singular values.

    ``strengths`` are those of the whole network at ``times``, ``closed_form`` those of the aligned start.
    """
    chain, rng = task.chain, np.random.default_rng(task.seed)
    gamma2 = np.array(chain.variances)
    axes = np.linalg.qr(rng.normal(size=(gamma2.size, gamma2.size)))[0]
    objective = DeepLinear(gaussian_with_covariance(chain.n_samples, axes * gamma2 @ axes.T, rng))
    layers = initial_chain(task.start, axes, task.n_layers, chain.initial, rng)
    strengths = [network_strengths(layers)]
    size, count = chain.time / chain.n_steps, chain.n_steps // chain.n_records
    for _ in range(chain.n_records):
        layers = finished(gradient_ascent(objective, layers, step_size=size, n_steps=count)).x
        strengths.append(network_strengths(layers))
    times = np.linspace(0, chain.time, chain.n_records + 1)
    closed_form = deep_linear_strengths(times, gamma2, chain.initial, task.n_layers)
    return {"times": times, "strengths": np.array(strengths), "closed_form": closed_form}


def network_strengths(layers: Layers) -> Array:
    """Return the singular values of M_L … M_1, falling."""
    product: Array = functools.reduce(lambda before, layer: layer.W @ before, layers, np.eye(layers[0].W.shape[1]))
    return np.asarray(np.linalg.svd(product, compute_uv=False))


def when_half_learned(strengths: Array) -> Array:
    """Return all singular values when the first one passes ½, by linear interpolation; at the end if it stays below."""
    past = int(np.argmax(strengths[:, 0] > 0.5))
    if past == 0:
        return strengths[-1]
    before, after = strengths[past - 1], strengths[past]
    return before + (0.5 - before[0]) / (after[0] - before[0]) * (after - before)


def draw_chain(axes: Any, result: Result, n_layers: int) -> None:
    """Draw the singular values of the first seed over time: dots from the aligned start, dotted from the other."""
    chain = result.settings.chain
    aligned, drawn = (result.first(start, n_layers) for start in STARTS)
    for i, colour in zip(range(len(chain.variances)), COMPONENT_COLOURS, strict=False):
        look, gamma2 = {"color": COLOURS[colour]}, f"$\\gamma_i^2$ = {chain.variances[i]:g}"
        axes.plot(aligned["times"][::EVERY], aligned["strengths"][::EVERY, i], ".", ms=3.5, label=gamma2, **look)
        axes.plot(drawn["times"], drawn["strengths"][:, i], ":", lw=1, **look)
        axes.plot(aligned["times"], aligned["closed_form"][:, i], lw=0.6, color="black", zorder=3)
    axes.plot([], ".", ms=3.5, color="black", label="network, aligned start")
    axes.plot([], lw=0.6, color="black", label="closed form")
    axes.plot([], ":", lw=1, color="black", label="network, orthogonal start")
    axes.set(xlabel="time $t$", ylim=(-0.04, 1.06))


def chain_claims(result: Result) -> Iterator[Claim]:
    """Compare the sentence on deep linear networks with the closed form and with what gradient ascent does."""
    chain = result.settings.chain
    for L in chain.n_layers:
        aligned = result.over_seeds("aligned", L)
        away = [float(np.abs(out["strengths"] - out["closed_form"]).max()) for out in aligned]
        quantity = f"aligned start, L = {L}: largest difference of the singular values to the closed form"
        yield claim("irmae", DESCENT, quantity, away, at_most=0.01)
    for start in STARTS:
        for L in chain.n_layers:
            second = [when_half_learned(out["strengths"])[1] for out in result.over_seeds(start, L)]
            quantity = f"{start} start, L = {L}: second singular value when the first is ½"
            yield claim("irmae", DESCENT, quantity, second, at_most=0.1)


def chains_table(result: Result) -> Table:
    """Return the singular values over time, and the closed form beside them, for a CSV file."""
    rows = (
        (*key, float(out["times"][k]), i, float(u), float(closed))
        for key, out in result.runs.items()
        if key[0] in STARTS
        for k in range(0, out["times"].size, EVERY)
        for i, (u, closed) in enumerate(zip(out["strengths"][k], out["closed_form"][k], strict=True), 1)
    )
    return ("start", "n_layers", "seed", "time", "component", "singular_value", "closed_form"), rows
