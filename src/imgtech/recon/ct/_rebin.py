"""Fan beam to parallel beam: the same line integrals, sorted and interpolated onto parallel rays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # scipy.interpolate is loaded at first use: it takes longer than all else here

from imgtech._core.jit import thread_count
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam, sample_positions
from imgtech.recon.ct._kernels_rebin import ORDER, along_channels, along_views, knot_factors, spline_factors
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
    distinct = np.flatnonzero(np.diff(angles, prepend=-np.inf) > _SAME_ANGLE_RAD)
    n_wrapped = min(len(distinct), _WRAPPED_VIEWS) if is_turn else 0
    channels, views = _Spline.through(fan.channels_mm), _Spline.through(_closed(angles[distinct], n_wrapped))
    factors = np.zeros((len(views.knots), ORDER * (ORDER - 1) // 2))
    even = np.zeros(len(views.knots), np.bool_)
    knot_factors(views.knots, factors, even)
    taps = _taps(_detector_positions_mm(fan, gamma[seen]), channels.knots)
    limits = 2 * fan.half_fan_rad, _SMALLEST_TRUST, _SAME_ANGLE_RAD
    scan = is_turn, float(angles[0]), float(angles[-1])
    readings, parts = np.empty((len(taps[0]), fan.n_views)), thread_count()
    for sinogram, target in zip(stack, sinograms, strict=True):
        along_channels.sized(readings.size * ORDER)(
            parts, sinogram, order, *channels.factors, *taps, readings
        )
        values = _averaged(readings, distinct)
        along_views.sized(readings.size * ORDER)(
            parts,
            values,
            int(np.argmax(seen)),
            n_wrapped,
            *views.factors,
            views.knots,
            factors,
            even,
            gamma,
            theta,
            trust_mm,
            scan,
            limits,
            target,
        )
        if np.isnan(target).any():
            raise ValueError(_not_covered(fan))
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


@dataclass(frozen=True, eq=False)
class _Spline:
    """Spline of degree 5 through samples at ``sites``: knots, and the factors that give coefficients."""

    knots: Floats
    factors: tuple[Floats, Floats, Floats]

    @classmethod
    def through(cls, sites: Floats) -> _Spline:
        """Knots at the samples but for three at either end, as many as the samples determine."""
        ends = np.repeat(sites[[0, -1]], ORDER).reshape(2, ORDER)
        knots = np.concatenate([ends[0], sites[ORDER // 2 : -(ORDER // 2)], ends[1]])
        first, taps = _taps(sites, knots)
        factors = np.empty((len(sites), 4)), np.empty((len(sites), 4)), np.empty(len(sites))
        spline_factors(taps, first, *factors)
        return cls(knots, factors)


def _taps(places: Floats, knots: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """First of the coefficients that a spline takes at every place, and the weights of all."""
    matrix = scipy.interpolate.BSpline.design_matrix(places, knots, _DEGREE)
    return matrix.indices[::ORDER].astype(np.int64), matrix.data.reshape(-1, ORDER)


def _closed(angles: Floats, n: int) -> Floats:
    """Angles with ``n`` of them repeated a turn before and a turn behind."""
    return np.concatenate([angles[len(angles) - n :] - 2 * np.pi, angles, angles[:n] + 2 * np.pi])


def _averaged(readings: Floats, first: npt.NDArray[np.intp]) -> Floats:
    """Readings ``(place, view)`` with the views of the same angle, from ``first`` on, averaged."""
    n_views = readings.shape[1]
    if len(first) == n_views:
        return readings
    sums: Floats = np.add.reduceat(readings, first, axis=1)
    return sums / np.diff(first, append=n_views)


def _detector_positions_mm(fan: FanBeam, gamma: Floats) -> Floats:
    """Where rays of the fan angles meet the detector."""
    return fan.source_detector_mm * (np.tan(gamma) if fan.detector == "flat" else gamma)


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
