"""Measures of filters against figures whose measure is known, and against loops."""

import numpy as np
import pytest

from rdae_ref import Parameters, forward, initial_parameters
from rdae_ref.experiments.filters import neighbour_correlations, ordered_basis, resemblances, tiled, window_shares

SHAPE = (7, 9)
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(5, 63))


def drawn(*points):
    image = np.zeros(SHAPE)
    for point in points:
        image[point] = -2.0
    return image.ravel()


def test_window_shares_are_those_of_every_window():
    images = RNG.normal(size=(6, 784))
    for size in (1, 9, 28):
        slow = [
            max(np.sum(image[i : i + size, j : j + size] ** 2) for i in range(29 - size) for j in range(29 - size))
            / np.sum(image**2)
            for image in images.reshape(-1, 28, 28)
        ]
        np.testing.assert_allclose(window_shares(images, (28, 28), size), slow, rtol=1e-9)


def test_a_window_holds_all_of_a_blob_and_a_tenth_of_an_even_image():
    blob, pair = np.zeros((2, 28, 28))
    blob[19:28, 3:12] = RNG.normal(size=(9, 9))
    pair[0, 0], pair[27, 27] = 1, -3
    shares = window_shares(np.array([blob, pair, np.full((28, 28), -2.0)]).reshape(3, 784), (28, 28))
    np.testing.assert_allclose(shares, [1, 0.9, 81 / 784])


def test_window_shares_do_not_see_scale_sign_or_place():
    moved = np.array([drawn((1, 1), (1, 4)), drawn((5, 2), (5, 5)) * -7.0])
    assert window_shares(moved, SHAPE) == pytest.approx(np.full(2, 0.5))  # on 7 × 9 pixels a window of 2 × 2


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
