"""How many independent pixels a region holds, from a noise power spectrum."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import one_of, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import pixel_number
from imgtech.qc.metrics.nps import NPS

Floats = npt.NDArray[np.float64]

_ICRU = Source(document="ICRU Report 87", edition="2012", clause="noise power spectrum", verified=False)


def independent_pixels(nps: NPS, region: npt.ArrayLike, *, of: str = "mean") -> Measurement:
    r"""Effective number of independent pixels of a region whose noise has a known power spectrum.

    Correlated pixels repeat one another. With the autocovariance C of the spectrum and the weights w of
    the region, of which :math:`O(h) = \sum_i w_i w_{i+h}` are the pairs at a lag h,

    .. math:: N_\mathrm{mean} = \frac{C(0) (\sum w)^2}{\sum_h O(h)\, C(h)}, \qquad
              N_\mathrm{variance} = \frac{C(0)^2 (\sum w)^2}{\sum_h O(h)\, C(h)^2}

    so that the mean of the region has the variance :math:`C(0) / N_\mathrm{mean}`, and the standard
    deviation of its pixels the relative uncertainty :math:`1 / \sqrt{2 (N_\mathrm{variance} - 1)}`.
    Ramp-filtered CT noise can have more independent pixels for a mean than there are pixels: it has no
    power at frequency 0, so that means vary less than those of white noise do.

    Parameters
    ----------
    nps : NPS
        From :func:`noise_power_spectrum`; its pixels are those of the region.
    region : array_like
        Weights between 0 and 1, shape ``(ny, nx)``. Lags beyond half a region of the spectrum are not
        known and count as 0.
    of : {"mean", "variance"}, optional
        For what the pixels are to be independent.

    Returns
    -------
    Measurement
        ``"independent pixels"``, unit 1. ``details`` holds the pixels of the region and the noise variance.
        The uncertainty is that of the spectrum, whose cells scatter by :math:`1/\sqrt n` for n regions.

    Raises
    ------
    ValueError
        If the region is empty, a value is not finite or outside 0 to 1, or ``of`` is something else.

    References
    ----------
    ICRU Report 87 (2012); GUM (JCGM 100:2008) 4.2.3 and C.2.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import independent_pixels, noise_power_spectrum
    >>> regions = np.random.default_rng(1).standard_normal((30, 64, 64))
    >>> m = independent_pixels(noise_power_spectrum(regions, (0.5, 0.4)), np.ones((20, 25)))
    >>> abs(m.value - 500) < 3 * m.uncertainty
    True
    """
    weights = real_image("region", region, 2).astype(np.float64)
    if weights.min() < 0 or weights.max() > 1 or weights.sum() == 0:
        raise ValueError(f"region must hold weights from 0 to 1, got {weights.min():g} to {weights.max():g}")
    one_of("of", of, ("mean", "variance"))
    power = fft.ifftshift(nps.values)
    covariance = fft.ifft2(power).real
    pairs = _pairs(weights, covariance.shape)
    total = float(weights.sum()) ** 2
    n = nps.n_regions
    flat = covariance / covariance[0, 0]
    if of == "mean":
        sum_ = float(np.vdot(pairs, flat))
        effect = 1 - fft.fft2(pairs).real / sum_
        by_chance = 0.0
    else:
        everywhere = float((flat**2).sum()) / (1 + 1 / n)
        scatter = everywhere / (n * power.size) * (pairs.sum() - pairs[0, 0])
        sum_ = max(float(np.vdot(pairs, flat**2)) - scatter, float(pairs[0, 0]))
        effect = 2 - 2 * fft.fft2(pairs * flat).real / sum_
        # noise of the correlations themselves, in their squares
        at_lag = everywhere / (n * power.size)
        by_chance = 4 * at_lag**2 * float((pairs**2).sum() - pairs[0, 0] ** 2) / sum_**2
    sum_ = max(sum_, 1e-6 * float(pairs[0, 0]))
    share = power / power.sum()
    change = share * effect
    _from_rings(change, nps)
    square = 2 / (n + 1) * float((change**2).sum())
    square = max(square - by_chance, square / 4)
    # the reciprocal of a noisy sum is too high
    value = total / sum_ / (1 + square if of == "mean" else 1)
    return Measurement(
        name="independent pixels",
        value=value,
        uncertainty=math.sqrt(square) * value,
        definition=_ICRU,
        algorithm=f"independent-pixels-{of}-2",
        details={"pixels": pixel_number(weights), "noise variance": float(covariance[0, 0]) * _cell(nps)},
    )


def _from_rings(change: Floats, nps: NPS) -> None:
    """Hand what frequency 0 does to the cells of the first two rings, from which its value was taken."""
    fy, fx = (fft.ifftshift(f) for f in (nps.frequencies_y_per_mm, nps.frequencies_x_per_mm))
    radius = np.hypot(fy[:, None], fx)
    ring = np.rint(radius / float(max(fy[1] - fy[0], fx[1] - fx[0])))
    power = fft.ifftshift(nps.values)
    near, far = (float(f) for f in nps.radial_frequencies_per_mm[:2])
    moved = change[0, 0] / max(power[0, 0], 1e-9 * float(power.max()))
    change[0, 0] = 0.0
    for k, weight in ((1, far / (far - near)), (2, -near / (far - near))):
        cells = ring == k
        change[cells] += moved * weight * power[cells] / cells.sum()


def _pairs(weights: Floats, shape: tuple[int, ...]) -> Floats:
    """Pairs of the region at every lag of the spectrum, up to half its size; lag zero first."""
    padded = [fft.next_fast_len(m + n // 2 + 1, real=True) for m, n in zip(weights.shape, shape, strict=True)]
    full = fft.irfft2(np.abs(fft.rfft2(weights, s=padded)) ** 2, s=padded)
    lags = [np.rint(fft.fftfreq(n) * n).astype(int) for n in shape]
    seen = [np.abs(lag) < min(n / 2, m) for lag, n, m in zip(lags, shape, weights.shape, strict=True)]
    picked = full[np.ix_(lags[0] % padded[0], lags[1] % padded[1])]
    return np.asarray(np.where(seen[0][:, None] & seen[1], picked, 0.0))


def _cell(nps: NPS) -> float:
    """Value of the covariance at lag zero for a spectrum whose sum over cells is one."""
    fy, fx = nps.frequencies_y_per_mm, nps.frequencies_x_per_mm
    return float((fy[1] - fy[0]) * (fx[1] - fx[0])) * nps.values.size
