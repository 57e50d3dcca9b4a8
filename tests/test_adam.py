import itertools

import numpy as np
import pytest
from cases import BAD_POSITIVE
from frameworks import needed

from rdae_ref import DivergenceError, initial_parameters
from rdae_ref.models import Contractive, Denoising, FixedDenoising, Reconstruction, Tied, TiedParameters, WeightDecay
from rdae_ref.optimize import MiniBatches, adam
from rdae_ref.pytree import ravel


class Valley:
    """−Σ k (x − target)² − ½ (x_0 x_1)², on nested parameters: neither quadratic nor separable."""

    k, target = np.array([1.0, 30.0, 0.01]), np.array([1.0, -2.0, 3.0])

    def value_and_gradient(self, parameters):
        x, unravel = ravel(parameters)
        product = x[0] * x[1]
        gradient = -2 * self.k * (x - self.target) - product * np.array([x[1], x[0], 0.0])
        return float(-self.k @ (x - self.target) ** 2 - 0.5 * product**2), unravel(gradient)

    def terms(self, parameters):
        return "terms"


START = (np.array([0.5, 0.3]), [np.array([[-1.0]])])
SETTINGS = [
    {},
    {"step_size": 0.1},
    {"betas": (0.5, 0.9), "epsilon": 1e-3},
    {"betas": (0.0, 0.0), "step_size": 0.01},
    {"betas": (0.9, 0.99), "epsilon": 10.0},
    {"step_size": 0.05, "decay": 0.3},
]


