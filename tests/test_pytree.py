from collections import namedtuple

import numpy as np
import pytest

from rdae_ref.pytree import leaves, ravel, ravel_gradient, tree_map

Layer = namedtuple("Layer", "W c")
TREE = (Layer(np.arange(6.0).reshape(2, 3), np.ones(2)), [np.array(5.0), (np.zeros((1, 2)),)])


def test_names_are_those_one_would_write():
    assert [name for name, _ in leaves(TREE)] == ["[0].W", "[0].c", "[1][0]", "[1][1][0]"]
    assert [name for name, _ in leaves(namedtuple("P", "encoder b")((TREE[0],), np.ones(1)))] == [
        "encoder[0].W",
        "encoder[0].c",
        "b",
    ]
    assert [name for name, _ in leaves(np.ones(3))] == ["x"]


def test_ravel_and_back_keeps_values_shapes_and_types():
    vector, unravel = ravel(TREE)
    assert vector.shape == (11,)
    back = unravel(vector)
    assert isinstance(back[0], Layer)
    assert isinstance(back[1], list)
    for (_, a), (_, b) in zip(leaves(TREE), leaves(back), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_memory_is_shared():
    vector, unravel = ravel(TREE)
    vector[:] = -1
    assert TREE[0].W[1, 2] == 5
    back = unravel(vector)
    vector[:] = 7
    assert back[0].W[0, 0] == -1


def test_tree_map_goes_side_by_side_and_refuses_other_forms():
    total = tree_map(lambda a, b: a + b, TREE, TREE)
    np.testing.assert_array_equal(total[0].W, 2 * TREE[0].W)
    with pytest.raises(TypeError, match="same form"):
        tree_map(lambda a, b: a, TREE, TREE[:1])


def test_what_is_no_array_is_refused_by_name():
    with pytest.raises(TypeError, match=r"\[0\].c"):
        ravel((Layer(np.ones(2), "text"),))
    with pytest.raises(TypeError, match="got a dict"):
        ravel({"W": np.ones(2)})
    with pytest.raises(ValueError, match="at least one array"):
        ravel(())


def test_a_gradient_of_another_shape_is_refused_and_not_broadcast():
    parameters = Layer(np.zeros((2, 3)), np.zeros(2))
    np.testing.assert_array_equal(ravel_gradient(Layer(np.ones((2, 3)), 2 * np.ones(2)), parameters), [1] * 6 + [2] * 2)
    for bad, words in (
        (Layer(np.ones((3, 2)), np.ones(2)), "transposed"),
        (Layer(np.ones((2, 3)), np.ones(1)), r"c must have shape \(2,\), got \(1,\)"),
        (np.ones(8), "form of the parameters"),
    ):
        with pytest.raises(ValueError, match=words):
            ravel_gradient(bad, parameters)
