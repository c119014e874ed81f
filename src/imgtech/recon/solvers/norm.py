"""The norm of an operator by power iteration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, not_negative
from imgtech.recon.linop import LinearOperator
from imgtech.recon.solvers.solution import norm

_GOLDEN = (5**0.5 - 1) / 2


def operator_norm(
    operator: LinearOperator,
    *,
    n_iter: int = 100,
    tolerance: float = 1e-4,
    dtype: npt.DTypeLike = np.float64,
) -> float:
    r"""Largest singular value of an operator, by power iteration on :math:`A^H A`.

    The estimate grows towards the norm and never exceeds it; take a step a few per cent shorter than it
    allows. The start is a fixed sequence that fills [1/2, 3/2) evenly, so the answer is reproducible.

    Parameters
    ----------
    operator : LinearOperator
        :math:`A`.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the estimate grows by at most this part of itself.
    dtype : dtype_like, optional
        Type of the arrays that the operator gets.

    Returns
    -------
    float
        :math:`\|A x\|` for the last unit vector :math:`x`; 0 for the zero operator.

    Raises
    ------
    ValueError
        If ``n_iter`` is below 1 or ``tolerance`` negative.

    Examples
    --------
    >>> from imgtech.recon.solvers import Gradient, operator_norm
    >>> round(operator_norm(Gradient((16, 16)), n_iter=500, tolerance=1e-6), 2)
    2.81
    """
    count("n_iter", n_iter)
    not_negative("tolerance", tolerance)
    n = int(np.prod(operator.input_shape))
    start = 0.5 + np.mod(np.arange(1, n + 1) * _GOLDEN, 1.0)
    x = start.reshape(operator.input_shape).astype(dtype)
    estimate = 0.0
    for _ in range(n_iter):
        x = x / x.dtype.type(norm(x))
        y = operator.forward(x)
        before, estimate = estimate, norm(y)
        if estimate == 0 or estimate - before <= tolerance * estimate:
            break
        x = operator.adjoint(y)
    return estimate
