"""What is computed: data, parameters and settings, the same for all baselines."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdae_ref import initial_parameters
from rdae_ref.data import gaussian
from rdae_ref.models import initial_vae_parameters

ROOT = Path(__file__).parents[2]
MNIST = Path(os.environ.get("RDAE_MNIST", ROOT.parent / "shared" / "data" / "mnist")) / "train20k-images-idx3-ubyte.gz"


@dataclass(frozen=True)
class Case:
    """One evaluation of L and its gradient, or one epoch of them where there is a batch size; quick: few turns."""

    N: int
    d: int = 2
    p: int = 10
    activation: str = "relu"
    alpha: float = 1.01
    mu: float = 1.5
    sigma: float = 0.2 * 2**0.5
    scale: float = 0.5
    method: str = "exact"
    batch: int = 0
    quick: bool = False

    def data(self):
        """Return X, shape (N, d): samples of (26) in the plane, else digits."""
        return gaussian(self.N, np.random.default_rng(0)) if self.d == 2 else digits(self.N, self.d)

    def batches(self):
        """Return the data of one epoch, shuffled once, in parts of `batch` rows."""
        X = np.random.default_rng(1).permutation(self.data())
        return np.split(X, range(self.batch, self.N, self.batch))

    def parameters(self):
        """Return where the gradient is taken."""
        return initial_parameters(self.d, self.p, np.random.default_rng(2), scale=self.scale)

    def settings(self):
        """Return the arguments of RateDistortion that all baselines need."""
        return {"activation": self.activation, "alpha": self.alpha, "mu": self.mu, "sigma": self.sigma}


@dataclass(frozen=True)
class FigureCase:
    """All runs of one figure for its first seed; quick: with few steps."""

    figure: str
    quick: bool = False


@dataclass(frozen=True)
class VAECase:
    """Steps of Adam of the beta-VAE on binarised digits, in mini-batches; quick: few and small."""

    N: int = 20_000
    hidden: tuple[int, ...] = (256, 256)
    n_latents: int = 32
    batch: int = 100
    n_steps: int = 100
    beta: float = 1.0
    step_size: float = 1e-3
    quick: bool = False

    def data(self):
        """Return X in {0, 1}, shape (N, 784)."""
        pixels = digits(self.N)
        return (np.random.default_rng(0).random(pixels.shape) < pixels).astype(float)

    def parameters(self):
        """Return the start."""
        rng = np.random.default_rng(2)
        return initial_vae_parameters(784, self.n_latents, rng, hidden=self.hidden)

    def rng(self):
        """Return the generator of the batches, and of the noise of each, in turn."""
        return np.random.default_rng(3)


@dataclass(frozen=True)
class FitCase:
    """A fit of the estimator with its defaults; quick: to a few samples."""

    table: str
    quick: bool = False

    def data(self):
        """Return the table, each column with mean 0 and variance 1."""
        if self.table in SKLEARN:
            import sklearn.datasets  # noqa: PLC0415  # of the extra [test]

            X = getattr(sklearn.datasets, SKLEARN[self.table])().data
        else:
            X = np.random.default_rng(0).normal(size=(2000, 30))
        X = X[:60] if self.quick else X
        return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


SKLEARN = {"breast-cancer 569 × 30": "load_breast_cancer", "digits 1797 × 64": "load_digits"}
BEST = {  # the largest L on all samples known, in bits; docs/howto/choose.md
    "breast-cancer 569 × 30": -0.79838, "digits 1797 × 64": -35.28, "Gaussian 2000 × 30": -24.833,
}  # fmt: skip
RATE, MOMENTUM = 0.01, 0.9  # of the epoch's ascent
DIGITS = {"d": 784, "p": 200, "activation": "logsig", "sigma": 8.4, "mu": 0.5, "scale": 0.05}


SMALL_DIGITS = {"d": 64, "p": 32, "activation": "logsig", "sigma": 1.0, "mu": 0.5, "scale": 0.1}  # of full rank


def digits(N, d=784):
    """Return N digits of MNIST in [0, 1], or noise where the file is not there; for d = 64 means of 4 × 4 pixels."""
    if not MNIST.exists():
        return np.random.default_rng(0).random((N, d))
    pixels = np.frombuffer(gzip.decompress(MNIST.read_bytes()), np.uint8, offset=16).reshape(-1, 784)[:N] / 255
    if d == 784:
        return pixels
    padded = np.pad(pixels.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    return padded.reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(-1, d)
