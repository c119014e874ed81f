"""Algebraic methods: SIRT, ordered subsets of SART, and conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import FloatArray, count, positive
from imgtech.geometry import ImageGrid
from imgtech.recon.ct._problem import Problem, inverse
from imgtech.recon.ct.projector import Beam
from imgtech.recon.solvers import Solution, conjugate_gradient
from imgtech.recon.solvers.solution import Stopping, norm, run


def sirt(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    weights: npt.ArrayLike | None = None,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    non_negative: bool = False,
    n_iter: int = 100,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    relaxation: float = 1.0,
) -> Solution:
    r"""Reconstruct by the simultaneous iterative reconstruction technique (SIRT).

    .. math:: x \leftarrow x + \lambda\, C A^T W (b - A x), \qquad C = 1 / (A^T W A 1),

    with :math:`W = 1 / (A 1)` by default, one over the length of every ray in the grid; then
    :math:`C = 1 / (A^T 1)`. It goes down in :math:`\| A x - b \|_W` at every step, slowly for fine detail:
    what has not been reached after ``n_iter`` steps is smooth, not noisy.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    weights : array_like, optional
        Statistical weights in place of one over the lengths, of ``beam.shape``; 0 leaves a ray out.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image; zeros by default.
    non_negative : bool, optional
        Whether values below 0 are set to 0 after every step.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the norm of the residual, weighted if ``weights`` are given, is at most this.
    relaxation : float, optional
        :math:`\lambda`, between 0 and 2.

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
    Memory at the peak, arguments aside: 5 images and 4 sinograms in the precision of the sinogram; for a fan
    or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Gregor and Benson 2008, https://doi.org/10.1109/TMI.2008.923696

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import sirt
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = sirt(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0), n_iter=50)
    >>> round(float(result.image[16, 16]), 3), result.n_iter
    (0.02, 50)
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    problem = Problem.of(
        sinogram, beam, grid, weights=weights, mask=mask, initial=initial, non_negative=non_negative
    )
    return run(_sirt(problem, _relaxation(relaxation), non_negative), stopping, "SIRT")


def _sirt(problem: Problem, relaxation: float, non_negative: bool) -> Iterator[tuple[FloatArray, float]]:
    operator, given = problem.operator, problem.weights
    lengths = operator.forward(problem.ones())
    weights = inverse(lengths) if given is None else given
    step = inverse(operator.adjoint(weights * lengths))
    step *= step.dtype.type(relaxation)
    del lengths
    image = problem.start()
    residual = problem.sinogram.copy()
    if problem.initial is not None:
        residual -= operator.forward(image)
    while True:
        yield image, norm(residual, given)
        residual *= weights
        image = image + step * operator.adjoint(residual)
        if non_negative:
            np.maximum(image, 0, out=image)
        np.subtract(problem.sinogram, operator.forward(image), out=residual)


