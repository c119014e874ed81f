"""How deep the reverberations of an ultrasound probe in air reach."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.uncertainty import correlated_mean

Floats = npt.NDArray[np.float64]

FEWEST_LINES = 4
_ROUNDS = 3
_DB = 10 / math.log(10)


def reach_of_lines(
    image: Floats, lines: npt.NDArray[np.intp], grid: ImageGrid, *, bare: float, definition: Source
) -> Measurement:
    """Where a straight line through the decibels of the lines over depth falls to those of the noise.

    The noise is the mean power of the lowest share ``bare`` of the picture, less what lines too faint to be
    seen still add to it: the fitted fall goes on, and of the peak of a line its period holds the same share
    at every depth.

    Raises
    ------
    ValueError
        If lines reach into the part that tells the noise, are too few or do not fade.
    """
    n_bare = max(round(bare * image.shape[0]), 1)
    if lines[-1] >= image.shape[0] * (1 - bare):
        raise ValueError(
            "the lines must end above the lowest quarter of the picture, which tells the noise; "
            "take more depth"
        )
    profile, below = np.asarray((image**2).mean(axis=1)), image[-n_bare:] ** 2
    inner = lines[(lines > 0) & (lines < profile.size - 1)]
    if inner.size < FEWEST_LINES:
        raise ValueError(f"{FEWEST_LINES} lines at least must stand out, got {inner.size}")
    y = grid.coordinates_mm[0]
    apart = float(np.median(np.diff(lines)))
    floor = correlated_mean(below)
    noise, doubt = floor.value, 0.0
    for _ in range(_ROUNDS):
        fit = _Fall(profile, inner, grid, noise)
        share, spread = _share_of_peak(profile - noise, fit, inner, round(apart))
        faint = share * float(np.exp(fit.at(y[-n_bare:]) / _DB).mean())
        doubt = faint * spread / share if share > 0 else 0.0
        noise = max(floor.value - faint, 0.5 * floor.value)
    of_floor = _DB * math.hypot(floor.uncertainty, doubt) / noise
    depth = fit.middle + (_DB * math.log(noise) - fit.mean) / fit.slope
    spread = math.sqrt(fit.square_at(depth) + of_floor**2) / -fit.slope
    return Measurement(
        name="depth of reverberations",
        value=depth,
        unit="mm",
        uncertainty=spread,
        definition=definition,
        algorithm="us-air-lines-2",
        degrees_of_freedom=float(inner.size - 2),
        details={
            "lines": int(inner.size),
            "fall (dB/mm)": -fit.slope,
            "distance of lines (mm)": apart * grid.spacing_mm[0],
        },
    )


class _Fall:
    """Weighted straight line through the decibels of the peaks of the lines over depth, noise taken off."""

    def __init__(self, profile: Floats, lines: npt.NDArray[np.intp], grid: ImageGrid, noise: float) -> None:
        y, dy = grid.coordinates_mm[0], grid.spacing_mm[0]
        depths, levels = [], []
        for row in lines:
            left, top, right = _DB * np.log(np.maximum(profile[row - 1 : row + 2] - noise, 1e-300))
            bend = left - 2 * top + right
            step = 0.5 * (left - right) / bend if bend < 0 else 0.0
            depths.append(float(y[row] + step * dy))
            levels.append(float(top - 0.25 * (left - right) * step))
        z, self.levels = np.array(depths), np.array(levels)
        # noise moves the decibels of a line by the inverse of its height
        height = np.exp((self.levels - _DB * math.log(noise)) / _DB)
        weights = np.minimum(height, 100.0)
        self.middle = float(weights @ z / weights.sum())
        self.power = float(weights @ (z - self.middle) ** 2)
        self.slope = float(weights @ ((z - self.middle) * self.levels)) / self.power
        self.mean = float(weights @ self.levels / weights.sum())
        if self.slope >= 0:
            raise ValueError(f"the lines must fade with depth, got {self.slope:.2f} dB/mm")
        rest = self.levels - self.at(z)
        self.weight = float(weights.sum())
        self.square = float(weights @ rest**2) / (z.size - 2)

    def at(self, depth_mm: Floats) -> Floats:
        """Decibels of a peak at a depth."""
        return np.asarray(self.mean + self.slope * (depth_mm - self.middle))

    def square_at(self, depth_mm: float) -> float:
        """Variance of the line there."""
        return self.square * (1 / self.weight + (depth_mm - self.middle) ** 2 / self.power)


def _share_of_peak(
    excess: Floats, fit: _Fall, lines: npt.NDArray[np.intp], period: int
) -> tuple[float, float]:
    """Mean of a period over what the fall makes of its rows, and its standard uncertainty."""
    half = period // 2
    shares = []
    for row, level in zip(lines, fit.levels, strict=True):
        part = excess[max(row - half, 0) : row - half + period]
        if part.size == period:
            shares.append(float(part.mean()) / math.exp(level / _DB))
    if len(shares) < 2:
        return 0.0, 0.0
    middle = float(np.median(shares))
    away = 1.4826 * float(np.median(np.abs(np.array(shares) - middle)))
    return middle, away / math.sqrt(len(shares))
