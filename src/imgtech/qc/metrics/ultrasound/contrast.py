"""Contrast and contrast-to-noise ratio of a target in speckle."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import one_of
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.ultrasound._envelope import (
    checked_envelope,
    moments,
    spread_of,
    together,
    two_regions,
)

_GCNR_PAPER = Source(
    document="Rodriguez-Molares et al., IEEE TUFFC 67:745",
    edition="2020",
    clause="contrast and CNR",
    verified=False,
)
_DB = 10 / math.log(10)


def lesion_contrast(
    envelope: npt.ArrayLike, target_region: npt.ArrayLike, background_region: npt.ArrayLike
) -> Measurement:
    r"""Mean power of a target over that of its background, in dB.

    .. math:: C = 10 \log_{10} \frac{\overline{A_t^2}}{\overline{A_b^2}}

    Parameters
    ----------
    envelope : array_like
        Envelope A (not in dB), shape ``(ny, nx)``.
    target_region, background_region : array_like
        Weights between 0 and 1, shape ``(ny, nx)``.

    Returns
    -------
    Measurement
        ``"contrast"`` in dB, below 0 for a dark target. Its uncertainty counts the speckle cells of both
        regions, from the autocorrelation of the power.

    Raises
    ------
    ValueError
        If the envelope is negative or not finite, a region is empty or has another shape, or the power
        vanishes in one.

    References
    ----------
    A. Rodriguez-Molares et al., IEEE TUFFC 67 (2020) 745, doi:10.1109/TUFFC.2019.2956855.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics.ultrasound import lesion_contrast
    >>> rng = np.random.default_rng(1)
    >>> envelope = abs(rng.standard_normal((60, 80)) + 1j * rng.standard_normal((60, 80)))
    >>> envelope[:, :40] *= 0.5
    >>> dark, bright = np.zeros((60, 80)), np.zeros((60, 80))
    >>> dark[:, :40] = bright[:, 40:] = 1
    >>> m = lesion_contrast(envelope, dark, bright)
    >>> abs(m.value - 20 * np.log10(0.5)) < 2 * m.uncertainty
    np.True_
    """
    image = checked_envelope("envelope", envelope)
    names = ("target_region", "background_region")
    regions = two_regions(target_region, background_region, image.shape, names)
    powers, parts = [], []
    for name, weights in zip(names, regions, strict=True):
        mean = moments(image**2, weights)[0]
        if mean == 0:
            raise ValueError(f"{name} must hold some power, got an envelope of zero")
        powers.append(mean)
        parts.append(spread_of(_DB * image**2 / mean, weights))
    spread, freedom = together(*parts)
    return Measurement(
        name="contrast",
        value=10 * math.log10(powers[0] / powers[1]),
        unit="dB",
        uncertainty=spread,
        definition=_GCNR_PAPER,
        algorithm="us-contrast-1",
        degrees_of_freedom=freedom,
        details={"target power": powers[0], "background power": powers[1]},
    )


def lesion_cnr(
    envelope: npt.ArrayLike,
    target_region: npt.ArrayLike,
    background_region: npt.ArrayLike,
    *,
    scale: str = "amplitude",
) -> Measurement:
    r"""Contrast-to-noise ratio of a target in speckle.

    .. math:: \mathrm{CNR} = \frac{|\mu_t - \mu_b|}{\sqrt{\sigma_t^2 + \sigma_b^2}}

    of the envelope or of its square. Both change when the grey scale is stretched; :func:`gcnr` does not.

    Parameters
    ----------
    envelope : array_like
        Envelope (not in dB), shape ``(ny, nx)``.
    target_region, background_region : array_like
        Weights between 0 and 1, shape ``(ny, nx)``.
    scale : {"amplitude", "power"}, optional
        Whether means and variances are those of the envelope or of its square.

    Returns
    -------
    Measurement
        ``"CNR"``, unit 1. Means and variances share the pixels; their joint scatter follows from the
        influence of each pixel on the ratio and its autocorrelation.

    Raises
    ------
    ValueError
        If the envelope is negative or not finite, a region is empty or has another shape, or neither
        region holds any speckle.

    References
    ----------
    A. Rodriguez-Molares et al., IEEE TUFFC 67 (2020) 745, doi:10.1109/TUFFC.2019.2956855.

    Examples
    --------
    For Rayleigh envelopes of power a and b the CNR of the power is abs(a - b) / sqrt(a**2 + b**2):

    >>> import numpy as np
    >>> from imgtech.qc.metrics.ultrasound import lesion_cnr
    >>> rng = np.random.default_rng(1)
    >>> envelope = abs(rng.standard_normal((60, 80)) + 1j * rng.standard_normal((60, 80)))
    >>> envelope[:, :40] *= 0.5
    >>> dark, bright = np.zeros((60, 80)), np.zeros((60, 80))
    >>> dark[:, :40] = bright[:, 40:] = 1
    >>> m = lesion_cnr(envelope, dark, bright, scale="power")
    >>> abs(m.value - 0.75 / (1 + 0.25**2) ** 0.5) < 2 * m.uncertainty
    True
    """
    image = checked_envelope("envelope", envelope)
    values = image**2 if one_of("scale", scale, ("amplitude", "power")) == "power" else image
    regions = two_regions(
        target_region, background_region, image.shape, ("target_region", "background_region")
    )
    means, variances = zip(*(moments(values, weights) for weights in regions), strict=True)
    noise = math.sqrt(sum(variances))
    if noise == 0:
        raise ValueError("the regions must hold speckle, got values that are all equal")
    difference = means[0] - means[1]
    ratio = abs(difference) / noise
    parts = []
    for sign, mean, variance, weights in zip((1, -1), means, variances, regions, strict=True):
        off = values - mean
        influence = sign * np.sign(difference) * off / noise - ratio * (off**2 - variance) / (2 * noise**2)
        parts.append(spread_of(influence, weights))
    spread, freedom = together(*parts)
    return Measurement(
        name="CNR",
        value=ratio,
        uncertainty=spread,
        definition=_GCNR_PAPER,
        algorithm=f"us-cnr-{scale}-1",
        degrees_of_freedom=freedom,
        details={"target mean": means[0], "background mean": means[1], "noise": noise},
    )
