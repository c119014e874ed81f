"""Displacement between two images, and the strain of the tissue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

from imgtech._core.validate import FloatArray, complex_image, count, positive, real_image
from imgtech.recon.ultrasound._windows import odd_window, window_mean


def axial_displacement(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    center_hz: float,
    sound_speed_m_s: float = 1540.0,
    window: tuple[int, int] = (9, 3),
) -> FloatArray:
    r"""Displacement along depth between two images, from the phase of their correlation.

    .. math:: d = -\frac{c}{4 \pi f_c} \arg \sum z_{after}\, z_{before}^*

    over a window of pixels; positive away from the probe. Displacements beyond a quarter of the wavelength
    are ambiguous: choose pairs of images that lie closer together in time.

    Parameters
    ----------
    before, after : array_like
        Complex images ``(z, x)`` from :func:`delay_and_sum` of IQ or analytic data.
    center_hz : float
        Frequency of the echoes.
    sound_speed_m_s : float, optional
        Speed of sound.
    window : tuple of int, optional
        Pixels (z, x) that are averaged, odd numbers.

    Returns
    -------
    numpy.ndarray
        Millimetres, ``(z, x)``.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite or a number is out of range.

    References
    ----------
    Pesavento et al. 1999, "A time-efficient and accurate strain estimation concept for ultrasonic
    elastography using iterative phase zero estimation", IEEE TUFFC 46:1057, doi:10.1109/58.796111.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import axial_displacement
    >>> image = np.ones((20, 5)) * (1 + 0j)
    >>> moved = image * np.exp(-0.4j * np.pi)  # a tenth of the wavelength of 0.3 mm, there and back
    >>> axial_displacement(image, moved, center_hz=5e6, sound_speed_m_s=1500)[4, 2].round(6).item()
    0.03
    """
    one = complex_image("before", before, 2)
    other = complex_image("after", after, 2)
    if one.shape != other.shape:
        raise ValueError(f"after must have shape {one.shape}, got {other.shape}")
    lag = window_mean(other * one.conj(), odd_window(window))
    scale = (
        1e3 * positive("sound_speed_m_s", sound_speed_m_s) / (4 * np.pi * positive("center_hz", center_hz))
    )
    return np.asarray(-scale * np.angle(lag), dtype=one.real.dtype)


def axial_strain(displacement_mm: npt.ArrayLike, *, spacing_mm: float, n_window: int = 21) -> FloatArray:
    """Strain along depth: the slope of a straight line through the displacements of a window.

    Parameters
    ----------
    displacement_mm : array_like
        Displacements ``(z, x)``, as of :func:`axial_displacement`.
    spacing_mm : float
        Distance of the pixels along depth.
    n_window : int, optional
        Pixels of the window, an odd number of at least 3; at the ends the line of the last window goes on.

    Returns
    -------
    numpy.ndarray
        Strain ``(z, x)``, positive where tissue is stretched.

    Raises
    ------
    ValueError
        If a value is not finite, or the window is even, below 3 or longer than the image.

    References
    ----------
    Kallel and Ophir 1997, "A least-squares strain estimator for elastography", Ultrasonic Imaging 19:195,
    doi:10.1177/016173469701900303.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import axial_strain
    >>> stretched = 0.01 * 0.1 * np.arange(40.0)[:, None]
    >>> axial_strain(stretched, spacing_mm=0.1)[[0, 20], 0].round(9).tolist()
    [0.01, 0.01]
    """
    values = real_image("displacement_mm", displacement_mm, 2)
    n = count("n_window", n_window, 3)
    if n % 2 == 0 or n > len(values):
        raise ValueError(f"n_window must be odd and at most {len(values)}, got {n_window}")
    slope = savgol_filter(values, n, 1, deriv=1, delta=positive("spacing_mm", spacing_mm), axis=0)
    return np.asarray(slope, dtype=values.dtype)
