"""Compiled kernels of rays from a point source: distance-driven projection and its transpose.

A channel sees a plane of the grid between the places where the rays through its two edges cross it; it takes
the mean of the plane over that stretch. The mean is a difference of the running integral of a pixel row at
two places, so that each edge needs one look-up, whatever the widths. Where an edge is, :func:`_place` says,
and which edges are inside a row, :func:`_inside`: for the projection and for its transpose. Running integrals
and sums are in double precision. Segments are those of ``_segments.py``.
"""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

_PLANES = 16  # planes that one thread adds to at a time
_NEAREST = 0.5  # in front of the source, in planes


@helper
def _place(across, distance, slope):
    """Where an edge crosses a plane: pixel i reaches from i to i + 1."""
    return across + distance * slope


@helper
def _first_above(across, distance, slope, limit):
    """First edge at or above ``limit``, of edges in rising order of ``distance * slope``."""
    low, high = 0, len(slope)
    while low < high:
        middle = (low + high) // 2
        if _place(across, distance, slope[middle]) < limit:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def _first_below(across, distance, slope, limit):
    """First edge below ``limit``, of edges in falling order."""
    low, high = 0, len(slope)
    while low < high:
        middle = (low + high) // 2
        if _place(across, distance, slope[middle]) >= limit:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def _inside(across, distance, slope, n):
    """Edges on pixels 0 to n - 1 as ``begin, end``, and those behind pixel n - 1 as ``begin, end``."""
    if distance * (slope[len(slope) - 1] - slope[0]) >= 0:
        begin = _first_above(across, distance, slope, 0.0)
        end = _first_above(across, distance, slope, n)
        return begin, end, end, len(slope)
    begin = _first_below(across, distance, slope, n)
    return begin, _first_below(across, distance, slope, 0.0), 0, begin


@helper
def _project_edges(integrals, pixels, along, across, ahead, slope, sums):
    """Add the running integral of every plane at every edge, over the distance of the plane."""
    n_planes, n = pixels.shape
    for p in range(n_planes):
        distance = p - along
        if distance * ahead < _NEAREST:
            continue
        scale = 1.0 / distance
        integral, row = integrals[p], pixels[p]
        begin, end, begin_behind, end_behind = _inside(across, distance, slope, n)
        for e in range(numba.uint64(begin), numba.uint64(end)):
            place = _place(across, distance, slope[e])
            i = numba.uint32(numba.int32(place))
            sums[e] += scale * (integral[i] + (place - numba.int32(place)) * row[i])
        total = scale * integral[n]
        for e in range(numba.uint64(begin_behind), numba.uint64(end_behind)):
            sums[e] += total


@helper
def _integrate(pixels, out):
    """Running integral of every row, before and behind each pixel."""
    for p in range(pixels.shape[0]):
        total = 0.0
        out[p, 0] = total
        for i in range(pixels.shape[1]):
            total += pixels[p, i]
            out[p, i + 1] = total


@helper
def _edges(n, touching):
    """Number of lists of edges, length of a list, and how far the far edge of a channel is from the near."""
    if touching:
        return 1, n + 1, 1
    return 2, n, n


@helper
def _project_segment(integrals, pixels, along, across, slope, step, way_mm, n, touching, out):
    n_lists, size, far = _edges(n, touching)
    sums = np.zeros(n_lists * size)
    for k in range(n_lists):
        some = slice(k * size, (k + 1) * size)
        _project_edges(integrals, pixels, along, across, np.sign(step[0]), slope[some], sums[some])
    for c in range(n):
        out[c] = way_mm[c] * abs(step[c]) / (slope[c + far] - slope[c]) * (sums[c + far] - sums[c])


@kernel(parallel=True)
def project_fan(
    pixels, transposed, n_by_y, view, first, count, along, across, slope, step, way_mm, touching, out
):
    """Mean line integral of every channel of every segment: ``out`` is ``(view, channel)``."""
    by_y = np.empty((pixels.shape[0], pixels.shape[1] + 1))
    by_x = np.empty((pixels.shape[1], pixels.shape[0] + 1))
    _integrate(pixels, by_y)
    _integrate(transposed, by_x)
    for s in numba.prange(len(view)):
        n = count[s]
        target = out[view[s], first[s] : first[s] + n]
        if s < n_by_y:
            _project_segment(
                by_y, pixels, along[s], across[s], slope[s], step[s], way_mm[s], n, touching, target
            )
        else:
            _project_segment(
                by_x, transposed, along[s], across[s], slope[s], step[s], way_mm[s], n, touching, target
            )


