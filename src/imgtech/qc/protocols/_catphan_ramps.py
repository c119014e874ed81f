"""The wire ramps of a CatPhan: thickness and distance of the slices, and where they cut the module."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize
from scipy.special import ndtr

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins.catphan import RAMP_DEGREES
from imgtech.qc.pose import Pose, read_lines

Floats = npt.NDArray[np.float64]

RISE = math.tan(math.radians(RAMP_DEGREES))
_STEP_MM = 0.25
_HALF_LENGTH_MM = 32.0
_ACROSS_MM = np.arange(-4.0, 4.01, 0.5)
_NEAR_MM = 2.0
_BESIDE_MM = 3.0
_TAIL_MM = 9.0
_OVER_NOISE = 4.0
_WIDTHS_MM = (0.25, 3.0)
_WIRE_MM = 0.28
_MOST_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Lit:
    """The lit part of one wire in one slice: its middle along the wire and its widths."""

    ramp: int
    slice_index: int
    middle_mm: float
    fwhm_mm: float
    corrected_mm: float
    blur_mm: float


def lit_part(
    spline: Floats,
    grid: ImageGrid,
    pose: Pose,
    ramp: tuple[tuple[float, float], tuple[float, float]],
    *,
    expected_mm: float,
    number: int,
    slice_index: int,
) -> Lit | None:
    """Fit a blurred box to the profile along a wire; None where no wire stands out of the noise.

    The width across the wire is the blur of the image; the width along it is that of the slice and of the
    blur together, from which the blur is taken off again in squares.
    """
    (v0, u0), (dv, du) = ramp
    along = np.arange(-_HALF_LENGTH_MM, _HALF_LENGTH_MM + _STEP_MM / 2, _STEP_MM)
    v = v0 + dv * along + du * _ACROSS_MM[:, None]
    u = u0 + du * along - dv * _ACROSS_MM[:, None]
    patch = read_lines(spline, grid, pose, v, u)
    beside = np.abs(_ACROSS_MM) >= _BESIDE_MM
    patch = patch - patch[beside].mean(axis=0)
    profile = patch[np.abs(_ACROSS_MM) <= _NEAR_MM].mean(axis=0)
    profile = profile - np.median(profile)
    size = max(3, round(expected_mm / _STEP_MM))
    smooth = ndimage.uniform_filter1d(profile, size, mode="constant")
    top = int(np.argmax(smooth))
    noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    if smooth[top] < _OVER_NOISE * max(noise, 1e-6):
        return None
    near = np.abs(along - along[top]) <= expected_mm / 2 + _TAIL_MM
    middle = np.abs(along - along[top]) <= max(expected_mm / 4, 1.0)
    blur = _bell_width(patch[:, middle].mean(axis=1))
    fit = _box(along[near], profile[near], float(along[top]), expected_mm, blur)
    center, length, width = (float(c) for c in fit)
    if abs(center) + length / 2 > _HALF_LENGTH_MM - 2.0:
        return None
    own = math.sqrt(max(width**2 - blur**2, 0.0))
    return Lit(
        ramp=number,
        slice_index=slice_index,
        middle_mm=center,
        fwhm_mm=_fwhm(length, width),
        corrected_mm=_fwhm(length, own),
        blur_mm=math.sqrt(max(blur**2 - _WIRE_MM**2 / 16, 0.0)),
    )


def _bell_width(across: Floats) -> float:
    """Standard deviation of the Gaussian that fits the profile across a wire."""

    def bell(p: Floats) -> Floats:
        return np.asarray(p[0] * np.exp(-((_ACROSS_MM - p[1]) ** 2) / (2 * p[2] ** 2)) + p[3])

    start = np.array([float(across.max()), 0.0, 0.7, 0.0])
    low = np.array([0.0, -1.5, _WIDTHS_MM[0], -np.inf])
    high = np.array([np.inf, 1.5, _WIDTHS_MM[1], np.inf])
    return float(_least_squares(bell, across, start, low, high)[2])


def _box(x: Floats, profile: Floats, center: float, length: float, blur: float) -> Floats:
    """Middle, length and edge width of the blurred box that fits best."""

    def box(p: Floats) -> Floats:
        away, half = x - p[1], p[2] / 2
        return np.asarray(p[0] * (ndtr((away + half) / p[3]) - ndtr((away - half) / p[3])) + p[4])

    start = np.array([float(profile.max()), center, length, blur, 0.0])
    low = np.array([0.0, center - length - 4.0, 0.3, blur, -np.inf])
    high = np.array([np.inf, center + length + 4.0, 4 * length + 4.0, max(3 * blur, length), np.inf])
    return _least_squares(box, profile, start, low, high)[1:4]


def _least_squares(
    model: Callable[[Floats], Floats], seen: Floats, start: Floats, low: Floats, high: Floats
) -> Floats:
    """Levenberg-Marquardt steps between bounds; a handful of parameters, differences for slopes."""
    p, damping = start.copy(), 1e-3
    left = seen - model(p)
    cost = float(left @ left)
    for _ in range(_MOST_STEPS):
        slopes = np.empty((len(seen), len(p)))
        for k in range(len(p)):
            nudge = np.zeros(len(p))
            nudge[k] = 1e-5 * max(abs(p[k]), 1.0)
            slopes[:, k] = (model(p + nudge) - seen + left) / nudge[k]
        normal = slopes.T @ slopes
        way = slopes.T @ left
        better = False
        while damping < 1e6:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), way)
            tried = np.clip(p + step, low, high)
            rest = seen - model(tried)
            if float(rest @ rest) < cost:
                better = True
                break
            damping *= 10
        if not better:
            break
        settled = cost - float(rest @ rest) < 1e-7 * cost
        p, left, cost, damping = tried, rest, float(rest @ rest), damping / 5
        if settled:
            break
    return p


def _fwhm(length: float, width: float) -> float:
    """Full width at half maximum of a box blurred by a Gaussian."""
    if width < 1e-3 * length:
        return length
    top = 2 * ndtr(length / 2 / width) - 1

    def over(x: float) -> float:
        height = ndtr((x + length / 2) / width) - ndtr((x - length / 2) / width)
        return float(height - top / 2)

    return 2 * float(optimize.brentq(over, 0.0, length / 2 + 6 * width))
