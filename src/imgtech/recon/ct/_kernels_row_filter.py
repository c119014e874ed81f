"""A filter of detector rows as a product with a matrix, for processors with AVX-512.

ROWS rows times VECTORS vectors of one register each are summed in registers, so that every value of the
matrix that is loaded serves ROWS multiply-adds.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import kernel

ROWS = 8
VECTORS = 3
VECTOR_BYTES = 64
_BATCH = 8 * ROWS  # rows of a task: they share what is loaded of the matrix
_FLAGS = ("contract",)


@intrinsic
def _multiply(typing, rows, first, n, panels, panel, tile):
    """ROWS rows of n values from ``rows[first]`` on times a panel of the matrix; the product is ``tile``."""

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        rows, panels, tile = (make_array(kinds[i])(context, builder, arguments[i]).data for i in (0, 3, 5))
        _, first, n, _, panel, _ = arguments
        element = rows.type.pointee
        size = signature.args[0].dtype.bitwidth // 8
        lanes = VECTOR_BYTES // size
        vector, width = ir.VectorType(element, lanes), VECTORS * lanes
        spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

        def number(value):
            return ir.Constant(first.type, value)

        def place(data, index):
            return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

        zero = ir.Constant(vector, [0.0] * lanes)
        begins = [builder.add(first, builder.mul(n, number(r))) for r in range(ROWS)]
        panel = builder.mul(panel, builder.mul(n, number(width)))
        before, loop = builder.block, builder.append_basic_block("sum")
        after = builder.append_basic_block("summed")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(first.type)
        sums = [builder.phi(vector) for _ in range(ROWS * VECTORS)]
        at = builder.add(panel, builder.mul(k, number(width)))
        factors = [
            builder.load(place(panels, builder.add(at, number(lanes * c))), align=size)
            for c in range(VECTORS)
        ]
        added = []
        for r in range(ROWS):
            value = builder.load(builder.gep(rows, [builder.add(begins[r], k)]))
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            value = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), spread)
            for c in range(VECTORS):
                product = builder.fmul(value, factors[c], flags=_FLAGS)
                added.append(builder.fadd(sums[r * VECTORS + c], product, flags=_FLAGS))
        following = builder.add(k, number(1))
        for phi, start, later in zip(
            [k, *sums], [number(0)] + [zero] * len(sums), [following, *added], strict=True
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, n), loop, after)
        builder.position_at_end(after)
        for i, total in enumerate(added):
            builder.store(total, place(tile, number(lanes * i)), align=size)
        return context.get_dummy_value()

    if any(a.layout != "C" or a.dtype != rows.dtype for a in (rows, panels, tile)):
        return None
    whole = types.intp
    return types.void(rows, whole, whole, panels, whole, tile), generate


@kernel(parallel=True)
def multiply_rows(projections, views, cosines, weights, panels, out):
    """Filter the rows of some views, weighted by ``cosines[row, channel] * weights[view, channel]``.

    ``panels`` (panel, channel, column) are VECTORS vectors of columns of the matrix each, ``out`` is
    ``(view, row, column)``.
    """
    n_views, n_rows, n_columns = out.shape
    n, width = panels.shape[1:]
    n_batches = -(-n_rows // _BATCH)
    flat = panels.reshape(-1)
    for task in numba.prange(n_views * n_batches):
        v, top = task // n_batches, task % n_batches * _BATCH
        n_used = min(_BATCH, n_rows - top)
        rows = np.zeros(_BATCH * n, out.dtype)
        tile = np.empty(ROWS * width, out.dtype)
        source = projections[views[v]]
        for r in range(n_used):
            for i in range(n):
                rows[r * n + i] = source[top + r, i] * cosines[top + r, i] * weights[v, i]
        for panel in range(panels.shape[0]):
            left = panel * width
            n_here = min(width, n_columns - left)
            for first in range(0, n_used, ROWS):
                _multiply(rows, first * n, n, flat, panel, tile)
                for r in range(min(ROWS, n_used - first)):
                    for i in range(n_here):
                        out[v, top + first + r, left + i] = tile[r * width + i]
