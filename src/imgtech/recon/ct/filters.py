r"""Filters of the filtered back-projection: the ramp in discrete space, and windows on it.

The ramp is the one of Kak and Slaney (Principles of Computerized Tomographic Imaging, IEEE Press 1988,
chapter 3, equation 61; SIAM 2001, https://doi.org/10.1137/1.9780898719277): a band-limited :math:`|f|`
sampled in space and only then transformed. Sampling :math:`|f|` in frequency instead makes the filter
periodic, loses its value at frequency zero and shifts the whole image down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.validate import count, one_of, positive

FloatArray = npt.NDArray[np.float64]
Window = str | Callable[[FloatArray], npt.NDArray[Any]]

WINDOWS = ("ram-lak", "shepp-logan", "cosine", "hann", "hamming")


def ramp_response(n_samples: int, spacing_mm: float) -> FloatArray:
    r"""Return the frequency response of the ramp filter that is sampled in space.

    .. math::

        h_0 = \frac{1}{4 d^2}, \qquad h_n = -\frac{1}{(\pi n d)^2} \; (n \text{ odd}), \qquad
        h_n = 0 \; (n \text{ even}), \qquad H_k = d \sum_n h_n e^{-2 \pi i k n / N}

    with the channel spacing :math:`d`: Kak and Slaney, equation 61 of chapter 3. With ``n_samples`` at
    least twice the number of channels, the circular convolution of the FFT equals the linear one.

    Parameters
    ----------
    n_samples : int
        Length :math:`N` of the zero-padded FFT.
    spacing_mm : float
        Channel spacing.

    Returns
    -------
    numpy.ndarray
        Response in 1/mm at the frequencies of ``numpy.fft.rfftfreq(n_samples, spacing_mm)``.

    Raises
    ------
    ValueError
        If ``n_samples`` is below 2 or ``spacing_mm`` is not positive.

    Examples
    --------
    >>> from imgtech.recon.ct import ramp_response
    >>> ramp_response(8, spacing_mm=0.5).round(4)
    array([0.0497, 0.2453, 0.5   , 0.7547, 0.9503])
    """
    spacing = positive("spacing_mm", spacing_mm)
    n = np.arange(count("n_samples", n_samples, minimum=2))
    distance = np.minimum(n, len(n) - n)
    kernel = np.zeros(len(n))
    odd = distance % 2 == 1
    kernel[odd] = -1.0 / (np.pi * distance[odd] * spacing) ** 2
    kernel[0] = 1.0 / (4.0 * spacing**2)
    return np.asarray(spacing * scipy.fft.rfft(kernel).real)


def window_response(window: Window, frequency: npt.ArrayLike, *, cutoff: float = 1.0) -> FloatArray:
    r"""Return the value of a window at normalised frequencies.

    With :math:`u = f / (c f_N)`, the frequency relative to ``cutoff`` times the Nyquist frequency of the
    channels, every window is zero for :math:`u > 1` and below that

    ================ ======================================== =========================================
    ``ram-lak``      :math:`1`                                Ramachandran and Lakshminarayanan 1971,
                                                              https://doi.org/10.1073/pnas.68.9.2236
    ``shepp-logan``  :math:`\sin(\pi u/2) / (\pi u/2)`        Shepp and Logan 1974,
                                                              https://doi.org/10.1109/TNS.1974.6499235
    ``cosine``       :math:`\cos(\pi u/2)`                    Kak and Slaney, chapter 3
    ``hann``         :math:`0.5 + 0.5 \cos(\pi u)`            Harris 1978,
    ``hamming``      :math:`0.54 + 0.46 \cos(\pi u)`          https://doi.org/10.1109/PROC.1978.10837
    callable         its value at :math:`u`                   for example :func:`butterworth`
    ================ ======================================== =========================================

    Parameters
    ----------
    window : str or callable
        A name from ``WINDOWS``, or a function of an array of :math:`u` in [0, 1].
    frequency : array_like of float
        Frequencies relative to the Nyquist frequency, :math:`f / f_N`.
    cutoff : float, optional
        :math:`c`, above 0 and at most 1.

    Returns
    -------
    numpy.ndarray
        Values of the window, float64, in the shape of ``frequency``.

    Raises
    ------
    ValueError
        If the name is unknown, ``cutoff`` lies outside (0, 1], or the function returns another shape or
        a value that is not finite.

    Examples
    --------
    >>> from imgtech.recon.ct import window_response
    >>> window_response("hann", [0.0, 0.25, 0.5, 0.75], cutoff=0.5)
    array([1. , 0.5, 0. , 0. ])
    """
    limit = positive("cutoff", cutoff)
    if limit > 1:
        raise ValueError(f"cutoff must be at most 1 (the Nyquist frequency), got {cutoff!r}")
    ratio = np.abs(np.asarray(frequency, dtype=np.float64)) / limit
    inside = ratio <= 1.0 + 1e-12
    u = np.where(inside, ratio, 0.0)
    if callable(window):
        values = np.asarray(window(u), dtype=np.float64)
        if values.shape != u.shape or not np.isfinite(values).all():
            raise ValueError(
                f"window must return a finite value for each of the {u.shape} frequencies, "
                f"got shape {values.shape}, finite: {bool(np.isfinite(values).all())}"
            )
    else:
        values = _named(one_of("window", window, WINDOWS), u)
    return np.where(inside, values, 0.0)


def _named(name: str, u: FloatArray) -> FloatArray:
    if name == "ram-lak":
        return np.ones_like(u)
    if name == "shepp-logan":
        return np.sinc(u / 2)
    if name == "cosine":
        return np.cos(np.pi * u / 2)
    floor = 0.5 if name == "hann" else 0.54
    return floor + (1 - floor) * np.cos(np.pi * u)


def butterworth(*, order: int, cutoff: float) -> Callable[[FloatArray], FloatArray]:
    r"""Make a Butterworth window, :math:`1 / \sqrt{1 + (u / u_c)^{2 n}}`.

    Parameters
    ----------
    order : int
        :math:`n`: the higher, the steeper.
    cutoff : float
        :math:`u_c`, the normalised frequency at which the window has fallen to :math:`1/\sqrt{2}`.

    Returns
    -------
    callable
        A window for :func:`fbp`.

    Raises
    ------
    ValueError
        If ``order`` is below 1 or ``cutoff`` is not positive.

    References
    ----------
    Butterworth, On the theory of filter amplifiers, Experimental Wireless 7 (1930) 536-541.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct import butterworth
    >>> butterworth(order=2, cutoff=0.5)(np.array([0.0, 0.5, 1.0])).round(4)
    array([1.    , 0.7071, 0.2425])
    """
    exponent = 2 * count("order", order)
    edge = positive("cutoff", cutoff)

    def window(u: FloatArray) -> FloatArray:
        return np.asarray(1.0 / np.sqrt(1.0 + (u / edge) ** exponent))

    return window
