"""Show Figure 1 forming as μ falls: write docs/play/figure1.gif, and the same run into docs/play/index.html.

Each value of μ starts from the optimum of the value before, as `rdae_ref.continuation` does. One minute on one core.
"""

import argparse
import base64
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image  # comes with Matplotlib

from rdae_ref import (
    RateDistortion,
    conditional_entropy,
    distortion,
    gaussian_gram,
    initial_parameters,
    maximize,
    renyi_entropy,
)
from rdae_ref.data import gaussian
from rdae_ref.experiments.output import COLOURS, new_figure

ROOT = Path(__file__).parents[1]
PAGE, GIF = ROOT / "docs" / "play" / "index.html", ROOT / "docs" / "play" / "figure1.gif"
UNITS = {"linear": "linear", "ReLU": "relu", "logsig": "logsig"}
ALPHA, SIGMA = 1.01, 0.2 * 2**0.5
MU = 1.5 * 2.0 ** np.arange(6, -3.01, -0.25)  # the paper's 1.5, from 64 times that to an eighth


def rounded(points):
    """Return points as the page has them: 16 bits for a coordinate between −4 and 4."""
    return np.round((np.clip(points, -4, 4) + 4) / 8 * 65535).astype("<u2")


def decoded(codes):
    """Return the points of `rounded`."""
    return codes / 65535 * 8 - 4


def outputs(X, unit):
    """Return the outputs at each μ, as the page has them."""
    parameters = initial_parameters(2, 10, np.random.default_rng(1), scale=0.5)
    for mu in MU:
        objective = RateDistortion(X, activation=unit, alpha=ALPHA, mu=mu, sigma_x=SIGMA, sigma_xhat=SIGMA)
        parameters = maximize(objective, parameters, max_iterations=60).x
        yield rounded(objective.reconstruct(parameters))


def text(codes):
    """Encode points for the page."""
    return base64.b64encode(codes.tobytes()).decode()


def run():
    """Train the three auto-encoders; return what the page embeds. Its numbers are those of the rounded points."""
    codes = rounded(gaussian(200, np.random.default_rng(0)))
    X = decoded(codes)
    K_X = gaussian_gram(X, SIGMA)
    runs = {}
    for name, unit in UNITS.items():
        frames = list(outputs(X, unit))
        S = [conditional_entropy(K_X, gaussian_gram(decoded(Xhat), SIGMA), ALPHA) for Xhat in frames]
        D = [distortion(X, decoded(Xhat)) for Xhat in frames]
        runs[name] = {"S_X": renyi_entropy(K_X, ALPHA), "S": S, "D": D, "Xhat": list(map(text, frames))}
    return {"mu": MU.tolist(), "alpha": ALPHA, "sigma": SIGMA, "X": text(codes), "runs": runs}


def embed(data):
    """Write the data into the page."""
    element = r'(<script id="data" type="application/json">).*?(</script>)'
    page = re.sub(element, lambda m: m[1] + json.dumps(data) + m[2], PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


def frame(data, k):
    """Draw one value of μ as an image."""
    points = {name: np.frombuffer(base64.b64decode(run["Xhat"][k]), "<u2") for name, run in data["runs"].items()}
    X = decoded(np.frombuffer(base64.b64decode(data["X"]), "<u2")).reshape(-1, 2)
    with new_figure(7.2, 2.85) as figure:
        figure.set_layout_engine("compressed")
        for axes, (name, codes) in zip(figure.subplots(1, 3, sharex=True, sharey=True), points.items(), strict=True):
            axes.plot(*X.T, "o", ms=2.5, mew=0, color=COLOURS["grey"], alpha=0.55)
            axes.plot(*decoded(codes).reshape(-1, 2).T, "o", ms=3, mew=0, color=COLOURS["vermilion"])
            axes.set(title=f"{name} units", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        figure.suptitle(f"µ = {data['mu'][k]:.3g}", fontsize=10)
        figure.set_dpi(125)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def draw(data):
    """Write the GIF; the paper's μ = 1.5 and the last frame stay longer."""
    frames = [frame(data, k).quantize(32) for k in range(len(data["mu"]))]
    stay = [1500 if mu == 1.5 or k in (0, len(frames) - 1) else 160 for k, mu in enumerate(data["mu"])]
    frames[0].save(GIF, save_all=True, append_images=frames[1:], duration=stay, loop=0, optimize=True)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help does nothing else
    found = run()
    embed(found)
    draw(found)
    for path in (GIF, PAGE):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.2f} MB")
