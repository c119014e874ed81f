"""Compiled kernels of a NUFFT's plan: points sorted into tiles, their phases and weights."""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

_BLOCK = 4096


@kernel(parallel=True)
def find_tiles(bins, width, fine_shape, tile_shape, tiles):
    """The tile of the first bin that each point touches; ``bins`` is ``(point, axis)`` in fine bins."""
    n = len(tiles)
    for block in numba.prange((n + _BLOCK - 1) // _BLOCK):
        for p in range(block * _BLOCK, min(n, (block + 1) * _BLOCK)):
            tile = 0
            for axis in range(bins.shape[1]):
                first = int(np.ceil(bins[p, axis] - 0.5 * width)) % fine_shape[axis]
                tile = tile * (fine_shape[axis] // tile_shape[axis]) + first // tile_shape[axis]
            tiles[p] = tile


@kernel
def sort_tiles(tiles, starts, order):
    """Sort points by tile, those of one tile in their order; ``starts`` has one element more than tiles."""
    starts[:] = 0
    for p in range(len(tiles)):
        starts[tiles[p] + 1] += 1
    for t in range(1, len(starts)):
        starts[t] += starts[t - 1]
    following = starts.copy()
    for p in range(len(tiles)):
        t = tiles[p]
        order[following[t]] = p
        following[t] += 1


@helper
def _window(distance, coefficients, out):
    """Piecewise polynomials of the distance, one a tap, -1 to 1; highest power first."""
    for t in range(coefficients.shape[1]):
        out[t] = coefficients[0, t]
    for power in range(1, coefficients.shape[0]):
        for t in range(coefficients.shape[1]):
            out[t] = out[t] * distance + coefficients[power, t]


@kernel(parallel=True)
def place_points(bins, turns, order, width, fine_shape, tile_shape, coefficients, corners, phases, weights):
    """Corner in the tile, phase ``exp(-2 pi i turns)`` and window of every point, in sorted order."""
    n = len(order)
    for block in numba.prange((n + _BLOCK - 1) // _BLOCK):
        taps = np.empty(width)
        for q in range(block * _BLOCK, min(n, (block + 1) * _BLOCK)):
            p = order[q]
            phases[q, 0], phases[q, 1] = 1, 0
            if turns[p] != 0:
                turn = 2 * np.pi * (turns[p] - np.rint(turns[p]))
                phases[q, 0], phases[q, 1] = np.cos(turn), -np.sin(turn)
            for axis in range(bins.shape[1]):
                first = np.ceil(bins[p, axis] - 0.5 * width)
                corners[q, axis] = int(first) % fine_shape[axis] % tile_shape[axis]
                _window(2 * (first - bins[p, axis]) + width - 1, coefficients, taps)
                for t in range(width):
                    weights[q, axis, t] = taps[t]
