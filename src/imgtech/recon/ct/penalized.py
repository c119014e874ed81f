"""Penalised methods: weighted least squares with a Huber penalty, and total variation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, FloatArray, not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.recon.ct._problem import Problem, bound, inverse
from imgtech.recon.ct.projector import Beam
from imgtech.recon.solvers import Gradient, Solution, fista, pdhg

# Steps of tv: least objective after 50 and 200 iterations, heads of 20 and 100 mm from 30 views.
_SHARE = 0.2  # of the gradient in the sum that bounds the primal step
_BALANCE = 0.1  # of dual against primal steps, in lengths of a ray


def pwls(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    weights: npt.ArrayLike | None = None,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    non_negative: bool = False,
    n_iter: int = 50,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    strength: float,
    edge_per_mm2: float,
) -> Solution:
    r"""Reconstruct by penalised weighted least squares with a Huber penalty on the gradient.

    .. math:: \min_x \; \tfrac12 \| A x - b \|_W^2 + \beta \int \psi_\delta(|\nabla x|), \qquad
              \psi_\delta(g) = \begin{cases} g^2 / (2 \delta) & g \le \delta \\ g - \delta / 2 & g > \delta
              \end{cases}

    Differences below :math:`\delta` are smoothed like noise, larger ones kept like edges. The weights of
    photon noise are the counts, :math:`W = N_0 e^{-b}`; then :math:`\beta` does not depend on the dose.
    Solved by accelerated steps with a diagonal majoriser (:func:`~imgtech.recon.solvers.fista`).

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    weights : array_like, optional
        Diagonal of :math:`W`, of ``beam.shape``: inverse variances; 0 leaves a ray out.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image; zeros by default. An image from :func:`fbp` saves iterations.
    non_negative : bool, optional
        Whether values below 0 are excluded.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the (weighted) norm of the residual is at most this.
    strength : float
        :math:`\beta`: without a unit for an image, in 1/mm for a volume.
    edge_per_mm2 : float
        :math:`\delta`: length of the gradient, attenuation per mm, from which a difference is an edge.

    Returns
    -------
    Solution
        ``.image`` in 1/mm, float64 for a float64 sinogram, float32 otherwise; ``.residuals``, ``.n_iter``,
        ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, or a number is out of its range.

    Notes
    -----
    Memory at the peak, arguments aside: 12 images and 4 sinograms in the precision of the sinogram, 6 with
    weights; for a fan or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Fessler 1994, https://doi.org/10.1109/42.293921

    Erdogan and Fessler 1999, https://doi.org/10.1088/0031-9155/44/11/311

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import pwls
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> grid = ImageGrid.square(33, fov_mm=33.0)
    >>> result = pwls(disk.sinogram(beam), beam, grid, strength=0.01, edge_per_mm2=0.001)
    >>> round(float(result.image[16, 16]), 3)
    0.02
    """
    problem = Problem.of(
        sinogram, beam, grid, weights=weights, mask=mask, initial=initial, non_negative=non_negative
    )
    operator, w = problem.operator, problem.weights
    gradient = Gradient(grid.shape, grid.spacing_mm)
    beta = not_negative("strength", strength) * float(np.prod(grid.spacing_mm))
    edge = positive("edge_per_mm2", edge_per_mm2)
    lengths = operator.forward(problem.ones())
    curvature = operator.adjoint(lengths if w is None else w * lengths)
    curvature += curvature.dtype.type(beta * gradient.norm_bound**2 / edge)
    curvature[curvature <= 0] = max(float(curvature.max()), 1.0)
    return fista(
        operator,
        problem.sinogram,
        proximal=bound(problem, non_negative),
        penalty_gradient=_huber(gradient, beta, edge),
        step=1 / curvature,
        weights=w,
        initial=problem.initial,
        n_iter=n_iter,
        tolerance=tolerance,
        discrepancy=discrepancy,
    )


def tv(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    weights: npt.ArrayLike | None = None,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    non_negative: bool = False,
    n_iter: int = 200,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    strength: float,
) -> Solution:
    r"""Reconstruct with the least total variation that still fits.

    .. math:: \min_x \; \tfrac12 \| A x - b \|_W^2 + \beta \int |\nabla x|

    with the isotropic discrete gradient (:class:`~imgtech.recon.solvers.Gradient`). Made for objects of few
    flat regions and for few views: streaks and noise have much variation. It flattens slopes into steps
    and lowers the contrast of small things. Solved by the primal-dual method
    (:func:`~imgtech.recon.solvers.pdhg`) with a step for each pixel and ray.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    weights : array_like, optional
        Diagonal of :math:`W`, of ``beam.shape``: inverse variances; 0 leaves a ray out.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image; zeros by default. An image from :func:`fbp` saves iterations.
    non_negative : bool, optional
        Whether values below 0 are excluded.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the (weighted) norm of the residual is at most this.
    strength : float
        :math:`\beta`: without a unit for an image, in 1/mm for a volume.

    Returns
    -------
    Solution
        ``.image`` in 1/mm, float64 for a float64 sinogram, float32 otherwise; ``.residuals``, ``.n_iter``,
        ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, or a number is negative.

    Notes
    -----
    Memory at the peak, arguments aside: 16 images and 9 sinograms in the precision of the sinogram, 11 with
    weights; for a fan or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Sidky, Joergensen and Pan 2012, https://doi.org/10.1088/0031-9155/57/10/3065

    Pock and Chambolle 2011, https://doi.org/10.1109/ICCV.2011.6126441

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import tv
    >>> beam = ParallelBeam.half_turn(n_views=10, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = tv(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0), strength=0.01)
    >>> round(float(result.image[16, 16]), 3)
    0.02
    """
    problem = Problem.of(
        sinogram, beam, grid, weights=weights, mask=mask, initial=initial, non_negative=non_negative
    )
    operator = problem.operator
    gradient = Gradient(grid.shape, grid.spacing_mm)
    beta = not_negative("strength", strength) * float(np.prod(grid.spacing_mm))
    lengths = operator.forward(problem.ones())
    sigma = inverse(lengths)
    sigma[sigma == 0] = 1 / max(float(lengths.max()), 1e-30)  # a ray outside the grid: any step will do
    columns = operator.adjoint(np.ones(operator.output_shape, lengths.dtype))
    share = _SHARE * float(columns.mean(dtype=np.float64))
    columns += columns.dtype.type(share)
    slow = share * min(grid.spacing_mm) / 2 / sum(2 / d for d in grid.spacing_mm)
    level = _BALANCE * float(lengths.mean(dtype=np.float64))
    if problem.weights is not None:
        level *= float(problem.weights.mean(dtype=np.float64))
    return pdhg(
        operator,
        problem.sinogram,
        penalties=[(gradient, _within(beta))],
        proximal=bound(problem, non_negative),
        steps=(1 / (level * columns), (level * sigma, level * slow)),
        weights=problem.weights,
        initial=problem.initial,
        n_iter=n_iter,
        tolerance=tolerance,
        discrepancy=discrepancy,
    )


def _huber(gradient: Gradient, beta: float, edge: float) -> Callable[[Array], Array]:
    """Gradient of the Huber penalty: differences of neighbours, those of edges cut to length 1."""

    def penalty_gradient(x: Array) -> Array:
        field = gradient.forward(x)
        length = _length(field)
        np.maximum(length, length.dtype.type(edge), out=length)
        field *= length.dtype.type(beta) / length
        return gradient.adjoint(field)

    return penalty_gradient


def _within(beta: float) -> Callable[[Array, Array], Array]:
    """Projection of every vector of a field onto the ball of radius ``beta``."""

    def project(field: Array, _: Array) -> Array:
        scale = field.dtype.type(beta) / np.maximum(_length(field), field.dtype.type(max(beta, 1e-30)))
        return field * scale

    return project


def _length(field: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("a...,a...->...", field, field)))
