"""Delay-and-sum of complex float32 ensembles, for processors with AVX-512.

All frames share delays and weights. A block of ``TILE`` depths and ``COLUMNS`` columns takes ``GROUP``
elements at a time. The samples these elements need lie close together: they are copied side by side, real
parts, imaginary parts and the steps to the next sample apart, into a room that stays in the first-level
cache, and there each pixel adds up to 32 frames of the group with its sums in registers. A thread works on
all columns of a tile of depths, so what is copied comes from the second-level cache. Delays are in float64,
as in the portable kernels.
"""

import math

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

LANES = 16
TILE = 16  # depths worked on together
COLUMNS = 4
PIXELS = TILE * COLUMNS
GROUP = 4  # elements worked on together
FRAMES = 32  # frames worked on together
WEIGHT, TURNED = GROUP, 2 * GROUP  # rows of the table: fractions, real and imaginary part of the weights
DEPTH, PLACE, SHOT = 0, 1, 2  # rows of the block: depth, lateral place, transmit delay
RISE, ASIDE, LATER = 0, 1, 2  # rows of the steps from its first pixel
TIE_MM = 1e-9  # as in the other kernels: rounding must not decide at the edge of the aperture

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_ROW = types.Array(types.float32, 1, "C")
_TABLE = types.Array(types.float32, 2, "C")
_PLACES = types.Array(types.int64, 2, "C")


def _load(builder, data, index):
    """The vector that starts at an index of a row of floats."""
    return builder.load(builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer()), align=4)


def _store(builder, vector, data, index):
    builder.store(vector, builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer()), align=4)


