"""Bar groups of planar phantoms: frequency, direction and modulation of each, and the MTF of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import LineGroup, PlanarDrawing
from imgtech.qc.measurement import Source
from imgtech.qc.protocols._gamma_bars_find import refined_wave
from imgtech.qc.protocols._planar_bars_fit import FittedBars, fit_bars
from imgtech.qc.protocols._planar_pose import PlanarPose

Floats = npt.NDArray[np.float64]

COLTMAN = Source(document="J. W. Coltman, J Opt Soc Am 44:468", edition="1954", verified=False)
_NEAR = 0.12
_LENGTH_SHARE = 0.78
_MOST_PERIODS = 5
_FEW_BARS = 10
_HARMONICS = (1, 3, 5, 7, 9, 11, 13, 15)
_EDGE_OF_NYQUIST = 0.9


@dataclass(frozen=True, kw_only=True)
class BarGroup:
    """One group of bars as it was found.

    Parameters
    ----------
    frequency_per_mm, frequency_uncertainty_per_mm : float
        Line pairs per mm at the detector.
    normal_rad, normal_uncertainty_rad : float
        Direction across the bars.
    center_mm : (float, float)
        ``(y, x)`` of the middle.
    amplitude, amplitude_uncertainty : float
        Of the first harmonic, in pixel values.
    half_mm : (float, float)
        Half sizes across and along that were used.
    clear : bool
        Whether the bars stand out of the noise; if not, frequency and direction are those of the drawing.
    """

    frequency_per_mm: float
    frequency_uncertainty_per_mm: float
    normal_rad: float
    normal_uncertainty_rad: float
    center_mm: tuple[float, float]
    amplitude: float
    amplitude_uncertainty: float
    half_mm: tuple[float, float]
    clear: bool


def shown_groups(grid: ImageGrid, found: PlanarPose, drawing: PlanarDrawing) -> list[int]:
    """Groups that the pixels of the detector can show, coarsest first."""
    normal = found.bar_normal_rad
    steps = grid.spacing_mm[0] * abs(math.sin(normal)), grid.spacing_mm[1] * abs(math.cos(normal))
    highest = _EDGE_OF_NYQUIST * 0.5 / max(steps) * found.unit_mm
    return [k for k, group in enumerate(drawing.groups) if group.per_unit < highest]


def measure_group(
    image: Floats, grid: ImageGrid, found: PlanarPose, group: LineGroup, noise: float
) -> BarGroup:
    """One group of bars."""
    f, normal = group.per_unit / found.unit_mm, found.bar_normal_rad
    center = found.place(group.center)
    half = group.half[0] * found.unit_mm, _LENGTH_SHARE * group.half[1] * found.unit_mm
    box, across, along = _window(grid, center, normal, math.hypot(*half))
    inside = (np.abs(across) < half[0]) & (np.abs(along) < half[1])
    hann = np.cos(np.pi / 2 * np.clip(across / half[0], -1, 1)) ** 2
    w = hann * np.cos(np.pi / 2 * np.clip(along / half[1], -1, 1)) ** 2 * inside
    values = image[box]
    mean = float(np.vdot(w, values) / w.sum())
    y, x = (c[b] for c, b in zip(grid.coordinates_mm, box, strict=True))
    start = f * math.sin(normal), f * math.cos(normal)
    ky, kx, power = refined_wave(w * (values - mean), y - center[0], x - center[1], start, 0.12 / half[0])
    true_f = math.hypot(ky, kx)
    clear = abs(true_f / f - 1) < _NEAR and power > 25 * noise**2 * float((w**2).sum())
    if not clear:
        (ky, kx), true_f = start, f
    spread = []
    for at in (across, along):
        curve = float(np.vdot(w, at**2) / w.sum())
        own = noise * math.sqrt(float(np.vdot(w**2, at**2)) / 2 / power) / (2 * math.pi * curve)
        spread.append(own if clear else _NEAR * f)
    turned = math.atan2(ky, kx)
    turned += math.pi * round((normal - turned) / math.pi)
    fitted = _fitted(image, grid, center, turned, group.bars, true_f, half[1]) if clear else None
    if fitted is None:
        pull = leakage(round(2 * half[0] * f, 2), group.bars)
        spread[0] = math.hypot(spread[0], pull * true_f)
    else:
        true_f, spread[0] = fitted.frequency, fitted.frequency_uncertainty
        center = center[0] + fitted.middle * math.sin(turned), center[1] + fitted.middle * math.cos(turned)
    used = _whole_periods(group.bars) / (2 * true_f), half[1]
    amplitude, doubt = _amplitude(image, grid, center, turned, used, true_f)
    return BarGroup(
        frequency_per_mm=true_f,
        frequency_uncertainty_per_mm=spread[0],
        normal_rad=turned,
        normal_uncertainty_rad=spread[1] / true_f,
        center_mm=center,
        amplitude=amplitude,
        amplitude_uncertainty=doubt,
        half_mm=used,
        clear=clear,
    )


def _whole_periods(bars: int) -> int:
    """Periods in the middle of a group that bars beyond its ends would not change.

    Of few bars, from the middle of the first to that of the last: the next one would begin three quarters of
    a period further out.
    """
    return bars - 1 if bars < 5 else min(bars - 3, _MOST_PERIODS)


def _fitted(
    image: Floats,
    grid: ImageGrid,
    center: tuple[float, float],
    normal: float,
    bars: int,
    f: float,
    half_along: float,
) -> FittedBars | None:
    """A few bars with a quarter of a period around them, fitted as boxes; None where that does not work."""
    if bars > _FEW_BARS:
        return None
    reach = bars / (2 * f)
    box, across, along = _window(grid, center, normal, math.hypot(reach, half_along))
    inside = (np.abs(across) < reach) & (np.abs(along) < half_along)
    try:
        return fit_bars(
            across[inside], image[box][inside], bars=bars, frequency=f, pixel=max(grid.spacing_mm)
        )
    except ValueError:
        return None


@lru_cache(maxsize=64)
def leakage(periods: float, bars: int) -> float:
    """How far off, relatively, the peak of the spectrum of a few tapered bars lies.

    The window reaches beyond the first and the last bar, and its lobes at minus the frequency and at zero
    reach to the peak.
    """
    x = (np.arange(4000) + 0.5) / 4000 * periods - periods / 2
    wave = (np.abs(x[:, None] - (np.arange(bars) - (bars - 1) / 2)) < 0.25).sum(axis=1)
    w = np.cos(np.pi * x / periods) ** 2
    seen = w * (wave - np.vdot(w, wave) / w.sum())

    def power(f: float) -> float:
        return -abs(np.vdot(seen, np.exp(-2j * np.pi * f * x)))

    return float(abs(optimize.minimize_scalar(power, bounds=(0.7, 1.4), method="bounded").x - 1))


def _amplitude(
    image: Floats,
    grid: ImageGrid,
    center: tuple[float, float],
    normal: float,
    half: tuple[float, float],
    f: float,
) -> tuple[float, float]:
    """Amplitude of the first harmonic by least squares, beside the odd ones and a ground that bends.

    Over a single period a bend could not be told from the first harmonic: there the ground only slopes.
    """
    box, across, along = _window(grid, center, normal, math.hypot(*half) + 1.0)
    inside = (np.abs(across) <= half[0]) & (np.abs(along) <= half[1])
    a, b, values = across[inside], along[inside], image[box][inside]
    columns = [np.cos(2 * np.pi * f * a), np.sin(2 * np.pi * f * a), np.ones(len(a)), a, b]
    if half[0] * f > 0.75:
        columns.append(a**2)
    for k in _HARMONICS[1:]:
        if k * f < _EDGE_OF_NYQUIST * 0.5 / max(grid.spacing_mm):
            columns += [np.cos(2 * np.pi * k * f * a), np.sin(2 * np.pi * k * f * a)]
    design = np.stack(columns, axis=1)
    if len(a) < 4 * design.shape[1]:
        raise ValueError(f"the bars cover only {len(a)} pixels")
    fit, *_ = np.linalg.lstsq(design, values, rcond=None)
    left = values - design @ fit
    square = float(left @ left) / (len(a) - design.shape[1])
    covariance = np.linalg.inv(design.T @ design) * square
    size = math.hypot(fit[0], fit[1])
    if size == 0:
        return 0.0, math.sqrt(float(covariance[0, 0]))
    share = fit[:2] / size
    return size, math.sqrt(float(share @ covariance[:2, :2] @ share))


def plateau_contrast(image: Floats, grid: ImageGrid, group: BarGroup) -> tuple[float, float]:
    """Difference of the middles of bars and gaps of a coarse group, and its uncertainty."""
    f = group.frequency_per_mm
    box, across, along = _window(grid, group.center_mm, group.normal_rad, math.hypot(*group.half_mm))
    inside = (np.abs(across) <= group.half_mm[0]) & (np.abs(along) < group.half_mm[1])
    a, values = across[inside], image[box][inside]
    wave = complex(np.sum((values - values.mean()) * np.exp(-2j * np.pi * f * a)))
    phase = (a * f + np.angle(wave) / (2 * math.pi)) % 1.0
    top = values[(phase < 0.1) | (phase > 0.9)]
    bottom = values[np.abs(phase - 0.5) < 0.1]
    if min(top.size, bottom.size) < 8:
        raise ValueError("the coarsest bars are too narrow to show their full contrast")
    spread = math.sqrt(top.var(ddof=1) / top.size + bottom.var(ddof=1) / bottom.size)
    return float(top.mean() - bottom.mean()), spread


def _window(
    grid: ImageGrid, center: tuple[float, float], normal: float, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Box of pixels around a point, with coordinates across and along the bars."""
    box = []
    for positions, c in zip(grid.coordinates_mm, center, strict=True):
        first, last = np.searchsorted(positions, [c - reach, c + reach])
        if last - first < 4:
            raise ValueError("the bars lie outside the image")
        box.append(slice(int(first), int(last)))
    y, x = (p[b] - c for p, b, c in zip(grid.coordinates_mm, box, center, strict=True))
    c, s = math.cos(normal), math.sin(normal)
    return (box[0], box[1]), x * c + y[:, None] * s, y[:, None] * c - x * s
