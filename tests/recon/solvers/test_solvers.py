"""Solvers meet closed-form minima, real and complex, and leave nothing behind."""

import numpy as np
import pytest
from scipy.sparse.linalg import lsqr

from imgtech.recon import LinearOperator, dot_test
from imgtech.recon.solvers import Gradient, conjugate_gradient, fista, operator_norm, pdhg


class Matrix(LinearOperator):
    """A matrix on arrays of two axes, so that shapes matter."""

    def __init__(self, matrix, input_shape, output_shape):
        self.matrix, self._in, self._out = matrix, input_shape, output_shape

    @property
    def input_shape(self):
        return self._in

    @property
    def output_shape(self):
        return self._out

    def forward(self, x):
        return (self.matrix @ np.ravel(x)).reshape(self._out)

    def adjoint(self, y):
        return (self.matrix.conj().T @ np.ravel(y)).reshape(self._in)


@pytest.fixture(params=[np.float64, np.complex128], ids=["real", "complex"])
def problem(request, rng):
    """An operator, data that it cannot explain, weights, and the numbers as a plain matrix."""

    def draw(*shape):
        values = rng.normal(size=shape)
        return values + 1j * rng.normal(size=shape) if request.param is np.complex128 else values

    return Matrix(draw(35, 12), (3, 4), (5, 7)), draw(5, 7), rng.uniform(0.2, 3.0, (5, 7))


def minimum(operator, data, weights, regularization=0.0, initial=None):
    """Solve the normal equations."""
    a, w = operator.matrix, weights.ravel()
    start = np.zeros(12) if initial is None else initial.ravel()
    normal = a.conj().T @ (w[:, None] * a) + regularization * np.eye(12)
    return np.linalg.solve(normal, a.conj().T @ (w * data.ravel()) + regularization * start).reshape(3, 4)


def test_conjugate_gradient_solves_the_normal_equations_in_as_many_steps_as_unknowns(problem):
    operator, data, weights = problem
    result = conjugate_gradient(operator, data, weights=weights, n_iter=30)
    assert np.allclose(result.image, minimum(operator, data, weights), atol=1e-10)
    assert result.stopped_by == "solved"
    assert result.converged
    assert result.n_iter <= 16
    assert len(result.residuals) == result.n_iter + 1
    assert (np.diff(result.residuals) <= 1e-12).all()
    left = np.sqrt(weights) * (data - operator.forward(result.image))
    assert result.residuals[-1] == pytest.approx(np.linalg.norm(left))
    assert result.residuals[0] == pytest.approx(np.linalg.norm(np.sqrt(weights) * data))


def test_regularization_pulls_towards_the_initial_image(problem, rng):
    operator, data, weights = problem
    initial = rng.normal(size=(3, 4))
    result = conjugate_gradient(
        operator, data, weights=weights, regularization=7.0, initial=initial, n_iter=30
    )
    expected = minimum(operator, data, weights, 7.0, initial)
    assert np.allclose(result.image, expected, atol=1e-9)
    assert np.linalg.norm(expected - initial) < np.linalg.norm(minimum(operator, data, weights) - initial)


def test_conjugate_gradient_takes_the_steps_of_lsqr(rng):
    operator, data = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(5, 7))
    theirs = lsqr(operator.as_scipy(), data.ravel(), atol=0, btol=0, conlim=0, iter_lim=5)
    ours = conjugate_gradient(operator, data, n_iter=5)
    assert np.allclose(ours.image.ravel(), theirs[0], atol=1e-10)
    assert ours.residuals[-1] == pytest.approx(theirs[3])
    assert ours.stopped_by == "n_iter"
    assert not ours.converged


@pytest.mark.parametrize("restart", [True, False])
def test_fista_meets_the_minimum_from_any_start(problem, rng, restart):
    operator, data, weights = problem
    result = fista(
        operator, data, weights=weights, initial=rng.normal(size=(3, 4)), restart=restart, n_iter=3000
    )
    assert np.allclose(result.image, minimum(operator, data, weights), atol=1e-6)
    left = np.sqrt(weights) * (data - operator.forward(result.image))
    assert result.residuals[-1] == pytest.approx(np.linalg.norm(left))


def test_restart_reaches_the_minimum_sooner(rng):
    matrix = np.diag(np.linspace(0.05, 1.0, 12))
    operator, truth = Matrix(matrix, (3, 4), (12,)), rng.normal(size=(3, 4))
    data = operator.forward(truth)
    errors = [
        np.linalg.norm(fista(operator, data, restart=r, step=1.0, n_iter=300).image - truth)
        for r in (True, False)
    ]
    assert errors[0] < 0.1 * errors[1]


