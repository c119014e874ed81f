"""Contrast of an object against its background, and the difference in units of noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import one_of, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import noise_size, pixel_number, region_deviation
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_IEC = Source(document="IEC 61262-6", edition="1994", clause="contrast", verified=False)
_EUREF = Source(
    document="European guidelines for quality assurance in breast cancer screening, Supplements",
    edition="2013",
    clause="contrast to noise ratio",
    verified=False,
)


def contrast(
    image: npt.ArrayLike,
    object_region: npt.ArrayLike,
    background_region: npt.ArrayLike,
    *,
    form: str = "weber",
) -> Measurement:
    r"""Contrast of an object against its background.

    .. math:: C_\mathrm{Weber} = \frac{m_o - m_b}{m_b}, \qquad
              C_\mathrm{Michelson} = \frac{m_o - m_b}{m_o + m_b}

    Both are ratios, so grey values need a true zero: a stored offset, CT numbers in HU or an image that
    the scanner has already windowed give numbers without a meaning.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``, linear in the quantity of interest.
    object_region, background_region : array_like
        Weights between 0 and 1, of the same shape, not overlapping.
    form : {"weber", "michelson"}, optional
        Which of the two ratios.

    Returns
    -------
    Measurement
        ``"contrast"``, unit 1, positive for an object brighter than its background. The uncertainty holds
        the noise of both means with the autocorrelation of each region.

    Raises
    ------
    ValueError
        If shapes differ, a region is empty, a value is not finite, or the denominator is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import contrast
    >>> image = 100 + 3 * np.random.default_rng(1).standard_normal((60, 80))
    >>> image[:, :30] += 8
    >>> disk, around = np.zeros((60, 80)), np.zeros((60, 80))
    >>> disk[10:50, 5:25] = around[10:50, 40:75] = 1
    >>> m = contrast(image, disk, around)
    >>> abs(m.value - 0.08) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    one_of("form", form, ("weber", "michelson"))
    (inside, u_inside, _, _), (around, u_around, _, _) = (
        _level(name, region, pixels)
        for name, region in (("object_region", object_region), ("background_region", background_region))
    )
    below = around if form == "weber" else inside + around
    if below <= 0:
        raise ValueError(f"image must be positive in the regions, got means {inside:g} and {around:g}")
    if form == "weber":
        spread = math.hypot(u_inside / around, inside * u_around / around**2)
    else:
        spread = 2 * math.hypot(around * u_inside, inside * u_around) / below**2
    return Measurement(
        name="contrast",
        value=(inside - around) / below,
        uncertainty=spread,
        definition=_IEC,
        algorithm=f"contrast-{form}-1",
        details={"object mean": inside, "background mean": around},
    )


def sdnr(
    image: npt.ArrayLike,
    object_region: npt.ArrayLike,
    background_region: npt.ArrayLike,
    *,
    noise_from: str = "background",
) -> Measurement:
    r"""Signal difference to noise ratio, with its sign.

    .. math:: \mathrm{SDNR} = \frac{m_o - m_b}{s}, \qquad s = s_b \quad\text{or}\quad
              s = \sqrt{(s_o^2 + s_b^2)/2}

    The first noise is that of the background alone, the second the one of the European guidelines for
    mammography, which call the ratio CNR. :func:`cnr` is the absolute value of the first.

    Parameters
    ----------
    image : array_like
        Shape ``(ny, nx)``.
    object_region, background_region : array_like
        Weights between 0 and 1, of the same shape.
    noise_from : {"background", "both"}, optional
        Which of the two noises.

    Returns
    -------
    Measurement
        ``"SDNR"``, unit 1. The uncertainty holds both means and the noise with the number of
        independent pixels. Structure of the object (an edge in the region, a heel effect over a large
        one) counts as noise.

    Raises
    ------
    ValueError
        If shapes differ, a region is empty, a value is not finite, or a region holds no noise.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import sdnr
    >>> image = 100 + 4 * np.random.default_rng(1).standard_normal((60, 80))
    >>> image[:, :30] -= 8
    >>> disk, around = np.zeros((60, 80)), np.zeros((60, 80))
    >>> disk[10:50, 5:25] = around[10:50, 40:75] = 1
    >>> m = sdnr(image, disk, around)
    >>> abs(m.value + 2) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    one_of("noise_from", noise_from, ("background", "both"))
    (inside, u_inside, s_inside, f_inside), (around, u_around, s_around, f_around) = (
        _level(name, region, pixels)
        for name, region in (("object_region", object_region), ("background_region", background_region))
    )
    if noise_from == "background":
        noise, freedom = s_around, f_around
    else:
        noise = math.sqrt((s_inside**2 + s_around**2) / 2)
        freedom = 4 * noise**4 / (s_inside**4 / f_inside + s_around**4 / f_around)
    ratio = (inside - around) / noise
    return Measurement(
        name="SDNR",
        value=ratio,
        uncertainty=math.sqrt((u_inside**2 + u_around**2) / noise**2 + ratio**2 / (2 * freedom)),
        definition=_EUREF,
        algorithm=f"sdnr-{noise_from}-1",
        degrees_of_freedom=freedom,
        details={"difference": inside - around, "noise": noise, "independent pixels": freedom + 1},
    )


def _level(name: str, region: npt.ArrayLike, pixels: Floats) -> tuple[float, float, float, float]:
    """Mean, its standard uncertainty, standard deviation of a pixel and its degrees of freedom."""
    weights = checked_region(name, region, pixels.shape)
    size = noise_size([pixels], [weights])
    mean = float(np.vdot(weights, pixels) / weights.sum())
    spread, freedom = region_deviation(pixels, weights, size)
    return mean, spread * math.sqrt(size.linear / pixel_number(weights)), spread, freedom
