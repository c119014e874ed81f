"""Rays from a point source, sorted by the grid planes that they cross: the arithmetic before the kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ConeBeam, FanBeam, ImageGrid

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Segments:
    """Runs of channels of one view whose rays cross the same kind of planes most steeply.

    The first ``n_by_y`` segments cross planes of constant y (pixel rows), the others planes of constant
    x. Segment s holds the channels ``first[s]`` to ``first[s] + count[s] - 1`` of view ``view[s]``.
    Positions are in steps of the grid: plane p lies at p, pixel i of a plane reaches from i to i + 1, and
    the ray through edge e of a channel is at ``across[s] + (p - along[s]) * slope[s, e]``. Channel c of the
    segment lies between edge c and, where channels are ``touching``, edge c + 1; otherwise edge
    c + count[s]. Its middle ray covers the part ``(p - along[s]) * step[s, c]`` of the way from the source to
    the detector, which is ``way_mm[s, c]`` long in the plane.
    """

    n_by_y: int
    view: Integers
    first: Integers
    count: Integers
    along: Floats
    across: Floats
    slope: Floats
    step: Floats
    way_mm: Floats
    touching: bool


def segments(beam: FanBeam | ConeBeam, grid: ImageGrid) -> Segments:
    """Split every view where its rays pass from one kind of planes to the other."""
    y_mm, x_mm = (axis[0] for axis in grid.coordinates_mm[-2:])
    d_y, d_x = grid.spacing_mm[-2:]
    source_y_mm, source_x_mm = source_positions(beam)
    edges_mm, touching = edges(beam.channels_mm, beam.channel_spacing_mm, beam.channel_width_mm)
    to_y, to_x = _ways(beam, beam.channels_mm)
    by_y = np.abs(to_x) / d_x <= np.abs(to_y) / d_y
    view, first, count = _runs(by_y)
    order = np.argsort(~by_y[view, first], kind="stable")
    view, first, count = view[order], first[order], count[order]
    kind = by_y[view, first]

    channel = np.minimum(first[:, None] + np.arange(count.max()), beam.n_channels - 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # where a ray never meets the other kind of planes
        step = np.where(by_y, d_y / to_y, d_x / to_x)
        edge_y, edge_x = _ways(beam, edges_mm)
        slope_y, slope_x = edge_x / edge_y * (d_y / d_x), edge_y / edge_x * (d_x / d_y)
    number = np.arange(count.max() + 1 if touching else 2 * count.max())
    index = first[:, None] + number
    if not touching:
        index = np.where(number < count[:, None], index, index - count[:, None] + beam.n_channels)
    edge = view[:, None], np.minimum(index, len(edges_mm) - 1)
    source_x, source_y = (source_x_mm - x_mm)[view] / d_x, (source_y_mm - y_mm)[view] / d_y
    return Segments(
        n_by_y=int(kind.sum()),
        view=view,
        first=first,
        count=count,
        along=np.where(kind, source_y, source_x),
        across=np.where(kind, source_x, source_y) + 0.5,
        slope=np.where(kind[:, None], slope_y[edge], slope_x[edge]),
        step=step[view[:, None], channel],
        way_mm=np.hypot(to_y, to_x)[view[:, None], channel],
        touching=touching,
    )


def edges(centers_mm: Floats, spacing_mm: float, width_mm: float | None) -> tuple[Floats, bool]:
    """Edges of detector elements, shared ones once: near ones, then far ones, unless they touch."""
    assert width_mm is not None
    near = centers_mm - width_mm / 2
    if width_mm == spacing_mm:
        return np.append(near, near[-1] + width_mm), True
    return np.concatenate([near, near + width_mm]), False


def source_positions(beam: FanBeam | ConeBeam) -> tuple[Floats, Floats]:
    """Position of the source at every view, ``y, x``, flying focal spot included."""
    sin, cos = np.sin(beam.angles_rad), np.cos(beam.angles_rad)
    shift_y, shift_x = _focal_shift(beam)
    away = shift_y - beam.source_axis_mm
    return away * cos + shift_x * sin, shift_x * cos - away * sin


def _ways(beam: FanBeam | ConeBeam, positions_mm: Floats) -> tuple[Floats, Floats]:
    """Way from the source to positions on the detector, components ``y, x`` of shape ``(view, position)``."""
    sin, cos = np.sin(beam.angles_rad)[:, None], np.cos(beam.angles_rad)[:, None]
    shift_y, shift_x = _focal_shift(beam)
    far = beam.source_detector_mm
    gamma = beam.fan_angles_rad(positions_mm)
    if beam.detector == "flat":
        ahead, aside = np.full(len(positions_mm), far), positions_mm
    else:
        ahead, aside = far * np.cos(gamma), far * np.sin(gamma)
    ahead, aside = ahead - np.atleast_1d(shift_y)[:, None], aside - np.atleast_1d(shift_x)[:, None]
    return aside * sin + ahead * cos, aside * cos - ahead * sin


def _focal_shift(beam: FanBeam | ConeBeam) -> tuple[Floats, Floats]:
    if isinstance(beam, FanBeam):
        return np.zeros(1), np.zeros(1)
    shift = np.asarray(beam.focal_shift_mm)
    return shift[:, 1], shift[:, 2]


def _runs(values: npt.NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
    """Row, first column and length of every run of equal values along the rows of a table."""
    begins = np.ones(values.shape, dtype=bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    row, first = np.nonzero(begins)
    end = np.append(first[1:], 0)
    end[end == 0] = values.shape[1]
    return row, first, end - first
