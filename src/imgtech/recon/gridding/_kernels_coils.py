"""Compiled kernels of the NUFFT for up to ``COILS`` coils at once.

As in ``_kernels.py``, but a bin of the fine grid holds all coils, the parts of a complex number side by side,
and a bin of a tile is one vector of ``2 * COILS`` numbers: the weights of a point are loaded once for all
coils, and every addition is one vector operation on processors with 512-bit registers, two or four on others.
Coils that are missing are zeros in the tile.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

COILS = 8
TILE = 16  # as in _kernels.py
_LANES = 2 * COILS
_POINTS_PER_SUM = 256  # as in _kernels.py


class _Vectors:
    """Code for vectors of ``_LANES`` numbers at places of one-dimensional arrays."""

    def __init__(self, context, builder, number):
        self.context, self.builder = context, builder
        self.element = ir.FloatType() if number == types.float32 else ir.DoubleType()
        self.vector = ir.VectorType(self.element, _LANES)
        self.align = 4 if number == types.float32 else 8

    def data(self, array_type, value):
        return make_array(array_type)(self.context, self.builder, value).data

    def at(self, data, index):
        return self.builder.bitcast(self.builder.gep(data, [index]), self.vector.as_pointer())

    def load(self, data, index):
        return self.builder.load(self.at(data, index), align=self.align)

    def store(self, value, data, index):
        self.builder.store(value, self.at(data, index), align=self.align)

    def everywhere(self, scalar):
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None)
        one = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
        )
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), lanes)

    def number(self, data, index):
        scalar = self.builder.load(self.builder.gep(data, [index]))
        if scalar.type != self.element:
            change = self.builder.fpext if self.element == ir.DoubleType() else self.builder.fptrunc
            scalar = change(scalar, self.element)
        return self.everywhere(scalar)

    def times(self, a, b):
        return self.builder.fmul(a, b, flags=("contract",))

    def plus(self, a, b):
        return self.builder.fadd(a, b, flags=("contract",))


def _later(builder, index, steps):
    return builder.add(index, ir.Constant(index.type, steps))


@intrinsic
def _add_point(typing, value, weights, at, taps, local, first, step):
    """Add a vector to ``w`` by ``w`` bins: rows ``step`` numbers apart from ``first`` on."""
    width = len(taps)

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, value.dtype)
        source, factors = code.data(value, arguments[0]), code.data(weights, arguments[1])
        target, row = code.data(local, arguments[4]), arguments[5]
        begin = arguments[2]
        vector = code.load(source, ir.Constant(begin.type, 0))
        across = [code.number(factors, _later(builder, begin, width + j)) for j in range(width)]
        for i in range(width):
            scaled = code.times(code.number(factors, _later(builder, begin, i)), vector)
            for j in range(width):
                place = _later(builder, row, j * _LANES)
                total = code.plus(code.load(target, place), code.times(across[j], scaled))
                code.store(total, target, place)
            row = builder.add(row, arguments[6])
        return context.get_dummy_value()

    return types.void(value, weights, types.intp, taps, local, types.intp, types.intp), generate


@intrinsic
def _sum_point(typing, local, first, step, weights, at, taps, value):
    """The vector ``value`` as the weighted sum of ``w`` by ``w`` bins; the transpose of the other."""
    width = len(taps)

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, value.dtype)
        source, row = code.data(local, arguments[0]), arguments[1]
        factors, begin = code.data(weights, arguments[3]), arguments[4]
        across = [code.number(factors, _later(builder, begin, width + j)) for j in range(width)]
        total = ir.Constant(code.vector, [0.0] * _LANES)
        for i in range(width):
            line = ir.Constant(code.vector, [0.0] * _LANES)
            for j in range(width):
                bins = code.load(source, _later(builder, row, j * _LANES))
                line = code.plus(line, code.times(across[j], bins))
            total = code.plus(total, code.times(code.number(factors, _later(builder, begin, i)), line))
            row = builder.add(row, arguments[2])
        code.store(total, code.data(value, arguments[6]), ir.Constant(begin.type, 0))
        return context.get_dummy_value()

    return types.void(local, types.intp, types.intp, weights, types.intp, taps, value), generate


@helper
def _load(fine, n_parts, first_row, first_column, side, local):
    """Copy a tile with its rim, going round at the borders of the fine grid."""
    n_rows, n_columns = fine.shape[0], fine.shape[1] // n_parts
    for i in range(side):
        row = fine[(first_row + i) % n_rows]
        for j in range(side):
            x = (first_column + j) % n_columns * n_parts
            target = (i * side + j) * _LANES
            if n_parts == _LANES:
                for q in range(_LANES):
                    local[target + q] = row[x + q]
            else:
                for q in range(n_parts):
                    local[target + q] = row[x + q]


@helper
def _add(local, n_parts, first_row, first_column, side, fine):
    """Add a tile with its rim to the fine grid; the transpose of :func:`_load`."""
    n_rows, n_columns = fine.shape[0], fine.shape[1] // n_parts
    for i in range(side):
        row = fine[(first_row + i) % n_rows]
        for j in range(side):
            x = (first_column + j) % n_columns * n_parts
            source = (i * side + j) * _LANES
            if n_parts == _LANES:
                for q in range(_LANES):
                    row[x + q] += local[source + q]
            else:
                for q in range(n_parts):
                    row[x + q] += local[source + q]


@helper
def _write(samples, begin, end, corners, order, phases, weights, taps, local):
    """Add the points ``begin`` to ``end`` to their tile."""
    side = TILE + len(taps)
    value = np.zeros(_LANES, local.dtype)
    for p in range(begin, end):
        k = 2 * order[p]
        for c in range(samples.shape[0]):
            a, b = samples[c, k], samples[c, k + 1]
            value[2 * c] = a * phases[p, 0] + b * phases[p, 1]
            value[2 * c + 1] = b * phases[p, 0] - a * phases[p, 1]
        first = (corners[p, 0] * side + corners[p, 1]) * _LANES
        _add_point(value, weights, 2 * p * len(taps), taps, local, first, side * _LANES)


@kernel(parallel=True)
def interpolate_coils(fine, starts, corners, order, phases, weights, taps, out):
    """Evaluate every point for all coils.

    ``fine`` is ``(row, column * coil * 2)`` and ``out`` ``(coil, point * 2)``; the other arguments are those
    of ``interpolate``, but ``weights`` is flat.
    """
    n_parts = 2 * out.shape[0]
    across = fine.shape[1] // (n_parts * TILE)
    for t in numba.prange(len(starts) - 1):
        if starts[t] == starts[t + 1]:
            continue
        side = TILE + len(taps)
        local = np.zeros(side * side * _LANES, out.dtype)
        value = np.empty(_LANES, out.dtype)
        _load(fine, n_parts, t // across * TILE, t % across * TILE, side, local)
        for p in range(starts[t], starts[t + 1]):
            first = (corners[p, 0] * side + corners[p, 1]) * _LANES
            _sum_point(local, first, side * _LANES, weights, 2 * p * len(taps), taps, value)
            k = 2 * order[p]
            for c in range(out.shape[0]):
                re, im = value[2 * c], value[2 * c + 1]
                out[c, k] = re * phases[p, 0] - im * phases[p, 1]
                out[c, k + 1] = re * phases[p, 1] + im * phases[p, 0]


@kernel(parallel=True)
def spread_coils(samples, starts, corners, order, phases, weights, taps, fine):
    """Add every point to the bins it touches, for all coils: the adjoint of :func:`interpolate_coils`.

    Tiles in four colours, as in ``spread``, so that the bits do not depend on the number of threads.
    """
    n_parts = 2 * samples.shape[0]
    down, across = fine.shape[0] // TILE, fine.shape[1] // (n_parts * TILE)
    for y in numba.prange(fine.shape[0]):
        fine[y] = 0
    for colour in range(4):
        for s in numba.prange(down * across // 4):
            ty = s // (across // 2) * 2 + colour // 2
            tx = s % (across // 2) * 2 + colour % 2
            t = ty * across + tx
            if starts[t] == starts[t + 1]:
                continue
            side = TILE + len(taps)
            local = np.zeros(side * side * _LANES, fine.dtype)
            end = min(starts[t] + _POINTS_PER_SUM, starts[t + 1])
            _write(samples, starts[t], end, corners, order, phases, weights, taps, local)
            if end < starts[t + 1]:
                part = np.empty_like(local)
                for begin in range(end, starts[t + 1], _POINTS_PER_SUM):
                    end = min(begin + _POINTS_PER_SUM, starts[t + 1])
                    part[:] = 0
                    _write(samples, begin, end, corners, order, phases, weights, taps, part)
                    local += part
            _add(local, n_parts, ty * TILE, tx * TILE, side, fine)
