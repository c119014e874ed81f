"""Detector counts to line integrals: dark and white fields, drift, logarithm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import FloatArray, not_negative, positive, real_image
from imgtech.recon.ct.corrections.bad_pixels import fill_bad_pixels

Floats = npt.NDArray[np.float64]
_NAMED = 5  # so many bad pixels are named in an error


def flat_field(
    counts: npt.ArrayLike,
    flats: npt.ArrayLike,
    darks: npt.ArrayLike | None = None,
    *,
    flats_after: npt.ArrayLike | None = None,
    air_channels: npt.ArrayLike | None = None,
    bad: npt.ArrayLike | None = None,
    count_floor: float = 0.5,
) -> FloatArray:
    r"""Divide detector counts by the counts without an object, pixel by pixel.

    .. math:: T = \frac{\max(I - D, f)}{W - D}

    with the mean dark field D, the mean white field W and the floor f, so that the transmission T is above
    zero everywhere. With ``flats_after`` the white field runs linearly over the views from the mean of the
    one set to the mean of the other. ``air_channels`` never see the object: every view is scaled so that
    its mean over them is 1, which takes out what the source and the exposure time did in between.

    Parameters
    ----------
    counts : array_like
        Shape ``(view, channel)`` or ``(slice, view, channel)``. Cone-beam projections
        ``(view, row, channel)`` go in with their first two axes swapped.
    flats : array_like
        Counts without object, before the scan: ``(repeat, channel)`` or ``(repeat, slice, channel)``.
    darks : array_like, optional
        Counts without rays, of the same form; 0 if not given.
    flats_after : array_like, optional
        Counts without object, after the scan.
    air_channels : array_like of int, optional
        Channels that see air in every view.
    bad : array_like of bool, optional
        Pixels to leave out and fill from their neighbours, ``(channel,)`` or ``(slice, channel)``, for
        instance from :func:`find_bad_pixels`.
    count_floor : float, optional
        Least number of counts above the dark field.

    Returns
    -------
    numpy.ndarray
        Transmission, of the shape of the counts; float64 for float64 counts, float32 otherwise.

    Raises
    ------
    ValueError
        If counts or fields are not finite, their shapes do not belong together, a white field does not lie
        above the dark field in a pixel that is not listed as bad (the first ones are named), or the air
        channels are none of the channels or hold no signal.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import flat_field
    >>> flat_field(np.array([[60.0, 110.0]]), np.array([[110.0, 210.0]]), np.array([[10.0, 10.0]]))
    array([[0.5, 0.5]])
    """
    signal = real_image("counts", counts, (2, 3))
    per_pixel = signal.shape[:-2] + signal.shape[-1:]
    dark = np.zeros(per_pixel) if darks is None else _mean_field("darks", darks, per_pixel)
    white = [_mean_field("flats", flats, per_pixel) - dark]
    if flats_after is not None:
        white.append(_mean_field("flats_after", flats_after, per_pixel) - dark)
    left_out = np.zeros(per_pixel, dtype=bool) if bad is None else _mask(bad, per_pixel)
    for field in white:
        _refuse_dead_pixels(field, left_out)
        field[left_out] = 1.0
    floor = positive("count_floor", count_floor)
    above = np.maximum(signal - dark[..., None, :].astype(signal.dtype), floor)
    share = np.linspace(0.0, 1.0, signal.shape[-2])[:, None]
    full = white[0][..., None, :] + share * (white[-1] - white[0])[..., None, :]
    transmission: FloatArray = above / full.astype(signal.dtype)
    if left_out.any():
        transmission = fill_bad_pixels(transmission, left_out)
    if air_channels is not None:
        transmission /= _air_level(transmission, air_channels)
    return np.asarray(transmission)


def to_line_integrals(transmission: npt.ArrayLike, *, floor: float | None = None) -> FloatArray:
    r"""Take the negative logarithm of a transmission: :math:`p = -\ln \max(T, f)`.

    Parameters
    ----------
    transmission : array_like
        Fraction of the rays that passes, 2 or 3 axes; see :func:`flat_field`.
    floor : float, optional
        Least transmission; without one, every value must be above zero.

    Returns
    -------
    numpy.ndarray
        Line integrals (dimensionless); float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the transmission is not finite, or not above zero where no floor is given.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import to_line_integrals
    >>> to_line_integrals(np.array([[1.0, 0.5, 0.0]]), floor=1e-4).round(3)
    array([[-0.   ,  0.693,  9.21 ]])
    """
    values = real_image("transmission", transmission, (2, 3))
    if floor is not None:
        values = np.maximum(values, values.dtype.type(positive("floor", floor)))
    elif values.min() <= 0:
        where = tuple(int(i) for i in np.argwhere(values <= 0)[0])
        raise ValueError(
            "transmission must be above zero where no floor is given, "
            f"got {values[where]:.4g} at index {where}"
        )
    return np.asarray(-np.log(values))


def _mean_field(name: str, counts: npt.ArrayLike, per_pixel: tuple[int, ...]) -> Floats:
    field = real_image(name, counts, len(per_pixel) + 1, per_pixel)
    return np.asarray(field.mean(axis=0, dtype=np.float64))


def _mask(bad: npt.ArrayLike, per_pixel: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.asarray(bad, dtype=bool)
    try:
        return np.broadcast_to(mask, per_pixel)
    except ValueError as error:
        raise ValueError(f"bad must have the shape {per_pixel}, got {mask.shape}") from error


def _refuse_dead_pixels(white: Floats, left_out: npt.NDArray[np.bool_]) -> None:
    dead = np.argwhere((white <= 0) & ~left_out)
    if len(dead):
        named = ", ".join(str(tuple(int(i) for i in pixel)) for pixel in dead[:_NAMED])
        more = f" and {len(dead) - _NAMED} more" if len(dead) > _NAMED else ""
        raise ValueError(
            f"flats must lie above the dark field, which they do not at pixel {named}{more}; "
            "bad=find_bad_pixels(flats, darks) fills such pixels from their neighbours"
        )


def _air_level(transmission: FloatArray, air_channels: npt.ArrayLike) -> FloatArray:
    chosen = np.asarray(air_channels)
    n = transmission.shape[-1]
    if chosen.dtype.kind not in "iu" or chosen.size == 0 or chosen.min() < 0 or chosen.max() >= n:
        raise ValueError(f"air_channels must be channels from 0 to {n - 1}, got {air_channels!r}")
    level = transmission[..., chosen.ravel()].mean(axis=-1, keepdims=True)
    not_negative("air_channels' least transmission", float(level.min()))
    return level
