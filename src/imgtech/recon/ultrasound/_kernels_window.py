"""Delay-and-sum of single frames in float32, for processors with AVX-512.

Sixteen consecutive depths read samples that lie close together. When they fit into 32 samples, two
vector loads and one two-source permutation fetch what would else take sixteen loads. Delays are kept
as a whole sample for the first depth of a block plus a remainder below 32 in float32, for the way
there and the way back apart, so that float32 loses about 1e-6 of a sample and no more. The receive row
of a column and an element is shared by all transmits. Blocks at the ends of the record are summed depth
by depth with delays in float64.
"""

import math

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel
from imgtech._core.processor import has_avx512

LANES = 16
TIE_MM = 1e-9  # as in the portable kernels: rounding must not decide at the edge of the aperture
SPAN = 31  # remainders must stay below: sample and the one after lie among 32


HAS_AVX512 = has_avx512()

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_ROW = types.Array(types.float32, 1, "C")
_BASES = types.Array(types.int64, 1, "C")


def _place(context, builder, array, index):
    """Address of the vector that starts at an index of a float32 row."""
    data = make_array(_ROW)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer())


def _load(context, builder, array, index):
    return builder.load(_place(context, builder, array, index), align=4)


def _split(builder, receive, transmit):
    """Sample in the window and fraction of sixteen delays."""
    delay = builder.fadd(receive, transmit, flags=("contract",))
    sample = builder.fptosi(delay, _INTS)
    return sample, builder.fsub(delay, builder.sitofp(sample, _FLOATS))


def _read(context, builder, trace, base, sample, fraction):
    """Interpolate a trace at sixteen places of the window that starts at sample ``base``."""
    low = _load(context, builder, trace, base)
    high = _load(context, builder, trace, builder.add(base, ir.Constant(base.type, LANES)))
    permute = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_FLOATS, [_FLOATS, _INTS, _FLOATS]),
        "llvm.x86.avx512.vpermi2var.ps.512",
    )
    after = builder.add(sample, ir.Constant(_INTS, [1] * LANES))
    here, there = (builder.call(permute, [low, i, high]) for i in (sample, after))
    slope = builder.fsub(there, here, flags=("contract",))
    return _muladd(builder, fraction, slope, here)


