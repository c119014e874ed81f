"""What a Gaussian blur and the area of a pixel do to a spatial frequency."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive

Floats = npt.NDArray[np.float64]

_DIRECTIONS = 64


def checked_frequencies(frequencies_per_mm: npt.ArrayLike) -> Floats:
    """Frequencies as float64, or say that one is not finite."""
    f = np.asarray(frequencies_per_mm, dtype=np.float64)
    if not np.isfinite(f).all():
        raise ValueError("frequencies_per_mm must be finite")
    return f


def transfer(
    frequencies_per_mm: npt.ArrayLike,
    *,
    sigma_mm: tuple[float, float],
    spacing_mm: tuple[float, float],
    direction_rad: float | None,
) -> Floats:
    """MTF of a Gaussian of standard deviations ``(y, x)`` and of the pixel area, in one direction.

    Without a direction it is the mean over all directions, which is what a radial average shows.
    """
    f = checked_frequencies(frequencies_per_mm)
    height, width = (positive("spacing_mm", d) for d in spacing_mm)
    turns = np.array([direction_rad]) if direction_rad is not None else _all_directions()
    total = np.zeros(f.shape)
    for angle in turns.tolist():
        fy, fx = f * math.sin(angle), f * math.cos(angle)
        blur = np.exp(-2 * np.pi**2 * ((sigma_mm[0] * fy) ** 2 + (sigma_mm[1] * fx) ** 2))
        total += blur * np.sinc(fy * height) * np.sinc(fx * width)
    return np.asarray(np.abs(total) / len(turns), dtype=np.float64)


def _all_directions() -> Floats:
    return np.asarray((np.arange(_DIRECTIONS) + 0.5) * (np.pi / 2 / _DIRECTIONS), dtype=np.float64)
