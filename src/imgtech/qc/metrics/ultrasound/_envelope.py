"""What the metrics of ultrasound share: checks, and statistics of the pixels of a region."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.roi import checked_region
from imgtech.qc.uncertainty.correlated import correlated_mean
from imgtech.qc.uncertainty.propagation import Estimate

Floats = npt.NDArray[np.float64]


def checked_envelope(name: str, values: npt.ArrayLike, grid: ImageGrid | None = None) -> Floats:
    """Return an envelope as float64, or say what is wrong with it."""
    image = real_image(name, values, 2).astype(np.float64)
    if grid is not None and image.shape != grid.shape:
        raise ValueError(f"{name} must have the shape {grid.shape} of the grid, got {image.shape}")
    if image.min() < 0:
        raise ValueError(f"{name} must not be negative (an envelope, not in dB), got {image.min():g}")
    if image.max() == 0:
        raise ValueError(f"{name} must not be zero everywhere")
    return image


def moments(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean and variance, free of what the mean of correlated pixels takes from it."""
    total = weights.sum()
    mean = float(np.vdot(weights, values) / total)
    square = float(np.vdot(weights, (values - mean) ** 2) / total)
    if square <= 1e-24 * mean**2:
        return mean, 0.0
    taken = correlated_mean(values, weights).uncertainty ** 2
    return mean, square + min(taken, square)


def two_regions(
    first: npt.ArrayLike, second: npt.ArrayLike, shape: tuple[int, ...], names: tuple[str, str]
) -> tuple[Floats, Floats]:
    """Both regions as weights."""
    return checked_region(names[0], first, shape), checked_region(names[1], second, shape)


def spread_of(influence: Floats, weights: Floats) -> Estimate:
    """Uncertainty of a statistic from its influence function, pixel by pixel."""
    return correlated_mean(np.where(weights > 0, influence, 0.0), weights)


def together(*parts: Estimate) -> tuple[float, float]:
    """Root sum of squares of independent parts and its degrees of freedom (GUM G.4.1)."""
    squares = [p.uncertainty**2 for p in parts]
    share = sum(s**2 / p.degrees_of_freedom for s, p in zip(squares, parts, strict=True))
    return math.sqrt(sum(squares)), sum(squares) ** 2 / share if share > 0 else math.inf
