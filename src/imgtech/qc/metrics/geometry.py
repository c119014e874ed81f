"""Diameters of a disk from its rim."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, positive
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.rim import Rim

Floats = npt.NDArray[np.float64]

_ALGORITHM = "diameter-half-height-6"
_DEFINITION = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="1 Geometric accuracy",
    verified=False,
)


def diameter(rim: Rim, angle_rad: float, *, half_width_rad: float = math.radians(5.0)) -> Measurement:
    r"""Diameter of a disk in one direction.

    The sum of the two radii, each the mean of the sound edge points within ``half_width_rad`` of the
    direction, after the curve of the fitted rim is taken out. Where fewer than half of the points at one
    end are sound (something hides the edge) the fitted rim itself is taken there, and the details say so.

    The uncertainty combines the scatter of such sectors from those beside them, which holds the noise with
    its correlation, what that noise does to the fitted ripple of the pixel grid, and what moves both ends
    alike, the choice of the two levels (``level_mm`` and ``ringing_mm`` of the rim). Where the edge is hidden
    it is the standard deviation of the sound points about the fitted rim instead of the scatter.

    Parameters
    ----------
    rim : Rim
        From :func:`disk_rim`.
    angle_rad : float
        Direction, from the x axis towards the y axis.
    half_width_rad : float, optional
        Half of the sector that is averaged at each end.

    Returns
    -------
    Measurement
        Name ``diameter``, in mm.

    Raises
    ------
    ValueError
        If an argument is not finite, or the sector is not positive.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import diameter, disk_rim
    >>> from imgtech.qc.roi import ellipse_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(1.1, 0.9))
    >>> image = ellipse_region(grid, center_mm=(2.0, -3.0), semi_axes_mm=(30.0, 31.0))
    >>> rim = disk_rim(image, grid, center_mm=(3.0, -1.0), radius_mm=33.0)
    >>> across = diameter(rim, 0.0)
    >>> round(across.value), across.unit
    (62, 'mm')
    """
    angle = finite("angle_rad", angle_rad)
    half = positive("half_width_rad", half_width_rad)
    radii, variances, levels, hidden = [], [], [], []
    rest = rim.edge_mm - rim.smooth_mm(rim.angle_rad)
    by_noise = _sector_variance(rim, rest, half)
    ripple = np.zeros(2)
    for end in (angle, angle + np.pi):
        near = np.abs(np.angle(np.exp(1j * (rim.angle_rad - end)))) <= half
        sound = near & rim.sound
        smooth = float(rim.smooth_mm(end))
        levels.append(float(rim.level_mm[near].mean()) if near.any() else float(rim.level_mm.max()))
        if 2 * sound.sum() < near.sum():
            hidden.append(math.degrees(end) % 360)
            radii.append(smooth)
            variances.append(float(np.var(rest[rim.sound])))
            continue
        radii.append(smooth + float(np.mean(rest[sound])))
        variances.append(by_noise)
        ripple += rim.ripple[sound].mean(axis=0)
    variances.append(by_noise * _ripple_gain(rim, ripple, half))
    variances += [sum(levels) ** 2, (2 * rim.ringing_mm) ** 2]
    details: dict[str, float | str] = {"angle_deg": math.degrees(angle) % 360}
    if hidden:
        places = ", ".join(f"{h:.0f} degrees" for h in hidden)
        details["hidden edge"] = f"at {places}; taken from the rim fitted to the rest"
    return Measurement(
        name="diameter",
        value=sum(radii),
        unit="mm",
        uncertainty=math.sqrt(sum(variances)),
        definition=_DEFINITION,
        algorithm=_ALGORITHM,
        details=details,
    )


def _ripple_gain(rim: Rim, ripple: Floats, half: float) -> float:
    """Variance that the fitted ripple adds, over that of the mean over a sector: fit and mean share noise."""
    rays = half / np.pi * len(rim.angle_rad)
    seen = rim.ripple[rim.sound]
    return float(rays * ripple @ np.linalg.pinv(seen.T @ seen) @ ripple)


def _sector_variance(rim: Rim, rest: Floats, half: float) -> float:
    """Variance of the mean over a sector, from the differences between sectors side by side.

    A sector minus the mean of its two neighbours has 3/2 of it, whatever the correlation from ray to ray;
    level and slope of the rim cancel. Where too few sectors are sound, one edge point a pixel is taken as
    independent. ``rest`` is the edge without the fitted rim.
    """
    rest = np.where(rim.sound, rest, 0.0)
    n = len(rest)
    rays = max(round(half / np.pi * n), 1)
    if 6 * rays <= n:
        # sums over the rays of every sector, all around
        window = np.zeros(n)
        window[np.arange(-(rays // 2), rays - rays // 2)] = 1
        turn = np.conj(np.fft.fft(window))
        total, seen = (np.fft.ifft(np.fft.fft(v) * turn).real for v in (rest, rim.sound.astype(float)))
        whole = seen > 0.9 * rays
        mean = total / np.maximum(seen, 1)
        bend = mean - (np.roll(mean, rays) + np.roll(mean, -rays)) / 2
        used = whole & np.roll(whole, rays) & np.roll(whole, -rays)
        if 2 * used.sum() > n:
            return float((bend[used] ** 2).mean()) / 1.5
    independent = max(1.0, min(2 * half / (2 * np.pi) * n, 2 * half * rim.radius_mm / rim.pixel_mm))
    return rim.scatter_mm**2 / independent
