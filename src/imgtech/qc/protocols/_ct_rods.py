"""Rods in a CT slice: where they are to a fraction of a pixel, and the pose they give together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]

_MARGIN_MM = 3.0
_RING_MM = (3.0, 5.5)
_ROUNDS = 5
_CONTRAST_HU = 100.0
_OVER_NOISE = 5.0
_FAR_MM = 3.0


@dataclass(frozen=True, kw_only=True)
class RodPlace:
    """A rod found in a slice."""

    center_mm: tuple[float, float]
    contrast_hu: float
    around_hu: float
    noise_hu: float

    @property
    def clear(self) -> bool:
        """Whether it stands out enough to say where it is."""
        return abs(self.contrast_hu) > max(_CONTRAST_HU, _OVER_NOISE * self.noise_hu)


@dataclass(frozen=True, kw_only=True)
class RigidFit:
    """Rotation and shift that take a drawing to the rods found, with the scatter of what is left."""

    center_mm: tuple[float, float]
    angle_rad: float
    angle_uncertainty_rad: float
    scatter_mm: float
    n: int


def find_rod(image: Floats, grid: ImageGrid, guess_mm: tuple[float, float], radius_mm: float) -> RodPlace:
    """Centroid of the difference to what lies around it, in a window that follows.

    Raises
    ------
    ValueError
        If the window leaves the image.
    """
    cy, cx = guess_mm
    contrast = around = noise = 0.0
    reach = radius_mm + _RING_MM[1]
    for _ in range(_ROUNDS):
        box, y, x = window(grid, (cy, cx), reach)
        patch = image[box]
        r = np.hypot(y - cy, x - cx)
        ring = (r > radius_mm + _RING_MM[0]) & (r < reach)
        around = float(np.median(patch[ring]))
        noise = 1.4826 * float(np.median(np.abs(patch[ring] - around)))
        inside = r < max(radius_mm - 2.0, 0.6 * radius_mm)
        contrast = float(patch[inside].mean()) - around if inside.any() else 0.0
        weight = np.clip(radius_mm + _MARGIN_MM - r, 0.0, 1.0) * (patch - around)
        mass = float(weight.sum())
        if abs(contrast) < 1e-9 or abs(mass) < 0.2 * abs(contrast) * float(inside.sum()):
            break
        move = float((weight * y).sum()) / mass - cy, float((weight * x).sum()) / mass - cx
        if math.hypot(*move) > _FAR_MM:
            break
        cy, cx = cy + move[0], cx + move[1]
    return RodPlace(center_mm=(cy, cx), contrast_hu=contrast, around_hu=around, noise_hu=noise)


def fit_rigid(
    drawn: Sequence[tuple[float, float]], found: Sequence[tuple[float, float]], *, mirrored: bool
) -> RigidFit:
    """Least-squares rotation and shift of points ``(v, u)`` to points ``(y, x)``, outliers left out.

    Raises
    ------
    ValueError
        If fewer than three points are given.
    """
    if len(drawn) < 3:
        raise ValueError(f"at least three rods must stand out to give a pose, got {len(drawn)}")
    v, u = np.array(drawn).T
    own = (-u if mirrored else u) + 1j * v
    seen = np.array([x + 1j * y for y, x in found])
    keep = np.ones(len(own), dtype=bool)
    turn, shift, left = 1.0 + 0j, 0j, np.zeros(len(own))
    for _ in range(4):
        a, b = own[keep], seen[keep]
        turn = complex((np.conj(a - a.mean()) * (b - b.mean())).sum())
        turn /= abs(turn)
        shift = complex(b.mean() - turn * a.mean())
        left = np.abs(seen - turn * own - shift)
        new = left <= max(3 * float(np.median(left)), 0.3)
        if new.sum() < 3 or (new == keep).all():
            break
        keep = new
    n = int(keep.sum())
    scatter = math.sqrt(float((left[keep] ** 2).sum()) / max(2 * n - 3, 1))
    wide = math.sqrt(float((np.abs(own[keep] - own[keep].mean()) ** 2).sum()))
    return RigidFit(
        center_mm=(shift.imag, shift.real),
        angle_rad=float(np.angle(turn)),
        angle_uncertainty_rad=scatter / wide,
        scatter_mm=scatter,
        n=n,
    )


def window(
    grid: ImageGrid, center_mm: tuple[float, float], reach_mm: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """The pixels within reach of a point and their positions, or a reason why they are not there."""
    box, places = [], []
    for positions, c, d in zip(grid.coordinates_mm, center_mm, grid.spacing_mm, strict=True):
        first, last = np.searchsorted(positions, [c - reach_mm, c + reach_mm])
        if c - reach_mm < positions[0] - d or c + reach_mm > positions[-1] + d:
            raise ValueError(
                f"the region around ({center_mm[0]:.0f}, {center_mm[1]:.0f}) mm lies beyond the image"
            )
        box.append(slice(int(first), int(last)))
        places.append(positions[first:last])
    return (box[0], box[1]), places[0][:, None], places[1][None, :]


def patch_grid(
    grid: ImageGrid, center_mm: tuple[float, float], reach_mm: float
) -> tuple[tuple[slice, slice], ImageGrid]:
    """The pixels within reach of a point and their own grid, or a reason why they are not there."""
    box, y, x = window(grid, center_mm, reach_mm)
    middle = float(y.mean()), float(x.mean())
    return box, ImageGrid(shape=(y.size, x.size), spacing_mm=grid.spacing_mm, center_mm=middle)
