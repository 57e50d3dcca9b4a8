"""The Laplacian by tiles against the whole one, from `rdae_ref.graph_laplacian`."""

from typing import NamedTuple

import numpy as np
import pytest

from rdae_ref import graph_laplacian
from rdae_ref.numerics import laplacian
from rdae_ref.numerics.laplacian import laplacian_product_of_spectrum, laplacian_products
from rdae_ref.workers import ExternalMap


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
    monkeypatch.setattr(laplacian, "TILE", 7)
    Y, weights = problem(N)
    degrees, products = laplacian_products(weights, Y)
    for P, degree, product in zip(weights.matrices, degrees, products, strict=True):
        np.testing.assert_allclose(degree, P.sum(axis=1) - P.diagonal(), atol=1e-13)
        np.testing.assert_allclose(product, graph_laplacian(P) @ Y, atol=1e-13)
    assert all(row <= column for row, column in weights.asked)  # half of the matrix is enough
    assert len(set(weights.asked)) == len(weights.asked)


@pytest.mark.parametrize("N", [1, 6, 7, 8, 40])
def test_products_in_the_eigenbasis_are_those_with_the_whole_laplacian(N, monkeypatch):
    monkeypatch.setattr(laplacian, "STRIP", 7)
    rng = np.random.default_rng(N)
    V = np.linalg.qr(rng.normal(size=(N, 5)))[0]
    weights, values = rng.normal(size=(2, V.shape[1]))
    Y = rng.normal(size=(N, 3)) + 10
    P = (V * weights) @ V.T * ((V * values) @ V.T)
    found = laplacian_product_of_spectrum(V, weights, values, Y)
    np.testing.assert_allclose(found, graph_laplacian(P) @ Y, atol=1e-12 * np.abs(P).sum())


def test_the_number_of_shares_changes_rounding_alone(monkeypatch):
    monkeypatch.setattr(laplacian, "TILE", 7)
    Y, weights = problem(40)
    several = laplacian_products(weights, Y)
    monkeypatch.setattr(laplacian, "SUMMED", 1)
    for one, other in zip(laplacian_products(weights, Y), several, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)


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
    monkeypatch.setattr(laplacian, "TILE", 3)
    Y, weights = problem(N)
    workers = Counting(count)
    for ours, expected in zip(laplacian_products(weights, Y, workers), laplacian_products(weights, Y), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert len(workers.sizes) <= count * (count + 1) // 2  # each pair of groups once
    assert max(workers.sizes) <= 2 * -(-N // count)  # and no more than both groups are sent


class Ones:
    def __call__(self, rows, columns):
        return [np.ones((5, 5))]


def test_outputs_without_columns_give_the_degrees_alone():
    degrees, products = laplacian_products(Ones(), np.empty((5, 0)))
    np.testing.assert_array_equal(degrees[0], np.full(5, 4.0))
    assert products[0].shape == (5, 0)
