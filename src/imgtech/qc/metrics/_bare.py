"""What is left of a quantity when the power of noise in it is taken off."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COVERED = 1.9599  # a little less than the quantile, so that 0 stays inside


def root(square: float, spread: float) -> tuple[float, float]:
    """Root of a square that noise may have driven below zero, and its standard uncertainty.

    The uncertainty is that of the wider side of the 95 % interval of the square.
    """
    value = math.sqrt(max(square, 0.0))
    up = (math.sqrt(max(square, 0.0) + COVERED * spread) - value) / COVERED
    down = (value - math.sqrt(max(square - COVERED * spread, 0.0))) / COVERED
    return value, max(up, down)


def shrunk(part: Floats, noise: float) -> Floats:
    """Values times the root of the share of their power (sum of squares) that is not ``noise``."""
    power = float((part**2).sum())
    return np.asarray(part * math.sqrt(max(1 - noise / power, 0.0) if power > 0 else 0.0))
