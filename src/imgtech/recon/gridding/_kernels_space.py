"""Compiled kernels of the NUFFT in space: between a fine periodic grid and points sorted into boxes.

As in ``_kernels.py``, with boxes in place of tiles and one coil at a time. A point touches ``w * w`` rows of
``w`` bins; a row, both parts of every bin, is one vector of ``2 * w`` numbers rounded up to a multiple of
eight, so that a point costs ``w * w`` vector operations. The vectors reach a few numbers past their row, with
weight zero. Products and sums are fused by name: the variants for one and for many threads are compiled
apart, and left to the compiler they would round differently.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

_POINTS_PER_SUM = 256  # as in _kernels.py
_PADDING = 8


def _fused(builder, a, b, c):
    """Code for ``a * b + c`` rounded once; vectors or scalars."""
    element = a.type.element if isinstance(a.type, ir.VectorType) else a.type
    name = "f32" if element == ir.FloatType() else "f64"
    if isinstance(a.type, ir.VectorType):
        name = f"v{a.type.count}{name}"
    kind = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.{name}"), [a, b, c])


class _Rows:
    """Code for vectors of a row of ``width`` complex bins at places of one-dimensional arrays."""

    def __init__(self, context, builder, number, width):
        self.context, self.builder = context, builder
        self.element = ir.FloatType() if number == types.float32 else ir.DoubleType()
        self.lanes = (2 * width + 7) // 8 * 8
        self.vector = ir.VectorType(self.element, self.lanes)
        self.align = 4 if number == types.float32 else 8

    def data(self, array_type, value):
        return make_array(array_type)(self.context, self.builder, value).data

    def at(self, data, index):
        return self.builder.bitcast(self.builder.gep(data, [index]), self.vector.as_pointer())

    def load(self, data, index):
        return self.builder.load(self.at(data, index), align=self.align)

    def store(self, value, data, index):
        self.builder.store(value, self.at(data, index), align=self.align)

    def scalar(self, data, index):
        """The number at a place, in the precision of the rows."""
        scalar = self.builder.load(self.builder.gep(data, [index]))
        if scalar.type != self.element:
            change = self.builder.fpext if self.element == ir.DoubleType() else self.builder.fptrunc
            scalar = change(scalar, self.element)
        return scalar

    def number(self, data, index):
        """The number at a place, in every lane."""
        scalar = self.scalar(data, index)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        one = self.builder.insert_element(
            ir.Constant(self.vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0)
        )
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), lanes)

    def times(self, a, b):
        return self.builder.fmul(a, b)

    def sum(self, a, b, c):
        """``a * b + c``, fused; vectors or scalars."""
        return _fused(self.builder, a, b, c)

    def later(self, index, steps):
        return self.builder.add(index, ir.Constant(index.type, steps))


@intrinsic
def _add_point(typing, value, weights, at, taps, local, first, row_step, plane_step):
    """Add the row ``value`` to ``w`` by ``w`` rows, weighted along z and y, from ``first`` on."""
    width = len(taps)

    def generate(context, builder, signature, arguments):
        code = _Rows(context, builder, value.dtype, width)
        source, factors = code.data(value, arguments[0]), code.data(weights, arguments[1])
        begin, target, plane = arguments[2], code.data(local, arguments[4]), arguments[5]
        vector = code.load(source, ir.Constant(begin.type, 0))
        down = [code.number(factors, code.later(begin, width + j)) for j in range(width)]
        for i in range(width):
            scaled = code.times(code.number(factors, code.later(begin, i)), vector)
            row = plane
            for j in range(width):
                total = code.sum(down[j], scaled, code.load(target, row))
                code.store(total, target, row)
                row = builder.add(row, arguments[6])
            plane = builder.add(plane, arguments[7])
        return context.get_dummy_value()

    signature = types.void(value, weights, types.intp, taps, local, types.intp, types.intp, types.intp)
    return signature, generate


@intrinsic
def _sum_point(typing, local, first, row_step, plane_step, weights, at, taps, value):
    """The complex ``value`` as the weighted sum of ``w`` by ``w`` rows; the transpose of the other."""
    width = len(taps)

    def generate(context, builder, signature, arguments):
        code = _Rows(context, builder, value.dtype, width)
        source, plane = code.data(local, arguments[0]), arguments[1]
        factors, begin = code.data(weights, arguments[4]), arguments[5]
        down = [code.number(factors, code.later(begin, width + j)) for j in range(width)]
        total = ir.Constant(code.vector, [0.0] * code.lanes)
        for i in range(width):
            sheet, row = ir.Constant(code.vector, [0.0] * code.lanes), plane
            for j in range(width):
                sheet = code.sum(down[j], code.load(source, row), sheet)
                row = builder.add(row, arguments[2])
            total = code.sum(code.number(factors, code.later(begin, i)), sheet, total)
            plane = builder.add(plane, arguments[3])
        found = code.data(value, arguments[7])
        for part in range(2):
            dot = ir.Constant(code.element, 0.0)
            for j in range(width):
                lane = builder.extract_element(total, ir.Constant(ir.IntType(32), 2 * j + part))
                weight = code.scalar(factors, code.later(begin, 2 * width + j))
                dot = code.sum(weight, lane, dot)
            builder.store(dot, builder.gep(found, [ir.Constant(begin.type, part)]))
        return context.get_dummy_value()

    signature = types.void(local, types.intp, types.intp, types.intp, weights, types.intp, taps, value)
    return signature, generate


@intrinsic
def _two_products(typing, a, b, c, d):
    """``a * b + c * d``, the first product fused with the sum."""

    def generate(context, builder, signature, arguments):
        a, b, c, d = arguments
        return _fused(builder, a, b, builder.fmul(c, d))

    return a(a, a, a, a), generate


@helper
def _load(fine, corner, sides, local):
    """Copy a box with its rim, going round at the borders of the fine grid."""
    nz, ny, nx = fine.shape[0], fine.shape[1], fine.shape[2] // 2
    inner = min(sides[2], nx - corner[2])
    for i in range(sides[0]):
        for j in range(sides[1]):
            row = fine[(corner[0] + i) % nz, (corner[1] + j) % ny]
            at = (i * sides[1] + j) * 2 * sides[2]
            for q in range(2 * inner):
                local[at + q] = row[2 * corner[2] + q]
            for q in range(2 * inner, 2 * sides[2]):
                local[at + q] = row[q - 2 * inner]


@helper
def _add(local, corner, sides, fine):
    """Add a box with its rim to the fine grid; the transpose of :func:`_load`."""
    nz, ny, nx = fine.shape[0], fine.shape[1], fine.shape[2] // 2
    inner = min(sides[2], nx - corner[2])
    for i in range(sides[0]):
        for j in range(sides[1]):
            row = fine[(corner[0] + i) % nz, (corner[1] + j) % ny]
            at = (i * sides[1] + j) * 2 * sides[2]
            for q in range(2 * inner):
                row[2 * corner[2] + q] += local[at + q]
            for q in range(2 * inner, 2 * sides[2]):
                row[q - 2 * inner] += local[at + q]


@helper
def _write(samples, begin, end, corners, order, phases, weights, taps, sides, local):
    """Add the points ``begin`` to ``end`` to their box."""
    width = len(taps)
    row_step, plane_step = 2 * sides[2], 2 * sides[2] * sides[1]
    value = np.zeros(2 * width + _PADDING, local.dtype)
    for p in range(begin, end):
        k = 2 * order[p]
        a, b = samples[k], samples[k + 1]
        re = _two_products(a, phases[p, 0], b, phases[p, 1])
        im = _two_products(b, phases[p, 0], -a, phases[p, 1])
        at = 3 * p * width
        for j in range(width):
            value[2 * j] = weights[at + 2 * width + j] * re
            value[2 * j + 1] = weights[at + 2 * width + j] * im
        first = corners[p, 0] * plane_step + corners[p, 1] * row_step + 2 * corners[p, 2]
        _add_point(value, weights, at, taps, local, first, row_step, plane_step)


@kernel(parallel=True)
def interpolate_space(fine, starts, corners, order, phases, weights, taps, box, out):
    """Evaluate every point from the bins it touches.

    ``fine`` is ``(z, y, 2 * x)``, ``box`` the bins of a box along each axis, ``weights`` flat; the others
    are as of ``interpolate``.
    """
    width = len(taps)
    down, across = fine.shape[1] // box[1], fine.shape[2] // (2 * box[2])
    sides = (box[0] + width, box[1] + width, box[2] + width)
    row_step, plane_step = 2 * sides[2], 2 * sides[2] * sides[1]
    for t in numba.prange(len(starts) - 1):
        if starts[t] == starts[t + 1]:
            continue
        corner = (t // (down * across) * box[0], t // across % down * box[1], t % across * box[2])
        local = np.zeros(sides[0] * plane_step + _PADDING, out.dtype)
        value = np.empty(2, out.dtype)
        _load(fine, corner, sides, local)
        for p in range(starts[t], starts[t + 1]):
            first = corners[p, 0] * plane_step + corners[p, 1] * row_step + 2 * corners[p, 2]
            at = 3 * p * width
            _sum_point(local, first, row_step, plane_step, weights, at, taps, value)
            k, re, im = 2 * order[p], value[0], value[1]
            out[k] = _two_products(re, phases[p, 0], -im, phases[p, 1])
            out[k + 1] = _two_products(re, phases[p, 1], im, phases[p, 0])


@kernel(parallel=True)
def spread_space(samples, starts, corners, order, phases, weights, taps, box, fine):
    """Add every point to the bins it touches: the adjoint of :func:`interpolate_space`.

    Boxes in eight colours, those of one colour without a common bin, so that the bits do not depend on the
    number of threads.
    """
    width = len(taps)
    deep, down, across = fine.shape[0] // box[0], fine.shape[1] // box[1], fine.shape[2] // (2 * box[2])
    sides = (box[0] + width, box[1] + width, box[2] + width)
    n_local = sides[0] * sides[1] * 2 * sides[2] + _PADDING
    for z in numba.prange(fine.shape[0]):
        fine[z] = 0
    for colour in range(8):
        for s in numba.prange(deep * down * across // 8):
            tz = s // (down * across // 4) * 2 + colour // 4
            ty = s // (across // 2) % (down // 2) * 2 + colour // 2 % 2
            tx = s % (across // 2) * 2 + colour % 2
            t = (tz * down + ty) * across + tx
            if starts[t] == starts[t + 1]:
                continue
            corner = (tz * box[0], ty * box[1], tx * box[2])
            local = np.zeros(n_local, fine.dtype)
            end = min(starts[t] + _POINTS_PER_SUM, starts[t + 1])
            _write(samples, starts[t], end, corners, order, phases, weights, taps, sides, local)
            if end < starts[t + 1]:
                part = np.empty_like(local)
                for begin in range(end, starts[t + 1], _POINTS_PER_SUM):
                    end = min(begin + _POINTS_PER_SUM, starts[t + 1])
                    part[:] = 0
                    _write(samples, begin, end, corners, order, phases, weights, taps, sides, part)
                    local += part
            _add(local, corner, sides, fine)
