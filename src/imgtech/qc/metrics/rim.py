"""The rim of a bright disk, found along rays to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, each, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.metrics._rim_edges import coarse_edges, fine_edges

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REACH_MM = (8.0, 4.0, 4.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rim(ArrayValue):
    """Edge of a disk along rays from its centre.

    Parameters
    ----------
    center_mm : tuple of float
        Centre ``(y, x)`` of the circle fitted to the sound edge points, in the frame of the grid.
    radius_mm : float
        Radius of that circle.
    angle_rad : numpy.ndarray
        Direction of each ray, from the x axis towards the y axis.
    edge_mm : numpy.ndarray
        Distance of the edge from the centre; where ``sound`` is false it has no meaning.
    sound : numpy.ndarray
        Whether an edge was found that lies near the circle.
    scatter_mm : float
        Standard deviation of neighbouring sound edge points about their local mean.
    shape : numpy.ndarray
        Second and third harmonics of the edge, ``(cos 2a, sin 2a, cos 3a, sin 3a)``, millimetres.
    pixel_mm : float
        The larger pixel spacing.
    ripple_mm : numpy.ndarray
        Amplitudes, along y and x, of the ripple of the pixel grid that was taken from the edge.
    ripple : numpy.ndarray
        The ripple along each ray for an amplitude of 1, shape ``(n_rays, 2)``.
    level_mm : numpy.ndarray
        Standard uncertainty along each ray by the level outside, of one sign all around: in a magnitude image
        by what lies outside beyond the floor of noise (a ghost, of unknown phase); in another image without
        values below zero by a floor that may be rectified, and would then not be there at the edge.
    ringing_mm : float
        Standard uncertainty by ringing, of one sign all around: half of what the mean edge moves by if the
        levels are read a pixel further from it, where ringing has the other sign, and 0.001 pixel. For a
        sharp edge (standard deviation below 0.65 pixel) that is 0.0025 pixel and, where no pixel is below
        zero, 0.3 pixel times the rectified lobe of ringing beyond it, as a share of the contrast, and in a
        magnitude image 0.65 pixel times the square of the share of the floor. Where no pixel is below zero,
        a broader edge that is not antisymmetric was smoothed after its ringing or noise was folded up: then
        it is 2.5 standard deviations of the edge times the mean of what lies 1 to 2.5 of them outside and is
        not missing inside, as a share of the level, less 0.002; lobes that still stand apart there count
        0.003 pixel.
    """

    center_mm: tuple[float, float]
    radius_mm: float
    angle_rad: Floats
    edge_mm: Floats
    sound: Bools
    scatter_mm: float
    shape: Floats
    pixel_mm: float
    ripple_mm: Floats
    ripple: Floats
    level_mm: Floats
    ringing_mm: float

    def smooth_mm(self, angle_rad: npt.ArrayLike) -> Floats:
        """Radius of the fitted rim (circle with second and third harmonic) in given directions."""
        return self.radius_mm + _harmonics(np.asarray(angle_rad, dtype=np.float64)) @ self.shape


def disk_rim(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radius_mm: float,
    n_rays: int = 720,
    magnitude: bool = False,
) -> Rim:
    r"""Find the edge of a bright disk along rays, to a fraction of a pixel.

    The image is read by cubic splines along each ray. The edge is where it crosses the mean of the level
    inside (1.5 to 4.5 mm from the edge, carried on to the edge by the shading 3 to 9 mm from it) and outside
    (2.5 to 7.5 mm) of that ray and its neighbours; all lie further out where the edge is broader than that.
    Rays with less than half of the contrast around them, and rays among many such (a notch, a bubble), do
    not count. A circle is fitted to all points; those further from it than three standard deviations and
    half a millimetre are left out, centre and radius are fitted anew, and the rays are drawn again from the
    better centre.

    A blurred disk of radius R crosses its half height inside its rim by :math:`s^2 / 2 R`, and one that is
    shaded by the share a per millimetre outwards by :math:`-a s^2`; s is the standard deviation of the
    Gaussian whose edge is as steep as the mean one here. Both are taken out. In a magnitude image the noise
    outside is rectified into a floor f that is not there at the edge, where it adds :math:`f^2 / A` to the
    half of the level A and half of that to A itself; the edge is sought there.

    Between the pixels a spline only guesses. Where the edge lies p pixels from a pixel centre, outwards along
    y or x, it is seen too far out by :math:`B \sin 2 \pi p`, with no cosine since the edge is as steep on
    either side of its half height. Along the rim p runs through all phases, so that B is fitted, one for
    each axis, and the ripple is taken from the edge points.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : tuple of float
        First guess of the centre ``(y, x)``, good to a few millimetres.
    radius_mm : float
        First guess of the radius, good to 8 mm.
    n_rays : int, optional
        Number of rays.
    magnitude : bool, optional
        Whether the pixels are magnitudes of complex values, of which nothing but noise lies outside.

    Returns
    -------
    Rim
        Centre, radius and the edge along each ray.

    Raises
    ------
    ValueError
        If fewer than half of the rays meet an edge, or magnitudes are negative.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import disk_rim
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(1.1, 0.9))
    >>> disk = disk_region(grid, center_mm=(2.0, -3.0), radius_mm=30.0)
    >>> rim = disk_rim(disk, grid, center_mm=(3.0, -1.0), radius_mm=33.0)
    >>> round(rim.radius_mm, 1), [round(c, 1) for c in rim.center_mm]
    (30.0, [2.0, -3.0])
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    cy, cx = each("center_mm", center_mm, 2)
    radius = positive("radius_mm", radius_mm)
    angles = 2 * np.pi * np.arange(count("n_rays", n_rays, 36)) / n_rays
    if magnitude and pixels.min() < 0:
        raise ValueError(f"image must not be negative if it holds magnitudes, got {pixels.min():g}")
    spline = ndimage.spline_filter(pixels, order=3)
    for reach in _REACH_MM:
        edge, found = coarse_edges(spline, grid, (cy, cx), radius, angles, reach)
        if found.sum() < n_rays / 2:
            raise ValueError(
                f"no disk of radius {radius:.1f} mm at ({cy:.1f}, {cx:.1f}) mm: "
                f"only {found.sum()} of {n_rays} rays meet an edge"
            )
        (cy, cx), radius, sound = fit_circle(edge, found, angles, (cy, cx))
    edge, found, level, ringing = fine_edges(
        spline,
        grid,
        (cy, cx),
        radius,
        angles,
        reach_mm=_REACH_MM[-1],
        magnitude=magnitude,
        rectified=bool(pixels.min() >= 0),
    )
    deviation = edge - radius
    sound = found & _near(deviation, found)
    if sound.sum() < n_rays / 2:
        raise ValueError(
            f"no disk of radius {radius:.1f} mm at ({cy:.1f}, {cx:.1f}) mm: only {sound.sum()} of {n_rays} "
            "edge points lie on a circle"
        )
    ripple = _ripple(grid, (cy, cx), edge, angles)
    ripple_mm = _amplitudes(ripple, deviation, angles, sound)
    deviation = deviation - ripple @ ripple_mm
    columns = np.concatenate([np.ones((n_rays, 1)), _harmonics(angles)], axis=1)
    more, *shape = np.linalg.lstsq(columns[sound], deviation[sound], rcond=None)[0]
    radius, deviation = radius + float(more), deviation - more
    return Rim(
        center_mm=(cy, cx),
        radius_mm=radius,
        angle_rad=angles,
        edge_mm=np.where(sound, radius + deviation, radius),
        sound=sound,
        scatter_mm=_scatter(deviation, sound),
        shape=np.asarray(shape, dtype=np.float64),
        pixel_mm=max(grid.spacing_mm),
        ripple_mm=ripple_mm,
        ripple=ripple,
        level_mm=level,
        ringing_mm=ringing,
    )


