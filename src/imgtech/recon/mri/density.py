"""The area of k-space that each sample of any trajectory stands for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, each, of_kind, positive
from imgtech.geometry import Trajectory
from imgtech.recon.gridding.overlap import Overlap, sample_overlap
from imgtech.recon.mri._cells import cell_areas

_CENTER = 3.0  # steps 1/fov of k-space within which weights are calibrated
_CENTER_STEPS = 5

Floats = npt.NDArray[np.float64]


def voronoi_density(trajectory: Trajectory, fov_mm: float | tuple[float, ...]) -> Floats:
    r"""Area of the Voronoi cell of every sample, calibrated to keep the values of uniform objects, in 1/mm².

    A sample stands for the points of k-space that are nearer to it than to any other. Coincident samples
    share their cell. The cell of a sample on the rim is cut at the convex hull of all samples and enlarged
    by the part of a turn that the hull leaves around it, so that every sample of a raster weighs the same.

    Areas alone are not the best weights in the centre, where an extended object has all its signal: there
    the cells of spokes and spirals are not even, and a large disk would gain some per cent. The weights
    within ``3 / fov_mm`` of the centre are therefore corrected until

    .. math:: E_i = \sum_j w_j\, c(k_i - k_j) = 1,

    with a window c of integral 1 whose transform fills the field of view, by five steps of conjugate
    gradients.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie in a plane, in any shape and order.
    fov_mm : float or tuple of float
        Field of view that the samples are dense enough for, one number or one an axis.

    Returns
    -------
    numpy.ndarray
        Weights of the shape of the trajectory, float64, not negative.

    Raises
    ------
    ValueError
        If the trajectory does not lie in a plane, all samples lie on one line, or a field is not positive.

    References
    ----------
    V. Rasche et al., Resampling of data between arbitrary grids using convolution interpolation, IEEE
    Transactions on Medical Imaging 18 (1999) 385-392.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import Trajectory
    >>> from imgtech.recon.mri import voronoi_density
    >>> weights = voronoi_density(Trajectory.radial(101, 64, spacing_mm=2.0, golden=True), 128.0)
    >>> bool(abs(weights.sum() / (np.pi * 0.25**2) - 1) < 0.03)
    True
    """
    of_kind("trajectory", trajectory, Trajectory)
    if trajectory.ndim != 2:
        raise ValueError(f"trajectory must have 2 axes, got {trajectory.ndim}; see pipe_menon_density")
    fov = _fields(fov_mm, 2)
    areas = cell_areas(trajectory.positions_per_mm.reshape(-1, 2)).reshape(trajectory.shape)
    return _calibrated(areas, trajectory, fov, sample_overlap(trajectory, fov))


def pipe_menon_density(
    trajectory: Trajectory, fov_mm: float | tuple[float, ...], *, n_iter: int = 10
) -> Floats:
    r"""Weights found by making the weighted samples equally dense everywhere, in 1/mm² or 1/mm³.

    .. math:: w_i \leftarrow w_i \Big/ \sum_j w_j\, c(k_i - k_j)

    from :math:`w = 1`, with a window c of integral 1 whose transform fills the field of view. It needs no
    geometry and works in space, too; samples on the rim, which have neighbours on one side only, weigh more
    than their area. The weights within ``3 / fov_mm`` of the centre, on which the values of extended objects
    depend, are brought closer to equality as in :func:`voronoi_density`.

    Parameters
    ----------
    trajectory : Trajectory
        Where the samples lie, in a plane or in space.
    fov_mm : float or tuple of float
        Field of view that the samples are dense enough for, one number or one an axis.
    n_iter : int, optional
        Number of iterations.

    Returns
    -------
    numpy.ndarray
        Weights of the shape of the trajectory, float64, not negative.

    Raises
    ------
    ValueError
        If a field is not positive or ``n_iter`` is below 1.

    References
    ----------
    J. G. Pipe, P. Menon, Sampling density compensation in MRI: rationale and an iterative numerical
    solution, Magnetic Resonance in Medicine 41 (1999) 179-186,
    doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import Trajectory
    >>> from imgtech.recon.mri import pipe_menon_density
    >>> weights = pipe_menon_density(Trajectory.radial(101, 64, spacing_mm=2.0, golden=True), 128.0)
    >>> bool(abs(weights.sum() / (np.pi * 0.25**2) - 1) < 0.02)
    True
    """
    of_kind("trajectory", trajectory, Trajectory)
    fov = _fields(fov_mm, trajectory.ndim)
    overlap = sample_overlap(trajectory, fov)
    weights = np.ones(trajectory.shape)
    for _ in range(count("n_iter", n_iter)):
        weights = weights / overlap(weights)
    return _calibrated(weights, trajectory, fov, overlap)


def _fields(fov_mm: float | tuple[float, ...], n_axes: int) -> tuple[float, ...]:
    fields = np.broadcast_to(fov_mm, n_axes) if np.ndim(fov_mm) == 0 else np.asarray(fov_mm)
    return each("fov_mm", fields.tolist(), n_axes, positive)


def _calibrated(weights: Floats, trajectory: Trajectory, fov: tuple[float, ...], overlap: Overlap) -> Floats:
    """Bring the overlap in the centre of k-space to 1, by conjugate gradients on small changes there."""
    steps = np.sqrt(((trajectory.positions_per_mm * np.array(fov)) ** 2).sum(axis=-1))
    freedom = weights * np.maximum(0, 1 - (steps / _CENTER) ** 2)
    found, residual = weights.copy(), 1 - overlap(weights)
    direction = freedom * residual
    size = float((residual * direction).sum())
    for _ in range(_CENTER_STEPS):
        if size <= 0:
            break
        change = overlap(direction)
        step = size / float((direction * change).sum())
        found += step * direction
        residual -= step * change
        before, size = size, float((freedom * residual**2).sum())
        direction = freedom * residual + size / before * direction
    return np.maximum(found, 0)