def path(settings, n_steps=60):
    seen = []
    adam(Valley(), START, n_steps=n_steps, callback=lambda step: seen.append(ravel(step.parameters)[0]), **settings)
    return np.array(seen)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_step_is_that_of_algorithm_1(settings):
    step_size, (b1, b2) = settings.get("step_size", 1e-3), settings.get("betas", (0.9, 0.999))
    theta, m, v = ravel(START)[0], np.zeros(3), np.zeros(3)
    for t, got in enumerate(path(settings), start=1):
        g = -ravel(Valley().value_and_gradient(theta)[1])[0]  # of the loss
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        theta = theta * (1 - step_size * settings.get("decay", 0.0))
        theta = theta - step_size * m_hat / (np.sqrt(v_hat) + settings.get("epsilon", 1e-8))
        np.testing.assert_allclose(got, theta, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_step_is_that_of_pytorch(settings):
    needed("torch")
    torch = pytest.importorskip("torch")
    x = torch.tensor(ravel(START)[0], dtype=torch.float64, requires_grad=True)
    names = {"step_size": "lr", "betas": "betas", "epsilon": "eps", "decay": "weight_decay"}
    method = torch.optim.AdamW if "decay" in settings else torch.optim.Adam
    optimizer = method([x], maximize=True, **{names[key]: value for key, value in settings.items()})
    k, target = torch.tensor(Valley.k), torch.tensor(Valley.target)
    for got in path(settings):
        optimizer.zero_grad()
        (-(k * (x - target) ** 2).sum() - 0.5 * (x[0] * x[1]) ** 2).backward()
        optimizer.step()
        np.testing.assert_allclose(got, x.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_the_result_is_that_of_the_other_ways_uphill():
    seen = []
    result = adam(Valley(), START, step_size=0.05, n_steps=2000, callback=seen.append)
    assert (result.nit, result.success, result.message) == (2000, True, "2000 steps done")
    assert result.fun == Valley().value_and_gradient(result.x)[0] == result.history[-1]["value"]
    assert isinstance(result.x[1], list)
    assert seen[-1].terms == "terms"
    assert seen[-1].gradient_norm < 1e-3
    assert result.fun > adam(Valley(), START, step_size=0.05, n_steps=200).fun > Valley().value_and_gradient(START)[0]


class Breaks(Valley):
    def __init__(self, how):
        self.how, self.left = how, 5

    def value_and_gradient(self, parameters):
        self.left -= 1
        value, gradient = super().value_and_gradient(parameters)
        if self.left > 0:
            return value, gradient
        if isinstance(self.how, BaseException):
            raise self.how
        return self.how, gradient


def test_an_interrupt_returns_what_was_reached_and_nan_is_divergence():
    result = adam(Breaks(KeyboardInterrupt()), START, n_steps=20)
    assert (result.message, result.success, result.nit) == ("interrupted", False, 3)
    np.testing.assert_array_equal(ravel(result.x)[0], path({}, 3)[-1])
    for how in (np.nan, FloatingPointError("overflow")):
        with pytest.raises(DivergenceError) as caught:
            adam(Breaks(how), START, n_steps=20)
        np.testing.assert_array_equal(ravel(caught.value.parameters)[0], path({}, 3)[-1])


@pytest.mark.parametrize("bad", BAD_POSITIVE)
@pytest.mark.parametrize("name", ["step_size", "epsilon"])
def test_bad_numbers_are_refused(name, bad):
    value, error = BAD_POSITIVE[bad]
    with pytest.raises(error, match=f"{name} must"):
        adam(Valley(), START, n_steps=1, **{name: value})


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"n_steps": 1, "betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be from 0 to below 1"),
        ({"n_steps": 1, "betas": (0.9, -0.1)}, ValueError, r"betas\[1\] must be from 0 to below 1"),
        ({"n_steps": 1, "betas": (0.9, None)}, TypeError, r"betas\[1\] must be a real number"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        adam(Valley(), START, **settings)


# --------------------------------------------------------------------------------------------------------- mini-batches

X = np.random.default_rng(0).normal(size=(10, 3))
POINT = initial_parameters(3, 4, np.random.default_rng(1), scale=0.6)


class Watched(Reconstruction):
    """Notes which rows it is evaluated on."""

    def value_and_gradient(self, parameters):
        SEEN.append([int(np.flatnonzero((x == X).all(axis=1))[0]) for x in self.X])
        return super().value_and_gradient(parameters)


SEEN = []


def test_each_pass_goes_through_all_samples_once_and_in_another_order():
    SEEN.clear()
    batches = MiniBatches(Watched(X, activation="tanh"), 4, np.random.default_rng(3))
    for _ in range(6):
        batches.value_and_gradient(POINT)
    assert [len(rows) for rows in SEEN] == [4, 4, 2, 4, 4, 2]
    passes = [list(itertools.chain(*SEEN[:3])), list(itertools.chain(*SEEN[3:]))]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(10))
    assert passes[0] != passes[1] != list(range(10))
    first = list(SEEN)
    SEEN.clear()
    again = MiniBatches(Watched(X, activation="tanh"), 4, np.random.default_rng(3))
    for _ in range(6):
        again.value_and_gradient(POINT)
    assert first == SEEN


@pytest.mark.parametrize(
    ("objective", "point"),
    [
        (Reconstruction(X, activation="tanh"), POINT),
        (Contractive(X, activation="tanh", strength=0.3), POINT),
        (Tied(WeightDecay(Reconstruction(X, activation="relu"), strength=0.1)), TiedParameters(*POINT[:2], POINT.b)),
    ],
    ids=["plain", "contractive", "tied and decayed"],
)
def test_the_mean_over_a_pass_is_the_objective_on_all_samples(objective, point):
    batches = MiniBatches(objective, 5, np.random.default_rng(0))
    evaluated = [batches.value_and_gradient(point) for _ in range(2)]
    value, gradient = objective.value_and_gradient(point)
    assert np.mean([v for v, _ in evaluated]) == pytest.approx(value, rel=1e-13)
    mean = np.mean([ravel(g)[0] for _, g in evaluated], axis=0)
    np.testing.assert_allclose(mean, ravel(gradient)[0], rtol=1e-11, atol=1e-14)
    assert batches.terms(point) == objective.terms(point)


def test_noise_goes_on_from_batch_to_batch():
    rng = np.random.default_rng(0)
    batches = MiniBatches(Denoising(X, activation="tanh", noise=0.5, rng=rng), 10, np.random.default_rng(0))
    assert batches.value_and_gradient(POINT)[0] != batches.value_and_gradient(POINT)[0]


def test_adam_on_batches_learns():
    objective = Reconstruction(X, activation="tanh")
    found = adam(MiniBatches(objective, 4, np.random.default_rng(0)), POINT, step_size=0.03, n_steps=600)
    assert objective.terms(found.x).distortion < 0.05
    assert objective.terms(POINT).distortion > 1


@pytest.mark.parametrize(
    ("size", "rng", "error", "words"),
    [
        (0, np.random.default_rng(0), ValueError, "batch_size must be at least 1"),
        (11, np.random.default_rng(0), ValueError, "batch_size must be at most 10"),
        (2.0, np.random.default_rng(0), TypeError, "batch_size must be an integer"),
        (2, 0, TypeError, "default_rng"),
    ],
)
def test_batches_that_do_not_fit_are_refused(size, rng, error, words):
    with pytest.raises(error, match=words):
        MiniBatches(Reconstruction(X, activation="tanh"), size, rng)


def test_noise_that_is_tied_to_samples_cannot_be_batched():
    objective = FixedDenoising(X, activation="tanh", corrupted=[X + 1])
    with pytest.raises(ValueError, match=r"corrupted\[0\] must have shape \(4, 3\)"):
        MiniBatches(objective, 4, np.random.default_rng(0)).value_and_gradient(POINT)
