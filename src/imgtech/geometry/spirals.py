"""Spiral trajectories, as fast as gradients of limited strength and slew rate can follow them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, positive
from imgtech.geometry.mri import Trajectory

PROTON_HZ_PER_T = 42.577478518e6
"""Gyromagnetic ratio of the proton over 2 pi: CODATA 2018, https://physics.nist.gov/cgi-bin/cuu/Value?gammapbar."""

_POINTS_PER_RADIAN = 24  # of the path on which the speed is found
_LEAST_POINTS = 4096

Floats = npt.NDArray[np.float64]


def spiral(
    n_interleaves: int,
    *,
    fov_mm: float,
    spacing_mm: float,
    dwell_s: float,
    max_gradient_mt_per_m: float,
    max_slew_t_per_m_s: float,
    edge_fov_mm: float | None = None,
    gamma_hz_per_t: float = PROTON_HZ_PER_T,
) -> Trajectory:
    r"""Spirals from the centre of k-space outwards, as data of shape ``(interleaf, sample)``.

    The path is :math:`(k_y, k_x) = k (\sin\varphi, \cos\varphi)` with

    .. math:: \frac{d\varphi}{dk} = \frac{2 \pi F(k)}{N}, \qquad
              F(k) = F_0 + (F_1 - F_0) \frac{k}{k_\text{max}},

    so that N interleaves, turned by :math:`2 \pi / N` against each other, leave gaps of :math:`1 / F(k)`
    between neighbouring turns: an Archimedean spiral for :math:`F_1 = F_0`, one of variable density
    otherwise. It is followed as fast as gradient and slew rate allow: with the arc length s, the curvature
    :math:`\kappa` and the speed v, :math:`(dv/dt)^2 + (\kappa v^2)^2 \le (\gamma S)^2`, from rest in the
    centre, up to :math:`v \le \gamma G` and to :math:`v \le 1 / (F_0\, \text{dwell})`, beyond which samples
    along the path would lie further apart than the field of view allows.

    Parameters
    ----------
    n_interleaves : int
        N, number of spirals.
    fov_mm : float
        Field of view :math:`F_0` that the turns in the centre are dense enough for.
    spacing_mm : float
        Pixel spacing that the spiral resolves: it ends at :math:`k_\text{max} = 1 / (2\, \text{spacing})`.
    dwell_s : float
        Time between two samples: sample i of every interleaf is taken ``i * dwell_s`` after the first,
        which lies in the centre.
    max_gradient_mt_per_m : float
        Largest strength G of the gradient, in mT/m.
    max_slew_t_per_m_s : float
        Largest slew rate S, in T/(m s).
    edge_fov_mm : float, optional
        Field of view :math:`F_1` of the outermost turns; that of the centre by default.
    gamma_hz_per_t : float, optional
        Gyromagnetic ratio over 2 pi; that of the proton by default.

    Returns
    -------
    Trajectory
        Shape ``(n_interleaves, n_samples)``, with as many samples as the way to the edge takes.

    Raises
    ------
    ValueError
        If a number is out of range or not even two samples fit into the readout.

    References
    ----------
    G. H. Glover, Simple analytic spiral k-space algorithm, Magnetic Resonance in Medicine 42 (1999)
    412-415, doi:10.1002/(SICI)1522-2594(199908)42:2<412::AID-MRM25>3.0.CO;2-U. M. Lustig, S.-J. Kim,
    J. M. Pauly, A fast method for designing time-optimal gradient waveforms for arbitrary k-space
    trajectories, IEEE Transactions on Medical Imaging 27 (2008) 866-873, doi:10.1109/TMI.2008.922699.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import spiral
    >>> shots = spiral(
    ...     8, fov_mm=240.0, spacing_mm=2.0, dwell_s=4e-6,
    ...     max_gradient_mt_per_m=30.0, max_slew_t_per_m_s=120.0,
    ... )
    >>> shots.shape[0]
    8
    >>> print(np.linalg.norm(shots.positions_per_mm, axis=-1).max().round(3))
    0.25
    """
    n = count("n_interleaves", n_interleaves)
    center, dwell = positive("fov_mm", fov_mm), positive("dwell_s", dwell_s)
    edge = center if edge_fov_mm is None else positive("edge_fov_mm", edge_fov_mm)
    k_max = 0.5 / positive("spacing_mm", spacing_mm)
    gamma = positive("gamma_hz_per_t", gamma_hz_per_t)
    # gamma in Hz/T times mT/m and T/(m s) gives 1e-6 and 1e-3 of cycles/(mm s) and cycles/(mm s^2)
    fastest = gamma * 1e-6 * positive("max_gradient_mt_per_m", max_gradient_mt_per_m)
    fastest = min(fastest, 1 / (center * dwell))
    pull = gamma * 1e-3 * positive("max_slew_t_per_m_s", max_slew_t_per_m_s)

    def angle(k: Floats) -> Floats:
        return np.asarray(2 * np.pi / n * k * (center + (edge - center) * k / (2 * k_max)))

    turns = float(angle(np.array(k_max)))
    k = np.linspace(0.0, k_max, max(_LEAST_POINTS, int(_POINTS_PER_RADIAN * turns)))
    slope = 2 * np.pi / n * (center + (edge - center) * k / k_max)
    bend = 2 * np.pi / n * (edge - center) / k_max
    stretch = np.sqrt(1 + (k * slope) ** 2)
    curvature = np.abs(k * bend + 2 * slope + k**2 * slope**3) / stretch**3
    way = np.append(0.0, np.cumsum((stretch[1:] + stretch[:-1]) / 2 * np.diff(k)))
    speed = _fastest_speed(way, curvature, fastest, pull)
    time = np.append(0.0, np.cumsum(2 * np.diff(way) / (speed[1:] + speed[:-1])))
    if time[-1] < dwell:
        raise ValueError(f"dwell_s must be shorter than the readout of {time[-1]:.3g} s, got {dwell_s!r}")
    at = np.arange(int(time[-1] / dwell * (1 + 1e-12)) + 1) * dwell
    piece = np.clip(np.searchsorted(time, at, side="right") - 1, 0, len(time) - 2)
    later = at - time[piece]
    gain = (speed[piece + 1] - speed[piece]) / (time[piece + 1] - time[piece])
    radius = np.interp(way[piece] + speed[piece] * later + gain / 2 * later**2, way, k)
    around = angle(radius) + 2 * np.pi / n * np.arange(n)[:, None]
    return Trajectory(positions_per_mm=np.stack([radius * np.sin(around), radius * np.cos(around)], axis=-1))


def _fastest_speed(way: Floats, curvature: Floats, fastest: float, pull: float) -> Floats:
    """Largest speed along a path from rest, with the whole acceleration at most ``pull``."""
    squares = np.zeros(len(way))
    most = np.minimum(fastest**2, pull / curvature)
    square = 0.0
    for i, step in enumerate(np.diff(way)):
        left = pull**2 - (square * curvature[i]) ** 2
        guess = square + 2 * step * np.sqrt(max(left, 0.0))
        left_then = pull**2 - (guess * curvature[i + 1]) ** 2
        square = min(square + step * (np.sqrt(max(left, 0.0)) + np.sqrt(max(left_then, 0.0))), most[i + 1])
        squares[i + 1] = square
    return np.sqrt(squares)
