"""Minimum-variance weights, one pixel at a time."""

import numpy as np
from numba import prange

from imgtech._core.jit import helper, kernel


@helper
def _covariance(x, n, length, both, out):
    """Mean of ``x_k x_k^H`` over all stretches of a length; it slides along the diagonals."""
    n_parts = n - length + 1
    for j in range(length):
        total = 0.0 + 0.0j
        for k in range(n_parts):
            total += x[k] * np.conj(x[k + j])
        out[0, j] = total
        for i in range(1, length - j):
            total += x[i + n_parts - 1] * np.conj(x[i + j + n_parts - 1]) - x[i - 1] * np.conj(x[i + j - 1])
            out[i, i + j] = total
    for i in range(length):
        for j in range(i, length):
            out[i, j] /= n_parts
            out[j, i] = np.conj(out[i, j])
    if both:
        for i in range(length):
            for j in range(length - i):
                m, k = length - 1 - i, length - 1 - j
                a, b = out[i, j], np.conj(out[m, k])
                out[i, j] = 0.5 * (a + b)
                out[m, k] = np.conj(out[i, j])


@helper
def _solve_ones(matrix, n, y):
    """Solve ``matrix y = 1`` by Cholesky, in place."""
    for j in range(n):
        d = matrix[j, j].real
        for k in range(j):
            d -= matrix[j, k].real ** 2 + matrix[j, k].imag ** 2
        d = np.sqrt(max(d, 1e-300))
        matrix[j, j] = d
        for i in range(j + 1, n):
            s = matrix[i, j]
            for k in range(j):
                s -= matrix[i, k] * np.conj(matrix[j, k])
            matrix[i, j] = s / d
    for i in range(n):
        s = 1.0 + 0.0j
        for k in range(i):
            s -= matrix[i, k] * y[k]
        y[i] = s / matrix[i, i]
    for i in range(n - 1, -1, -1):
        s = y[i]
        for k in range(i + 1, n):
            s -= np.conj(matrix[k, i]) * y[k]
        y[i] = s / matrix[i, i]


@kernel(parallel=True)
def capon_pixels(aligned, mask, fraction, loading, both, reach, out):
    """Capon estimate of every pixel, ``out (line, pixel)``, of ``aligned (line, pixel, e)``.

    The covariance is the mean over ``2 reach + 1`` pixels along the line. The estimate is scaled by the
    number of elements, as a sum.
    """
    n_lines, n_pixels, n_elements = aligned.shape
    for line in prange(n_lines):
        x = np.empty(n_elements, dtype=np.complex128)
        one = np.empty((n_elements, n_elements), dtype=np.complex128)
        total = np.empty((n_elements, n_elements), dtype=np.complex128)
        y = np.empty(n_elements, dtype=np.complex128)
        for p in range(n_pixels):
            n = 0
            for e in range(n_elements):
                if mask[line, p, e]:
                    n += 1
            if n == 0:
                continue
            length = max(1, int(fraction * n + 0.5))
            total[:length, :length] = 0.0
            count = 0
            for q in range(max(0, p - reach), min(n_pixels, p + reach + 1)):
                k = 0
                for e in range(n_elements):
                    if mask[line, p, e]:
                        x[k] = aligned[line, q, e]
                        k += 1
                _covariance(x, n, length, both, one)
                total[:length, :length] += one[:length, :length]
                count += 1
            trace = 0.0
            for i in range(length):
                for j in range(length):
                    total[i, j] /= count
                trace += total[i, i].real
            if trace <= 0.0:
                continue
            for i in range(length):
                total[i, i] += loading * trace / length
            _solve_ones(total, length, y)
            norm = 0.0 + 0.0j
            for i in range(length):
                norm += y[i]
            k = 0
            for e in range(n_elements):
                if mask[line, p, e]:
                    x[k] = aligned[line, p, e]
                    k += 1
            estimate = 0.0 + 0.0j
            for k in range(n - length + 1):
                for i in range(length):
                    estimate += np.conj(y[i]) * x[k + i]
            out[line, p] = n * estimate / (np.conj(norm) * (n - length + 1))
