"""Percent integral uniformity by the sliding 1 cm2 disk of the ACR text, freed of the bias of noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from imgtech._core.validate import count, positive, real_image
from imgtech.geometry import ImageGrid, sample_positions
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import high_passed_size, variance
from imgtech.qc.roi import checked_region, disk_region

Floats = npt.NDArray[np.float64]

_ACR = Source(
    document="ACR Large and Medium Phantom Test Guidance", edition="2018", clause="5", verified=False
)
_INSIDE = 0.995
_STEPS_PER_RADIUS = 3
_HIGHEST_ORDER = 4
_SHIFT_KNOWN_TO = 0.08


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

    A disk of 1 cm2 slides over all pixels where it lies wholly inside the region (at least 99.5 % of
    it); the highest and lowest of its means give

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
        the ACR text, and the bias that noise brings is part of its uncertainty (GUM F.2.4.5).
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
    kernel = _disk(radius, grid.spacing_mm)
    means = signal.fftconvolve(crop, kernel, mode="same")
    allowed = signal.fftconvolve(inner, kernel, mode="same") >= _INSIDE
    if not allowed.any():
        raise ValueError(f"region must hold a disk of {disk_area_mm2:g} mm2, got a region too small for it")
    high = np.unravel_index(np.argmax(np.where(allowed, means, -np.inf)), means.shape)
    low = np.unravel_index(np.argmin(np.where(allowed, means, np.inf)), means.shape)
    if means[low] <= 0:
        raise ValueError(f"image must be positive in every disk, got a mean of {means[low]:g}")
    raw = float(_piu(means[high], means[low]))
    positions = [grid.coordinates_mm[axis][box[axis]] for axis in (0, 1)]
    field, pixel_noise, blur_px = _split(crop, inner, _disk(2 * radius, grid.spacing_mm), positions)
    spread = pixel_noise * _gain(kernel, blur_px)
    generator = np.random.default_rng(20261122) if rng is None else rng
    shift, scatter = _trials(field, allowed, positions, (radius, blur_px), spread, trials, generator)
    doubt = _SHIFT_KNOWN_TO * shift if noise_corrected else shift
    slope = np.hypot(*np.gradient(field))[allowed].max()
    raster = 100 * float(slope) / math.sqrt(6) / float(means[high] + means[low])
    uncertainty = math.hypot(scatter, doubt, raster)
    return Measurement(
        name="percent integral uniformity",
        value=raw - shift if noise_corrected else raw,
        unit="%",
        uncertainty=uncertainty,
        definition=_ACR,
        algorithm="piu-sliding-disk-noise-corrected-1" if noise_corrected else "piu-sliding-disk-1",
        details={
            "acr value": raw,
            "corrected value": raw - shift,
            "highest mean": float(means[high]),
            "highest y (mm)": float(positions[0][high[0]]),
            "highest x (mm)": float(positions[1][high[1]]),
            "lowest mean": float(means[low]),
            "lowest y (mm)": float(positions[0][low[0]]),
            "lowest x (mm)": float(positions[1][low[1]]),
            "disk radius (mm)": radius,
            "noise of a disk mean": spread,
        },
    )


def _piu(high: npt.ArrayLike, low: npt.ArrayLike) -> Floats:
    above, below = np.asarray(high, dtype=np.float64), np.asarray(low, dtype=np.float64)
    return 100 * (1 - (above - below) / (above + below))


def _box(weights: Floats) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _disk(radius: float, spacing: tuple[float, ...]) -> Floats:
    """Weights of the disk around a pixel centre, scaled to a sum of 1."""
    shape = tuple(2 * max(math.ceil(radius / d), 2) + 1 for d in spacing)
    kernel = disk_region(ImageGrid(shape=shape, spacing_mm=spacing), center_mm=(0.0, 0.0), radius_mm=radius)
    return kernel / kernel.sum()


def _split(crop: Floats, inner: Floats, wide: Floats, positions: list[Floats]) -> tuple[Floats, float, float]:
    """Smooth polynomial through the image, and the noise: its density and its blur in pixels.

    Noise is what the polynomial of highest order leaves, minus its own mean over a disk of twice the
    radius. Its density is the standard deviation of a pixel times the root of K, the sum of its
    autocorrelation: what white noise of the same power at frequency zero would have. A Gaussian blur
    of width s makes K = 4 pi s^2 out of white noise, one pixel being 1. The order of the polynomial
    is the one that Akaike's criterion asks for.
    """
    inside = inner > 0.99
    y, x = (2 * (p - p.mean()) / (p[-1] - p[0] + 1e-12) for p in positions)
    powers = [(i, order - i) for order in range(_HIGHEST_ORDER + 1) for i in range(order + 1)]
    terms = [np.outer(y**i, x**j) for i, j in powers]
    if inside.sum() < 4 * len(terms):
        raise ValueError(f"region must hold at least {4 * len(terms)} pixels, got {inside.sum()}")
    basis, triangle = np.linalg.qr(np.stack([term[inside] for term in terms], axis=1))
    amplitudes = basis.T @ crop[inside]
    rest = np.zeros(crop.shape)
    rest[inside] = crop[inside] - basis @ amplitudes
    seen = inside.astype(np.float64)
    cover = np.maximum(signal.fftconvolve(seen, wide, mode="same"), 0.1)
    noise = np.where(inside, rest - signal.fftconvolve(rest, wide, mode="same") / cover, 0.0)
    size = high_passed_size(noise, [seen], wide)
    kept = 1 - size.linear * (2 * wide.max() - np.vdot(wide, wide))
    deviation = math.sqrt(variance(noise, seen) / max(kept, 0.1) * size.linear)
    orders = np.add(*np.transpose(powers))
    scores = [
        2 * (orders <= order).sum()
        - (amplitudes[orders <= order][1:] ** 2).sum() / max(deviation, 1e-9 * abs(amplitudes[0])) ** 2
        for order in range(_HIGHEST_ORDER + 1)
    ]
    used = int((orders <= np.argmin(scores)).sum())
    coefficients = np.linalg.solve(triangle[:used, :used], amplitudes[:used])
    field = sum((c * term for c, term in zip(coefficients, terms, strict=False)), np.zeros(crop.shape))
    return field, deviation, math.sqrt((size.linear - 1) / (4 * math.pi))


def _gain(kernel: Floats, blur_px: float) -> float:
    """Standard deviation of the mean over a kernel for blurred noise of density 1."""
    reach = math.ceil(4 * blur_px)
    return math.sqrt(float((ndimage.gaussian_filter(np.pad(kernel, reach), blur_px) ** 2).sum()))


def _trials(
    field: Floats,
    allowed: npt.NDArray[np.bool_],
    positions: list[Floats],
    disk: tuple[float, float],
    spread: float,
    n_trials: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Mean shift and standard deviation of PIU when noise is drawn on the smooth field.

    Disk means vary little over a third of a radius, so the fields are drawn on that coarser grid.
    ``disk`` holds the radius in mm and the blur of the noise in pixels.
    """
    radius, blur_px = disk
    step = radius / _STEPS_PER_RADIUS
    picks = []
    for p in positions:
        n = max(int((p[-1] - p[0]) / step), 1)
        coarse = sample_positions(n, step, float(p.mean()))
        spacing = (p[-1] - p[0]) / max(len(p) - 1, 1)
        picks.append(np.clip(np.rint((coarse - p[0]) / max(spacing, 1e-12)).astype(int), 0, len(p) - 1))
    seen = allowed[np.ix_(*picks)]
    if spread == 0 or not seen.any():
        return 0.0, 0.0
    clean = field[np.ix_(*picks)][seen]
    pixel = math.sqrt(math.prod((p[-1] - p[0]) / max(len(p) - 1, 1) for p in positions))
    reach = math.ceil(4 * blur_px * pixel / step)
    kernel = ndimage.gaussian_filter(np.pad(_disk(radius, (step, step)), reach), blur_px * pixel / step)
    shape = [fft.next_fast_len(n + kernel.shape[0], real=True) for n in seen.shape]
    transfer = fft.rfft2(kernel / math.sqrt(np.vdot(kernel, kernel)), s=shape)
    values = []
    for _ in range(n_trials):
        white = fft.rfft2(rng.standard_normal(shape))
        noise = fft.irfft2(white * transfer, s=shape)[: seen.shape[0], : seen.shape[1]]
        trial = clean + spread * noise[seen]
        values.append(_piu(trial.max(), trial.min()))
    return float(np.mean(values) - _piu(clean.max(), clean.min())), float(np.std(values, ddof=1))
