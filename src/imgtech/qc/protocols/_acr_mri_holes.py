"""Slice 1 of an ACR MRI phantom: the smallest holes that are told apart, across and down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import AcrMriDrawing, array_holes
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import hole_dip
from imgtech.qc.pose import Pose, grid_indices

Floats = npt.NDArray[np.float64]

RESOLUTION_DEFINITION = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="2 High-contrast spatial resolution",
    verified=False,
)
RESOLUTION_ALGORITHM = "hole-rows-1"
DIRECTIONS = {"left to right": True, "up and down": False}
_SEARCH_MM = 2.0
_STEP_MM = 0.2
_SURE = 0.95
_VISIBLE_DIP = 0.1


@dataclass(frozen=True, kw_only=True)
class HoleArray:
    """A pair of arrays, found in the image.

    Parameters
    ----------
    diameter_mm : float
        Of the holes.
    shared_mm : (float, float)
        ``(v, u)`` of the hole that both have.
    background : float
        Signal of the plastic around it.
    """

    diameter_mm: float
    shared_mm: tuple[float, float]
    background: float


def find_arrays(image: Floats, grid: ImageGrid, pose: Pose, drawing: AcrMriDrawing) -> tuple[HoleArray, ...]:
    """Move every pair of arrays until its holes are brightest."""
    steps = np.arange(-_SEARCH_MM, _SEARCH_MM + 1e-9, _STEP_MM)
    found = []
    for diameter, (v0, u0) in drawing.arrays:
        smooth = ndimage.gaussian_filter(image, 0.4 * diameter / np.asarray(grid.spacing_mm))
        spline = ndimage.spline_filter(smooth, order=3)
        holes = np.array([h for upper in (True, False) for row in array_holes(diameter, (v0, u0), upper=upper)
                          for h in row])  # fmt: skip
        v = holes[:, 0] + steps[:, None, None]
        u = holes[:, 1] + steps[None, :, None]
        y, x = pose.to_image_mm(*np.broadcast_arrays(v, u))
        where = np.stack(grid_indices(grid, y, x))
        light = ndimage.map_coordinates(spline, where, order=3, mode="nearest", prefilter=False).sum(axis=2)
        row, column = np.unravel_index(int(np.argmax(light)), light.shape)
        moved = (v0 + float(steps[row]), u0 + float(steps[column]))
        found.append(
            HoleArray(diameter_mm=diameter, shared_mm=moved, background=_plastic(image, grid, pose, moved))
        )
    return tuple(found)


def smallest_resolved(
    image: Floats, grid: ImageGrid, pose: Pose, arrays: tuple[HoleArray, ...], *, upper: bool, noise: float
) -> Measurement:
    """Diameter of the smallest holes of which four in one row (or column) are told apart.

    A row counts where every dip between neighbours is real with a probability of 95 % and the mean dip is
    at least a tenth of the height of the holes. The uncertainty joins how surely each array is told apart and
    the step from one size to the next.
    """
    seen: dict[float, float] = {}
    details: dict[str, float | str] = {}
    for array in arrays:
        best, dip = 0.0, 0.0
        for row in array_holes(array.diameter_mm, array.shared_mm, upper=upper):
            centers = np.stack(pose.to_image_mm(*np.transpose(row)), axis=1)
            try:
                m = hole_dip(
                    image, grid, centers_mm=centers, hole_diameter_mm=array.diameter_mm,
                    background=array.background, noise=noise,
                )  # fmt: skip
            except ValueError:
                continue
            assert m.value is not None
            sure = float(m.details["probability that all dips are real"])
            sure = sure if m.value >= _VISIBLE_DIP else 0.0
            if sure >= best:
                best, dip = sure, max(dip, m.value) if sure == best else m.value
        seen[array.diameter_mm] = best
        details[f"{array.diameter_mm:g} mm: probability that a row is resolved"] = best
        details[f"{array.diameter_mm:g} mm: mean dip"] = dip
    resolved = [d for d, sure in seen.items() if sure >= _SURE]
    if not resolved:
        raise ValueError(f"holes of {max(seen):g} mm are not told apart")
    value, left, mean, square = min(resolved), 1.0, 0.0, 0.0
    for d in sorted(seen):
        share = left * seen[d]
        mean, square, left = mean + share * d, square + share * d * d, left * (1 - seen[d])
    mean, square = mean + left * max(seen), square + left * max(seen) ** 2
    step = 0.1 / math.sqrt(12)
    return Measurement(
        name="resolution",
        value=value,
        unit="mm",
        uncertainty=math.hypot(step, math.sqrt(max(square - mean**2, 0.0))),
        definition=RESOLUTION_DEFINITION,
        algorithm=RESOLUTION_ALGORITHM,
        details=details,
    )


def _plastic(image: Floats, grid: ImageGrid, pose: Pose, shared: tuple[float, float]) -> float:
    """Median of the dark insert above the right and below the left of a pair of arrays."""
    v = shared[0] + np.array([-5.0, -4.0, 4.0, 5.0])[:, None]
    u = shared[1] + np.array([[3.0, 4.0, 5.0], [3.0, 4.0, 5.0], [-5.0, -4.0, -3.0], [-5.0, -4.0, -3.0]])
    y, x = pose.to_image_mm(*np.broadcast_arrays(v, u))
    return float(np.median(ndimage.map_coordinates(image, np.stack(grid_indices(grid, y, x)), order=1)))
