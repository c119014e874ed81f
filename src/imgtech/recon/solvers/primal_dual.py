"""PDHG: the primal-dual method of Chambolle and Pock for sums of penalties of linear maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array
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
Steps = float | npt.ArrayLike


def pdhg(
    operator: LinearOperator,
    data: npt.ArrayLike,
    *,
    penalties: Sequence[tuple[LinearOperator, Callable[[Array, Array], Array]]] = (),
    proximal: Callable[[Array, Array], Array] | None = None,
    steps: tuple[Steps, Sequence[Steps]] | None = None,
    weights: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 200,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
) -> Solution:
    r"""Minimise a weighted sum of squares with penalties of linear maps, none of them smooth perhaps.

    .. math:: \min_x \; \tfrac12 \| A x - b \|_W^2 + \sum_i h_i(K_i x) + g(x)

    Each :math:`h_i` is given by the proximal map of its conjugate; for :math:`h = \lambda \|\cdot\|_1` that
    is clipping to :math:`[-\lambda, \lambda]`.

    Parameters
    ----------
    operator : LinearOperator
        :math:`A`.
    data : array_like
        :math:`b`, of ``operator.output_shape``, real or complex.
    penalties : sequence of (LinearOperator, callable), optional
        Pairs of :math:`K_i` and ``dual_proximal(y, sigma)``, the proximal map of the conjugate of
        :math:`h_i`.
    proximal : callable, optional
        ``proximal(x, tau)`` of :math:`g`; without it :math:`g = 0`.
    steps : tuple, optional
        ``(tau, (sigma_A, sigma_1, ...))``, numbers or arrays. They must keep
        :math:`\|\Sigma^{1/2} K T^{1/2}\| \le 1`; by default :math:`\sigma = 1 / \|K_i\|` and
        :math:`\tau = 1 / \sum_i \|K_i\|`, from :func:`operator_norm`.
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
        If an array has the wrong shape or is not finite, a number is negative, the number of steps is
        another than that of the operators, a step is not positive, or the iteration diverges.

    References
    ----------
    Chambolle and Pock 2011, https://doi.org/10.1007/s10851-010-0251-1

    Pock and Chambolle 2011, https://doi.org/10.1109/ICCV.2011.6126441

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon import LinearOperator
    >>> from imgtech.recon.solvers import Gradient, pdhg
    >>> class Same(LinearOperator):
    ...     input_shape = output_shape = (1, 4)
    ...     def forward(self, x):
    ...         return x
    ...     adjoint = forward
    >>> noisy = np.array([[0.0, 0.2, 1.0, 1.2]])
    >>> clip = lambda y, sigma: np.clip(y, -0.1, 0.1)
    >>> pdhg(Same(), noisy, penalties=[(Gradient((1, 4)), clip)], n_iter=500).image.round(4)
    array([[0.1, 0.2, 1. , 1.1]])
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    b = data_of(operator, data)
    w = weights_of(operator, weights, b.dtype)
    x = initial_of(operator, initial, b.dtype)
    operators = [operator, *(k for k, _ in penalties)]
    if steps is None:
        norms = [_NORM_SLACK * operator_norm(k, dtype=b.dtype) for k in operators]
        steps = 1 / max(sum(norms), 1e-300), [1 / max(size, 1e-300) for size in norms]
    tau, sigmas = steps
    if len(sigmas) != len(operators):
        raise ValueError(f"steps must hold {len(operators)} dual steps, got {len(sigmas)}")
    real = np.zeros(0, b.dtype).real.dtype
    lengths = [np.asarray(s, dtype=real) for s in (tau, *sigmas)]
    if not all(np.isfinite(s).all() and s.min() > 0 for s in lengths):
        raise ValueError(f"steps must be positive and finite, got {steps!r}")
    fit = _fit(b, w)
    duals = [fit, *(dual for _, dual in penalties)]
    return run(_pdhg(operators, duals, proximal, x, b, w, lengths), stopping, "PDHG")


def _fit(b: Array, w: Array | None) -> Callable[[Array, Array], Array]:
    """Proximal map of the conjugate of half the weighted squared distance to the data."""
    if w is None:
        return lambda y, sigma: (y - sigma * b) / (1 + sigma)
    return lambda y, sigma: w * (y - sigma * b) / (w + sigma)


def _pdhg(
    operators: list[LinearOperator],
    duals: list[Callable[[Array, Array], Array]],
    proximal: Callable[[Array, Array], Array] | None,
    x: Array,
    b: Array,
    w: Array | None,
    lengths: list[Array],
) -> Iterator[tuple[Array, float]]:
    """Apply every operator once an iteration: what it makes of the extrapolated image is linear."""
    tau, *sigmas = lengths
    images = [k.forward(x) for k in operators]
    yield x, norm(images[0] - b, w)
    ahead = list(images)
    fields = [np.zeros_like(image) for image in images]
    while True:
        descent = np.zeros_like(x)
        for i, (k, dual, sigma) in enumerate(zip(operators, duals, sigmas, strict=True)):
            fields[i] = dual(fields[i] + sigma * ahead[i], sigma)
            descent += k.adjoint(fields[i])
        x = x - tau * descent
        if proximal is not None:
            x = proximal(x, tau)
        for i, k in enumerate(operators):
            image = k.forward(x)
            ahead[i] = 2 * image - images[i]
            images[i] = image
        yield x, norm(images[0] - b, w)
