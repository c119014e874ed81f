"""Trajectories through space and zig-zags: stacks, spokes over a ball, echo-planar lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, each, finite, floats, of_kind, positive
from imgtech.geometry.mri import Trajectory

GOLDEN_MEANS = 0.4655712318767680, 0.6823278038280193
"""Two-dimensional golden means: the real root of x**3 + x = 1, second, and its square, first."""


def stacked(
    plane: Trajectory, n_partitions: int, *, spacing_mm: float, rotation_rad: float = 0.0
) -> Trajectory:
    r"""A plane trajectory repeated along z: stack of stars, of spirals or of lines.

    Partition p lies at :math:`k_z = (p - \lfloor n/2 \rfloor) / (n\, \text{spacing})`, as on a Cartesian
    axis, and is turned by p times ``rotation_rad`` in the sense in which the angles of spokes grow.

    Parameters
    ----------
    plane : Trajectory
        Positions ``(ky, kx)``.
    n_partitions : int
        n, number of planes.
    spacing_mm : float
        Spacing of the slices.
    rotation_rad : float, optional
        Turn from one partition to the next, which spreads the gaps of few spokes over the partitions.

    Returns
    -------
    Trajectory
        Shape ``(n_partitions, *plane.shape)``, positions ``(kz, ky, kx)``.

    Raises
    ------
    ValueError
        If the trajectory does not lie in a plane or a number is out of range.

    Examples
    --------
    >>> from imgtech.geometry import Trajectory, stacked
    >>> stars = stacked(Trajectory.radial(5, 8, spacing_mm=2.0, golden=True), 4, spacing_mm=2.5)
    >>> stars.shape, stars.positions_per_mm[:, 0, 0, 0]
    ((4, 5, 8), array([-0.2, -0.1,  0. ,  0.1]))
    """
    of_kind("plane", plane, Trajectory)
    if plane.ndim != 2:
        raise ValueError(f"plane must have 2 axes, got {plane.ndim}")
    n = count("n_partitions", n_partitions)
    kz = (np.arange(n) - n // 2) / (n * positive("spacing_mm", spacing_mm))
    turn = np.arange(n) * finite("rotation_rad", rotation_rad)
    cos, sin = (f(turn).reshape(n, *(1,) * len(plane.shape)) for f in (np.cos, np.sin))
    ky, kx = plane.positions_per_mm[..., 0], plane.positions_per_mm[..., 1]
    y, x = ky * cos + kx * sin, kx * cos - ky * sin
    z = np.broadcast_to(kz.reshape(cos.shape), y.shape)
    return Trajectory(positions_per_mm=np.stack([z, y, x], axis=-1))


def kooshball(n_spokes: int, n_samples: int, *, spacing_mm: float, golden: bool = False) -> Trajectory:
    r"""Spokes through the centre in directions spread evenly over a ball, shape ``(spoke, sample)``.

    Sample i of a spoke lies at the radius :math:`(i - \lfloor n/2 \rfloor) / (n\, \text{spacing})`, as on a
    Cartesian axis, in the direction

    .. math:: (k_z, k_y, k_x) \propto (u,\ \sqrt{1 - u^2} \sin\varphi,\ \sqrt{1 - u^2} \cos\varphi).

    By default :math:`u_j = (j + 1/2) / n_\text{spokes}` and :math:`\varphi_j = j \pi (3 - \sqrt 5)`, which
    spreads the directions over half a sphere as seeds over a sunflower. In golden-means order
    :math:`u_j = \{ j \alpha_1 \}` and :math:`\varphi_j = 2 \pi \{ j \alpha_2 \}` with
    :math:`\alpha_1 = 0.4656` and :math:`\alpha_2 = 0.6823` (braces: the part behind the point), of which any
    number of spokes in a row is spread almost evenly.

    Parameters
    ----------
    n_spokes : int
        Number of spokes, each over a full diameter.
    n_samples : int
        Samples of a spoke.
    spacing_mm : float
        Voxel spacing that the diameter ``1 / spacing_mm`` resolves.
    golden : bool, optional
        Golden-means order.

    Returns
    -------
    Trajectory
        Positions ``(kz, ky, kx)``.

    Raises
    ------
    ValueError
        If a number is below 1 or the spacing is not positive.

    References
    ----------
    R. W. Chan et al., Temporal stability of adaptive 3D radial MRI using multidimensional golden means,
    Magnetic Resonance in Medicine 61 (2009) 354-363, doi:10.1002/mrm.21837.

    Examples
    --------
    >>> from imgtech.geometry import kooshball
    >>> kooshball(2, 4, spacing_mm=5.0).positions_per_mm[0, :, 0]
    array([-0.025 , -0.0125,  0.    ,  0.0125])
    """
    m, n = count("n_spokes", n_spokes), count("n_samples", n_samples)
    j = np.arange(m)
    if golden:
        u, azimuth = j * GOLDEN_MEANS[0] % 1.0, 2 * np.pi * (j * GOLDEN_MEANS[1] % 1.0)
    else:
        u, azimuth = (j + 0.5) / m, j * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - u**2)
    directions = np.stack([u, flat * np.sin(azimuth), flat * np.cos(azimuth)], axis=-1)
    radii = (np.arange(n) - n // 2) / (n * positive("spacing_mm", spacing_mm))
    return Trajectory(positions_per_mm=radii[:, None] * directions[:, None, :])


def echo_planar(
    shape: tuple[int, int],
    *,
    spacing_mm: tuple[float, float],
    n_shots: int = 1,
    readout_per_mm: npt.ArrayLike | None = None,
) -> Trajectory:
    r"""Lines of an echo-planar scan in the order of time, shape ``(shot, line, sample)``.

    Line l of shot s is line :math:`q = s + l\, n_\text{shots}` of the raster, at
    :math:`k_y = (q - \lfloor n_y/2 \rfloor) / (n_y\, \text{spacing}_y)`. Every second line of a shot, from
    the second on, is read backwards: its samples stand in the order in which they were taken, along falling
    :math:`k_x`.

    Parameters
    ----------
    shape : tuple of int
        Lines and samples ``(n_y, n_x)`` of the raster.
    spacing_mm : tuple of float
        Pixel spacing ``(y, x)``.
    n_shots : int, optional
        Number of excitations that share the lines; divides ``n_y``.
    readout_per_mm : array_like of float, optional
        Positions :math:`k_x` of a forward readout, shape ``(n_x,)``, as of
        :func:`imgtech.geometry.trapezoid_positions`; by default even ones,
        :math:`(i - \lfloor n_x/2 \rfloor) / (n_x\, \text{spacing}_x)`. A backward readout takes the same
        positions in the other order.

    Returns
    -------
    Trajectory
        Positions ``(ky, kx)``.

    Raises
    ------
    ValueError
        If a number is out of range, the shots do not divide the lines, or the readout does not have
        ``n_x`` positions.

    Examples
    --------
    >>> from imgtech.geometry import echo_planar
    >>> lines = echo_planar((4, 3), spacing_mm=(2.5, 5.0), n_shots=2)
    >>> lines.positions_per_mm[1, :, 0, 0], lines.positions_per_mm[1, 1, :, 1].round(3)
    (array([-0.1,  0.1]), array([ 0.067,  0.   , -0.067]))
    """
    if np.shape(shape) != (2,):
        raise ValueError(f"shape must have 2 axes, got {shape!r}")
    (ny, nx), shots = (count("shape", n) for n in shape), count("n_shots", n_shots)
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    if ny % shots:
        raise ValueError(f"n_shots must divide the {ny} lines, got {n_shots!r}")
    if readout_per_mm is None:
        kx = (np.arange(nx) - nx // 2) / (nx * dx)
    else:
        kx = floats("readout_per_mm", readout_per_mm)
    if len(kx) != nx:
        raise ValueError(f"readout_per_mm must hold {nx} positions, got {len(kx)}")
    ky = ((np.arange(ny) - ny // 2) / (ny * dy)).reshape(-1, shots).T
    there_and_back = np.where(np.arange(ny // shots)[:, None] % 2 == 0, kx, kx[::-1])
    y, x = np.broadcast_arrays(ky[..., None], there_and_back)
    return Trajectory(positions_per_mm=np.stack([y, x], axis=-1))
