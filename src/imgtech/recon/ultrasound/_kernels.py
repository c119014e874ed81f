"""Delay-and-sum kernels. Delays are in samples, rotations in turns; arrays are contiguous.

The receive delay, the aperture weight and the receive half of the phase rotation depend on the
lateral distance between pixel and element and on the depth only: `receive_table` makes one row of
each for every distance that occurs. The sums then run over image columns (their output), transmits,
elements of the aperture and depths.
"""

import math

import numpy as np
from numba import prange

from imgtech._core.jit import helper, kernel


@helper
def _turn(turns):
    """Cosine and sine of ``2 pi turns`` without branches, error below 1e-13."""
    a = (turns - np.rint(turns)) * (0.5 * math.pi)  # a quarter of the angle, within +-pi/4
    b = a * a
    s = a * (1 + b * (-1 / 6 + b * (1 / 120 + b * (-1 / 5040 + b * (1 / 362880 + b * (
        -1 / 39916800 + b * (1 / 6227020800)))))))  # fmt: skip
    c = 1 + b * (-1 / 2 + b * (1 / 24 + b * (-1 / 720 + b * (1 / 40320 + b * (
        -1 / 3628800 + b * (1 / 479001600 + b * (-1 / 87178291200)))))))  # fmt: skip
    for _ in range(2):
        s, c = 2 * s * c, 1 - 2 * s * s
    return c, s


@helper
def _locate(transmit, receive, last, n, index, fraction, inside):
    """Split delays into sample, fraction and a flag (1 or 0) for the record, ``0 <= d <= last``."""
    for j in range(n):
        delay = transmit[j] + receive[j]
        held = min(max(delay, 0.0), np.float64(last))
        i = min(np.uint32(held), np.uint32(last - 1))
        index[j] = i
        fraction[j] = held - i
        inside[j] = 1.0 if held == delay else 0.0


@kernel(parallel=True)
def receive_table(
    offsets_mm, depths_mm, f_number, flat, cosines, samples_per_mm, turns_per_sample,
    delay, weight_re, weight_im, first,
):  # fmt: skip
    """Fill a row for every distance: delay, aperture weight times rotation, first depth in the aperture.

    The window is ``cosines[0] + cosines[1] cos(pi v) + cosines[2] cos(2 pi v)`` with ``v`` the place in
    the half aperture, 0 at its middle and up to ``flat``, 1 at its edge.
    """
    n_depths = depths_mm.size
    for k in prange(offsets_mm.size):
        edge_mm = 2.0 * f_number * offsets_mm[k]
        start = 0
        while start < n_depths and depths_mm[start] < edge_mm:
            start += 1
        first[k] = start
        for j in range(start, n_depths):
            z = depths_mm[j]
            delay[k, j] = math.sqrt(offsets_mm[k] * offsets_mm[k] + z * z) * samples_per_mm
            u = edge_mm / z if edge_mm > 0.0 else 0.0
            v = max(0.0, u - flat) / (1.0 - flat)
            c1, _ = _turn(0.5 * v)
            weight = cosines[0] + cosines[1] * c1 + cosines[2] * (2.0 * c1 * c1 - 1.0)
            c, s = _turn(turns_per_sample * delay[k, j])
            weight_re[k, j] = weight * c
            weight_im[k, j] = weight * s


@kernel(parallel=True)
def sum_real(data, transmit, delay, weight, first, rows, out):
    """Sum real traces ``data (t, e, n)`` into ``out (x, t or 1, z)``."""
    n_transmits, n_elements, n_samples = data.shape
    n_depths = out.shape[2]
    for x in prange(out.shape[0]):
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        for t in range(n_transmits):
            total = out[x, min(t, out.shape[1] - 1)]
            for e in range(n_elements):
                k = rows[x, e]
                z0 = first[k]
                n = n_depths - z0
                _locate(transmit[t, x, z0:], delay[k, z0:], n_samples - 1, n, index, fraction, inside)
                trace = data[t, e]
                w = weight[k, z0:]
                sums = total[z0:]
                for j in range(n):
                    i = index[j]
                    a = trace[i]
                    sums[j] += w[j] * inside[j] * (a + fraction[j] * (trace[i + np.uint32(1)] - a))


