"""From the places of elements in a file to a probe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ElementArray, LinearArray
from imgtech.geometry.probes import Probe

_EVEN = 1e-3  # largest departure of an element from an even row, in pitches


def even_row(points_mm: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """Pitch and centre of elements ``(n, 3)`` as ``(z, y, x)`` in an even row along x at depth 0, or None."""
    n, x = len(points_mm), points_mm[:, 2]
    pitch = float(x[-1] - x[0]) / (n - 1) if n > 1 else 0.0
    if pitch <= 0:
        return None
    row = np.stack([0 * x, 0 * x, x[0] + pitch * np.arange(n)], axis=1)
    if np.abs(points_mm - row).max() > _EVEN * pitch:
        return None
    return pitch, round(float(x.mean()), 9)


def probe_of(
    points_mm: npt.NDArray[np.float64], normals: npt.NDArray[np.float64], width_mm: float | None
) -> Probe:
    """A linear array where the elements are an even row that looks ahead, else elements anywhere.

    A width that is not known becomes the pitch or the distance between the first two elements.
    """
    row = even_row(points_mm)
    if row is not None and np.abs(normals - [1.0, 0.0, 0.0]).max() < _EVEN:
        width = None if width_mm is None or width_mm > row[0] else width_mm
        return LinearArray(
            n_elements=len(points_mm), pitch_mm=row[0], element_width_mm=width, center_mm=row[1]
        )
    if width_mm is None:
        width_mm = float(np.linalg.norm(points_mm[1] - points_mm[0])) if len(points_mm) > 1 else 1.0
    return ElementArray(positions_mm=points_mm, normals=normals, element_width_mm=width_mm)


def looking_out(name: str, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Normals of elements ``(n, 3)`` whose file has none: ahead on a plane, outward on a circle in (x, z)."""
    n = len(points_mm)
    ahead = np.tile([1.0, 0.0, 0.0], (n, 1))
    z, y, x = points_mm.T
    size = float(np.linalg.norm(np.ptp(points_mm, axis=0)))
    if np.ptp(z) <= 1e-6 * size:
        return ahead
    if n < 3 or np.ptp(y) > 1e-6 * size:
        raise ValueError(f"{name}: the elements must lie on a plane or on a circle in (x, z)")
    # |p|^2 = 2 p.c + (R^2 - |c|^2) is linear in the centre c
    design = np.stack([2 * z, 2 * x, np.ones(n)], axis=1)
    (z0, x0, _), *_ = np.linalg.lstsq(design, z**2 + x**2, rcond=None)
    away = np.stack([z - z0, 0 * z, x - x0], axis=1)
    radius = np.linalg.norm(away, axis=1)
    if np.ptp(radius) > 1e-3 * size or z0 > z.min():
        raise ValueError(f"{name}: the elements must lie on a plane or on a circle in (x, z)")
    return np.asarray(away / radius[:, None])
