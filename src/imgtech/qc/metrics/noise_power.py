"""Noise power spectrum of regions that hold nothing but noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import each, one_of, positive, real_image
from imgtech.qc.metrics._spectrum import finite_size, polynomials, radial, taken_back, whole
from imgtech.qc.metrics.nps import NPS

_ORDERS = {"mean": 0, "plane": 1, "quadratic": 2}
_SMALLEST = 8
_DOUBT = 0.25
_ROUNDING = 1e-24


def noise_power_spectrum(
    regions: npt.ArrayLike, spacing_mm: tuple[float, float], *, detrend: str = "mean"
) -> NPS:
    r"""Two-dimensional noise power spectrum of regions without structure.

    .. math:: \mathrm{NPS}(u, v) = \frac{\Delta x \Delta y}{N_x N_y}\, T(u, v)\,
              \langle |\mathrm{FFT}(I - \mathrm{trend})|^2 \rangle

    The trend is a polynomial fitted to every region by itself; the fit takes noise with it, a quarter to
    all of it in the cells next to frequency 0, and spills some of it into others. What it does to a
    spectrum is known exactly; T undoes it for a round spectrum with the ring means that are found. At
    frequency 0 all is taken: there the straight line through the first two rings is put in. The sum over
    all cells is then the variance of a pixel, including what the fit took.

    A region of N pixels holds only N - k pairs of pixels k apart, which blurs the spectrum of correlated
    noise (by 1 to 2 % for 64 pixels). The autocovariance up to a sixteenth of the region is divided by
    (N - k) / N along either axis; the variance does not change by this.

    Rings are as wide as the larger of the two frequency steps and end where they would be cut by the edge
    of the spectrum. A cell of one region scatters by 100 %, opposite cells being equal; the uncertainty
    of a ring follows from the number of cells and regions, joined by a quarter of what was given back there,
    as T is exact only for a round spectrum.

    Parameters
    ----------
    regions : array_like
        One region ``(ny, nx)`` or several ``(n, ny, nx)`` of at least 8 by 8 pixels. They are taken as
        independent: with overlapping regions the uncertainties come out too small.
    spacing_mm : (float, float)
        Pixel size along y and x.
    detrend : {"mean", "plane", "quadratic"}, optional
        What is taken off every region: its mean, or a polynomial of order 1 or 2 in x and y.

    Returns
    -------
    NPS
        Spectrum, radial average and methods for variance, peak and mean frequency.

    Raises
    ------
    ValueError
        If a region is smaller than 8 by 8 pixels, holds no noise, or an argument is out of range.

    References
    ----------
    ICRU Report 87, Radiation Dose and Image-Quality Assessment in Computed Tomography (2012), equation
    11; E. Samei et al., AAPM Report 233, doi:10.1002/mp.13763; IEC 62220-1-1:2015.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import noise_power_spectrum
    >>> regions = 40 + 3 * np.random.default_rng(1).standard_normal((16, 64, 60))
    >>> nps = noise_power_spectrum(regions, (0.5, 0.4), detrend="plane")
    >>> m = nps.variance()
    >>> abs(m.value - 9) < 2 * m.uncertainty
    True
    >>> white = nps.at(0.6)                     # white noise: variance times area of a pixel
    >>> abs(white.value - 9 * 0.5 * 0.4) < 2 * white.uncertainty
    True
    """
    stack = real_image("regions", regions, (2, 3)).astype(np.float64, copy=False)
    stack = stack[None] if stack.ndim == 2 else stack
    dy, dx = each("spacing_mm", spacing_mm, 2, positive)
    order = _ORDERS[one_of("detrend", detrend, tuple(_ORDERS))]
    n, ny, nx = stack.shape
    if min(ny, nx) < _SMALLEST:
        raise ValueError(f"regions must have at least {_SMALLEST} rows and columns, got {ny} by {nx}")
    basis = polynomials((ny, nx), order)
    flat = stack.reshape(n, -1)
    noise = (flat - (flat @ basis) @ basis.T).reshape(stack.shape)
    power = whole((np.abs(fft.rfft2(noise)) ** 2).mean(axis=0), nx) * (dy * dx / (ny * nx))
    fy, fx = (fft.fftshift(fft.fftfreq(m, d)) for m, d in ((ny, dy), (nx, dx)))
    middle = (ny // 2, nx // 2)
    power[middle] = 0.0
    if power.sum() <= _ROUNDING * dy * dx * float(np.vdot(flat, flat)) / n:
        raise ValueError("regions must hold noise, got none")
    terms = fft.fftshift(fft.fft2(basis.T.reshape(-1, ny, nx)), axes=(1, 2)) / math.sqrt(ny * nx)
    step = float(max(fy[1] - fy[0], fx[1] - fx[0]))
    restored = taken_back(power, terms, np.hypot(fy[:, None], fx), step)
    values = restored + finite_size(restored)
    rings, mean, spread = radial(values, restored, fy, fx, n)
    given_back = radial(np.abs(restored - power), restored, fy, fx, n)[1]
    spread = np.hypot(spread, _DOUBT * given_back)
    slope = (mean[1] - mean[0]) / (rings[1] - rings[0])
    values[middle] = max(mean[0] - slope * rings[0], 0.0)
    return NPS(
        frequencies_y_per_mm=fy,
        frequencies_x_per_mm=fx,
        values=values,
        radial_frequencies_per_mm=rings,
        radial_values=mean,
        radial_uncertainties=spread,
        mean=float(stack.mean()),
        n_regions=n,
    )
