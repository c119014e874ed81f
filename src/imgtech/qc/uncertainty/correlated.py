"""Uncertainty of statistics of correlated data: effective numbers, and resampling by blocks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, real_image
from imgtech.qc.metrics._noise import autocorrelation, noise_size, pixel_number, variance
from imgtech.qc.roi import checked_region
from imgtech.qc.uncertainty.propagation import Estimate

Floats = npt.NDArray[np.float64]

_FAINT = 0.03


def correlated_mean(values: npt.ArrayLike, region: npt.ArrayLike | None = None) -> Estimate:
    r"""Mean of pixels that repeat one another, with the uncertainty that is left.

    .. math:: u^2(\bar x) = \frac{s^2}{N} \sum_h \rho(h)

    over the lags h at which the autocorrelation :math:`\rho` of the data themselves, along either axis,
    has not yet died away. The estimate of the sum costs degrees of freedom: N over the number of lags.

    The mean of any smooth statistic's influence function gives that statistic's uncertainty, so this one
    function serves all that are averages of something: ratios of means, variances, contrasts.

    Parameters
    ----------
    values : array_like
        Shape ``(ny, nx)``; stationary inside the region.
    region : array_like, optional
        Weights between 0 and 1; everything by default.

    Returns
    -------
    Estimate
        Mean, its standard uncertainty and degrees of freedom.

    Raises
    ------
    ValueError
        If a value is not finite, shapes differ, or the region holds fewer than 10 pixels.

    References
    ----------
    M. S. Bartlett, J R Stat Soc Suppl 8 (1946) 27, doi:10.2307/2983611.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import uniform_filter
    >>> from imgtech.qc.uncertainty import correlated_mean
    >>> white = np.random.default_rng(1).standard_normal((120, 130))
    >>> mean = correlated_mean(uniform_filter(white, 3, mode="wrap"))
    >>> round(mean.uncertainty * (120 * 130) ** 0.5, 1)  # that of the white noise before
    1.0
    """
    pixels = real_image("values", values, 2).astype(np.float64)
    weights = checked_region("region", np.ones(pixels.shape) if region is None else region, pixels.shape)
    n = pixel_number(weights)
    if n < 10:
        raise ValueError(f"region must hold at least 10 pixels, got {n:.1f}")
    mean = float(np.vdot(weights, pixels) / weights.sum())
    window = correlation_reach(pixels, weights)
    size = noise_size([pixels], [weights], window)
    lags = (2 * window[0] + 1) * (2 * window[1] + 1)
    return Estimate(
        value=mean,
        uncertainty=math.sqrt(variance(pixels, weights) * size.linear / n),
        degrees_of_freedom=max(n / lags, 1.0),
    )


def block_bootstrap(
    values: npt.ArrayLike,
    statistic: Callable[[Floats], float],
    *,
    block_shape: tuple[int, ...] | None = None,
    n_resamples: int = 400,
    rng: np.random.Generator | None = None,
) -> Estimate:
    r"""Uncertainty of any statistic of correlated data, by drawing blocks of them again.

    Blocks of neighbouring values, taken with wrap-around at any place (the circular block bootstrap), are
    laid side by side until the shape of the data is filled; the statistic of many such fillings scatters as
    that of fresh data would. Blocks have to be longer than the correlation reaches, and few enough to leave
    many of them. By default their sides are those with the least mean square error of the variance,

    .. math:: b_i = B_i / s, \qquad s^{d+2} = \frac{1}{d N} \prod_i \tfrac 2 3 B_i, \qquad
              B_i = \sum_h |h_i|\, \rho(h) \Big/ \sum_h \rho(h),

    which is the rule of Politis and White along one axis; for white noise they are single values. What blocks
    of that size still miss of the variance is known from the same autocorrelation and put back.

    Parameters
    ----------
    values : array_like
        A series ``(n,)`` or an image ``(ny, nx)``; stationary, without trend.
    statistic : callable
        Function of an array of that shape that returns a number.
    block_shape : tuple of int, optional
        Sides of the blocks.
    n_resamples : int, optional
        Number of fillings; their standard deviation is known to about :math:`1/\sqrt{2n}`.
    rng : numpy.random.Generator, optional
        Source of the draws; seeded with 0 by default, so that a result repeats.

    Returns
    -------
    Estimate
        The statistic of the data, the standard deviation of the resampled ones, and degrees of freedom that
        count the blocks.

    Raises
    ------
    ValueError
        If a value is not finite, the blocks do not fit, fewer than 8 of them fit, or the statistic is not a
        finite number.

    References
    ----------
    D. N. Politis and H. White, Econometric Reviews 23 (2004) 53, doi:10.1081/ETC-120028836, corrected in
    28 (2009) 372.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.uncertainty import block_bootstrap
    >>> series = np.random.default_rng(1).standard_normal(2000)
    >>> found = block_bootstrap(series, np.median)
    >>> bool(abs(found.uncertainty * np.sqrt(2000) - np.sqrt(np.pi / 2)) < 0.15)
    True
    """
    data = real_image("values", values, (1, 2)).astype(np.float64)
    n_draws = count("n_resamples", n_resamples, 20)
    generator = np.random.default_rng(0) if rng is None else rng
    image = data[:, None] if data.ndim == 1 else data
    correlation = _correlation(image)
    sides = _block_sides(correlation, image.shape) if block_shape is None else block_shape
    sides = (*sides, 1) if data.ndim == 1 and len(sides) == 1 else sides
    if len(sides) != 2 or any(not 1 <= b <= n for b, n in zip(sides, image.shape, strict=True)):
        raise ValueError(f"block_shape must fit into {data.shape}, got {block_shape}")
    if math.prod(sides) * 8 > image.size:
        raise ValueError(f"values must hold at least 8 blocks of {sides}, got shape {data.shape}")
    results = [
        float(statistic(_filling(image, sides, generator).reshape(data.shape))) for _ in range(n_draws)
    ]
    value = float(statistic(data))
    if not np.isfinite([value, *results]).all():
        raise ValueError("statistic must return finite numbers")
    missed = _missed_share(correlation, sides) * (1 - math.prod(sides) / image.size)
    terms = math.prod((2 * b + 1 / b) / 3 for b in sides)
    return Estimate(
        value=value,
        uncertainty=float(np.std(results, ddof=1)) / math.sqrt(missed),
        degrees_of_freedom=image.size / terms,
    )


def _filling(image: Floats, sides: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Blocks from random places, side by side until the shape of the image is filled."""
    (ny, nx), (by, bx) = image.shape, sides
    shape = (-(-ny // by), -(-nx // bx))
    rows = rng.integers(0, ny, shape)[:, None, :, None] + np.arange(by)[:, None, None]
    columns = rng.integers(0, nx, shape)[:, None, :, None] + np.arange(bx)
    blocks = image[rows % ny, columns % nx]
    return blocks.reshape(shape[0] * by, shape[1] * bx)[:ny, :nx]


def _correlation(image: Floats) -> Floats:
    weights = np.ones(image.shape)
    if np.ptp(image) == 0:
        return np.ones((1, 1))
    correlation, _ = autocorrelation([image], [weights], correlation_reach(image, weights))
    return correlation


def correlation_reach(pixels: Floats, weights: Floats) -> tuple[int, int]:
    """Lag along each axis at which the autocorrelation has died away; at least 1 where there are pixels."""
    rows, columns = (np.flatnonzero(weights.any(axis=axis)) for axis in (1, 0))
    sizes = (int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1))
    faint = max(_FAINT, 2 / math.sqrt(pixel_number(weights)))
    found = []
    for axis in (0, 1):
        far = sizes[axis] // 3
        if far == 0:
            found.append(0)
            continue
        window = (far, 0) if axis == 0 else (0, far)
        lags = autocorrelation([pixels], [weights], window)[0].ravel()[far:]
        below = np.flatnonzero(lags < faint)
        found.append(int(below[0]) if below.size else far)
    return found[0], found[1]


def _block_sides(correlation: Floats, shape: tuple[int, ...]) -> tuple[int, int]:
    """Sides of the blocks with the least mean square error of the variance."""
    y, x = (np.abs(np.arange(n) - n // 2) for n in correlation.shape)
    total = max(float(correlation.sum()), 0.1)
    slopes = (
        abs(float((correlation * y[:, None]).sum())) / total,
        abs(float((correlation * x).sum())) / total,
    )
    used = [b for b in slopes if b > 0.1]
    if not used:
        return 1, 1
    scale = (math.prod(2 / 3 * b for b in used) / len(used) / math.prod(shape)) ** (1 / (len(used) + 2))
    sides = [
        min(max(round(b / scale), 1), max(n // 3, 1)) if b > 0.1 else 1
        for b, n in zip(slopes, shape, strict=True)
    ]
    return sides[0], sides[1]


def _missed_share(correlation: Floats, sides: tuple[int, ...]) -> float:
    """Share of the variance of a mean that blocks of this size see."""
    y, x = (
        np.maximum(1 - np.abs(np.arange(n) - n // 2) / b, 0)
        for n, b in zip(correlation.shape, sides, strict=True)
    )
    seen = float((correlation * y[:, None] * x).sum())
    total = float(correlation.sum())
    return min(max(seen / total, 0.5), 1.0) if total > 0 and seen > 0 else 1.0
