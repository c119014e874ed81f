"""Images from samples anywhere in k-space, each weighted by the area it stands for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, floats
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding import Nufft
from imgtech.recon.mri._spokes import STRAIGHT, spokes_of


def radial_density(trajectory: Trajectory) -> npt.NDArray[np.float64]:
    r"""Area of k-space that every sample of radial spokes stands for, in 1/mm².

    With the step :math:`\Delta` along the spoke and the mean :math:`\delta` of the angles to the
    neighbouring spokes (modulo half a turn, in whatever order they were measured) the weight at radius
    :math:`\rho` is

    .. math:: w = \delta\, \Delta\, |\rho|,

    and the two samples next to the centre, at :math:`\theta \Delta` and :math:`(1 - \theta) \Delta` on
    either side, get :math:`(1 - \theta)` and :math:`\theta` of :math:`\delta \Delta^2 (\theta^2 - \theta +
    1/6)` on top. That is the Euler-Maclaurin correction for the kink of :math:`|\rho|`; a sample at the
    centre gets :math:`\delta \Delta^2 / 6`. Without it a large object loses signal, with the area of a disk
    of radius :math:`\Delta / 2` in its place, :math:`\delta \Delta^2 / 4`, it gains some.

    Parameters
    ----------
    trajectory : Trajectory
        Shape ``(spoke, sample)``: straight, evenly sampled spokes through the centre of a plane, from one
        side to the other, as from :meth:`imgtech.geometry.Trajectory.radial`.

    Returns
    -------
    numpy.ndarray
        Weights of the shape of the trajectory, float64.

    Raises
    ------
    ValueError
        If the trajectory is anything else.

    References
    ----------
    F. W. J. Olver et al. (editors), NIST Digital Library of Mathematical Functions, 2.10(i),
    https://dlmf.nist.gov/2.10.

    Examples
    --------
    >>> from imgtech.geometry import Trajectory
    >>> from imgtech.recon.mri import radial_density
    >>> weights = radial_density(Trajectory.radial(400, 128, spacing_mm=2.0))
    >>> bool(abs(weights.sum() / (np.pi * 0.25**2) - 1) < 0.01)
    True
    """
    direction, step, radius = spokes_of(trajectory)
    position = radius / step[:, None]
    before = np.floor(position + STRAIGHT)
    theta = np.clip(np.where(before == 0, position, 0).sum(-1), 0, 1)
    share = np.maximum(0, 1 - np.abs(position))
    kink = (theta**2 - theta + 1 / 6)[:, None] * share
    delta = _angle_between_neighbours(np.arctan2(direction[:, 0], direction[:, 1]))
    return np.asarray(delta[:, None] * step[:, None] ** 2 * (np.abs(position) + kink))


def gridding(
    kspace: npt.ArrayLike,
    trajectory: Trajectory,
    grid: ImageGrid,
    *,
    density: npt.ArrayLike | None = None,
    tolerance: float = 1e-4,
) -> ComplexArray:
    r"""Reconstruct samples anywhere in k-space, of a plane or of space, without iterations.

    The Riemann sum of the Fourier integral, with the area or volume :math:`w_j` that each sample stands for:

    .. math:: m(r) = \sum_j w_j\, S(k_j)\, e^{2 \pi i\, k_j \cdot r}.

    The k-space :math:`S(k) = \int m\, e^{-2 \pi i\, k \cdot r}\, dr` of an object gives the values of the
    object, as far as the samples lie densely enough.

    Parameters
    ----------
    kspace : array_like
        Samples of the shape of the trajectory, or ``(coil, ...)``; value times mm² (mm³ in space).
    trajectory : Trajectory
        Where the samples lie.
    grid : ImageGrid
        Where the pixels are, anywhere.
    density : array_like, optional
        Area of each sample in 1/mm² (volume in 1/mm³), of the shape of the trajectory; by default
        :func:`radial_density`. For other trajectories see :func:`voronoi_density` and
        :func:`pipe_menon_density`.
    tolerance : float, optional
        Relative error of the sum, see :class:`imgtech.recon.gridding.Nufft`.

    Returns
    -------
    numpy.ndarray
        Complex image, or one for each coil; double precision for double-precision samples.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, the trajectory is not radial and no ``density`` is
        given, or :class:`imgtech.recon.gridding.Nufft` refuses.

    References
    ----------
    J. I. Jackson et al., Selection of a convolution function for Fourier inversion using gridding, IEEE
    Transactions on Medical Imaging 10 (1991) 473-478, doi:10.1109/42.97598.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, Trajectory
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.mri import gridding
    >>> spokes = Trajectory.radial(120, 96, spacing_mm=1.0)
    >>> disk = uniform_disk(radius_mm=20.0, value=3.0)
    >>> image = gridding(disk.kspace(spokes), spokes, ImageGrid.square(48, fov_mm=48.0))
    >>> print(image.real[16:32, 16:32].mean().round(1))
    3.0
    """
    n_axes = len(trajectory.shape)
    samples = complex_image("kspace", kspace, (n_axes, n_axes + 1), trajectory.shape)
    weights = radial_density(trajectory) if density is None else floats("density", density, n_axes)
    if weights.shape != trajectory.shape:
        raise ValueError(f"density must have the shape {trajectory.shape}, got {weights.shape}")
    operator = Nufft(trajectory, grid, tolerance)
    pixel = float(np.prod(grid.spacing_mm))
    return operator.adjoint(samples * (weights / pixel).astype(samples.real.dtype))


def _angle_between_neighbours(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Half the angle from the spoke before to the spoke after, modulo half a turn."""
    around = np.mod(angles, np.pi)
    order = np.argsort(around, kind="stable")
    gaps = np.diff(np.append(around[order], around[order[0]] + np.pi))
    delta = np.empty_like(gaps)
    delta[order] = (gaps + np.roll(gaps, 1)) / 2
    return delta
