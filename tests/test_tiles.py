"""Blocks and tiles against the same matrices as a whole, from `rdae_ref.gram`."""

from typing import NamedTuple

import numpy as np
import pytest
from cases import samples

from rdae_ref import gaussian_gram, graph_laplacian
from rdae_ref.numerics import tiles
from rdae_ref.numerics.tiles import GaussianBlocks, laplacian_products
from rdae_ref.workers import ExternalMap


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


class Of(NamedTuple):
    """The weights of whole matrices, which keeps account of what it was asked for."""

    matrices: list
    asked: list

    def __call__(self, rows, columns):
        self.asked.append((rows.start, columns.start))
        return [P[rows, columns].copy() for P in self.matrices]

    def among(self, samples):
        return Of([P[np.ix_(samples, samples)] for P in self.matrices], [])


def problem(N):
    rng = np.random.default_rng(N)
    Y, matrices = rng.normal(size=(N, 3)), [A + A.T for A in rng.normal(size=(2, N, N))]
    return Y, Of(matrices, [])


@pytest.mark.parametrize("N", [1, 6, 7, 8, 21, 40])
def test_products_are_those_with_the_whole_laplacian(N, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 7)
    Y, weights = problem(N)
    degrees, products = laplacian_products(weights, Y)
    for P, degree, product in zip(weights.matrices, degrees, products, strict=True):
        np.testing.assert_allclose(degree, P.sum(axis=1) - P.diagonal(), atol=1e-13)
        np.testing.assert_allclose(product, graph_laplacian(P) @ Y, atol=1e-13)
    assert all(row <= column for row, column in weights.asked)  # half of the matrix is enough
    assert len(set(weights.asked)) == len(weights.asked)


class Counting(ExternalMap):
    """Workers of a given number, and how large the parts are that were sent to them."""

    def __init__(self, count):
        super().__init__(self.handed_out)
        self.count, self.sizes = count, []

    def handed_out(self, function, tasks):
        assert len(tasks) <= 2 * self.count  # what is in memory at once
        for task in tasks:
            self.sizes.append(len(task[1]))
            yield function(task)


@pytest.mark.parametrize("N", [1, 2, 7, 8, 21, 40])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_they_are_the_same_whoever_sums_up_the_tiles(N, count, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 3)
    Y, weights = problem(N)
    workers = Counting(count)
    for ours, expected in zip(laplacian_products(weights, Y, workers), laplacian_products(weights, Y), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert len(workers.sizes) <= count * (count + 1) // 2  # each pair of groups once
    assert max(workers.sizes) <= 2 * -(-N // count)  # and no more than both groups are sent


def test_blocks_of_some_samples_have_the_same_bits():
    X, some = samples(30, 2), np.array([3, 4, 5, 20, 21])
    block, part = GaussianBlocks(X, 0.5), GaussianBlocks(X, 0.5).among(some)
    assert len(part) == 5
    np.testing.assert_array_equal(part(slice(0, 3), slice(3, 5)), block(some[:3], some[3:]))


class Ones:
    def __call__(self, rows, columns):
        return [np.ones((5, 5))]


def test_outputs_without_columns_give_the_degrees_alone():
    degrees, products = laplacian_products(Ones(), np.empty((5, 0)))
    np.testing.assert_array_equal(degrees[0], np.full(5, 4.0))
    assert products[0].shape == (5, 0)
