"""Pieces of a noise power spectrum: trend, full plane, finite size, rings."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
from scipy import fft

Floats = npt.NDArray[np.float64]

_NEGLIGIBLE = 1e-4
_ROUNDS = 4


def polynomials(shape: tuple[int, ...], order: int) -> Floats:
    """Orthonormal polynomials in all axes up to an order, one a column."""
    axes = np.meshgrid(*(np.linspace(-1, 1, m) for m in shape), indexing="ij")
    powers = [p for p in itertools.product(range(order + 1), repeat=len(shape)) if sum(p) <= order]
    powers.sort(key=sum)
    terms = [math.prod((a**i for a, i in zip(axes, p, strict=True)), start=np.ones(shape)) for p in powers]
    return np.asarray(np.linalg.qr(np.stack([t.ravel() for t in terms], axis=1))[0])


def taken_back(power: Floats, basis: Floats, radius: Floats, step: float) -> Floats:
    r"""What the fit of a trend made of a spectrum, undone cell by cell.

    With :math:`b_m` the unit spectra of the polynomials and S the true spectrum, a fit leaves on average

    .. math:: P_k = S_k \left(1 - 2 \sum_m |b_m(k)|^2\right) + b^*(k)\, G\, b(k), \qquad
              G_{mn} = \sum_j b_m^*(j)\, b_n(j)\, S_j

    P is multiplied by S / P of a round model of S: its ring means, joined by straight lines, which are found
    anew four times.

    Parameters
    ----------
    power : numpy.ndarray
        Spectrum after the fit, frequency 0 in the middle.
    basis : numpy.ndarray
        Spectra of the orthonormal polynomials, shape ``(terms, *power.shape)``, divided by the root of the
        number of pixels.
    radius : numpy.ndarray
        Distance of every cell from frequency 0.
    step : float
        Width of a ring.
    """
    share = (np.abs(basis) ** 2).sum(axis=0)
    near = share > _NEGLIGIBLE
    index = np.rint(radius / step).astype(np.intp)
    counts = np.bincount(index.ravel()).astype(np.float64)
    places = np.bincount(index.ravel(), radius.ravel()) / np.maximum(counts, 1)
    middle = radius == 0
    fixed = power / np.maximum(1 - share, 1e-9)
    fixed[middle] = 0.0
    flat = basis.reshape(len(basis), -1)
    for _ in range(_ROUNDS):
        means = np.bincount(index.ravel(), fixed.ravel()) / np.maximum(counts, 1)
        means[0] = max(means[1] - (means[2] - means[1]) / (places[2] - places[1]) * places[1], 0.0)
        model = np.interp(radius, places[counts > 0], means[counts > 0])
        together = ((flat.conj() * model.ravel()) @ flat.T).real
        mixed = np.tensordot(together, basis[:, near], axes=(0, 0))
        left = model[near] * (1 - 2 * share[near]) + (basis[:, near].conj() * mixed).sum(axis=0).real
        fixed = power.copy()
        fixed[near] *= model[near] / np.maximum(left, 1e-3 * model[near] + 1e-300)
        fixed[middle] = 0.0
    return fixed


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
    share = np.ones((1,) * values.ndim)
    reach = np.ones((1,) * values.ndim)
    for axis, n in enumerate(values.shape):
        lag = np.abs(fft.fftfreq(n))
        taper = np.clip(2 - 16 * lag, 0.0, 1.0)
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        share = share * (1 - lag).reshape(shape)
        reach = reach * (np.sin(np.pi / 2 * taper) ** 2).reshape(shape)
    covariance = fft.ifftn(fft.ifftshift(values))
    return np.asarray(fft.fftshift(fft.fftn(covariance * (1 / share - 1) * reach).real))


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
