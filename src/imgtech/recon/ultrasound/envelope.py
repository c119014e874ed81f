"""Envelope and log compression: from beamformed data to a B-mode picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import hilbert

from imgtech._core.validate import FloatArray, complex_image, positive, real_image


def envelope(image: npt.ArrayLike, *, axis: int = 0) -> FloatArray:
    """Amplitude of a beamformed image.

    Complex data (analytic or IQ): the absolute value. Real data (RF): the absolute value of the
    analytic signal along depth, by the discrete Hilbert transform; the depth spacing must then be finer
    than a quarter of the wavelength.

    Parameters
    ----------
    image : array_like
        Beamformed data ``(z, x)``, or with further axes.
    axis : int, optional
        Depth axis, used for real data only.

    Returns
    -------
    numpy.ndarray
        Envelope of the same shape, float32 (float64 for double precision).

    Raises
    ------
    ValueError
        If a value is not finite, the image has less than 2 or more than 4 axes, or ``axis`` is not one
        of them.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ultrasound import envelope
    >>> wave = 3 * np.cos(2 * np.pi * np.arange(64) / 8)
    >>> envelope(wave[:, None])[10].round(6)
    array([3.])
    """
    array = np.asarray(image)
    if array.dtype.kind == "c":
        return np.abs(complex_image("image", array, (2, 3, 4)))
    values = real_image("image", array, (2, 3, 4))
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"axis must be an axis of an image of shape {values.shape}, got {axis!r}")
    return np.asarray(np.abs(hilbert(values, axis=axis)))


def log_compress(
    envelope: npt.ArrayLike, *, dynamic_range_db: float = 60.0, reference: float | None = None
) -> FloatArray:
    r"""Decibels below a reference, :math:`20 \log_{10}(e / e_{ref})`, cut to the dynamic range.

    Parameters
    ----------
    envelope : array_like
        Amplitudes, not negative, of 2 to 4 axes.
    dynamic_range_db : float, optional
        Lowest level kept: everything below ``-dynamic_range_db`` is set to it, zeros too.
    reference : float, optional
        Amplitude of 0 dB, and what is above is cut to 0; the largest value by default.

    Returns
    -------
    numpy.ndarray
        Values from ``-dynamic_range_db`` to 0, float32 (float64 for float64 input).

    Raises
    ------
    ValueError
        If a value is negative or not finite, or no value is above zero and no reference is given.

    Examples
    --------
    >>> from imgtech.recon.ultrasound import log_compress
    >>> log_compress([[1.0, 0.1, 0.0]], dynamic_range_db=40).tolist()
    [[0.0, -20.0, -40.0]]
    """
    values = real_image("envelope", envelope, (2, 3, 4))
    floor_db = -positive("dynamic_range_db", dynamic_range_db)
    if (values < 0).any():
        raise ValueError(f"envelope must not be negative, got {values.min()}")
    top = float(values.max()) if reference is None else positive("reference", reference)
    if top == 0:
        raise ValueError("envelope must have a value above zero, got 0 everywhere")
    ratio = np.maximum(values / values.dtype.type(top), values.dtype.type(10 ** (floor_db / 20)))
    return np.clip(20 * np.log10(ratio), floor_db, 0)
