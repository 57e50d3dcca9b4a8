"""Nested parameters as one vector and back, for every optimiser and the gradient checker.

A *pytree* is an array, None, or a tuple, NamedTuple, list or dict of pytrees (the word is JAX's). None holds no array.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ._validation import Array, as_array

__all__ = ["leaves", "ravel", "ravel_gradient", "tree_map"]

Pytree = Any  # Array | tuple[Pytree, ...] | list[Pytree] | dict[Any, Pytree]


def tree_map(function: Callable[..., Any], tree: Pytree, *others: Pytree) -> Pytree:
    """Apply a function to each array of a structure and to those in the same place of the others."""
    keys = _keys(tree)
    if keys is None:
        return function(tree, *others)
    if any(_keys(other) != keys for other in others):
        raise TypeError(f"expected structures of the same form, got {[tree, *others]!r}")
    if tree is None:
        return None
    mapped = {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in keys}
    if isinstance(tree, dict):
        result = copy.copy(tree)  # keeps the type, whatever its constructor takes
        result.update(mapped)
        return result
    return type(tree)(*mapped.values()) if hasattr(tree, "_fields") else type(tree)(mapped.values())


def _keys(tree: Pytree) -> Any:
    if tree is None:
        return ()
    if isinstance(tree, dict):
        return tree.keys()
    return range(len(tree)) if isinstance(tree, (tuple, list)) else None


def leaves(tree: Pytree, name: str = "") -> Iterator[tuple[str, Array]]:
    """Iterate over the arrays with their names, such as ``W`` or ``encoder[0].W``; a lone array is called ``x``."""
    if tree is None:
        return
    if not isinstance(tree, (tuple, list, dict)):
        empty = 0 in np.shape(tree)
        yield name or "x", np.zeros(np.shape(tree)) if empty else as_array(tree, name or "x", finite=False)
        return
    for key, branch in tree.items() if isinstance(tree, dict) else enumerate(tree):
        step = tree._fields[key] if hasattr(tree, "_fields") else key
        yield from leaves(branch, f"{name}.{step}".lstrip(".") if isinstance(step, str) else f"{name}[{step}]")


def ravel(tree: Pytree) -> tuple[Array, Callable[[Array], Pytree]]:
    """Return a structure as one vector, and the inverse function; TypeError or ValueError if it holds no numbers.

    >>> vector, unravel = ravel({"W": np.eye(2), "c": np.array([5.0])})
    >>> print(vector, unravel(2 * vector)["c"])
    [1. 0. 0. 1. 5.] [10.]
    """
    arrays = [array for _, array in leaves(tree)]
    if not arrays:
        raise ValueError(f"parameters must hold at least one array, got {tree!r}")
    ends = np.cumsum([array.size for array in arrays])

    def unravel(vector: Array) -> Pytree:
        pieces = iter(np.split(np.array(vector, dtype=np.float64), ends[:-1]))
        return tree_map(lambda array: next(pieces).reshape(np.shape(array)), tree)

    return np.concatenate([array.ravel() for array in arrays]), unravel


def ravel_gradient(
    gradient: Pytree, parameters: Pytree, what: str = "the gradient", like: str = "the parameters"
) -> Array:
    """Flatten a gradient in the order of the parameters; ValueError if form or shapes differ."""
    expected = list(leaves(parameters))
    try:
        found = list(leaves(tree_map(_part, parameters, gradient)))
    except TypeError as error:
        wanted, got = _form(expected), _described(gradient)
        raise ValueError(f"{what} must have the form of {like}, {wanted}, got {got}") from error
    for (name, array), (_, part) in zip(expected, found, strict=True):
        if part.shape != array.shape:  # it might broadcast
            hint = ": it may be transposed" if part.shape == array.shape[::-1] else ""
            raise ValueError(f"{what} of {name} must have shape {array.shape}, got {part.shape}{hint}")
    return np.concatenate([part.ravel() for _, part in found])


def _part(_: Pytree, part: Pytree) -> Pytree:
    if part is None:
        raise TypeError("expected an array, got None: the gradient of what is not used is zero")
    return part


def _form(named: Iterable[tuple[str, Array]]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in named)


def _described(tree: Pytree) -> str:
    try:
        return _form(leaves(tree)) or type(tree).__name__
    except (TypeError, ValueError):
        return type(tree).__name__
