"""Conjugate gradients on an operator that is its own adjoint."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.recon import LinearOperator
from imgtech.recon.solvers import conjugate_gradient, solve_hermitian


class Matrix(LinearOperator):
    """A matrix on vectors."""

    def __init__(self, matrix):
        self.matrix = matrix

    @property
    def input_shape(self):
        return (self.matrix.shape[1],)

    @property
    def output_shape(self):
        return (self.matrix.shape[0],)

    def forward(self, x):
        return self.matrix @ x

    def adjoint(self, y):
        return self.matrix.conj().T @ y


@pytest.fixture
def tall(rng):
    return rng.normal(size=(9, 6)) + 1j * rng.normal(size=(9, 6))


def test_it_solves_the_equation(tall, rng):
    normal = tall.conj().T @ tall
    b = rng.normal(size=6) + 1j * rng.normal(size=6)
    found = solve_hermitian(Matrix(normal), b, regularization=0.3, n_iter=20, tolerance=1e-13)
    np.testing.assert_allclose(found.image, np.linalg.solve(normal + 0.3 * np.eye(6), b), rtol=1e-9)
    assert found.converged


def test_its_iterates_are_those_of_the_least_squares_problem(tall, rng):
    y = rng.normal(size=9) + 1j * rng.normal(size=9)
    for n_iter in (1, 2, 4):
        direct = conjugate_gradient(Matrix(tall), y, n_iter=n_iter).image
        found = solve_hermitian(Matrix(tall.conj().T @ tall), tall.conj().T @ y, n_iter=n_iter).image
        np.testing.assert_allclose(found, direct, rtol=1e-9)


def test_it_starts_where_it_is_told(tall, rng):
    normal, start = tall.conj().T @ tall, rng.normal(size=6)
    right = normal @ start + 0.2 * start
    found = solve_hermitian(Matrix(normal), right, regularization=0.2, initial=start, discrepancy=1e-9)
    assert found.n_iter == 0
    assert found.stopped_by == "discrepancy"
    np.testing.assert_array_equal(found.image, start)


def test_what_is_not_positive_or_square_is_refused(tall):
    with pytest.raises(ValueError, match="operator must have one shape"):
        solve_hermitian(Matrix(tall), np.ones(9))
    with pytest.raises(ValueError, match="positive semidefinite"):
        solve_hermitian(Matrix(np.diag([1.0, -2.0])), np.ones(2))
    with pytest.raises(ValueError, match="data must have shape"):
        solve_hermitian(Matrix(np.eye(3)), np.ones(2))
