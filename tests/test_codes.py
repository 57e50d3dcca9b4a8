import numpy as np
import pytest

from rdae_ref.measures import gaussian_codes, linear_probe, mutual_information_gap

RNG = np.random.default_rng
UNIFORM = RNG(0).uniform(size=(4000, 3))


def test_the_gap_is_one_for_factors_themselves_and_zero_for_twins():
    own = mutual_information_gap(UNIFORM[:, [2, 0, 1]], UNIFORM)
    assert (own.gaps > 0.95).all()
    assert own.gap == pytest.approx(own.gaps.mean())
    assert own.information.shape == (3, 3)
    np.testing.assert_array_equal(own.information.argmax(axis=0), [1, 2, 0])
    assert mutual_information_gap(np.hstack([UNIFORM, UNIFORM]), UNIFORM).gap == pytest.approx(0, abs=1e-12)


def test_information_by_hand():
    factor = np.array([0, 0, 1, 1] * 25)[:, None]
    half = np.array([0, 1, 1, 1] * 25)[:, None]  # I = H(1/4) + 1 − H(joint), the joint being (1/4, 1/4, 1/2)
    found = mutual_information_gap(np.hstack([factor, half]), factor)
    expected = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)) + 1 - 1.5
    np.testing.assert_allclose(found.information[:, 0], [1, expected], rtol=1e-12)
    np.testing.assert_allclose(found.gaps, [1 - expected], rtol=1e-12)
    independent = np.array([0, 1, 0, 1] * 25)[:, None]
    found = mutual_information_gap(np.hstack([factor, independent]), factor)
    np.testing.assert_allclose(found.information[:, 0], [1, 0], atol=1e-12)


def test_turning_the_latents_closes_the_gap_and_leaves_the_probe():
    turn = np.linalg.qr(RNG(1).normal(size=(3, 3)))[0]
    assert mutual_information_gap(UNIFORM @ turn, UNIFORM).gap < 0.4
    assert linear_probe(UNIFORM @ turn, UNIFORM).r2 == pytest.approx(1, abs=1e-12)


def test_the_probe_is_least_squares_scored_on_the_rest():
    noise = RNG(2).normal(size=(4000, 2))
    V = np.column_stack([UNIFORM @ [1.0, -2.0, 0.5] + 3, UNIFORM[:, 0] + noise[:, 0], noise[:, 1]])
    found = linear_probe(UNIFORM, V, n_train=3000)
    explained = (1 / 12) / (1 / 12 + 1)  # the variance of a uniform number, beside that of the noise
    np.testing.assert_allclose(found.scores, [1, explained, 0], atol=0.02)
    assert found.r2 == pytest.approx(found.scores.mean())
    changed = V.copy()
    changed[3000:] = 2 * V[3000:] + 1  # what it is scored on does not move the fit
    design = np.column_stack([UNIFORM, np.ones(4000)])
    outputs = design[3000:] @ np.linalg.pinv(design[:3000]) @ V[:3000]
    expected = 1 - np.mean((changed[3000:] - outputs) ** 2, axis=0) / np.var(changed[3000:], axis=0)
    np.testing.assert_allclose(linear_probe(UNIFORM, changed, n_train=3000).scores, expected, rtol=1e-9)


def test_drawn_codes_have_the_mean_and_covariance_of_those_given():
    Z = RNG(0).normal(size=(200, 2)) @ [[1.0, 0.5, 0.0], [0.0, 0.1, 2.0]] + [1.0, 2.0, 3.0]
    drawn = gaussian_codes(Z, 50_000, RNG(1))
    np.testing.assert_allclose(drawn.mean(axis=0), Z.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(Z.T, bias=True), atol=0.06)
    assert np.linalg.matrix_rank(drawn - drawn.mean(axis=0)) == 2


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: mutual_information_gap(UNIFORM[:, :1], UNIFORM), ValueError, "number of latents must be at least 2"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM * [1, 0, 1]), ValueError, "column 1 is constant"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM[:9]), ValueError, r"V must have shape \(4000, any\)"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM, 1), ValueError, "n_bins must be at least 2"),
        (lambda: linear_probe(UNIFORM, UNIFORM, 3999), ValueError, "n_train must be at most 3998"),
        (lambda: linear_probe(UNIFORM[:2], UNIFORM[:2]), ValueError, "n_train must be at most 0"),
        (lambda: linear_probe(UNIFORM, 0.1 + UNIFORM * [1, 1, 0]), ValueError, "column 2 does not: drop it"),
        (lambda: gaussian_codes(UNIFORM, 0, RNG(0)), ValueError, "n_samples must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
