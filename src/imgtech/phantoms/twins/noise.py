"""Noise of a filtered back-projection with a known power spectrum."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft, special

from imgtech._core.validate import count, not_negative, positive
from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]


def ct_noise_spectrum(f_per_mm: npt.ArrayLike, *, sigma_hu: float, peak_per_mm: float) -> Floats:
    r"""Noise power spectrum of the model of :func:`ct_noise_images`.

    .. math:: \mathrm{NPS}(f) = c\, f\, e^{-f^2 / 2 f_p^2}

    with c such that its integral over the plane is the variance. It peaks at :math:`f_p`.

    Parameters
    ----------
    f_per_mm : array_like
        Frequencies.
    sigma_hu : float
        Standard deviation of a pixel.
    peak_per_mm : float
        Where the spectrum peaks.

    Returns
    -------
    numpy.ndarray
        HU2 mm2.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.phantoms.twins import ct_noise_spectrum
    >>> f = np.linspace(0, 3, 3001)
    >>> nps = ct_noise_spectrum(f, sigma_hu=5.0, peak_per_mm=0.3)
    >>> round(float(np.sum(2 * np.pi * f * nps) * 0.001), 2), round(float(f[np.argmax(nps)]), 2)
    (25.0, 0.3)
    """
    f, peak = np.asarray(f_per_mm, dtype=np.float64), positive("peak_per_mm", peak_per_mm)
    whole = 2 * math.pi * peak**3 * math.sqrt(math.pi / 2)
    return not_negative("sigma_hu", sigma_hu) ** 2 / whole * f * np.exp(-(f**2) / (2 * peak**2))


def ct_noise_images(
    n_images: int,
    grid: ImageGrid,
    *,
    sigma_hu: float,
    peak_per_mm: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Noise like that of a filtered back-projection: a ramp that a smooth kernel ends.

    White noise is filtered by the square root of :func:`ct_noise_spectrum` on a periodic grid. Images are
    independent of one another. The spectrum ends at the Nyquist frequency and is raised by what that takes
    from the variance, which is the one asked for.

    Parameters
    ----------
    n_images : int
        How many.
    grid : ImageGrid
        Pixels of a slice.
    sigma_hu, peak_per_mm : float
        Standard deviation of a pixel; where the spectrum peaks.
    rng : numpy.random.Generator
        Source of the random numbers.

    Returns
    -------
    numpy.ndarray
        ``(image, y, x)``, float32.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import ct_noise_images
    >>> grid = ImageGrid.square(256, fov_mm=180.0)
    >>> noise = ct_noise_images(2, grid, sigma_hu=8.0, peak_per_mm=0.3, rng=np.random.default_rng(1))
    >>> abs(float(noise.std()) - 8.0) < 0.1
    True
    """
    shape = (count("n_images", n_images), *grid.shape)
    fy, fx = (fft.fftfreq(n, d) for n, d in zip(grid.shape, grid.spacing_mm, strict=True))
    fx = np.abs(fx[: grid.shape[1] // 2 + 1])
    gain = np.sqrt(ct_noise_spectrum(np.hypot(fy[:, None], fx), sigma_hu=1.0, peak_per_mm=peak_per_mm))
    whole = np.full(gain.shape, 2.0)
    whole[:, 0] = 1.0
    if grid.shape[1] % 2 == 0:
        whole[:, -1] = 1.0
    gain *= sigma_hu / math.sqrt(float((whole * gain**2).sum()) / math.prod(grid.shape))
    out = np.empty(shape, dtype=np.float32)
    for plane in out:
        spectrum = fft.rfft2(rng.standard_normal(grid.shape))
        plane[:] = fft.irfft2(spectrum * gain, s=grid.shape)
    return out


def disk_mean_deviation(grid: ImageGrid, *, radius_mm: float, sigma_hu: float, peak_per_mm: float) -> float:
    r"""Standard deviation of the mean of a disk in images of this noise.

    .. math:: \sigma_R^2 = \sum \mathrm{NPS}(f) \left(\frac{2 J_1(2 \pi f R)}{2 \pi f R}\right)^2
              \mathrm{sinc}^2(f_y \Delta y)\, \mathrm{sinc}^2(f_x \Delta x)\, \Delta f_y \Delta f_x

    over the frequencies of the images, up to the Nyquist frequency. A pixel on the edge counts by the share
    of its area inside, which is what the last two factors stand for.

    Parameters
    ----------
    grid : ImageGrid
        Pixels of the images.
    radius_mm : float
        Radius of the disk.
    sigma_hu, peak_per_mm : float
        The noise, see :func:`ct_noise_images`.

    Returns
    -------
    float
        HU.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import disk_mean_deviation
    >>> grid = ImageGrid.square(256, fov_mm=180.0)
    >>> round(disk_mean_deviation(grid, radius_mm=2.5, sigma_hu=10.0, peak_per_mm=0.3), 2)
    1.49
    """
    radius = positive("radius_mm", radius_mm)
    fy, fx = (fft.fftfreq(n, d) for n, d in zip(grid.shape, grid.spacing_mm, strict=True))
    f = np.hypot(fy[:, None], fx)
    power = ct_noise_spectrum(f, sigma_hu=1.0, peak_per_mm=peak_per_mm)
    q = np.maximum(2 * math.pi * f * radius, 1e-9)
    pixel = np.sinc(fy * grid.spacing_mm[0])[:, None] * np.sinc(fx * grid.spacing_mm[1])
    share = float((power * (2 * special.j1(q) / q * pixel) ** 2).sum() / power.sum())
    return not_negative("sigma_hu", sigma_hu) * math.sqrt(share)
