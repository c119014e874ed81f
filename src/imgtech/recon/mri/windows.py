"""Windows on k-space: weights that trade resolution against ringing and noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from imgtech._core.validate import count, one_of

Window = str | Callable[[npt.NDArray[np.float64]], npt.ArrayLike]

_TUKEY_TAPER = 0.5  # share of the half axis that is tapered
_FERMI_EDGE, _FERMI_WIDTH = 0.9, 0.05  # half-height position and transition width, in units of |u|


def _hann(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 0.5 + 0.5 * np.cos(np.pi * u)


def _hamming(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 0.54 + 0.46 * np.cos(np.pi * u)


def _tukey(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    beyond = np.clip((np.abs(u) - (1 - _TUKEY_TAPER)) / _TUKEY_TAPER, 0, 1)
    return 0.5 + 0.5 * np.cos(np.pi * beyond)


def _fermi(u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    edge = expit((_FERMI_EDGE - np.abs(u)) / _FERMI_WIDTH)
    return np.asarray(edge / expit(_FERMI_EDGE / _FERMI_WIDTH))


_WINDOWS: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "none": np.ones_like,
    "hann": _hann,
    "hamming": _hamming,
    "tukey": _tukey,
    "fermi": _fermi,
}


def kspace_window(n: int, window: Window = "none") -> npt.NDArray[np.float64]:
    r"""Weights of a window along one k-space axis, 1 at the centre sample ``n // 2``.

    With :math:`u = (i - \lfloor n/2 \rfloor) / (n/2)`, which runs from -1 to 1:

    ========= ==========================================================================
    none      1
    hann      :math:`0.5 + 0.5 \cos \pi u`
    hamming   :math:`0.54 + 0.46 \cos \pi u`
    tukey     1 up to :math:`|u| = 0.5`, then a half cosine that reaches 0 at 1
    fermi     :math:`1 / (1 + e^{(|u| - 0.9) / 0.05})`, divided by its value at 0
    ========= ==========================================================================

    The centre weight of 1 keeps the mean of the image.

    Parameters
    ----------
    n : int
        Number of samples.
    window : str or callable, optional
        A name from the table, or a function that takes the array ``u`` and returns its weights, which
        are used as they are.

    Returns
    -------
    numpy.ndarray
        ``n`` weights, float64.

    Raises
    ------
    ValueError
        If ``n`` is below 1, the name is unknown, or a function returns another shape or a value that
        is not finite.

    References
    ----------
    F. J. Harris, On the use of windows for harmonic analysis with the discrete Fourier transform,
    Proceedings of the IEEE 66 (1978) 51-83, doi:10.1109/PROC.1978.10837 (hann, hamming, tukey).
    M. J. Lowe, J. A. Sorenson, Spatially filtering functional magnetic resonance imaging data, Magnetic
    Resonance in Medicine 37 (1997) 723-729, doi:10.1002/mrm.1910370514 (fermi).

    Examples
    --------
    >>> from imgtech.recon.mri import kspace_window
    >>> kspace_window(4, "hann").round(3)
    array([0. , 0.5, 1. , 0.5])
    """
    u = (np.arange(count("n", n)) - n // 2) / (n / 2)
    if callable(window):
        weights = np.asarray(window(u), dtype=np.float64)
    else:
        weights = _WINDOWS[one_of("window", window, tuple(_WINDOWS))](u)
    if weights.shape != u.shape or not np.isfinite(weights).all():
        raise ValueError(f"window must return {n} finite weights, got {weights!r}")
    return weights
