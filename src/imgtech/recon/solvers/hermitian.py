"""Conjugate gradients on an operator that is its own adjoint."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, not_negative
from imgtech.recon.linop import LinearOperator
from imgtech.recon.solvers.solution import Solution, Stopping, data_of, initial_of, norm, run


def solve_hermitian(
    operator: LinearOperator,
    data: npt.ArrayLike,
    *,
    regularization: float = 0.0,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 20,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
) -> Solution:
    r"""Solve :math:`(H + \lambda)\, x = b` for a Hermitian, positive semidefinite operator.

    For :math:`H = A^H W A` and :math:`b = A^H W y` the iterates are those of :func:`conjugate_gradient` on
    :math:`A` and :math:`y`, but each costs one application of H, which may be far cheaper than :math:`A` and
    :math:`A^H`. The residuals are those of this equation, :math:`\| b - (H + \lambda) x \|`.

    Parameters
    ----------
    operator : LinearOperator
        H, of equal input and output shape; only its ``forward`` is called.
    data : array_like
        b, real or complex.
    regularization : float, optional
        :math:`\lambda`.
    initial : array_like, optional
        First image; zeros by default.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the norm of the residual is at most this.

    Returns
    -------
    Solution
        ``.image`` in the precision of the data, ``.residuals``, ``.n_iter``, ``.stopped_by``.

    Raises
    ------
    ValueError
        If the operator has two shapes, an array has the wrong shape or is not finite, a number is negative,
        or a direction shows that the operator is not positive.

    References
    ----------
    Hestenes and Stiefel 1952, https://doi.org/10.6028/jres.049.044

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon import LinearOperator
    >>> from imgtech.recon.solvers import solve_hermitian
    >>> class Scale(LinearOperator):
    ...     input_shape = output_shape = (3,)
    ...     def forward(self, x):
    ...         return x * np.array([1.0, 2.0, 4.0])
    ...     adjoint = forward
    >>> solve_hermitian(Scale(), np.array([1.0, 1.0, 1.0]), n_iter=3).image.round(9)
    array([1.  , 0.5 , 0.25])
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    if operator.input_shape != operator.output_shape:
        raise ValueError(
            f"operator must have one shape, got {operator.input_shape} to {operator.output_shape}"
        )
    b = data_of(operator, data)
    x = initial_of(operator, initial, b.dtype)
    strength = not_negative("regularization", regularization)
    residual = b.copy() if initial is None else b - operator.forward(x) - b.dtype.type(strength) * x
    return run(_iterates(operator, x, residual, strength), stopping, "conjugate gradients")


def _iterates(
    operator: LinearOperator, x: Array, residual: Array, strength: float
) -> Iterator[tuple[Array, float]]:
    scalar = x.dtype.type
    direction, energy = residual, norm(residual) ** 2
    first = energy
    yield x, norm(residual)
    while energy > (np.finfo(x.dtype).eps ** 2) * first:
        image = operator.forward(direction)
        if strength > 0:
            image = image + scalar(strength) * direction
        curvature = float(np.real(np.vdot(direction, image)))
        if curvature == 0:
            return
        if curvature < 0:
            raise ValueError(f"operator must be positive semidefinite, got a direction with {curvature:.3g}")
        step = scalar(energy / curvature)
        x = x + step * direction
        residual = residual - step * image
        before, energy = energy, norm(residual) ** 2
        yield x, norm(residual)
        direction = residual + scalar(energy / before) * direction
