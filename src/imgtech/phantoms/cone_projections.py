"""Cone-beam projections of solids: closed-form line integrals, averaged over the detector's elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ConeVectors
from imgtech.phantoms._kernels_cone import CYLINDER, ELLIPSOID, mean_over_elements
from imgtech.phantoms.shapes_3d import Cylinder, Ellipsoid, Shape3D

Floats = npt.NDArray[np.float64]
_EDGE_NODES, _SMOOTH_NODES = 16, 3
_KINDS = {Ellipsoid: ELLIPSOID, Cylinder: CYLINDER}
_BLOCK_BYTES = 32 * 2**20


def element_means(shapes: Sequence[Shape3D], beam: ConeVectors, out: npt.NDArray[np.floating]) -> None:
    """Write the mean line integrals of ``(view, row, channel)`` into ``out``."""
    fine, few = _rule(_EDGE_NODES), _rule(_SMOOTH_NODES)
    places = np.concatenate([[0.0, -1.0, 1.0], fine[0], few[0]])
    assert beam.channel_width_mm is not None
    assert beam.row_height_mm is not None
    u = (beam.channels_mm[:, None] + places * (beam.channel_width_mm / 2)).ravel()
    v = beam.rows_mm[:, None] + places * (beam.row_height_mm / 2)
    quadrics = [shape for shape in shapes if type(shape) in _KINDS]
    others = [shape for shape in shapes if type(shape) not in _KINDS]
    kinds = np.array([_KINDS[type(shape)] for shape in quadrics], dtype=np.int64)
    values = np.array([shape.value for shape in quadrics])
    matrices = np.array([shape.own_frame_map for shape in quadrics]).reshape(-1, 3, 4)
    size = max(1, _BLOCK_BYTES // (u.size * 24))
    for begin in range(0, beam.n_views, size):
        part = slice(begin, begin + size)
        columns = beam.views(part).columns_mm(u).reshape(-1, beam.n_channels, len(places), 3)
        mean_over_elements.sized(columns.shape[0] * v.size * beam.n_channels * len(shapes))(
            kinds, values, matrices, beam.sources_mm[part], columns, beam.row_directions[part], v, *fine,
            *few, out[part],
        )  # fmt: skip
        if others:
            _add_others(others, beam.views(part), u.reshape(-1, len(places)), v, fine[1], out[part])


def _add_others(
    shapes: Sequence[Shape3D],
    beam: ConeVectors,
    u: Floats,
    v: Floats,
    weights: Floats,
    out: npt.NDArray[np.floating],
) -> None:
    """Shapes without a kernel: all nodes of the fine rule everywhere, one view at a time."""
    for view in range(beam.n_views):
        one = beam.views(slice(view, view + 1))
        for i, row_weight in enumerate(weights):
            for j, weight in enumerate(weights):
                ends = one.columns_mm(u[:, 3 + j])[0] + v[:, 3 + i, None, None] * one.row_directions[0]
                directions = ends - one.sources_mm[0]
                for shape in shapes:
                    out[view] += row_weight * weight * shape.line_integral(one.sources_mm[0], directions)


def _rule(n_nodes: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return nodes, weights / 2
