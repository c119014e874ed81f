"""Compiled kernels of helical CT: rebinning to parallel rays, and weighted back-projection."""

import math

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

TAPS = 6  # views that one parallel ray is interpolated from
_POLE = math.sqrt(3.0) - 2.0
_HORIZON = 14


@helper
def _knots_along(row, knots):
    """A sixth of the cubic B-spline coefficients of a row, mirrored; sample k stands in ``knots[k + 2]``."""
    n = row.shape[0]
    total, power = 0.0, 1.0
    for k in range(_HORIZON):
        m = k % (2 * n - 2)
        total += power * row[min(m, 2 * n - 2 - m)]
        power *= _POLE
    knots[2] = total
    for k in range(1, n):
        total = row[k] + _POLE * total
        knots[k + 2] = total
    total = _POLE / (_POLE * _POLE - 1.0) * (total + _POLE * knots[n])
    knots[n + 1] = total
    for k in range(n - 2, -1, -1):
        total = _POLE * (total - knots[k + 2])
        knots[k + 2] = total
    knots[1], knots[0] = knots[3], knots[min(4, n + 1)]
    knots[n + 2], knots[n + 3] = knots[n], knots[max(2, n - 1)]


@helper
def _spline(knots, position):
    """Value of the spline of :func:`_knots_along` at a position between -1 and its number of samples."""
    k = int(position + 1.0)
    f = position + 1.0 - k
    g = 1.0 - f
    value = g * g * g * knots[k] + f * f * f * knots[k + 3]
    value += (4.0 - 3.0 * f * f * (2.0 - f)) * knots[k + 1]
    return value + (4.0 - 3.0 * g * g * (2.0 - g)) * knots[k + 2]


@kernel(parallel=True)
def to_positions(projections, cosines, states, channels, row_shift, out):
    """Interpolate the rows of every view at even distances from the axis: ``out`` is (view, position, row).

    View n is of the kind ``states[n]``: ray k of it lies at channel ``channels[state, k]``, and its rows are
    taken ``row_shift[state]`` rows further up.
    """
    n_views, n_rows, n_channels = projections.shape
    n_positions = out.shape[1]
    for n in numba.prange(n_views):
        along = np.empty(n_channels + 4)
        column = np.empty(n_rows + 4)
        one = np.empty(max(n_rows, n_channels))
        state = states[n]
        for row in range(n_rows):
            for j in range(n_channels):
                one[j] = projections[n, row, j] * cosines[row, j]
            _knots_along(one[:n_channels], along)
            for k in range(n_positions):
                out[n, k, row] = _spline(along, channels[state, k])
        if row_shift[state] != 0.0 and n_rows > 1:
            for k in range(n_positions):
                for row in range(n_rows):
                    one[row] = out[n, k, row]
                _knots_along(one[:n_rows], column)
                for row in range(n_rows):
                    at = min(max(row + row_shift[state], -0.5), n_rows - 0.5)
                    out[n, k, row] = _spline(column, at)


@kernel(parallel=True)
def to_parallel_views(views, angles, states, turns, theta, out):
    """Interpolate along the views of every position: ``out`` is (parallel view, row, position).

    At position k view n holds the parallel ray of the angle ``angles[n] + turns[states[n], k]``, which must
    grow with n; TAPS neighbours make one ray of the angle ``theta[j]`` by Lagrange's formula.
    """
    n_views, n_positions, n_rows = views.shape
    step = (angles[n_views - 1] - angles[0]) / (n_views - 1)
    for j in numba.prange(len(theta)):
        places = np.empty(TAPS)
        total = np.empty(n_rows)
        for k in range(n_positions):
            first = int((theta[j] - turns[0, k] - angles[0]) / step) - TAPS // 2 + 1
            first = max(0, min(n_views - TAPS, first))
            for i in range(TAPS):
                places[i] = angles[first + i] + turns[states[first + i], k]
            total[:] = 0.0
            for i in range(TAPS):
                weight = 1.0
                for m in range(TAPS):
                    if m != i:
                        weight *= (theta[j] - places[m]) / (places[i] - places[m])
                source = views[first + i, k]
                for row in range(n_rows):
                    total[row] += weight * source[row]
            for row in range(n_rows):
                out[j, row, k] = total[row]


