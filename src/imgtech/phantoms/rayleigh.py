"""Fully developed speckle as a random field with closed-form statistics."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from imgtech._core.validate import not_negative
from imgtech.geometry import ImageGrid


def speckle_field(
    grid: ImageGrid, *, fwhm_mm: tuple[float, float], rng: np.random.Generator
) -> npt.NDArray[np.complex128]:
    r"""Complex field of fully developed speckle, as a beamformer with a Gaussian point response makes it.

    Very many scatterers a cell make the field complex normal, of mean power 1. Its envelope is Rayleigh
    distributed: mean over standard deviation 1.913, mean :math:`\sqrt{\pi}/2`. With a point response
    whose envelope is :math:`\exp(-x^2/2\sigma^2)`, :math:`\sigma = \mathrm{FWHM}/2.355`, along each axis

    .. math:: \rho_\mathrm{field} = e^{-x^2/4\sigma^2}, \qquad \rho_\mathrm{power} = e^{-x^2/2\sigma^2},

    so a region of area A holds :math:`A / (2\pi\sigma_y\sigma_x)` independent cells for a mean of the power.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D ``(y, x)``: axial and lateral.
    fwhm_mm : (float, float)
        Full width at half maximum of the envelope of a point, axial and lateral; 0 for white noise.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    numpy.ndarray
        The field, shape ``grid.shape``, complex128. Its opposite edges are independent.

    Raises
    ------
    ValueError
        If the grid is not 2-D or a width is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import speckle_field
    >>> grid = ImageGrid(shape=(400, 300), spacing_mm=(0.05, 0.1))
    >>> field = speckle_field(grid, fwhm_mm=(0.2, 0.4), rng=np.random.default_rng(1))
    >>> envelope = abs(field)
    >>> round(float(envelope.mean() / envelope.std()), 1)
    1.9
    """
    if grid.ndim != 2:
        raise ValueError(f"grid must have 2 axes, got shape {grid.shape}")
    shape, spectra = [], []
    for n, spacing, width in zip(grid.shape, grid.spacing_mm, fwhm_mm, strict=True):
        sigma = not_negative("fwhm_mm", width) / math.sqrt(8 * math.log(2)) / spacing
        size = int(fft.next_fast_len(n + math.ceil(12 * sigma)))
        lags = np.minimum(np.arange(size), size - np.arange(size))
        correlation = np.exp(-(lags**2) / (4 * sigma**2)) if sigma > 0 else 1.0 * (lags == 0)
        shape.append(size)
        spectra.append(np.sqrt(np.maximum(fft.fft(correlation).real, 0)))
    white = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)
    field = fft.ifft2(white * spectra[0][:, None] * spectra[1]) * math.sqrt(math.prod(shape))
    return np.asarray(field[: grid.shape[0], : grid.shape[1]])
