"""Radial trajectories taken apart: where the samples of every spoke lie along its direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgtech.geometry import Trajectory

STRAIGHT = 1e-4
"""Largest departure from even spokes, in units of the sample step: single precision in a file leaves 3e-5."""

Floats = npt.NDArray[np.float64]


class Spokes(NamedTuple):
    """Unit vectors ``(spoke, 2)``, steps ``(spoke,)`` and radii ``(spoke, sample)`` in 1/mm."""

    directions: Floats
    steps_per_mm: Floats
    radii_per_mm: Floats


def spokes_of(trajectory: Trajectory) -> Spokes:
    """Check that a trajectory has straight, even spokes through the centre, and take it apart."""
    k = trajectory.positions_per_mm
    if trajectory.ndim != 2 or k.ndim != 3 or k.shape[1] < 2:
        raise ValueError(f"trajectory must have the shape (spoke, sample) in a plane, got {k.shape}")
    along = k[:, -1] - k[:, 0]
    step = np.hypot(along[:, 0], along[:, 1]) / (k.shape[1] - 1)
    if not step.all():
        raise ValueError("trajectory must have spokes with an extent, got one without")
    direction = along / (step[:, None] * (k.shape[1] - 1))
    radius = (k * direction[:, None, :]).sum(-1)
    even = radius[:, :1] + np.arange(k.shape[1]) * step[:, None]
    departure = np.abs(k - even[..., None] * direction[:, None, :]).max() / step.min()
    if departure > STRAIGHT or (radius[:, 0] > 0).any() or (radius[:, -1] < 0).any():
        raise ValueError("trajectory must have straight even spokes that cross the centre of k-space")
    return Spokes(direction, step, radius)
