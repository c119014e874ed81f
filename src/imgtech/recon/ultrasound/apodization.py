"""Windows over the receive aperture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import any_shape, not_negative, one_of
from imgtech.recon.ultrasound._kernels import TIE_MM

# Every window is a0 + a1 cos(pi v) + a2 cos(2 pi v), with v from 0 to 1 between `flat` and the edge.
_WINDOWS: dict[str, tuple[float, tuple[float, float, float]]] = {
    "boxcar": (0.0, (1.0, 0.0, 0.0)),
    "hann": (0.0, (0.5, 0.5, 0.0)),
    "hamming": (0.0, (0.54, 0.46, 0.0)),
    "blackman": (0.0, (0.42, 0.5, 0.08)),
    "tukey": (0.5, (0.5, 0.5, 0.0)),
}
WINDOWS = tuple(_WINDOWS)


def window_terms(window: str) -> tuple[float, tuple[float, float, float]]:
    """Flat part and cosine coefficients of a window, as the kernels take them."""
    return _WINDOWS[one_of("window", window, WINDOWS)]


def aperture_weights(
    offsets_mm: npt.ArrayLike, depths_mm: npt.ArrayLike, *, f_number: float = 1.75, window: str = "boxcar"
) -> npt.NDArray[np.float64]:
    r"""Weight of an element at a lateral distance from a pixel of a given depth.

    With f-number F the aperture of a pixel at depth z is :math:`z / F` wide, so an element counts when
    :math:`|x - x_e| \le z / 2F`. The window is stretched over that aperture, with
    :math:`u = 2F |x - x_e| / z` running from 0 in its middle to 1 at its edge:

    ========== ================================================================
    boxcar     1
    hann       0.5 + 0.5 cos(pi u)
    hamming    0.54 + 0.46 cos(pi u)
    blackman   0.42 + 0.5 cos(pi u) + 0.08 cos(2 pi u)
    tukey      1 up to u = 0.5, then 0.5 + 0.5 cos(pi (2u - 1))
    ========== ================================================================

    An element on the edge counts, up to 1e-9 mm beyond it, so that rounding does not decide.
    Near the end of the probe part of the aperture is missing; the window is cut there, not squeezed.

    Parameters
    ----------
    offsets_mm : array_like of float
        Lateral distance of the element from the pixel, of either sign.
    depths_mm : array_like of float
        Depth of the pixel; broadcast against ``offsets_mm``.
    f_number : float, optional
        Depth divided by the width of the aperture; 0 takes every element with the weight of the middle.
    window : {'boxcar', 'hann', 'hamming', 'blackman', 'tukey'}, optional
        Window over the aperture.

    Returns
    -------
    numpy.ndarray
        Weights, float64.

    Raises
    ------
    ValueError
        If the f-number is negative, the window is unknown, or a length is not finite or does not fit.

    Examples
    --------
    >>> from imgtech.recon.ultrasound import aperture_weights
    >>> aperture_weights([0, 2.5, -5, 5.1], 20.0, f_number=2.0, window="hann")
    array([1. , 0.5, 0. , 0. ])
    """
    flat, cosines = window_terms(window)
    edge = 2 * not_negative("f_number", f_number) * np.abs(any_shape("offsets_mm", offsets_mm))
    depth = any_shape("depths_mm", depths_mm)
    try:
        edge, depth = np.broadcast_arrays(edge, depth)
    except ValueError as error:
        raise ValueError(
            f"depths_mm must fit offsets_mm of shape {edge.shape}, got shape {depth.shape}"
        ) from error
    u = np.divide(edge, depth, out=np.zeros(edge.shape), where=(edge > 0) & (depth > 0))
    v = np.maximum(np.minimum(u, 1) - flat, 0) / (1 - flat)
    weights = cosines[0] + cosines[1] * np.cos(np.pi * v) + cosines[2] * np.cos(2 * np.pi * v)
    return np.asarray(np.where(edge - TIE_MM <= depth, weights, 0.0))
