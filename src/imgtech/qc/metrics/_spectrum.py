"""Pieces of a noise power spectrum: trend, full plane, finite size, rings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

Floats = npt.NDArray[np.float64]


def polynomials(shape: tuple[int, int], order: int) -> Floats:
    """Orthonormal polynomials in x and y up to an order, one a column."""
    y, x = (np.linspace(-1, 1, m) for m in shape)
    powers = [(i, total - i) for total in range(order + 1) for i in range(total + 1)]
    terms = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    return np.asarray(np.linalg.qr(terms)[0])


def whole(half: Floats, nx: int) -> Floats:
    """The full spectrum with frequency 0 in the middle from the half that a real FFT gives."""
    full = np.empty((half.shape[0], nx))
    full[:, : half.shape[1]] = half
    rest = nx - half.shape[1]
    full[:, half.shape[1] :] = np.roll(half[::-1], 1, axis=0)[:, rest:0:-1]
    return np.asarray(fft.fftshift(full))


def finite_size(values: Floats) -> Floats:
    """What the spectrum lacks because a region of N pixels holds only N - k pairs of pixels k apart.

    Lags up to a sixteenth of the region are restored in full, those above an eighth not at all. Lag zero,
    the variance, stays as it is.
    """
    share = np.ones((1, 1))
    reach = np.ones((1, 1))
    for axis, n in enumerate(values.shape):
        lag = np.abs(fft.fftfreq(n))
        taper = np.clip(2 - 16 * lag, 0.0, 1.0)
        shape = (-1, 1) if axis == 0 else (1, -1)
        share = share * (1 - lag).reshape(shape)
        reach = reach * (np.sin(np.pi / 2 * taper) ** 2).reshape(shape)
    covariance = fft.ifft2(fft.ifftshift(values))
    return np.asarray(fft.fftshift(fft.fft2(covariance * (1 / share - 1) * reach).real))


def radial(
    values: Floats, scatter: Floats, fy: Floats, fx: Floats, n_regions: int
) -> tuple[Floats, Floats, Floats]:
    """Mean frequency, mean and standard uncertainty of the rings that are not cut, without frequency 0.

    ``scatter`` is the standard deviation of a cell of one region.
    """
    step = float(max(fy[1] - fy[0], fx[1] - fx[0]))
    radius = np.hypot(fy[:, None], fx)
    ring = np.rint(radius / step).astype(np.int64)
    n_rings = int(min(-fy[0], -fx[0]) / step + 1e-9)
    inside = (ring > 0) & (ring < n_rings)
    index = ring[inside] - 1
    cells = np.bincount(index)
    frequency = np.bincount(index, radius[inside]) / cells
    mean = np.bincount(index, values[inside]) / cells
    square = 2 * np.bincount(index, scatter[inside] ** 2) / (n_regions + 1) / cells**2
    return frequency, mean, np.sqrt(square)
