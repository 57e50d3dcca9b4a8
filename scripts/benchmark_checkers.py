"""Compare gradient checkers over tests/corpus/objectives.py: false alarms, misses and time, as a table.

Each is called as its documentation says. SciPy's `check_grad` returns an error and no verdict: here it may be 1e-5 of
the gradient's norm. PyTorch's `gradcheck` and the `check_grads` of JAX and HIPS autograd have their own tolerances and
get a function whose backward pass is the gradient in question. A checker that is not installed is left out.
"""

import argparse
import logging
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from corpus.objectives import CORPUS  # found by the line before

from rdae_ref import check_gradient  # likewise


def ours(function, x):
    """Return the verdict of check_gradient."""
    return check_gradient(function, x).verdict


def scipy(function, x):
    """Return whether SciPy's check_grad finds less than 1e-5 of the gradient's norm."""
    from scipy.optimize import check_grad  # noqa: PLC0415  # only what is called has to be installed

    error = check_grad(lambda y: function(y)[0], lambda y: function(y)[1], x)
    return "right" if error <= 1e-5 * np.linalg.norm(function(x)[1]) else "wrong"


def torch(function, x):
    """Return whether torch's gradcheck passes."""
    import torch  # noqa: PLC0415  # only what is called has to be installed

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            value, gradient = function(y.detach().numpy().copy())
            ctx.save_for_backward(torch.as_tensor(np.array(gradient, dtype=float)))
            return torch.tensor(value, dtype=torch.float64)

        @staticmethod
        def backward(ctx, upstream):
            return upstream * ctx.saved_tensors[0]

    passed = torch.autograd.gradcheck(Function.apply, torch.tensor(x, requires_grad=True), raise_exception=False)
    return "right" if passed else "wrong"


def autograd(function, x):
    """Return whether HIPS autograd's check_grads passes."""
    from autograd.extend import defvjp, primitive  # noqa: PLC0415  # only what is called has to be installed
    from autograd.test_util import check_grads  # noqa: PLC0415  # only what is called has to be installed

    value = primitive(lambda y: function(np.array(y))[0])
    defvjp(value, lambda answer, y: lambda g: g * function(np.array(y))[1])
    try:
        check_grads(value, modes=["rev"], order=1)(x)
    except AssertionError:
        return "wrong"
    return "right"


def jax(function, x):
    """Return whether JAX's check_grads passes, in float64."""
    import jax  # noqa: PLC0415  # only what is called has to be installed
    from jax.test_util import check_grads  # noqa: PLC0415  # only what is called has to be installed

    with jax.enable_x64(True):

        @jax.custom_vjp
        def value(y):
            return jax.pure_callback(lambda z: np.float64(function(np.array(z))[0]), jax.ShapeDtypeStruct((), float), y)

        def forward(y):
            return value(y), y

        def backward(y, upstream):
            shape = jax.ShapeDtypeStruct(y.shape, float)
            gradient = jax.pure_callback(lambda z: np.asarray(function(np.array(z))[1], dtype=float), shape, y)
            return (upstream * gradient,)

        value.defvjp(forward, backward)
        try:
            check_grads(value, (jax.numpy.asarray(x),), order=1, modes=["rev"])
        except AssertionError:
            return "wrong"
    return "right"


CHECKERS = {
    "rdae_ref.check_gradient": ours,
    "scipy.optimize.check_grad": scipy,
    "torch.autograd.gradcheck": torch,
    "autograd check_grads": autograd,
    "jax check_grads": jax,
}


def run(checker):
    """Return counts of (right or wrong gradient, verdict), and seconds."""
    counts, start = Counter(), time.perf_counter()
    for entry in CORPUS.values():
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                verdict = checker(entry.function, entry.point)
            except ImportError:
                raise
            except Exception as error:  # a checker that stops has not passed the gradient
                verdict = f"stopped: {type(error).__name__}"
        counts[entry.right, verdict.partition(":")[0]] += 1
    return counts, time.perf_counter() - start


def table(names=tuple(CHECKERS)):
    """Return the table in Markdown."""
    n_right = sum(entry.right for entry in CORPUS.values())
    n_wrong = len(CORPUS) - n_right
    lines = [
        f"| checker | {n_right} right gradients: called wrong | stopped | undecided | {n_wrong} wrong gradients: "
        "passed | stopped or undecided | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        try:
            counts, seconds = run(CHECKERS[name])
        except ImportError:
            continue
        cells = (
            counts[True, "wrong"],
            counts[True, "stopped"],
            counts[True, "inconclusive"],
            counts[False, "right"],
            counts[False, "inconclusive"] + counts[False, "stopped"],
        )
        lines.append(f"| `{name}` | {' | '.join(map(str, cells))} | {seconds:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help does nothing else
    logging.disable()  # JAX logs each exception of a function that it calls back
    print(table())
