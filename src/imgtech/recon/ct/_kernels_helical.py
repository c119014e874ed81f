"""Compiled kernels of helical CT: rebinning to parallel rays, and weighted back-projection."""

import math

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

TAPS = 6  # views that one parallel ray is interpolated from
EDGE = 3  # coefficients of a spline before its first sample and behind its last
_POLES = (
    math.sqrt(67.5 - math.sqrt(4436.25)) + math.sqrt(26.25) - 6.5,
    math.sqrt(67.5 + math.sqrt(4436.25)) - math.sqrt(26.25) - 6.5,
)
_HORIZON = 22  # the larger pole to this power is below float32's rounding


@helper(exact=True)
def _mirrored(k, n):
    """Index of sample k among n samples that go on in a mirror at either end."""
    m = abs(k) % (2 * n - 2)
    return min(m, 2 * n - 2 - m)


@helper(exact=True)
def _to_knots(knots, n):
    """From samples to 1/120 of their coefficients in B-splines of degree 5, mirrored at the ends.

    Sample k of n stands in row ``k + EDGE`` of ``knots`` and is replaced by its coefficient; the rows before
    and behind them are filled. After Unser, Aldroubi and Eden 1993, B-spline signal processing: part I,
    theory, IEEE Transactions on Signal Processing 41, 821-833, https://doi.org/10.1109/78.193220
    """
    width = knots.shape[1]
    first = np.empty(width)
    for pole in _POLES:
        first[:] = 0.0
        power = 1.0
        for k in range(_HORIZON):
            source = knots[_mirrored(k, n) + EDGE]
            for i in range(width):
                first[i] += power * source[i]
            power *= pole
        knots[EDGE] = first
        for k in range(EDGE + 1, EDGE + n):
            here, before = knots[k], knots[k - 1]
            for i in range(width):
                here[i] += pole * before[i]
        end = pole / (pole * pole - 1.0)
        last, before = knots[EDGE + n - 1], knots[EDGE + n - 2]
        for i in range(width):
            last[i] = end * (last[i] + pole * before[i])
        for k in range(EDGE + n - 2, EDGE - 1, -1):
            here, after = knots[k], knots[k + 1]
            for i in range(width):
                here[i] = pole * (after[i] - here[i])
    for k in range(1, EDGE + 1):
        knots[EDGE - k] = knots[EDGE + _mirrored(k, n)]
        knots[EDGE + n - 1 + k] = knots[EDGE + _mirrored(n - 1 + k, n)]


@helper(exact=True)
def _read(knots, position, out):
    """Values of the splines of :func:`_to_knots` at a position between -1 and their number of samples."""
    k = int(position + 1.0)
    f = position + 1.0 - k
    g = 1.0 - f
    f5, g5 = f**5, g**5
    near_f, near_g = (1.0 + f) ** 5, (1.0 + g) ** 5
    w1, w4 = near_g - 6.0 * g5, near_f - 6.0 * f5
    w2 = (2.0 + g) ** 5 - 6.0 * near_g + 15.0 * g5
    w3 = (2.0 + f) ** 5 - 6.0 * near_f + 15.0 * f5
    a, b, c, d, e, h = knots[k], knots[k + 1], knots[k + 2], knots[k + 3], knots[k + 4], knots[k + 5]
    for i in range(len(out)):
        out[i] = g5 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i] + w4 * e[i] + f5 * h[i]


@kernel(parallel=True, exact=True)
def to_positions(projections, cosines, states, channels, row_shift, out):
    """Interpolate the rows of every view at even distances from the axis: ``out`` is (view, position, row).

    View n is of the kind ``states[n]``: ray k of it lies at channel ``channels[state, k]``, and its rows are
    taken ``row_shift[state]`` rows further up.
    """
    n_views, n_rows, n_channels = projections.shape
    n_positions = out.shape[1]
    for n in numba.prange(n_views):
        along = np.empty((n_channels + 2 * EDGE, n_rows))
        state = states[n]
        for row in range(n_rows):
            for j in range(n_channels):
                along[j + EDGE, row] = projections[n, row, j] * cosines[row, j]
        _to_knots(along, n_channels)
        for k in range(n_positions):
            _read(along, channels[state, k], out[n, k])
        if row_shift[state] != 0.0 and n_rows > 1:
            across = np.empty((n_rows + 2 * EDGE, n_positions))
            line = np.empty(n_positions)
            for k in range(n_positions):
                for row in range(n_rows):
                    across[row + EDGE, k] = out[n, k, row]
            _to_knots(across, n_rows)
            for row in range(n_rows):
                _read(across, min(max(row + row_shift[state], -0.5), n_rows - 0.5), line)
                for k in range(n_positions):
                    out[n, k, row] = line[k]


@kernel(parallel=True, exact=True)
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


@helper(exact=True)
def _trust(away, plateau):
    """Weight of a row at the distance ``away`` from the middle, 1 at the edge: flat, then a smooth fall."""
    t = (away - plateau) / (1.0 - plateau)
    t = min(max(t, 0.0), 1.0)
    return 1.0 - t * t * (3.0 - 2.0 * t)


@helper(exact=True)
def _add_column(
    frames, theta, low, spacing, scan, source_z, rows, plateau, y, x, z, scale,
    column, total, weight, volume, gaps,
):  # fmt: skip
    """Add to the voxels of one ``(y, x)``."""
    n_theta, n_turns, n_samples, n_rows = frames.shape
    number = volume.dtype.type
    near, far, flat, begin, step, last = scan
    first_row, row_step, middle, half = rows
    dz = z[1] - z[0] if len(z) > 1 else 1.0
    for j in range(n_theta):
        total[:] = 0.0
        weight[:] = 0.0
        for m in range(n_turns):
            angle = theta[j] + m * math.pi
            cos, sin = math.cos(angle), math.sin(angle)
            s = x * cos + y * sin
            sine = s / near
            cosine = math.sqrt(1.0 - sine * sine)
            place = (angle + math.asin(sine) - begin) / step
            if angle > last or place < 0.0 or place > len(source_z) - 1.0:
                continue
            n = min(int(place), len(source_z) - 2)
            height = source_z[n] + (place - n) * (source_z[n + 1] - source_z[n])
            depth = near * cosine - x * sin + y * cos
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
                volume[p] += number(scale * total[p] / weight[p])
            else:
                gaps[p] += 1


@kernel(parallel=True, exact=True)
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
    for i in numba.prange(len(y)):
        column = np.zeros(frames.shape[3] + 2)
        total, weight = np.empty(len(z)), np.empty(len(z))
        for k in range(len(x)):
            _add_column(
                frames, theta, low, spacing, scan, source_z, rows, plateau, y[i], x[k], z, scale,
                column, total, weight, volume[i, k], gaps[i, k],
            )  # fmt: skip
