"""Compiled kernels of cone-beam back-projection: two one-dimensional steps a view, and no gathers.

A frame of a view has the shape ``(height, channel)``. Its heights are even on a plane across the volume axis
that is nearest to the direction of the view, so that all voxels of one plane across that axis find their
heights by one shift and one scale. Back-projecting a view to such a plane is then

1. for LANES slices at a time, mix two rows of the frame for each slice and turn the result, so that the
   slices of one channel lie side by side;
2. for each voxel of the plane's line, add four neighbouring channels with cubic B-spline weights, all
   slices at once.

The volume is kept as ``(block of slices, y, x, slice in block)`` meanwhile. Positions along channels are
whole numbers of ``1 / STEPS`` of a channel.
"""

import math

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

LANES = 16
STEPS = 256
MARGIN = 8  # channels kept free at either end of a frame
_TURN = 8
_FAST = ("contract", "nsz", "arcp", "afn", "reassoc")
_POLE = math.sqrt(3.0) - 2.0
_HORIZON = 14  # the pole to this power is below float32's rounding


def _pieces(context, builder, kind, array, n):
    """Pointer to the data of an array, its vector type of n elements and their alignment."""
    data = make_array(kind)(context, builder, array).data
    return data, ir.VectorType(data.type.pointee, n), kind.dtype.bitwidth // 8


def _load(builder, data, index, vector, align):
    place = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
    return builder.load(place, align=align)


def _store(builder, value, data, index, vector, align):
    builder.store(value, builder.bitcast(builder.gep(data, [index]), vector.as_pointer()), align=align)


@intrinsic
def _turn_block(typing, source, start, stride, target, at):
    """Transpose 8 by 8 values: row i of the source begins at ``start + i * stride``.

    Row i of the result goes to ``target[at + i * LANES:]``.
    """
    if not isinstance(source, types.Array) or source.layout != "C" or target.layout != "C":
        return None

    def generate(context, builder, signature, arguments):
        source, start, stride, target, at = arguments
        data, vector, align = _pieces(context, builder, signature.args[0], source, _TURN)
        rows = []
        for _ in range(_TURN):
            rows.append(_load(builder, data, start, vector, align))
            start = builder.add(start, stride)
        for width in (4, 2, 1):  # swap the off-diagonal blocks of the halves, of the quarters, of the pairs
            low = [i if not i & width else i - width + _TURN for i in range(_TURN)]
            high = [i + width if not i & width else i + _TURN for i in range(_TURN)]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), _TURN), mask) for mask in (low, high)]
            for i in range(_TURN):
                if not i & width:
                    a, b = rows[i], rows[i + width]
                    rows[i], rows[i + width] = (builder.shuffle_vector(a, b, mask) for mask in masks)
        data, vector, align = _pieces(context, builder, signature.args[3], target, _TURN)
        for row in rows:
            _store(builder, row, data, at, vector, align)
            at = builder.add(at, ir.Constant(at.type, LANES))
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp), generate


@intrinsic
def _add_four(typing, source, at, weights, which, target, to):
    """Add four rows of LANES values with weights: ``target[to:] += sum_i weights[which + i] * row i``."""
    if not isinstance(source, types.Array) or source.layout != "C" or target.layout != "C":
        return None

    def generate(context, builder, signature, arguments):
        source, at, weights, which, target, to = arguments
        data, vector, align = _pieces(context, builder, signature.args[0], source, LANES)
        table = make_array(signature.args[2])(context, builder, weights).data
        sums, _, _ = _pieces(context, builder, signature.args[4], target, LANES)
        total = _load(builder, sums, to, vector, align)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        for i in range(4):
            weight = builder.load(builder.gep(table, [builder.add(which, ir.Constant(which.type, i))]))
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), weight, ir.Constant(ir.IntType(32), 0)
            )
            spread = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)
            row = _load(builder, data, builder.add(at, ir.Constant(at.type, i * LANES)), vector, align)
            total = builder.fadd(total, builder.fmul(spread, row, flags=_FAST), flags=_FAST)
        _store(builder, total, sums, to, vector, align)
        return context.get_dummy_value()

    return types.void(source, types.intp, weights, types.intp, target, types.intp), generate


@kernel(parallel=True)
def channel_positions(
    cos, sin, source_axis, source_detector, curved, low, spacing, n_samples, by_rows, y, x, out
):
    """Where the voxels of every plane lie along the channels of every view, in 1/STEPS of a sample.

    ``out[v, p, i]``: plane p at ``y[p]`` and voxel i at ``x[i]`` with ``by_rows``, else the other way.
    Sample 0 lies at ``low``; positions are kept between the second and the third last sample.
    """
    n_planes, n_line = out.shape[1:]
    last = (n_samples - 3.0) * STEPS
    for task in numba.prange(out.shape[0] * n_planes):
        v, p = task // n_planes, task % n_planes
        for i in range(n_line):
            yy, xx = (y[p], x[i]) if by_rows else (y[i], x[p])
            across = xx * cos[v] + yy * sin[v]
            depth = source_axis - xx * sin[v] + yy * cos[v]
            if curved:
                u = source_detector * math.atan2(across, depth)
            else:
                u = source_detector * across / depth
            position = (u - low) / spacing * STEPS
            out[v, p, i] = int(min(max(position, STEPS), last))


