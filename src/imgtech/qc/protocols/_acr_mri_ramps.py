"""Slice 1 of an ACR MRI phantom: the ramp block gives the exact pose and the slice thickness."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics.slice_thickness import RampSignal, ramp_signal
from imgtech.qc.pose import Pose, read_lines
from imgtech.qc.protocols._acr_mri_drawing import RAMP_ROWS_MM

Floats = npt.NDArray[np.float64]

_EDGE_SEARCH_MM = (2.0, 10.0)
_MIN_EDGES = 60
_N_ROWS = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class RampBlock:
    """The dark block with the two ramps: its pose, and where its middle lies below the phantom's."""

    pose: Pose
    middle_mm: float
    height_mm: float
    reach_mm: float


def find_ramp_block(image: Floats, grid: ImageGrid, pose: Pose, reach_mm: float) -> RampBlock:
    """Refine a pose by the two long edges of the ramp block.

    The edges are found on lines across the block, 1 mm apart, where the signal crosses half between the
    block and the water beside it; a straight line is fitted to their middles without outliers.
    """
    spline = ndimage.spline_filter(image, order=3)
    u = np.concatenate([np.arange(-reach_mm, -14.0), np.arange(15.0, reach_mm + 1.0)])
    v = np.arange(-15.0, 15.01, 0.1)
    middle, height = 0.0, 0.0
    for _ in range(2):
        lines = read_lines(spline, grid, pose, v[None, :], u[:, None])
        upper, lower = _block_edge(lines[:, ::-1], v), _block_edge(lines, v)
        mid = (lower - upper) / 2
        good = np.isfinite(mid)
        for _ in range(3):
            if good.sum() < _MIN_EDGES:
                raise ValueError("the edges of the ramp block were not found in slice 1")
            fit = np.polyfit(u[good], mid[good], 1)
            rest = np.abs(mid - np.polyval(fit, u))
            good = np.isfinite(mid) & (rest <= max(0.3, 3 * float(np.median(rest[good]))))
        middle, height = float(fit[1]), float(np.median((lower + upper)[good]))
        turn = math.atan(float(fit[0]))
        pose = dataclasses.replace(pose, angle_rad=pose.angle_rad + (-turn if pose.mirrored else turn))
    return RampBlock(pose=pose, middle_mm=middle, height_mm=height, reach_mm=reach_mm)


def ramps(
    image: Floats, grid: ImageGrid, block: RampBlock, expected_mm: float, noise_power: float = 0.0
) -> tuple[RampSignal, RampSignal]:
    """Lit parts of the upper and the lower ramp.

    The weights across a ramp are a raised cosine: they fade towards the septum and the bright water, and
    average out the ringing that the water's edge sends into the ramp.
    """
    spline = ndimage.spline_filter(image, order=3)
    u = np.arange(-block.reach_mm, block.reach_mm + 0.1, 0.25)
    rows = np.linspace(*RAMP_ROWS_MM, _N_ROWS)[:, None]
    weights = np.sin(np.pi * (np.arange(_N_ROWS) + 0.5) / _N_ROWS) ** 2
    upper = read_lines(spline, grid, block.pose, block.middle_mm - rows, u[None, :])
    lower = read_lines(spline, grid, block.pose, block.middle_mm + rows, u[None, :])
    return (
        ramp_signal(u, upper, expected_mm=expected_mm, weights=weights, noise_power=noise_power),
        ramp_signal(u, lower, expected_mm=expected_mm, weights=weights, noise_power=noise_power),
    )


def _block_edge(lines: Floats, v: Floats) -> Floats:
    """Distance from the middle at which each line rises to half between block and water, going outwards."""
    inside = np.median(lines[:, np.abs(v) < 3.0], axis=1)
    water = np.median(lines[:, v > 9.0], axis=1)
    level = ((inside + water) / 2)[:, None]
    rises = (lines[:, :-1] < level) & (lines[:, 1:] >= level)
    rises &= (v[:-1] >= _EDGE_SEARCH_MM[0]) & (v[:-1] <= _EDGE_SEARCH_MM[1])
    at = np.argmax(rises, axis=1)
    rows = np.arange(len(lines))
    below, above = lines[rows, at], lines[rows, at + 1]
    edge = v[at] + (level[:, 0] - below) / np.where(above > below, above - below, 1.0) * (v[1] - v[0])
    return np.where(rises.any(axis=1) & (water > 1.5 * inside), edge, np.nan)