@kernel(parallel=True)
def sum_complex(data, transmit, delay, weight_re, weight_im, first, rows, turns_per_sample, start_turns, out):
    """Sum complex traces, ``data (t, e, n, 2)``, rotated to their delay, into ``out (x, t or 1, z, 2)``."""
    n_transmits, n_elements, n_samples, _ = data.shape
    n_depths = out.shape[2]
    for x in prange(out.shape[0]):
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        real = np.empty(n_depths, dtype=data.dtype)
        imag = np.empty(n_depths, dtype=data.dtype)
        for t in range(n_transmits):
            real[:] = 0.0
            imag[:] = 0.0
            for e in range(n_elements):
                k = rows[x, e]
                z0 = first[k]
                n = n_depths - z0
                _locate(transmit[t, x, z0:], delay[k, z0:], n_samples - 1, n, index, fraction, inside)
                trace = data[t, e]
                w_re = weight_re[k, z0:]
                w_im = weight_im[k, z0:]
                sums_re = real[z0:]
                sums_im = imag[z0:]
                for j in range(n):
                    i = index[j]
                    f = fraction[j]
                    a_re = trace[i, 0]
                    a_im = trace[i, 1]
                    a_re += f * (trace[i + np.uint32(1), 0] - a_re)
                    a_im += f * (trace[i + np.uint32(1), 1] - a_im)
                    a_re *= inside[j]
                    a_im *= inside[j]
                    sums_re[j] += w_re[j] * a_re - w_im[j] * a_im
                    sums_im[j] += w_re[j] * a_im + w_im[j] * a_re
            total = out[x, min(t, out.shape[1] - 1)]
            for j in range(n_depths):
                c, s = _turn(turns_per_sample * transmit[t, x, j] + start_turns[t])
                total[j, 0] += c * real[j] - s * imag[j]
                total[j, 1] += c * imag[j] + s * real[j]


@kernel(parallel=True)
def sum_frames_real(data, transmit, delay, weight, first, rows, out):
    """Sum traces of many values a sample, ``data (t, e, n, f)``, into ``out (x, t or 1, z, f)``."""
    n_transmits, n_elements, n_samples, n_values = data.shape
    n_depths = out.shape[2]
    for x in prange(out.shape[0]):
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        for t in range(n_transmits):
            total = out[x, min(t, out.shape[1] - 1)]
            for e in range(n_elements):
                k = rows[x, e]
                z0 = first[k]
                n = n_depths - z0
                _locate(transmit[t, x, z0:], delay[k, z0:], n_samples - 1, n, index, fraction, inside)
                for j in range(n):
                    here = data[t, e, index[j]]
                    next_ = data[t, e, index[j] + np.uint32(1)]
                    w = weight[k, z0 + j] * inside[j]
                    w_next = w * fraction[j]
                    w_here = w - w_next
                    sums = total[z0 + j]
                    for v in range(n_values):
                        sums[v] += w_here * here[v] + w_next * next_[v]


@kernel(parallel=True)
def sum_frames_complex(
    data, transmit, delay, weight_re, weight_im, first, rows, turns_per_sample, start_turns, out
):
    """Sum complex traces of many frames, ``data (t, e, n, 2 f)``, into ``out (x, t or 1, z, 2 f)``.

    Real and imaginary parts alternate along the last axis of both. Two sums run beside each other, one
    with the real and one with the imaginary part of each weight; they meet once a pixel and transmit.
    """
    n_transmits, n_elements, n_samples, n_values = data.shape
    n_depths = out.shape[2]
    for x in prange(out.shape[0]):
        index = np.empty(n_depths, dtype=np.uint32)
        fraction = np.empty(n_depths, dtype=data.dtype)
        inside = np.empty(n_depths, dtype=data.dtype)
        with_re = np.empty((n_depths, n_values), dtype=data.dtype)
        with_im = np.empty((n_depths, n_values), dtype=data.dtype)
        for t in range(n_transmits):
            with_re[:] = 0.0
            with_im[:] = 0.0
            for e in range(n_elements):
                k = rows[x, e]
                z0 = first[k]
                n = n_depths - z0
                _locate(transmit[t, x, z0:], delay[k, z0:], n_samples - 1, n, index, fraction, inside)
                for j in range(n):
                    here = data[t, e, index[j]]
                    next_ = data[t, e, index[j] + np.uint32(1)]
                    f = fraction[j]
                    w_re = weight_re[k, z0 + j] * inside[j]
                    w_im = weight_im[k, z0 + j] * inside[j]
                    sums_re = with_re[z0 + j]
                    sums_im = with_im[z0 + j]
                    for v in range(n_values):
                        value = here[v] + f * (next_[v] - here[v])
                        sums_re[v] += w_re * value
                        sums_im[v] += w_im * value
            total = out[x, min(t, out.shape[1] - 1)]
            for j in range(n_depths):
                c, s = _turn(turns_per_sample * transmit[t, x, j] + start_turns[t])
                for v in range(0, n_values, 2):
                    re = with_re[j, v] - with_im[j, v + 1]
                    im = with_re[j, v + 1] + with_im[j, v]
                    total[j, v] += c * re - s * im
                    total[j, v + 1] += c * im + s * re
