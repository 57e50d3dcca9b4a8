"""Nested parameters as one vector and back: what every optimiser and the gradient checker need, and no more.

A *pytree* is an array, or a tuple, NamedTuple or list of pytrees (the word is JAX's).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ._validation import Array, as_array

__all__ = ["leaves", "ravel", "ravel_gradient", "tree_map"]

Pytree = Any  # Array | tuple[Pytree, ...] | list[Pytree]: a recursive type that neither mypy nor a reader enjoys


def tree_map(function: Callable[..., Any], tree: Pytree, *others: Pytree) -> Pytree:
    """Apply a function to each array of a nested structure, beside the arrays at the same place of the others.

    Parameters
    ----------
    function : callable
        Takes one array from each structure.
    tree : pytree
        The structure that the result has, too.
    *others : pytree
        Structures of the same form.

    Returns
    -------
    pytree
        Of the form of `tree`, holding what `function` returned.

    Raises
    ------
    TypeError
        If the structures differ in form.
    """
    if not isinstance(tree, (tuple, list)):
        return function(tree, *others)
    if any(not isinstance(other, (tuple, list)) or len(other) != len(tree) for other in others):
        raise TypeError(f"expected structures of the same form, got {[tree, *others]!r}")
    mapped = [tree_map(function, *branches) for branches in zip(tree, *others, strict=True)]
    return type(tree)(*mapped) if hasattr(tree, "_fields") else type(tree)(mapped)


def leaves(tree: Pytree, name: str = "") -> Iterator[tuple[str, Array]]:
    """Iterate over the arrays of a nested structure with their names, as in ``W`` or ``encoder[0].W``.

    Parameters
    ----------
    tree : pytree
        An array, or nested tuples, NamedTuples and lists of arrays.
    name : str
        The name of the structure itself; a lone array without one is called ``x``.

    Yields
    ------
    (str, Array)
        Name and array, in order.

    Raises
    ------
    TypeError
        If something in the structure is no array of real numbers.
    """
    if isinstance(tree, (tuple, list)):
        fields = getattr(tree, "_fields", None)
        for i, branch in enumerate(tree):
            step = f"{'.' if name else ''}{fields[i]}" if fields else f"[{i}]"
            yield from leaves(branch, name + step)
    elif isinstance(tree, dict):
        raise TypeError(f"{name or 'parameters'} must be an array or nested tuples or lists of arrays, got a dict")
    else:
        yield name or "x", as_array(tree, name or "x", finite=False)


def ravel(tree: Pytree) -> tuple[Array, Callable[[Array], Pytree]]:
    """Flatten a nested structure into one vector, and return the way back with it.

    Parameters
    ----------
    tree : pytree
        An array, or nested tuples, NamedTuples and lists of arrays.

    Returns
    -------
    vector : Array, shape (n,)
        A copy of all elements, in order.
    unravel : callable
        Takes a vector of that length to a structure of the form of `tree`; it copies, so that no two share memory.

    Raises
    ------
    TypeError, ValueError
        If something in the structure is no array of real numbers, or it holds no array.
    """
    arrays = [array for _, array in leaves(tree)]
    if not arrays:
        raise ValueError(f"parameters must hold at least one array, got {tree!r}")
    ends = np.cumsum([array.size for array in arrays])

    def unravel(vector: Array) -> Pytree:
        pieces = iter(np.split(np.array(vector, dtype=np.float64), ends[:-1]))
        return tree_map(lambda array: next(pieces).reshape(np.shape(array)), tree)

    return np.concatenate([array.ravel() for array in arrays]), unravel


def ravel_gradient(gradient: Pytree, parameters: Pytree) -> Array:
    """Flatten a gradient into one vector, if it has the form and the shapes of the parameters.

    Parameters
    ----------
    gradient : pytree
        What an objective returned.
    parameters : pytree
        Where.

    Returns
    -------
    Array, shape (n,)
        All elements, in the order of those of the parameters.

    Raises
    ------
    ValueError
        If form or shapes differ: an array of another shape might broadcast, and be climbed without a word.
    """
    expected = list(leaves(parameters))
    try:
        tree_map(lambda *_: None, parameters, gradient)
        found = list(leaves(gradient))
    except TypeError as error:
        wanted, got = _form(expected), _described(gradient)
        raise ValueError(f"the gradient must have the form of the parameters, {wanted}, got {got}") from error
    for (name, array), (_, part) in zip(expected, found, strict=True):
        if part.shape != array.shape:
            hint = ": it may be transposed" if part.shape == array.shape[::-1] else ""
            raise ValueError(f"the gradient of {name} must have shape {array.shape}, got {part.shape}{hint}")
    return np.concatenate([part.ravel() for _, part in found])


def _form(named: Iterable[tuple[str, Array]]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in named)


def _described(tree: Pytree) -> str:
    try:
        return _form(leaves(tree))
    except (TypeError, ValueError):
        return type(tree).__name__
