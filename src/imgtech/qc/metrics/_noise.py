"""How many independent pixels a region holds when its noise is correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech.qc.metrics._kernels import lag_sums, weighted_moments

Floats = npt.NDArray[np.float64]

_WINDOW = 5
_CLEAR = 2.5
_MOST_DIRECT = 120  # lags: beyond, an FFT is faster


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
    moments = np.empty(4)
    weighted_moments(np.ravel(weights), np.ravel(values), moments)
    total, squares, _, power = (float(m) for m in moments)
    loss = squares / total**2
    if loss >= 1:
        raise ValueError("the region must hold more than one pixel to estimate noise")
    return power / total / (1 - loss)


def filled_box(weights: Floats) -> tuple[slice, slice]:
    """Smallest rows and columns that hold all weights above zero."""
    if all(edge.any() for edge in (weights[0], weights[-1], weights[:, 0], weights[:, -1])):
        return slice(0, weights.shape[0]), slice(0, weights.shape[1])
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def pixel_number(weights: Floats) -> float:
    r"""Number of pixels that count in a weighted mean, :math:`(\sum w)^2 / \sum w^2`."""
    return float(weights.sum() ** 2 / np.vdot(weights, weights))


def noise_size(
    residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int] = _WINDOW
) -> NoiseSize:
    r"""Sums of the autocorrelation of noise seen through regions.

    The mean of every region was taken off, so the estimate :math:`\hat\rho(h)` is low by
    :math:`K' q(h)` with :math:`K' = \sum\rho` and :math:`q(h)` the pairs of all regions at lag h, each
    divided by the pixels of its own region; the variance at lag 0 is low in the same way. That is solved
    for :math:`K'` exactly. The squares of an estimate from N pixels are too high by its variance
    :math:`K/N`, :math:`K = \sum\rho^2` (Bartlett), once for every lag, which is divided out. Lags
    beyond the last ring that stands out of the scatter of white noise are not summed.

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


def _sums(
    residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int], *, whole: bool = False
) -> NoiseSize:
    raised, share, linear = _debiased(residuals, weights, window, whole=whole)
    pixels = sum(pixel_number(w) for w in weights)
    squared = float(np.vdot(share, raised**2)) / (1 + (np.count_nonzero(share) - 1) / pixels)
    return NoiseSize(linear=linear, squared=squared)