def os_sart(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    weights: npt.ArrayLike | None = None,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    non_negative: bool = False,
    n_iter: int = 10,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    relaxation: float = 1.0,
    n_subsets: int = 10,
) -> Solution:
    """Reconstruct by SART with ordered subsets of the views: a step of SIRT for each subset in turn.

    An iteration is one pass over all views and moves the image about as far as ``n_subsets`` iterations of
    :func:`sirt`. One subset is SIRT, ``n_subsets=beam.n_views`` is SART. Subset s holds every
    ``n_subsets``-th view from view s, and subsets follow one another in bit-reversed order. With noise the
    image ends in a small cycle; fewer subsets or a shorter step make it smaller.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    weights : array_like, optional
        Statistical weights in place of one over the lengths of the rays, of ``beam.shape``; 0 leaves a
        ray out.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image; zeros by default.
    non_negative : bool, optional
        Whether values below 0 are set to 0 after every step.
    n_iter : int, optional
        Largest number of passes over the views.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm in a pass.
    discrepancy : float, optional
        Stop when the norm of the residual, weighted if ``weights`` are given, is at most this.
    relaxation : float, optional
        Length of a step, between 0 and 2.
    n_subsets : int, optional
        Number of subsets, up to the number of views.

    Returns
    -------
    Solution
        ``.image`` in 1/mm, float64 for a float64 sinogram, float32 otherwise; ``.residuals``, ``.n_iter``,
        ``.stopped_by``. The residual of a pass is gathered on the way, each subset's just before its step,
        and so a little above that of the image.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, or a number is out of its range.

    Notes
    -----
    Memory at the peak, arguments aside: ``n_subsets + 5`` images and 2.5 sinograms in the precision of the
    sinogram; for a fan or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Andersen and Kak 1984, https://doi.org/10.1177/016173468400600107

    Wang and Jiang 2004, Ordered-subset simultaneous algebraic reconstruction techniques, Journal of X-Ray
    Science and Technology 12, 169-177.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import os_sart
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = os_sart(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0), n_iter=5)
    >>> round(float(result.image[16, 16]), 3)
    0.02
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    problem = Problem.of(
        sinogram, beam, grid, weights=weights, mask=mask, initial=initial, non_negative=non_negative
    )
    iterates = _os_sart(problem, count("n_subsets", n_subsets), _relaxation(relaxation), non_negative)
    return run(iterates, stopping, "OS-SART")


def _os_sart(
    problem: Problem, n_subsets: int, relaxation: float, non_negative: bool
) -> Iterator[tuple[FloatArray, float]]:
    ones, given = problem.ones(), problem.weights
    parts = []
    for views, operator in problem.subsets(n_subsets):
        lengths = operator.forward(ones)
        weights = inverse(lengths) if given is None else given[views]
        step = inverse(operator.adjoint(weights * lengths))
        step *= step.dtype.type(relaxation)
        parts.append((views, operator, weights, step))
    del ones
    image = problem.start()
    known = problem.sinogram
    if problem.initial is None:
        yield image, norm(known, given)
    else:
        yield image, norm(known - problem.operator.forward(image), given)
    while True:
        image, total = image.copy(), 0.0
        for views, operator, weights, step in parts:
            residual = known[views] - operator.forward(image)
            total += norm(residual, None if given is None else weights) ** 2
            residual *= weights
            image += step * operator.adjoint(residual)
            if non_negative:
                np.maximum(image, 0, out=image)
        yield image, total**0.5


def cgls(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    weights: npt.ArrayLike | None = None,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 20,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    regularization: float = 0.0,
) -> Solution:
    r"""Reconstruct by conjugate gradients on the normal equations (CGLS).

    .. math:: \min_x \; \| A x - b \|_W^2 + \lambda \| x - x_0 \|^2

    It needs the fewest iterations of all methods here, and like all of them fits noise when it runs too
    long: stop it by ``n_iter`` or ``discrepancy``, or set ``regularization``.

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
        :math:`x_0`; zeros by default.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the (weighted) norm of the residual is at most this: for rays whose noise has the standard
        deviation :math:`\sigma` and no weights, :math:`\sigma` times the root of their number.
    regularization : float, optional
        :math:`\lambda` in mm^2.

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
    Memory at the peak, arguments aside: 7 images and 5 sinograms in the precision of the sinogram, 7 with
    weights; for a fan or a cone also the workspace of :class:`Projector`.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import cgls
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = cgls(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0), n_iter=10)
    >>> round(float(result.image[12:21, 12:21].mean()), 4)
    0.02
    """
    problem = Problem.of(sinogram, beam, grid, weights=weights, mask=mask, initial=initial)
    return conjugate_gradient(
        problem.operator,
        problem.sinogram,
        weights=problem.weights,
        regularization=regularization,
        initial=problem.initial,
        n_iter=n_iter,
        tolerance=tolerance,
        discrepancy=discrepancy,
    )


def _relaxation(value: float) -> float:
    if positive("relaxation", value) >= 2:
        raise ValueError(f"relaxation must be below 2, got {value!r}")
    return float(value)
