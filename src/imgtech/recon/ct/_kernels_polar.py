"""Compiled kernels of the Fourier method: the spectra of all views onto one fine grid.

Sample k of a view lies at ``k`` times the step of that view, in bins of the fine grid, and touches ``TAPS``
by ``TAPS`` bins. The grid holds rows from ``-TAPS / 2`` on, never negative in the middle of a sample, and
columns from ``-TAPS / 2`` to ``TAPS / 2`` behind the last. Real and imaginary parts lie side by side.
Strips of rows are the work of one thread each, so that the order of additions is that of the views.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

TAPS = 8
STRIP = 16  # rows of the grid, above TAPS
FLAGS = ("contract", "nsz")
_LANES = 16  # numbers of a row that a sample touches, rounded up to whole vectors
PAD = _LANES // 2  # columns beyond the period


@helper
def _last_before(row, step):
    """Last sample whose first row lies below ``row + 1``: the same for both strips that meet there."""
    return np.floor(row / step)


@intrinsic
def _spread_sample(typing, grid, begin, stride, weights, down, down_part, along, along_part, re, im):
    """Add one sample to ``TAPS`` rows of ``grid``, ``stride`` apart, from flat index ``begin`` on.

    Its weights lie between rows ``down`` and ``down + 1`` of ``weights``, and ``along`` and ``along + 1``.
    Written with vectors because the compiler would go through memory for the products of a row.
    """

    def generate(context, builder, signature, arguments):
        number, index = context.get_data_type(signature.args[0].dtype), ir.IntType(64)
        align = 4 if isinstance(number, ir.FloatType) else 8
        grid, weights = (make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3))
        _, begin, stride, _, down, down_part, along, along_part, re, im = arguments
        lanes, half = ir.VectorType(number, _LANES), ir.VectorType(number, _LANES // 2)

        def load(place, vector):
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=align)

        def pick(vector, lanes):
            mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
            return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)

        def between(row, part):
            place = builder.gep(weights, [builder.mul(row, index(_LANES // 2))])
            here, there = load(place, half), load(builder.gep(place, [index(_LANES // 2)]), half)
            one = builder.insert_element(ir.Constant(half, ir.Undefined), part, ir.IntType(32)(0))
            parts = pick(one, [0] * (_LANES // 2))
            return builder.fadd(here, builder.fmul(parts, builder.fsub(there, here), FLAGS), FLAGS)

        pair = ir.Constant(ir.VectorType(number, 2), ir.Undefined)
        for i, value in enumerate((re, im)):
            pair = builder.insert_element(pair, value, ir.IntType(32)(i))
        twice = [i // 2 for i in range(_LANES)]
        products = builder.fmul(pick(between(along, along_part), twice), pick(pair, [0, 1] * (_LANES // 2)))
        across = between(down, down_part)
        for i in range(TAPS):
            place = builder.gep(grid, [builder.add(begin, builder.mul(stride, index(i)))])
            added = builder.fmul(pick(across, [i] * _LANES), products, FLAGS)
            place = builder.bitcast(place, lanes.as_pointer())
            builder.store(builder.fadd(builder.load(place, align=align), added, FLAGS), place, align=align)
        return context.get_dummy_value()

    arguments = grid, types.int64, types.int64, weights, types.int64, grid.dtype, types.int64, grid.dtype
    return types.void(*arguments, grid.dtype, grid.dtype), generate


@helper
def _spread_view(values, response, weight, low, high, along, down, turn, sign, table, out):
    """Add the samples from ``low`` to below ``high`` of one view."""
    number = out.dtype.type
    stride, last = out.shape[1], table.shape[0] - 2
    period = stride // 2 - PAD
    angle = 2 * np.pi * turn
    re_turn, im_turn = weight * np.cos(angle * low), weight * np.sin(angle * low)
    re_step, im_step = np.cos(angle), np.sin(angle)
    for k in range(numba.uint64(low), numba.uint64(high)):
        y, x = numba.int64(k) * down, numba.int64(k) * along
        x -= period * np.floor(x / period)
        row, column = int(np.ceil(y)), int(np.ceil(x))
        y_place, x_place = (row - y) * last, (column - x) * last
        i, j = int(y_place), int(x_place)
        a, b = response[k] * values[k + k], sign * response[k] * values[k + k + numba.uint64(1)]
        re = number(a * re_turn - b * im_turn)
        im = number(a * im_turn + b * re_turn)
        re_turn, im_turn = re_turn * re_step - im_turn * im_step, re_turn * im_step + im_turn * re_step
        begin = row * stride + 2 * column
        _spread_sample(out, begin, stride, table, i, number(y_place - i), j, number(x_place - j), re, im)


@kernel(parallel=True)
def spread_rays(spectra, response, weight, along, down, turn, sign, table, order, out):
    """Add the spectra of all views, times ``response`` and ``weight``, to ``out``, which is cleared first.

    ``spectra`` is ``(view, 2 * sample)``; sample k of view v lies ``k * down[v]`` rows and ``k * along[v]``
    columns from the origin, ``down`` not negative, and is turned by ``k * turn[v]`` full turns, after
    conjugation where ``sign`` is -1. Row j of ``table`` holds the weights of taps 0 to ``TAPS - 1`` of a
    sample that lies ``TAPS / 2 - j / (len(table) - 2)`` bins behind tap 0. ``order`` lists pairs of strips
    so that any part of it is even work. Every second strip is done in parallel, so that no two threads meet.
    """
    for row in numba.prange(out.shape[0]):
        out[row] = 0
    for parity in range(2):
        for i in numba.prange(len(order)):
            first = (2 * order[i] + parity) * STRIP
            for v in range(len(along)):
                low = max(-1.0, _last_before(first - 1.0, down[v]))
                high = min(len(response) - 1.0, _last_before(first + STRIP - 1.0, down[v]))
                if low < high:
                    k, end = int(low) + 1, int(high) + 1
                    _spread_view(
                        spectra[v],
                        response,
                        weight[v],
                        k,
                        end,
                        along[v],
                        down[v],
                        turn[v],
                        sign[v],
                        table,
                        out,
                    )


@helper
def _add_row(source, sign, target):
    """Add half of a row of the grid: as it is for ``sign`` 1, conjugated and run backwards for -1."""
    n, half = len(target) // 2, TAPS // 2
    for j in range(n + PAD):
        column = sign * (j - half)
        if column < 0:
            column += n
        elif column >= n:
            column -= n
        target[2 * column] += 0.5 * source[2 * j]
        target[2 * column + 1] += 0.5 * sign * source[2 * j + 1]


@kernel(parallel=True)
def fold(grid, n_rows, out):
    """Half of a Hermitian spectrum of ``n_rows`` rows whose image is the real part of that of ``grid``.

    Rows and columns of ``grid`` that lie beyond the period are added where they belong; ``out`` holds rows 0
    to at most ``n_rows / 2``, complex numbers as pairs.
    """
    first = TAPS // 2
    for row in numba.prange(out.shape[0]):
        out[row] = 0
        for image in range(-1, len(grid) // n_rows + 2):
            for sign in (1, -1):
                here = image * n_rows + sign * row + first
                if 0 <= here < len(grid):
                    _add_row(grid[here], sign, out[row])
