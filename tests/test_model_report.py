"""The HTML page of a model: what it says, that it needs no network, and that a browser shows it."""

import base64
import html
import re
from xml.etree import ElementTree

import browser
import numpy as np
import pytest

from rdae_ref import RateDistortionAutoencoder, load_model, save_model
from rdae_ref.data import gaussian
from rdae_ref.estimator import CollapseWarning

X = gaussian(60, np.random.default_rng(0))
SETTINGS = {"n_hidden": 2, "activation": "linear", "sigma": 0.8, "random_state": 0, "max_iter": 3000}


@pytest.fixture(scope="module")
def model():
    return RateDistortionAutoencoder(**SETTINGS).fit(X)


@pytest.fixture(scope="module")
def page():
    with browser.started() as page:
        yield page


def images(text):
    return [base64.b64decode(data) for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)]


def test_the_page_says_what_was_fitted_and_draws_it(model):
    text = model.report()
    for said in (f"L</th><td>{model.value_:.6g} =", f"{model.terms_.distortion / model.variance_:.2%} of the variance"):
        assert said in text
    assert f"{model.input_entropy_ - model.terms_.conditional_entropy:.6g} bits, I(X; X̂)" in text
    assert '<th scope="row">sigma</th><td>0.8</td>' in text
    assert len(images(text)) == 2
    for image in images(text):
        assert ElementTree.fromstring(image).tag.endswith("svg")
    energies = np.sort(-model.score_samples(X))
    assert f"energies, {energies[0]:.3g} to {energies[-1]:.3g}, mean {energies.mean():.3g}" in text
    assert [f"{energy:.4g}" for energy in energies[:-6:-1]] == re.findall(r">row \d+</th><td>([^<]+)", text)
    assert text == model.report(X)


def test_the_page_loads_nothing_and_every_image_has_a_text(model):
    text = model.report()
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    told = re.findall(r'<img [^>]*alt="([^"]+)"', text)
    assert len(told) == 2
    assert all(len(words) > 40 for words in told)


def test_a_model_from_a_file_has_a_page_without_samples_until_it_gets_some(model, tmp_path):
    save_model(model, tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert len(images(again.report())) == 1
    assert "<h2>Samples</h2>" in again.report(X)
    assert len(images(again.report(X))) == 2


def test_warnings_and_odd_names_are_shown_as_text():
    with pytest.warns(CollapseWarning):
        model = RateDistortionAutoencoder(**SETTINGS | {"mu": 0.001}).fit(X)
    model.choices_["<b>"] = "<script>alert(1)</script>"
    text = model.report()
    assert '<p class="warn">the outputs have collapsed' in html.unescape(text)
    assert "<script" not in text


def test_many_samples_and_a_single_feature_are_drawn_too():
    rng = np.random.default_rng(0)
    model = RateDistortionAutoencoder(n_hidden=1, init="pca", random_state=0, mu=5.0).fit(rng.normal(size=(700, 1)))
    assert "Of 700 samples, 500 are drawn." in model.report(rng.normal(size=(700, 1)))


def test_a_browser_shows_the_page_in_both_themes_and_on_a_phone(model, page, tmp_path):
    (tmp_path / "report.html").write_text(model.report(), encoding="utf-8")
    page.open(tmp_path / "report.html")
    assert page.run("return document.title") == "Rate-distortion auto-encoder: 2 features, 2 units"
    assert page.run("return [...document.images].every(i => i.complete && i.naturalWidth > 100)")
    loaded = page.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    for width, dark in ((1000, False), (400, True)):
        page.size(width, 900, dark=dark)
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(tmp_path / f"{width}.png", whole=True)
        assert (tmp_path / f"{width}.png").stat().st_size > 10_000
    assert not page.errors()