@helper
def _mix_rows(frame, position, scale, first, stop, out):
    """Interpolate between two rows of a frame and scale."""
    number = out.dtype.type
    k = numba.uint64(position)
    fraction = position - k
    here, there = number(scale * (1.0 - fraction)), number(scale * fraction)
    a, b = frame[k], frame[k + numba.uint64(1)]
    for i in range(first, stop):
        out[i] = here * a[i] + there * b[i]


@kernel(parallel=True)
def add_views(frames, row_start, row_step, scale, positions, weights, by_rows, volume):
    """Add views to a volume ``(block, y, x, lane)``.

    Slice z of plane p finds its height in view v at row ``row_start[v, p] + z * row_step[v, p]``.
    ``weights`` is the flat table ``(STEPS, 4)`` of :func:`spline_weights`. Planes are those across y with
    ``by_rows``, those across x without.
    """
    n_views, n_heights, n_samples = frames.shape
    n_planes, n_line = positions.shape[1:]
    for task in numba.prange(volume.shape[0] * n_planes):
        block, p = task // n_planes, task % n_planes
        line = np.empty(n_line * LANES, dtype=frames.dtype)
        for i in range(n_line):
            for lane in range(LANES):
                line[i * LANES + lane] = volume[block, p, i, lane] if by_rows else volume[block, i, p, lane]
        mixed = np.empty((_TURN, n_samples + _TURN), dtype=frames.dtype)
        turned = np.empty((n_samples + _TURN) * LANES, dtype=frames.dtype)
        for v in range(n_views):
            where = positions[v, p]
            low, high = where[0], where[0]
            for i in range(n_line):
                low, high = min(low, where[i]), max(high, where[i])
            first, stop = numba.uint64(low // STEPS - 1), numba.uint64(high // STEPS + 3)
            for half in range(LANES // _TURN):
                for lane in range(_TURN):
                    row = row_start[v, p] + row_step[v, p] * (block * LANES + half * _TURN + lane)
                    row = min(max(row, 0.0), n_heights - 1.0001)
                    _mix_rows(frames[v], row, scale[v, p], first, stop, mixed[lane])
                for i in range(first, stop, numba.uint64(_TURN)):
                    _turn_block(mixed, i, mixed.shape[1], turned, i * LANES + half * _TURN)
            for i in range(n_line):
                k = where[i] // STEPS - 1
                _add_four(turned, k * LANES, weights, (where[i] % STEPS) * 4, line, i * LANES)
        for i in range(n_line):
            for lane in range(LANES):
                if by_rows:
                    volume[block, p, i, lane] = line[i * LANES + lane]
                else:
                    volume[block, i, p, lane] = line[i * LANES + lane]


@helper
def _mirrored(k, n):
    """Index of sample k of a row of n that is mirrored at its first and last sample."""
    if n == 1:
        return 0
    k = abs(k) % (2 * n - 2)
    return min(k, 2 * n - 2 - k)


@helper
def _spline_knots(rows, knots):
    """A sixth of the cubic B-spline coefficients along the first axis; row m stands in ``knots[m + 2]``.

    One pass of a recursive filter down and one up (Unser 1999, doi:10.1109/79.799930), mirrored ends.
    """
    n, n_samples = rows.shape
    number = knots.dtype.type
    pole = number(_POLE)
    if n == 1:
        for m in range(n + 4):
            for i in range(n_samples):
                knots[m, i] = rows[0, i] / number(6.0)
        return
    knots[2] = 0
    power = number(1.0)
    for k in range(_HORIZON):
        source = rows[_mirrored(k, n)]
        for i in range(n_samples):
            knots[2, i] += power * source[i]
        power *= pole
    for m in range(1, n):
        here, before, source = knots[m + 2], knots[m + 1], rows[m]
        for i in range(n_samples):
            here[i] = source[i] + pole * before[i]
    last, before = knots[n + 1], knots[n]
    end = pole / (pole * pole - number(1.0))
    for i in range(n_samples):
        last[i] = end * (last[i] + pole * before[i])
    for m in range(n - 2, -1, -1):
        here, after = knots[m + 2], knots[m + 3]
        for i in range(n_samples):
            here[i] = pole * (after[i] - here[i])
    for m in (-2, -1, n, n + 1):
        knots[m + 2] = knots[_mirrored(m, n) + 2]


@kernel(parallel=True)
def to_even_heights(filtered, stretch, weight, origin, start, step, out):
    """Resample the rows of every view onto heights that all its channels share, by cubic B-splines.

    Height j of view v lies at row ``origin[v] + (start[v] + j * step[v]) * stretch[v, i]`` of channel i, as
    near as the rows come to it; the value found there is multiplied by ``weight[v, i]``.
    """
    n_views, n_rows, n_samples = filtered.shape
    number = out.dtype.type
    for v in numba.prange(n_views):
        knots = np.empty((n_rows + 4, n_samples), dtype=out.dtype)
        _spline_knots(filtered[v], knots)
        for j in range(out.shape[1]):
            height = start[v] + j * step[v]
            for i in range(n_samples):
                row = min(max(origin[v] + height * stretch[v, i], -0.5), n_rows - 0.5)
                k = numba.uint64(row + 1.0)
                f = number(row + 1.0 - numba.int64(k))
                g = number(1.0) - f
                a, d = g * g * g, f * f * f
                b = number(4.0) - number(3.0) * f * f * (number(2.0) - f)
                c = number(6.0) - a - b - d
                value = a * knots[k, i] + b * knots[k + numba.uint64(1), i]
                value += c * knots[k + numba.uint64(2), i] + d * knots[k + numba.uint64(3), i]
                out[v, j, i] = value * weight[v, i]
