"""What a circular cone-beam scan covers, and how much every ray counts: chosen from the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.recon.ct.weights import LARGEST_GAP_RATIO, angular_weights

Floats = npt.NDArray[np.float64]
LARGEST_CUT = 0.1  # of the longer side of a detector up to which it is taken as centred
_SAME_ANGLE_RAD = 1e-9
_FEWEST_VIEWS = 6  # as of a helix and of a fan
_SMALLEST_TRUST = 1e-6
_ROUNDING = 1e-9


def redundancy_weights(beam: ConeBeam, fan_angles_rad: Floats) -> tuple[Floats, float]:
    """Weights ``(view, channel)`` in radians, and the fan angle of the circle that they serve.

    Summed over all readings of one line they stand for the angle step of one reading. A full turn with a
    centred detector counts every line half; with a shifted one, lines that only one side sees count in
    full, with a smooth step between (Wang 2002, doi:10.1118/1.1489043). Less than a full turn takes smooth
    weights along the scan, divided by their sum over the readings of each line (Parker 1982,
    doi:10.1118/1.595078; Noo et al. 2002, doi:10.1088/0031-9155/47/14/311).
    """
    half_mm = beam.n_channels * beam.channel_spacing_mm / 2
    edges_mm = np.array([beam.detector_offset_mm - half_mm, beam.detector_offset_mm + half_mm])
    low, high = beam.fan_angles_rad(edges_mm)
    if low >= 0.0 or high <= 0.0:
        raise ValueError(
            "the detector must see the rotation axis, got channels from "
            f"{edges_mm[0]:.4g} to {edges_mm[1]:.4g} mm"
        )
    short, long = float(min(-low, high)), float(max(-low, high))
    angles, order, is_turn = _sorted_views(beam.angles_rad)
    centred = short >= (1.0 - LARGEST_CUT) * long
    if is_turn:
        steps = 2.0 * angular_weights(beam.angles_rad / 2.0)
        if centred:
            return np.broadcast_to(steps[:, None] / 2.0, (beam.n_views, len(fan_angles_rad))), short
        sign = 1.0 if high > -low else -1.0
        step = np.sin(np.pi / 2 * np.clip(sign * fan_angles_rad / short, -1.0, 1.0))
        return steps[:, None] * (0.5 + 0.5 * step), long
    span = float(angles[-1] - angles[0])
    usual = span / max(1, len(angles) - 1)
    if not centred or span + usual < np.pi + 2 * short:
        raise ValueError(
            "angles_rad must cover every line from one side at least: 180 degrees plus the fan, "
            f"{180 + 2 * np.rad2deg(short):.5g} degrees, or a full turn if the detector is shifted; got "
            f"{np.rad2deg(span):.5g} degrees with a detector from {np.rad2deg(low):.4g} to "
            f"{np.rad2deg(high):.4g} degrees of the fan"
        )
    gamma = np.clip(fan_angles_rad, -short, short)
    taper = max(2 * short, span - np.pi)
    share = _trust(angles[:, None], angles, taper) / sum(
        _trust(other, angles, taper) for other in _readings(angles[:, None], gamma)
    )
    steps = np.gradient(angles)
    steps[[0, -1]] /= 2
    weights = np.empty_like(share)
    weights[order] = share * steps[:, None]
    return weights, short


def check_circle(beam: ConeBeam, grid: ImageGrid) -> None:
    """Refuse what is not a circular scan around the grid."""
    if grid.ndim != 3:
        raise ValueError(f"grid must have 3 axes, got shape {grid.shape}")
    if beam.n_channels < 2:
        raise ValueError(f"beam.n_channels must be at least 2, got {beam.n_channels}")
    rise_mm = float(np.ptp(np.asarray(beam.source_z_mm)))
    if rise_mm > 1e-6 * beam.row_spacing_mm:
        raise ValueError(
            f"beam.source_z_mm must be the same in all views, got a range of {rise_mm:.6g} mm: "
            "wfbp reconstructs a helix"
        )
    if np.any(beam.focal_shift_mm):
        raise ValueError("beam.focal_shift_mm must be 0 for a circular scan, got another value")
    corner_mm = farthest_mm(grid)
    if corner_mm >= beam.source_axis_mm:
        raise ValueError(
            f"grid must lie inside the circle of the source of radius {beam.source_axis_mm} mm, "
            f"got a corner at {corner_mm:.6g} mm from the axis"
        )


def farthest_mm(grid: ImageGrid) -> float:
    """Distance of the farthest voxel edge of a volume from the axis."""
    _, y_mm, x_mm = (
        np.abs(axis[[0, -1]]).max() + step / 2
        for axis, step in zip(grid.coordinates_mm, grid.spacing_mm, strict=True)
    )
    return float(np.hypot(y_mm, x_mm))


def clear_unseen(
    volume: npt.NDArray[np.floating[Any]], beam: ConeBeam, grid: ImageGrid, gamma: float
) -> None:
    """Set voxels to 0 whose centre leaves the circle of the fan angle gamma, or the rows over a full turn."""
    z_mm, y_mm, x_mm = grid.coordinates_mm
    radius_mm = np.hypot(y_mm[:, None], x_mm)
    inside = radius_mm <= beam.source_axis_mm * np.sin(gamma) * (1.0 + _ROUNDING)
    near, far = (
        (beam.source_axis_mm + side * radius_mm) / beam.source_detector_mm * (1.0 + side * _ROUNDING)
        for side in (-1.0, 1.0)
    )
    half_mm = beam.n_rows * beam.row_spacing_mm / 2
    top, bottom = beam.row_offset_mm + half_mm, beam.row_offset_mm - half_mm
    highest = top * (near if top > 0 else far)
    lowest = bottom * (near if bottom < 0 else far)
    any_seen = False
    for image, z in zip(volume, z_mm - np.asarray(beam.source_z_mm)[0], strict=True):
        seen = inside & (z <= highest) & (z >= lowest)
        image *= seen
        any_seen = any_seen or bool(seen.any())
    if not any_seen:
        raise ValueError(
            "the detector must see some voxel of the grid in every view, got none: rows cover "
            f"{bottom * near.max():.4g} to {top * near.max():.4g} mm at the axis, channels a circle of "
            f"{beam.source_axis_mm * np.sin(gamma):.4g} mm"
        )


def _readings(beta: Floats, gamma: Floats) -> list[Floats]:
    """View angles, within two turns, at which the lines of ``(view, channel)`` are read."""
    opposite = beta + np.pi - 2 * gamma
    same = beta + 0 * gamma
    return [line + turn for line in (same, opposite) for turn in (-4 * np.pi, -2 * np.pi, 0.0, 2 * np.pi)]


def _trust(beta: Floats, angles: Floats, taper: float) -> Floats:
    distance = np.minimum(beta - angles[0], angles[-1] - beta)
    trust = np.sin(np.pi / 2 * np.clip(distance / taper, 0.0, 1.0)) ** 2
    return np.where(distance < -_SAME_ANGLE_RAD, 0.0, np.maximum(trust, _SMALLEST_TRUST))


def _sorted_views(angles_rad: Floats) -> tuple[Floats, npt.NDArray[np.intp], bool]:
    """View angles in order from the start of the scan, and whether they close a full turn."""
    turned = np.mod(angles_rad, 2 * np.pi)
    ordered = np.sort(turned)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    distinct = np.sort(gaps[gaps > _SAME_ANGLE_RAD])
    if len(distinct) < _FEWEST_VIEWS:
        raise ValueError(
            f"angles_rad must hold at least {_FEWEST_VIEWS} different directions, got {len(distinct)}"
        )
    usual = float(np.quantile(distinct, 0.9, method="lower"))
    is_turn = bool(distinct[-1] <= LARGEST_GAP_RATIO * usual)
    if not is_turn and distinct[-2] > LARGEST_GAP_RATIO * usual:
        raise ValueError(
            f"angles_rad must have at most one gap above {LARGEST_GAP_RATIO:g} times the usual one of "
            f"{np.rad2deg(usual):.4g} degrees, got another of {np.rad2deg(distinct[-2]):.4g} degrees"
        )
    begin = 0.0 if is_turn else ordered[(int(np.argmax(gaps)) + 1) % len(ordered)]
    turned = np.mod(turned - begin + _SAME_ANGLE_RAD, 2 * np.pi) + begin - _SAME_ANGLE_RAD
    order = np.argsort(turned, kind="stable")
    return turned[order], order, is_turn
