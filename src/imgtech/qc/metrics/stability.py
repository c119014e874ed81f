"""Stability of an image series in time, as the fBIRN phantom protocol measures it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import count, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import noise_size, pixel_number, variance

Floats = npt.NDArray[np.float64]

_FBIRN = Source(document="Friedman and Glover, J Magn Reson Imaging 23:827", edition="2006", verified=False)
_ORDER = 2
_FEWEST = 12
_TRIALS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Stability(ArrayValue):
    """What a series of images of a still phantom shows.

    Parameters
    ----------
    signal, snr, sfnr, fluctuation, drift, decorrelation : Measurement
        Mean signal of the square; static signal-to-noise ratio; mean of the signal-to-fluctuation-noise
        ratio; fluctuation and drift of the mean in percent; radius of decorrelation in pixels.
    signal_image, fluctuation_image, sfnr_image, static_noise_image : numpy.ndarray
        Mean in time, standard deviation about the trend, their ratio (0 where nothing fluctuates), and sum
        of odd minus sum of even images, shape ``(ny, nx)``.
    course, trend : numpy.ndarray
        Mean of the square in every image and the parabola through it.
    widths_px, coefficients_of_variation : numpy.ndarray
        Widths of squares around the middle, and the standard deviation of their means over the mean.
    """

    signal: Measurement
    snr: Measurement
    sfnr: Measurement
    fluctuation: Measurement
    drift: Measurement
    decorrelation: Measurement
    signal_image: Floats
    fluctuation_image: Floats
    sfnr_image: Floats
    static_noise_image: Floats
    course: Floats
    trend: Floats
    widths_px: npt.NDArray[np.int64]
    coefficients_of_variation: Floats


def temporal_stability(
    series: npt.ArrayLike, *, center_px: tuple[int, int] | None = None, width_px: int = 21, n_skipped: int = 0
) -> Stability:
    r"""Signal, SNR, SFNR, fluctuation, drift and radius of decorrelation of a series of images.

    With the images :math:`I_t`, t = 1 to T, and a parabola fitted to the course of every pixel:

    * signal: mean over time and over a square of ``width_px``;
    * SFNR: mean over the square of (mean in time) / (SD about the parabola);
    * SNR: :math:`S / \sqrt{\mathrm{Var}(\sum_\mathrm{odd} I - \sum_\mathrm{even} I) / T}`, the variance over
      the square;
    * fluctuation: :math:`100\, \mathrm{SD}` of the mean of the square about its parabola, over S;
    * drift: 100 (highest - lowest value of that parabola) / S;
    * radius of decorrelation: :math:`F(1) / F(N)`, with F(n) the SD about the parabola of the mean
      of a square of width n, over S (Weisskoff). It is N for noise that is independent from pixel to
      pixel and less when the whole image fluctuates.

    SDs have T - 3 degrees of freedom. The reciprocal of an SD is biased by about 3/(4 (T - 3)), which is
    taken off SFNR. Correlation in time (of the course) and in space (of the residuals) lowers the degrees
    of freedom. The highest and lowest point of a noisy parabola never agree: a drift below three
    uncertainties is an upper bound.

    Parameters
    ----------
    series : array_like
        Images in time, shape ``(t, ny, nx)``, at least 12 after skipping.
    center_px : (int, int), optional
        Row and column of the middle of the square; by default the middle of the image.
    width_px : int, optional
        Width of the square in pixels.
    n_skipped : int, optional
        Images left out at the start, before the steady state.

    Returns
    -------
    Stability
        The six measurements, and the images and curves behind them.

    Raises
    ------
    ValueError
        If there are too few images, the square does not fit into the image, the signal is not positive,
        nothing fluctuates, or a value is not finite.

    References
    ----------
    L. Friedman, G. H. Glover, Report on a multicenter fMRI quality assurance protocol, J Magn Reson Imaging
    23 (2006) 827, doi:10.1002/jmri.20583; R. M. Weisskoff, Magn Reson Med 36 (1996) 643.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import temporal_stability
    >>> series = 1000 + 8 * np.random.default_rng(2).standard_normal((100, 40, 44))
    >>> found = temporal_stability(series)
    >>> abs(found.sfnr.value - 125) < 2 * found.sfnr.uncertainty
    True
    >>> abs(found.decorrelation.value - 21) < 2 * found.decorrelation.uncertainty
    True
    """
    stack = real_image("series", series, 3).astype(np.float64)[count("n_skipped", n_skipped, 0) :]
    width = count("width_px", width_px, 3)
    if len(stack) < _FEWEST:
        raise ValueError(f"series must hold at least {_FEWEST} images, got {len(stack)}")
    square = _square(stack.shape[1:], center_px, width)
    weights = np.zeros(stack.shape[1:])
    weights[square] = 1
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, len(stack)), _ORDER + 1))[0]
    residual = stack - np.tensordot(basis, np.tensordot(basis.T, stack, axes=1), axes=1)
    freedom = len(stack) - _ORDER - 1
    mean_image = stack.mean(axis=0)
    noise_image = np.sqrt((residual**2).sum(axis=0) / freedom)
    sfnr_image = np.divide(mean_image, noise_image, out=np.zeros_like(mean_image), where=noise_image > 0)
    course = stack[(slice(None), *square)].mean(axis=(1, 2))
    level = float(course.mean())
    if level <= 0:
        raise ValueError(f"series must have a positive signal in the square, got a mean of {level:g}")
    if (noise_image[square] <= 1e-12 * level).any():
        raise ValueError("series must fluctuate in every pixel of the square, got a constant one")
    trend = basis @ (basis.T @ course)
    rest = course - trend
    spread = math.sqrt(float(rest @ rest) / freedom)
    linear, squared = _in_time(rest)
    degrees = max(freedom / squared, 1.0)
    variations, curves = _by_width(residual, square, width, level, freedom)
    half = len(stack) // 2 * 2
    static = stack[0:half:2].sum(axis=0) - stack[1:half:2].sum(axis=0)
    facts: dict[str, float | str] = {"images": float(len(stack)), "width (px)": float(width)}

    def measured(name: str, value: float, unit: str, spread: float, degrees: float) -> Measurement:
        return Measurement(
            name=name, value=value, unit=unit, uncertainty=spread, definition=_FBIRN,
            algorithm="fbirn-stability-1", degrees_of_freedom=degrees, details=facts,
        )  # fmt: skip

    sfnr, u_sfnr = _sfnr(residual, weights, sfnr_image[square], noise_image[square], spread, degrees)
    snr, u_snr, f_snr = _snr(static, weights, level, half)
    fluctuation = 100 * spread / level
    drift, u_drift = _drift(basis, trend, spread * math.sqrt(linear))
    radius = float(variations[0] / variations[-1])
    shared = float(np.corrcoef(curves[0], curves[-1])[0, 1])
    u_radius = radius * math.sqrt(max(1 - shared**2, 0.0) / degrees)
    return Stability(
        signal=measured("signal", level, "1", spread * math.sqrt(linear / len(stack)), degrees),
        snr=measured("SNR", snr, "1", u_snr, f_snr),
        sfnr=measured("SFNR", sfnr, "1", u_sfnr, math.inf),
        fluctuation=measured(
            "percent fluctuation", fluctuation, "%", fluctuation / math.sqrt(2 * degrees), degrees
        ),
        drift=measured("percent drift", 100 * drift / level, "%", 100 * u_drift / level, degrees),
        decorrelation=measured("radius of decorrelation", radius, "px", u_radius, degrees),
        signal_image=mean_image,
        fluctuation_image=noise_image,
        sfnr_image=sfnr_image,
        static_noise_image=static,
        course=course,
        trend=trend,
        widths_px=np.arange(1, width + 1),
        coefficients_of_variation=variations,
    )


def _square(shape: tuple[int, ...], center: tuple[int, int] | None, width: int) -> tuple[slice, slice]:
    middle = (shape[0] // 2, shape[1] // 2) if center is None else center
    box = []
    for name, n, m in zip(("row", "column"), shape, middle, strict=True):
        start = count("center_px", m, 0) - (width - 1) // 2
        if start < 0 or start + width > n:
            raise ValueError(f"the square of {width} pixels must lie inside the image, got {name} {m} of {n}")
        box.append(slice(start, start + width))
    return box[0], box[1]


def _in_time(rest: Floats) -> tuple[float, float]:
    """Sums of the autocorrelation and of its square, up to the first lag that is lost in its scatter."""
    n = len(rest)
    linear = squared = 1.0
    for lag in range(1, n // 4):
        rho = float(rest[lag:] @ rest[:-lag]) / float(rest @ rest) + 3 / n
        if rho < 2.5 / math.sqrt(n):
            break
        linear += 2 * rho
        squared += 2 * rho**2
    return linear, squared


def _by_width(
    residual: Floats, square: tuple[slice, slice], width: int, level: float, freedom: int
) -> tuple[Floats, list[Floats]]:
    """SD of the mean of squares of every width around the same middle over the level, and the courses."""
    middle = [s.start + (width - 1) // 2 for s in square]
    curves = []
    for n in range(1, width + 1):
        box = tuple(slice(m - (n - 1) // 2, m - (n - 1) // 2 + n) for m in middle)
        curves.append(residual[(slice(None), *box)].mean(axis=(1, 2)))
    return np.array([math.sqrt(float(c @ c) / freedom) / level for c in curves]), curves


def _sfnr(
    residual: Floats, weights: Floats, ratios: Floats, noise: Floats, spread: float, degrees: float
) -> tuple[float, float]:
    """Mean ratio, free of the bias of reciprocal SDs, and its uncertainty."""
    freedom = len(residual) - _ORDER - 1
    log = special.gammaln((freedom - 1) / 2) - special.gammaln(freedom / 2)
    bias = math.sqrt(freedom / 2) * math.exp(float(log))
    size = noise_size(list(residual), [weights] * len(residual))
    pixels = pixel_number(weights)
    power = float((noise**2).mean())
    common = min(max(spread**2 / power - size.linear / pixels, 0.0), 1.0)
    value = float(ratios.mean()) / bias
    return value, value * math.sqrt((size.squared / pixels + common**2) / (2 * degrees))


def _snr(static: Floats, weights: Floats, level: float, n_images: int) -> tuple[float, float, float]:
    size = noise_size([static], [weights])
    pixels = pixel_number(weights)
    taken = max(1 - (size.linear - 1) / pixels, 0.1)
    noise = math.sqrt(variance(static, weights) / taken / n_images)
    degrees = max(pixels / size.squared - 1, 1.0)
    return level / noise, level / noise / math.sqrt(2 * degrees), degrees


def _drift(basis: Floats, trend: Floats, spread: float) -> tuple[float, float]:
    """Range of the parabola, and its uncertainty: scatter and mean shift when its noise is drawn again."""
    draws = np.random.default_rng(20261124).standard_normal((_TRIALS, basis.shape[1]))
    again = trend + spread * draws @ basis.T
    ranges = np.ptp(again, axis=1)
    value = float(np.ptp(trend))
    return value, math.hypot(float(ranges.std(ddof=1)), float(ranges.mean()) - value)
