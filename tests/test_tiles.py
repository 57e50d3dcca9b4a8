"""Blocks and tiles against the same matrices as a whole, from `rdae_ref.gram`."""

import numpy as np
import pytest
from cases import samples

from rdae_ref import gaussian_gram, graph_laplacian, tiles
from rdae_ref.tiles import GaussianBlocks, laplacian_products


@pytest.mark.parametrize("origin", [0.0, 1e6])
@pytest.mark.parametrize("sigma", [0.3, 5.0])
@pytest.mark.parametrize("d", [1, 2, 50])
def test_blocks_are_those_of_the_gram_matrix(d, sigma, origin):
    X = samples(30, d) + origin
    block, whole = GaussianBlocks(X, sigma), 30 * gaussian_gram(X, sigma)
    assert len(block) == 30
    rows, some = slice(3, 11), np.array([4, 0, 29])
    atol = 1e-14 if origin == 0 else 1e-8  # 1e6 has ten digits left for a distance
    np.testing.assert_allclose(block(rows, slice(20, 30)), whole[rows, 20:], atol=atol)
    np.testing.assert_allclose(block(some, slice(None)), whole[some], atol=atol)
    np.testing.assert_allclose(block(some, some), whole[np.ix_(some, some)], atol=atol)


@pytest.mark.parametrize("sigma", [1e-300, 1e-160, 1e160])
def test_kernels_of_any_size_are_0_or_1_and_never_nan(sigma):
    np.testing.assert_array_equal(
        GaussianBlocks(np.array([[0.0], [2.0]]), sigma)(slice(None), slice(None)),
        np.eye(2) if sigma < 1 else np.ones((2, 2)),
    )


@pytest.mark.parametrize("N", [1, 6, 7, 8, 21, 40])
def test_products_are_those_with_the_whole_laplacian(N, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 7)
    rng = np.random.default_rng(N)
    Y, matrices = rng.normal(size=(N, 3)), [A + A.T for A in rng.normal(size=(2, N, N))]
    asked = []

    def weights(rows, columns):
        asked.append((rows.start, columns.start))
        return [P[rows, columns].copy() for P in matrices]

    degrees, products = laplacian_products(weights, Y)
    for P, degree, product in zip(matrices, degrees, products, strict=True):
        np.testing.assert_allclose(degree, P.sum(axis=1) - P.diagonal(), atol=1e-13)
        np.testing.assert_allclose(product, graph_laplacian(P) @ Y, atol=1e-13)
    assert all(row <= column for row, column in asked)  # half of the matrix is enough
    assert len(set(asked)) == len(asked)


def test_outputs_without_columns_give_the_degrees_alone():
    degrees, products = laplacian_products(lambda rows, columns: [np.ones((5, 5))], np.empty((5, 0)))
    np.testing.assert_array_equal(degrees[0], np.full(5, 4.0))
    assert products[0].shape == (5, 0)
