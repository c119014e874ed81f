"""Line integrals of quadrics, averaged over the elements of a detector."""

import math

import numba

from imgtech._core.jit import helper, kernel

ELLIPSOID, CYLINDER = 0, 1
_FAR = 1e300
_CLEAR = 2.0  # element sizes between a ray and an edge beyond which few nodes are enough


@helper
def _crossing(kind, oz, oy, ox, dz, dy, dx):
    """Enter, leave, and the signed squared clearance of a line from the surface of the unit solid.

    The clearance is 1 minus the squared distance of the line from the middle (of a cylinder: from its
    axis, in the plane across). Faces say which surfaces bound the chord: positive for a hit, and for a
    miss whether the line passes beside (0), above (-1) or below (-2).
    """
    square = dy * dy + dx * dx
    along = oy * dy + ox * dx
    beyond = oy * oy + ox * ox - 1.0
    if kind == ELLIPSOID:
        square += dz * dz
        along += oz * dz
        beyond += oz * oz
    if square < 1e-200:
        enter, leave = (-_FAR, _FAR) if beyond < 0.0 else (_FAR, -_FAR)
        clearance = -beyond
    else:
        inside = along * along - square * beyond
        clearance = inside / square
        root = math.sqrt(max(inside, 0.0))
        enter, leave = (-along - root) / square, (-along + root) / square
    faces = 1
    if kind == CYLINDER:
        if abs(dz) < 1e-200:
            if abs(oz) >= 0.5:
                leave = enter
        else:
            one, other = (-0.5 - oz) / dz, (0.5 - oz) / dz
            if min(one, other) > enter:
                enter = min(one, other)
                faces += 1
            if max(one, other) < leave:
                leave = max(one, other)
                faces += 2
    if leave <= enter:
        height = oz - dz * along / square if square >= 1e-200 else 0.0
        return 0.0, clearance, 0 if kind == ELLIPSOID or abs(height) <= 0.5 else (-1 if height > 0.5 else -2)
    return leave - enter, clearance, faces


@helper
def _ray(kind, matrix, sz, sy, sx, column, row_direction, v):
    """Chord of the ray to P(u, v) in mm, its clearance and its faces."""
    dz = column[0] + v * row_direction[0] - sz
    dy = column[1] + v * row_direction[1] - sy
    dx = column[2] + v * row_direction[2] - sx
    oz = matrix[0, 0] * sz + matrix[0, 1] * sy + matrix[0, 2] * sx + matrix[0, 3]
    oy = matrix[1, 0] * sz + matrix[1, 1] * sy + matrix[1, 2] * sx + matrix[1, 3]
    ox = matrix[2, 0] * sz + matrix[2, 1] * sy + matrix[2, 2] * sx + matrix[2, 3]
    ez = matrix[0, 0] * dz + matrix[0, 1] * dy + matrix[0, 2] * dx
    ey = matrix[1, 0] * dz + matrix[1, 1] * dy + matrix[1, 2] * dx
    ex = matrix[2, 0] * dz + matrix[2, 1] * dy + matrix[2, 2] * dx
    span, clearance, faces = _crossing(kind, oz, oy, ox, ez, ey, ex)
    return span * math.sqrt(dz * dz + dy * dy + dx * dx), clearance, faces


@kernel(parallel=True)
def mean_over_elements(
    kinds, values, matrices, sources, columns, row_directions, rows, nodes, weights, few_nodes, few_weights,
    out,
):  # fmt: skip
    """Add the mean over every detector element of the line integrals through all solids.

    ``matrices[s]`` maps a point to the frame of solid s, where it has unit size: ``M[:, :3] r + M[:, 3]``.
    ``columns[view, channel, k]`` is the point P(u, 0) at node k of a channel: first its middle and its two
    edges, then ``nodes`` of the fine rule, then those of the coarse one. ``rows[row]`` is v in the same
    order. Elements that no edge of a solid comes near take the coarse rule.
    """
    n_views, n_rows, n_channels = out.shape
    n_fine, n_few = len(nodes), len(few_nodes)
    for line in numba.prange(n_views * n_rows):
        view, row = line // n_rows, line % n_rows
        up = row_directions[view]
        sz, sy, sx = sources[view, 0], sources[view, 1], sources[view, 2]
        for channel in range(n_channels):
            points = columns[view, channel]
            total = 0.0
            for s in range(len(kinds)):
                kind, matrix = kinds[s], matrices[s]
                _, middle, faces = _ray(kind, matrix, sz, sy, sx, points[0], up, rows[row, 0])
                same = True
                change = 0.0
                for corner in range(4):
                    at, v = points[1 + corner % 2], rows[row, 1 + corner // 2]
                    _, clearance, other = _ray(kind, matrix, sz, sy, sx, at, up, v)
                    same = same and other == faces
                    change = max(change, abs(clearance - middle))
                if same and abs(middle) > _CLEAR * change:
                    if faces <= 0:
                        continue
                    first, n = 3 + n_fine, n_few
                    w = few_weights
                else:
                    first, n = 3, n_fine
                    w = weights
                mean = 0.0
                for i in range(n):
                    for j in range(n):
                        chord, _, _ = _ray(
                            kind, matrix, sz, sy, sx, points[first + j], up, rows[row, first + i]
                        )
                        mean += w[i] * w[j] * chord
                total += values[s] * mean
            out[view, row, channel] = total