def _muladd(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _accumulate(context, builder, array, at, products):
    """Add products ``a b``, or take them away where their sign is -1, to sixteen values of a row."""
    place = _place(context, builder, array, at)
    total = builder.load(place, align=4)
    for a, b, sign in products:
        total = _muladd(builder, a if sign > 0 else builder.fneg(a), b, total)
    builder.store(total, place, align=4)


def _each_block(context, builder, bases, first, last, body):
    """Call ``body(start of the window, first depth)`` for blocks ``first`` to ``last``."""
    there, here = (make_array(_BASES)(context, builder, base).data for base in bases)
    with cgutils.for_range(builder, builder.sub(last, first)) as loop:
        k = builder.add(first, loop.index)
        begin = builder.add(*(builder.load(builder.gep(data, [k])) for data in (there, here)))
        body(begin, builder.mul(k, ir.Constant(k.type, LANES)))


@intrinsic
def _add_real(typing, trace, base, early, receive, transmit, weight, sums, first, last):
    """Add one trace to blocks ``first`` to ``last`` of 16 depths: ``sums += weight * trace(delay)``.

    A delay is that of the block, ``base + early``, and the remainders ``receive + transmit``.
    """
    rows = (trace, receive, transmit, weight, sums)
    if any(row != _ROW for row in rows) or base != _BASES or early != _BASES:
        return None

    def generate(context, builder, signature, arguments):
        trace, base, early, receive, transmit, weight, sums, first, last = arguments

        def block(begin, at):
            rest, late, w = (_load(context, builder, row, at) for row in (receive, transmit, weight))
            sample, fraction = _split(builder, rest, late)
            value = _read(context, builder, trace, begin, sample, fraction)
            _accumulate(context, builder, sums, at, ((w, value, 1),))

        _each_block(context, builder, (base, early), first, last, block)
        return context.get_dummy_value()

    ends = (types.intp, types.intp)
    return types.void(trace, base, early, receive, transmit, weight, sums, *ends), generate


@intrinsic
def _add_complex(
    typing, real, imag, base, early, receive, transmit, weight_re, weight_im, sums_re, sums_im, first, last
):
    """The same for the two parts of a complex trace and complex weights."""
    rows = (receive, transmit, weight_re, weight_im, sums_re, sums_im)
    if any(row != _ROW for row in (real, imag, *rows)) or base != _BASES or early != _BASES:
        return None

    def generate(context, builder, signature, arguments):
        real, imag, base, early, receive, transmit, *weights, sums_re, sums_im, first, last = arguments

        def block(begin, at):
            rest, late, w_re, w_im = (
                _load(context, builder, row, at) for row in (receive, transmit, *weights)
            )
            sample, fraction = _split(builder, rest, late)
            re, im = (_read(context, builder, trace, begin, sample, fraction) for trace in (real, imag))
            _accumulate(context, builder, sums_re, at, ((w_re, re, 1), (w_im, im, -1)))
            _accumulate(context, builder, sums_im, at, ((w_re, im, 1), (w_im, re, 1)))

        _each_block(context, builder, (base, early), first, last, block)
        return context.get_dummy_value()

    ends = (types.intp, types.intp)
    return types.void(real, imag, base, early, *rows, *ends), generate


@helper
def _turn(turns):
    """Cosine and sine of ``2 pi turns`` in float32: the series of a quarter of the angle, doubled twice."""
    number = np.float32
    a = (turns - np.rint(turns)) * number(0.5 * math.pi)
    b = a * a
    s = number(-1 / 39916800) + b * number(1 / 6227020800)
    s = number(-1 / 5040) + b * (number(1 / 362880) + b * s)
    s = a * (number(1) + b * (number(-1 / 6) + b * (number(1 / 120) + b * s)))
    s, c = number(2) * s * _cosine(b), number(1) - number(2) * s * s
    return number(1) - number(2) * s * s, number(2) * s * c


@helper
def _cosine(b):
    """Cosine of an angle up to pi/4, given its square."""
    number = np.float32
    c = number(1 / 479001600) + b * number(-1 / 87178291200)
    c = number(1 / 40320) + b * (number(-1 / 3628800) + b * c)
    return number(1) + b * (number(-1 / 2) + b * (number(1 / 24) + b * (number(-1 / 720) + b * c)))


@helper
def _receive_row(offset_mm, first, depths, aperture, per_mm, turns, row):
    """Delays and weights of one element from depth ``first`` on; the weight before it in its block is 0.

    ``row`` is ``(whole samples, remainders, real weights, imaginary weights)``. A delay within a block is
    that of its start plus ``(z^2 - z_0^2) / (r + r_0)``, small and so exact; see :func:`_depth_rows`.
    The weights first hold ``r_0`` and the phase of the start of each block.
    """
    depths_mm, single_mm, rise = depths
    base, rest, weight_re, weight_im = row
    f_number, flat, a0, a1, a2 = aperture
    number = np.float32
    squared = number(offset_mm * offset_mm)
    edge = number(2.0 * f_number * offset_mm)
    scale, turn, tiny = number(per_mm), number(turns), number(1e-12)
    flat, stretch = number(flat), number(1.0 / (1.0 - flat))
    a0, a1, a2 = number(a0), number(a1), number(a2)
    start = first - first % LANES
    for j0 in range(start, depths_mm.size, LANES):
        r0 = math.sqrt(offset_mm * offset_mm + depths_mm[j0] * depths_mm[j0])
        whole = math.floor(r0 * per_mm)
        base[j0 // LANES] = int(whole)
        rest[j0 : j0 + LANES] = number(r0 * per_mm - whole)
        weight_re[j0 : j0 + LANES] = number(max(r0, 1e-12))
        weight_im[j0 : j0 + LANES] = number(turns * whole - np.rint(turns * whole))
    n = depths_mm.size - start
    z, gain, delay, re, im = (
        single_mm[start:],
        rise[start:],
        rest[start:],
        weight_re[start:],
        weight_im[start:],
    )
    for j in range(n):
        delay[j] += scale * gain[j] / (math.sqrt(squared + z[j] * z[j]) + re[j])
    for j in range(n):
        re[j] = a0 + a1 + a2
    if edge > 0.0 and (a1 != 0.0 or a2 != 0.0):
        for j in range(n):
            v = max(number(0), min(number(1), edge / max(z[j], tiny)) - flat) * stretch
            c, _ = _turn(number(0.5) * v)
            re[j] = a0 + a1 * c + a2 * (number(2) * c * c - number(1))
    if turns != 0.0:
        for j in range(n):
            c, s = _turn(im[j] + turn * delay[j])
            im[j] = re[j] * s
            re[j] *= c
    else:
        im[:] = number(0)
    weight_re[start:first] = number(0)
    weight_im[start:first] = number(0)


@helper
def _transmit_row(along, across_samples, row, base, rest):
    """Transmit delays of one column: in float64, and as whole samples a block with a remainder."""
    for j0 in range(0, row.size, LANES):
        whole = math.floor(along[j0] + across_samples)
        base[j0 // LANES] = int(whole)
        for j in range(j0, j0 + LANES):
            row[j] = along[j] + across_samples
            rest[j] = row[j] - whole


@helper
def _interpolate(trace, delay):
    """Value of a trace at a delay in samples, 0 outside the record."""
    last = trace.size - 1
    if not 0.0 <= delay <= last:
        return np.float32(0)
    i = min(int(delay), last - 1)
    return trace[i] + np.float32(delay - i) * (trace[i + 1] - trace[i])


@helper
def _first_depth(offset_mm, depths_mm, f_number):
    """Index of the first depth whose aperture reaches an element; depths are evenly spaced."""
    edge = 2.0 * f_number * offset_mm - TIE_MM
    n = depths_mm.size
    step = (depths_mm[n - 1] - depths_mm[0]) / (n - 1)
    i = int(min(max((edge - depths_mm[0]) / step, 0.0), float(n)))
    while i > 0 and depths_mm[i - 1] >= edge:
        i -= 1
    while i < n and depths_mm[i] < edge:
        i += 1
    return i


@helper
def _row_offset(row, unit_mm, x_mm, elements_mm):
    """Distance of the columns and elements that share a row, ``row = a x + b (n - 1 - e)``."""
    return abs(x_mm[0] - elements_mm[-1] + row * unit_mm)


@helper
def _depth_rows(depths_mm):
    """Depths in float64, in float32, and ``z^2 - z_0^2`` with ``z_0`` the first depth of each block."""
    rise = np.empty(depths_mm.size, np.float32)
    for j in range(depths_mm.size):
        z0 = depths_mm[j - j % LANES]
        rise[j] = (depths_mm[j] - z0) * (depths_mm[j] + z0)
    return depths_mm, depths_mm.astype(np.float32), rise


@helper
def _floats(n):
    """Room for ``n`` numbers that starts where a vector register likes it, at a multiple of 64 bytes."""
    room = np.empty(n + LANES, np.float32)
    first = (64 - room.ctypes.data % 64) % 64 // 4
    return room[first : first + n]


@helper
def _new_rows(n_rows, n):
    """Room for receive rows, as :func:`_receive_row` fills them."""
    bases, rests = np.empty((n_rows, n // LANES), np.int64), _floats(n_rows * n).reshape((n_rows, n))
    weights = _floats(2 * n_rows * n).reshape((2, n_rows, n))
    return bases, rests, weights[0], weights[1]


@helper
def _row(rows, k):
    return rows[0][k], rows[1][k], rows[2][k], rows[3][k]


@helper
def _transmit_rows(along, across, x_mm):
    """Transmit delays of one column and all transmits."""
    n_transmits, n = along.shape
    shot, bases = np.empty((n_transmits, n)), np.empty((n_transmits, n // LANES), np.int64)
    rests = _floats(n_transmits * n).reshape((n_transmits, n))
    for t in range(n_transmits):
        _transmit_row(along[t], across[t] * x_mm, shot[t], bases[t], rests[t])
    return shot, bases, rests


@helper
def _inside(base, early, first, n_samples):
    """First and last block from ``first`` on whose windows lie in the record; they grow with depth."""
    last = base.size
    while first < last and base[first] + early[first] < 0:
        first += 1
    while last > first and base[last - 1] + early[last - 1] + SPAN >= n_samples:
        last -= 1
    return first, last


@helper
def _add_at_the_end(trace, offset_mm, transmit, depths_mm, per_mm, weight, sums, j0, sign):
    """Add depths of a block of which some may lie outside the record."""
    for j in range(j0, j0 + LANES):
        delay = transmit[j] + math.sqrt(offset_mm * offset_mm + depths_mm[j] * depths_mm[j]) * per_mm
        sums[j] += sign * weight[j] * _interpolate(trace, delay)


@kernel(parallel=True)
def sum_real(data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, shared, out):
    """Sum real traces ``data (t, e, n)`` into ``out (x, t or 1, z)``.

    ``depths_mm`` and ``along`` go on to a whole number of blocks beyond the depths of ``out``.
    ``shared`` is ``(a, b, u)`` when column spacing and pitch are ``a`` and ``b`` times a length ``u``,
    so that columns share receive rows, else ``(0, 0, 0.0)``.
    """
    n_transmits, n_elements, n_samples = data.shape
    n = depths_mm.size
    a, b, unit_mm = shared
    depths = _depth_rows(depths_mm)
    rows = _new_rows(a * (x_mm.size - 1) + b * (n_elements - 1) + 1, n)
    for k in prange(rows[0].shape[0] if a > 0 else 0):
        offset = _row_offset(k, unit_mm, x_mm, elements_mm)
        z0 = _first_depth(offset, depths_mm, aperture[0])
        _receive_row(offset, z0, depths, aperture, per_mm, 0.0, _row(rows, k))
    for x in prange(x_mm.size):
        own = _new_rows(1, n)
        shot, begin, there = _transmit_rows(along, across, x_mm[x])
        sums = _floats(out.shape[1] * n).reshape((out.shape[1], n))
        sums[:] = np.float32(0)
        for e in range(n_elements):
            offset = abs(x_mm[x] - elements_mm[e])
            z0 = _first_depth(offset, depths_mm, aperture[0])
            if z0 >= out.shape[2]:
                continue
            if a > 0:
                base, rest, weight, _ = _row(rows, a * x + b * (n_elements - 1 - e))
            else:
                base, rest, weight, _ = _row(own, 0)
                _receive_row(offset, z0, depths, aperture, per_mm, 0.0, _row(own, 0))
            for t in range(n_transmits):
                trace, late, total = data[t, e], there[t], sums[min(t, out.shape[1] - 1)]
                early, wave = begin[t], shot[t]
                first, last = _inside(base, early, z0 // LANES, n_samples)
                _add_real(trace, base, early, rest, late, weight, total, first, last)
                for k in range(z0 // LANES, base.size - last + first):
                    j = k if k < first else k + last - first
                    i = base[j] + early[j]
                    j *= LANES
                    if i < n_samples and i + SPAN >= 0:
                        _add_at_the_end(trace, offset, wave, depths_mm, per_mm, weight, total, j, 1)
        for t in range(out.shape[1]):
            out[x, t] = sums[t, : out.shape[2]]


@kernel(parallel=True)
def sum_complex(
    data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, turns, start_turns, shared, out
):
    """Sum complex traces, ``data (t, e, n, 2)``, rotated to their delay, into ``out (x, t or 1, z, 2)``."""
    n_transmits, n_elements, n_samples, _ = data.shape
    n = depths_mm.size
    a, b, unit_mm = shared
    depths = _depth_rows(depths_mm)
    rows = _new_rows(a * (x_mm.size - 1) + b * (n_elements - 1) + 1, n)
    parts = np.empty((2, n_transmits, n_elements, n_samples), np.float32)
    for e in prange(n_elements):
        for t in range(n_transmits):
            for i in range(n_samples):
                parts[0, t, e, i] = data[t, e, i, 0]
                parts[1, t, e, i] = data[t, e, i, 1]
    for k in prange(rows[0].shape[0] if a > 0 else 0):
        offset = _row_offset(k, unit_mm, x_mm, elements_mm)
        z0 = _first_depth(offset, depths_mm, aperture[0])
        _receive_row(offset, z0, depths, aperture, per_mm, turns, _row(rows, k))
    for x in prange(x_mm.size):
        own = _new_rows(1, n)
        shot, begin, there = _transmit_rows(along, across, x_mm[x])
        sums = _floats(2 * n_transmits * n).reshape((2, n_transmits, n))
        sums[:] = np.float32(0)
        for e in range(n_elements):
            offset = abs(x_mm[x] - elements_mm[e])
            z0 = _first_depth(offset, depths_mm, aperture[0])
            if z0 >= out.shape[2]:
                continue
            if a > 0:
                base, rest, w_re, w_im = _row(rows, a * x + b * (n_elements - 1 - e))
            else:
                base, rest, w_re, w_im = _row(own, 0)
                _receive_row(offset, z0, depths, aperture, per_mm, turns, _row(own, 0))
            for t in range(n_transmits):
                re, im, late = parts[0, t, e], parts[1, t, e], there[t]
                total_re, total_im, early, wave = sums[0, t], sums[1, t], begin[t], shot[t]
                first, last = _inside(base, early, z0 // LANES, n_samples)
                _add_complex(re, im, base, early, rest, late, w_re, w_im, total_re, total_im, first, last)
                for k in range(z0 // LANES, base.size - last + first):
                    j = k if k < first else k + last - first
                    i = base[j] + early[j]
                    j *= LANES
                    if i < n_samples and i + SPAN >= 0:
                        _add_at_the_end(re, offset, wave, depths_mm, per_mm, w_re, total_re, j, 1)
                        _add_at_the_end(im, offset, wave, depths_mm, per_mm, w_im, total_re, j, -1)
                        _add_at_the_end(im, offset, wave, depths_mm, per_mm, w_re, total_im, j, 1)
                        _add_at_the_end(re, offset, wave, depths_mm, per_mm, w_im, total_im, j, 1)
        for t in range(n_transmits):
            total = out[x, min(t, out.shape[1] - 1)]
            angle, re, im = own[1][0], sums[0, t], sums[1, t]
            for j in range(n):
                turn = turns * shot[t, j] + start_turns[t]
                angle[j] = turn - np.rint(turn)
            for j in range(n):
                c, s = _turn(angle[j])
                a_re, a_im = re[j], im[j]
                re[j] = c * a_re - s * a_im
                im[j] = c * a_im + s * a_re
            for j in range(out.shape[2]):
                total[j, 0] += re[j]
                total[j, 1] += im[j]