def _muladd(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _spread(builder, number):
    """One number in all lanes."""
    vector = builder.insert_element(
        ir.Constant(_FLOATS, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    lanes = ir.Constant(_INTS, [0] * LANES)
    return builder.shuffle_vector(vector, ir.Constant(_FLOATS, ir.Undefined), lanes)


def _pixels(width):
    """An intrinsic that adds one group of elements to some pixels, ``16 width`` frames each.

    Pixel ``p`` has its sums at ``sums[at + 32 width p]``, first the real then the imaginary parts. Element
    ``k`` of the group has its place in ``room`` at ``k PIXELS + p``, and there in the rows of ``table`` its
    fraction and complex weight. At a place lie the real and imaginary parts of a sample and those of the step
    to the next sample.
    """

    @intrinsic
    def add(typing, room, places, table, first, last, sums, at):
        if room != _ROW or table != _TABLE or sums != _ROW or places != _PLACES:
            return None

        def generate(context, builder, signature, arguments):
            room, places, table, first, last, sums, at = arguments
            room, sums = (make_array(_ROW)(context, builder, row).data for row in (room, sums))
            table = make_array(_TABLE)(context, builder, table).data
            places = make_array(_PLACES)(context, builder, places).data

            def number(n):
                return ir.Constant(first.type, n)

            with cgutils.for_range(builder, builder.sub(last, first)) as loop:
                pixel = builder.add(first, loop.index)
                own = builder.add(at, builder.mul(pixel, number(2 * LANES * width)))
                spots = [builder.add(own, number(LANES * q)) for q in range(2 * width)]
                totals = [_load(builder, sums, spot) for spot in spots]
                for k in range(GROUP):
                    row = builder.add(pixel, number(k * PIXELS))
                    place = builder.load(builder.gep(places, [row]))
                    f, re, im = (
                        _spread(builder, builder.load(builder.gep(table, [builder.add(row, number(part))])))
                        for part in (0, WEIGHT * PIXELS, TURNED * PIXELS)
                    )
                    less_im = builder.fneg(im)
                    for q in range(width):
                        parts = [
                            _load(builder, room, builder.add(place, number(LANES * (q + part * width))))
                            for part in range(4)
                        ]
                        a = _muladd(builder, f, parts[2], parts[0])
                        b = _muladd(builder, f, parts[3], parts[1])
                        totals[q] = _muladd(builder, re, a, totals[q])
                        totals[width + q] = _muladd(builder, re, b, totals[width + q])
                        totals[q] = _muladd(builder, less_im, b, totals[q])
                        totals[width + q] = _muladd(builder, im, a, totals[width + q])
                for spot, total in zip(spots, totals, strict=True):
                    _store(builder, total, sums, spot)
            return context.get_dummy_value()

        sizes = (types.intp, types.intp)
        return types.void(room, places, table, *sizes, sums, types.intp), generate

    return add


_add_two = _pixels(2)
_add_one = _pixels(1)


@intrinsic
def _part(typing, data, here, size, room, to, frames):
    """Part sixteen complex numbers and their steps to those ``size`` further on, ``frames`` apart."""
    if data != _ROW or room != _ROW:
        return None

    def generate(context, builder, signature, arguments):
        data, here, size, room, to, frames = arguments
        data, room = (make_array(_ROW)(context, builder, row).data for row in (data, room))
        more = ir.Constant(here.type, LANES)
        after = builder.add(here, size)
        pair = [_load(builder, data, at) for at in (here, builder.add(here, more))]
        then = [_load(builder, data, at) for at in (after, builder.add(after, more))]
        steps = [builder.fsub(b, a) for a, b in zip(pair, then, strict=True)]
        for vectors in (pair, steps):
            for odd in (0, 1):
                lanes = ir.Constant(_INTS, [2 * lane + odd for lane in range(LANES)])
                _store(builder, builder.shuffle_vector(*vectors, lanes), room, to)
                to = builder.add(to, frames)
        return context.get_dummy_value()

    sizes = (types.intp, types.intp)
    return types.void(data, *sizes, room, *sizes), generate


@intrinsic
def _write(typing, sums, at, apart, cosine, sine, keep, out, to):
    """Rotate sixteen sums, imaginary parts ``apart`` from the real ones, and write or add them in pairs."""
    if sums != _ROW or out != _ROW:
        return None

    def generate(context, builder, signature, arguments):
        sums, at, apart, cosine, sine, keep, out, to = arguments
        sums, out = (make_array(_ROW)(context, builder, row).data for row in (sums, out))
        re, im = _load(builder, sums, at), _load(builder, sums, builder.add(at, apart))
        cosine, sine = _spread(builder, cosine), _spread(builder, sine)
        turned = (
            builder.fsub(builder.fmul(cosine, re), builder.fmul(sine, im)),
            builder.fadd(builder.fmul(cosine, im), builder.fmul(sine, re)),
        )
        for half in (0, 1):
            lanes = [LANES // 2 * half + lane // 2 + LANES * (lane % 2) for lane in range(LANES)]
            pairs = builder.shuffle_vector(*turned, ir.Constant(_INTS, lanes))
            place = builder.add(to, ir.Constant(to.type, LANES * half))
            total = builder.fadd(pairs, _load(builder, out, place))
            _store(builder, builder.select(keep, total, pairs), out, place)
        return context.get_dummy_value()

    sizes = (types.intp, types.intp)
    turn = (types.float32, types.float32, types.boolean)
    return types.void(sums, *sizes, *turn, out, types.intp), generate


@helper
def _floats(n):
    """Room for ``n`` numbers that starts where a vector register likes it, at a multiple of 64 bytes."""
    room = np.zeros(n + LANES, np.float32)
    first = (64 - room.ctypes.data % 64) % 64 // 4
    return room[first : first + n]


@helper
def _turn(turns, number):
    """Cosine and sine of ``2 pi turns`` in precision ``number``, without branches.

    The power series of a quarter of the angle, then the angle doubled twice.
    """
    a = number(turns - np.rint(turns)) * number(0.5 * math.pi)  # within +-pi/4
    b = a * a
    s = number(-1 / 39916800) + b * number(1 / 6227020800)
    s = number(-1 / 5040) + b * (number(1 / 362880) + b * s)
    s = number(1) + b * (number(-1 / 6) + b * (number(1 / 120) + b * s))
    c = number(1 / 479001600) + b * number(-1 / 87178291200)
    c = number(1 / 40320) + b * (number(-1 / 3628800) + b * c)
    c = number(1) + b * (number(-1 / 2) + b * (number(1 / 24) + b * (number(-1 / 720) + b * c)))
    s *= a
    two = number(2)
    for _ in range(2):
        s, c = two * s * c, number(1) - two * s * s
    return c, s


@helper
def _delays(element_mm, block, steps, per_mm, turns, n_samples, index, table, k):
    """Sample, fraction and phase in turns of the echoes of a block at one element, -1 outside the record.

    A way is that of the first pixel plus ``(r^2 - r_0^2) / (r + r_0)``, small and so exact in float32. At
    the ends of the record, where rounding would decide what is in it, all is in float64. Loops are short of
    arrays so that they become vector code.
    """
    number, top = np.float32, np.float64(n_samples - 1)
    x0, z0, shot = block[PLACE, 0] - element_mm, block[DEPTH, 0], block[SHOT, 0]
    r0 = math.sqrt(x0 * x0 + z0 * z0)
    end = PIXELS - 1
    far = abs(block[PLACE, end] - block[PLACE, 0]) + block[DEPTH, end] - z0
    reach = far * per_mm + abs(block[SHOT, end] - shot) + abs(block[SHOT, TILE - 1] - shot) + 2.0
    whole = math.floor(shot + r0 * per_mm)
    if whole - reach < 0.0 or whole + reach > top:
        for p in range(PIXELS):
            x, z = block[PLACE, p] - element_mm, block[DEPTH, p]
            delay = math.sqrt(x * x + z * z) * per_mm
            held = min(max(block[SHOT, p] + delay, 0.0), top)
            i = np.int32(min(held, top - 1.0))
            index[k, p] = i if held == block[SHOT, p] + delay else np.int32(-1)
            table[k, p] = held - i
            table[k + TURNED, p] = turns * delay - np.rint(turns * delay)
        return
    squared, r_first, twice, scale = number(r0 * r0), number(r0), number(2.0 * x0), number(per_mm)
    for p in range(PIXELS):
        gain = steps[RISE, p] + steps[ASIDE, p] * (steps[ASIDE, p] + twice)
        table[k + TURNED, p] = scale * gain / (math.sqrt(squared + gain) + r_first)
    first, rest = np.int32(whole), number(shot + r0 * per_mm - whole)
    for p in range(PIXELS):
        late = rest + table[k + TURNED, p] + steps[LATER, p]
        index[k, p] = first + np.int32(np.floor(late))
        table[k, p] = late - np.floor(late)
    start, turn = number(turns * r0 * per_mm - np.rint(turns * r0 * per_mm)), number(turns)
    for p in range(PIXELS):
        table[k + TURNED, p] = start + turn * table[k + TURNED, p]


@helper
def _element_rows(element_mm, block, steps, aperture, per_mm, turns, n_samples, index, table, k):
    """Sample, fraction and weight of one element for the pixels of a block; sample -1 where it is not heard.

    ``aperture`` is (f-number, flat part, a0, a1, a2): the window is ``a0 + a1 cos(pi v) + a2 cos(2 pi v)``
    with ``v`` the place in the half aperture, 0 from its middle to the flat part, 1 at its edge.
    """
    f_number, flat, a0, a1, a2 = aperture
    number, twice, re, im = np.float32, 2.0 * f_number, k + WEIGHT, k + TURNED
    _delays(element_mm, block, steps, per_mm, turns, n_samples, index, table, k)
    far = max(abs(block[PLACE, 0] - element_mm), abs(block[PLACE, PIXELS - 1] - element_mm))
    if twice * far - TIE_MM > block[DEPTH, 0]:  # not heard everywhere
        for p in range(PIXELS):
            heard = twice * abs(block[PLACE, p] - element_mm) - TIE_MM <= block[DEPTH, p]
            index[k, p] = index[k, p] if heard else np.int32(-1)
    for p in range(PIXELS):
        table[re, p] = number(a0 + a1 + a2) if index[k, p] >= 0 else number(0)
    if f_number > 0.0 and (a1 != 0.0 or a2 != 0.0):
        for p in range(PIXELS):
            edge = twice * abs(block[PLACE, p] - element_mm)
            v = max(0.0, min(1.0, edge / max(block[DEPTH, p], TIE_MM)) - flat) / (1.0 - flat)
            c, _ = _turn(number(0.5 * v), number)
            window = number(a0) + number(a1) * c + number(a2) * (number(2) * c * c - number(1))
            table[re, p] = window if index[k, p] >= 0 else number(0)
    if turns != 0.0:
        for p in range(PIXELS):
            c, s = _turn(table[im, p], number)
            table[im, p] = table[re, p] * s
            table[re, p] *= c
    else:
        table[im] = number(0)


@helper
def _window(index, k, n_samples):
    """First sample of a record that pixels of a block need, and how many from there on."""
    low, high = np.uint32(n_samples), np.int32(-1)
    for p in range(PIXELS):
        low, high = min(low, np.uint32(index[k, p])), max(high, index[k, p])
    return np.int64(low), np.int64(high) - np.int64(low) + 1 if high >= 0 else 0


@helper
def _place_pixels(index, k, low, n, begin, step, places):
    """Where in the room each pixel finds its sample: in a window or, where that is long, one of its own."""
    first, none = np.int32(low), np.int32(0)
    if n > PIXELS:
        for p in range(PIXELS):
            places[k, p] = begin + p * step
    else:
        for p in range(PIXELS):
            places[k, p] = begin + max(np.int32(index[k, p] - first), none) * (step if n > 0 else 0)


@helper
def _copy(flat, record, size, index, k, low, n_samples, frames, n, room, begin):
    """Copy ``n`` complex numbers of each sample into the room, and the steps to the next samples."""
    for slot in range(min(n_samples, PIXELS)):
        sample = low + slot if n_samples <= PIXELS else max(np.int64(index[k, slot]), 0)
        here, to = record + sample * size, begin + slot * 4 * frames
        for v in range(0, n - LANES + 1, LANES):
            _part(flat, here + 2 * v, size, room, to + v, frames)
        for v in range(n - n % LANES, n):
            for part in range(2):
                value = flat[here + 2 * v + part]
                room[to + part * frames + v] = value
                room[to + (2 + part) * frames + v] = flat[here + size + 2 * v + part] - value


@helper
def _turn_back(sums, at, frames, n, cosine, sine, keep, out, to):
    """Rotate ``n`` sums of a pixel by the phase of its transmit and write them, or add them, to ``out``."""
    for v in range(0, n - LANES + 1, LANES):
        _write(sums, at + v, frames, cosine, sine, keep, out, to + 2 * v)
    for v in range(n - n % LANES, n):
        re, im = sums[at + v], sums[at + frames + v]
        for part in range(2):
            value = cosine * im + sine * re if part else cosine * re - sine * im
            out[to + 2 * v + part] = (out[to + 2 * v + part] if keep else np.float32(0)) + value


@helper
def _first_depths(block, elements_mm, e0, n, f_number, first):
    """First depth of each column at which one of ``n`` elements is heard; returns the least."""
    least = TILE
    for c in range(COLUMNS):
        nearest = math.inf
        for e in range(e0, e0 + n):
            nearest = min(nearest, abs(block[PLACE, c * TILE] - elements_mm[e]))
        j = 0
        while j < TILE and 2.0 * f_number * nearest - TIE_MM > block[DEPTH, j]:
            j += 1
        first[c], least = j, min(least, j)
    return least


@helper
def _set_block(along, across, x_mm, depths_mm, t, tile, x0, block, steps):
    """Depth, lateral place and transmit delay of the pixels of a block, and what they add to the first's.

    Columns beyond the last one repeat it. The steps are ``z^2 - z_0^2``, ``x - x_0`` and that of the delay.
    """
    for c in range(COLUMNS):
        for j in range(TILE):
            p = c * TILE + j
            block[DEPTH, p], block[PLACE, p] = depths_mm[tile + j], x_mm[min(x0 + c, x_mm.size - 1)]
            block[SHOT, p] = along[t, tile + j] + across[t] * block[PLACE, p]
            steps[RISE, p] = (block[DEPTH, p] - block[DEPTH, 0]) * (block[DEPTH, p] + block[DEPTH, 0])
            steps[ASIDE, p] = block[PLACE, p] - block[PLACE, 0]
            steps[LATER, p] = block[SHOT, p] - block[SHOT, 0]


@kernel(parallel=True)
def sum_frames_complex(
    data, along, across, x_mm, elements_mm, depths_mm, aperture, per_mm, turns, start_turns, out
):
    """Sum complex ensembles ``data (t, e, n, 2 f)`` into ``out (t or 1, z, x, 2 f)``, which may be empty.

    ``depths_mm`` and ``along`` go on to a whole number of tiles beyond the depths of ``out``. Inner loops
    make no views of arrays: counting the references to them would take longer than the sums.
    """
    n_transmits, n_elements, n_samples, size = data.shape
    n_tiles, n_frames = depths_mm.size // TILE, size // 2
    flat, images = data.reshape(data.size), out.reshape(out.size)
    for number in prange(n_tiles):
        # shallow and deep tiles in turn: a thread gets consecutive numbers, and deep ones take longer
        tile = TILE * (number // 2 if number % 2 == 0 else n_tiles - 1 - number // 2)
        depths = min(TILE, out.shape[1] - tile)
        block, steps = np.empty((3, PIXELS)), _floats(3 * PIXELS).reshape((3, PIXELS))
        table = _floats(3 * GROUP * PIXELS).reshape((3 * GROUP, PIXELS))
        index, places = np.empty((GROUP, PIXELS), np.int32), np.zeros((GROUP, PIXELS), np.int64)
        windows, first = np.empty((GROUP, 2), np.int64), np.empty(COLUMNS, np.int64)
        room, sums = _floats(4 * FRAMES * GROUP * PIXELS), _floats(2 * (n_frames + FRAMES) * PIXELS)
        for x0 in range(0, x_mm.size, COLUMNS):
            columns = min(COLUMNS, x_mm.size - x0)
            for t in range(n_transmits):
                _set_block(along, across, x_mm, depths_mm, t, tile, x0, block, steps)
                sums[:] = np.float32(0)
                for e0 in range(0, n_elements, GROUP):
                    group = min(GROUP, n_elements - e0)
                    if _first_depths(block, elements_mm, e0, group, aperture[0], first) >= depths:
                        continue
                    if group < GROUP:
                        table[:] = np.float32(0)
                    for k in range(group):
                        _element_rows(
                            elements_mm[e0 + k],
                            block,
                            steps,
                            aperture,
                            per_mm,
                            turns,
                            n_samples,
                            index,
                            table,
                            k,
                        )
                        windows[k, 0], windows[k, 1] = _window(index, k, n_samples)
                    for v in range(0, n_frames, FRAMES):
                        n = min(FRAMES, n_frames - v)
                        frames, begin = FRAMES if n > LANES else LANES, 0
                        for k in range(group):
                            low, count = windows[k, 0], windows[k, 1]
                            record = (t * n_elements + e0 + k) * n_samples * size + 2 * v
                            _place_pixels(index, k, low, count, begin, 4 * frames, places)
                            _copy(flat, record, size, index, k, low, count, frames, n, room, begin)
                            begin += min(count, PIXELS) * 4 * frames
                        for c in range(columns):
                            low, high = c * TILE + first[c], c * TILE + depths
                            if frames == FRAMES:
                                _add_two(room, places, table, low, high, sums, 2 * v * PIXELS)
                            else:
                                _add_one(room, places, table, low, high, sums, 2 * v * PIXELS)
                to, keep = min(t, out.shape[0] - 1), t > 0 and out.shape[0] == 1
                for c in range(columns):
                    for j in range(depths):
                        p = c * TILE + j
                        cosine, sine = _turn(turns * block[SHOT, p] + start_turns[t], np.float32)
                        pixel = ((to * out.shape[1] + tile + j) * out.shape[2] + x0 + c) * size
                        for v in range(0, n_frames, FRAMES):
                            n = min(FRAMES, n_frames - v)
                            frames = FRAMES if n > LANES else LANES
                            at = 2 * v * PIXELS + 2 * frames * p
                            _turn_back(sums, at, frames, n, cosine, sine, keep, images, pixel + 2 * v)
