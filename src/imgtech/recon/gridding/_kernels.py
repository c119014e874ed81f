"""Compiled kernels of the NUFFT: between a fine periodic grid and points sorted into tiles.

The fine grid is cut into tiles of ``TILE`` by ``TILE`` bins; its sides are multiples of ``2 * TILE``. A
point belongs to the tile of the first bin that it touches; it touches ``w`` by ``w`` bins, so that a tile
and a rim of ``w`` bins hold all that its points need. Complex arrays come as real ones with the parts side
by side. The length of the tuple ``taps`` is ``w``: a length the compiler knows.
"""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

TILE = 16
_POINTS_PER_SUM = 256  # longer sums in single precision would cost accuracy in the centre of spokes


@helper
def _load(fine, first_row, first_column, side, local):
    """Copy a tile with its rim, going round at the borders of the fine grid."""
    n_rows, n_columns = fine.shape[0], fine.shape[1] // 2
    for i in range(side):
        row = fine[(first_row + i) % n_rows]
        target = local[i]
        inner = min(side, n_columns - first_column)
        for j in range(numba.uint64(2 * inner)):
            target[j] = row[numba.uint64(2 * first_column) + j]
        for j in range(numba.uint64(2 * inner), numba.uint64(2 * side)):
            target[j] = row[j - numba.uint64(2 * inner)]


@helper
def _add(local, first_row, first_column, side, fine):
    """Add a tile with its rim to the fine grid; the transpose of :func:`_load`."""
    n_rows, n_columns = fine.shape[0], fine.shape[1] // 2
    for i in range(side):
        row = fine[(first_row + i) % n_rows]
        source = local[i]
        inner = min(side, n_columns - first_column)
        for j in range(numba.uint64(2 * inner)):
            row[numba.uint64(2 * first_column) + j] += source[j]
        for j in range(numba.uint64(2 * inner), numba.uint64(2 * side)):
            row[j - numba.uint64(2 * inner)] += source[j]


@helper
def _read(local, begin, end, corners, order, phases, weights, taps, out):
    """Evaluate the points ``begin`` to ``end``, all of one tile."""
    width = numba.uint64(len(taps))
    one = numba.uint64(1)
    number = out.dtype.type
    for p in range(numba.uint64(begin), numba.uint64(end)):
        top, left = numba.uint64(corners[p, 0]), numba.uint64(2 * corners[p, 1])
        re, im = number(0), number(0)
        for i in range(width):
            row_re, row_im = number(0), number(0)
            for j in range(width):
                x = left + j + j
                row_re += weights[p, 1, j] * local[top + i, x]
                row_im += weights[p, 1, j] * local[top + i, x + one]
            re += weights[p, 0, i] * row_re
            im += weights[p, 0, i] * row_im
        k = numba.uint64(2) * numba.uint64(order[p])
        out[k] = re * phases[p, 0] - im * phases[p, 1]
        out[k + one] = re * phases[p, 1] + im * phases[p, 0]


@helper
def _write(samples, begin, end, corners, order, phases, weights, taps, local):
    """Add the points ``begin`` to ``end`` to their tile; the transpose of :func:`_read`."""
    width = numba.uint64(len(taps))
    one = numba.uint64(1)
    for p in range(numba.uint64(begin), numba.uint64(end)):
        top, left = numba.uint64(corners[p, 0]), numba.uint64(2 * corners[p, 1])
        k = numba.uint64(2) * numba.uint64(order[p])
        a, b = samples[k], samples[k + one]
        re = a * phases[p, 0] + b * phases[p, 1]
        im = b * phases[p, 0] - a * phases[p, 1]
        for i in range(width):
            row_re, row_im = weights[p, 0, i] * re, weights[p, 0, i] * im
            for j in range(width):
                x = left + j + j
                local[top + i, x] += weights[p, 1, j] * row_re
                local[top + i, x + one] += weights[p, 1, j] * row_im


@kernel(parallel=True)
def interpolate(fine, starts, corners, order, phases, weights, taps, out):
    """Evaluate every point from the bins it touches; ``out`` is written in the order of the trajectory.

    ``fine`` is ``(row, 2 * column)``; the points of tile t are ``starts[t]`` to ``starts[t + 1]``,
    with the first bin ``corners`` inside the tile, the factors ``phases`` and ``weights`` along each axis.
    """
    across = fine.shape[1] // (2 * TILE)
    for t in numba.prange(len(starts) - 1):
        if starts[t] == starts[t + 1]:
            continue
        side = TILE + len(taps)
        local = np.empty((side, 2 * side), out.dtype)
        _load(fine, t // across * TILE, t % across * TILE, side, local)
        _read(local, starts[t], starts[t + 1], corners, order, phases, weights, taps, out)


@kernel(parallel=True)
def spread(samples, starts, corners, order, phases, weights, taps, fine):
    """Add every point to the bins it touches: the adjoint of :func:`interpolate`, with the same weights.

    The tiles are done in four colours; tiles of one colour share no bin, so that every bin gets its
    additions in one order on any number of threads. ``fine`` is cleared first.
    """
    down, across = fine.shape[0] // TILE, fine.shape[1] // (2 * TILE)
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
            local = np.empty((side, 2 * side), fine.dtype)
            for begin in range(starts[t], starts[t + 1], _POINTS_PER_SUM):
                end = min(begin + _POINTS_PER_SUM, starts[t + 1])
                local[:] = 0
                _write(samples, begin, end, corners, order, phases, weights, taps, local)
                _add(local, ty * TILE, tx * TILE, side, fine)
