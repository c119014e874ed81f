"""Cone-beam back-projection in float32 for processors with AVX-512.

The same tiles, views and weights as in the portable kernel. Sixteen slices read heights of a frame that
lie close together: when they fit into 32 heights, two vector registers are mixed from two columns, and two
permutations fetch what each slice needs. Slices that lie farther apart take several such windows.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel
from imgtech._core.processor import has_avx512

HAS_AVX512 = has_avx512()
LANES = 16
GROUP = 16
STEPS = 256
SPARE = 2 * LANES
_SPAN = 31  # of the first of a pair of heights in a window
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_LONG = ir.IntType(64)
_FLAGS = ("contract",)


def _load(builder, data, index, vector=_FLOATS):
    return builder.load(builder.bitcast(builder.gep(data, [index]), vector.as_pointer()), align=4)


def _muladd(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=_FLAGS), c, flags=_FLAGS)


def _spread(builder, number):
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


@intrinsic
def _add_window(typing, frames, base, stride, where, begin, n, fractions, picks, here, there, at, tile, to):
    """Add n voxels of a line in sixteen slices whose heights lie in one window.

    Column k of the window begins at ``frames[base + k * stride]``; ``where[begin:]`` says where the voxels
    lie, ``picks[at:]`` the heights, and ``here[at:]`` and ``there[at:]`` the weights of the slices. Voxel i
    goes to ``tile[to + i * LANES:]``.
    """

    def generate(context, builder, signature, arguments):
        _, base, stride, _, begin, n, _, _, _, _, at, _, to = arguments

        def data(i):
            return make_array(signature.args[i])(context, builder, arguments[i]).data

        def number(value):
            return ir.Constant(_LONG, value)

        frame, where, fractions, tile = data(0), data(3), data(6), data(11)
        pick = _load(builder, data(7), at, _INTS)
        here, there = _load(builder, data(8), at), _load(builder, data(9), at)
        after = builder.add(pick, ir.Constant(_INTS, [1] * LANES))
        permute = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_FLOATS, [_FLOATS, _INTS, _FLOATS]),
            "llvm.x86.avx512.vpermi2var.ps.512",
        )
        with cgutils.for_range(builder, n) as loop:
            place = builder.zext(builder.load(builder.gep(where, [builder.add(begin, loop.index)])), _LONG)
            column = builder.add(base, builder.mul(builder.udiv(place, number(STEPS)), stride))
            fraction = builder.load(builder.gep(fractions, [builder.urem(place, number(STEPS))]))
            fraction = _spread(builder, fraction)
            halves = []
            for half in range(2):
                start = builder.add(column, number(half * LANES))
                a, b = (_load(builder, frame, i) for i in (start, builder.add(start, stride)))
                halves.append(_muladd(builder, fraction, builder.fsub(b, a, flags=_FLAGS), a))
            low, high = (builder.call(permute, [halves[0], i, halves[1]]) for i in (pick, after))
            target = builder.gep(tile, [builder.add(to, builder.mul(loop.index, number(LANES)))])
            target = builder.bitcast(target, _FLOATS.as_pointer())
            total = _muladd(builder, here, low, builder.load(target, align=4))
            builder.store(_muladd(builder, there, high, total), target, align=4)
        return context.get_dummy_value()

    if any(a.dtype != types.float32 for a in (frames, fractions, here, there, tile)):
        return None
    integers = (types.intp,) * 2
    return types.void(
        frames, *integers, where, *integers, fractions, picks, here, there, types.intp, tile, types.intp
    ), generate


@helper
def _windows(row_start, row_step, scale, z0, n_heights, first, picks, here, there):
    """Divide LANES slices into windows; the slices of other windows weigh 0. Returns their number."""
    n_windows, done = 0, 0
    while done < LANES:
        stop = done
        for lane in range(LANES):
            row = min(max(row_start + row_step * (z0 + lane), 0.0), n_heights - 1.0001)
            k = int(row)
            if lane == done:
                first[n_windows] = k
            inside = lane >= done and k - first[n_windows] < _SPAN
            picks[n_windows, lane] = k - first[n_windows] if inside else 0
            here[n_windows, lane] = scale * (1.0 - (row - k)) if inside else 0.0
            there[n_windows, lane] = scale * (row - k) if inside else 0.0
            stop = lane + 1 if inside else stop
        n_windows += 1
        done = stop
    return n_windows


@kernel(parallel=True)
def add_views(frames, row_start, row_step, scale, positions, fractions, by_rows, volume):
    """Add views to a volume ``(z, y, x)``: see the portable kernel of this name."""
    n_views, n_samples, n_heights = frames.shape
    n_z, (n_planes, n_line) = volume.shape[0], positions.shape[1:]
    n_groups = -(-n_planes // GROUP)
    flat, where = frames.reshape(-1), positions.reshape(-1)
    for task in numba.prange(-(-n_z // LANES) * n_groups):
        z0, p0 = task // n_groups * LANES, task % n_groups * GROUP
        n_used, n_lanes = min(GROUP, n_planes - p0), min(LANES, n_z - z0)
        picks = np.empty((n_views, GROUP, LANES, LANES), np.int32)
        here, there = np.empty(picks.shape, np.float32), np.empty(picks.shape, np.float32)
        first = np.empty((n_views, GROUP, LANES), np.int64)
        n_windows = np.empty((n_views, GROUP), np.int64)
        for v in range(n_views):
            for g in range(n_used):
                p = p0 + g
                n_windows[v, g] = _windows(
                    row_start[v, p], row_step[v, p], scale[v, p], z0, n_heights - SPARE,
                    first[v, g], picks[v, g], here[v, g], there[v, g],
                )  # fmt: skip
        picks_flat, here_flat, there_flat = picks.reshape(-1), here.reshape(-1), there.reshape(-1)
        tile = np.empty((GROUP, LANES, LANES), np.float32)
        tile_flat = tile.reshape(-1)
        for i0 in range(0, n_line, LANES):
            n_here = min(LANES, n_line - i0)
            tile[:] = 0
            for v in range(n_views):
                for g in range(n_used):
                    begin = (v * n_planes + p0 + g) * n_line + i0
                    for w in range(n_windows[v, g]):
                        at = ((v * GROUP + g) * LANES + w) * LANES
                        base = v * n_samples * n_heights + first[v, g, w]
                        _add_window(
                            flat, base, n_heights, where, begin, n_here, fractions,
                            picks_flat, here_flat, there_flat, at, tile_flat, g * LANES * LANES,
                        )  # fmt: skip
            for lane in range(n_lanes):
                for g in range(n_used):
                    for i in range(n_here):
                        if by_rows:
                            volume[z0 + lane, p0 + g, i0 + i] += tile[g, i, lane]
                        else:
                            volume[z0 + lane, i0 + i, p0 + g] += tile[g, i, lane]
