"""Rods in a CT slice: where they are to a fraction of a pixel, and the pose they give together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Insert
from imgtech.qc.pose import Pose

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

_MARGIN_MM = 3.0
_RING_MM = (3.0, 5.5)
_ROUNDS = 5
_CONTRAST_HU = 100.0
_OVER_NOISE = 5.0
_FAR_MM = 3.0
_OUTLIER_MM = 0.3
_HALVINGS = 40


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
    degrees_of_freedom: float
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


def find_rods(
    slices: npt.NDArray[np.float32], grid: ImageGrid, poses: Sequence[Pose], rods: Sequence[Insert]
) -> RigidFit:
    """Find the rods that stand out in the mean of slices and fit the drawing to them.

    How far noise moves a rod is seen in how its place scatters from slice to slice; it goes with the inverse
    of contrast and area, so that all rods together tell it for each.

    Parameters
    ----------
    slices : numpy.ndarray
        ``(slice, y, x)``.
    grid : ImageGrid
        Pixels of a slice.
    poses : sequence of Pose
        Where the phantom lies in each of them, roughly.
    rods : sequence of Insert
        The drawing.

    Raises
    ------
    ValueError
        If fewer than three rods stand out.
    """
    mean = slices.mean(axis=0, dtype=np.float64)
    straight = np.array([pose.center_mm for pose in poses])
    middle = straight.mean(axis=0)
    drawn, found, mass, squares = [], [], [], []
    for rod in rods:
        away = np.array(poses[0].to_image_mm(*rod.center_mm), dtype=np.float64) - poses[0].center_mm
        try:
            place = find_rod(mean, grid, _pair(away + middle), rod.radius_mm)
            places = [
                find_rod(image, grid, _pair(away + pose.center_mm), rod.radius_mm).center_mm
                for image, pose in zip(slices.astype(np.float64), poses, strict=True)
            ]
        except ValueError:  # beyond the edge of the image, which its own item says
            continue
        if place.clear:
            drawn.append(rod.center_mm)
            found.append(place.center_mm)
            mass.append(abs(place.contrast_hu) * rod.radius_mm**2)
            squares.append(float(np.sum((np.array(places) - straight).var(axis=0))))
    n, noise, freedom = len(slices), None, 0.0
    if n > 1 and len(drawn) > 2:
        weight = np.array(mass)
        freedom = 2.0 * (n - 1) * len(weight)
        noise = math.sqrt(float(squares @ weight**2) / freedom) / weight
    return fit_rigid(drawn, found, mirrored=poses[0].mirrored, noise_mm=noise, noise_freedom=freedom)


def fit_rigid(
    drawn: Sequence[tuple[float, float]],
    found: Sequence[tuple[float, float]],
    *,
    mirrored: bool,
    noise_mm: Floats | None = None,
    noise_freedom: float = 0.0,
) -> RigidFit:
    """Least-squares rotation and shift of points ``(v, u)`` to points ``(y, x)``, outliers left out.

    Every point has the variance ``t^2 + noise^2``: one t for all, how far the object is from its drawing, and
    what noise does to each. Where noise explains what is left (F test at 95 %), t is 0 and the
    uncertainty widened by the root of the reduced chi squared if that exceeds 1; else t makes it 1. Without
    ``noise_mm`` all points have the same.

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
    keep, same = np.ones(len(own), dtype=bool), np.ones(len(own))
    for _ in range(4):
        turn, shift = _turned(own[keep], seen[keep], same[keep])
        new = np.abs(seen - turn * own - shift)
        new = new <= max(3 * float(np.median(new)), _OUTLIER_MM)
        if new.sum() < 3 or (new == keep).all():
            break
        keep = new
    a, b = own[keep], seen[keep]
    free = max(2 * len(a) - 3, 1)
    turn, shift = _turned(a, b, same[keep])
    scatter = math.sqrt(float((np.abs(b - turn * a - shift) ** 2).sum()) / free)
    own_square = np.zeros(len(a)) if noise_mm is None else noise_mm[keep] ** 2
    common = _common(a, b, own_square, noise_freedom, scatter)
    weight = 1 / np.maximum(common + own_square, 1e-12)
    turn, shift = _turned(a, b, weight)
    reduced = max(float((weight * np.abs(b - turn * a - shift) ** 2).sum()) / free, 1.0)
    wide = float((weight * np.abs(a - np.average(a, weights=weight)) ** 2).sum())
    return RigidFit(
        center_mm=(shift.imag, shift.real),
        angle_rad=float(np.angle(turn)),
        angle_uncertainty_rad=math.sqrt(reduced / wide),
        degrees_of_freedom=float(free) if common > 0 else max(noise_freedom, 1.0),
        scatter_mm=scatter,
        n=len(a),
    )


def _turned(own: Complexes, seen: Complexes, weight: Floats) -> tuple[complex, complex]:
    """Turn and shift of least weighted squares."""
    a, b = np.average(own, weights=weight), np.average(seen, weights=weight)
    turn = complex((weight * np.conj(own - a) * (seen - b)).sum())
    turn /= abs(turn)
    return turn, complex(b - turn * a)


def _common(own: Complexes, seen: Complexes, noise: Floats, noise_freedom: float, scatter: float) -> float:
    """Variance of all points alike that explains what the noise leaves, by halving."""
    free = max(2 * len(own) - 3, 1)

    def over(square: float, limit: float = free) -> bool:
        weight = 1 / np.maximum(square + noise, 1e-12)
        turn, shift = _turned(own, seen, weight)
        return float((weight * np.abs(seen - turn * own - shift) ** 2).sum()) > limit

    most = free * float(special.fdtri(free, noise_freedom, 0.95)) if noise_freedom > 0 else free
    if not over(0.0, most):
        return 0.0
    low, high = 0.0, 4 * scatter**2 * free
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if over(middle) else (low, middle)
    return high


def _pair(point: Floats) -> tuple[float, float]:
    return float(point[0]), float(point[1])


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
