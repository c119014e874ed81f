"""Multiplicative methods: maximum likelihood by expectation maximisation, with and without subsets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import FloatArray, count
from imgtech.geometry import ImageGrid
from imgtech.recon.ct._problem import Problem, inverse
from imgtech.recon.ct.projector import Beam
from imgtech.recon.solvers import Solution
from imgtech.recon.solvers.solution import Stopping, norm, run


def mlem(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 50,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
) -> Solution:
    r"""Reconstruct by expectation maximisation for Poisson data (MLEM).

    .. math:: x \leftarrow \frac{x}{A^T 1} \, A^T \frac{b}{A x}

    The image stays positive, the sum of its projections is that of the data after every step, and the
    Kullback-Leibler distance of the data from the projections falls. It is the maximum-likelihood method
    of emission tomography; applied to line integrals of transmission it is a positive fit whose weights
    are not those of the photon noise (see :func:`pwls`).

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``, not negative.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image, not negative; where it is 0 the image stays 0. By default uniform, with the sum of the
        data.
    n_iter : int, optional
        Largest number of iterations.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm.
    discrepancy : float, optional
        Stop when the norm of the residual is at most this.

    Returns
    -------
    Solution
        ``.image`` in 1/mm, float64 for a float64 sinogram, float32 otherwise; ``.residuals``, ``.n_iter``,
        ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, or a value of sinogram or initial image or a
        number is negative.

    Notes
    -----
    Memory at the peak, arguments aside: 6 images and 5 sinograms in the precision of the sinogram; for a fan
    or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Shepp and Vardi 1982, https://doi.org/10.1109/TMI.1982.4307558

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import mlem
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = mlem(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0))
    >>> round(float(result.image[12:21, 12:21].mean()), 3), bool((result.image >= 0).all())
    (0.02, True)
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    problem = Problem.of(sinogram, beam, grid, mask=mask, initial=initial)
    return run(_em(problem, 1), stopping, "MLEM")


def osem(
    sinogram: npt.ArrayLike,
    beam: Beam,
    grid: ImageGrid,
    *,
    mask: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    n_iter: int = 5,
    tolerance: float = 0.0,
    discrepancy: float = 0.0,
    n_subsets: int = 10,
) -> Solution:
    """Reconstruct by expectation maximisation with ordered subsets of the views (OSEM).

    A step of :func:`mlem` for each subset in turn; an iteration is one pass over all views and moves the
    image about as far as ``n_subsets`` iterations of MLEM. Subset s holds every ``n_subsets``-th view from
    view s.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, of ``beam.shape``, not negative.
    beam : ParallelBeam, FanBeam or ConeBeam
        Where the rays run.
    grid : ImageGrid
        Where the pixels are.
    mask : array_like of bool, optional
        Pixels to reconstruct; the others are 0.
    initial : array_like, optional
        First image, not negative; where it is 0 the image stays 0. By default uniform, with the sum of the
        data.
    n_iter : int, optional
        Largest number of passes over the views.
    tolerance : float, optional
        Stop when the image changes by at most this part of its norm in a pass.
    discrepancy : float, optional
        Stop when the norm of the residual is at most this.
    n_subsets : int, optional
        Number of subsets, up to the number of views.

    Returns
    -------
    Solution
        ``.image`` in 1/mm, float64 for a float64 sinogram, float32 otherwise; ``.residuals``, gathered
        during each pass as in :func:`os_sart`, ``.n_iter``, ``.stopped_by``.

    Raises
    ------
    ValueError
        If an array has the wrong shape or is not finite, a value of sinogram or initial image or a number is
        negative, or there are more subsets than views.

    Notes
    -----
    Memory at the peak, arguments aside: ``n_subsets + 6`` images and 4 sinograms in the precision of the
    sinogram; for a fan or a cone also the workspace of :class:`Projector`.

    References
    ----------
    Hudson and Larkin 1994, https://doi.org/10.1109/42.363108

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import osem
    >>> beam = ParallelBeam.half_turn(n_views=30, n_channels=40, channel_spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=12.0, value=0.02)
    >>> result = osem(disk.sinogram(beam), beam, ImageGrid.square(33, fov_mm=33.0), n_subsets=6)
    >>> round(float(result.image[16, 16]), 3)
    0.02
    """
    stopping = Stopping(n_iter=n_iter, tolerance=tolerance, discrepancy=discrepancy)
    problem = Problem.of(sinogram, beam, grid, mask=mask, initial=initial)
    return run(_em(problem, count("n_subsets", n_subsets)), stopping, "OSEM")


def _em(problem: Problem, n_subsets: int) -> Iterator[tuple[FloatArray, float]]:
    known = problem.sinogram
    for name, values in (("sinogram", known), ("initial", problem.initial)):
        if values is not None and values.min() < 0:
            raise ValueError(f"{name} must not be negative, got {values.min()}")
    parts = [
        (views, operator, inverse(operator.adjoint(np.ones(operator.output_shape, known.dtype))))
        for views, operator in problem.subsets(n_subsets)
    ]
    whole = problem.operator
    image: FloatArray
    projected: FloatArray
    if problem.initial is None:
        image = problem.ones()
        lengths = whole.forward(image)
        total = float(lengths.sum(dtype=np.float64))
        if total == 0:
            raise ValueError("the beam must meet the grid, got no ray that does")
        level = image.dtype.type(float(known.sum(dtype=np.float64)) / total)
        image, projected = image * level, lengths * level
    else:
        image = problem.initial.copy()
        projected = whole.forward(image)
    while True:
        yield image, norm(known - projected)
        for views, operator, scale in parts:
            if n_subsets > 1:
                projected[views] = operator.forward(image)
            ratio = known[views] * inverse(projected[views])
            image = image * scale * operator.adjoint(ratio)
        if n_subsets == 1:
            projected = whole.forward(image)