def noise_of_sums(kernels: list[Floats], correlation: Floats) -> Floats:
    """Standard deviation of sums of noise of 1, each weighted by a kernel, with an autocorrelation."""
    window = (correlation.shape[0] // 2, correlation.shape[1] // 2)
    squares = [float(np.vdot(_lags(kernel, window), correlation)) for kernel in kernels]
    floor = [0.05 * float(np.vdot(kernel, kernel)) for kernel in kernels]
    return np.sqrt(np.maximum(squares, floor))


def noise_correlation(
    residuals: list[Floats], weights: list[Floats], window: int = _WINDOW, *, taken: int = 1
) -> tuple[float, Floats]:
    """Standard deviation of the noise and its autocorrelation, lag zero in the middle.

    ``taken`` is the number of terms of the trend that was taken off every region.
    """
    raised, _, linear = _debiased(residuals, weights, window, taken=taken)
    power = sum(
        float(np.vdot(w, (r - np.vdot(w, r) / w.sum()) ** 2)) for r, w in zip(residuals, weights, strict=True)
    )
    total = sum(float(w.sum()) for w in weights)
    lost = taken * max(linear, 1.0) * len(weights) / total
    at_zero = raised[raised.shape[0] // 2, raised.shape[1] // 2]
    return math.sqrt(power / total / max(1 - lost, 0.1)), raised / at_zero


def _debiased(
    residuals: list[Floats],
    weights: list[Floats],
    window: int | tuple[int, int],
    *,
    whole: bool = False,
    taken: int = 1,
) -> tuple[Floats, Floats, float]:
    """Autocorrelation freed of what the means take, share of pairs, and the sum of both."""
    correlation, share, low = _lagged(residuals, weights, _pair(window))
    low = taken * low
    middle = (share.shape[0] // 2, share.shape[1] // 2)
    if not whole:
        last = _last_ring(correlation, share, sum(pixel_number(w) for w in weights))
        cut = tuple(slice(max(m - last, 0), m + last + 1) for m in middle)
        middle = (min(middle[0], last), min(middle[1], last))
        correlation, share, low = correlation[cut], share[cut], low[cut]
    at_zero = float(low[middle])
    total = float(np.vdot(share, correlation))
    linear = total / max(1 - float(low.sum()) + total * at_zero, 0.1)
    seen = share > 0
    raised = correlation * (1 - linear * at_zero)
    raised[seen] += linear * low[seen] / share[seen]
    return raised, share, linear


def _last_ring(correlation: Floats, share: Floats, pixels: float) -> int:
    """Largest lag whose square ring of correlations stands out of what white noise scatters."""
    lags = [np.abs(np.arange(n) - n // 2) for n in correlation.shape]
    ring = np.maximum(lags[0][:, None], lags[1])
    power = share * correlation**2 * pixels
    last = 0
    for k in range(1, int(ring.max()) + 1):
        # opposite lags are equal: half of the lags of a ring are values of their own
        here = power[ring == k]
        if here.mean() > 1 + _CLEAR * np.sqrt(2 / (here.size / 2)):
            last = k
    return last


def autocorrelation(
    residuals: list[Floats], weights: list[Floats], window: int | tuple[int, int]
) -> tuple[Floats, Floats]:
    """Normalised autocorrelation of noise seen through regions, and the share of pairs of each lag.

    Both have the shape ``(2 wy + 1, 2 wx + 1)`` for a window ``(wy, wx)``, or twice the same, with lag zero
    in the middle; the autocorrelation is zero where hardly any pair is seen or the noise vanishes.
    """
    correlation, share, _ = _lagged(residuals, weights, _pair(window))
    return correlation, share


def _lagged(
    residuals: list[Floats], weights: list[Floats], window: tuple[int, int]
) -> tuple[Floats, Floats, Floats]:
    """Autocorrelation, share of pairs, and what the means of the regions take from it.

    The last is the sum over regions of the pairs at a lag by the pixels of the region, divided by all
    pairs at lag zero.
    """
    shape = (2 * window[0] + 1, 2 * window[1] + 1)
    products, overlaps, low = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for image, region in zip(residuals, weights, strict=True):
        box = filled_box(region)
        w = region[box]
        r = image[box] - np.vdot(w, image[box]) / w.sum()
        r *= w
        products += _lags(r, window)
        pairs = _pairs(w, window)
        overlaps += pairs
        low += pairs / pixel_number(w)
    low = low / overlaps[window]
    share = overlaps / overlaps[window]
    correlation = np.zeros(shape)
    power = products[window]
    if power <= 0:
        correlation[window] = 1.0
        return correlation, share, low
    seen = share > 1e-3
    correlation[seen] = products[seen] / power / share[seen]
    return correlation, np.where(seen, share, 0.0), np.where(seen, low, 0.0)


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
    size = _sums([noise] * len(weights), weights, window, whole=True)
    k = kernel / kernel.sum()
    rows, columns = k.shape[0] // 2, k.shape[1] // 2
    near = k[rows - window : rows + window + 1, columns - window : columns + window + 1]
    taken = float((2 * near - _lags(k, window)).sum())
    at_zero = float(2 * k[rows, columns] - np.vdot(k, k))
    linear = size.linear
    for _ in range(8):
        linear = max(size.linear * (1 - min(at_zero * linear, 0.9)) / (1 - taken), 1.0)
    return NoiseSize(linear=linear, squared=max(size.squared, 1.0))


def high_passed_share(noise: Floats, weights: list[Floats], kernel: Floats) -> float:
    """Share of the variance of noise that is left after a moving average was subtracted.

    With f the kernel twice less its autocorrelation, noise of autocorrelation R keeps R - f * R. This is
    solved for R over three pixels either way, beyond which noise is taken as uncorrelated.

    Parameters
    ----------
    noise : numpy.ndarray
        Image minus its moving average, shape ``(ny, nx)``.
    weights : list of numpy.ndarray
        Regions to look at.
    kernel : numpy.ndarray
        The moving average; symmetric, square, of odd size, with a sum of 1.
    """
    reach, middle = 3, kernel.shape[0] // 2
    left, _ = autocorrelation([noise] * len(weights), weights, reach)
    lags = 2 * reach
    cut = slice(middle, middle + 2 * lags + 1)
    taken = 2 * np.pad(kernel, lags)[cut, cut] - _lags(kernel, lags)
    n = 2 * reach + 1
    apart = np.subtract.outer(np.arange(n), np.arange(n)) + lags
    system = np.eye(n * n) - taken[apart[:, None, :, None], apart[None, :, None, :]].reshape(n * n, n * n)
    before = np.linalg.solve(system, left.ravel())
    return 1 / max(float(before[n * n // 2]), 1.0)


def _lags(image: Floats, window: int | tuple[int, int]) -> Floats:
    """Sums of products of an image with itself, shifted by up to ``window`` pixels either way."""
    window = _pair(window)
    rows, columns = window
    if (rows + 1) * (2 * columns + 1) <= _MOST_DIRECT and rows < image.shape[0] and columns < image.shape[1]:
        half = np.empty((rows + 1, 2 * columns + 1))
        lag_sums(np.ascontiguousarray(image), half)
        return np.concatenate([half[:0:-1, ::-1], half])
    shape = [fft.next_fast_len(n + w, real=True) for n, w in zip(image.shape, window, strict=True)]
    power = np.abs(fft.rfft2(image, s=shape)) ** 2
    full = fft.irfft2(power, s=shape)
    y, x = (np.arange(-w, w + 1) % n for w, n in zip(window, shape, strict=True))
    return np.asarray(full[np.ix_(y, x)])


def _pairs(weights: Floats, window: tuple[int, int]) -> Floats:
    """The same sums of the weights of a region; in closed form if all are 1 and none are shifted out."""
    if weights.min() < 1 or any(w >= n for w, n in zip(window, weights.shape, strict=True)):
        return _lags(weights, window)
    left = [n - np.abs(np.arange(-w, w + 1.0)) for w, n in zip(window, weights.shape, strict=True)]
    return np.multiply.outer(left[0], left[1])


def _pair(window: int | tuple[int, int]) -> tuple[int, int]:
    return (window, window) if isinstance(window, int) else window


def mean_uncertainty(values: Floats, weights: Floats, size: NoiseSize) -> float:
    """Standard uncertainty of the weighted mean of correlated pixels (GUM 4.2.3)."""
    return math.sqrt(variance(values, weights) * size.linear / pixel_number(weights))


def region_deviation(pixels: Floats, weights: Floats, size: NoiseSize) -> tuple[float, float]:
    """Standard deviation, free of what the mean of correlated pixels takes, and its degrees of freedom."""
    n = pixel_number(weights)
    square = variance(pixels, weights) * (1 - 1 / n) / max(1 - size.linear / n, 0.1)
    if square <= 1e-24 * float(np.vdot(weights, pixels) / weights.sum()) ** 2:
        raise ValueError("the region must hold noise, got pixels that are all equal")
    return math.sqrt(square), max(n / size.squared - 1, 1.0)
