"""Compiled kernels of parallel-beam CT: no gathers, one addition per pixel and view.

All of them speak of *fine samples*: points on the detector line at ``PHASES`` per pixel step, the same
for every pixel row of a view, so that neighbouring pixels of a row are exactly ``PHASES`` fine samples
apart. An array of fine samples has shape ``(view, PHASES, n)``: fine sample k is stored at
``[k % PHASES, k // PHASES]``, and a pixel row meets one contiguous run of one phase. Where that run
begins, :func:`_first_fine_sample` says: for the back-projection and for its transpose. Views that are
better served by the columns of the image work on its transpose; both kinds run in one launch.
"""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel

PHASES = 8
VIEWS_PER_PASS = 8
_VIEW_BLOCK = 16
_ROW_TILE = 64
_ALMOST_ONE = 1.0 - 1e-9  # rounds up to the next sample, unless the sample itself is meant


@helper
def _first_fine_sample(start, slope, row):
    """Fine sample nearest to the first pixel of ``row``."""
    return int(start + slope * row + 0.5)


@helper
def _overlap(distance, pixel_width, channel_width):
    """Length that two intervals share whose centres are ``distance`` apart."""
    shared = 0.5 * (pixel_width + channel_width) - abs(distance)
    return max(0.0, min(shared, min(pixel_width, channel_width)))


@kernel(parallel=True)
def resample(projections, views, start, step, weight, low, high, out):
    """Evaluate projections at the fine samples by linear interpolation, zero off the detector.

    Row v of ``out`` is made of row ``views[v]`` of ``projections``, zeros for -1. The detector reaches from
    sample ``low`` to ``high``. Fine sample k lies at sample ``start + k * step``; it counts when it is the
    nearest one to some point on the detector. The result is multiplied by ``weight``.
    """
    phases, n = out.shape[1:]
    end = projections.shape[1] - 2.0
    number = out.dtype.type
    for v in numba.prange(len(views)):
        if views[v] < 0:
            out[v] = 0
            continue
        source = projections[views[v]]
        scale = number(weight[views[v]])
        stride = step[v] * phases
        left = max(0.0, low - 0.5 * abs(step[v]))
        right = min(end, high + 0.5 * abs(step[v]))
        for phase in range(phases):
            target = out[v, phase]
            begin = start[v] + phase * step[v]
            enter = min((left - begin) / stride, (right - begin) / stride)
            leave = max((left - begin) / stride, (right - begin) / stride)
            first = numba.uint64(min(max(0.0, enter + _ALMOST_ONE), n))
            stop = numba.uint64(max(first, min(n, leave + 2.0 - _ALMOST_ONE)))
            for j in range(numba.uint64(0), first):
                target[j] = 0
            for j in range(first, stop):
                position = begin + numba.int64(j) * stride
                i = numba.uint64(numba.int64(position))
                fraction = number(position - numba.int64(position))
                here = source[i]
                target[j] = scale * (here + fraction * (source[i + numba.uint64(1)] - here))
            for j in range(stop, numba.uint64(n)):
                target[j] = 0