def _ripple(grid: ImageGrid, center: tuple[float, float], edge: Floats, angles: Floats) -> Floats:
    """Sine of the phase of every edge point in the pixels along y and x, outwards.

    Full where the edge runs within 30 degrees of the grid, none at 45 degrees.
    """
    patterns = []
    for middle, along, first, pixel in zip(
        center, (np.sin(angles), np.cos(angles)), grid.coordinates_mm, grid.spacing_mm, strict=True
    ):
        phase = 2 * np.pi * (middle + edge * along - first[0]) / pixel
        share = (np.pi / 4 - np.arccos(np.abs(along))) / (np.pi / 12)
        patterns.append(np.clip(share, 0.0, 1.0) * np.sign(along) * np.sin(phase))
    return np.stack(patterns, axis=1)


def _amplitudes(ripple: Floats, deviation: Floats, angles: Floats, sound: Bools) -> Floats:
    """Amplitudes of the ripple, fitted beside a circle that may be shifted and out of round."""
    around = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=1)
    columns = np.concatenate([ripple, around, _harmonics(angles)], axis=1)[sound]
    return np.asarray(np.linalg.lstsq(columns, deviation[sound], rcond=None)[0][:2])


def fit_circle(
    edge: Floats, found: Bools, angles: Floats, center: tuple[float, float]
) -> tuple[tuple[float, float], float, Bools]:
    y, x = center[0] + edge * np.sin(angles), center[1] + edge * np.cos(angles)
    cy, cx = center
    radius = float(np.median(edge[found]))
    sound = found
    for _ in range(12):
        dy, dx = y - cy, x - cx
        distance = np.hypot(dy, dx)
        sound = found & _near(distance - radius, found)
        if sound.sum() < 3:
            break
        columns = np.stack([dy / distance, dx / distance, np.ones_like(dy)], axis=1)[sound]
        move = np.linalg.lstsq(columns, (distance - radius)[sound], rcond=None)[0]
        cy, cx, radius = cy + float(move[0]), cx + float(move[1]), radius + float(move[2])
        if np.abs(move).max() < 1e-7:
            break
    return (cy, cx), radius, sound


def _near(deviation: Floats, found: Bools) -> Bools:
    middle = float(np.median(deviation[found]))
    spread = 1.4826 * float(np.median(np.abs(deviation[found] - middle)))
    near: Bools = np.abs(deviation - middle) <= max(3 * spread, 0.5)
    return near


def _harmonics(angles: Floats) -> Floats:
    return np.stack([np.cos(2 * angles), np.sin(2 * angles), np.cos(3 * angles), np.sin(3 * angles)], axis=-1)


def _scatter(deviation: Floats, sound: Bools) -> float:
    """Standard deviation about the local mean of sound neighbours (11 rays)."""
    weight = ndimage.uniform_filter1d(sound.astype(float), 11, mode="wrap")
    mean = ndimage.uniform_filter1d(np.where(sound, deviation, 0.0), 11, mode="wrap") / np.maximum(
        weight, 1e-9
    )
    rest = (deviation - mean)[sound & (weight > 0.9)]
    return float(np.sqrt(np.mean(rest**2) * 11 / 10)) if rest.size else float(np.std(deviation[sound]))
