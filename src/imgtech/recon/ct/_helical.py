"""From a helical scan to filtered parallel views: what stands between wfbp and its kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # scipy.interpolate is loaded at first use: it takes longer than all else here

from imgtech.geometry import ConeBeam, ImageGrid, sample_positions
from imgtech.recon.ct._cone_coverage import LARGEST_CUT, farthest_mm
from imgtech.recon.ct._kernels_helical import TAPS, to_parallel_views, to_positions

FloatArray = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
_UNEVEN = 1e-3  # of the angle step
_MOST_STATES = 8


@dataclass(frozen=True)
class ParallelViews:
    """Rebinned data ``(view, row, position)``, even in the angle; ``n_half`` views make half a turn."""

    data: FloatArray
    theta_rad: Floats
    positions_mm: Floats
    spacing_mm: float
    n_half: int

    @property
    def n_turns(self) -> int:
        """Number of half turns that have been begun."""
        return -(-len(self.theta_rad) // self.n_half)


def check_helix(beam: ConeBeam, grid: ImageGrid) -> None:
    """Refuse what is not a scan with even steps around the grid."""
    if grid.ndim != 3:
        raise ValueError(f"grid must have 3 axes, got shape {grid.shape}")
    if beam.n_channels < TAPS or beam.n_rows < 2:
        raise ValueError(f"beam must have at least 2 rows and {TAPS} channels, got shape {beam.shape}")
    corner_mm = farthest_mm(grid)
    if corner_mm >= beam.source_axis_mm:
        raise ValueError(
            f"grid must lie inside the circle of the source of radius {beam.source_axis_mm} mm, "
            f"got a corner at {corner_mm:.6g} mm from the axis"
        )
    steps = np.diff(beam.angles_rad)
    if beam.n_views < TAPS or np.ptp(steps) > _UNEVEN * abs(steps.mean()):
        raise ValueError(
            f"angles_rad must hold at least {TAPS} views in even steps, got {beam.n_views} with steps from "
            f"{np.rad2deg(steps.min(initial=0.0)):.5g} to {np.rad2deg(steps.max(initial=0.0)):.5g} degrees"
        )


def to_parallel(data: FloatArray, beam: ConeBeam) -> ParallelViews:
    """Rebin a scan with growing angles; rows stay what they are.

    A shifted focal spot changes where a channel's ray passes the axis, its angle and its height: the first
    two are taken exactly, the height where the ray passes the axis.
    """
    shifts, states = np.unique(np.asarray(beam.focal_shift_mm), axis=0, return_inverse=True)
    states = states.ravel()
    if len(shifts) > _MOST_STATES:
        raise ValueError(f"focal_shift_mm may take {_MOST_STATES} values, got {len(shifts)}")
    spacing_mm = beam.channel_spacing_mm / beam.magnification
    rays = [_rays(beam, shift) for shift in shifts]
    low = max(s_mm[0] for s_mm, _ in rays)
    high = min(s_mm[-1] for s_mm, _ in rays)
    if min(-low, high) < (1.0 - LARGEST_CUT) * max(-low, high):
        raise ValueError(
            "the detector must be centred on the rotation axis to within a tenth, got rays that pass it at "
            f"{low:.4g} to {high:.4g} mm"
        )
    n_half_positions = int(min(-low, high) / spacing_mm)
    positions_mm = sample_positions(2 * n_half_positions + 1, spacing_mm, 0.0)
    index = np.arange(beam.n_channels)
    channels = np.stack([scipy.interpolate.CubicSpline(s_mm, index)(positions_mm) for s_mm, _ in rays])
    turns = np.stack([scipy.interpolate.CubicSpline(s_mm, turn)(positions_mm) for s_mm, turn in rays])
    row_shift = -shifts[:, 0] * (beam.magnification - 1.0) / beam.row_spacing_mm
    views = np.empty((beam.n_views, len(positions_mm), beam.n_rows), data.dtype)
    to_positions(data, _cosines(beam), states, channels, row_shift, views)
    step = float(beam.angles_rad[-1] - beam.angles_rad[0]) / (beam.n_views - 1)
    n_half = int(np.ceil(np.pi / step - 1e-6))
    begin, end = beam.angles_rad[0] + turns.max(), beam.angles_rad[-1] + turns.min()
    n_views = int((end - begin) / (np.pi / n_half)) + 1
    if n_views < n_half:
        raise ValueError(
            "angles_rad must cover 180 degrees plus the fan, got "
            f"{np.rad2deg(beam.angles_rad[-1] - beam.angles_rad[0]):.5g} degrees"
        )
    theta = np.asarray(begin + np.arange(n_views) * (np.pi / n_half))
    parallel = np.empty((n_views, beam.n_rows, len(positions_mm)), data.dtype)
    to_parallel_views(views, beam.angles_rad, states, turns, theta, parallel)
    return ParallelViews(parallel, theta, positions_mm, spacing_mm, n_half)


def _rays(beam: ConeBeam, shift: Floats) -> tuple[Floats, Floats]:
    """Distance s from the axis of the rays of all channels, and their angle against the view's."""
    one = ConeBeam(
        source_axis_mm=beam.source_axis_mm,
        source_detector_mm=beam.source_detector_mm,
        angles_rad=np.zeros(1),
        n_channels=beam.n_channels,
        channel_spacing_mm=beam.channel_spacing_mm,
        n_rows=1,
        row_spacing_mm=1.0,
        detector=beam.detector,
        detector_offset_mm=beam.detector_offset_mm,
        focal_shift_mm=shift,
    ).vectors()
    origins, directions = one.rays()
    x, y = directions[0, 0, :, 2], directions[0, 0, :, 1]
    theta = -np.arctan2(x, y)  # the parallel ray of theta runs along (-sin, cos) in (x, y)
    source_y, source_x = origins[0, 0, 0, 1], origins[0, 0, 0, 2]
    return source_x * np.cos(theta) + source_y * np.sin(theta), theta


def _cosines(beam: ConeBeam) -> Floats:
    """Cosine of the angle between ray and plane, ``(row, channel)``."""
    u, v = beam.channels_mm, beam.rows_mm[:, None]
    distance = np.hypot(beam.source_detector_mm, u) if beam.detector == "flat" else beam.source_detector_mm
    return np.asarray(distance / np.hypot(distance, v) + 0.0 * u)
