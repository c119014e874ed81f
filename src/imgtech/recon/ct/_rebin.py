"""Fan beam to parallel beam: the same line integrals, sorted and interpolated onto parallel rays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # scipy.interpolate is loaded at first use: it takes longer than all else here

from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam, sample_positions
from imgtech.recon.ct._kernels_rebin import ORDER, along_views, combine, knot_factors
from imgtech.recon.ct.weights import LARGEST_GAP_RATIO

FloatArray = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
_DEGREE = ORDER - 1
_WRAPPED_VIEWS = 24  # the influence of a sample on a quintic spline falls by 0.43 a sample
_SAME_ANGLE_RAD = 1e-9
_SMALLEST_TRUST = 1e-6
_LARGEST_CUT = 0.1  # of the longer side of a detector that is not centred, where no ray comes back


def to_parallel(stack: FloatArray, fan: FanBeam, grid: ImageGrid) -> tuple[FloatArray, ParallelBeam]:
    """Give the parallel sinograms ``(slice, view, channel)`` of half a turn that a fan-beam scan holds.

    Two splines of degree 5: along channels onto even distances s from the axis, then, for each s, along
    views. A line that was measured from both of its ends is the mean of the two readings, weighted by
    their distance from the ends of the scan and of the detector. A short scan is cut to the shorter side
    of the detector.
    """
    _check_scan(fan, grid)
    angles, order, step, is_turn = _sorted_views(fan.angles_rad)
    spacing_mm = fan.axis_spacing_mm
    measured_mm = fan.ray_positions_mm
    sides_mm = np.sort(np.abs(measured_mm[[0, -1]]))
    if not is_turn and sides_mm[0] < (1.0 - _LARGEST_CUT) * sides_mm[1]:
        raise ValueError(_not_covered(fan))
    n_half = int(sides_mm[1 if is_turn else 0] / spacing_mm)
    channels_mm = sample_positions(2 * n_half + 1, spacing_mm, 0.0)
    seen = (channels_mm >= measured_mm[0]) & (channels_mm <= measured_mm[-1])
    gamma = np.arcsin(channels_mm / fan.source_axis_mm)
    trust_mm = _trust_of_channels(channels_mm, measured_mm)
    n_theta = int(np.ceil(np.pi / step - 1e-6))
    begin = 0.0 if is_turn else angles[0] + float(gamma.max())
    theta = np.asarray(begin + np.arange(n_theta) * (np.pi / n_theta), dtype=np.float64)
    parallel = ParallelBeam(angles_rad=theta, n_channels=len(channels_mm), channel_spacing_mm=spacing_mm)
    sinograms = np.empty((len(stack), *parallel.shape), stack.dtype)
    out = np.empty(parallel.shape[::-1])
    for sinogram, target in zip(stack, sinograms, strict=True):
        views = _along_channels(sinogram, fan, gamma[seen])
        spline = _along_views(views.T[order], angles, is_turn)
        factors = np.zeros((len(spline.t), ORDER * (ORDER - 1) // 2))
        knot_factors(spline.t, factors)
        first, scan = int(np.argmax(seen)), (is_turn, angles[0], angles[-1])
        limits = 2 * fan.half_fan_rad, _SMALLEST_TRUST, _SAME_ANGLE_RAD
        curves = np.ascontiguousarray(spline.c.T)
        along_views(curves, spline.t, factors, first, gamma, theta, trust_mm, *scan, *limits, out)
        if np.isnan(out).any():
            raise ValueError(_not_covered(fan))
        target[:] = out.T
    return sinograms, parallel


def _check_scan(fan: FanBeam, grid: ImageGrid) -> None:
    assert grid.center_mm is not None
    y_mm, x_mm = (abs(c) + f / 2 for c, f in zip(grid.center_mm, grid.fov_mm, strict=True))
    if float(np.hypot(y_mm, x_mm)) >= fan.source_axis_mm:
        raise ValueError(
            f"grid must lie inside the circle of the source of radius {fan.source_axis_mm} mm, "
            f"got a corner at {np.hypot(y_mm, x_mm):.6g} mm from the axis"
        )
    if fan.n_views <= _DEGREE or fan.n_channels <= _DEGREE:
        raise ValueError(f"beam must have at least {_DEGREE + 1} views and channels, got shape {fan.shape}")
    low, high = fan.ray_positions_mm[[0, -1]]
    if low >= 0.0 or high <= 0.0:
        raise ValueError(
            "the detector must see the rotation axis, got channels whose rays pass it at "
            f"{low:.4g} to {high:.4g} mm"
        )


def _sorted_views(angles_rad: Floats) -> tuple[Floats, npt.NDArray[np.intp], float, bool]:
    """View angles in order, the usual step, and whether they close a full turn."""
    turned = np.mod(angles_rad, 2 * np.pi)
    turned[turned > 2 * np.pi - _SAME_ANGLE_RAD] = 0.0
    ordered = np.sort(turned)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    distinct = np.sort(gaps[gaps > _SAME_ANGLE_RAD])
    usual = float(np.quantile(distinct, 0.9, method="lower"))
    is_turn = bool(distinct[-1] <= LARGEST_GAP_RATIO * usual)
    if not is_turn and len(distinct) > 1 and distinct[-2] > LARGEST_GAP_RATIO * usual:
        raise ValueError(
            f"angles_rad must have at most one gap above {LARGEST_GAP_RATIO:g} times the usual one of "
            f"{np.rad2deg(usual):.4g} degrees, got another of {np.rad2deg(distinct[-2]):.4g} degrees"
        )
    begin = 0.0 if is_turn else ordered[(widest + 1) % len(ordered)]
    turned = np.mod(turned - begin, 2 * np.pi) + begin
    order = np.argsort(turned, kind="stable")
    return turned[order], order, float(np.median(distinct)), is_turn


def _along_views(views: Floats, angles: Floats, is_turn: bool) -> scipy.interpolate.BSpline:
    """Spline through the views of one slice, those of the same angle averaged, closed if a full turn."""
    first = np.flatnonzero(np.diff(angles, prepend=-np.inf) > _SAME_ANGLE_RAD)
    if len(first) < len(angles):
        repeats = np.diff(first, append=len(angles))
        views = np.add.reduceat(views, first, axis=0) / repeats[:, None]
        angles = angles[first]
    if is_turn:
        n = min(len(angles), _WRAPPED_VIEWS)
        views = np.concatenate([views[-n:], views, views[:n]])
        angles = np.concatenate([angles[-n:] - 2 * np.pi, angles, angles[:n] + 2 * np.pi])
    return scipy.interpolate.make_interp_spline(angles, views, k=_DEGREE)


def _along_channels(sinogram: FloatArray, fan: FanBeam, gamma: Floats) -> Floats:
    """Values at fan angles, ``(angle, view)``, from a spline along the channels of every view."""
    distance = fan.source_detector_mm
    positions_mm = distance * (np.tan(gamma) if fan.detector == "flat" else gamma)
    spline = scipy.interpolate.make_interp_spline(
        fan.channels_mm, sinogram.astype(np.float64), k=_DEGREE, axis=-1
    )
    taps = scipy.interpolate.BSpline.design_matrix(positions_mm, spline.t, _DEGREE)
    first, weights = taps.indices[::ORDER].astype(np.int64), taps.data.reshape(-1, ORDER)
    out = np.empty((len(positions_mm), len(sinogram)))
    combine.sized(out.size * ORDER)(np.ascontiguousarray(spline.c), first, weights, out)
    return out


def _trust_of_channels(channels_mm: Floats, measured_mm: Floats) -> Floats:
    """Falls to almost 0 at either end of the detector, over the part that is seen from both sides."""
    overlap_mm = min(-measured_mm[0], measured_mm[-1])
    distance_mm = np.minimum(channels_mm - measured_mm[0], measured_mm[-1] - channels_mm)
    return np.asarray(np.clip(distance_mm / overlap_mm, _SMALLEST_TRUST, 1.0))


def _not_covered(fan: FanBeam) -> str:
    span = float(np.rad2deg(np.ptp(fan.angles_rad)))
    low, high = fan.ray_positions_mm[[0, -1]]
    return (
        "angles_rad must cover every line from one side at least: 180 degrees plus the fan, "
        f"{180 + 2 * np.rad2deg(fan.half_fan_rad):.5g} degrees, or a full turn if the detector is shifted; "
        f"got {span:.5g} degrees with rays from {low:.4g} to {high:.4g} mm"
    )
