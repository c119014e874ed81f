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
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

PHASES = 8
_VIEWS_PER_PASS = 8  # with their phases and a tile of columns they fill the first-level cache
_ROW_TILE = 128
_JOIN_TILE = 32
_SLIVER = 2.0**-10  # of a sample: keeps rounded positions from falling below the first one
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


def _view_adder(n_vectors, lanes):
    """Make a function that keeps ``n_vectors`` vectors of an image row in registers while it adds views.

    Written with vectors because a loop over views in Python would load and store the row once per view.
    """

    @intrinsic
    def add_views(typing, fine, runs, n_views, row, x):
        """``row[x + i] += sum of fine[runs[v] + x + i]`` over ``v < n_views``, view after view."""

        def generate(context, builder, signature, arguments):
            fine, runs, n_views, row, x = arguments
            places = [make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 1, 3)]
            number, index = context.get_data_type(signature.args[0].dtype), ir.IntType(64)
            vector = ir.VectorType(number, lanes).as_pointer()
            align = 4 if isinstance(number, ir.FloatType) else 8

            def vectors(place):
                steps = [builder.gep(place, [index(lanes * i)]) for i in range(n_vectors)]
                return [builder.bitcast(step, vector) for step in steps]

            begin, targets = builder.gep(places[0], [x]), vectors(builder.gep(places[2], [x]))
            sums = [builder.load(target, align=align) for target in targets]
            before, loop = builder.block, builder.append_basic_block("views")
            after = builder.append_basic_block("after_views")
            builder.branch(loop)
            builder.position_at_end(loop)
            phis = [builder.phi(value.type) for value in (n_views, *sums)]
            run = builder.load(builder.gep(places[1], [phis[0]]))
            read = [builder.load(p, align=align) for p in vectors(builder.gep(begin, [run]))]
            added = [builder.add(phis[0], index(1))]
            added += [builder.fadd(phi, value) for phi, value in zip(phis[1:], read, strict=True)]
            for phi, first, later in zip(phis, (index(0), *sums), added, strict=True):
                phi.add_incoming(first, before)
                phi.add_incoming(later, loop)
            builder.cbranch(builder.icmp_signed("<", added[0], n_views), loop, after)
            builder.position_at_end(after)
            for value, target in zip(added[1:], targets, strict=True):
                builder.store(value, target, align=align)
            return context.get_dummy_value()

        return types.void(fine, runs, types.int64, row, types.int64), generate

    return add_views


_LANES = 8
_WIDE = 8 * _LANES
_add_wide = _view_adder(8, _LANES)
_add_vector = _view_adder(1, _LANES)
_add_one = _view_adder(1, 1)


@kernel(parallel=True)
def resample(projections, start, step, weight, low, high, out):
    """Evaluate projections at the fine samples by linear interpolation, zero off the detector.

    Row v of ``out`` is made of row v of ``projections``. The detector reaches from sample ``low`` to
    ``high``. Fine sample k lies at sample ``start + k * step``; it counts when it is the nearest one to some
    point on the detector. The result is multiplied by ``weight``. Positions along a phase are whole
    numbers, in units of 2^-32 of a sample (2^-40 in double precision): processors split those into sample
    and fraction faster than floating-point numbers.
    """
    phases, n = out.shape[1:]
    end = projections.shape[1] - 2.0
    number = out.dtype.type
    bits = numba.uint64(32 if out.itemsize == 4 else 40)
    unit = 2.0 ** numba.float64(bits)
    mask = (numba.uint64(1) << bits) - numba.uint64(1)
    one, part = numba.uint64(1), number(1.0 / unit)
    for v in numba.prange(len(out)):
        source = projections[v]
        scale = number(weight[v])
        stride = step[v] * phases
        left = max(_SLIVER, low - 0.5 * abs(step[v]))
        right = min(end, high + 0.5 * abs(step[v]))
        for phase in range(phases):
            target = out[v, phase]
            begin = start[v] + phase * step[v]
            enter = min((left - begin) / stride, (right - begin) / stride)
            leave = max((left - begin) / stride, (right - begin) / stride)
            first = numba.int64(min(max(0.0, enter + _ALMOST_ONE), n))
            stop = numba.int64(max(first, min(n, leave + 2.0 - _ALMOST_ONE)))
            target[:first] = 0
            target[stop:] = 0
            inner = target[first:stop]
            offset, stride_units = numba.int64((begin + first * stride) * unit), numba.int64(stride * unit)
            for j in range(len(inner)):
                position = numba.uint64(offset + j * stride_units)
                i = position >> bits
                fraction = number(numba.int64(position & mask)) * part
                here = source[i]
                inner[j] = scale * (here + fraction * (source[i + one] - here))


