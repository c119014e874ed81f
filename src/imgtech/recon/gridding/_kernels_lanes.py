"""Compiled Fourier transforms of many coils at once, between them products with sensitivities and spectra.

A coil is a lane: a place holds ``LANES`` real and then ``LANES`` imaginary parts, those of ``COILS`` coils at
two neighbouring rows or columns, and every operation is one on vectors. A transform is in place and leaves
its values in the order of the reversed digits, which the copies around it undo; backwards is forwards with
real and imaginary parts exchanged. The code of a butterfly is written out when it is compiled, for any radix.
"""

import cmath
import math

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imgtech._core.jit import helper, kernel

COILS = 8
LANES = 2 * COILS
PLACE = 2 * LANES
RADICES = (8, 4, 2, 3, 5, 7, 11, 13, 17, 19, 23)


class _Vectors:
    """Code for complex numbers of ``lanes`` lanes."""

    def __init__(self, context, builder, number, lanes):
        self.context, self.builder, self.lanes = context, builder, lanes
        self.element = ir.FloatType() if number == types.float32 else ir.DoubleType()
        self.vector = ir.VectorType(self.element, lanes)
        self.align = 4 if number == types.float32 else 8

    def data(self, array_type, value):
        return make_array(array_type)(self.context, self.builder, value).data

    def later(self, index, steps):
        return self.builder.add(index, ir.Constant(index.type, steps))

    def at(self, data, index):
        return self.builder.bitcast(self.builder.gep(data, [index]), self.vector.as_pointer())

    def load(self, data, index):
        return self.builder.load(self.at(data, index), align=self.align)

    def store(self, value, data, index):
        self.builder.store(value, self.at(data, index), align=self.align)

    def scalar(self, data, index):
        return self.everywhere(self.builder.load(self.builder.gep(data, [index])))

    def everywhere(self, scalar):
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(one, nothing, lanes)

    def number(self, value):
        return ir.Constant(self.vector, [value] * self.lanes)

    def plus(self, a, b):
        return self.builder.fadd(a, b, flags=("contract",))

    def minus(self, a, b):
        return self.builder.fsub(a, b, flags=("contract",))

    def times(self, a, b):
        return self.builder.fmul(a, b, flags=("contract",))

    def add(self, a, b):
        return self.plus(a[0], b[0]), self.plus(a[1], b[1])

    def subtract(self, a, b):
        return self.minus(a[0], b[0]), self.minus(a[1], b[1])

    def turn(self, a, c, s):
        """The complex product of ``a`` and ``c + i s``."""
        return (
            self.minus(self.times(a[0], c), self.times(a[1], s)),
            self.plus(self.times(a[1], c), self.times(a[0], s)),
        )

    def turn_by(self, a, part):
        """The product of ``a`` and ``exp(-2 pi i part)``."""
        quarter = part % 1 * 4
        if quarter == int(quarter):
            re, im = a
            zero = self.number(0.0)
            return (
                a,
                (im, self.minus(zero, re)),
                (self.minus(zero, re), self.minus(zero, im)),
                (self.minus(zero, im), re),
            )[int(quarter)]
        factor = cmath.exp(-2j * math.pi * part)
        return self.turn(a, self.number(factor.real), self.number(factor.imag))

    def transform(self, values):
        """The discrete Fourier transform of a list of complex numbers."""
        n = len(values)
        first = next((p for p in range(2, n) if n % p == 0), n)
        if first == n:
            return self.prime(values)
        rest = n // first
        parts = [self.transform(values[i::first]) for i in range(first)]
        out = [None] * n
        for k in range(rest):
            turned = [self.turn_by(parts[i][k], i * k / n) for i in range(first)]
            out[k::rest] = self.transform(turned)
        return out

    def prime(self, values):
        n = len(values)
        if n == 2:
            return [self.add(*values), self.subtract(*values)]
        half = range(1, n // 2 + 1)
        sums = [self.add(values[j], values[n - j]) for j in half]
        differences = [self.subtract(values[j], values[n - j]) for j in half]
        out = [values[0]] * n
        for total in sums:
            out[0] = self.add(out[0], total)
        for k in half:
            even, odd = values[0], None
            for j, total, difference in zip(half, sums, differences, strict=True):
                c = self.number(math.cos(2 * math.pi * (j * k % n) / n))
                s = self.number(math.sin(2 * math.pi * (j * k % n) / n))
                even = tuple(self.plus(a, self.times(b, c)) for a, b in zip(even, total, strict=True))
                term = tuple(self.times(b, s) for b in difference)
                odd = term if odd is None else self.add(odd, term)
            out[k] = self.plus(even[0], odd[1]), self.minus(even[1], odd[0])
            out[n - k] = self.minus(even[0], odd[1]), self.plus(even[1], odd[0])
        return out


def _butterfly(radix):
    """A butterfly of places ``step`` apart from ``first`` on, its rotations behind it."""

    @intrinsic
    def butterfly(typing, places, first, step, real, imaginary, turns, at):
        def generate(context, builder, signature, arguments):
            code = _Vectors(context, builder, places.dtype, LANES)
            target, factors = code.data(places, arguments[0]), code.data(turns, arguments[5])
            index, step, real, imaginary = arguments[1:5]
            where, values = [], []
            for _ in range(radix):
                where.append((builder.add(index, real), builder.add(index, imaginary)))
                values.append(tuple(code.load(target, w) for w in where[-1]))
                index = builder.add(index, step)
            for k, value in enumerate(code.transform(values)):
                turned = value
                if k:
                    c = code.scalar(factors, code.later(arguments[6], 2 * k - 2))
                    s = code.scalar(factors, code.later(arguments[6], 2 * k - 1))
                    turned = code.turn(value, c, s)
                for w, part in zip(where[k], turned, strict=True):
                    code.store(part, target, w)
            return context.get_dummy_value()

        index = types.intp
        return types.void(places, index, index, index, index, turns, index), generate

    return butterfly


@intrinsic
def _see(typing, re, im, maps, at, places, to):
    """Write the product of one number and the sensitivities of ``COILS`` coils."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, places.dtype, COILS)
        source, target = code.data(maps, arguments[2]), code.data(places, arguments[4])
        value = code.load(source, arguments[3]), code.load(source, code.later(arguments[3], COILS))
        product = code.turn(value, code.everywhere(arguments[0]), code.everywhere(arguments[1]))
        code.store(product[0], target, arguments[5])
        code.store(product[1], target, code.later(arguments[5], LANES))
        return context.get_dummy_value()

    return types.void(places.dtype, places.dtype, maps, types.intp, places, types.intp), generate


@intrinsic
def _sum(typing, places, at, maps, m):
    """The sum over ``COILS`` coils of values times conjugate sensitivities, real and imaginary part."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, places.dtype, COILS)
        source, factors = code.data(places, arguments[0]), code.data(maps, arguments[2])
        value = code.load(source, arguments[1]), code.load(source, code.later(arguments[1], LANES))
        c = code.load(factors, arguments[3])
        s = code.minus(code.number(0.0), code.load(factors, code.later(arguments[3], COILS)))
        sums = []
        for part in code.turn(value, c, s):
            rest = [builder.extract_element(part, ir.Constant(ir.IntType(32), i)) for i in range(COILS)]
            while len(rest) > 1:
                rest = [code.plus(a, b) for a, b in zip(rest[::2], rest[1::2], strict=True)]
            sums.append(rest[0])
        return context.make_tuple(builder, signature.return_type, sums)

    return types.UniTuple(places.dtype, 2)(places, types.intp, maps, types.intp), generate


@intrinsic
def _move(typing, source, at, target, to):
    """Copy the parts of ``COILS`` coils from one place to another."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, source.dtype, COILS)
        here, there = code.data(source, arguments[0]), code.data(target, arguments[2])
        for part in (0, LANES):
            value = code.load(here, code.later(arguments[1], part))
            code.store(value, there, code.later(arguments[3], part))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), generate


@intrinsic
def _weigh(typing, source, at, weight, data, where, target, to, squares):
    """``weight`` times the parts of ``COILS`` coils less their data; add up the squares of the coils."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, source.dtype, COILS)
        here, there = code.data(source, arguments[0]), code.data(target, arguments[5])
        given, sums = code.data(data, arguments[3]), code.data(squares, arguments[7])
        weight, zero = code.everywhere(arguments[2]), ir.Constant(types_index, 0)
        total = code.load(sums, zero)
        for part in (0, LANES):
            value = code.times(weight, code.load(here, code.later(arguments[1], part)))
            value = code.minus(value, code.load(given, code.later(arguments[4], part)))
            code.store(value, there, code.later(arguments[6], part))
            total = code.plus(total, code.times(value, value))
        code.store(total, sums, zero)
        return context.get_dummy_value()

    types_index = ir.IntType(types.intp.bitwidth)
    index, number = types.intp, source.dtype
    return types.void(source, index, number, data, index, target, index, squares), generate


@intrinsic
def _scale(typing, source, at, weight, target, to):
    """``weight`` times the parts of ``COILS`` coils."""

    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, source.dtype, COILS)
        here, there = code.data(source, arguments[0]), code.data(target, arguments[3])
        weight = code.everywhere(arguments[2])
        for part in (0, LANES):
            value = code.times(weight, code.load(here, code.later(arguments[1], part)))
            code.store(value, there, code.later(arguments[4], part))
        return context.get_dummy_value()

    return types.void(source, types.intp, source.dtype, target, types.intp), generate


