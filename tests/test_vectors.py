import json
import math
import re
import warnings
from importlib import resources

import numpy as np
import pytest

from rdae_ref import (
    Parameters,
    RateDistortion,
    SingularGramWarning,
    conditional_entropy,
    gaussian_gram,
    gram_pullback,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    normalize_gram,
    renyi_entropy,
    renyi_entropy_gradient,
)
from rdae_ref.autoencoder import distortion, distortion_gradients, entropy_gradients, forward
from rdae_ref.matrices import product_entropy_gradient
from rdae_ref.models import (
    IRMAE,
    Contractive,
    FixedBetaVAE,
    FixedDenoising,
    IRMAEParameters,
    Layer,
    Reconstruction,
    VAEParameters,
)
from rdae_ref.paper import edge_weights
from rdae_ref.pytree import leaves
from rdae_ref.theory import blahut_arimoto, gaussian_rate_distortion, optimal_manifold
from rdae_ref.verify import vectors

SLOPES = {"17": "A", "18": "b", "19": "W", "20": "c"}
DISTORTION_SLOPES = {"21": "A", "22": "b", "23": "W", "24": "c"}
PRINTED = {f"{n:02}" for n in (*range(1, 6), *range(9, 26))}


def parameters_in(inputs):
    return Parameters(*(inputs.pop(name) for name in "WcAb"))


def pullback(X, sigma, **order):
    K = gaussian_gram(X, sigma)
    return {"dS_dY": gram_pullback(renyi_entropy_gradient(K, **order, tangent=order["alpha"] == 1), K, X, sigma)}


def entropy_slope(name):
    def answer(X, activation, alpha, sigma_x, sigma_xhat, base, **arrays):
        parameters, order = parameters_in(arrays), {"alpha": alpha, "base": base, "tangent": abs(alpha - 1) < 0.1}
        trace = forward(parameters, X, activation)
        K_X, K = gaussian_gram(X, sigma_x), gaussian_gram(trace.Xhat, sigma_xhat)
        P = edge_weights(renyi_entropy_gradient(K, **order), K, sigma_xhat)
        Q = edge_weights(product_entropy_gradient(K_X, K, **order), K, sigma_xhat)
        return {
            f"dS_output_d{name}": getattr(entropy_gradients(P, trace, parameters, X), name),
            f"dS_joint_d{name}": getattr(entropy_gradients(Q, trace, parameters, X), name),
        }

    return answer


def distortion_slope(name):
    def answer(X, activation, **arrays):
        parameters = parameters_in(arrays)
        gradients = distortion_gradients(forward(parameters, X, activation), parameters, X, X)
        return {f"dD_d{name}": getattr(gradients, name)}

    return answer


def model(kind):
    def answer(X, **settings):
        parameters = parameters_in(settings)
        value, gradient = kind(X, **settings).value_and_gradient(parameters)
        return {"L": value} | {f"dL_d{name}": array for name, array in gradient._asdict().items()}

    return answer


def layers_in(inputs, name):
    depth = sum(key.startswith(f"{name}[") and key.endswith(".W") for key in inputs)
    return tuple(Layer(inputs.pop(f"{name}[{i}].W"), inputs.pop(f"{name}[{i}].b")) for i in range(depth))


def nested_model(kind, form):
    def answer(X, **inputs):
        encoder, decoder = layers_in(inputs, "encoder"), layers_in(inputs, "decoder")
        squares = [inputs.pop(key) for key in list(inputs) if key.startswith("linear")]
        parameters = form(encoder, decoder) if form is VAEParameters else form(encoder, tuple(squares), decoder)
        value, gradient = kind(X, **inputs).value_and_gradient(parameters)
        return {"L": value} | {f"dL_d{name}": array for name, array in leaves(gradient)}

    return answer


def constrained_optimum(X, D, **settings):
    """Look up the answer of (14) and check that it is one: the budget is spent, and the gradient of (25) is zero."""
    cases = vectors.load("equation-14").cases
    outputs = next(case.outputs for case in cases if case.inputs.items() >= ({"D": D} | settings).items())
    point = Parameters(np.ones((1, 1)), np.zeros(1), np.full((1, 1), outputs["t"]), np.zeros(1))
    objective = RateDistortion(X, activation="linear", mu=outputs["mu"], **settings)
    terms, (_, gradient) = objective.terms(point), objective.value_and_gradient(point)
    assert terms.distortion == pytest.approx(D, rel=1e-14)
    assert all(np.abs(array).max() < 1e-14 * outputs["mu"] for array in gradient)
    return {"conditional_entropy": terms.conditional_entropy, "t": outputs["t"], "mu": outputs["mu"]}


def manifold(X, beta):
    found = optimal_manifold(X, 2, [beta], rng=np.random.default_rng(0), tolerance=1e-15)
    return {"rate": found.rate, "distortion": found.distortion, "points": found.points[found.points[:, 0].argsort()]}


def finite_source(**inputs):
    point = blahut_arimoto(**inputs, tolerance=1e-12)
    return {"rate": point.rate, "distortion": point.distortion}