@helper
def _add_tile(fine, start, slope, first, tile, runs, out):
    """Add the views from ``first`` on to one tile of rows.

    A pass over a tile takes few views and few columns, so that the fine samples of all phases stay in
    the first-level cache from row to row.
    """
    n_rows, n_columns = out.shape
    stride = fine.shape[1] * fine.shape[2]
    samples = fine.reshape(fine.size)
    top, bottom = tile * _ROW_TILE, min(n_rows, (tile + 1) * _ROW_TILE)
    for block in range(0, len(start), _VIEWS_PER_PASS):
        n_views = min(_VIEWS_PER_PASS, len(start) - block)
        for y in range(top, bottom):
            for v in range(n_views):
                k = _first_fine_sample(start[block + v], slope[block + v], y)
                runs[y - top, v] = (first + block + v) * stride + k % PHASES * fine.shape[2] + k // PHASES
        x = 0
        while x + _WIDE <= n_columns:
            for y in range(top, bottom):
                _add_wide(samples, runs[y - top], n_views, out[y], x)
            x += _WIDE
        while x + _LANES <= n_columns:
            for y in range(top, bottom):
                _add_vector(samples, runs[y - top], n_views, out[y], x)
            x += _LANES
        while x < n_columns:
            for y in range(top, bottom):
                _add_one(samples, runs[y - top], n_views, out[y], x)
            x += 1


@kernel(parallel=True)
def add_rows(fine, start, slope, n_by_rows, image, transposed):
    """Add to every pixel the fine sample nearest to it in each view.

    The first ``n_by_rows`` views add to ``image``, the others to ``transposed``. The order of additions at
    a pixel is that of the views.
    """
    n_tiles = (max(image.shape[0], transposed.shape[0]) + _ROW_TILE - 1) // _ROW_TILE
    for i in numba.prange(2 * n_tiles):
        runs = np.empty((_ROW_TILE, _VIEWS_PER_PASS), np.int64)
        if i % 2 == 0:
            _add_tile(fine, start[:n_by_rows], slope[:n_by_rows], 0, i // 2, runs, image)
        else:
            _add_tile(fine, start[n_by_rows:], slope[n_by_rows:], n_by_rows, i // 2, runs, transposed)


@kernel(parallel=True)
def join(transposed, seen, image):
    """Add ``transposed`` to ``image``, and clear rows outside columns ``seen[y, 0]`` to ``seen[y, 1]``."""
    n_rows, n_columns = image.shape
    for tile in numba.prange((n_rows + _JOIN_TILE - 1) // _JOIN_TILE):
        top, bottom = tile * _JOIN_TILE, min(n_rows, (tile + 1) * _JOIN_TILE)
        for left in range(0, n_columns, _JOIN_TILE):
            for y in range(top, bottom):
                for x in range(left, min(n_columns, left + _JOIN_TILE)):
                    inside = seen[y, 0] <= x < seen[y, 1]
                    image[y, x] = image[y, x] + transposed[x, y] if inside else 0.0


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
    mean over each channel times ``scale``.
    """
    n_fine = fine.shape[1] * fine.shape[2]
    n_channels = out.shape[1]
    for v in numba.prange(len(views)):
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


@kernel(parallel=True)
def columns_seen(y_mm, cos, sin, low_mm, high_mm, out):
    """Range of x that the detector of every view sees in each row: ``out`` is ``(row, 2)``."""
    for row in numba.prange(len(y_mm)):
        left, right = -numba.float64(1e300), numba.float64(1e300)
        for v in range(len(cos)):
            one = (low_mm - y_mm[row] * sin[v]) / cos[v]
            other = (high_mm - y_mm[row] * sin[v]) / cos[v]
            left = max(left, min(one, other))
            right = min(right, max(one, other))
        out[row, 0] = left
        out[row, 1] = right
