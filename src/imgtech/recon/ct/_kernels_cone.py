"""Compiled kernels of cone-beam back-projection: two one-dimensional steps a view, and no gathers.

A frame of a view has the shape ``(sample, height)``. Its heights are even on a plane across the volume axis
that is nearest to the direction of the view, so that all voxels of one plane across that axis find their
heights by one shift and one scale. For LANES slices, back-projecting a view to a line of such a plane is

1. for each voxel, mix two neighbouring columns of the frame over the window of heights that the slices need;
2. for each slice, mix two heights of that, with the same weights for all voxels.

Samples are so dense that linear mixing is enough. Positions along them are whole numbers of ``1 / STEPS``.
GROUP planes and LANES voxels of their lines are a tile, which stays in the first-level cache while all views
of a block are added.
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
GROUP = 16
STEPS = 256
MARGIN = 8  # channels kept free at either end of a frame
SPARE = 2 * LANES  # heights that every frame has beyond those that are used
_TURN = 8
_FAST = ("contract", "nsz", "arcp", "afn", "reassoc")
_POLE = math.sqrt(3.0) - 2.0
_GUARD = 2.0**24  # knots are 0 or at least this many times the smallest normal number
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


def _turned(builder, rows):
    """Transpose 8 vectors of 8 values: swap the off-diagonal blocks of halves, of quarters, of pairs."""
    for width in (4, 2, 1):
        low = [i if not i & width else i - width + _TURN for i in range(_TURN)]
        high = [i + width if not i & width else i + _TURN for i in range(_TURN)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), _TURN), mask) for mask in (low, high)]
        for i in range(_TURN):
            if not i & width:
                a, b = rows[i], rows[i + width]
                rows[i], rows[i + width] = (builder.shuffle_vector(a, b, mask) for mask in masks)
    return rows


def _spread(builder, number, vector):
    """A vector that holds one number in all places."""
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, nothing, zeros)


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
        data, vector, align = _pieces(context, builder, signature.args[3], target, _TURN)
        for row in _turned(builder, rows):
            _store(builder, row, data, at, vector, align)
            at = builder.add(at, ir.Constant(at.type, LANES))
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp), generate


@intrinsic
def _mix_and_turn(typing, frames, places, at, stride, height, mix, target, to):
    """Mix neighbouring columns for 8 voxels and 8 heights from ``height`` on, and transpose.

    The first column of voxel i begins at ``frames[places[at + i]]``, the next one ``stride`` later with the
    weight ``mix[at + i]``. Height j goes to ``target[to + j * LANES:]``.
    """
    if frames.layout != "C" or target.layout != "C":
        return None

    def generate(context, builder, signature, arguments):
        frames, places, at, stride, height, mix, target, to = arguments
        data, vector, align = _pieces(context, builder, signature.args[0], frames, _TURN)
        places = make_array(signature.args[1])(context, builder, places).data
        weights = make_array(signature.args[5])(context, builder, mix).data
        rows = []
        for i in range(_TURN):
            index = builder.add(at, ir.Constant(at.type, i))
            start = builder.add(builder.load(builder.gep(places, [index])), height)
            a = _load(builder, data, start, vector, align)
            b = _load(builder, data, builder.add(start, stride), vector, align)
            weight = _spread(builder, builder.load(builder.gep(weights, [index])), vector)
            step = builder.fmul(weight, builder.fsub(b, a, flags=_FAST), flags=_FAST)
            rows.append(builder.fadd(a, step, flags=_FAST))
        data, vector, align = _pieces(context, builder, signature.args[6], target, _TURN)
        for row in _turned(builder, rows):
            _store(builder, row, data, to, vector, align)
            to = builder.add(to, ir.Constant(to.type, LANES))
        return context.get_dummy_value()

    integers = (types.intp,) * 2
    return types.void(frames, places, types.intp, *integers, mix, target, types.intp), generate


@intrinsic
def _add_slices(typing, turned, picks, here, there, at, tile, to):
    """Add LANES slices of a line, ``tile[to:]`` (slice, voxel), from the heights ``picks[at:]``."""
    if turned.layout != "C" or tile.layout != "C":
        return None

    def generate(context, builder, signature, arguments):
        turned, picks, here, there, at, tile, to = arguments
        data, vector, align = _pieces(context, builder, signature.args[0], turned, LANES)
        sums, _, _ = _pieces(context, builder, signature.args[5], tile, LANES)
        picks, here, there = (
            make_array(signature.args[i])(context, builder, a).data
            for i, a in ((1, picks), (2, here), (3, there))
        )
        one = ir.Constant(at.type, 1)
        row = ir.Constant(at.type, LANES)
        for _ in range(LANES):
            start = builder.mul(builder.load(builder.gep(picks, [at])), row)
            total = _load(builder, sums, to, vector, align)
            for weights in (here, there):
                weight = _spread(builder, builder.load(builder.gep(weights, [at])), vector)
                value = builder.fmul(weight, _load(builder, data, start, vector, align), flags=_FAST)
                total = builder.fadd(total, value, flags=_FAST)
                start = builder.add(start, row)
            _store(builder, total, sums, to, vector, align)
            at, to = builder.add(at, one), builder.add(to, row)
        return context.get_dummy_value()

    return types.void(turned, picks, here, there, types.intp, tile, types.intp), generate


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
def _slices(row_start, row_step, scale, z0, n_heights, picks, here, there):
    """Height of the first of LANES slices, and where in a window from there each finds its two heights."""
    first = 0
    for lane in range(LANES):
        row = min(max(row_start + row_step * (z0 + lane), 0.0), n_heights - 1.0001)
        k = int(row)
        first = k if lane == 0 else first
        picks[lane] = k - first
        here[lane], there[lane] = scale * (1.0 - (row - k)), scale * (row - k)
    return first


@kernel(parallel=True)
def add_views(frames, row_start, row_step, scale, positions, fractions, by_rows, volume):
    """Add views to a volume ``(z, y, x)``.

    ``frames`` is (view, sample, height), with SPARE heights more than are used. Slice z of plane p finds
    its height in view v at row ``row_start[v, p] + z * row_step[v, p]``. ``fractions`` says what each of
    the STEPS between two samples stands for. Planes are those across y with ``by_rows``, those across x
    without.
    """
    n_views, n_samples, n_heights = frames.shape
    n_z, (n_planes, n_line) = volume.shape[0], positions.shape[1:]
    n_groups = -(-n_planes // GROUP)
    flat = frames.reshape(-1)
    for task in numba.prange(-(-n_z // LANES) * n_groups):
        z0, p0 = task // n_groups * LANES, task % n_groups * GROUP
        n_used, n_lanes = min(GROUP, n_planes - p0), min(LANES, n_z - z0)
        picks = np.empty((n_views, GROUP, LANES), np.int64)
        here, there = np.empty(picks.shape, frames.dtype), np.empty(picks.shape, frames.dtype)
        first = np.empty((n_views, GROUP), np.int64)
        for v in range(n_views):
            for g in range(n_used):
                first[v, g] = _slices(
                    row_start[v, p0 + g], row_step[v, p0 + g], scale[v, p0 + g], z0, n_heights - SPARE,
                    picks[v, g], here[v, g], there[v, g],
                )  # fmt: skip
        places, mix = np.empty(LANES, np.int64), np.empty(LANES, frames.dtype)
        turned = np.empty(n_heights * LANES, frames.dtype)
        tile = np.empty((GROUP, LANES, LANES), frames.dtype)
        for i0 in range(0, n_line, LANES):
            n_here = min(LANES, n_line - i0)
            tile[:] = 0
            for v in range(n_views):
                for g in range(n_used):
                    where = positions[v, p0 + g]
                    base = v * n_samples * n_heights + first[v, g]
                    for i in range(LANES):
                        place = where[i0 + min(i, n_here - 1)]
                        places[i] = base + place // STEPS * n_heights
                        mix[i] = fractions[place % STEPS]
                    for h in range(0, picks[v, g, LANES - 1] + 2, _TURN):
                        for half in range(0, LANES, _TURN):
                            _mix_and_turn(flat, places, half, n_heights, h, mix, turned, h * LANES + half)
                    at = (v * GROUP + g) * LANES
                    _add_slices(turned, picks, here, there, at, tile, g * LANES * LANES)
            for lane in range(n_lanes):
                for g in range(n_used):
                    for i in range(n_here):
                        if by_rows:
                            volume[z0 + lane, p0 + g, i0 + i] += tile[g, lane, i]
                        else:
                            volume[z0 + lane, i0 + i, p0 + g] += tile[g, lane, i]


@helper
def _mirrored(k, n):
    """Index of sample k of a row of n that is mirrored at its first and last sample."""
    if n == 1:
        return 0
    k = abs(k) % (2 * n - 2)
    return min(k, 2 * n - 2 - k)


@helper
def _settled(value, least):
    """The value, or 0 if it is smaller than ``least``: recursions must not end in slow subnormal numbers."""
    return value if abs(value) >= least else value * 0


@helper
def _spline_knots(rows, knots):
    """A sixth of the cubic B-spline coefficients along the first axis; row m stands in ``knots[m + 2]``.

    One pass of a recursive filter down and one up (Unser 1999, doi:10.1109/79.799930), mirrored ends. What
    it leaves behind in rows of zeros is cut off far above the subnormal numbers, which processors handle a
    hundred times slower than others, here and wherever the knots go.
    """
    n, n_samples = rows.shape
    number = knots.dtype.type
    pole, least = number(_POLE), number(np.finfo(knots.dtype).tiny * _GUARD)
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
            here[i] = _settled(source[i] + pole * before[i], least)
    last, before = knots[n + 1], knots[n]
    end = pole / (pole * pole - number(1.0))
    for i in range(n_samples):
        last[i] = end * (last[i] + pole * before[i])
    for m in range(n - 2, -1, -1):
        here, after = knots[m + 2], knots[m + 3]
        for i in range(n_samples):
            here[i] = _settled(pole * (after[i] - here[i]), least)
    for m in (-2, -1, n, n + 1):
        knots[m + 2] = knots[_mirrored(m, n) + 2]


@helper
def _heights(knots, stretch, weight, origin, height, out):
    """Rows at one height, by cubic B-splines, times a weight."""
    number = out.dtype.type
    n_rows = knots.shape[0] - 4
    for i in range(knots.shape[1]):
        row = min(max(origin + height * stretch[i], -0.5), n_rows - 0.5)
        k = numba.uint64(row + 1.0)
        f = number(row + 1.0 - numba.int64(k))
        g = number(1.0) - f
        a, d = g * g * g, f * f * f
        b = number(4.0) - number(3.0) * f * f * (number(2.0) - f)
        c = number(6.0) - a - b - d
        value = a * knots[k, i] + b * knots[k + numba.uint64(1), i]
        value += c * knots[k + numba.uint64(2), i] + d * knots[k + numba.uint64(3), i]
        out[i] = value * weight[i]


@helper
def _twice_as_dense(turned, out, at):
    """Values at and between the knots of B-splines: LANES heights from ``at`` on, (sample, height)."""
    number = out.dtype.type
    n = out.shape[0] // 2
    sixth, part = number(1 / 6), number(1 / 48)
    for i in range(n):
        m = numba.uint64(min(max(i, 1), n - 3) * LANES)
        one = numba.uint64(LANES)
        a, b, c, d = turned[m - one :], turned[m:], turned[m + one :], turned[m + one + one :]
        on, between = out[2 * i, at : at + LANES], out[2 * i + 1, at : at + LANES]
        for h in range(LANES):
            on[h] = sixth * (a[h] + c[h] + number(4) * b[h])
            between[h] = part * (a[h] + d[h] + number(23) * (b[h] + c[h]))


@kernel(parallel=True)
def to_frames(filtered, stretch, weight, origin, start, step, n_heights, out):
    """Resample the rows of every view onto heights that all its channels share, by cubic B-splines.

    Height j of view v lies at row ``origin[v] + (start[v] + j * step[v]) * stretch[v, i]`` of channel i, as
    near as the rows come to it; the value found there is multiplied by ``weight[v, i]``. Samples are
    coefficients of B-splines along channels; ``out`` (view, sample, height) holds values, twice as dense,
    and zeros beyond ``n_heights``.
    """
    n_views, n_rows, n_samples = filtered.shape
    kind = out.dtype
    for v in numba.prange(n_views):
        knots = np.empty((n_rows + 4, n_samples), kind)
        _spline_knots(filtered[v], knots)
        rows = np.zeros((LANES, n_samples + _TURN), kind)
        turned = np.empty((n_samples + _TURN) * LANES, kind)
        for j0 in range(0, n_heights, LANES):
            for j in range(LANES):
                height = start[v] + min(j0 + j, n_heights - 1) * step[v]
                _heights(knots, stretch[v], weight[v], origin[v], height, rows[j])
            for i in range(0, n_samples, _TURN):
                for half in range(0, LANES, _TURN):
                    _turn_block(rows, half * rows.shape[1] + i, rows.shape[1], turned, i * LANES + half)
            _twice_as_dense(turned, out[v], j0)
        for i in range(out.shape[1]):
            out[v, i, -(-n_heights // LANES) * LANES :] = 0
