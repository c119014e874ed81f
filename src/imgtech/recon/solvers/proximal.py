"""FISTA: accelerated gradient steps with a proximal map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, positive
from imgtech.recon.linop import LinearOperator
from imgtech.recon.solvers.norm import operator_norm
from imgtech.recon.solvers.solution import (
    Solution,
    Stopping,
    data_of,
    initial_of,
    norm,
    run,
    weights_of,
)

_NORM_SLACK = 1.02  # power iteration ends a little below the norm


class Fit(Protocol):
    """A sum of squares, half of it the part of the objective that is smooth."""

    def residual(self, x: Array) -> float:
        """Its root at an image."""

    def gradient(self) -> Array:
        """Half its gradient at the image that :meth:`residual` was last asked for, in a new array."""


def fista(
    operator: LinearOperator,
    data: npt.ArrayLike,
    *,
    proximal: Callable[[Array, Array], Array] | None = None,
    penalty_gradient: Callable[[Array], Array] | None = None,
    step: float | npt.ArrayLike | None = None,
    restart: bool = True,
    weights: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 50,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
) -> Solution:
    r"""Minimise a weighted sum of squares and penalties by accelerated proximal gradient steps.

    .. math:: \min_x \; \tfrac12 \| A x - b \|_W^2 + h(x) + g(x)

    where :math:`h` is smooth and given by its gradient, and :math:`g` by its proximal map
    :math:`\arg\min_z g(z) + \sum_i |z_i - x_i|^2 / (2 s_i)`. The momentum starts afresh whenever it points
    uphill (gradient restart), which keeps long runs from oscillating.

    Parameters
    ----------
    operator : LinearOperator
        :math:`A`.
    data : array_like
        :math:`b`, of ``operator.output_shape``, real or complex.
    proximal : callable, optional
        ``proximal(x, step)``; without it :math:`g = 0`.
    penalty_gradient : callable, optional
        Gradient of :math:`h`; needs ``step``.
    step : float or array_like, optional
        :math:`s`, one number or one for each sample of the image: the inverse of a diagonal above the
        Hessian. By default a little below :math:`1 / \|W^{1/2} A\|^2`, from :func:`operator_norm`.
    restart : bool, optional
        Whether the momentum restarts.
    weights : array_like, optional
        Diagonal of :math:`W`; broadcast against the data.
    initial : array_like, optional
        First image; zeros by default.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when :math:`\| A x - b \|_W` is at most this.

    Returns
    -------
    Solution
        ``.image`` in the precision of the data, ``.residuals``, ``.n_iter``, ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, a number is negative, a step is not positive or
        missing where it is needed, or the iteration diverges because the step is too long.

    References
    ----------
    Beck and Teboulle 2009, https://doi.org/10.1137/080716542

    O'Donoghue and Candes 2015, https://doi.org/10.1007/s10208-013-9150-3

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.solvers import Gradient, fista
    >>> slope = np.array([[3.0, -1.0, 0.0]])
    >>> result = fista(Gradient((1, 3)), np.stack([0 * slope, slope]), n_iter=200,
    ...                proximal=lambda x, step: np.maximum(x, 0.0))
    >>> (result.image - result.image[0, 0]).round(6)
    array([[0., 3., 2.]])
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    b = data_of(operator, data)
    w = weights_of(operator, weights, b.dtype)
    x = initial_of(operator, initial, b.dtype)
    if step is None:
        if penalty_gradient is not None:
            raise ValueError("step must be given along with penalty_gradient, got None")
        largest = 1.0 if w is None else float(w.max())
        step = 1 / positive(
            "norm of the operator", largest * (_NORM_SLACK * operator_norm(operator, dtype=b.dtype)) ** 2
        )
    length = np.asarray(step, dtype=np.zeros(0, b.dtype).real.dtype)
    if not (np.isfinite(length).all() and length.min() > 0):
        raise ValueError(f"step must be positive and finite, got {step!r}")
    return fista_of(
        _LeastSquares(operator, b, w),
        x,
        proximal=proximal,
        penalty_gradient=penalty_gradient,
        step=length,
        restart=restart,
        stopping=stopping,
    )


def fista_of(
    fit: Fit,
    x: Array,
    *,
    step: Array,
    stopping: Stopping,
    proximal: Callable[[Array, Array], Array] | None = None,
    penalty_gradient: Callable[[Array], Array] | None = None,
    restart: bool = True,
) -> Solution:
    """Do the iterations of :func:`fista` on any fit, from the image ``x``; nothing is checked again."""
    return run(_fista(fit, x, step, proximal, penalty_gradient, restart), stopping, "FISTA")


class _LeastSquares:
    """The fit of an operator to data."""

    def __init__(self, operator: LinearOperator, data: Array, weights: Array | None) -> None:
        self.operator, self.data, self.weights = operator, data, weights
        self.difference = data

    def residual(self, x: Array) -> float:
        self.difference = self.operator.forward(x) - self.data
        return norm(self.difference, self.weights)

    def gradient(self) -> Array:
        weighted = self.difference if self.weights is None else self.weights * self.difference
        return self.operator.adjoint(weighted)


def _fista(
    fit: Fit,
    x: Array,
    step: Array,
    proximal: Callable[[Array, Array], Array] | None,
    penalty_gradient: Callable[[Array], Array] | None,
    restart: bool,
) -> Iterator[tuple[Array, float]]:
    """Project every image once: the gradient at the extrapolated image follows by linearity."""
    scalar = step.dtype.type
    yield x, fit.residual(x)
    slope = fit.gradient()
    ahead, ahead_slope, momentum = x, slope, 1.0
    while True:
        full = ahead_slope if penalty_gradient is None else ahead_slope + penalty_gradient(ahead)
        new = ahead - step * full
        if proximal is not None:
            new = proximal(new, step)
        yield new, fit.residual(new)
        new_slope = fit.gradient()
        if restart and float(np.real(np.vdot((ahead - new) / step, new - x))) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        beta = scalar((momentum - 1) / following)
        ahead = new + beta * (new - x)
        ahead_slope = new_slope + beta * (new_slope - slope)
        x, slope, momentum = new, new_slope, following
