"""Areas of the Voronoi cells of points in a plane, within their convex hull."""

from __future__ import annotations

from itertools import chain

import numpy as np
import numpy.typing as npt
import scipy  # scipy.spatial is loaded at first use

_SAME = 1e-7  # of the largest distance: points closer than this are one
_GUARDS, _FAR = 8, 20.0  # points far out, so that every cell has an end

Floats = npt.NDArray[np.float64]


def cell_areas(points: Floats) -> Floats:
    """Area that each of the ``(point, 2)`` stands for; coincident points share theirs evenly.

    The cell of a point on the rim is cut at the convex hull and made larger by the part of a full turn that
    the hull leaves around the point: twice along an edge, four times at the corner of a raster.
    """
    center = points.mean(axis=0)
    size = float(np.abs(points - center).max())
    keys = np.round((points - center) / (_SAME * size)) if size > 0 else points * 0
    _, first, owner, number = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    sites = (points[first] - center) / (size if size > 0 else 1.0)
    if len(sites) < 3 or np.linalg.matrix_rank(sites - sites[0], tol=_SAME * len(sites)) < 2:
        raise ValueError("trajectory must have positions that do not all lie on one line")
    hull = scipy.spatial.ConvexHull(sites)
    around = np.arange(_GUARDS) * 2 * np.pi / _GUARDS
    guards = _FAR * np.stack([np.sin(around), np.cos(around)], axis=-1)
    cells = scipy.spatial.Voronoi(np.concatenate([sites, guards]))
    regions = [cells.regions[r] for r in cells.point_region[: len(sites)]]
    areas = _areas(sites, regions, cells.vertices)
    areas[:] = _cut_at_hull(sites, regions, cells.vertices, np.unique(hull.equations, axis=0), areas)
    return np.asarray((areas * size**2 / number)[owner.reshape(-1)])


def _areas(sites: Floats, regions: list[list[int]], vertices: Floats) -> Floats:
    """Areas of convex cells around their sites, the corners in any order."""
    sizes = np.array([len(region) for region in regions])
    site = np.repeat(np.arange(len(sites)), sizes)
    corner = vertices[np.fromiter(chain.from_iterable(regions), dtype=np.int64)] - sites[site]
    order = np.lexsort((np.arctan2(corner[:, 0], corner[:, 1]), site))
    corner = corner[order]
    end = np.cumsum(sizes)
    following = np.arange(1, len(site) + 1)
    following[end - 1] = end - sizes
    cross = corner[:, 1] * corner[following, 0] - corner[:, 0] * corner[following, 1]
    return np.asarray(np.add.reduceat(cross, end - sizes) / 2)


def _cut_at_hull(
    sites: Floats, regions: list[list[int]], vertices: Floats, edges: Floats, areas: Floats
) -> Floats:
    """The areas with those of cells that reach beyond the hull, ``normal . r + offset <= 0``, corrected."""
    normals, offsets = edges[:, :2], edges[:, 2]
    beyond: dict[int, npt.NDArray[np.int64]] = {}
    for v in np.flatnonzero(np.hypot(*vertices.T) > -offsets.max() * (1 - _SAME)):
        crossed = np.flatnonzero(normals @ vertices[v] + offsets > _SAME)
        if len(crossed):
            beyond[int(v)] = crossed
    found = areas.copy()
    for i, region in enumerate(regions):
        crossed_by = [beyond[v] for v in region if v in beyond]
        if not crossed_by:
            continue
        corner = vertices[region]
        way = corner - sites[i]
        polygon = corner[np.argsort(np.arctan2(way[:, 0], way[:, 1]))]
        for edge in np.unique(np.concatenate(crossed_by)):
            polygon = _behind(polygon, normals[edge], offsets[edge])
        x, y = polygon[:, 1], polygon[:, 0]
        inside = (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        found[i] = inside / _share_of_turn(normals[np.abs(normals @ sites[i] + offsets) < _SAME])
    return found


def _behind(polygon: Floats, normal: Floats, offset: float) -> Floats:
    """The part of a convex polygon behind a line."""
    depth = polygon @ normal + offset
    corners = []
    for a, b, da, db in zip(polygon, np.roll(polygon, -1, 0), depth, np.roll(depth, -1), strict=True):
        if da <= 0:
            corners.append(a)
        if (da < 0 < db) or (db < 0 < da):
            corners.append(a + (b - a) * da / (da - db))
    return np.array(corners)


def _share_of_turn(normals: Floats) -> float:
    """Part of a full turn around a point that lies within the edges through it: all, half, less."""
    if len(normals) == 0:
        return 1.0
    between = np.clip((normals @ normals.T).min(), -1.0, 1.0)
    return float(0.5 - np.arccos(between) / (2 * np.pi))
