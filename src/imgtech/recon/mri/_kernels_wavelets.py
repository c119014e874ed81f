"""Compiled orthonormal wavelet transform of a periodic image, and shrinkage of its details.

Images are ``(y, x)`` with the parts of a complex number side by side, ``(y, 2 * x)`` real numbers. With a
filter h of F taps the averages of a row of n samples are

    a[k] = sum_j h[j] x[(2 k + F / 2 - j) mod n],

the details likewise; the inverse is the transpose.
"""

import numpy as np

from imgtech._core.jit import helper, kernel


@helper
def _down(image, n, m, low, high, out):
    """Averages and details along y of the first n rows and m columns."""
    taps = len(low)
    for k in range(n // 2):
        average, detail = out[k, : 2 * m], out[n // 2 + k, : 2 * m]
        average[:] = 0
        detail[:] = 0
        for j in range(taps):
            row = image[(2 * k + taps // 2 - j) % n, : 2 * m]
            for q in range(2 * m):
                average[q] += low[j] * row[q]
                detail[q] += high[j] * row[q]


@helper
def _up(image, n, m, low, high, out):
    """The transpose of :func:`_down`."""
    taps, half = len(low), n // 2
    for y in range(n):
        row = out[y, : 2 * m]
        row[:] = 0
        for j in range((taps // 2 - y) % 2, taps, 2):
            k = (y - taps // 2 + j) // 2 % half
            average, detail = image[k, : 2 * m], image[half + k, : 2 * m]
            for q in range(2 * m):
                row[q] += low[j] * average[q] + high[j] * detail[q]


@helper
def _across(image, n, m, low, high, work, out):
    """Averages and details along x of the first n rows and m columns."""
    taps, half = len(low), m // 2
    before = taps // 4 + 1
    for y in range(n):
        for b in range(2):  # even and odd samples, with as many of the other end as the filter needs
            for t in range(half + 2 * before):
                x = (2 * (t - before) + b) % m
                work[b, 2 * t] = image[y, 2 * x]
                work[b, 2 * t + 1] = image[y, 2 * x + 1]
        average, detail = out[y, :m], out[y, m : 2 * m]
        average[:] = 0
        detail[:] = 0
        for j in range(taps):
            b = (taps // 2 - j) % 2
            start = 2 * ((taps // 2 - j - b) // 2 + before)
            row = work[b, start : start + m]
            for q in range(m):
                average[q] += low[j] * row[q]
                detail[q] += high[j] * row[q]


@helper
def _back(image, n, m, low, high, work, out):
    """The transpose of :func:`_across`."""
    taps, half = len(low), m // 2
    before = taps // 4 + 1
    for y in range(n):
        for b in range(2):
            for t in range(half + 2 * before):
                x = (t - before) % half + b * half
                work[b, 2 * t] = image[y, 2 * x]
                work[b, 2 * t + 1] = image[y, 2 * x + 1]
        for b in range(2):
            row = work[2 + b, :m]
            row[:] = 0
            for j in range((taps // 2 - b) % 2, taps, 2):
                start = 2 * (before - (taps // 2 - j - b) // 2)
                average, detail = work[0, start : start + m], work[1, start : start + m]
                for q in range(m):
                    row[q] += low[j] * average[q] + high[j] * detail[q]
            for t in range(half):
                out[y, 4 * t + 2 * b] = row[2 * t]
                out[y, 4 * t + 2 * b + 1] = row[2 * t + 1]


@kernel
def transform(image, low, high, n_levels, other):
    """Replace the image by its averages and details; ``other`` is work space of its shape."""
    ny, nx = image.shape[0], image.shape[1] // 2
    work = np.empty((2, nx + 4 * (len(low) // 4 + 1)), image.dtype)
    for level in range(n_levels):
        n, m = ny >> level, nx >> level
        _down(image, n, m, low, high, other)
        _across(other, n, m, low, high, work, image)


@kernel
def transform_back(image, low, high, n_levels, other):
    """The inverse and transpose of :func:`transform`."""
    ny, nx = image.shape[0], image.shape[1] // 2
    work = np.empty((4, nx + 4 * (len(low) // 4 + 1)), image.dtype)
    for level in range(n_levels - 1, -1, -1):
        n, m = ny >> level, nx >> level
        _back(image, n, m, low, high, work, other)
        _up(other, n, m, low, high, image)


@kernel
def place(image, shift_y, shift_x, out):
    """Copy an image, shifted round, into a larger one of zeros."""
    ny, nx = out.shape[0], out.shape[1] // 2
    out[:] = 0
    for y in range(image.shape[0]):
        row = out[(y + shift_y) % ny]
        end = min(image.shape[1], 2 * (nx - shift_x))
        row[2 * shift_x : 2 * shift_x + end] = image[y, :end]
        row[: image.shape[1] - end] = image[y, end:]


@kernel
def cut(image, shift_y, shift_x, out):
    """The transpose of :func:`place`."""
    ny, nx = image.shape[0], image.shape[1] // 2
    for y in range(out.shape[0]):
        row = image[(y + shift_y) % ny]
        end = min(out.shape[1], 2 * (nx - shift_x))
        out[y, :end] = row[2 * shift_x : 2 * shift_x + end]
        out[y, end:] = row[: out.shape[1] - end]


@kernel
def shrink(image, rows, columns, least):
    """Make all numbers smaller by ``least``, none below zero, but in the first ``rows`` and ``columns``."""
    zero = least * 0
    for y in range(image.shape[0]):
        for x in range(columns if y < rows else 0, image.shape[1] // 2):
            re, im = image[y, 2 * x], image[y, 2 * x + 1]
            size = np.sqrt(re * re + im * im)
            factor = max(zero, size - least) / size if size > least else zero
            image[y, 2 * x] = re * factor
            image[y, 2 * x + 1] = im * factor
