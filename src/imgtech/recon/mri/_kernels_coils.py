"""Compiled steps between the Fourier transforms of all coils: sensitivities, sampled places, data.

Coil arrays are ``(coil, y, x)`` with the origin in the first corner, images ``(y, x)`` with the origin at
sample ``n // 2``.
"""

import numba
import numpy as np

from imgtech._core.jit import helper, kernel


@helper
def _add_product(image, conjugated, out):
    for x in range(len(out)):
        a, b = image[x], conjugated[x]
        re = a.real * b.real + a.imag * b.imag
        im = a.imag * b.real - a.real * b.imag
        out[x] += re + 1j * im


@kernel(parallel=True)
def to_coils(image, maps, out):
    """What every coil sees: ``out = maps * image``."""
    n_coils, ny, nx = maps.shape
    first, rest = nx // 2, nx - nx // 2
    for k in numba.prange(n_coils * ny):
        c, y = k // ny, k % ny
        row = image[(y + ny // 2) % ny]
        for x in range(rest):
            out[c, y, x] = maps[c, y, x] * row[first + x]
        for x in range(first):
            out[c, y, rest + x] = maps[c, y, rest + x] * row[x]


@kernel(parallel=True)
def from_coils(images, maps, out):
    """The adjoint of :func:`to_coils`."""
    n_coils, ny, nx = maps.shape
    first, rest = nx // 2, nx - nx // 2
    for y in numba.prange(ny):
        row = out[(y + ny // 2) % ny]
        row[:] = 0
        for c in range(n_coils):
            _add_product(images[c, y, :rest], maps[c, y, :rest], row[first:])
            _add_product(images[c, y, rest:], maps[c, y, rest:], row[:first])


@kernel(parallel=True)
def subtract_data(values, sampled, data, squares):
    """``values = sampled * values - data``, and the sum of squares of every row of every coil."""
    n_coils, ny, nx = values.shape
    for k in numba.prange(n_coils * ny):
        c, y = k // ny, k % ny
        total = np.zeros(1, sampled.dtype)[0]
        for x in range(nx):
            difference = sampled[y, x] * values[c, y, x] - data[c, y, x]
            values[c, y, x] = difference
            total += difference.real * difference.real + difference.imag * difference.imag
        squares[k] = total