ANSWERS = {
    "equation-01": manifold,
    "equation-02-03": finite_source,
    "equation-04-05": lambda **inputs: gaussian_rate_distortion(**inputs)._asdict(),
    "equation-09": lambda X, Xhat: {"D": distortion(X, Xhat)},
    "equation-10": lambda **inputs: {"S": renyi_entropy(**inputs)},
    "equation-11": lambda K: {"A": normalize_gram(K)},
    "equation-11-gaussian": lambda X, sigma: {"A": gaussian_gram(X, sigma)},
    "equation-12": lambda **inputs: {"S": joint_entropy(**inputs)},
    "equation-12-gradient": lambda **inputs: {"dS_dB": joint_entropy_gradient(**inputs)},
    "equation-13": lambda **inputs: {
        "conditional_entropy": conditional_entropy(**inputs),
        "mutual_information": mutual_information(**inputs),
    },
    "equation-14": constrained_optimum,
    "equation-15-literal": lambda **inputs: {"dS_dA": renyi_entropy_gradient(**inputs)},
    "equation-15-tangent": lambda **inputs: {"dS_dA": renyi_entropy_gradient(**inputs, tangent=True)},
    "equation-16-literal": lambda **inputs: {"dS_dK": product_entropy_gradient(**inputs)},
    "equation-16-tangent": lambda **inputs: {"dS_dK": product_entropy_gradient(**inputs, tangent=True)},
    "graph-laplacian": pullback,
    **{f"equation-{number}": entropy_slope(name) for number, name in SLOPES.items()},
    **{f"equation-{number}": distortion_slope(name) for number, name in DISTORTION_SLOPES.items()},
    "equation-25": model(RateDistortion),
    "model-reconstruction": model(Reconstruction),
    "model-denoising": model(FixedDenoising),
    "model-contractive": model(Contractive),
    "model-beta-vae": nested_model(FixedBetaVAE, VAEParameters),
    "model-irmae": nested_model(IRMAE, IRMAEParameters),
}


def error(got, right):
    if np.array_equal(got, right):  # infinite, both of them
        return 0.0
    return float(np.abs(got - right).max() / (np.abs(right).max() or 1.0))


@pytest.mark.parametrize("name", vectors.names())
def test_the_package_reproduces_each_vector(name):
    failures = []
    for case in vectors.load(name).cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularGramWarning)
            outputs = ANSWERS[name](**case.inputs)
        assert outputs.keys() == case.outputs.keys()
        for key, right in case.outputs.items():
            assert np.shape(outputs[key]) == np.shape(right)
            if not error(outputs[key], right) <= case.tolerance:
                failures.append((case.name, key, error(outputs[key], right), case.tolerance))
    assert not failures


def test_every_equation_has_a_file():
    equations = [name for name in vectors.names() if name.startswith("equation")]
    assert {number for name in equations for number in re.findall(r"-(\d\d)", name)} == PRINTED
    assert set(vectors.names()) == set(ANSWERS)
    assert {vectors.load(name).gradient_form for name in vectors.names()} == {"literal", "tangent", "none"}


@pytest.mark.parametrize(
    "name",
    [
        "equation-01",
        "equation-02-03",
        "equation-04-05",
        "equation-09",
        "equation-10",
        "equation-14",
        "equation-15-tangent",
        "equation-23",
        "model-beta-vae",
        "model-irmae",
    ],
)
def test_vectors_are_made_again_to_the_letter(name):
    generate = pytest.importorskip("golden_vectors.generate", reason="making vectors needs mpmath")
    assert generate.as_text(name) == resources.files(vectors).joinpath(f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", vectors.names())
def test_the_layout_of_a_file_is_what_the_writer_writes(name):
    generate = pytest.importorskip("golden_vectors.generate", reason="making vectors needs mpmath")
    text = resources.files(vectors).joinpath(f"{name}.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert generate.layout(content) + "\n" == text
    arrays = [v for case in content["cases"] for part in ("inputs", "outputs") for v in case[part].values()]
    assert max(line.count('"shape"') for line in text.splitlines()) <= 1
    assert text.count('"shape"') == sum(isinstance(value, dict) for value in arrays)


def test_a_changed_digit_is_noticed():
    case = next(case for case in vectors.load("equation-25").cases if case.name == "logsig, N = 4, α = 2")
    right = case.outputs["dL_dW"]
    changed = right.copy()
    changed[1, 0] *= 1 + 1e-11
    assert error(changed, right) > case.tolerance > error(right, right)


@pytest.mark.parametrize("name", vectors.names())
def test_files_are_plain_json_of_decimal_strings(name):
    text = resources.files(vectors).joinpath(f"{name}.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    assert list(content)[:-1] == ["name", "equation", "statement", "units", "gradient_form", "conventions"]
    assert content["name"] == name
    for case in content["cases"]:
        for value in (*case["inputs"].values(), *case["outputs"].values()):
            if isinstance(value, dict):
                assert math.prod(value["shape"]) == len(value["values"])
                assert all(isinstance(number, str) for number in value["values"])
            else:
                assert isinstance(value, str)
        assert case["name"]
        assert case["reason"]
    assert len({case["name"] for case in content["cases"]}) == len(content["cases"])


def test_inputs_survive_and_outputs_have_17_digits():
    case = vectors.load("equation-25").cases[0]
    assert case.inputs["X"].dtype == np.float64
    assert case.inputs["alpha"] == 1.01
    text = resources.files(vectors).joinpath("equation-25.json").read_text(encoding="utf-8")
    digits = json.loads(text)["cases"][0]["outputs"]["L"]
    assert len(digits.replace("-", "").replace(".", "").lstrip("0")) == 17


def test_all_files_together_stay_small():
    folder = resources.files(vectors)
    files = [path.read_bytes() for path in folder.iterdir() if path.name.endswith(".json")]
    assert sum(map(len, files)) < 1e6
    assert sum(file.count(b"\n") for file in files) < 6000
    assert folder.joinpath("README.md").is_file()


def test_an_unknown_file_is_refused():
    with pytest.raises(ValueError, match="name must be one of 'equation-01'"):
        vectors.load("equation-99")
