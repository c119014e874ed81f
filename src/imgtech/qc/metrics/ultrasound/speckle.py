"""Signal-to-noise ratio of speckle."""

from __future__ import annotations

import math

import numpy.typing as npt

from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import pixel_number
from imgtech.qc.metrics.ultrasound._envelope import checked_envelope, moments, spread_of
from imgtech.qc.roi import checked_region

_BURCKHARDT = Source(
    document="C. B. Burckhardt, IEEE Trans Sonics Ultrason 25:1", edition="1978", verified=False
)


def speckle_snr(envelope: npt.ArrayLike, region: npt.ArrayLike) -> Measurement:
    r"""Mean over standard deviation of the envelope in uniform speckle.

    Fully developed speckle has :math:`\sqrt{\pi/(4-\pi)} = 1.913`; few scatterers a cell or a structure lower
    it, averaging of frames or angles raises it. A slope of brightness through the region lowers it too: the
    region should be shallow, or the depth gain evened out before.

    Parameters
    ----------
    envelope : array_like
        Envelope (not in dB), shape ``(ny, nx)``.
    region : array_like
        Weights between 0 and 1, shape ``(ny, nx)``.

    Returns
    -------
    Measurement
        ``"speckle SNR"``, unit 1. ``details`` holds the number of independent speckle cells for a mean of the
        power.

    Raises
    ------
    ValueError
        If the envelope is negative or not finite, the region is empty or has another shape, or its pixels
        are all equal.

    References
    ----------
    C. B. Burckhardt, IEEE Trans Sonics Ultrason 25 (1978) 1, doi:10.1109/T-SU.1978.30978.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> from imgtech.qc.metrics.ultrasound import speckle_snr
    >>> grid = ImageGrid(shape=(150, 120), spacing_mm=(0.05, 0.1))
    >>> field = speckle_field(grid, fwhm_mm=(0.2, 0.4), rng=np.random.default_rng(1))
    >>> m = speckle_snr(abs(field), np.ones(grid.shape))
    >>> abs(m.value - (np.pi / (4 - np.pi)) ** 0.5) < 2 * m.uncertainty
    True
    """
    image = checked_envelope("envelope", envelope)
    weights = checked_region("region", region, image.shape)
    mean, variance = moments(image, weights)
    if variance == 0:
        raise ValueError("region must hold speckle, got pixels that are all equal")
    deviation = math.sqrt(variance)
    off = (image - mean) / deviation
    spread = spread_of(off - mean / deviation / 2 * (off**2 - 1), weights)
    power = spread_of(image**2, weights)
    power_variance = moments(image**2, weights)[1]
    return Measurement(
        name="speckle SNR",
        value=mean / deviation,
        uncertainty=spread.uncertainty,
        definition=_BURCKHARDT,
        algorithm="speckle-snr-1",
        degrees_of_freedom=spread.degrees_of_freedom,
        details={
            "speckle cells": power_variance / power.uncertainty**2,
            "pixels": pixel_number(weights),
        },
    )
