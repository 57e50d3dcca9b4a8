import numpy as np
import pytest

from rdae_ref.data import blobs, curved_manifold, shape_images, shapes

RNG = np.random.default_rng


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


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: blobs(9, RNG(0), spread=(0.5, 0.0)), ValueError, r"spread\[1\] must"),
        (lambda: blobs(9, RNG(0), radius=(0.2, 0.1)), ValueError, "radius must increase"),
        (lambda: blobs(9, RNG(0), size=0), ValueError, "size must be at least 1"),
        (lambda: shapes(9, 0), TypeError, "default_rng"),
        (lambda: shape_images(np.ones((2, 6))), ValueError, r"factors must have shape \(any, 7\)"),
        (lambda: shape_images(np.ones((2, 7)), 0), ValueError, "size must be at least 1"),
        (lambda: shapes(1.5, RNG(0)), TypeError, "n_samples must be an integer"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
