"""Channels of model observers, as images."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech._core.validate import count, each, floats, positive
from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]


def laguerre_gauss_channels(
    grid: ImageGrid, *, center_mm: tuple[float, float], width_mm: float, n_channels: int = 5
) -> Floats:
    r"""Round channels for signals at a known place.

    .. math:: u_p(r) = \frac{\sqrt 2}{a}\, e^{-\pi r^2 / a^2}\, L_p(2 \pi r^2 / a^2)

    They are orthonormal in the plane. For a Gaussian signal the first alone is the matched filter with
    :math:`a = \sqrt{2 \pi} \sigma`.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Place ``(y, x)`` of the signal.
    width_mm : float
        Width a.
    n_channels : int, optional
        Number of channels.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_channels, ny, nx)``.

    Raises
    ------
    ValueError
        If a number is not positive.

    References
    ----------
    H. H. Barrett et al., Stabilized estimates of Hotelling-observer detection performance in
    patient-structured noise, Proc SPIE 3340 (1998) 27, doi:10.1117/12.306181.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import laguerre_gauss_channels
    >>> grid = ImageGrid(shape=(61, 64), spacing_mm=(0.5, 0.5))
    >>> u = laguerre_gauss_channels(grid, center_mm=(0.0, 0.0), width_mm=6.0, n_channels=3)
    >>> np.round(np.einsum("iyx,jyx->ij", u, u) * 0.25, 6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    a = positive("width_mm", width_mm)
    y, x = _from_center(grid, center_mm)
    square = 2 * np.pi * (y**2 + x**2) / a**2
    orders = range(count("n_channels", n_channels))
    return np.stack(
        [math.sqrt(2) / a * np.exp(-square / 2) * special.eval_laguerre(p, square) for p in orders]
    )


def gabor_channels(
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    frequencies_per_mm: npt.ArrayLike,
    n_directions: int = 5,
    phases_rad: npt.ArrayLike = (0.0, math.pi / 2),
    octaves: float = 1.0,
) -> Floats:
    r"""Channels with a frequency and a direction, as in the visual cortex.

    .. math:: u(x, y) = e^{-4 \ln 2\, r^2 / w^2} \cos[2 \pi f (x \cos\theta + y \sin\theta) + \beta],
              \qquad w = \frac{4 \ln 2}{\pi f}\, \frac{2^b + 1}{2 (2^b - 1)}

    where b is the bandwidth in octaves, at half of the height.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Place ``(y, x)`` of the signal.
    frequencies_per_mm : array_like
        Centre frequencies f.
    n_directions : int, optional
        Directions, evenly spaced over half a turn from 0.
    phases_rad : array_like, optional
        Phases.
    octaves : float, optional
        Bandwidth b.

    Returns
    -------
    numpy.ndarray
        Shape ``(frequencies * directions * phases, ny, nx)``.

    Raises
    ------
    ValueError
        If a number is not positive or not finite.

    References
    ----------
    M. P. Eckstein et al., Automated computer evaluation and optimization of image compression of x-ray
    coronary angiograms for signal known exactly detection tasks, Opt Express 11 (2003) 460,
    doi:10.1364/OE.11.000460.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import gabor_channels
    >>> grid = ImageGrid(shape=(61, 64), spacing_mm=(0.5, 0.5))
    >>> gabor_channels(grid, center_mm=(0.0, 0.0), frequencies_per_mm=[0.1, 0.2]).shape
    (20, 61, 64)
    """
    y, x = _from_center(grid, center_mm)
    found = []
    ratio = 2 ** positive("octaves", octaves)
    directions = np.pi * np.arange(count("n_directions", n_directions)) / n_directions
    for f in floats("frequencies_per_mm", frequencies_per_mm).tolist():
        width = (
            4 * math.log(2) / (math.pi * positive("frequencies_per_mm", f)) * (ratio + 1) / (2 * (ratio - 1))
        )
        bell = np.exp(-4 * math.log(2) * (x**2 + y**2) / width**2)
        for angle in directions.tolist():
            wave = 2 * np.pi * f * (x * math.cos(angle) + y * math.sin(angle))
            found += [bell * np.cos(wave + b) for b in floats("phases_rad", phases_rad).tolist()]
    return np.stack(found)


def difference_of_gaussian_channels(
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    first_per_mm: float,
    n_channels: int = 10,
    ratio: float = 1.4,
    bandwidth: float = 1.67,
) -> Floats:
    r"""Round channels of overlapping frequency bands.

    .. math:: C_j(\rho) = e^{-(\rho / Q \sigma_j)^2 / 2} - e^{-(\rho / \sigma_j)^2 / 2}, \qquad
              \sigma_j = \sigma_0 \alpha^j

    in the frequency plane; the images are their transforms. The defaults are the dense channels of Abbey and
    Barrett with :math:`\sigma_0` of 0.005 per pixel; ``n_channels=3, ratio=2, bandwidth=2`` with
    0.015 per pixel are the sparse ones.

    Parameters
    ----------
    grid : ImageGrid
        The pixels, 2-D.
    center_mm : (float, float)
        Place ``(y, x)`` of the signal.
    first_per_mm : float
        :math:`\sigma_0`: 0.005 over the pixel size for dense channels.
    n_channels : int, optional
        Number of channels.
    ratio : float, optional
        :math:`\alpha`, above 1.
    bandwidth : float, optional
        Q, above 1.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_channels, ny, nx)``.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    C. K. Abbey and H. H. Barrett, Human- and model-observer performance in ramp-spectrum noise, J Opt Soc
    Am A 18 (2001) 473, doi:10.1364/JOSAA.18.000473.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import difference_of_gaussian_channels
    >>> grid = ImageGrid(shape=(61, 64), spacing_mm=(0.5, 0.5))
    >>> difference_of_gaussian_channels(grid, center_mm=(0.0, 0.0), first_per_mm=0.01).shape
    (10, 61, 64)
    """
    y, x = _from_center(grid, center_mm)
    square = x**2 + y**2
    for name, value in (("ratio", ratio), ("bandwidth", bandwidth)):
        if positive(name, value) <= 1:
            raise ValueError(f"{name} must be above 1, got {value!r}")
    found = []
    for j in range(count("n_channels", n_channels)):
        s = positive("first_per_mm", first_per_mm) * ratio**j
        narrow, wide = ((k * s) ** 2 * 2 * np.pi for k in (1.0, bandwidth))
        found.append(wide * np.exp(-np.pi * wide * square) - narrow * np.exp(-np.pi * narrow * square))
    return np.stack(found)


def _from_center(grid: ImageGrid, center_mm: tuple[float, float]) -> tuple[Floats, Floats]:
    if grid.ndim != 2:
        raise ValueError(f"grid must have 2 axes, got shape {grid.shape}")
    y, x = each("center_mm", center_mm, 2)
    rows, columns = grid.coordinates_mm
    return rows[:, None] - y, columns - x