@helper
def _spread_edges(values, sign, p, along, across, slope, step, row):
    """Spread the edges of channels that cross a plane inside, and say which ones do so behind pixel n - 1."""
    distance = p - along
    begin, end, begin_behind, end_behind = _inside(across, distance, slope, len(row))
    scale = sign / distance
    for e in range(numba.uint64(begin), numba.uint64(end)):
        place = _place(across, distance, slope[e])
        i = numba.uint32(numba.int32(place))
        value = scale * values[e]
        step[i] += value
        row[i] += (place - numba.int32(place)) * value
    return begin_behind, end_behind


@helper
def _sum(values, begin, end):
    """Sum from ``begin`` to ``end``, with a minus sign where the end comes first."""
    total = 0.0
    for c in range(begin, end):
        total += values[c]
    for c in range(end, begin):
        total -= values[c]
    return total


@helper
def _spread_segment(values, both, begin_plane, along, across, ahead, slope, touching, steps, pixels):
    """Transpose of :func:`_project_edges` and the difference of edges that follows it, for some planes.

    A channel with both edges behind a row gives nothing, exactly: only those with one there are summed.
    """
    n, n_pixels = len(values), pixels.shape[1]
    for p in range(len(pixels)):
        plane, step, row = begin_plane + p, steps[p], pixels[p]
        if (plane - along) * ahead < _NEAREST:
            continue
        if touching:
            begin, end = _spread_edges(both, 1.0, plane, along, across, slope, step, row)
            near, far = (min(begin, n), min(end, n)), (max(begin - 1, 0), max(end - 1, 0))
        else:
            near = _spread_edges(values, -1.0, plane, along, across, slope[:n], step, row)
            far = _spread_edges(values, 1.0, plane, along, across, slope[n:], step, row)
        behind = _sum(values, far[0], near[0]) + _sum(values, near[1], far[1])
        step[n_pixels] += behind / (plane - along)


@helper
def _spread_tile(values, both, along, across, slope, ahead, count, touching, begin_plane, out):
    """Spread all segments over the planes of one tile, then undo :func:`_integrate`."""
    n_planes, n = out.shape
    steps, pixels = np.zeros((n_planes, n + 1)), np.zeros((n_planes, n))
    for s in range(len(along)):
        n_lists, size, _ = _edges(count[s], touching)
        of_channels, of_edges, rays = values[s, : count[s]], both[s, :size], slope[s, : n_lists * size]
        _spread_segment(
            of_channels, of_edges, begin_plane, along[s], across[s], ahead[s], rays, touching, steps, pixels
        )
    for p in range(n_planes):
        total = 0.0
        for i in range(n - 1, -1, -1):
            total += steps[p, i + 1]
            out[p, i] = total + pixels[p, i]


@kernel(parallel=True)
def adjoint_fan(
    sinogram, n_by_y, view, first, count, along, across, slope, step, way_mm, touching, pixels, transposed
):
    """Transpose of :func:`project_fan`: the image is the sum of ``pixels`` and the transpose of the other."""
    values = np.empty(step.shape)
    both = np.zeros((len(view), step.shape[1] + 1 if touching else 0))  # of edges that channels share
    for s in numba.prange(len(view)):
        _, _, far = _edges(count[s], touching)
        for c in range(count[s]):
            value = way_mm[s, c] * abs(step[s, c]) / (slope[s, c + far] - slope[s, c])
            values[s, c] = value * sinogram[view[s], first[s] + c]
            if touching:
                both[s, c + 1] += values[s, c]
                both[s, c] -= values[s, c]
    ahead = np.sign(step[:, 0])
    n_tiles = (pixels.shape[0] + _PLANES - 1) // _PLANES
    n_tiles_x = (transposed.shape[0] + _PLANES - 1) // _PLANES
    for tile in numba.prange(n_tiles + n_tiles_x):
        by_y = tile < n_tiles
        a, b = (0, n_by_y) if by_y else (n_by_y, len(view))
        begin = _PLANES * (tile if by_y else tile - n_tiles)
        target = (pixels if by_y else transposed)[begin : begin + _PLANES]
        _spread_tile(
            values[a:b],
            both[a:b],
            along[a:b],
            across[a:b],
            slope[a:b],
            ahead[a:b],
            count[a:b],
            touching,
            begin,
            target,
        )


