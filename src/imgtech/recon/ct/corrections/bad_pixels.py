"""Pixels that do not measure: found in the white field, filled from their neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from imgtech._core.validate import FloatArray, count, positive

_MEDIAN_CHANNELS = 11


def find_bad_pixels(
    flats: npt.ArrayLike, darks: npt.ArrayLike | None = None, *, tolerance: float = 0.5
) -> npt.NDArray[np.bool_]:
    """List the pixels whose response to an open beam is missing or unlike that of their neighbours.

    A pixel is bad where its mean white field does not lie above its mean dark field, where either is not
    finite, or where the difference departs by more than ``tolerance`` (relative) from the median over the
    11 channels around it.

    Parameters
    ----------
    flats : array_like
        Counts without object, ``(repeat, channel)`` or ``(repeat, slice, channel)``; NaN is allowed.
    darks : array_like, optional
        Counts without rays, of the same form.
    tolerance : float, optional
        Largest relative departure.

    Returns
    -------
    numpy.ndarray
        Mask ``(channel,)`` or ``(slice, channel)``.

    Raises
    ------
    ValueError
        If the fields do not have 2 or 3 axes or do not belong together, or no pixel measures.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import find_bad_pixels
    >>> find_bad_pixels(np.array([[100.0, 104.0, 0.0, 98.0, 300.0, 99.0, 101.0]]))
    array([False, False,  True, False,  True, False, False])
    """
    white = np.asarray(flats, dtype=np.float64)
    if white.ndim not in (2, 3) or white.size == 0:
        raise ValueError(f"flats must have 2 or 3 axes and not be empty, got shape {white.shape}")
    dark = np.zeros((1, *white.shape[1:])) if darks is None else np.asarray(darks, dtype=np.float64)
    if dark.shape[1:] != white.shape[1:]:
        raise ValueError(f"darks must have the pixels {white.shape[1:]} of flats, got shape {dark.shape}")
    limit = positive("tolerance", tolerance)
    response = white.mean(axis=0) - dark.mean(axis=0)
    bad = ~(np.isfinite(response) & (response > 0))
    if bad.all():
        raise ValueError("flats must lie above the dark field somewhere, got no pixel that measures")
    rows = np.where(bad, np.nan, response).reshape(-1, response.shape[-1])
    filled = np.stack([_filled_row(row, np.isnan(row)) for row in rows]).reshape(response.shape)
    size = (1,) * (response.ndim - 1) + (_MEDIAN_CHANNELS,)
    usual = median_filter(filled, size=size, mode="mirror")
    return np.asarray(bad | (np.abs(filled / usual - 1.0) > limit))


def fill_bad_pixels(sinogram: npt.ArrayLike, bad: npt.ArrayLike) -> FloatArray:
    """Replace bad pixels by the straight line between their good neighbours along the channels.

    Parameters
    ----------
    sinogram : array_like
        Counts, transmission or line integrals, ``(view, channel)`` or ``(slice, view, channel)``; the bad
        pixels may hold anything, NaN included.
    bad : array_like of bool
        The pixels to replace: ``(channel,)``, ``(slice, channel)`` for a stack, or the full shape.

    Returns
    -------
    numpy.ndarray
        A copy with the bad pixels filled; beyond the outermost good pixel, its value goes on.

    Raises
    ------
    ValueError
        If the shapes do not belong together, a row has no good pixel, or a pixel not listed as bad is not
        finite.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import fill_bad_pixels
    >>> fill_bad_pixels(np.array([[1.0, np.nan, 3.0, 9.0]]), [False, True, False, True])
    array([[1., 2., 3., 3.]])
    """
    values = np.array(sinogram)
    if values.ndim not in (2, 3) or values.size == 0:
        raise ValueError(f"sinogram must have 2 or 3 axes and not be empty, got shape {values.shape}")
    if values.dtype != np.float64:
        values = values.astype(np.float32)
    mask = _full_mask(np.asarray(bad, dtype=bool), values.shape)
    if not np.isfinite(values[~mask]).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values) & ~mask)[0])
        raise ValueError(
            f"sinogram must be finite outside the bad pixels, got {values[where]} at index {where}"
        )
    rows, marks = values.reshape(-1, values.shape[-1]), mask.reshape(-1, values.shape[-1])
    for number in np.flatnonzero(marks.any(axis=1)):
        rows[number] = _filled_row(rows[number], marks[number])
    return values


def _full_mask(bad: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    allowed = {shape, shape[-1:], shape[:-2] + shape[-1:]}
    if bad.shape not in allowed:
        raise ValueError(f"bad must have one of the shapes {sorted(allowed)}, got {bad.shape}")
    return np.broadcast_to(bad if bad.shape == shape else bad[..., None, :], shape)


def _filled_row(row: FloatArray, bad: npt.NDArray[np.bool_]) -> FloatArray:
    good = np.flatnonzero(~bad)
    count("good pixels of a row", len(good))
    return np.asarray(np.interp(np.arange(len(row)), good, row[good]), dtype=row.dtype)
