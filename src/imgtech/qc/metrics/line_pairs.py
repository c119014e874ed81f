"""Modulation transfer function from bar patterns: Droege and Morin, Coltman."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from imgtech._core.validate import floats, positive, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import COVERED, root
from imgtech.qc.metrics._noise import autocorrelation, noise_size, pixel_number, variance
from imgtech.qc.metrics.mtf import MTF
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_DROEGE = Source(document="Droege and Morin, Med Phys 9 (1982) 758", edition="1982", clause="equation 4",
                 verified=False)  # fmt: skip
_COLTMAN = Source(document="Coltman, J Opt Soc Am 44 (1954) 468", edition="1954", clause="equation 5",
                  verified=False)  # fmt: skip
_WINDOW = 5
_HARMONICS = range(3, 100, 2)
_ROUNDS = 20


def bar_contrast(
    image: npt.ArrayLike, bright_region: npt.ArrayLike, dark_region: npt.ArrayLike
) -> Measurement:
    """Difference between the material of the bars and that between them, from two uniform regions.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    bright_region, dark_region : array_like
        Weights between 0 and 1 of a region of either material, wide enough not to see blur.

    Returns
    -------
    Measurement
        ``"bar contrast"`` in pixel values, with the noise of both means.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a region holds one pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import bar_contrast
    >>> image = np.tile([[50.0, 10.0]], (20, 10))
    >>> bright = np.tile([[1.0, 0.0]], (20, 10))
    >>> bar_contrast(image, bright, 1 - bright).value
    40.0
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    means, square = [], 0.0
    for name, region in (("bright_region", bright_region), ("dark_region", dark_region)):
        weights = checked_region(name, region, pixels.shape)
        size = noise_size([pixels], [weights])
        means.append(float(np.vdot(weights, pixels) / weights.sum()))
        square += variance(pixels, weights) * size.linear / pixel_number(weights)
    return Measurement(
        name="bar contrast",
        value=means[0] - means[1],
        unit="1",
        uncertainty=math.sqrt(square),
        definition=_DROEGE,
        algorithm="bar-contrast-1",
    )