@helper
def _add_tile(fine, start, slope, tile, out):
    """Add fine samples to one tile of rows; blocks of views keep them in the second-level cache."""
    n_views = fine.shape[0]
    n_rows, n_columns = out.shape
    for block in range(0, n_views, _VIEW_BLOCK):
        for y in range(tile * _ROW_TILE, min(n_rows, (tile + 1) * _ROW_TILE)):
            row = out[y]
            for v in range(block, min(n_views, block + _VIEW_BLOCK), VIEWS_PER_PASS):
                k = _first_fine_sample(start[v], slope[v], y)
                a = fine[v, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 1], slope[v + 1], y)
                b = fine[v + 1, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 2], slope[v + 2], y)
                c = fine[v + 2, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 3], slope[v + 3], y)
                d = fine[v + 3, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 4], slope[v + 4], y)
                e = fine[v + 4, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 5], slope[v + 5], y)
                f = fine[v + 5, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 6], slope[v + 6], y)
                g = fine[v + 6, k % PHASES, k // PHASES :]
                k = _first_fine_sample(start[v + 7], slope[v + 7], y)
                h = fine[v + 7, k % PHASES, k // PHASES :]
                for x in range(numba.uint64(n_columns)):
                    row[x] += ((a[x] + b[x]) + (c[x] + d[x])) + ((e[x] + f[x]) + (g[x] + h[x]))


@kernel(parallel=True)
def add_rows(fine, start, slope, n_by_rows, image, transposed):
    """Add to every pixel the fine sample nearest to it in each view.

    The first ``n_by_rows`` views add to ``image``, the others to ``transposed``; both numbers are multiples
    of ``VIEWS_PER_PASS``. The order of additions at a pixel does not depend on the tiles.
    """
    n_tiles = (max(image.shape[0], transposed.shape[0]) + _ROW_TILE - 1) // _ROW_TILE
    for i in numba.prange(2 * n_tiles):
        if i % 2 == 0:
            _add_tile(fine[:n_by_rows], start[:n_by_rows], slope[:n_by_rows], i // 2, image)
        else:
            _add_tile(fine[n_by_rows:], start[n_by_rows:], slope[n_by_rows:], i // 2, transposed)


@helper
def _collect_view(image, start, slope, out):
    for y in range(image.shape[0]):
        k = _first_fine_sample(start, slope, y)
        row = image[y]
        target = out[k % PHASES, k // PHASES :]
        for x in range(numba.uint64(image.shape[1])):
            target[x] += row[x]


@kernel(parallel=True)
def collect_rows(image, transposed, n_by_rows, start, slope, out):
    """Add every pixel to the fine sample nearest to it in each view: the transpose of :func:`add_rows`."""
    for v in numba.prange(out.shape[0]):
        out[v] = 0
        if v < n_by_rows:
            _collect_view(image, start[v], slope[v], out[v])
        else:
            _collect_view(transposed, start[v], slope[v], out[v])


@kernel(parallel=True)
def fine_to_channels(fine, views, start, step, channel_width, scale, out):
    """Integrate pixels that lie at fine samples over the width of every channel.

    Lengths are in channel spacings: fine sample k lies at ``start + k * step``, channel j at j, and the
    shadow of a pixel is a box of ``PHASES`` steps with the integral 1. Row ``views[v]`` of ``out`` gets the
    mean over each channel times ``scale``; entries of -1 are passed over.
    """
    n_fine = fine.shape[1] * fine.shape[2]
    n_channels = out.shape[1]
    for v in numba.prange(len(views)):
        if views[v] < 0:
            continue
        pixel_width = PHASES * abs(step[v])
        reach = 0.5 * (pixel_width + channel_width)
        factor = scale / (pixel_width * channel_width)
        for j in range(n_channels):
            one = (j - reach - start[v]) / step[v]
            other = (j + reach - start[v]) / step[v]
            low = int(max(0.0, min(one, other) + 1.0))
            high = int(min(n_fine - 1.0, max(one, other)) + 1.0)
            total = 0.0
            for k in range(low, high):
                weight = _overlap(start[v] + k * step[v] - j, pixel_width, channel_width)
                total += weight * fine[v, k % PHASES, k // PHASES]
            out[views[v], j] = total * factor


@kernel(parallel=True)
def channels_to_fine(sinogram, views, start, step, channel_width, scale, out):
    """Transpose of :func:`fine_to_channels`: the same weights, summed over channels."""
    n_fine = out.shape[1] * out.shape[2]
    n_channels = sinogram.shape[1]
    for v in numba.prange(len(views)):
        if views[v] < 0:
            out[v] = 0
            continue
        source = sinogram[views[v]]
        pixel_width = PHASES * abs(step[v])
        reach = 0.5 * (pixel_width + channel_width)
        factor = scale / (pixel_width * channel_width)
        in_order = np.zeros(n_fine)
        for j in range(n_channels):
            one = (j - reach - start[v]) / step[v]
            other = (j + reach - start[v]) / step[v]
            low = int(max(0.0, min(one, other) + 1.0))
            high = int(min(n_fine - 1.0, max(one, other)) + 1.0)
            value = factor * source[j]
            for k in range(numba.uint64(low), numba.uint64(max(low, high))):
                distance = start[v] + numba.int64(k) * step[v] - j
                in_order[k] += value * _overlap(distance, pixel_width, channel_width)
        for phase in range(PHASES):
            for i in range(out.shape[2]):
                out[v, phase, i] = in_order[PHASES * i + phase]


@kernel
def columns_seen(y_mm, cos, sin, low_mm, high_mm, out):
    """Range of x that the detector of every view sees in each row: ``out`` is ``(row, 2)``."""
    for row in range(len(y_mm)):
        left, right = -numba.float64(1e300), numba.float64(1e300)
        for v in range(len(cos)):
            one = (low_mm - y_mm[row] * sin[v]) / cos[v]
            other = (high_mm - y_mm[row] * sin[v]) / cos[v]
            left = max(left, min(one, other))
            right = min(right, max(one, other))
        out[row, 0] = left
        out[row, 1] = right