@kernel(parallel=True)
def integrate_volume(volume, out):
    """Running integral along z of a volume ``(z, y, x)``: ``out`` is ``(y, x, z + 1)``."""
    for y in numba.prange(out.shape[0]):
        for x in range(out.shape[1]):
            total = 0.0
            out[y, x, 0] = total
            for z in range(volume.shape[0]):
                total += volume[z, y, x]
                out[y, x, z + 1] = total


@helper
def _stretch(one, other, n):
    """Part of a row of n pixels between two places, from low to high."""
    low, high = min(one, other), max(one, other)
    return max(low, 0.0), min(high, numba.float64(n))


@helper
def _columns_met(height, reach, rise, n):
    """First and last sample of a running integral along z that the edges of the detector rows need."""
    low, high = _place(height, reach, rise[0]), _place(height, reach, rise[len(rise) - 1])
    if high <= 0.0 or low >= n:
        return 0, -1
    return numba.int64(max(low, 0.0)), min(numba.int64(max(high, 0.0)) + 1, n)


@helper
def _project_plane(columns, by_y, p, distance, across, slope, step, far, height, rise, n_lists, column, sums):
    """Add one plane of running integrals to the edges of all detector elements of a segment."""
    n_pixels = columns.shape[1] if by_y else columns.shape[0]
    n_z = columns.shape[2] - 1
    scale = 1.0 / (distance * distance)
    size = len(rise) // n_lists
    for c in range(len(step)):
        one, other = _place(across, distance, slope[c]), _place(across, distance, slope[c + far])
        left, right = _stretch(one, other, n_pixels)
        first, last = _columns_met(height, distance * step[c], rise, n_z)
        if right <= left or last < first:
            continue
        column[first : last + 1] = 0.0
        for i in range(int(left), min(int(right), n_pixels - 1) + 1):
            shared = min(right, i + 1.0) - max(left, numba.float64(i))
            source = columns[p, i] if by_y else columns[i, p]
            for z in range(numba.uint64(first), numba.uint64(last + 1)):
                column[z] += shared * source[z]
        for k in range(n_lists):
            edges, target = rise[k * size : (k + 1) * size], sums[c, k * size : (k + 1) * size]
            begin, end, begin_behind, end_behind = _inside(height, distance * step[c], edges, n_z)
            for e in range(numba.uint64(begin), numba.uint64(end)):
                place = _place(height, distance * step[c], edges[e])
                z = numba.uint32(numba.int32(place))
                here = column[z]
                part = place - numba.int32(place)
                target[e] += scale * (here + part * (column[z + numba.uint32(1)] - here))
            total = scale * column[n_z]
            for e in range(numba.uint64(begin_behind), numba.uint64(end_behind)):
                target[e] += total


@kernel(parallel=True)
def project_cone(
    columns,
    n_by_y,
    view,
    first,
    count,
    along,
    across,
    slope,
    step,
    way_mm,
    touching,
    height,
    rise,
    rise_mm,
    rows_touching,
    out,
):
    """Mean line integral of every element of every segment: ``out`` is ``(view, row, channel)``.

    The edges of the detector rows lie ``rise`` steps of the grid above the source, their middles
    ``rise_mm``; the source is at ``height``.
    """
    n_rows = out.shape[1]
    n_lists, _, far_row = _edges(n_rows, rows_touching)
    for s in numba.prange(len(view)):
        by_y, n = s < n_by_y, count[s]
        _, _, far = _edges(n, touching)
        sums = np.zeros((n, rise.shape[1]))
        column = np.zeros(columns.shape[2])
        ahead = np.sign(step[s, 0])
        for p in range(columns.shape[0] if by_y else columns.shape[1]):
            distance = p - along[s]
            if distance * ahead < _NEAREST:
                continue
            _project_plane(
                columns,
                by_y,
                p,
                distance,
                across[s],
                slope[s],
                step[s, :n],
                far,
                height[s],
                rise[s],
                n_lists,
                column,
                sums,
            )
        for c in range(n):
            width = abs(slope[s, c + far] - slope[s, c])
            for k in range(n_rows):
                length = np.sqrt(way_mm[s, c] ** 2 + rise_mm[s, k] ** 2)
                tall = rise[s, k + far_row] - rise[s, k]
                value = length / (width * tall) * (sums[c, k + far_row] - sums[c, k])
                out[view[s], k, first[s] + c] = value


