"""Compiled steps of ESPIRiT: first eigenvectors of small Hermitian matrices, and maps between nodes.

Sixteen nodes go through the squarings side by side, one a lane: a number of the matrix is one vector.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

LANES = 16
TERMS = 4
"""Products summed at once; the number of coils is rounded up to a multiple, with zeros."""
_ALIGN = 4


def _code(context, builder):
    """Functions that load, store, multiply and add vectors of float32."""
    vector = ir.VectorType(ir.FloatType(), LANES)

    def at(data, index):
        return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

    def load(data, index):
        return builder.load(at(data, index), align=_ALIGN)

    def store(value, data, index):
        builder.store(value, at(data, index), align=_ALIGN)

    def operation(name):
        return lambda a, b: getattr(builder, name)(a, b, flags=("contract",))

    return load, store, operation("fmul"), operation("fadd"), operation("fsub")


@intrinsic
def _add_products(typing, source, a, step_a, b, step_b, target, to):
    """Add ``TERMS`` complex products of vectors in the source to one in the target."""

    def generate(context, builder, signature, arguments):
        load, store, times, plus, minus = _code(context, builder)
        here = make_array(source)(context, builder, arguments[0]).data
        there = make_array(target)(context, builder, arguments[5]).data
        (a, step_a, b, step_b), to = arguments[1:5], arguments[6]
        part = ir.Constant(to.type, LANES)
        re, im = load(there, to), load(there, builder.add(to, part))
        for _ in range(TERMS):
            ar, ai = load(here, a), load(here, builder.add(a, part))
            br, bi = load(here, b), load(here, builder.add(b, part))
            re = minus(plus(re, times(ar, br)), times(ai, bi))
            im = plus(plus(im, times(ar, bi)), times(ai, br))
            a, b = builder.add(a, step_a), builder.add(b, step_b)
        store(re, there, to)
        store(im, there, builder.add(to, part))
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, index, index, target, index), generate


@intrinsic
def _scale(typing, values, at, factors, sign):
    """Multiply a complex number by real factors; write it and, ``sign`` steps on, its conjugate."""

    def generate(context, builder, signature, arguments):
        load, store, times, _, minus = _code(context, builder)
        data = make_array(values)(context, builder, arguments[0]).data
        factor = load(make_array(factors)(context, builder, arguments[2]).data, ir.Constant(at_type, 0))
        first, mirror = arguments[1], arguments[3]
        second = builder.add(first, ir.Constant(first.type, LANES))
        re, im = times(load(data, first), factor), times(load(data, second), factor)
        zero = ir.Constant(ir.VectorType(ir.FloatType(), LANES), [0.0] * LANES)
        store(minus(zero, im), data, builder.add(mirror, ir.Constant(first.type, LANES)))
        store(re, data, mirror)
        store(re, data, first)
        store(im, data, second)
        return context.get_dummy_value()

    at_type = ir.IntType(types.intp.bitwidth)
    return types.void(values, types.intp, factors, types.intp), generate


@helper
def _unit_trace(values, n, factors, least):
    """Divide by the trace, or by infinity where it is no more than ``least``; make it Hermitian."""
    for lane in range(LANES):
        trace = np.float32(0)
        for i in range(n):
            trace += values[i * (n + 1) * 2 * LANES + lane]
        factors[lane] = np.float32(1) / trace if trace > least else np.float32(0)
    for i in range(n):
        for k in range(i, n):
            _scale(values, (i * n + k) * 2 * LANES, factors, (k * n + i) * 2 * LANES)
    for i in range(n):
        for lane in range(LANES):
            values[(i * (n + 1) * 2 + 1) * LANES + lane] = np.float32(0)


@helper
def _first(matrices, y, x, lane, power, n, leading, vectors, values):
    """The eigenvector of one node, its phase as said, and its eigenvalue."""
    n_coils, best = len(leading), 0
    for i in range(1, n_coils):
        if power[i * (n + 1) * 2 * LANES + lane] > power[best * (n + 1) * 2 * LANES + lane]:
            best = i
    square, re, im = np.float32(0), np.float32(0), np.float32(0)
    for i in range(n_coils):
        at = (i * n + best) * 2 * LANES + lane
        a, b = power[at], power[at + LANES]
        square += a * a + b * b
        re += a * leading[i].real + b * leading[i].imag
        im += b * leading[i].real - a * leading[i].imag
    size = np.sqrt(re * re + im * im)
    scale = np.float32(1) / np.sqrt(square) if square > 0 else np.float32(0)
    c, s = (re / size * scale, im / size * scale) if size > 0 else (scale, np.float32(0))
    for i in range(n_coils):
        at = (i * n + best) * 2 * LANES + lane
        a, b = power[at], power[at + LANES]
        vectors[i, y, x] = (a * c + b * s) + 1j * (b * c - a * s)
    value = np.float32(0)
    for i in range(n_coils):
        for k in range(n_coils):
            m, v, w = matrices[y, i * n_coils + k, x], vectors[i, y, x], vectors[k, y, x]
            pr, pi = v.real * w.real + v.imag * w.imag, v.real * w.imag - v.imag * w.real
            value += m.real * pr - m.imag * pi
    values[y, x] = value


@kernel(parallel=True)
def first_eigenvectors(matrices, n_squarings, leading, vectors, values):
    """Unit eigenvectors of the largest eigenvalue, by repeated squaring.

    ``matrices (node y, coil * coil, node x)`` complex64; ``leading (coil,)``, whose product with a vector is
    made real and positive; ``vectors (coil, node y, node x)`` and ``values (node y, node x)`` are filled.
    """
    n_coils = len(leading)
    n = (n_coils + TERMS - 1) // TERMS * TERMS
    n_rows, _, n_columns = matrices.shape
    blocks = (n_columns + LANES - 1) // LANES
    for block in numba.prange(n_rows * blocks):
        y, left = block // blocks, block % blocks * LANES
        width = min(LANES, n_columns - left)
        power = np.zeros(n * n * 2 * LANES, np.float32)
        other = np.zeros(n * n * 2 * LANES, np.float32)
        factors = np.empty(LANES, np.float32)
        least = np.float32(1.1920929e-07)  # relative precision
        for i in range(n_coils):
            for k in range(n_coils):
                for lane in range(width):
                    value = matrices[y, i * n_coils + k, left + lane]
                    power[(i * n + k) * 2 * LANES + lane] = value.real
                    power[((i * n + k) * 2 + 1) * LANES + lane] = value.imag
        _unit_trace(power, n, factors, least)
        for _ in range(n_squarings):
            other[:] = 0
            for i in range(n_coils):
                for k in range(i, n_coils):
                    for j in range(0, n, TERMS):
                        a, b = (i * n + j) * 2 * LANES, (j * n + k) * 2 * LANES
                        to = (i * n + k) * 2 * LANES
                        _add_products(power, a, 2 * LANES, b, n * 2 * LANES, other, to)
            _unit_trace(other, n, factors, least)
            power, other = other, power
        for lane in range(width):
            _first(matrices, y, left + lane, lane, power, n, leading, vectors, values)


@kernel(parallel=True)
def between_nodes(vectors, values, rows, columns, maps, squares, limits):
    """Interpolate linearly between nodes.

    ``rows`` and ``columns`` are, for every pixel, the node before it and the part of the way to the next;
    ``squares`` is the sum of the squared maps over the coils, ``limits`` the interpolated ``values``.
    """
    n_coils, ny, nx = maps.shape
    for y in numba.prange(ny):
        i, f = rows[0][y], rows[1][y]
        line = np.empty(values.shape[1], maps.dtype)
        squares[y] = 0
        part = squares.dtype.type(f)
        for c in range(n_coils):
            for j in range(len(line)):
                line[j] = (1 - part) * vectors[c, i, j] + part * vectors[c, i + 1, j]
            for x in range(nx):
                j, g = columns[0][x], squares.dtype.type(columns[1][x])
                value = (1 - g) * line[j] + g * line[j + 1]
                maps[c, y, x] = value
                squares[y, x] += value.real * value.real + value.imag * value.imag
        for x in range(nx):
            j, g = columns[0][x], columns[1][x]
            above = (1 - g) * values[i, j] + g * values[i, j + 1]
            below = (1 - g) * values[i + 1, j] + g * values[i + 1, j + 1]
            limits[y, x] = (1 - f) * above + f * below
