"""Rings of the image are stripes of the sinogram: two families that take them out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import gaussian_filter1d, median_filter

from imgtech._core.extras import require
from imgtech._core.validate import FloatArray, count, positive, real_image
from imgtech.recon.ct.corrections.bad_pixels import fill_bad_pixels

_LEAST_AWAY = 1e-3  # of the mean value: smaller departures are no defect


def remove_stripes_sorting(sinogram: npt.ArrayLike, *, width: int = 9) -> FloatArray:
    """Remove stripes by smoothing across channels what is sorted along views.

    The values of each channel are sorted over the views, a median over ``width`` channels is taken of
    equal ranks, and the values go back to their views: algorithm 3 of Vo et al. 2018. Sorted columns of
    neighbouring channels resemble each other whatever the object, so edges suffer little. Works on stripes
    narrower than half the median and of one sign along all views. A wide median draws streaks between few
    objects of high contrast, where ranks change fast across channels:
    :func:`remove_stripes_smoothing` does not.

    Parameters
    ----------
    sinogram : array_like
        Line integrals or transmission, ``(view, channel)`` or ``(slice, view, channel)``.
    width : int, optional
        Channels of the median; about twice the width of the widest stripe, at least 3.

    Returns
    -------
    numpy.ndarray
        The sinogram without stripes; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram is not finite or ``width`` is below 3 or above the number of channels.

    References
    ----------
    Vo, Atwood and Drakopoulos 2018, https://doi.org/10.1364/OE.26.028396

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import remove_stripes_sorting
    >>> sinogram = np.ones((8, 30))
    >>> sinogram[:, 12] += 0.3
    >>> bool((remove_stripes_sorting(sinogram) == 1.0).all())
    True
    """
    stack = _stack(sinogram)
    size = _width(width, stack.shape[-1])
    out = np.empty_like(stack)
    for plane, target in zip(stack, out, strict=True):
        order, ordered = _sorted_along_views(plane)
        np.put_along_axis(target, order, median_filter(ordered, size=(1, size), mode="mirror"), axis=0)
    return out.reshape(np.shape(sinogram))


def remove_stripes_smoothing(sinogram: npt.ArrayLike, *, sigma_channels: float = 3.0) -> FloatArray:
    """Take one offset off every channel: how far it lies from its smoothed neighbourhood in most views.

    The offset of a channel is the median over the views of its distance from a Gaussian mean across
    channels. Edges pass a channel in few views and do not move a median, so nothing is smoothed and no
    streaks arise; what stands still on the detector, such as the rim of a disk about the axis, is taken
    for a stripe by this as by every method.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, ``(view, channel)`` or ``(slice, view, channel)``.
    sigma_channels : float, optional
        Standard deviation of the Gaussian; wider stripes need more.

    Returns
    -------
    numpy.ndarray
        The sinogram without offsets; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram is not finite or ``sigma_channels`` is not positive.

    References
    ----------
    Vo, Atwood and Drakopoulos 2018 (on filtering-based methods), https://doi.org/10.1364/OE.26.028396

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import remove_stripes_smoothing
    >>> sinogram = np.ones((8, 30))
    >>> sinogram[:, 12] += 0.3
    >>> bool(np.abs(remove_stripes_smoothing(sinogram) - 1).max() < 0.05)
    True
    """
    stack = _stack(sinogram)
    sigma = positive("sigma_channels", sigma_channels)
    away = stack - gaussian_filter1d(stack, sigma, axis=-1, mode="mirror")
    return np.asarray(stack - np.median(away, axis=1, keepdims=True)).reshape(np.shape(sinogram))


def fill_defective_channels(sinogram: npt.ArrayLike, *, width: int = 9, ratio: float = 8.0) -> FloatArray:
    """Find channels that are wrong in many views or in some, and fill them from their neighbours.

    The mean distance of a channel from the median over the ``width`` channels around it, view by view, is
    compared with the same of the 4 ``width`` channels around: where it is more than ``ratio`` times as
    large, the channel is stuck, jumps, or has a strong stripe over part of the scan, which sorting does not
    remove. It is replaced by the straight line between its neighbours, sometimes together with channels
    within half a ``width`` of it. All others stay as they are, bit by bit. An object's own edges reach a
    ratio of about 5 where they run along a channel.

    Parameters
    ----------
    sinogram : array_like
        Line integrals or transmission, ``(view, channel)`` or ``(slice, view, channel)``.
    width : int, optional
        Channels of the median, at least 3: up to half as many neighbours may be defective together.
    ratio : float, optional
        Departure, relative to the channels around, that makes a defect; above 1.

    Returns
    -------
    numpy.ndarray
        The sinogram without defective channels; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram is not finite, ``width`` is below 3 or above the number of channels, or ``ratio``
        does not lie above 1.

    References
    ----------
    Vo, Atwood and Drakopoulos 2018 (on unresponsive and fluctuating stripes),
    https://doi.org/10.1364/OE.26.028396

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import fill_defective_channels
    >>> sinogram = np.ones((16, 60))
    >>> sinogram[:7, 30:33] = 2.0
    >>> bool((fill_defective_channels(sinogram) == 1.0).all())
    True
    """
    stack = _stack(sinogram).copy()
    size = _width(width, stack.shape[-1])
    if positive("ratio", ratio) <= 1:
        raise ValueError(f"ratio must lie above 1, got {ratio}")
    for plane in stack:
        away = np.abs(plane - median_filter(plane, size=(1, size), mode="mirror")).mean(axis=0)
        away = np.maximum(away, _LEAST_AWAY * np.abs(plane).mean())
        defective = away > ratio * median_filter(away, 4 * size + 1, mode="mirror")
        if defective.any():
            plane[:] = fill_bad_pixels(plane, defective)
    return stack.reshape(np.shape(sinogram))


def remove_stripes_wavelet(
    sinogram: npt.ArrayLike, *, wavelet: str = "db5", n_levels: int = 3, sigma: float = 0.5
) -> FloatArray:
    r"""Remove stripes by damping what is constant along views in wavelet bands of detail across channels.

    The sinogram is decomposed by a two-dimensional discrete wavelet transform; in every band of detail
    across channels, the Fourier coefficients along views are multiplied by
    :math:`1 - \exp(-k^2 / 2 \sigma^2)` with the index k of the frequency: Muench et al. 2009.

    Parameters
    ----------
    sinogram : array_like
        Line integrals or transmission, ``(view, channel)`` or ``(slice, view, channel)``.
    wavelet : str, optional
        Name of a wavelet of PyWavelets.
    n_levels : int, optional
        Levels of the decomposition: stripes up to about 2 to the power of it are removed.
    sigma : float, optional
        Width of the damping, in cycles over all views. The default removes what is the same in every view;
        2 and above remove partial stripes, and blur the object around the axis with them.

    Returns
    -------
    numpy.ndarray
        The sinogram without stripes; float64 for float64, float32 otherwise.

    Raises
    ------
    ImportError
        If PyWavelets is not installed.
    ValueError
        If the sinogram is not finite, the wavelet is unknown, ``sigma`` is not positive, or the sinogram is
        too small for the levels.

    References
    ----------
    Muench, Trtik, Marone and Stampanoni 2009, https://doi.org/10.1364/OE.17.008567

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import remove_stripes_wavelet
    >>> sinogram = np.ones((160, 160))
    >>> sinogram[:, 70] += 0.3
    >>> bool(np.abs(remove_stripes_wavelet(sinogram) - 1).max() < 0.05)
    True
    """
    pywt: Any = require("pywt", "ct")
    stack = _stack(sinogram)
    width = positive("sigma", sigma)
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ValueError(f"wavelet must be a discrete wavelet of PyWavelets, got {wavelet!r}")
    most = pywt.dwtn_max_level(stack.shape[1:], wavelet)
    if not 1 <= count("n_levels", n_levels) <= most:
        raise ValueError(
            f"n_levels must be at most {most} for shape {stack.shape[1:]} and {wavelet}, got {n_levels}"
        )
    out = np.empty_like(stack)
    for plane, target in zip(stack, out, strict=True):
        smooth, *details = pywt.wavedec2(plane, wavelet, mode="symmetric", level=n_levels)
        damped = [(h, _damped_along_views(v, width), d) for h, v, d in details]
        target[:] = pywt.waverec2([smooth, *damped], wavelet, mode="symmetric")[
            : len(plane), : plane.shape[1]
        ]
    return out.reshape(np.shape(sinogram))


def _stack(sinogram: npt.ArrayLike) -> FloatArray:
    values = real_image("sinogram", sinogram, (2, 3))
    return np.ascontiguousarray(values).reshape(-1, *values.shape[-2:])


def _width(width: int, n_channels: int) -> int:
    if count("width", width, minimum=3) > n_channels:
        raise ValueError(f"width must be at most the {n_channels} channels, got {width}")
    return width


def _sorted_along_views(plane: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
    order = np.argsort(plane, axis=0, kind="stable")
    return order, np.take_along_axis(plane, order, axis=0)


def _damped_along_views(band: FloatArray, sigma: float) -> FloatArray:
    n = len(band)
    k = np.arange(n // 2 + 1)
    spectrum = scipy.fft.rfft(band, axis=0) * (1 - np.exp(-0.5 * (k / sigma) ** 2))[:, None]
    return np.asarray(scipy.fft.irfft(spectrum, n, axis=0), dtype=band.dtype)
