"""Shading and noise of a large region, and what noise does to its uniformity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from imgtech.geometry import ImageGrid, sample_positions
from imgtech.qc.metrics._noise import high_passed_size, variance
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]

_STEPS_PER_RADIUS = 3
_HIGHEST_ORDER = 4


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise of one pixel: white noise of standard deviation ``density``, blurred by a Gaussian.

    Parameters
    ----------
    density : float
        Standard deviation of a pixel before the blur.
    blur_px : float
        Standard deviation of the blur in pixels.
    """

    density: float
    blur_px: float

    def of_mean(self, kernel: Floats) -> float:
        """Standard deviation of the mean over a kernel."""
        wide = np.pad(kernel, math.ceil(4 * self.blur_px))
        return self.density * math.sqrt(float((ndimage.gaussian_filter(wide, self.blur_px) ** 2).sum()))


def piu(high: npt.ArrayLike, low: npt.ArrayLike) -> Floats:
    """Percent integral uniformity of a highest and a lowest mean."""
    above, below = np.asarray(high, dtype=np.float64), np.asarray(low, dtype=np.float64)
    return np.asarray(100 * (1 - (above - below) / (above + below)))


def disk_kernel(
    radius: float, spacing: tuple[float, ...], offset: tuple[float, float] = (0.0, 0.0)
) -> Floats:
    """Weights of a disk, scaled to a sum of 1; its centre lies ``offset`` pixels from the middle one."""
    shape = tuple(2 * max(math.ceil(radius / d) + 1, 2) + 1 for d in spacing)
    center = (offset[0] * spacing[0], offset[1] * spacing[1])
    kernel = disk_region(ImageGrid(shape=shape, spacing_mm=spacing), center_mm=center, radius_mm=radius)
    return np.asarray(kernel / kernel.sum())


def shading_and_noise(
    crop: Floats, inner: Floats, wide: Floats, positions: list[Floats]
) -> tuple[Floats, Noise]:
    """Smooth polynomial through the image, and the noise on it.

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
    return field, Noise(density=deviation, blur_px=math.sqrt((size.linear - 1) / (4 * math.pi)))


def noise_trials(
    field: Floats,
    allowed: npt.NDArray[np.bool_],
    positions: list[Floats],
    radius: float,
    noise: Noise,
    spread: float,
    n_trials: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Mean shift and standard deviation of PIU when noise is drawn on the smooth field.

    Disk means vary little over a third of a radius, so the fields are drawn on that coarser grid.
    """
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
    reach = math.ceil(4 * noise.blur_px * pixel / step)
    kernel = ndimage.gaussian_filter(
        np.pad(disk_kernel(radius, (step, step)), reach), noise.blur_px * pixel / step
    )
    shape = [fft.next_fast_len(n + kernel.shape[0], real=True) for n in seen.shape]
    transfer = fft.rfft2(kernel / math.sqrt(np.vdot(kernel, kernel)), s=shape)
    values = []
    for _ in range(n_trials):
        white = fft.rfft2(rng.standard_normal(shape))
        drawn = fft.irfft2(white * transfer, s=shape)[: seen.shape[0], : seen.shape[1]]
        trial = clean + spread * drawn[seen]
        values.append(piu(trial.max(), trial.min()))
    return float(np.mean(values) - piu(clean.max(), clean.min())), float(np.std(values, ddof=1))
