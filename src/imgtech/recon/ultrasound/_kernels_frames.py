"""Delay-and-sum of complex float32 ensembles, for processors with AVX-512.

All frames share delays and weights. A thread works on a tile of depths for all columns, so that the
samples it reads stay in the second-level cache; at one pixel it goes through the elements with the sums
of up to 64 values in registers. Delays are in float64, as in the portable kernels.
"""

import math

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

LANES = 16
TILE = 16  # depths worked on together
TIE_MM = 1e-9  # as in the other kernels: rounding must not decide at the edge of the aperture

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_ROW = types.Array(types.float32, 1, "C")
_OFFSETS = types.Array(types.int64, 1, "C")


def _place(context, builder, array, index):
    """Address of the vector that starts at an index of a float32 row."""
    data = make_array(_ROW)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer())


def _load(context, builder, array, index):
    return builder.load(_place(context, builder, array, index), align=4)


def _muladd(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _elements(width):
    """An intrinsic that adds all elements at one pixel for ``16 width`` values, sums kept in registers.

    ``sums_re += weight_re * value`` and ``sums_im += weight_im * value``, with the value interpolated
    between two samples. Offsets, fractions and weights of the elements lie ``step`` numbers apart from
    ``at`` on; offsets count numbers in ``data``, one sample has ``size`` of them.
    """

    @intrinsic
    def add(typing, data, size, shift, offset, fraction, w_re, w_im, at, step, n, sums_re, sums_im):
        rows = (data, fraction, w_re, w_im, sums_re, sums_im)
        if any(row != _ROW for row in rows) or offset != _OFFSETS:
            return None

        def generate(context, builder, signature, arguments):
            data, size, shift, offset, fraction, w_re, w_im, at, step, n, sums_re, sums_im = arguments
            offsets = make_array(_OFFSETS)(context, builder, offset).data
            scalars = [make_array(_ROW)(context, builder, row).data for row in (fraction, w_re, w_im)]
            totals = [cgutils.alloca_once(builder, _FLOATS) for _ in range(2 * width)]
            for total in totals:
                builder.store(ir.Constant(_FLOATS, None), total)
            with cgutils.for_range(builder, n) as loop:
                place = builder.add(at, builder.mul(loop.index, step))
                here = builder.add(builder.load(builder.gep(offsets, [place])), shift)
                after = builder.add(here, size)
                f, re, im = (_spread(builder, builder.load(builder.gep(row, [place]))) for row in scalars)
                for k in range(width):
                    step_k = ir.Constant(here.type, LANES * k)
                    a = _load(context, builder, data, builder.add(here, step_k))
                    b = _load(context, builder, data, builder.add(after, step_k))
                    value = _muladd(builder, f, builder.fsub(b, a, flags=("contract",)), a)
                    for weight, total in ((re, totals[k]), (im, totals[width + k])):
                        builder.store(_muladd(builder, weight, value, builder.load(total)), total)
            for k in range(width):
                to = builder.add(shift, ir.Constant(shift.type, LANES * k))
                builder.store(builder.load(totals[k]), _place(context, builder, sums_re, to), align=4)
                builder.store(builder.load(totals[width + k]), _place(context, builder, sums_im, to), align=4)
            return context.get_dummy_value()

        sizes = (types.intp, types.intp)
        rest = (types.intp, types.intp, types.intp)
        return types.void(data, *sizes, offset, fraction, w_re, w_im, *rest, sums_re, sums_im), generate

    return add


def _spread(builder, number):
    """One number in all lanes."""
    vector = builder.insert_element(
        ir.Constant(_FLOATS, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    lanes = ir.Constant(_INTS, [0] * LANES)
    return builder.shuffle_vector(vector, ir.Constant(_FLOATS, ir.Undefined), lanes)


_add_elements_4 = _elements(4)
_add_elements_1 = _elements(1)


@helper
def _floats(n):
    """Room for ``n`` numbers that starts where a vector register likes it, at a multiple of 64 bytes."""
    room = np.empty(n + LANES, np.float32)
    first = (64 - room.ctypes.data % 64) % 64 // 4
    return room[first : first + n]


@helper
def _turn(turns, number):
    """Cosine and sine of ``2 pi turns`` in precision ``number``, without branches.

    The power series of a quarter of the angle, then the angle doubled twice.
    """
    a = number((turns - np.rint(turns)) * (0.5 * math.pi))  # within +-pi/4
    b = a * a
    s = number(-1 / 39916800) + b * number(1 / 6227020800)
    s = number(-1 / 5040) + b * (number(1 / 362880) + b * s)
    s = number(1) + b * (number(-1 / 6) + b * (number(1 / 120) + b * s))
    c = number(1 / 479001600) + b * number(-1 / 87178291200)
    c = number(1 / 40320) + b * (number(-1 / 3628800) + b * c)
    c = number(1) + b * (number(-1 / 2) + b * (number(1 / 24) + b * (number(-1 / 720) + b * c)))
    s *= a
    two = number(2)
    for _ in range(2):
        s, c = two * s * c, number(1) - two * s * s
    return c, s


@helper
def _receive_row(offset_mm, depths_mm, aperture, per_mm, turns_per_sample, delay, weight_re, weight_im):
    """Fill delay and weight of one element for all depths, weight 0 outside the aperture.

    ``aperture`` is (f-number, flat part, a0, a1, a2): the window is ``a0 + a1 cos(pi v) + a2 cos(2 pi v)``
    with ``v`` the place in the half aperture, 0 from its middle to the flat part, 1 at its edge.
    """
    f_number, flat, a0, a1, a2 = aperture
    edge_mm = 2.0 * f_number * offset_mm
    n = depths_mm.size
    number = weight_re.dtype.type
    squared = offset_mm * offset_mm
    for j in range(n):
        z = depths_mm[j]
        delay[j] = math.sqrt(squared + z * z) * per_mm
        weight_re[j] = a0 + a1 + a2
        weight_im[j] = 0.0
    if edge_mm > 0.0 and (a1 != 0.0 or a2 != 0.0):
        for j in range(n):
            v = max(0.0, min(1.0, edge_mm / depths_mm[j]) - flat) / (1.0 - flat)
            c, _ = _turn(0.5 * v, number)
            weight_re[j] = number(a0) + number(a1) * c + number(a2) * (number(2) * c * c - number(1))
    for j in range(n):
        if edge_mm - TIE_MM > depths_mm[j]:
            weight_re[j] = 0.0
    if turns_per_sample != 0.0:
        for j in range(n):
            c, s = _turn(turns_per_sample * delay[j], number)
            weight_im[j] = weight_re[j] * s
            weight_re[j] *= c


@helper
def _place_elements(transmit, delay, weight_re, weight_im, e, n_samples, size, places):
    """Offsets, fractions and weights of one element for a tile, weight 0 outside the record."""
    offset, fraction, w_re, w_im = places
    top = np.float64(n_samples - 1)
    for j in range(TILE):
        late = transmit[j] + delay[j]
        held = min(max(late, 0.0), top)
        i = np.int32(min(held, top - 1.0))
        offset[j] = (e * n_samples + i) * size
        fraction[j] = held - i
        known = np.float32(1) if held == late else np.float32(0)
        w_re[j] = known * weight_re[j]
        w_im[j] = known * weight_im[j]


@kernel(parallel=True)
def sum_frames_complex(
    data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, turns, start_turns, out
):
    """Sum complex ensembles ``data (t, e, n, v)`` into ``out (t or 1, z, x, 2 f)``, which may be empty.

    Samples hold whole vectors: v is 2 f, filled up to a multiple of 16. ``depths_mm`` and ``along`` go on to
    a whole number of tiles beyond the depths of ``out``.
    """
    n_transmits, n_elements, n_samples, size = data.shape
    n_values = out.shape[3]
    flat = data.reshape(data.size)
    for t in range(n_transmits):
        for number in prange(depths_mm.size // TILE):
            tile = number * TILE
            z_mm = depths_mm[tile : tile + TILE]
            delay, shot = np.empty(TILE), np.empty(TILE)
            weight_re, weight_im = _floats(TILE), _floats(TILE)
            offset = np.empty(n_elements * TILE, np.int64)
            fraction, w_re = _floats(n_elements * TILE), _floats(n_elements * TILE)
            w_im, sums_re, sums_im = _floats(n_elements * TILE), _floats(size), _floats(size)
            for x in range(x_mm.size):
                for j in range(TILE):
                    shot[j] = along[t, tile + j] + across[t] * x_mm[x]
                n = 0
                for e in range(n_elements):
                    offset_mm = abs(x_mm[x] - elements_mm[e])
                    if 2.0 * aperture[0] * offset_mm - TIE_MM > z_mm[TILE - 1]:
                        continue
                    _receive_row(offset_mm, z_mm, aperture, per_mm, turns, delay, weight_re, weight_im)
                    row = slice(n * TILE, n * TILE + TILE)
                    places = offset[row], fraction[row], w_re[row], w_im[row]
                    _place_elements(
                        shot, delay, weight_re, weight_im, t * n_elements + e, n_samples, size, places
                    )
                    n += 1
                for j in range(min(TILE, out.shape[1] - tile)):
                    v = 0
                    while v + 4 * LANES <= size:
                        _add_elements_4(
                            flat, size, v, offset, fraction, w_re, w_im, j, TILE, n, sums_re, sums_im
                        )
                        v += 4 * LANES
                    while v < size:
                        _add_elements_1(
                            flat, size, v, offset, fraction, w_re, w_im, j, TILE, n, sums_re, sums_im
                        )
                        v += LANES
                    c, s = _turn(turns * shot[j] + start_turns[t], np.float32)
                    total = out[min(t, out.shape[0] - 1), tile + j, x]
                    if t == 0 or out.shape[0] > 1:
                        total[:] = np.float32(0)
                    for k in range(0, n_values, 2):
                        re = sums_re[k] - sums_im[k + 1]
                        im = sums_re[k + 1] + sums_im[k]
                        total[k] += c * re - s * im
                        total[k + 1] += c * im + s * re
