from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

from rdae_ref import check_gradient, gradient_ascent, maximize
from rdae_ref.optimize import adam
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
    with pytest.raises(TypeError, match=r"decoder\.b"):
        ravel({"W": np.ones(2), "decoder": {"b": object()}})
    for empty in ((), {}, ([], {})):
        with pytest.raises(ValueError, match="at least one array"):
            ravel(empty)


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


def test_none_holds_no_array_and_an_array_may_be_empty():
    tree = {"W": np.arange(2.0), "b": None, "rest": [np.zeros((0, 3)), None]}
    assert [name for name, _ in leaves(tree)] == ["W", "rest[0]"]
    vector, unravel = ravel(tree)
    back = unravel(2 * vector)
    assert back["b"] is None
    assert back["rest"][0].shape == (0, 3)
    np.testing.assert_array_equal(ravel_gradient(back, tree), [0, 2])
    with pytest.raises(ValueError, match="form of the parameters"):
        ravel_gradient(tree | {"W": None}, tree)
    with pytest.raises(ValueError, match="form of the parameters"):
        ravel_gradient(tree | {"b": np.zeros(1)}, tree)
    with pytest.raises(ValueError, match=r"rest\[0\] must have shape \(0, 3\)"):
        ravel_gradient(tree | {"rest": [np.zeros((0, 2)), None]}, tree)
    with pytest.raises(ValueError, match="at least one array"):
        ravel({"b": None})


NAMED = {"encoder": {"W": np.arange(6.0).reshape(2, 3), "c": np.ones(2)}, "layers": [Layer(np.eye(2), np.zeros(2))]}


def test_dicts_are_structures_of_named_arrays():
    assert [name for name, _ in leaves(NAMED)] == ["encoder.W", "encoder.c", "layers[0].W", "layers[0].c"]
    assert [name for name, _ in leaves([{3: np.ones(1)}])] == ["[0][3]"]
    vector, unravel = ravel(NAMED)
    back = unravel(2 * vector)
    assert list(back) == ["encoder", "layers"]
    np.testing.assert_array_equal(back["encoder"]["W"], 2 * NAMED["encoder"]["W"])
    assert isinstance(back["layers"][0], Layer)
    back["encoder"]["W"][:] = -1
    assert NAMED["encoder"]["W"][1, 2] == 5


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda pairs: defaultdict(list, pairs)])
def test_the_type_of_a_dict_is_kept_and_its_order_does_not_matter(kind):
    parameters = kind([("W", np.arange(2.0)), ("c", np.array([5.0]))])
    assert type(tree_map(np.negative, parameters)) is type(parameters)
    gradient = {"c": np.array([30.0]), "W": np.array([10.0, 20.0])}
    np.testing.assert_array_equal(ravel_gradient(gradient, parameters), [10, 20, 30])
    total = tree_map(np.add, parameters, gradient)
    np.testing.assert_array_equal(ravel(total)[0], [10, 21, 35])


@pytest.mark.parametrize("other", [{"W": 0}, {"W": 0, "b": 0}, {"W": 0, "c": 0, "b": 0}, [0, 0], 0])
def test_dicts_with_other_keys_are_of_another_form(other):
    parameters = {"W": np.zeros(()), "c": np.zeros(())}
    with pytest.raises(TypeError, match="same form"):
        tree_map(lambda a, b: a, parameters, other)
    with pytest.raises(ValueError, match="form of the parameters, W"):
        ravel_gradient(other, parameters)


class Cone:
    """−|W − 1|² − |c + 2|² on a dict."""

    def value_and_gradient(self, parameters):
        away = {"c": parameters["c"] + 2, "W": parameters["W"] - 1}
        return -sum(float(np.sum(part**2)) for part in away.values()), tree_map(lambda part: -2 * part, away)


START = {"W": np.zeros((2, 3)), "c": np.ones(1)}


@pytest.mark.parametrize(
    "climb",
    [
        maximize,
        lambda f, x: gradient_ascent(f, x, step_size=0.1, n_steps=100),
        lambda f, x: adam(f, x, step_size=0.05, n_steps=1500),
    ],
)
def test_every_optimiser_takes_a_dict(climb):
    found = climb(Cone(), START).x
    np.testing.assert_allclose(found["W"], np.ones((2, 3)), atol=1e-4)
    np.testing.assert_allclose(found["c"], [-2], atol=1e-4)


def test_the_gradient_checker_takes_a_dict():
    assert check_gradient(Cone(), START, rng=np.random.default_rng(0)).passed
