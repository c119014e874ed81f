"""Scattered radiation, estimated and taken off the transmission."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft

from imgtech._core.validate import FloatArray, count, not_negative, positive, real_image


def subtract_uniform_scatter(
    transmission: npt.ArrayLike, *, fraction: float, floor: float = 1e-5
) -> FloatArray:
    r"""Take a uniform background off every view: a fraction of the mean signal behind the object.

    .. math:: T'_{vj} = \max\left(T_{vj} - f \min_j \tilde T_{vj}, \; t\right)

    The background is taken relative to the smallest transmission of the view (over a median of 5
    channels), where scatter matters most and beyond which it cannot lie: f = 1 would leave nothing there.

    Parameters
    ----------
    transmission : array_like
        Transmission ``(view, channel)`` or ``(slice, view, channel)``, see :func:`flat_field`.
    fraction : float
        Share f of scatter in the darkest part of each view, at least 0 and below 1.
    floor : float, optional
        Least transmission t that is left.

    Returns
    -------
    numpy.ndarray
        Transmission without scatter; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the transmission is not finite, the fraction lies outside 0 to 1, or the floor is not positive.

    References
    ----------
    Siewerdsen et al. 2006, https://doi.org/10.1118/1.2148916

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import subtract_uniform_scatter
    >>> view = np.array([[1.05, 0.1, 0.1, 0.1, 0.1, 0.1, 1.05]])
    >>> subtract_uniform_scatter(view, fraction=0.5).round(6)
    array([[1.  , 0.05, 0.05, 0.05, 0.05, 0.05, 1.  ]])
    """
    values = real_image("transmission", transmission, (2, 3))
    share = not_negative("fraction", fraction)
    if share >= 1:
        raise ValueError(f"fraction must be below 1, got {fraction}")
    shifted = np.stack([np.roll(values, k, axis=-1) for k in (-2, -1, 0, 1, 2)])
    darkest = np.median(shifted, axis=0).min(axis=-1, keepdims=True)
    return np.asarray(
        np.maximum(values - values.dtype.type(share) * darkest, values.dtype.type(positive("floor", floor)))
    )


def subtract_kernel_scatter(
    transmission: npt.ArrayLike,
    *,
    amplitude: float,
    width_channels: float,
    n_iterations: int = 20,
    floor: float = 1e-5,
) -> FloatArray:
    r"""Take off scatter that is the primary signal spread by a Gaussian along the channels.

    The model :math:`T = P + a \, (P * g)` with a Gaussian g of the sum 1 is solved for the primary P by
    :math:`P_{k+1} = T - a \, (P_k * g)`, which converges for an amplitude below 1. Beyond the detector the
    outermost values go on.

    Parameters
    ----------
    transmission : array_like
        Transmission ``(view, channel)`` or ``(slice, view, channel)``, see :func:`flat_field`; divided by a
        white field without scatter.
    amplitude : float
        Scatter over primary, a, in a wide uniform field; at least 0 and below 1.
    width_channels : float
        Standard deviation of the Gaussian, in channels.
    n_iterations : int, optional
        Number of iterations; the error falls by the factor a in each.
    floor : float, optional
        Least transmission that is left.

    Returns
    -------
    numpy.ndarray
        Transmission without scatter; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the transmission is not finite, the amplitude lies outside 0 to 1, or the width or the floor is
        not positive.

    References
    ----------
    Love and Kruger 1987 (scatter by convolution), https://doi.org/10.1118/1.596126

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import subtract_kernel_scatter
    >>> subtract_kernel_scatter(np.full((2, 40), 0.55), amplitude=0.1, width_channels=5.0).round(6)[0, 20]
    np.float64(0.5)
    """
    values = real_image("transmission", transmission, (2, 3))
    a = not_negative("amplitude", amplitude)
    if a >= 1:
        raise ValueError(f"amplitude must be below 1, got {amplitude}")
    sigma = positive("width_channels", width_channels)
    least = positive("floor", floor)
    n = values.shape[-1]
    pad = int(np.ceil(4 * sigma))
    n_fft = scipy.fft.next_fast_len(n + 2 * pad, real=True)
    frequency = scipy.fft.rfftfreq(n_fft)
    response = (a * np.exp(-2 * (np.pi * sigma * frequency) ** 2)).astype(values.dtype)
    primary = values / values.dtype.type(1 + a)
    widths = [(0, 0)] * (values.ndim - 1) + [(pad, n_fft - n - pad)]
    for _ in range(count("n_iterations", n_iterations)):
        wide = np.pad(primary, widths, mode="edge")
        spread = scipy.fft.irfft(scipy.fft.rfft(wide, axis=-1) * response, n_fft, axis=-1)
        primary = values - spread[..., pad : pad + n]
    return np.maximum(primary, values.dtype.type(least))
