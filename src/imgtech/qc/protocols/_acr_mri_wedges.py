"""Slices 1 and 11 of an ACR MRI phantom: the crossed 45-degree wedges give the slice position."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import AcrMriDrawing
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.pose import Pose, read_lines
from imgtech.qc.protocols._acr_mri_drawing import (
    WEDGE_OFFSET_MM,
    WEDGE_WIDTH_MM,
    wedge_reach_mm,
    wedge_rows_mm,
)

Floats = npt.NDArray[np.float64]

POSITION_DEFINITION = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="4 Slice position accuracy",
    verified=False,
)
POSITION_ALGORITHM = "crossed-wedges-half-height-2"
_SMOOTHING_MM = 0.7
_STEP_MM = 0.1
_EDGE_SHIFT_PX = (
    0.02  # root mean square of the end of a bar without noise, from closed-form k-space, any pose
)


def bar_length_difference(
    image: Floats, grid: ImageGrid, pose: Pose, drawing: AcrMriDrawing
) -> tuple[Measurement, Floats]:
    """How much longer the right bar is than the left one, and the ends of both ``(v, u)``.

    The end of a bar is where, on the way from the rim to the middle, its mean signal over the middle
    2.4 mm of its width first exceeds half between the dark of the bar and the water beside it.
    """
    spline = ndimage.spline_filter(image, order=3)
    rows = wedge_rows_mm(drawing)
    middle = _middle(spline, grid, pose, rows)
    v = np.arange(*wedge_reach_mm(drawing), _STEP_MM)
    beside = np.concatenate([np.linspace(-12.0, -9.5, 4), np.linspace(9.5, 12.0, 4)]) + middle
    water = ndimage.median_filter(
        np.median(read_lines(spline, grid, pose, v[:, None], beside[None, :]), axis=1), 51, mode="nearest"
    )
    ends, slopes = [], []
    for side in (-1, 1):
        across = middle + side * WEDGE_OFFSET_MM + np.linspace(-0.5, 0.5, 7) * WEDGE_WIDTH_MM
        bar = read_lines(spline, grid, pose, v[:, None], across[None, :]).mean(axis=1)
        bar = ndimage.gaussian_filter1d(bar, _SMOOTHING_MM / _STEP_MM, mode="nearest") / water
        dark = float(np.median(bar[v < rows[1]]))
        if dark > 0.5:
            raise ValueError("the bars at the rim are not dark; the slice is not where it should be")
        level = (1 + dark) / 2
        above = np.flatnonzero(bar >= level)
        if above.size == 0 or above[0] == 0:
            raise ValueError("a bar at the rim has no end inside the phantom; the slice lies too far off")
        at = int(above[0])
        ends.append(v[at] - _STEP_MM * (bar[at] - level) / (bar[at] - bar[at - 1]))
        slopes.append((bar[at] - bar[at - 1]) / _STEP_MM)
    noise = _relative_noise(image, water) * _share_of_noise(grid)
    variance = sum((noise / max(slope, 1e-6)) ** 2 for slope in slopes)
    variance += 2 * (_EDGE_SHIFT_PX * max(grid.spacing_mm)) ** 2
    difference = Measurement(
        name="bar length difference",
        value=float(ends[1] - ends[0]),
        unit="mm",
        uncertainty=math.sqrt(variance),
        definition=POSITION_DEFINITION,
        algorithm=POSITION_ALGORITHM,
        details={
            "left bar end (mm from the centre)": -float(ends[0]),
            "right bar end (mm from the centre)": -float(ends[1]),
            "slice displacement mm": float(ends[1] - ends[0]) / 2,
        },
    )
    places = np.array([[ends[0], middle - WEDGE_OFFSET_MM], [ends[1], middle + WEDGE_OFFSET_MM]])
    return difference, places


def _middle(spline: Floats, grid: ImageGrid, pose: Pose, reach: tuple[float, float]) -> float:
    """Where across the pair of bars the middle of its dark lies."""
    u = np.arange(-16.0, 16.01, 0.1)
    rows = np.linspace(*reach, 17)
    line = read_lines(spline, grid, pose, rows[:, None], u[None, :]).mean(axis=0)
    dark = u[line < 0.5 * np.median(line[np.abs(u) > 11.0])]
    if dark.size == 0 or not 6.0 < np.ptp(dark) < 20.0:
        raise ValueError("the pair of bars at the rim was not found")
    return float((dark[0] + dark[-1]) / 2)


def _share_of_noise(grid: ImageGrid) -> float:
    """Noise of a smoothed mean over the width of a bar, over that of one pixel.

    A Gaussian of standard deviation s averages 2 s sqrt(pi) along the bar.
    """
    pixel = math.sqrt(grid.spacing_mm[0] * grid.spacing_mm[1])
    across, along = WEDGE_WIDTH_MM / pixel, 2 * math.sqrt(math.pi) * _SMOOTHING_MM / pixel
    return 1 / math.sqrt(max(across, 1.0) * max(along, 1.0))


def _relative_noise(image: Floats, water: Floats) -> float:
    """Noise of one pixel relative to the water, from second differences along both axes."""
    second = image[1:-1, 1:-1] * 4 - image[:-2, 1:-1] - image[2:, 1:-1] - image[1:-1, :-2] - image[1:-1, 2:]
    sigma = 1.4826 * float(np.median(np.abs(second))) / math.sqrt(20)
    return sigma / float(np.median(water))
