"""Least squares by conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, not_negative
from imgtech.recon.linop import LinearOperator
from imgtech.recon.solvers.solution import (
    Solution,
    Stopping,
    data_of,
    initial_of,
    norm,
    run,
    weights_of,
)


def conjugate_gradient(
    operator: LinearOperator,
    data: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    regularization: float = 0.0,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 20,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
) -> Solution:
    r"""Minimise a weighted sum of squares by conjugate gradients on the normal equations (CGLS).

    .. math:: \min_x \; \| A x - b \|_W^2 + \lambda \| x - x_0 \|^2

    The iterates are those of LSQR, without forming :math:`A^H A`. For ill-posed problems the number of
    iterations itself regularises: stop early, by ``n_iter`` or ``discrepancy``. For SciPy's own solvers
    (LSQR, LSMR) hand them ``operator.as_scipy()``.

    Parameters
    ----------
    operator : LinearOperator
        :math:`A`.
    data : array_like
        :math:`b`, of ``operator.output_shape``, real or complex.
    weights : array_like, optional
        Diagonal of :math:`W`, for example inverse variances; broadcast against the data.
    regularization : float, optional
        :math:`\lambda`.
    initial : array_like, optional
        :math:`x_0`; zeros by default.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when :math:`\| A x - b \|_W` is at most this: for data with errors of standard deviation 1 after
        weighting, the square root of their number.

    Returns
    -------
    Solution
        ``.image`` in the precision of the data, ``.residuals``, ``.n_iter``, ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, or a number is negative.

    References
    ----------
    Paige and Saunders 1982, https://doi.org/10.1145/355984.355989

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon import LinearOperator
    >>> from imgtech.recon.solvers import conjugate_gradient
    >>> class Scale(LinearOperator):
    ...     input_shape = output_shape = (3,)
    ...     def forward(self, x):
    ...         return x * np.array([1.0, 2.0, 4.0])
    ...     adjoint = forward
    >>> conjugate_gradient(Scale(), np.array([1.0, 1.0, 1.0]), n_iter=3).image.round(9)
    array([1.  , 0.5 , 0.25])
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    b = data_of(operator, data)
    w = weights_of(operator, weights, b.dtype)
    x = initial_of(operator, initial, b.dtype)
    residual = b.copy() if initial is None else b - operator.forward(x)
    strength = not_negative("regularization", regularization)
    return run(_cgls(operator, x, residual, w, strength), stopping, "conjugate gradients")


def _cgls(
    operator: LinearOperator, x: Array, residual: Array, w: Array | None, strength: float
) -> Iterator[tuple[Array, float]]:
    yield x, norm(residual, w)
    scalar = x.dtype.type
    away = np.zeros_like(x) if strength > 0 else None  # x - x_0
    gradient = operator.adjoint(residual if w is None else w * residual)
    direction, energy = gradient, norm(gradient) ** 2
    first = energy
    while energy > (np.finfo(x.dtype).eps ** 2) * first:
        image = operator.forward(direction)
        curvature = norm(image, w) ** 2 + strength * norm(direction) ** 2
        if curvature == 0:
            return
        step = scalar(energy / curvature)
        x = x + step * direction
        residual = residual - step * image
        yield x, norm(residual, w)
        gradient = operator.adjoint(residual if w is None else w * residual)
        if away is not None:
            away += step * direction
            gradient = gradient - scalar(strength) * away
        before, energy = energy, norm(gradient) ** 2
        direction = gradient + scalar(energy / before) * direction
