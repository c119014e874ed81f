"""Direct sums of waves between pixels and scattered samples, in double precision."""

from __future__ import annotations

import numpy as np


def waves(trajectory, grid):
    """The factors ``exp(-2 pi i k r)`` along y and along x, each ``(sample, pixel)``."""
    k = trajectory.positions_per_mm.reshape(-1, 2)
    y, x = grid.coordinates_mm
    return np.exp(-2j * np.pi * k[:, :1] * y), np.exp(-2j * np.pi * k[:, 1:] * x)


def ndft(image, trajectory, grid):
    """Pixel area times the sum over pixels of ``m exp(-2 pi i k r)``."""
    along_y, along_x = waves(trajectory, grid)
    sums = ((along_y @ image) * along_x).sum(axis=1)
    return np.prod(grid.spacing_mm) * sums.reshape(trajectory.shape)


def ndft_adjoint(samples, trajectory, grid):
    """Pixel area times the sum over samples of ``y exp(+2 pi i k r)``."""
    along_y, along_x = waves(trajectory, grid)
    return np.prod(grid.spacing_mm) * (along_y.conj().T @ (samples.reshape(-1, 1) * along_x.conj()))