@helper
def _spread_plane(
    sums, by_y, p, distance, across, slope, step, far, height, rise, tall, ramp, column, columns
):
    """Transpose of :func:`_project_plane`: the same stretches, summed over detector elements.

    The part of a voxel that a row covers is a difference of running sums over rows at the voxel's ends.
    """
    n_pixels = columns.shape[1] if by_y else columns.shape[0]
    n_z = columns.shape[2]
    n_rows = sums.shape[1] - 2
    pitch = rise[1] - rise[0] if n_rows > 1 else tall
    stretch, most = pitch / tall, numba.float64(n_rows)
    for c in range(len(step)):
        one, other = _place(across, distance, slope[c]), _place(across, distance, slope[c + far])
        left, right = _stretch(one, other, n_pixels)
        reach = distance * step[c]
        first, last = _columns_met(height, reach, rise, n_z)
        if right <= left or last < first:
            continue
        scale = tall * reach / (distance * distance)
        begin, slant = -(height / reach + rise[0]) / pitch, 1.0 / (reach * pitch)
        total = sums[c]
        for z in range(numba.uint64(first), numba.uint64(last + 1)):
            place = min(max(begin + slant * ramp[z], 0.0), most)
            row = numba.int32(place)
            part = min((place - row) * stretch, 1.0)
            here = total[numba.uint32(row)]
            column[z] = scale * (here + part * (total[numba.uint32(row) + numba.uint32(1)] - here))
        for i in range(int(left), min(int(right), n_pixels - 1) + 1):
            shared = min(right, i + 1.0) - max(left, numba.float64(i))
            target = columns[p, i] if by_y else columns[i, p]
            for z in range(numba.uint64(first), numba.uint64(last)):
                target[z] += shared * (column[z + numba.uint64(1)] - column[z])


@helper
def _spread_over(
    sums, by_y, p, count, along, across, slope, step, touching, height, rise, far_row, ramp, columns
):
    """Spread all segments over one plane."""
    column = np.zeros(len(ramp))
    for s in range(len(count)):
        distance = p - along[s]
        if distance * np.sign(step[s, 0]) < _NEAREST:
            continue
        n = count[s]
        _, _, far = _edges(n, touching)
        tall = rise[s, far_row] - rise[s, 0]
        _spread_plane(
            sums[s],
            by_y,
            p,
            distance,
            across[s],
            slope[s],
            step[s, :n],
            far,
            height[s],
            rise[s],
            tall,
            ramp,
            column,
            columns,
        )


@kernel(parallel=True)
def adjoint_cone(
    projections,
    n_by_y,
    view,
    first,
    count,
    along,
    across,
    slope,
    step,
    way_mm,
    touching,
    height,
    rise,
    rise_mm,
    rows_touching,
    columns,
):
    """Transpose of :func:`project_cone`, added to ``columns``, a volume ``(y, x, z)``."""
    n_rows = projections.shape[1]
    _, _, far_row = _edges(n_rows, rows_touching)
    sums = np.zeros((len(view), step.shape[1], n_rows + 2))  # the last one twice
    for s in numba.prange(len(view)):
        _, _, far = _edges(count[s], touching)
        for c in range(count[s]):
            width = abs(slope[s, c + far] - slope[s, c])
            for k in range(n_rows):
                length = np.sqrt(way_mm[s, c] ** 2 + rise_mm[s, k] ** 2)
                value = length / (width * (rise[s, k + far_row] - rise[s, k]))
                sums[s, c, k + 1] = sums[s, c, k] + value * projections[view[s], k, first[s] + c]
            sums[s, c, n_rows + 1] = sums[s, c, n_rows]
    ramp = np.arange(columns.shape[2] + 1).astype(np.float64)
    m = n_by_y
    for y in numba.prange(columns.shape[0]):
        _spread_over(
            sums[:m],
            True,
            y,
            count[:m],
            along[:m],
            across[:m],
            slope[:m],
            step[:m],
            touching,
            height[:m],
            rise[:m],
            far_row,
            ramp,
            columns,
        )
    for x in numba.prange(columns.shape[1]):
        _spread_over(
            sums[m:],
            False,
            x,
            count[m:],
            along[m:],
            across[m:],
            slope[m:],
            step[m:],
            touching,
            height[m:],
            rise[m:],
            far_row,
            ramp,
            columns,
        )
