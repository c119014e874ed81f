"""Where the rotation axis falls on the detector, found from the data in three ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.fft

from imgtech._core.validate import FloatArray, finite, one_of, real_image
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct.fbp import fbp

Floats = npt.NDArray[np.float64]
Method = Literal["opposite", "fourier", "image"]
_SAME_RAD = 1e-4
_STEPS_APART = 6  # pairs of views up to so many steps short of half a turn
_COARSE_CHANNELS = 160
_FINEST = 0.125
_WEDGE_MARGIN = 4


def find_axis(
    sinogram: npt.ArrayLike,
    beam: ParallelBeam | FanBeam,
    *,
    method: Method = "opposite",
    search: tuple[float, float] | None = None,
) -> float:
    r"""Find the detector channel that the rotation axis projects onto.

    ``"opposite"``
        Views half a turn apart are mirror images about the axis: the shift that correlates one with the
        other mirrored, by the peak of the cross-correlation of their derivatives. Where no pair is exactly
        half a turn apart, pairs up to 6 steps short of it are taken and the shift is extrapolated.
    ``"fourier"``
        A sinogram of a full turn, made by mirroring half a turn about the right axis, has no spectrum in a
        double wedge about the frequency axis of the views; a wrong axis fills it. Vo et al. 2014.
    ``"image"``
        A wrong axis makes attenuation below zero out of half a turn, and doubles every edge out of a full
        turn: the axis with the least negative image (Donath et al. 2006), or the one with the largest sum of
        squared differences of neighbouring pixels. The only method for fan beams.

    The three share nothing but the data, so their agreement says more than any of them.

    Parameters
    ----------
    sinogram : array_like
        Line integrals ``(view, channel)`` or ``(slice, view, channel)``, free of stripes; a stack gives
        one common axis, the median over its slices.
    beam : ParallelBeam or FanBeam
        Angles and channel spacing; its offset is what is looked for and does not count. The views must
        cover 180 degrees; for ``"fourier"`` evenly, half a turn or a full turn.
    method : {"opposite", "fourier", "image"}, optional
        How to look.
    search : tuple of float, optional
        First and last channel to look between; a quarter and three quarters of the detector by default.

    Returns
    -------
    float
        Channel, counted from 0, with fractions. The beam with that axis has
        ``detector_offset_mm = ((n_channels - 1) / 2 - channel) * channel_spacing_mm``.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the beam or is not finite, the search range is empty or
        leaves the detector, the views do not fit the method, or a fan beam is given to another method than
        ``"image"``.

    References
    ----------
    Vo, Drakopoulos, Atwood and Reinhard 2014, https://doi.org/10.1364/OE.22.019078

    Donath, Beckmann and Schreyer 2006, https://doi.org/10.1364/JOSAA.23.001048

    Examples
    --------
    >>> from imgtech.geometry import ParallelBeam
    >>> from imgtech.phantoms import shepp_logan
    >>> from imgtech.recon.ct.corrections import find_axis
    >>> beam = ParallelBeam.half_turn(
    ...     n_views=120, n_channels=101, channel_spacing_mm=0.5, detector_offset_mm=1.6
    ... )
    >>> sinogram = shepp_logan(radius_mm=20.0).sinogram(beam)
    >>> round(find_axis(sinogram, beam), 1)  # 50 - 1.6 / 0.5
    46.8
    """
    stack = real_image("sinogram", sinogram, (2, 3), beam.shape).reshape(-1, *beam.shape)
    one_of("method", method, ("opposite", "fourier", "image"))
    low, high = _range(search, beam.n_channels)
    if method == "image":
        return _image(stack, beam, low, high)
    if isinstance(beam, FanBeam):
        raise ValueError(f"method must be image for a fan beam, got {method!r}")
    find = _opposite if method == "opposite" else _fourier
    return float(np.median([find(plane.astype(np.float64), beam, low, high) for plane in stack]))


def _range(search: tuple[float, float] | None, n: int) -> tuple[float, float]:
    low, high = (0.25 * (n - 1), 0.75 * (n - 1)) if search is None else search
    low, high = finite("search", low), finite("search", high)
    if not 0 <= low < high <= n - 1:
        raise ValueError(
            f"search must go from a lower to a higher channel of 0 to {n - 1}, got {low} to {high}"
        )
    return low, high


def _opposite(plane: Floats, beam: ParallelBeam, low: float, high: float) -> float:
    turned = (beam.angles_rad[None, :] - beam.angles_rad[:, None]) % (2 * np.pi) - np.pi
    gaps = np.diff(np.sort(beam.angles_rad))
    step = float(np.median(gaps[gaps > _SAME_RAD])) if (gaps > _SAME_RAD).any() else _SAME_RAD
    later = beam.angles_rad[None, :] > beam.angles_rad[:, None]
    pairs = np.argwhere(later & (np.abs(turned) < _SAME_RAD))
    if len(pairs):
        return float(np.median(_shifts(plane[pairs[:, 0]], plane[pairs[:, 1], ::-1], low, high)))
    pairs = np.argwhere(later & (np.abs(turned) < (_STEPS_APART + 0.5) * step))
    if len(pairs) < 4:
        raise ValueError("angles_rad must hold views half a turn apart for this method, got none")
    mirrored = _shifts(plane[pairs[:, 0]], plane[pairs[:, 1], ::-1], low, high)
    short = turned[pairs[:, 0], pairs[:, 1]] / step
    return float(np.polynomial.polynomial.polyfit(short, mirrored, 2)[0])


def _shifts(views: Floats, mirrored: Floats, low: float, high: float) -> Floats:
    """Axis channel of each pair: the peak of the correlation of derivatives, between two channels."""
    n = views.shape[-1]
    n_fft = scipy.fft.next_fast_len(2 * n, real=True)
    one, two = (np.gradient(v, axis=-1) for v in (views, mirrored))
    spectrum = scipy.fft.rfft(two, n_fft, axis=-1) * np.conj(scipy.fft.rfft(one, n_fft, axis=-1))
    lags = np.arange(int(np.ceil(n - 1 - 2 * high)), int(np.floor(n - 1 - 2 * low)) + 1)
    correlation = scipy.fft.irfft(spectrum, n_fft, axis=-1)[:, lags % n_fft]
    best = np.clip(np.argmax(correlation, axis=-1), 1, max(1, len(lags) - 2))
    if len(lags) < 3:
        raise ValueError(f"search must span more than a channel, got {low} to {high}")
    rows = np.arange(len(views))
    left, middle, right = (correlation[rows, best + k] for k in (-1, 0, 1))
    curvature = left - 2 * middle + right
    fraction = np.where(curvature < 0, 0.5 * (left - right) / np.where(curvature < 0, curvature, -1.0), 0.0)
    return np.asarray((n - 1 - (lags[best] + np.clip(fraction, -1, 1))) / 2)


def _fourier(plane: Floats, beam: ParallelBeam, low: float, high: float) -> float:
    half = _half_turn(plane, beam)

    def filled(axis: float, factor: int) -> float:
        """Mean spectrum inside the double wedge of a full turn mirrored about ``axis``."""
        views, axis = _binned(half, factor), (axis + 0.5) / factor - 0.5
        k = np.arange(views.shape[1])
        width = int(min(axis, len(k) - 1 - axis))
        window = np.where(np.abs(k - axis) <= width, np.cos(np.pi * (k - axis) / (2 * width + 2)) ** 2, 0.0)
        mirrored = np.stack([np.interp(2 * axis - k, k, row) for row in views])
        spectrum = np.abs(scipy.fft.rfft2(np.concatenate([views, mirrored]) * window))[: len(views) + 1]
        rate, wave = np.arange(spectrum.shape[0])[:, None], np.arange(spectrum.shape[1])[None, :]
        wedge = (rate > np.pi * wave + _WEDGE_MARGIN) & (wave > 0)  # rate <= 2 pi r wave / n, r <= n / 2
        return float(spectrum[wedge].mean() / spectrum[1:].mean())

    return _coarse_to_fine(filled, beam.n_channels, low, high)


def _half_turn(plane: Floats, beam: ParallelBeam) -> Floats:
    """The views of the first half turn in order, evenly spaced."""
    order = np.argsort(beam.angles_rad)
    angles = beam.angles_rad[order] - beam.angles_rad[order[0]]
    steps = np.diff(angles)
    if len(angles) < 8 or steps.min() < 0.9 * steps.mean() or steps.max() > 1.1 * steps.mean():
        raise ValueError("angles_rad must be evenly spaced for this method")
    n_half = round(np.pi / float(steps.mean()))
    if len(angles) < n_half:
        raise ValueError(f"angles_rad must cover half a turn, got {np.rad2deg(angles[-1]):.4g} degrees")
    return plane[order[:n_half]]


def _image(stack: FloatArray, beam: ParallelBeam | FanBeam, low: float, high: float) -> float:
    is_turn = _is_full_turn(beam.angles_rad)

    def unlikely(axis: float, factor: int) -> float:
        binned = _binned(stack, factor)
        m = binned.shape[-1]
        pad = m // 2
        wide = np.pad(binned, ((0, 0), (0, 0), (pad, m - pad)), mode="edge")
        spacing_mm = beam.channel_spacing_mm * factor
        channel = (axis + 0.5) / factor - 0.5 + pad
        moved = replace(
            beam,
            n_channels=2 * m,
            channel_spacing_mm=spacing_mm,
            channel_width_mm=None,
            detector_offset_mm=((2 * m - 1) / 2 - channel) * spacing_mm,
        )
        fov_mm = m * (moved.axis_spacing_mm if isinstance(moved, FanBeam) else spacing_mm)
        size = min(m, 2 * _COARSE_CHANNELS)
        images = fbp(wide, moved, ImageGrid.square(size, fov_mm=fov_mm), window="hann")
        if is_turn:
            return -float(sum((np.diff(images, axis=k) ** 2).sum(dtype=np.float64) for k in (1, 2)))
        return -float(np.minimum(images, 0).sum(dtype=np.float64))

    return _coarse_to_fine(unlikely, beam.n_channels, low, high)


def _is_full_turn(angles_rad: Floats) -> bool:
    """Whether every view has one half a turn away, within two steps."""
    ordered = np.sort(angles_rad % (2 * np.pi))
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    return bool(gaps.max() < max(0.1, 2.5 * float(np.median(gaps))))


def _binned(views: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    m = views.shape[-1] // factor
    return np.asarray(views[..., : m * factor].reshape(*views.shape[:-1], m, factor).mean(axis=-1))


def _coarse_to_fine(cost: Callable[[float, int], float], n: int, low: float, high: float) -> float:
    """The least of ``cost(axis, factor)``: with channels binned by ``factor`` first, then all of them."""
    factor = max(1, -(-n // _COARSE_CHANNELS))
    if factor > 1:
        best = _minimum(lambda axis: cost(axis, factor), low, high, float(factor), factor / 2)
        low, high = max(low, best - factor), min(high, best + factor)
    return _minimum(lambda axis: cost(axis, 1), low, high, 1.0, _FINEST)


def _minimum(cost: Callable[[float], float], low: float, high: float, step: float, finest: float) -> float:
    """The least of a function: on a grid, then on grids half as wide about the best, then a parabola."""
    known: dict[float, float] = {}

    def at(place: float) -> float:
        if place not in known:
            known[place] = cost(place)
        return known[place]

    places = np.append(np.arange(low, high, step), high)
    best = min(places, key=at)
    while step > finest:
        step /= 2
        best = min((p for p in (best - step, best, best + step) if low <= p <= high), key=at)
    if not low + step <= best <= high - step:
        return float(best)
    left, middle, right = at(best - step), at(best), at(best + step)
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature > 0 else 0.0
    return float(best + step * np.clip(shift, -1.0, 1.0))
