import math

import numpy as np
import pytest
from cases import BAD_MATRICES
from scipy import stats
from test_beta_vae import FORMS, SPECTRUM, VARIANCE, D, corners, fresh, rotated

from rdae_ref.measures import gaussian_rate_bound, scalar_rate_bound
from rdae_ref.models import LinearBetaVAE, initial_vae_parameters
from rdae_ref.optimize import maximize


@pytest.mark.parametrize("seed", range(4))
def test_for_a_gaussian_source_the_rate_is_information_and_gap(seed):
    rng = np.random.default_rng(seed)
    S, mean = rotated(SPECTRUM, seed), rng.normal(size=4)
    W, c, t = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=3)
    bound = gaussian_rate_bound(W, c, t, S, mean)
    assert bound.rate == pytest.approx(bound.information + bound.gap, rel=1e-12)
    assert 0 < bound.information < bound.rate
    nats = gaussian_rate_bound(W, c, t, S, mean, base=math.e)
    assert np.array(nats) == pytest.approx(np.array(bound) * math.log(2), rel=1e-13)
    # The information is that of a Gaussian vector, from three entropies of SciPy.
    joint = np.block([[S, S @ W.T], [W @ S, W @ S @ W.T + np.diag(np.exp(t))]])
    h = [stats.multivariate_normal(np.zeros(len(C)), C).entropy() for C in (S, joint[4:, 4:], joint)]
    assert nats.information == pytest.approx(h[0] + h[1] - h[2], rel=1e-10)


def test_at_the_optimum_the_gap_closes_and_the_rate_is_the_information():
    covariance = rotated(SPECTRUM, 1)
    model = LinearBetaVAE(corners(covariance), beta=1.0, variance=VARIANCE)
    x = maximize(model, initial_vae_parameters(4, 4, np.random.default_rng(0)), tolerance=1e-12).x
    W, c = x.encoder[0]
    bound = gaussian_rate_bound(W[:4], c[:4], c[4:], covariance)
    assert bound.gap == pytest.approx(0, abs=1e-5)
    assert bound.information == pytest.approx(2.73697, abs=1e-4)
    assert bound.rate == pytest.approx(model.terms(x).rate, abs=1e-5)


@pytest.mark.parametrize(("form", "seed"), [("β = 1", 0), ("Bernoulli", 1), ("β = 4", 2)])
def test_for_any_encoder_with_one_latent_the_three_fit_together(form, seed):
    X = np.random.default_rng(seed).uniform(size=(40, D))
    model = fresh(X=X, **FORMS[form])
    x = initial_vae_parameters(D, 1, np.random.default_rng(seed), hidden=[5], gain=4.0)
    bound = scalar_rate_bound(*model.encode(x))
    assert bound.rate == pytest.approx(model.terms(x).rate, rel=1e-12)
    assert bound.rate == pytest.approx(bound.information + bound.gap, rel=1e-11)
    assert 0 < bound.information < min(bound.rate, math.log2(len(X)))


def test_the_information_of_far_apart_codes_is_that_of_their_number_and_of_equal_ones_zero():
    apart = scalar_rate_bound(100.0 * np.arange(8)[:, None], np.zeros((8, 1)))
    assert apart.information == pytest.approx(3, abs=1e-12)
    together = scalar_rate_bound(np.ones((8, 1)), np.full((8, 1), -1.0))
    assert together.information == pytest.approx(0, abs=1e-12)
    assert together.gap == pytest.approx(together.rate, rel=1e-12)


def test_quadrature_and_closed_form_meet_where_the_codes_of_a_sample_are_nearly_gaussian():
    x = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None]
    quadrature = scalar_rate_bound(0.8 * x + 0.1, np.full_like(x, -1.0))
    closed = gaussian_rate_bound([[0.8]], [0.1], [-1.0], [[float(np.mean(x**2))]])
    assert np.array(quadrature) == pytest.approx(np.array(closed), abs=1e-3)


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize(
    "make",
    [lambda X: gaussian_rate_bound(X, np.zeros(2), np.zeros(2), np.eye(2)), lambda X: scalar_rate_bound(X, X)],
    ids=["gaussian", "scalar"],
)
def test_bad_data_are_refused(make, bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        make(X)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: scalar_rate_bound([[0.0]], [[0.0], [1.0]]), "must have the same shape"),
        (lambda: scalar_rate_bound([[0.0], [1e9]], [[0.0], [0.0]]), "the grid would have"),
        (lambda: gaussian_rate_bound(np.eye(2), [0, 0], [0], np.eye(2)), "log_variances must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
