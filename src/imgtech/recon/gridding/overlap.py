"""How densely weighted samples lie, seen through a window as wide as the field of view asks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.recon.gridding._kernels import interpolate, spread
from imgtech.recon.gridding._kernels_space import interpolate_space, spread_space
from imgtech.recon.gridding._plan import fine_size, make_plan

_TOLERANCE = 1e-4
_BINS_PER_STEP = 1.5  # bins in a step of 1/fov: nothing of a ring around twice the field comes through

Floats = npt.NDArray[np.float64]
Overlap = Callable[[Floats], Floats]


def sample_overlap(trajectory: Trajectory, fov_mm: tuple[float, ...]) -> Overlap:
    r"""Make the function :math:`E_i = \sum_j w_j\, c(k_i - k_j)` of weights w.

    The window c is a Kaiser-Bessel window met with itself, of integral 1, so that E is 1 where the weights
    are the areas of dense samples. Its transform falls from 1 in the middle of the field of view to 0.1 at
    half the field and to nothing at the whole field. Samples meet in bins of two thirds of the inverse field.
    """
    reach = np.abs(trajectory.positions_per_mm.reshape(-1, trajectory.ndim)).max(axis=0)
    half = [int(np.ceil(_BINS_PER_STEP * k * fov)) + 16 for k, fov in zip(reach, fov_mm, strict=True)]
    fine = [fine_size(n) for n in half]
    spacing = tuple(_BINS_PER_STEP * fov / n for fov, n in zip(fov_mm, fine, strict=True))
    plan = make_plan(trajectory, ImageGrid(shape=tuple(half), spacing_mm=spacing), _TOLERANCE)
    middle = [c[n // 2] / d for c, n, d in zip(plan.correction, half, spacing, strict=True)]
    scale = float(np.prod([_BINS_PER_STEP * fov * m**2 for fov, m in zip(fov_mm, middle, strict=True)]))

    phases = np.zeros_like(plan.phases)
    phases[:, 0] = 1

    def overlap(weights: Floats) -> Floats:
        samples = weights.ravel().astype(np.complex128).view(np.float64)
        bins = np.empty((*plan.fine_shape[:-1], 2 * plan.fine_shape[-1]))
        found = np.empty_like(samples)
        if trajectory.ndim == 2:
            points = (*plan.points[:3], phases, *plan.points[4:])
            spread.sized(plan.n_updates)(samples, *points, bins)
            interpolate.sized(plan.n_updates)(bins, *points, found)
        else:
            points = (*plan.flat_points[:3], phases, *plan.flat_points[4:], plan.tile_shape)
            spread_space.sized(plan.n_updates)(samples, *points, bins)
            interpolate_space.sized(plan.n_updates)(bins, *points, found)
        return np.asarray(found[::2].reshape(weights.shape) * scale)

    return overlap
