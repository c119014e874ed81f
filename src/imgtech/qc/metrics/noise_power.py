"""Noise power spectrum of regions that hold nothing but noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import one_of, positive, real_image
from imgtech.qc.metrics._spectrum import finite_size, polynomials, radial, whole
from imgtech.qc.metrics.nps import NPS

_ORDERS = {"mean": 0, "plane": 1, "quadratic": 2}
_SMALLEST = 8
_DOUBT = 0.5


def noise_power_spectrum(
    regions: npt.ArrayLike, spacing_mm: tuple[float, float], *, detrend: str = "mean"
) -> NPS:
    r"""Two-dimensional noise power spectrum of regions without structure.

    .. math:: \mathrm{NPS}(u, v) = \frac{\Delta x \Delta y}{N_x N_y}
              \frac{\langle |\mathrm{FFT}(I - \mathrm{trend})|^2 \rangle}{1 - L(u, v)}

    The trend is a polynomial fitted to every region by itself; the fit takes noise with it. With
    :math:`B_k` the spectra of the polynomials, made orthonormal, the share of white noise it takes is
    :math:`L = \sum_k |B_k(u, v)|^2 / (N_x N_y)`, which is divided out cell by cell. At frequency 0 all is
    taken (L = 1): there the straight line through the first two rings is put in. The sum over all cells
    is then the variance of a pixel, including what the fit took.

    A region of N pixels holds only N - k pairs of pixels k apart, which blurs the spectrum of correlated
    noise (by 1 to 2 % for 64 pixels). The autocovariance up to a sixteenth of the region is divided by
    (N - k) / N along either axis; the variance does not change by this.

    Rings are as wide as the larger of the two frequency steps and end where they would be cut by the edge
    of the spectrum. A cell of one region scatters by 100 %, opposite cells being equal; the uncertainty
    of a ring follows from the number of cells and regions, joined by half of what the trend took there,
    as that share is exact only where the spectrum is flat.

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
    dy, dx = (positive("spacing_mm", d) for d in spacing_mm)
    order = _ORDERS[one_of("detrend", detrend, tuple(_ORDERS))]
    n, ny, nx = stack.shape
    if min(ny, nx) < _SMALLEST:
        raise ValueError(f"regions must have at least {_SMALLEST} rows and columns, got {ny} by {nx}")
    basis = polynomials((ny, nx), order)
    flat = stack.reshape(n, -1)
    noise = (flat - (flat @ basis) @ basis.T).reshape(stack.shape)
    power = (np.abs(fft.rfft2(noise)) ** 2).mean(axis=0)
    taken = (np.abs(fft.rfft2(basis.T.reshape(-1, ny, nx))) ** 2).sum(axis=0) / (ny * nx)
    taken[0, 0] = 0.0
    values = whole(power / (1 - taken), nx) * (dy * dx / (ny * nx))
    fy, fx = (fft.fftshift(fft.fftfreq(m, d)) for m, d in ((ny, dy), (nx, dx)))
    middle = (ny // 2, nx // 2)
    values[middle] = 0.0
    if not values.any():
        raise ValueError("regions must hold noise, got none")
    longer = values + finite_size(values)
    rings, mean, spread = radial(longer, values, fy, fx, n)
    guess = radial(values * whole(taken, nx), values, fy, fx, n)[1]
    spread = np.hypot(spread, _DOUBT * guess)
    values = longer
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