def test_fista_with_soft_threshold_is_lasso_of_an_orthogonal_matrix(rng):
    q, _ = np.linalg.qr(rng.normal(size=(35, 12)))
    operator, data = Matrix(3.0 * q, (3, 4), (5, 7)), rng.normal(size=(5, 7))

    def shrink(x, step):
        return np.sign(x) * np.maximum(np.abs(x) - 1.5 * step, 0)

    found = fista(operator, data, proximal=shrink, n_iter=300).image.ravel()
    back = 3.0 * q.T @ data.ravel()
    assert np.allclose(found, np.sign(back) * np.maximum(np.abs(back) - 1.5, 0) / 9.0, atol=1e-9)
    assert (found == 0).any()


def test_fista_with_a_smooth_penalty_and_a_diagonal_step(problem):
    operator, data, weights = problem
    normal = np.abs(operator.matrix.conj().T @ (weights.reshape(-1, 1) * operator.matrix))
    step = 1 / (normal.sum(axis=1) + 7.0).reshape(3, 4)
    result = fista(
        operator, data, weights=weights, penalty_gradient=lambda x: 7.0 * x, step=step, n_iter=3000
    )
    assert np.allclose(result.image, minimum(operator, data, weights, 7.0), atol=1e-6)


def test_pdhg_meets_the_minimum_of_a_sum_of_squares_with_weights(problem):
    operator, data, weights = problem
    result = pdhg(operator, data, weights=weights, n_iter=4000)
    assert np.allclose(result.image, minimum(operator, data, weights), atol=1e-6)
    left = np.sqrt(weights) * (data - operator.forward(result.image))
    assert result.residuals[-1] == pytest.approx(np.linalg.norm(left))


def test_pdhg_with_a_bound_meets_the_bounded_minimum(rng):
    operator, data = Matrix(np.diag([1.0, 2.0, 3.0]), (3,), (3,)), np.array([-1.0, 4.0, -9.0])
    result = pdhg(operator, data, proximal=lambda x, tau: np.maximum(x, -2.0), n_iter=2000)
    assert np.allclose(result.image, [-1.0, 2.0, -2.0], atol=1e-9)


def test_the_discrepancy_stops_at_the_first_image_that_fits_well_enough(rng):
    operator, data = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(5, 7))
    full = conjugate_gradient(operator, data, n_iter=8).residuals
    for solve in (conjugate_gradient, fista, pdhg):
        limit = (full[-1] + full[0]) / 2
        result = solve(operator, data, discrepancy=limit, n_iter=500)
        assert result.stopped_by == "discrepancy"
        assert result.converged
        assert result.residuals[-1] <= limit < result.residuals[-2]
        left = np.linalg.norm(data - operator.forward(result.image))
        assert left == pytest.approx(result.residuals[-1])


def test_the_tolerance_stops_when_the_image_stands_still(rng):
    operator, data = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(5, 7))
    for solve in (conjugate_gradient, fista, pdhg):
        result = solve(operator, data, tolerance=1e-3, n_iter=500)
        before = solve(operator, data, n_iter=result.n_iter - 1).image
        change = np.linalg.norm(result.image - before) / np.linalg.norm(result.image)
        assert result.stopped_by == "tolerance"
        assert change <= 1e-3


def test_data_that_an_initial_image_explains_are_solved_at_once(rng):
    operator, image = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(3, 4))
    result = conjugate_gradient(operator, operator.forward(image), initial=image)
    assert np.array_equal(result.image, image)
    assert result.n_iter == 0
    assert result.converged


def test_single_precision_stays_single(rng):
    operator = Matrix(rng.normal(size=(35, 12)).astype(np.float32), (3, 4), (5, 7))
    data = rng.normal(size=(5, 7)).astype(np.float32)
    weights = np.full((1, 7), 0.5)
    for solve in (conjugate_gradient, fista, pdhg):
        assert solve(operator, data, weights=weights, n_iter=3).image.dtype == np.float32
    operator.matrix = operator.matrix + np.complex64(1j)
    assert pdhg(operator, data.astype(np.complex64), n_iter=3).image.dtype == np.complex64


def test_arguments_are_left_as_they_were(problem, rng):
    operator, data, weights = problem
    initial = rng.normal(size=(3, 4)).astype(data.dtype)
    copies = data.copy(), weights.copy(), initial.copy()
    for solve in (conjugate_gradient, fista, pdhg):
        solve(operator, data, weights=weights, initial=initial, n_iter=4)
    for now, before in zip((data, weights, initial), copies, strict=True):
        assert np.array_equal(now, before)


