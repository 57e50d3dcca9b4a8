"""docs/play/index.html: its mathematics against golden vectors and paper.py, and its controls in headless Chromium."""

import json
import math
import re
import shutil
import subprocess
import time
from pathlib import Path

import animate
import browser
import numpy as np
import pytest
from browser import DOWN, PAGE_DOWN, RIGHT

from rdae_ref import ACTIVATIONS, conditional_entropy, distortion, gaussian_gram, paper
from rdae_ref.verify import vectors

PAGE = Path(__file__).parents[1] / "docs" / "play" / "index.html"
TEXT = PAGE.read_text(encoding="utf-8")
(MATHEMATICS,) = re.findall(r'<script id="mathematics">(.*?)</script>', TEXT, re.DOTALL)
# Calls are [name, arguments]; JSON has no infinity, so that it travels as a word.
ANSWER = """
const read = (_, v) => v === "inf" ? Infinity : v;
const write = (_, v) => v === Infinity ? "inf" : v === -Infinity ? "-inf" : Number.isNaN(v) ? "nan" : v;
const answer = text => JSON.stringify(JSON.parse(text, read).map(([name, args]) => eval(name)(...args)), write);
"""
TOLERANCE = 1e-9


def in_node(calls):
    script = f"{MATHEMATICS}{ANSWER}process.stdout.write(answer(require('fs').readFileSync(0, 'utf8')))"
    return subprocess.run(["node", "-e", script], input=calls, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def chromium():
    with browser.started() as page:
        yield page


@pytest.fixture(scope="module", params=["node", "chromium"])
def javascript(request):
    """Return a function that evaluates the page's functions, all calls at once."""
    if request.param == "node" and shutil.which("node") is None:
        pytest.skip("needs Node.js")
    page = request.getfixturevalue("chromium") if request.param == "chromium" else None

    def evaluate(calls):
        text = json.dumps([[name, as_json(arguments)] for name, arguments in calls])
        if page is None:
            return json.loads(in_node(text))
        page.open("about:blank")
        return json.loads(page.run(f"{MATHEMATICS}{ANSWER}return answer(arguments[0])", text))

    return evaluate


def as_json(value):
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    value = np.asarray(value).tolist()
    return "inf" if value == math.inf else value


def cases(name):
    return [(f"{name}: {case.name} {case.inputs.get('alpha', '')}", case) for case in vectors.load(name).cases]


SIMPLE = {  # the file, the function, its arguments and its output
    "equation-09": ("distortion", ("X", "Xhat"), "D"),
    "equation-10": ("renyi_entropy", ("A", "alpha", "base"), "S"),
    "equation-11-gaussian": ("gaussian_gram", ("X", "sigma"), "A"),
    "equation-12": ("joint_entropy", ("A", "B", "alpha", "base"), "S"),
    "equation-13": ("conditional_entropy", ("A", "B", "alpha", "base"), "conditional_entropy"),
    "equation-15-literal": ("entropy_gradient", ("A", "alpha"), "dS_dA"),  # in nats, as printed
    "equation-16-literal": ("joint_entropy_gradient", ("K_X", "K", "alpha"), "dS_dK"),
}


def error(found, expected):
    """Return the error relative to the largest element."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / (np.abs(expected).max() or 1.0)


def test_the_functions_of_the_page_have_the_golden_values(javascript):
    wanted = [(what, case, *SIMPLE[name]) for name in SIMPLE for what, case in cases(name)]
    assert len(wanted) > 200
    answers = javascript([(function, [case.inputs[key] for key in keys]) for _, case, function, keys, _ in wanted])
    errors = {}
    for (what, case, function, _, output), found in zip(wanted, answers, strict=True):
        nats = math.log(case.inputs["base"]) if function.endswith("_gradient") else 1.0
        errors[what] = error(found, case.outputs[output] * nats)
    assert {what: e for what, e in errors.items() if not e <= TOLERANCE} == {}


def slopes(parameters, X, g, gradient):
    """Return ∂L/∂(W, c, A, b) from ∂L/∂X̂."""
    run = paper.forward(parameters, X, g)
    dZ = (gradient @ parameters.A) * run.Gprime
    return {"W": dZ.T @ X, "c": dZ.sum(axis=0), "A": gradient.T @ run.Zhat, "b": gradient.sum(axis=0)}


def prepared(inputs):
    inputs = dict(inputs)
    parameters, g = paper.Parameters(*(inputs.pop(name) for name in "WcAb")), ACTIVATIONS[inputs.pop("activation")]
    X = inputs.pop("X")
    return parameters, X, g, inputs


def test_the_objective_and_its_gradient_have_the_golden_values(javascript):
    """(25): the gradient by the outputs, which the page has, gives that by every parameter."""
    wanted = cases("equation-25")
    inside = [prepared(case.inputs) for _, case in wanted]
    calls = [("objective", [X, paper.forward(theta, X, g).Xhat, settings]) for theta, X, g, settings in inside]
    for (what, case), (parameters, X, g, _), found in zip(wanted, inside, javascript(calls), strict=True):
        assert abs(found["L"] - case.outputs["L"]) <= TOLERANCE * max(1, abs(case.outputs["L"])), what
        by = slopes(parameters, X, g, np.array(found["gradient"]))
        scale = max(np.abs(case.outputs[f"dL_d{name}"]).max() for name in "WcAb") or 1.0
        for name in "WcAb":
            assert np.abs(by[name] - case.outputs[f"dL_d{name}"]).max() <= TOLERANCE * scale, (what, name)


@pytest.mark.parametrize("base", [2, math.e])
@pytest.mark.parametrize("alpha", [1.01, 2.0, 5.0])
def test_the_objective_is_that_of_paper_py(javascript, alpha, base):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    parameters = paper.Parameters(rng.normal(size=(5, 2)), rng.normal(size=5), rng.normal(size=(2, 5)), np.ones(2))
    settings = {"alpha": alpha, "mu": 1.5, "sigma_x": 0.5, "sigma_xhat": 0.7, "base": base}
    g = ACTIVATIONS["logsig"]
    (found,) = javascript([("objective", [X, paper.forward(parameters, X, g).Xhat, settings])])
    L, gradient = paper.value_and_gradient(parameters, X, g, **settings)
    assert abs(found["L"] - L) < TOLERANCE
    by = slopes(parameters, X, g, np.array(found["gradient"]))
    assert all(error(by[name], expected) < TOLERANCE for name, expected in gradient._asdict().items() if name != "b")
    np.testing.assert_allclose(by["b"], gradient.b, atol=TOLERANCE)


def test_a_step_of_the_climb_raises_the_objective_of_paper_py(javascript):
    X, settings = np.array([[0.0], [1], [3]]), {"alpha": 2.0, "mu": 0.25, "sigma_x": 1.0, "sigma_xhat": 1.0, "base": 2}
    (after,) = javascript([("climb", [X, X, settings, 0.1])])
    assert after["gain"] > 0
    K, Khat = paper.gaussian_gram(X, 1.0), paper.gaussian_gram(np.array(after["Xhat"]), 1.0)
    L = paper.conditional_entropy(K, Khat, 2.0) - 0.25 * paper.distortion(X, np.array(after["Xhat"]))
    assert abs(after["gain"] - (L - paper.conditional_entropy(K, K, 2.0))) < TOLERANCE


# ------------------------------------------------------------------------------------------------- the page in Chromium


@pytest.fixture
def page(chromium):
    """Return the page as it opens; what the test did must leave no message in the console, nor load anything."""
    chromium.size(1400)
    chromium.open("about:blank")
    chromium.open(PAGE)
    yield chromium
    assert chromium.errors() == []
    assert chromium.run("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def shown(page):
    """Return what the page shows: points, settings as printed, and numbers, as printed and in full."""
    return page.run("""
        const text = id => get(id).textContent.replace("−", "-"), full = id => +get(id).dataset.value;
        const pair = id => [+text(id), full(id)];
        return {X: state.X, Xhat: state.Xhat, sigma: +text("sigma-value"), alpha: +text("alpha-value"),
            mu: +text("mu-value"), nats: document.querySelector("[value=nats]").checked,
            L: pair("value-L"), D: pair("value-D"), joint: pair("value-joint"), output: pair("value-output"),
            S_input: pair("S-input")}""")


def assert_true(found):
    """Compare the numbers on screen with the package."""
    X, Xhat = np.array(found["X"], dtype=float), np.array(found["Xhat"], dtype=float)
    order = {"alpha": found["alpha"], "base": math.e if found["nats"] else 2}
    K_X, K = (paper.gaussian_gram(points, found["sigma"]) for points in (X, Xhat))
    expected = {"joint": paper.joint_entropy(K_X, K, **order), "output": paper.renyi_entropy(K, **order)}
    expected |= {"D": paper.distortion(X, Xhat), "S_input": paper.renyi_entropy(K_X, **order)}
    expected["L"] = expected["joint"] - expected["output"] - found["mu"] * expected["D"]
    for name, value in expected.items():
        printed, full = found[name]
        assert abs(full - value) < TOLERANCE, name
        assert abs(printed - value) < 0.5001e-4, name


@pytest.mark.parametrize("scene", ["line", "plane"])
def test_the_values_on_screen_are_those_of_the_package(page, scene):
    page.click(f"[value={scene}]")
    assert_true(first := shown(page))
    page.click("#step")
    for slider, keys in (("#sigma", RIGHT * 7), ("#alpha", RIGHT * 30), ("#mu", RIGHT * 9)):
        page.keys(slider, keys)
        assert_true(found := shown(page))
    assert all(found[name] > first[name] for name in ("sigma", "alpha", "mu"))
    page.click("[value=nats]")
    assert_true(shown(page))
    assert found["L"] != shown(page)["L"]


def test_a_point_follows_keys_and_fingers_and_the_mouse(page):
    page.keys("#xhat-0", RIGHT * 3)
    assert shown(page)["Xhat"][0][0] == pytest.approx(0.3)
    page.keys("#xhat-0", PAGE_DOWN)  # chooses the next point, after the last output the first input
    assert page.run("return document.activeElement.id") == "xhat-1"
    for kind in ("touch", "mouse"):
        before = shown(page)
        page.drag("#x-2", 60, 0, kind)
        after = shown(page)
        assert after["X"][2][0] > before["X"][2][0] + 0.2
        assert_true(after)
    page.click("[value=plane]")
    before = shown(page)
    page.keys("#xhat-0", DOWN)
    page.drag("#xhat-5", -20, 30)
    after = shown(page)
    assert after["Xhat"][0][1] == pytest.approx(before["Xhat"][0][1] - 0.1)
    assert np.all(np.subtract(after["Xhat"][5], before["Xhat"][5]) < -0.05)
    assert_true(after)


def test_the_button_climbs_until_it_is_pressed_again(page):
    before = shown(page)["L"][1]
    page.click("#climb")
    deadline = time.monotonic() + 20
    while shown(page)["L"][1] < before + 0.1 and time.monotonic() < deadline:
        time.sleep(0.05)
    page.click("#climb")
    found = shown(page)
    assert found["L"][1] > before + 0.1
    assert_true(found)
    assert shown(page) == found
    page.click("#reset")
    assert shown(page)["Xhat"] == shown(page)["X"]


def test_the_springs_are_those_of_the_choice(page):
    """The springs of S(X̂) push and those of S(X|X̂) pull; each row of the matrix sums to zero."""
    for which, kind in (("P", "push"), ("QP", "pull")):
        page.click(f"[name=springs][value={which}]")
        assert set(page.run("return [...document.querySelectorAll('.spring')].map(e => e.classList[1])")) == {kind}
        cells = page.run("return [...document.querySelectorAll('#tile-springs text')].map(e => e.textContent)")
        rows = np.array([float(cell.replace("−", "-")) for cell in cells]).reshape(3, 3)
        np.testing.assert_allclose(rows.sum(axis=1), 0, atol=2e-3)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 400])
def test_it_fits_its_window_and_has_a_name_for_everything(page, width, dark):
    page.size(width, dark=dark)
    for tab in ("points", "figure1"):
        page.click(f"#tab-{tab}")
        assert page.run("return document.documentElement.scrollWidth") == width
    unnamed = page.run("""
        return [...document.querySelectorAll("button, input, [role=slider], [role=img]")]
            .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")))
            .map(e => e.outerHTML)""")
    assert unnamed == []


# ------------------------------------------------------------------------------------------------------------- Figure 1

(DATA,) = (json.loads(text) for text in re.findall(r'<script id="data"[^>]*>(.*?)</script>', TEXT, re.DOTALL))


def test_the_numbers_of_figure_1_belong_to_the_outputs_that_the_page_shows(page):
    page.click("#tab-figure1")
    frames = page.run("return Object.entries(figure1.runs).map(([name, run]) => [name, run.outputs])")
    X = np.array(page.run("return figure1.inputs"))
    K_X = gaussian_gram(X, DATA["sigma"])
    for name, outputs in frames:
        for k in (0, len(DATA["mu"]) // 2, len(DATA["mu"]) - 1):
            Xhat, run = np.array(outputs[k]), DATA["runs"][name]
            S = conditional_entropy(K_X, gaussian_gram(Xhat, DATA["sigma"]), DATA["alpha"])
            assert pytest.approx(run["S"][k], abs=1e-7) == S
            assert distortion(X, Xhat) == pytest.approx(run["D"][k], abs=1e-9)
    assert [name for name, _ in frames] == list(animate.UNITS)


def test_its_slider_moves_the_outputs(page):
    page.click("#tab-figure1")
    assert page.run("return get('frame-value').textContent") == "1.5, as in the paper"
    read = "return [...document.querySelectorAll('#panel-linear .out')].map(e => e.getAttribute('cx'))"
    before = page.run(read)
    page.keys("#frame", RIGHT * 4)
    assert page.run(read) != before


def test_mu_falls_and_the_outputs_reveal_less():
    assert DATA["mu"] == animate.MU.tolist()
    for run in DATA["runs"].values():
        assert run["S"][-1] - run["S"][0] > 2
        assert run["D"][-1] - run["D"][0] > 0.4


def test_the_animation_is_small_and_has_every_frame():
    from PIL import Image

    assert animate.GIF.stat().st_size < 1e6
    with Image.open(animate.GIF) as image:
        assert image.n_frames == len(DATA["mu"])