@helper
def _trust(away, plateau):
    """Weight of a row at the distance ``away`` from the middle, 1 at the edge: flat, then a smooth fall."""
    t = (away - plateau) / (1.0 - plateau)
    t = min(max(t, 0.0), 1.0)
    return 1.0 - t * t * (3.0 - 2.0 * t)


@kernel(parallel=True)
def add_half_turns(
    frames, theta, low, spacing, scan, source_z, rows, plateau, y, x, z, scale, volume, gaps
):  # fmt: skip
    """Add filtered parallel views to a volume ``(y, x, z)``.

    ``frames[j, m]`` is the frame ``(sample, row)`` of the angle ``theta[j] + m pi``; a voxel takes the mean
    over m of what those rows hold that see it, weighted by their distance from the middle of the detector.
    ``scan`` is (source to axis, source to detector, 1 if flat, first angle, angle step, largest theta with a
    frame); ``source_z`` belongs to its angles. ``rows`` is (v of row 0, spacing, middle, half height).
    Voxels that no row sees at some angle are counted in ``gaps``.
    """
    n_theta, n_turns, n_samples, n_rows = frames.shape
    number = volume.dtype.type
    near, far, flat, begin, step, last = scan
    first_row, row_step, middle, half = rows
    dz = z[1] - z[0] if len(z) > 1 else 1.0
    for i in numba.prange(len(y)):
        total = np.empty(len(z))
        weight = np.empty(len(z))
        column = np.zeros(n_rows + 2)
        for k in range(len(x)):
            for j in range(n_theta):
                total[:] = 0.0
                weight[:] = 0.0
                for m in range(n_turns):
                    angle = theta[j] + m * math.pi
                    cos, sin = math.cos(angle), math.sin(angle)
                    s = x[k] * cos + y[i] * sin
                    sine = s / near
                    cosine = math.sqrt(1.0 - sine * sine)
                    place = (angle + math.asin(sine) - begin) / step
                    if angle > last or place < 0.0 or place > len(source_z) - 1.0:
                        continue
                    n = min(int(place), len(source_z) - 2)
                    height = source_z[n] + (place - n) * (source_z[n + 1] - source_z[n])
                    depth = near * cosine - x[k] * sin + y[i] * cos
                    per_mm = far / depth
                    if flat > 0.0:
                        per_mm /= cosine
                    reach_low = height + (middle - half) / per_mm
                    reach_high = height + (middle + half) / per_mm
                    start = max(0, math.ceil((reach_low - z[0]) / dz))
                    stop = min(len(z), math.floor((reach_high - z[0]) / dz) + 1)
                    if start >= stop:
                        continue
                    position = (s - low) / spacing
                    c = min(max(int(position), 1), n_samples - 3)
                    f = position - c
                    g = 1.0 - f
                    w0, w3 = number(g * g * g / 6.0), number(f * f * f / 6.0)
                    w1 = number((4.0 - 3.0 * f * f * (2.0 - f)) / 6.0)
                    w2 = number((4.0 - 3.0 * g * g * (2.0 - g)) / 6.0)
                    block = frames[j, m]
                    a, b, d, e = block[c - 1], block[c], block[c + 1], block[c + 2]
                    for row in range(n_rows):
                        column[row + 1] = w0 * a[row] + w1 * b[row] + w2 * d[row] + w3 * e[row]
                    column[0], column[n_rows + 1] = column[1], column[n_rows]
                    for p in range(start, stop):
                        v = (z[p] - height) * per_mm
                        at = (v - first_row) / row_step + 1.0
                        r = min(int(at), n_rows)
                        value = column[r] + (at - r) * (column[r + 1] - column[r])
                        trust = _trust(abs(v - middle) / half, plateau) + 1e-6
                        total[p] += trust * value
                        weight[p] += trust
                for p in range(len(z)):
                    if weight[p] > 0.0:
                        volume[i, k, p] += number(scale * total[p] / weight[p])
                    else:
                        gaps[i, k, p] += 1
