"""Percent integral uniformity by the sliding 1 cm2 disk of the ACR text, freed of the bias of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from imgtech._core.validate import count, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._shading import disk_kernel, noise_trials, piu, shading_and_noise
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_ACR = Source(
    document="ACR Large and Medium Phantom Test Guidance", edition="2018", clause="5", verified=False
)
_INSIDE = 0.995
_SHIFT_KNOWN_TO = 0.08
_COVERAGE = 1.96


def percent_integral_uniformity(
    image: npt.ArrayLike,
    grid: ImageGrid,
    region: npt.ArrayLike,
    *,
    disk_area_mm2: float = 100.0,
    noise_corrected: bool = True,
    n_trials: int = 200,
    rng: np.random.Generator | None = None,
) -> Measurement:
    r"""Percent integral uniformity (PIU) of the ACR text.

    A disk of 1 cm2 slides in steps of half a pixel over all places where it lies wholly inside the region
    (at least 99.5 % of it); the highest and lowest of its means give

    .. math:: \mathrm{PIU} = 100 \left(1 - \frac{hi - lo}{hi + lo}\right).

    The extremes of noisy means lie too far apart, so noise alone lowers PIU: a perfectly uniform object
    at SNR 20 reads about 98.5. The shading is described by a polynomial (order 0 to 4, chosen by
    Akaike's criterion); noise with the measured standard deviation and correlation is drawn on top
    ``n_trials`` times, and the mean shift it causes is taken off. The uncertainty joins the spread of the
    trials, 8 % of the shift (how far the polynomial leaves it open, from simulated shadings) and the
    raster of the disk positions.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    grid : ImageGrid
        Where the pixels are.
    region : array_like
        Weights of the large region (ACR: 195 to 205 cm2 in the large phantom).
    disk_area_mm2 : float, optional
        Area of the sliding disk.
    noise_corrected : bool, optional
        True: the value estimates the uniformity of the object. False: the value is the raw number of
        the ACR text, and the bias b that noise brings, known but not taken off, widens its interval by b
        to both sides (GUM F.2.4.5: b is added to the expanded uncertainty, b / 1.96 to the standard one).
        ``details`` holds both numbers as ``"acr value"`` and ``"corrected value"`` either way.
    n_trials : int, optional
        Number of noise fields that are drawn.
    rng : numpy.random.Generator, optional
        Source of the noise fields; by default always the same stream, so that a measurement repeats.

    Returns
    -------
    Measurement
        ``"percent integral uniformity"`` in ``"%"``. ``details`` holds the means and the positions
        ``(y, x)`` of the brightest and darkest disk.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, the disk does not fit into the region, or the mean of a
        disk is not positive.

    References
    ----------
    American College of Radiology, Large and Medium Phantom Test Guidance for the ACR MRI Accreditation
    Program: image intensity uniformity.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import percent_integral_uniformity
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(2.0, 2.0))
    >>> image = 100 + 5 * np.random.default_rng(1).standard_normal(grid.shape)
    >>> region = disk_region(grid, center_mm=(0.0, 0.0), radius_mm=80.0)
    >>> m = percent_integral_uniformity(image, grid, region)
    >>> abs(m.value - 100) < 2 * m.uncertainty
    True
    >>> m.details["acr value"] < 97
    True
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    weights = checked_region("region", region, pixels.shape)
    trials = count("n_trials", n_trials, 20)
    radius = math.sqrt(positive("disk_area_mm2", disk_area_mm2) / math.pi)
    box = _box(weights)
    crop, inner = pixels[box], weights[box]
    high, low, allowed = _extremes(crop, inner, radius, grid.spacing_mm)
    if low.mean <= 0:
        raise ValueError(f"image must be positive in every disk, got a mean of {low.mean:g}")
    raw = float(piu(high.mean, low.mean))
    positions = [grid.coordinates_mm[axis][box[axis]] for axis in (0, 1)]
    field, noise = shading_and_noise(crop, inner, disk_kernel(2 * radius, grid.spacing_mm), positions)
    spread = noise.of_mean(disk_kernel(radius, grid.spacing_mm))
    generator = np.random.default_rng(20261122) if rng is None else rng
    shift, scatter = noise_trials(field, allowed, positions, radius, noise, spread, trials, generator)
    slope = np.hypot(*np.gradient(field))[allowed].max()
    raster = 100 * float(slope) / math.sqrt(24) / (high.mean + low.mean)
    uncertainty = math.hypot(scatter, _SHIFT_KNOWN_TO * shift, raster)
    if not noise_corrected:
        uncertainty += abs(shift) / _COVERAGE
    return Measurement(
        name="percent integral uniformity",
        value=raw - shift if noise_corrected else raw,
        unit="%",
        uncertainty=uncertainty,
        definition=_ACR,
        algorithm="piu-sliding-disk-noise-corrected-2" if noise_corrected else "piu-sliding-disk-3",
        details={
            "acr value": raw,
            "corrected value": raw - shift,
            "highest mean": high.mean,
            "highest y (mm)": float(positions[0][0]) + high.row * grid.spacing_mm[0],
            "highest x (mm)": float(positions[1][0]) + high.column * grid.spacing_mm[1],
            "lowest mean": low.mean,
            "lowest y (mm)": float(positions[0][0]) + low.row * grid.spacing_mm[0],
            "lowest x (mm)": float(positions[1][0]) + low.column * grid.spacing_mm[1],
            "disk radius (mm)": radius,
            "noise of a disk mean": spread,
        },
    )


def _box(weights: Floats) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@dataclass(frozen=True, kw_only=True)
class _Place:
    mean: float
    row: float
    column: float


def _extremes(
    crop: Floats, inner: Floats, radius: float, spacing: tuple[float, ...]
) -> tuple[_Place, _Place, npt.NDArray[np.bool_]]:
    """Highest and lowest disk mean on a raster of half pixels, and the pixels where a disk may lie."""
    places, allowed = [], np.zeros(crop.shape, dtype=bool)
    for row, column in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        kernel = disk_kernel(radius, spacing, (row, column))[::-1, ::-1]
        means = signal.fftconvolve(crop, kernel, mode="same")
        inside = signal.fftconvolve(inner, kernel, mode="same") >= _INSIDE
        allowed = inside if row == column == 0 else allowed
        if not inside.any():
            continue
        for found in (
            np.argmax(np.where(inside, means, -np.inf)),
            np.argmin(np.where(inside, means, np.inf)),
        ):
            y, x = divmod(int(found), means.shape[1])
            places.append(_Place(mean=float(means[y, x]), row=y + row, column=x + column))
    if not allowed.any():
        raise ValueError("region must hold the sliding disk, got a region too small for it")
    return max(places, key=lambda p: p.mean), min(places, key=lambda p: p.mean), allowed
