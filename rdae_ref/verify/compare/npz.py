"""The file of a comparison: read or refused whole, and a template to fill from a framework."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...autoencoder import Parameters, initial_parameters
from ...files import ContentError, Header, as_path, read_npz, written_whole
from .arrays import LARGEST_N, canonical, unknown_name
from .comparison import Comparison
from .variants import NAMES
from .verdict import compare

__all__ = ["SNIPPETS", "compare_file", "write_template"]

POINT = ("X", "W", "c", "A", "b")
NUMBERS = ("alpha", "mu", "sigma_x", "sigma_xhat")
OPTIONAL = {"base": 2.0}
KNOWN = (*POINT, "activation", *NUMBERS, *OPTIONAL, *NAMES)


def compare_file(path: str | os.PathLike[str]) -> Comparison:
    """Compare the arrays in an npz file with ours.

    Parameters
    ----------
    path : str or path-like
        It has X, W, c, A, b, activation, alpha, mu, sigma_x, sigma_xhat, optionally base, and any results that
        `compare` knows, under their names; or Xhat in place of W, c, A, b and activation. Nothing is unpickled.

    Returns
    -------
    Comparison
        As `compare` returns it.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ContentError
        If it is not an npz file, lacks a name, has an unknown one, or holds what `compare` refuses.
    """
    content = _read(as_path(path))
    try:
        return _compared(content)
    except (TypeError, ValueError) as error:
        raise ContentError(f"{path}: {error}") from None


def _compared(content: Mapping[str, npt.NDArray[Any]]) -> Comparison:
    of_outputs = _is_of_outputs(content)
    activation = content.get("activation")
    if activation is not None and (activation.dtype.kind != "U" or activation.size != 1):
        raise ValueError("activation must be a name, as np.savez(..., activation='logsig') stores it")
    numbers = {name: _number(content[name], name) for name in (*NUMBERS, *OPTIONAL) if name in content}
    return compare(
        content["X"],
        None if of_outputs else Parameters(*(content[name] for name in POINT[1:])),
        {name: array for name, array in content.items() if canonical(name) in NAMES},
        activation=None if activation is None else str(activation.reshape(-1)[0]),
        **OPTIONAL | numbers,
    )


def write_template(path: str | os.PathLike[str], seed: int = 0) -> None:
    """Write an npz file with a point and settings, to be filled with the results of another implementation.

    Parameters
    ----------
    path, seed : str or path-like, and int
        Where, and the seed of the point; an existing file is not changed.

    Raises
    ------
    FileExistsError, ValueError
        If there is a file of that name, or the name does not end in ``.npz``.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path} must end in .npz, which numpy.savez would add to it")
    if Path(path).exists():
        raise FileExistsError(f"{path} already exists, perhaps with results: name another file")
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 2))
    parameters = initial_parameters(2, 5, rng, scale=0.7)
    settings = {"activation": "logsig", "alpha": 1.01, "mu": 1.5, "sigma_x": 0.4, "sigma_xhat": 0.3, "base": 2.0}
    content: Mapping[str, Any] = {"X": X, **parameters._asdict(), **settings}
    with written_whole(path, "wb") as file:
        np.savez(file, **content)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    def choose(headers: Mapping[str, Header]) -> Mapping[str, Header]:
        for name in headers:
            if canonical(name) not in KNOWN:
                raise ContentError(f"{path}: {unknown_name(name, KNOWN)}; known are {', '.join(KNOWN)}")
        _check_sizes(path, {name: header.size for name, header in headers.items()})
        needed = (*(POINT[:1] if _is_of_outputs(headers) else (*POINT, "activation")), *NUMBERS)
        missing = [name for name in needed if name not in headers]
        if missing:
            raise ContentError(f"{path} lacks {', '.join(missing)}: a comparison also needs the point and the settings")
        return headers

    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: rdae-ref compare --template {path} writes an example")
    return read_npz(path, choose)


def _is_of_outputs(names: Iterable[str]) -> bool:
    """Return whether there are outputs but no parameters."""
    return "Xhat" in names and not set(POINT[1:]) & set(names)


def _check_sizes(path: Path, sizes: Mapping[str, int]) -> None:
    """Refuse arrays that are larger than the point allows, before they are read."""
    p, d = sizes.get("c", 0), sizes.get("b", 0)
    N = sizes.get("X", 0) // max(d, 1)
    largest = {"X": LARGEST_N * d, "W": p * d, "A": p * d} | dict.fromkeys(NAMES, max(N, p, d) * max(N, d))
    for name, size in sizes.items():
        if name in largest and size > largest[name] and {"X", "c", "b"} <= sizes.keys():
            raise ContentError(f"{path}: {name} has {size} elements, too many for {N} samples, d = {d} and p = {p}")


def _number(array: npt.NDArray[Any], name: str) -> float:
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be one real number, got shape {array.shape} and dtype {array.dtype}")
    return float(array.reshape(-1)[0])


SNIPPETS = {
    "PyTorch": """\
import numpy as np, torch
f = dict(np.load("{path}"))
assert f.get("base", 2) == 2 and f["activation"] == "logsig", "what follows is in bits, with logistic units"
X, W, c, A, b = (torch.tensor(f[name], requires_grad=name != "X") for name in "XWcAb")
N, alpha, mu, sigma_x, sigma_xhat = len(X), *(float(f[name]) for name in ("alpha", "mu", "sigma_x", "sigma_xhat"))
def gram(Y, sigma):
    return torch.exp(-((Y[:, None] - Y[None]) ** 2).sum(2) / (2 * sigma**2)) / N
def entropy(K):
    return (torch.linalg.eigvalsh(K).clamp(min=0) ** alpha).sum().log2() / (1 - alpha)
Xhat = torch.sigmoid(X @ W.T + c) @ A.T + b
K_X, K = gram(X, sigma_x), gram(Xhat, sigma_xhat)
L = entropy(N * K_X * K) - entropy(K) - mu * ((X - Xhat) ** 2).sum() / N
L.backward()
f |= dict(value=L.item(), Xhat=Xhat.detach(), dW=W.grad, dc=c.grad, dA=A.grad, db=b.grad)
np.savez("{path}", **f)
""",
    "JAX": """\
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", True)
f = dict(np.load("{path}"))
assert f.get("base", 2) == 2 and f["activation"] == "logsig", "what follows is in bits, with logistic units"
X, N, (alpha, mu) = f["X"], len(f["X"]), (float(f["alpha"]), float(f["mu"]))
def gram(Y, sigma):
    return jnp.exp(-((Y[:, None] - Y[None]) ** 2).sum(2) / (2 * sigma**2)) / N
def entropy(K):
    return jnp.log2((jnp.linalg.eigvalsh(K).clip(0) ** alpha).sum()) / (1 - alpha)
def L(p):
    Xhat = jax.nn.sigmoid(X @ p["W"].T + p["c"]) @ p["A"].T + p["b"]
    K_X, K = gram(X, float(f["sigma_x"])), gram(Xhat, float(f["sigma_xhat"]))
    return entropy(N * K_X * K) - entropy(K) - mu * ((X - Xhat) ** 2).sum() / N
value, gradient = jax.value_and_grad(L)({{name: f[name] for name in "WcAb"}})
np.savez("{path}", **f | {{"d" + name: array for name, array in gradient.items()}} | {{"value": value}})
""",
}
