"""Measures of filters against figures whose measure is known, and against loops."""

import math

import numpy as np
import pytest

from rdae_ref import Parameters, forward, initial_parameters
from rdae_ref.experiments.filters import extents, neighbour_correlations, ordered_basis, resemblances, tiled

SHAPE = (7, 9)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(5, 63))


def drawn(*points):
    image = np.zeros(SHAPE)
    for point in points:
        image[point] = -2.0
    return image.ravel()


def test_extents_of_a_point_a_pair_a_line_and_a_full_image():
    line = drawn(*((2, x) for x in range(9)))
    images = np.array([drawn((3, 4)), drawn((0, 0), (6, 8)), line, np.ones(63)])
    wanted = [0, math.hypot(3, 4), math.sqrt((81 - 1) / 12), math.sqrt((49 + 81 - 2) / 12)]
    np.testing.assert_allclose(extents(images, SHAPE), wanted, atol=1e-7)


def test_the_extent_of_a_large_disc_is_its_radius_over_the_root_of_two():
    y, x = np.indices((101, 121))
    disc = ((y - 40) ** 2 + (x - 60) ** 2 < 30**2).astype(float).reshape(1, -1)
    assert extents(disc, (101, 121))[0] == pytest.approx(30 / math.sqrt(2), rel=0.01)


def test_extents_do_not_see_scale_sign_or_place():
    moved = np.array([drawn((1, 1), (1, 3)), drawn((5, 2), (5, 4)) * -7.0])
    assert extents(moved, SHAPE) == pytest.approx(np.ones(2))


def test_neighbour_correlations_are_those_of_numpy():
    for image, got in zip(NOISE, neighbour_correlations(NOISE, SHAPE), strict=True):
        f = image.reshape(SHAPE)
        pairs = [(f[i, j], f[i, j + 1]) for i in range(7) for j in range(8)]
        pairs += [(f[i, j], f[i + 1, j]) for i in range(6) for j in range(9)]
        assert got == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1], rel=1e-12)


def test_noise_is_not_smooth_a_wave_is():
    wave = np.sin(np.arange(784) // 28 / 28 * 2 * np.pi)
    noise = RNG.normal(size=(50, 784))
    assert abs(neighbour_correlations(noise, (28, 28)).mean()) < 0.02
    assert neighbour_correlations(wave[None], (28, 28))[0] > 0.95


def test_resemblance_is_to_the_nearest_up_to_sign():
    others = NOISE[:3]
    mixed = np.array([-2 * others[1], NOISE[4]])
    cosines = [abs(NOISE[4] @ o) / np.linalg.norm(NOISE[4]) / np.linalg.norm(o) for o in others]
    np.testing.assert_allclose(resemblances(mixed, others), [1, max(cosines)], rtol=1e-12)


def test_the_order_is_that_of_norms_and_the_sign_leaves_the_outputs():
    parameters = initial_parameters(6, 4, RNG, scale=1.0)
    basis = ordered_basis(parameters)
    norms = np.linalg.norm(basis.synthesis, axis=1)
    assert (np.diff(norms) <= 0).all()
    assert (np.take_along_axis(basis.synthesis, np.abs(basis.synthesis).argmax(axis=1)[:, None], 1) > 0).all()
    X = RNG.normal(size=(8, 6))
    ours = forward(Parameters(basis.analysis, np.zeros(4), basis.synthesis.T, np.zeros(6)), X, "logsig").Xhat
    theirs = forward(parameters, X, "logsig").Xhat
    difference = ours - theirs
    np.testing.assert_allclose(difference - difference.mean(axis=0), 0, atol=1e-14)  # an offset


def test_tiles_are_the_images_scaled_with_lines_between():
    page = tiled(NOISE, SHAPE, 3)
    assert page.shape == (15, 29)
    np.testing.assert_array_equal(page[:7, 10:19], NOISE[1].reshape(SHAPE) / np.abs(NOISE[1]).max())
    assert np.nanmax(np.abs(page)) == 1
    assert np.isnan(page[7]).all()
    assert np.isnan(page[8:, 20:]).all()