def bar_modulation(
    image: npt.ArrayLike, bar_region: npt.ArrayLike, noise_region: npt.ArrayLike
) -> Measurement:
    r"""Standard deviation over a group of bars, without that of the noise.

    .. math:: M = \sqrt{s^2 - N^2}, \qquad
              u^2(s^2) = \frac{4 M^2 N^2}{n} \sum_h \rho_N(h) \rho_M(h) + \frac{2 N^4}{n} \sum_h \rho_N^2(h)

    The region has to hold whole periods of the pattern, and no end of a bar: its phase changes the
    standard deviation otherwise.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    bar_region : array_like
        Weights between 0 and 1 of a region over whole periods.
    noise_region : array_like
        Weights of a uniform region with the same noise.

    Returns
    -------
    Measurement
        ``"bar modulation"`` in pixel values. Where the noise is the larger one the value is 0, and its
        uncertainty what the noise may hide.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a region holds one pixel.

    References
    ----------
    R. T. Droege and R. L. Morin, A practical method to measure the MTF of CT scanners, Med Phys 9 (1982)
    758, doi:10.1118/1.595124.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import bar_modulation
    >>> x = np.arange(120)
    >>> image = np.tile(np.where(x < 80, 5 * np.sin(2 * np.pi * x / 8), 0.0), (30, 1))
    >>> bars = np.tile(1.0 * (x < 80), (30, 1))
    >>> round(bar_modulation(image, bars, 1 - bars).value, 4)            # 5 / sqrt(2)
    3.5355
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    bars = checked_region("bar_region", bar_region, pixels.shape)
    plain = checked_region("noise_region", noise_region, pixels.shape)
    n = pixel_number(bars)
    mean = np.vdot(bars, pixels) / bars.sum()
    square = float(np.vdot(bars, (pixels - mean) ** 2) / bars.sum())
    noise = variance(pixels, plain)
    size = noise_size([pixels], [plain])
    of_noise, _ = autocorrelation([pixels], [plain], _WINDOW)
    of_bars, share = autocorrelation([pixels], [bars], _WINDOW)
    bare = square - noise
    if bare > 0:  # what is left of the noise in the pattern's own autocorrelation is taken out
        of_bars = (of_bars * square - of_noise * noise) / bare
    together = max(float(np.vdot(share, of_bars * of_noise)), 0.0) if bare > 0 else 0.0
    spread = 4 * max(bare, 0.0) * noise * together / n + 2 * noise**2 * size.squared * (
        1 / n + 1 / pixel_number(plain)
    )
    value, doubt = root(bare, math.sqrt(spread))
    return Measurement(
        name="bar modulation",
        value=value,
        unit="1",
        uncertainty=doubt,
        definition=_DROEGE,
        algorithm="bar-modulation-3",
        details={"squared modulation": bare, "noise": math.sqrt(noise)},
    )


def droege_morin_mtf(
    frequencies_per_mm: npt.ArrayLike, modulations: Sequence[Measurement], contrast: Measurement
) -> MTF:
    r"""MTF at the frequencies of bar patterns from the standard deviation over them.

    A pattern of bars and gaps of equal width with the contrast C is a sum of odd harmonics, so that

    .. math:: M^2(f) = \frac{2 C^2}{\pi^2} \sum_{k = 1, 3, 5, ...} \frac{\mathrm{MTF}^2(k f)}{k^2}

    Above a third of the highest frequency that passes only the first term is left, and
    :math:`\mathrm{MTF}(f) = \pi M / (\sqrt{2} C)`, the formula of Droege and Morin. Here the harmonics are
    taken off at all frequencies, with the curve itself, which beyond the highest pattern continues as a
    Gaussian through the last two.

    Parameters
    ----------
    frequencies_per_mm : array_like
        Line pairs per mm of the patterns, rising; at least two.
    modulations : sequence of Measurement
        :func:`bar_modulation` of every pattern.
    contrast : Measurement
        :func:`bar_contrast`, or any difference of bar and gap.

    Returns
    -------
    MTF
        At frequency 0 and at those of the patterns. The uncertainty holds that of the modulations, of the
        contrast, and a third of the harmonics that were taken off beyond the highest pattern.

    Raises
    ------
    ValueError
        If the lengths differ, frequencies do not rise, or there is no contrast.

    References
    ----------
    R. T. Droege and R. L. Morin, A practical method to measure the MTF of CT scanners, Med Phys 9 (1982)
    758, doi:10.1118/1.595124.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.qc.metrics import droege_morin_mtf
    >>> def found(value):
    ...     return Measurement(name="bars", value=value, uncertainty=0.1, algorithm="example-1",
    ...                        definition=Source(document="notebook", edition="1"))
    >>> m = droege_morin_mtf([0.3, 0.6], [found(30.0), found(12.0)], found(100.0))
    >>> [round(float(v), 3) for v in m.values]
    [1.0, 0.666, 0.267]
    """
    f, found, spread = _checked("modulations", frequencies_per_mm, modulations)
    if contrast.value is None or contrast.uncertainty is None or contrast.value == 0:
        raise ValueError(f"contrast must differ from 0, got {contrast.value}")
    size = abs(contrast.value)
    first = math.pi / math.sqrt(2) * found / size
    values = np.minimum(first, 1.0)
    beyond = np.zeros(len(f))
    for _ in range(_ROUNDS):
        curve = _continued(f, values)
        taken = np.zeros(len(f))
        beyond = np.zeros(len(f))
        for k in _HARMONICS:
            part = curve(k * f) ** 2 / k**2
            taken += part
            beyond += np.where(k * f > f[-1], part, 0.0)
        values = np.sqrt(np.maximum(first**2 - taken, 0.0))
    safe = np.maximum(values, 1e-3)
    reach = COVERED * math.pi / math.sqrt(2) / size * spread
    high, low = (first + reach) ** 2 - taken, np.maximum(first - reach, 0.0) ** 2 - taken
    ends = np.sqrt(np.maximum(high, 0.0)), np.sqrt(np.maximum(low, 0.0))
    own = np.maximum(ends[0] - values, values - ends[1]) / COVERED
    common = values * contrast.uncertainty / size
    modes = np.concatenate([np.diag(own), common[:, None], (beyond / (6 * safe))[:, None]], axis=1)
    return _curve(f, values, modes, "droege-morin-harmonics-3", _DROEGE)


def coltman_mtf(frequencies_per_mm: npt.ArrayLike, responses: Sequence[Measurement]) -> MTF:
    r"""MTF at the frequencies of bar patterns from the square wave response.

    .. math:: \mathrm{MTF}(f) = \frac{\pi}{4} \left[C(f) + \frac{C(3f)}{3} - \frac{C(5f)}{5} +
              \frac{C(7f)}{7} + \frac{C(11f)}{11} - \frac{C(13f)}{13} - \dots\right]

    where C is the peak-to-valley modulation of the image of bars relative to that of very wide bars.
    Between the patterns C is a monotone cubic, beyond the highest it continues as a Gaussian through the
    last two.

    Parameters
    ----------
    frequencies_per_mm : array_like
        Line pairs per mm of the patterns, rising; at least two.
    responses : sequence of Measurement
        Square wave response C of every pattern.

    Returns
    -------
    MTF
        At frequency 0 and at those of the patterns. The uncertainty holds that of the responses and a third
        of what was added beyond the highest pattern.

    Raises
    ------
    ValueError
        If the lengths differ or frequencies do not rise.

    References
    ----------
    J. W. Coltman, The specification of imaging properties by response to a sine wave input, J Opt Soc Am
    44 (1954) 468, doi:10.1364/JOSA.44.000468.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.qc.metrics import coltman_mtf
    >>> def found(value):
    ...     return Measurement(name="bars", value=value, uncertainty=0.01, algorithm="example-1",
    ...                        definition=Source(document="notebook", edition="1"))
    >>> m = coltman_mtf([0.2, 0.4, 0.6], [found(0.95), found(0.6), found(0.2)])
    >>> [round(float(v), 3) for v in m.values]
    [1.0, 0.798, 0.471, 0.157]
    """
    f, found, spread = _checked("responses", frequencies_per_mm, responses)
    values, beyond = _coltman_series(f, found)
    # every response is in its own value and in those of the patterns whose harmonics it is
    steps = np.maximum(spread, 1e-6)
    modes = np.zeros((len(f), len(f)))
    for i in range(len(f)):
        change = np.where(np.arange(len(f)) == i, steps, 0.0)
        up, down = (_coltman_series(f, found + sign * change)[0] for sign in (1, -1))
        modes[:, i] = (up - down) / (2 * steps[i]) * spread[i]
    return _curve(f, values, np.concatenate([modes, beyond[:, None] / 3], axis=1), "coltman-2", _COLTMAN)


def _coltman_series(f: Floats, found: Floats) -> tuple[Floats, Floats]:
    """The series at every frequency, and how much of it lies beyond the highest pattern."""
    response = _continued(f, found)
    values, beyond = found.copy(), np.zeros(len(f))
    for k in _HARMONICS:
        part = _coltman_sign(k) * response(k * f) / k
        values += part
        beyond += np.where(k * f > f[-1], np.abs(part), 0.0)
    return math.pi / 4 * values, math.pi / 4 * beyond


def _coltman_sign(k: int) -> int:
    """(-1)^m (-1)^((k-1)/2) with m the number of prime factors, or 0 where one occurs twice."""
    sign, rest, factor = (-1) ** ((k - 1) // 2), k, 3
    while rest > 1:
        if rest % factor == 0:
            rest //= factor
            sign = -sign
            if rest % factor == 0:
                return 0
        else:
            factor += 2
    return sign


def _checked(
    name: str, frequencies: npt.ArrayLike, measured: Sequence[Measurement]
) -> tuple[Floats, Floats, Floats]:
    f = floats("frequencies_per_mm", frequencies)
    positive("frequencies_per_mm", float(f.min()))
    if len(f) < 2 or (np.diff(f) <= 0).any():
        raise ValueError(f"frequencies_per_mm must rise and be at least two, got {f.tolist()}")
    if len(measured) != len(f):
        raise ValueError(f"{name} must hold {len(f)} measurements, got {len(measured)}")
    missing = [m.name for m in measured if m.value is None or m.uncertainty is None]
    if missing:
        raise ValueError(f"{name} must have values, got none for {missing[0]}")
    return (
        f,
        np.array([m.value for m in measured], dtype=np.float64),
        np.array([m.uncertainty for m in measured], dtype=np.float64),
    )


def _continued(f: Floats, values: Floats) -> Callable[[Floats], Floats]:
    """The curve through (0, 1) and the values; beyond the last a Gaussian through the last two."""
    inner = PchipInterpolator(np.append(0.0, f), np.append(1.0, values))
    last, before = max(float(values[-1]), 1e-6), max(float(values[-2]), 1e-6)
    fall = max(math.log(before / last) / (f[-1] ** 2 - f[-2] ** 2), 0.5 / f[-1] ** 2)

    def curve(at: Floats) -> Floats:
        outside = last * np.exp(-fall * np.maximum(at**2 - f[-1] ** 2, 0.0))
        return np.where(at <= f[-1], inner(np.minimum(at, f[-1])), outside)

    return curve


def _curve(f: Floats, values: Floats, modes: Floats, algorithm: str, source: Source) -> MTF:
    return MTF(
        frequencies_per_mm=np.append(0.0, f),
        values=np.append(1.0, values),
        modes=np.concatenate([np.zeros((1, modes.shape[1])), modes]),
        algorithm=algorithm,
        definition=source,
    )
