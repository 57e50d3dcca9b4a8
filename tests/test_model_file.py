"""Model files: what was saved is what is loaded, and nothing else is taken for a model."""

import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from rdae_ref import Activation, Parameters, RateDistortionAutoencoder, initial_parameters, load_model, save_model
from rdae_ref.data import gaussian
from rdae_ref.model_file import ModelFileError

pytestmark = pytest.mark.filterwarnings("ignore:the outputs have collapsed")

X = gaussian(30, np.random.default_rng(0))
SETTINGS = {"n_hidden": 3, "sigma": 0.5, "tol": 1.0, "random_state": 0}


def fitted(**changes):
    return RateDistortionAutoencoder(**SETTINGS | changes).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def content(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.npz"
    save_model(model, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    return arrays, json.loads(str(arrays.pop("about")))


CASES = {
    "defaults": {},
    "infinite order": {"alpha": math.inf},
    "nats": {"base": math.e},
    "standardised": {"standardise": True},
    "a bound": {"distortion": 0.5, "activation": "linear"},
    "other units": {"activation": "tanh"},
    "numbers of NumPy": {"mu": np.float64(2.0), "n_hidden": np.int64(3), "max_iter": np.int32(50)},
    "other numbers": {"mu": np.float32(2.0), "alpha": Fraction(3, 2), "base": np.longdouble(2)},
    "batches": {"solver": "ascent", "step_size": 0.01, "batch_size": 10, "batches": "clustered", "max_iter": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_a_model_that_is_saved_is_loaded_to_the_bit(case, tmp_path):
    model, path = fitted(**CASES[case]), tmp_path / "model.npz"
    save_model(model, path)
    again = load_model(path)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.transform(X), model.transform(X))
    assert np.array_equal(again.inverse_transform(model.transform(X)), model.inverse_transform(model.transform(X)))
    assert np.array_equal(again.score_samples(X), model.score_samples(X))
    assert list(again.get_feature_names_out()) == list(model.get_feature_names_out())
    for name in vars(model):
        if name.endswith("_") and name != "parameters_":
            assert np.array_equal(getattr(again, name), getattr(model, name)), name
    save_model(again, path)
    assert np.array_equal(load_model(path).transform(X), model.transform(X))


def test_what_belongs_to_a_session_is_not_kept(tmp_path):
    start = initial_parameters(2, 3, np.random.default_rng(0))
    model = fitted(init=start, random_state=np.random.default_rng(0), callback=print, verbose=True)
    save_model(model, tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert (again.init, again.random_state, again.callback, again.verbose) == ("auto", None, None, False)
    assert np.array_equal(again.transform(X), model.transform(X))


def test_the_names_of_the_columns_are_kept(model, tmp_path):
    model.feature_names_in_ = np.array(["height", "width"], dtype=object)
    try:
        save_model(model, tmp_path / "model.npz")
    finally:
        del model.feature_names_in_
    assert list(load_model(tmp_path / "model.npz").feature_names_in_) == ["height", "width"]


def test_what_cannot_be_kept_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(NotFittedError):
        save_model(RateDistortionAutoencoder(), tmp_path / "model.npz")
    own = Activation("cube", lambda z: z**3, lambda z: 3 * z**2, lambda z: 6 * z)
    with pytest.raises(ValueError, match="code of the units 'cube'"):
        save_model(fitted(activation=own), tmp_path / "model.npz")
    with pytest.raises(ValueError, match="code of the units 'relu'"):
        save_model(fitted(activation=own._replace(name="relu")), tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


SINCE_4 = ("variance", "input_entropy", "choices")


def of_version_2(arrays, about):
    """Return the content of a file as the version before wrote it."""
    rows = [dict(zip(about["fitted"]["history"], row, strict=True)) for row in arrays["history"].tolist()]
    fitted = without(about["fitted"], "collapsed") | {"history": rows}
    settings = without(about["settings"], "method", "standardise")
    older = {**about, "version": 2, "settings": settings, "fitted": without(fitted, *SINCE_4)}
    return without(arrays, "history"), older


def test_older_files_lack_the_method_and_whether_the_fit_collapsed(content, model, tmp_path):
    write(tmp_path / "model.npz", *of_version_2(*content))
    again = load_model(tmp_path / "model.npz")
    assert again.method == "auto"
    assert again.collapsed_ is False
    assert again.history_ == model.history_
    assert np.array_equal(again.transform(X), model.transform(X))


def test_files_of_version_3_lack_what_standardising_needs(content, model, tmp_path):
    arrays, about = content
    settings, fitted = without(about["settings"], "standardise"), without(about["fitted"], *SINCE_4)
    write(tmp_path / "model.npz", arrays, {**about, "version": 3, "settings": settings, "fitted": fitted})
    again = load_model(tmp_path / "model.npz")
    assert (again.standardise, again.mean_, again.scale_, again.choices_) == (False, None, None, {})
    assert (again.variance_, again.input_entropy_) == (None, None)
    assert np.array_equal(again.transform(X), model.transform(X))


def test_what_is_saved_is_what_was_fitted_whatever_was_set_after_it(tmp_path):
    model = fitted()
    before, code = model.get_params(), model.transform(X)
    model.set_params(n_hidden=7, activation="linear", alpha=3.0, sigma=9.0, mu=4.0, base=math.e, tol=0.5)
    save_model(model, tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert again.get_params() == before
    assert np.array_equal(again.transform(X), code)


@pytest.mark.parametrize("bound", [1e-100, 1e-150, 1e-200, 1e-300, 1e-308, 5e-324])
def test_a_bound_that_no_fit_can_meet_is_refused_by_its_name(bound):
    with pytest.raises(ValueError, match=r"distortion = .* out of proportion"):
        fitted(distortion=bound)


def test_a_large_seed_is_kept(tmp_path):
    save_model(fitted(random_state=2**100), tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").random_state == 2**100


@pytest.mark.parametrize("change", [{"mu_": math.nan}, {"n_iter_": None, "history_": [{"value": 1.0}]}])
def test_what_would_not_be_read_is_not_written(change, tmp_path):
    model = fitted()
    vars(model).update(change)
    with pytest.raises(ValueError, match="the model cannot be saved"):
        save_model(model, tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_a_long_history_is_kept(tmp_path):
    model = fitted()
    model.history_ = [{"factor": 1.0, "value": 0.1 * i, "gradient_norm": 1e-7 / (i + 1)} for i in range(300_000)]
    save_model(model, tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").history_ == model.history_


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


def changed(about, part, **changes):
    return {**about, part: {**about[part], **changes}}


def of_2(arrays, about):
    return without(arrays, "history"), {**about, "version": 2}


ONES = np.ones(2)


def standardised(about):
    return changed(about, "settings", standardise=True)


# Each takes the arrays and what is said about them to those of a file that is no model.
BAD_CONTENT = {
    "no W": (lambda a, s: (without(a, "W"), s), "the file lacks W"),
    "not an arrays": (lambda a, s: ({}, s), "the file lacks W, c, A, b"),
    "scales not asked for": (
        lambda a, s: ({**a, "mean": ONES, "scale": ONES}, s),
        "standardise is False, and the file",
    ),
    "no scale": (lambda a, s: ({**a, "mean": ONES}, standardised(s)), "standardise is True, and the file has mean"),
    "neither": (lambda a, s: (a, standardised(s)), "standardise is True, and the file has no scale"),
    "a scale of 0": (lambda a, s: ({**a, "mean": ONES, "scale": 0 * ONES}, standardised(s)), "scale must be above 0"),
    "a scale too many": (lambda a, s: ({**a, "mean": ONES, "scale": np.ones(3)}, standardised(s)), "scale must have"),
    "a mean of NaN": (lambda a, s: ({**a, "mean": ONES * np.nan, "scale": ONES}, standardised(s)), "mean must be fin"),
    "odd choices": (lambda a, s: (a, changed(s, "fitted", choices={"init": 3})), "choices must be text"),
    "an odd variance": (lambda a, s: (a, changed(s, "fitted", variance="x")), "variance must be a finite number"),
    "other numbers than the fit": (lambda a, s: (a, changed(s, "settings", sigma=0.25)), "sigma is 0.25 in the set"),
    "another trade-off": (lambda a, s: (a, changed(s, "settings", mu=1e300)), "mu is 1e\\+300 in the settings"),
    "a tiny bound": (lambda a, s: (a, changed(s, "settings", distortion=1e-308)), "distortion = .* out of proportion"),
    "the tiniest bound": (lambda a, s: (a, changed(s, "settings", distortion=5e-324)), "distortion = .* out of prop"),
    "a huge multiplier": (lambda a, s: (a, changed(s, "settings", distortion=1, mu=1e200)), "out of proportion"),
    "another format": (lambda a, s: (a, {**s, "format": "x"}), "format is not 'rdae_ref model'"),
    "a list": (lambda a, s: (a, [1]), "format is not"),
    "a later version": (lambda a, s: (a, {**s, "version": 5}), "version is 5, and this rdae_ref reads 2 and 3 and 4"),
    "an earlier version": (lambda a, s: (a, {**s, "version": 1}), "version is 1, and this rdae_ref reads 2"),
    "no settings": (lambda a, s: (a, without(s, "settings")), "settings is missing"),
    "no fitted": (lambda a, s: (a, {**s, "fitted": 3}), "fitted is missing"),
    "no activation": (lambda a, s: (a, {**s, "settings": without(s["settings"], "activation", "mu")}), "lacks.*mu"),
    "unknown setting": (lambda a, s: (a, changed(s, "settings", nu=1)), "no setting 'nu'"),
    "a callback": (lambda a, s: (a, changed(s, "settings", callback="print")), "no setting 'callback'"),
    "other units": (lambda a, s: (a, changed(s, "settings", n_hidden=4)), "one row for each of the 4 units, got 3"),
    "unknown units": (lambda a, s: (a, changed(s, "settings", activation="sine")), "activation must be one of"),
    "no terms": (lambda a, s: (a, {**s, "fitted": without(s["fitted"], "terms")}), "fitted lacks terms"),
    "half the terms": (lambda a, s: (a, changed(s, "fitted", terms={"distortion": 1.0})), "terms lacks joint_entropy"),
    "terms of words": (
        lambda a, s: (a, changed(s, "fitted", terms=dict.fromkeys(s["fitted"]["terms"], "x"))),
        "must be a finite number",
    ),
    "an enormous number": (lambda a, s: (a, changed(s, "fitted", mu=10**400)), "an integer of 401 digits"),
    "no kernel size": (lambda a, s: (a, changed(s, "fitted", sigma_x=0)), "sigma_x must be"),
    "history of numbers": (lambda a, s: (a, changed(s, "fitted", history=[1, 2])), "names of the columns"),
    "no history": (lambda a, s: (without(a, "history"), s), "an array history of 3 columns, got shape None"),
    "a narrow history": (lambda a, s: ({**a, "history": a["history"][:, 1:]}, s), "an array history of 3 columns"),
    "a history of words": (lambda a, s: ({**a, "history": np.array([["x"] * 3])}, s), "an array history of 3 columns"),
    "an infinite history": (lambda a, s: ({**a, "history": a["history"] * np.inf}, s), "in history must be a finite"),
    "a hole in a history": (lambda a, s: ({**a, "history": a["history"] * np.nan}, s), "history lacks value"),
    "history of numbers, 2": (lambda a, s: of_2(a, changed(s, "fitted", history=[1, 2])), "history must be a list"),
    "history of words": (
        lambda a, s: of_2(a, changed(s, "fitted", history=[{"value": "x", "gradient_norm": 1}])),
        "value in history must be a finite number",
    ),
    "half a history": (
        lambda a, s: of_2(a, changed(s, "fitted", history=[{"value": 1}])),
        "history lacks gradient_norm",
    ),
    "convergence": (lambda a, s: (a, changed(s, "fitted", converged="yes")), "converged must be true, false or null"),
    "collapse": (lambda a, s: (a, changed(s, "fitted", collapsed="yes")), "collapsed must be true or false"),
    "names": (lambda a, s: (a, changed(s, "fitted", feature_names=["a"])), "feature_names must be 2 names"),
    "shapes": (lambda a, s: ({**a, "c": np.zeros(7)}, s), "c must have shape"),
    "a vector": (lambda a, s: ({**a, "W": np.zeros(7)}, s), "W must be a matrix"),
    "NaN": (lambda a, s: ({**a, "b": np.array([np.nan, 1])}, s), "b must be finite"),
    "words": (lambda a, s: ({**a, "b": np.array(["x", "y"])}, s), "b must hold real numbers"),
    "another member": (lambda a, s: ({**a, "D": np.zeros(2)}, s), "a model has no member 'D'"),
    "alpha of no number": (
        lambda a, s: (a, changed(s, "settings", alpha="nan")),
        "alpha must be a real number, got 'nan'",
    ),
    "alpha of 0": (lambda a, s: (a, changed(s, "settings", alpha=0)), "alpha must be above 0"),
    "a negative kernel size": (
        lambda a, s: (a, changed(s, "settings", sigma=-1)),
        "sigma must be a finite number above 0",
    ),
    "a kernel size of a word": (
        lambda a, s: (a, changed(s, "settings", sigma_xhat="mean")),
        "sigma_xhat must be one of",
    ),
    "no base": (lambda a, s: (a, changed(s, "settings", base=None)), "base must be a real number, got None"),
    "an enormous tolerance": (lambda a, s: (a, changed(s, "settings", tol=10**4000)), "an integer of 4001 digits"),
    "an infinite tolerance": (
        lambda a, s: json_with(a, changed(s, "settings", tol=0.25), "0.25", "1e999"),
        "1e999 is not",
    ),
    "a negative trade-off": (lambda a, s: (a, changed(s, "settings", mu=-1)), "mu must be a finite number, 0 or above"),
    "half a unit": (lambda a, s: (a, changed(s, "settings", n_hidden=3.0)), "n_hidden must be an integer"),
    "no iterations": (lambda a, s: (a, changed(s, "settings", max_iter=0)), "max_iter must be at least 1"),
    "another solver": (lambda a, s: (a, changed(s, "settings", solver="adam")), "solver must be one of"),
    "another start": (lambda a, s: (a, changed(s, "settings", init=3)), "init must be a word, got 3"),
    "another method": (lambda a, s: (a, changed(s, "settings", method="fast")), "method must be one of"),
    "a seed of a word": (lambda a, s: (a, changed(s, "settings", random_state="x")), "random_state must be an integer"),
    "momentum alone": (lambda a, s: (a, changed(s, "settings", momentum=0.5)), "a line search takes no momentum"),
    "a message of numbers": (lambda a, s: (a, changed(s, "fitted", message=3)), "message must be text, got 3"),
    "convergence of a number": (
        lambda a, s: (a, changed(s, "fitted", converged=1)),
        "converged must be true, false or",
    ),
}


def json_with(arrays, about, old, new):
    return arrays, json.dumps(about).replace(old, new)


def write(path, arrays, about):
    np.savez(path, about=np.array(about if isinstance(about, str) else json.dumps(about)), **arrays)


@pytest.mark.parametrize("case", BAD_CONTENT)
def test_a_file_that_is_no_whole_model_says_what_is_missing(case, content, tmp_path):
    spoil, words = BAD_CONTENT[case]
    write(tmp_path / "m.npz", *spoil(*content))
    with pytest.raises(ModelFileError, match=f"m.npz is not a model of rdae_ref that can be read: .*{words}"):
        load_model(tmp_path / "m.npz")


def test_other_files_are_refused(content, tmp_path):
    arrays, _ = content
    path = tmp_path / "m.npz"
    np.savez(path, **arrays)
    with pytest.raises(ModelFileError, match="lacks about"):
        load_model(path)
    for text in ("{", "[" * 100_000, '{"format": NaN}', ""):
        write(path, arrays, text)
        with pytest.raises(ModelFileError, match=re.escape(str(path))):
            load_model(path)
    np.savez(path, about=np.arange(3), **arrays)
    with pytest.raises(ModelFileError, match="about must be JSON text"):
        load_model(path)
    path.write_text("W = 1")
    with pytest.raises(ValueError, match="is not an npz file"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.npz")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_anything_else_in_the_place_of_a_part_is_a_model_or_refused(data, content, tmp_path_factory):
    arrays, about = content
    part = data.draw(st.sampled_from(["settings", "fitted"]))
    name = data.draw(st.sampled_from(sorted(about[part])))
    path = tmp_path_factory.mktemp("m") / "m.npz"
    write(path, arrays, changed(about, part, **{name: data.draw(json_values)}))
    try:
        model = load_model(path)
    except ModelFileError:
        return
    assert isinstance(model.parameters_, Parameters)
    assert model.transform(X).shape == (30, 3)
