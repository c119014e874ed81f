"""How many independent pixels a region holds when its noise is correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

Floats = npt.NDArray[np.float64]

_WINDOW = 5


@dataclass(frozen=True, kw_only=True)
class NoiseSize:
    """Effective numbers of independent pixels of a region, or of several together.

    Parameters
    ----------
    linear : float
        Pixels per independent pixel for a mean: the sum of the autocorrelation over all lags.
    squared : float
        The same for a variance: the sum of the squared autocorrelation.
    """

    linear: float
    squared: float


def variance(values: Floats, weights: Floats) -> float:
    """Weighted variance with one degree of freedom taken off; equals ``ddof=1`` for weights of 1."""
    total = weights.sum()
    mean = np.vdot(weights, values) / total
    loss = np.vdot(weights, weights) / total**2
    if loss >= 1:
        raise ValueError("the region must hold more than one pixel to estimate noise")
    return float(np.vdot(weights, (values - mean) ** 2) / total / (1 - loss))


def pixel_number(weights: Floats) -> float:
    r"""Number of pixels that count in a weighted mean, :math:`(\sum w)^2 / \sum w^2`."""
    return float(weights.sum() ** 2 / np.vdot(weights, weights))


def noise_size(
    residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int] = _WINDOW
) -> NoiseSize:
    r"""Sums of the autocorrelation of noise seen through regions.

    The estimate :math:`\hat\rho(h)` of N pixels scatters with the variance :math:`K/N` and, as the
    mean was taken off, is low by about :math:`K'/N`, where :math:`K = \sum\rho^2` and
    :math:`K' = \sum\rho` (Bartlett). Summed over the n lags of the window both errors are known
    multiples of the sums themselves and are divided out.

    Parameters
    ----------
    residuals : list of numpy.ndarray
        Images ``(ny, nx)`` of noise.
    weights : list of numpy.ndarray
        One region for every image.
    window : int or (int, int), optional
        Largest lag that is looked at, in pixels along either axis or along y and x.

    Returns
    -------
    NoiseSize
        Both at least 1.
    """
    size = _sums(residuals, weights, window)
    return NoiseSize(linear=max(size.linear, 1.0), squared=max(size.squared, 1.0))


def _sums(residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int]) -> NoiseSize:
    correlation, share = autocorrelation(residuals, weights, window)
    pixels = sum(pixel_number(w) for w in weights)
    others = float(share.sum() - 1)
    linear = float(np.vdot(share, correlation)) / max(1 - others / pixels, 0.1)
    squared = float(np.vdot(share, correlation**2)) / (1 + others / pixels)
    return NoiseSize(linear=linear, squared=squared)


def autocorrelation(
    residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int]
) -> tuple[Floats, Floats]:
    """Normalised autocorrelation of noise seen through regions, and the share of pairs of each lag.

    Both have the shape ``(2 wy + 1, 2 wx + 1)`` for a window ``(wy, wx)``, or twice the same, with lag zero
    in the middle; the autocorrelation is zero where hardly any pair is seen or the noise vanishes.
    """
    window = _pair(window)
    shape = (2 * window[0] + 1, 2 * window[1] + 1)
    products, overlaps = np.zeros(shape), np.zeros(shape)
    for image, region in zip(residuals, weights, strict=True):
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        w = region[box]
        r = w * (image[box] - np.vdot(w, image[box]) / w.sum())
        products += _lags(r, window)
        overlaps += _lags(w, window)
    share = overlaps / overlaps[window]
    correlation = np.zeros(shape)
    power = products[window]
    if power <= 0:
        correlation[window] = 1.0
        return correlation, share
    seen = share > 1e-3
    correlation[seen] = products[seen] / power / share[seen]
    return correlation, np.where(seen, share, 0.0)


def high_passed_size(noise: Floats, weights: list[Floats], kernel: Floats) -> NoiseSize:
    """Sums of the autocorrelation of noise from which a moving average was subtracted.

    With k the kernel scaled to a sum of 1, t its autocorrelation and K the sum over all lags of the
    noise before, the subtraction takes ``(2 k(h) - t(h)) K`` from the autocorrelation at lag h. Summed
    over the lags seen (two pixels either way) this is solved for K.

    Parameters
    ----------
    noise : numpy.ndarray
        Image minus its moving average, shape ``(ny, nx)``.
    weights : list of numpy.ndarray
        Regions to look at.
    kernel : numpy.ndarray
        The moving average; symmetric, odd sizes, at least 5 by 5.

    Returns
    -------
    NoiseSize
        ``linear`` of the noise before the subtraction, ``squared`` of what is left.
    """
    window = 2
    size = _sums([noise] * len(weights), weights, window)
    k = kernel / kernel.sum()
    rows, columns = k.shape[0] // 2, k.shape[1] // 2
    near = k[rows - window : rows + window + 1, columns - window : columns + window + 1]
    taken = float((2 * near - _lags(k, window)).sum())
    at_zero = float(2 * k[rows, columns] - np.vdot(k, k))
    linear = size.linear
    for _ in range(8):
        linear = max(size.linear * (1 - min(at_zero * linear, 0.9)) / (1 - taken), 1.0)
    return NoiseSize(linear=linear, squared=max(size.squared, 1.0))


def _lags(image: Floats, window: int | tuple[int, int]) -> Floats:
    """Sums of products of an image with itself, shifted by up to ``window`` pixels either way."""
    window = _pair(window)
    shape = [fft.next_fast_len(n + w, real=True) for n, w in zip(image.shape, window, strict=True)]
    power = np.abs(fft.rfft2(image, s=shape)) ** 2
    full = fft.irfft2(power, s=shape)
    y, x = (np.arange(-w, w + 1) % n for w, n in zip(window, shape, strict=True))
    return np.asarray(full[np.ix_(y, x)])


def _pair(window: int | tuple[int, int]) -> tuple[int, int]:
    return (window, window) if isinstance(window, int) else window


def mean_uncertainty(values: Floats, weights: Floats, size: NoiseSize) -> float:
    """Standard uncertainty of the weighted mean of correlated pixels (GUM 4.2.3)."""
    return math.sqrt(variance(values, weights) * size.linear / pixel_number(weights))