def _all_butterflies(radix):
    butterfly = _butterfly(radix)

    @helper
    def run(places, size, real, imaginary, turns, at):
        step = size // radix
        for j in range(step):
            for start in range(0, len(places) // PLACE, size):
                first = (start + j) * PLACE
                butterfly(places, first, step * PLACE, real, imaginary, turns, at + 2 * j * (radix - 1))

    return run


_pass2, _pass3, _pass4, _pass5, _pass7, _pass8 = (_all_butterflies(r) for r in (2, 3, 4, 5, 7, 8))
_pass11, _pass13, _pass17, _pass19, _pass23 = (_all_butterflies(r) for r in (11, 13, 17, 19, 23))


@helper
def _transform(places, radices, turns, real, imaginary):
    """Transform along the places; parts at ``real`` and ``imaginary`` in each of them."""
    size, at = len(places) // PLACE, 0
    for radix in radices:
        if radix == 2:
            _pass2(places, size, real, imaginary, turns, at)
        elif radix == 3:
            _pass3(places, size, real, imaginary, turns, at)
        elif radix == 4:
            _pass4(places, size, real, imaginary, turns, at)
        elif radix == 5:
            _pass5(places, size, real, imaginary, turns, at)
        elif radix == 7:
            _pass7(places, size, real, imaginary, turns, at)
        elif radix == 8:
            _pass8(places, size, real, imaginary, turns, at)
        elif radix == 11:
            _pass11(places, size, real, imaginary, turns, at)
        elif radix == 13:
            _pass13(places, size, real, imaginary, turns, at)
        elif radix == 17:
            _pass17(places, size, real, imaginary, turns, at)
        elif radix == 19:
            _pass19(places, size, real, imaginary, turns, at)
        else:
            _pass23(places, size, real, imaginary, turns, at)
        at += 2 * (size - size // radix)
        size //= radix


@helper
def _rows(g, pair, back, image, maps, wide, across, first, grid, out):
    """Two rows: from the image through the coils to the grid, or back."""
    (ny, nx), (radices, turns, order) = image.shape, across
    n_rows = min(2, ny - 2 * pair)
    line = np.zeros(wide * PLACE, grid.dtype)
    if back:
        for f in range(wide):
            at = (f // 2 * ny + 2 * pair) * PLACE + f % 2 * COILS
            for h in range(n_rows):
                _move(grid, at + h * PLACE, line, f * PLACE + h * COILS)
    else:
        for h in range(n_rows):
            x = first
            for i in range(nx):
                value, m = image[2 * pair + h, i], ((g * ny + 2 * pair + h) * nx + i) * LANES
                _see(value.real, value.imag, maps, m, line, x * PLACE + h * COILS)
                x = x + 1 if x + 1 < wide else 0
    _transform(line, radices, turns, back * LANES, LANES - back * LANES)
    for p in range(wide):
        if back:
            x = (order[p] - first) % wide
            if x < nx:
                for h in range(n_rows):
                    m = ((g * ny + 2 * pair + h) * nx + x) * LANES
                    re, im = _sum(line, p * PLACE + h * COILS, maps, m)
                    out[2 * pair + h, x] += re + 1j * im
        else:
            to = (order[p] // 2 * ny + 2 * pair) * PLACE + order[p] % 2 * COILS
            for h in range(n_rows):
                _move(line, p * PLACE + h * COILS, grid, to + h * PLACE)


@helper
def _columns(g, q, ny, spectrum, data, down, first, grid, squares):
    """Two columns: transform, multiply, subtract the data, transform back."""
    (wide, high), (radices, turns, order) = spectrum.shape, down
    start, place = q * ny * PLACE, first * PLACE
    lines = np.zeros((2, high * PLACE), grid.dtype)
    sums = np.zeros(COILS, grid.dtype)
    for i in range(ny):
        for h in range(2):
            _move(grid, start + i * PLACE + h * COILS, lines[0], place + h * COILS)
        place = place + PLACE if place + PLACE < high * PLACE else 0
    for back in range(2):
        _transform(lines[back], radices, turns, back * LANES, LANES - back * LANES)
        for p in range(high):
            y = (order[p] - first) % high
            for h in range(2):
                at, to = p * PLACE + h * COILS, order[p] * PLACE + h * COILS
                if back:
                    if y < ny:
                        _move(lines[1], at, grid, start + y * PLACE + h * COILS)
                elif 2 * q + h < wide:
                    weight = spectrum[2 * q + h, order[p]]
                    if len(data) == 0:
                        _scale(lines[0], at, weight, lines[1], to)
                    else:
                        where = (g * ((wide + 1) // 2) + q) * high * PLACE + to
                        _weigh(lines[0], at, weight, data, where, lines[1], to, sums)
    for c in range(COILS):
        squares[g, q, c] = sums[c]


@kernel(parallel=True)
def coil_normal(image, maps, spectrum, data, down, across, first, grid, squares, out):
    """Into all coils, transform, multiply by a spectrum, subtract data, transform back, combine.

    ``image (y, x)`` is complex; ``maps`` flat ``(group, y, x, part, COILS)``; ``spectrum (kx, ky)``; ``data``
    flat ``(group, kx // 2, ky, PLACE)`` or empty; ``down`` and ``across`` the radices, rotations and reversed
    digits of both axes; ``first`` the place of the first pixel; ``grid`` flat ``(kx // 2, y, PLACE)`` work
    space; ``squares (group, kx // 2, COILS)`` the sums of squares once the data were subtracted; ``out`` like
    ``image``.
    """
    ny, wide = len(image), len(spectrum)
    out[:] = 0
    for g in range(squares.shape[0]):
        for back in range(2):
            for pair in numba.prange((ny + 1) // 2):
                _rows(g, pair, back, image, maps, wide, across, first[1], grid, out)
            if not back:
                for q in numba.prange((wide + 1) // 2):
                    _columns(g, q, ny, spectrum, data, down, first[0], grid, squares)
