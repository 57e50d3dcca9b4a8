import numpy as np
import pytest

from rdae_ref.data import blobs, curved_manifold, gaussian_with_covariance, shape_images, shapes
from rdae_ref.measures import gaussian_codes, linear_probe, mutual_information_gap

RNG = np.random.default_rng


def test_mean_and_covariance_are_exact():
    covariance = np.array([[4.0, 1.0, 0.2], [1.0, 1.0, -0.1], [0.2, -0.1, 1e-6 + 0.1]])
    X = gaussian_with_covariance(30, covariance, RNG(0))
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(X.T @ X / 30, covariance, rtol=1e-12, atol=1e-13)
    assert gaussian_with_covariance(4, covariance, RNG(0)).shape == (4, 3)
    wide = gaussian_with_covariance(100_000, np.eye(2), RNG(1))
    assert np.mean(wide**4, axis=0) == pytest.approx(3, abs=0.05)  # and Gaussian


def test_the_manifold_has_its_dimension_everywhere_and_is_curved():
    sample = curved_manifold(3000, RNG(0), n_dimensions=2, n_features=12)
    assert sample.X.shape == (3000, 12)
    assert sample.coordinates.shape == (3000, 2)
    assert np.abs(sample.coordinates).max() <= 1
    variances = np.linalg.eigvalsh(np.cov(sample.X.T))[::-1]
    assert variances[4] > 1e-3 * variances[0]  # no plane holds it
    for centre in sample.coordinates[:5]:
        near = sample.X[np.linalg.norm(sample.coordinates - centre, axis=1) < 0.1]
        local = np.linalg.eigvalsh(np.cov(near.T))[::-1]
        assert local[2] < 0.02 * local[1]  # but two dimensions do, near any point
    flat = curved_manifold(500, RNG(0), n_dimensions=2, n_features=12, curvature=1e-3).X
    values = np.linalg.eigvalsh(np.cov(flat.T))[::-1]
    assert values[2] < 1e-5 * values[1]


def centre_of_mass(images, size):
    x = (2 * np.arange(size) + 1) / size - 1
    mass = images.sum(axis=(1, 2))
    return np.einsum("nij,j->n", images, x) / mass, np.einsum("nij,i->n", images, x) / mass


def test_blobs_are_where_and_as_large_and_turned_as_their_factors_say():
    data = blobs(200, RNG(0), size=32, spread=(0.2, 0.1))
    images = data.X.reshape(-1, *data.shape)
    x, y, radius, angle = data.factors.T
    assert data.names == ("x", "y", "radius", "orientation")
    assert np.abs(x).max() <= 0.2
    assert np.abs(x).max() > 0.15
    assert np.abs(y).max() <= 0.1
    got_x, got_y = centre_of_mass(images, 32)
    np.testing.assert_allclose(got_x, x, atol=0.02)
    np.testing.assert_allclose(got_y, y, atol=0.02)
    grid = (2 * np.arange(32) + 1) / 32 - 1
    for i in np.flatnonzero(radius < 0.12):  # the larger ones are cut off by the edge
        right, below = np.meshgrid(grid - x[i], grid - y[i])
        mass = images[i] / images[i].sum()
        cov = [[np.sum(mass * a * b) for a in (right, below)] for b in (right, below)]
        u = np.array([np.cos(angle[i]), np.sin(angle[i])])
        expected = radius[i] ** 2 * (np.eye(2) + 3 * np.outer(u, u))  # variance (2r)² along u, r² aside
        np.testing.assert_allclose(cov, expected, atol=0.01)
    assert 0 <= data.X.min() < data.X.max() <= 1


def test_shapes_have_their_colour_place_area_and_kind():
    data = shapes(300, RNG(0), size=32)
    images = data.X.reshape(-1, *data.shape)
    kind, *colour, x, y, radius = data.factors.T
    assert data.names == ("kind", "red", "green", "blue", "x", "y", "radius")
    assert data.shape == (32, 32, 3)
    assert set(kind) == {0.0, 1.0}
    np.testing.assert_allclose(images.max(axis=(1, 2)), np.transpose(colour), rtol=1e-13)
    cover = images[..., 0] / colour[0][:, None, None]
    np.testing.assert_allclose(images[..., 2] / colour[2][:, None, None], cover, atol=1e-13)
    got_x, got_y = centre_of_mass(cover, 32)
    np.testing.assert_allclose(got_x, x, atol=0.01)
    np.testing.assert_allclose(got_y, y, atol=0.01)
    area = cover.sum(axis=(1, 2)) * (2 / 32) ** 2
    np.testing.assert_allclose(area, np.where(kind == 1, 4, np.pi) * radius**2, rtol=0.03)
    assert 0 <= data.X.min() < data.X.max() <= 1


def test_a_seed_repeats_everything():
    for make in (blobs, shapes, curved_manifold):
        np.testing.assert_array_equal(make(5, RNG(3)).X, make(5, RNG(3)).X)
        assert not np.array_equal(make(5, RNG(3)).X, make(5, RNG(4)).X)


# ------------------------------------------------------------------------------------------------------ disentanglement

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
        (lambda: gaussian_with_covariance(2, np.eye(2), RNG(0)), ValueError, "n_samples must be at least 3"),
        (lambda: gaussian_with_covariance(9, -np.eye(2), RNG(0)), ValueError, "smallest eigenvalue of covariance must"),
        (lambda: gaussian_with_covariance(9, np.ones((2, 3)), RNG(0)), ValueError, "covariance must be square"),
        (lambda: curved_manifold(0, RNG(0)), ValueError, "n_samples must be at least 1"),
        (lambda: curved_manifold(9, RNG(0), curvature=0.0), ValueError, "curvature must"),
        (lambda: curved_manifold(9, RNG(0), n_features=0), ValueError, "n_features must"),
        (lambda: curved_manifold(9, 0), TypeError, "default_rng"),
        (lambda: blobs(9, RNG(0), spread=(0.5, 0.0)), ValueError, r"spread\[1\] must"),
        (lambda: blobs(9, RNG(0), radius=(0.2, 0.1)), ValueError, "radius must increase"),
        (lambda: blobs(9, RNG(0), size=0), ValueError, "size must be at least 1"),
        (lambda: shapes(9, 0), TypeError, "default_rng"),
        (lambda: shape_images(np.ones((2, 6))), ValueError, r"factors must have shape \(any, 7\)"),
        (lambda: shape_images(np.ones((2, 7)), 0), ValueError, "size must be at least 1"),
        (lambda: shapes(1.5, RNG(0)), TypeError, "n_samples must be an integer"),
        (lambda: mutual_information_gap(UNIFORM[:, :1], UNIFORM), ValueError, "number of latents must be at least 2"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM * [1, 0, 1]), ValueError, "column 1 is constant"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM[:9]), ValueError, r"V must have shape \(4000, any\)"),
        (lambda: mutual_information_gap(UNIFORM, UNIFORM, 1), ValueError, "n_bins must be at least 2"),
        (lambda: linear_probe(UNIFORM, UNIFORM, 3999), ValueError, "n_train must be at most 3998"),
        (lambda: linear_probe(UNIFORM[:2], UNIFORM[:2]), ValueError, "n_train must be at most 0"),
        (lambda: gaussian_codes(UNIFORM, 0, RNG(0)), ValueError, "n_samples must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