def test_an_interruption_reaches_the_caller_and_leaves_nothing_behind(problem):
    operator, data, _ = problem
    forward, calls = operator.forward, []

    def interrupted(x):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return forward(x)

    for solve in (conjugate_gradient, fista, pdhg):
        expected = solve(operator, data, n_iter=9, tolerance=1e-30).image
        operator.forward = interrupted
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            solve(operator, data, n_iter=9)
        operator.forward = forward
        assert np.array_equal(solve(operator, data, n_iter=9, tolerance=1e-30).image, expected)


def test_the_norm_is_the_largest_singular_value(problem):
    operator, _, _ = problem
    expected = np.linalg.norm(operator.matrix, 2)
    found = operator_norm(operator, n_iter=2000, tolerance=1e-12, dtype=operator.matrix.dtype)
    assert found == pytest.approx(expected, rel=1e-6)
    assert operator_norm(operator, n_iter=2, dtype=operator.matrix.dtype) < expected
    operator.matrix = 0 * operator.matrix
    assert operator_norm(operator, dtype=operator.matrix.dtype) == 0.0


@pytest.mark.parametrize("shape", [(6,), (5, 8), (1, 7), (3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_gradient_and_divergence_are_a_matched_pair(rng, shape, dtype):
    spacing = (0.7, 1.3, 2.1)[: len(shape)]
    gradient = Gradient(shape, spacing)
    if dtype != np.float32:
        assert dot_test(gradient, rng, dtype) < 1e-12
    # differences cancel in the inner products, so in single precision the gap is held against the norms
    x, y = rng.random(shape).astype(dtype), rng.random(gradient.output_shape).astype(dtype)
    image, field = gradient.adjoint(y), gradient.forward(x)
    gap = abs(np.vdot(field.astype(np.complex128), y) - np.vdot(x, image.astype(np.complex128)))
    limit = 1e-6 if dtype == np.float32 else 1e-12
    assert gap <= limit * np.linalg.norm(field) * np.linalg.norm(y)
    assert operator_norm(gradient, n_iter=300) < gradient.norm_bound


def test_the_gradient_of_a_slope_is_the_slope_per_mm():
    y, x = np.meshgrid(0.5 * np.arange(4), 2.0 * np.arange(5), indexing="ij")
    field = Gradient((4, 5), (0.5, 2.0)).forward(3.0 * y - 0.25 * x)
    assert np.allclose(field[0, :-1], 3.0)
    assert np.allclose(field[1, :, :-1], -0.25)
    assert not field[0, -1].any()
    assert not field[1, :, -1].any()


def test_wrong_arguments_are_refused(rng):
    operator, data = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(5, 7))
    bad = np.where(data == data[2, 3], np.nan, data)
    for solve in (conjugate_gradient, fista, pdhg):
        with pytest.raises(ValueError, match=r"data must have shape \(5, 7\)"):
            solve(operator, data.T)
        with pytest.raises(ValueError, match="data must be finite, got nan"):
            solve(operator, bad)
        with pytest.raises(ValueError, match=r"initial must have shape \(3, 4\)"):
            solve(operator, data, initial=np.ones((4, 3)))
        with pytest.raises(ValueError, match=r"weights must have shape \(5, 7\)"):
            solve(operator, data, weights=np.ones(6))
        with pytest.raises(ValueError, match="weights must not be negative"):
            solve(operator, data, weights=-np.ones(7))
        with pytest.raises(ValueError, match="n_iter must be at least 1, got 0"):
            solve(operator, data, n_iter=0)
        with pytest.raises(ValueError, match="tolerance must not be negative"):
            solve(operator, data, tolerance=-0.1)
        with pytest.raises(ValueError, match="discrepancy must be finite"):
            solve(operator, data, discrepancy=np.inf)
    with pytest.raises(ValueError, match="regularization must not be negative"):
        conjugate_gradient(operator, data, regularization=-1.0)
    with pytest.raises(ValueError, match="step must be positive"):
        fista(operator, data, step=0.0)
    with pytest.raises(ValueError, match="step must be given along"):
        fista(operator, data, penalty_gradient=lambda x: x)
    with pytest.raises(ValueError, match="steps must hold 1 dual steps, got 2"):
        pdhg(operator, data, steps=(1.0, (1.0, 1.0)))
    with pytest.raises(ValueError, match="must have one number for each axis"):
        Gradient((3, 4), (1.0,))


def test_a_step_that_is_too_long_is_an_error_and_no_image(rng):
    operator, data = Matrix(rng.normal(size=(35, 12)), (3, 4), (5, 7)), rng.normal(size=(5, 7))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="iterations must not diverge"):
        fista(operator, data, step=10.0, n_iter=2000)
